//! Connections: taken so that nobody waits for himself, and given back only when they are clean.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::driver::{Driver, DriverError};
use crate::error::Error;
use crate::events::Event;
use crate::manager::Shared;

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

    /// One that is free now, or as soon as those are back that are on their way.
    async fn free(&self, of_reserve: bool) -> Option<(OwnedSemaphorePermit, bool)> {
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

/// What a task holds already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) connections: u32,
    /// Whether one of them is of the reserve.
    pub(crate) of_reserve: bool,
}

/// A connection that is closed when dropped, unless it was given back.
pub(crate) struct Lease<D: Driver> {
    connection: Option<D::Connection>,
    shared: Arc<Shared<D>>,
    pub(crate) of_reserve: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl<D: Driver> Lease<D> {
    pub(crate) fn connection(&mut self) -> Result<&mut D::Connection, Error> {
        self.connection.as_mut().ok_or(Error::Completed)
    }

    /// Gives it back, in the background where that takes something to be done.
    pub(crate) fn give_back(mut self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let Some(connection) = self.connection.take() else {
            return;
        };
        if let Some(way_back) = self.shared.driver.give_back(connection) {
            let shared = Arc::clone(&self.shared);
            let permit = self.permit.take();
            shared.counts.returning.fetch_add(1, Ordering::AcqRel);
            runtime.spawn(async move {
                way_back.await;
                drop(permit);
                shared.counts.returning.fetch_sub(1, Ordering::AcqRel);
                shared.counts.returned.notify_waiters();
            });
        }
    }
}

impl<D: Driver> Drop for Lease<D> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.shared.driver.discard(connection);
            self.shared.tell(&Event::ConnectionClosed);
        }
    }
}

/// Takes a connection for a task that holds some already, or none.
///
/// Who holds none waits as the pool does. Who holds one waits only for the reserve: those who have
/// taken from it wait for nothing any more, so that they come to their end. Everybody else takes what
/// is free, or fails at once.
pub(crate) async fn acquire<D: Driver>(
    shared: &Arc<Shared<D>>,
    held: Held,
) -> Result<Lease<D>, Error> {
    let counts = &shared.counts;
    let exhausted = || Error::PoolExhausted {
        held: held.connections,
        size: shared.driver.size(),
    };
    let (permit, of_reserve) = if held.connections == 0 {
        let permit = Arc::clone(&counts.general).acquire_owned();
        let permit = match shared.driver.patience() {
            None => permit.await,
            Some(patience) => match tokio::time::timeout(patience, permit).await {
                Ok(permit) => permit,
                Err(_) => return Err(exhausted()),
            },
        };
        (permit.map_err(|_| Error::Completed)?, false)
    } else {
        counts.free(held.of_reserve).await.ok_or_else(exhausted)?
    };
    let connection = if held.connections == 0 {
        shared.driver.acquire().await.map_err(cannot_begin)?
    } else {
        let found = shared.driver.try_acquire().await.map_err(cannot_begin)?;
        found.ok_or_else(exhausted)?
    };
    Ok(Lease {
        connection: Some(connection),
        shared: Arc::clone(shared),
        of_reserve,
        permit: Some(permit),
    })
}

pub(crate) fn cannot_begin(error: DriverError) -> Error {
    Error::CannotBegin {
        source: error.source,
        retryable: error.retryable,
    }
}

/// One connection that is set aside, counted while it is.
pub(crate) struct SetAside<D: Driver>(Arc<Shared<D>>);

impl<D: Driver> SetAside<D> {
    pub(crate) fn new(shared: &Arc<Shared<D>>) -> Self {
        shared.counts.suspended.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl<D: Driver> Drop for SetAside<D> {
    fn drop(&mut self) {
        self.0.counts.suspended.fetch_sub(1, Ordering::Relaxed);
    }
}
