//! Connections: taken so that nobody waits for himself, and given back only when they are clean.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use crate::driver::{Driver, DriverError};
use crate::error::Error;
use crate::events::Event;
use crate::shared::Shared;

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
            shared.counts.goes_back();
            runtime.spawn(async move {
                way_back.await;
                drop(permit);
                shared.counts.is_back();
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
        let permit = counts.wait();
        let permit = match shared.driver.patience() {
            None => permit.await,
            Some(patience) => match tokio::time::timeout(patience, permit).await {
                Ok(permit) => permit,
                Err(_) => return Err(exhausted()),
            },
        };
        (permit.ok_or(Error::Completed)?, false)
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
        shared.counts.set_aside();
        Self(Arc::clone(shared))
    }
}

impl<D: Driver> Drop for SetAside<D> {
    fn drop(&mut self) {
        self.0.counts.take_up();
    }
}
