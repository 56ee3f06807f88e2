//! The one clock of a coordinator.
//!
//! It reads the wall once, when it is made, and goes on by the monotonic clock from there: a wall
//! clock that jumps while sagas are under way moves no time limit. A coordinator that is restarted
//! reads the wall anew.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use settled_protocol::{Span, Timestamp};

/// Tells the time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Timestamp,
    origin: Instant,
}

impl Clock {
    /// A clock that starts from the wall's time.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where clocks are read"
    )]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            wall: Timestamp(0) + Span::from(since_epoch),
            origin: Instant::now(),
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.wall + Span::from(self.origin.elapsed())
    }

    /// The same moment on tokio's clock.
    pub(super) fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + (at - self.wall).to_std())
    }
}
