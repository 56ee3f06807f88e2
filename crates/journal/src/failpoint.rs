//! Places at which a test may let the process die, or hold it up.
//!
//! Only in builds with debug assertions: `SETTLED_FAILPOINT=name:N` aborts the process when it
//! passes that place for the Nth time, and `name:N:MILLIS` holds it up there for so long. A release
//! build has none of this.

/// A place, and how often a process passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failpoint {
    /// As in `SETTLED_FAILPOINT`.
    pub name: &'static str,
    /// Whether a process passes it once at most.
    pub once: bool,
}

const fn often(name: &'static str) -> Failpoint {
    Failpoint { name, once: false }
}

const fn once(name: &'static str) -> Failpoint {
    Failpoint { name, once: true }
}

/// Every place that there is; the test goes through all of them.
pub const FAILPOINTS: [Failpoint; 18] = [
    once("start"),
    often("due-found"),
    often("before-load"),
    often("loaded"),
    often("before-append"),
    often("before-commit"),
    often("after-commit"),
    often("written"),
    often("before-send"),
    often("answered"),
    often("answer-taken"),
    often("before-reply"),
    often("after-reply"),
    often("before-prune"),
    often("after-prune"),
    once("draining"),
    once("drained"),
    once("writer-closed"),
];

/// Passes a place.
#[cfg(debug_assertions)]
pub fn failpoint(name: &str) {
    armed::pass(name);
}

/// Passes a place.
#[cfg(not(debug_assertions))]
#[inline]
pub const fn failpoint(_name: &str) {}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::FAILPOINTS;

    const VARIABLE: &str = "SETTLED_FAILPOINT";

    struct Armed {
        name: String,
        at: u32,
        passed: AtomicU32,
        pause: Option<Duration>,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    pub(super) fn pass(name: &str) {
        let Some(armed) = ARMED.get_or_init(read) else {
            return;
        };
        debug_assert!(
            FAILPOINTS.iter().any(|known| known.name == name),
            "{name} is not in the list"
        );
        if armed.name != name || armed.passed.fetch_add(1, Ordering::Relaxed) + 1 != armed.at {
            return;
        }
        match armed.pause {
            Some(pause) => std::thread::sleep(pause),
            None => std::process::abort(),
        }
    }

    fn read() -> Option<Armed> {
        let text = std::env::var(VARIABLE).ok()?;
        let mut parts = text.split(':');
        let name = parts.next()?.to_owned();
        let at = parts.next()?.parse().ok()?;
        let pause = match parts.next() {
            Some(millis) => Some(Duration::from_millis(millis.parse().ok()?)),
            None => None,
        };
        Some(Armed {
            name,
            at,
            passed: AtomicU32::new(0),
            pause,
        })
    }
}
