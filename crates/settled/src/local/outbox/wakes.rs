//! What wakes the reader of an outbox: the positions of rows that were, or will be, committed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::local::row::Position;

/// Shared by the reader and by the tokens of rows.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    state: Mutex<State>,
    notify: Notify,
}

#[derive(Debug, Default)]
struct State {
    positions: Vec<Position>,
    closed: bool,
}

impl Wakes {
    /// There will be a row at this position.
    pub(super) fn wake(&self, position: Position) {
        let mut state = self.state();
        if !state.closed {
            state.positions.push(position);
            drop(state);
            self.notify.notify_one();
        }
    }

    /// Nobody reads any more.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.notify.notify_one();
    }

    /// What has come in since the last time.
    pub(super) fn take(&self) -> Vec<Position> {
        std::mem::take(&mut self.state().positions)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Waits for the next one. Cancel-safe; one that came before is not missed.
    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
