//! How many connections of a pool are in use, as far as they go through the manager: so that it is known
//! at once whether one is to be had.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The counts of one pool's connections, as far as they go through the manager.
#[derive(Debug)]
pub(crate) struct Counts {
    general: Arc<Semaphore>,
    /// For scopes whose task holds a connection already.
    reserve: Arc<Semaphore>,
    reserved: u32,
    /// Those on their way back to the pool: they are free in a moment, and hold nobody up.
    returning: AtomicU32,
    returned: Notify,
    suspended: AtomicU32,
}

impl Counts {
    pub(crate) fn new(size: u32, reserve: u32) -> Self {
        // One must be left for those that hold none.
        let reserved = reserve.min(size.saturating_sub(1));
        let permits = |count: u32| Arc::new(Semaphore::new(count as usize));
        Self {
            general: permits(size - reserved),
            reserve: permits(reserved),
            reserved,
            returning: AtomicU32::new(0),
            returned: Notify::new(),
            suspended: AtomicU32::new(0),
        }
    }

    /// How many connections are set aside.
    pub(crate) fn suspended(&self) -> u32 {
        self.suspended.load(Ordering::Relaxed)
    }

    pub(crate) fn set_aside(&self) {
        self.suspended.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn take_up(&self) {
        self.suspended.fetch_sub(1, Ordering::Relaxed);
    }

    /// One is on its way back to the pool.
    pub(crate) fn goes_back(&self) {
        self.returning.fetch_add(1, Ordering::AcqRel);
    }

    /// It is there. Its permit was given back before.
    pub(crate) fn is_back(&self) {
        self.returning.fetch_sub(1, Ordering::AcqRel);
        self.returned.notify_waiters();
    }

    /// Waits for one, for a task that holds none.
    pub(crate) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.general).acquire_owned().await.ok()
    }

    /// One that is free now, or as soon as those are back that are on their way.
    pub(crate) async fn free(&self, of_reserve: bool) -> Option<(OwnedSemaphorePermit, bool)> {
        loop {
            let returned = self.returned.notified();
            // Counted before looking: one that is back in between is seen.
            let returning = self.returning.load(Ordering::Acquire);
            if let Ok(permit) = Arc::clone(&self.general).try_acquire_owned() {
                return Some((permit, false));
            }
            if let Ok(permit) = Arc::clone(&self.reserve).try_acquire_owned() {
                return Some((permit, true));
            }
            if returning == 0 {
                break;
            }
            returned.await;
        }
        if self.reserved == 0 || of_reserve {
            return None;
        }
        let permit = Arc::clone(&self.reserve).acquire_owned().await;
        Some((permit.ok()?, true))
    }
}
