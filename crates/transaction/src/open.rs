//! How a scope is entered: what the rules decide is done here. `leave` and `dropped` say how it ends.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;

use crate::ambient;
use crate::connections::{Held, acquire, cannot_begin};
use crate::definition::{Definition, HookScopes};
use crate::driver::{Begin, Driver};
use crate::error::Error;
use crate::events::Event;
use crate::frame::{Frame, Place};
use crate::mark::Mark;
use crate::outcome::Outcome;
use crate::rules::{Entry, Refusal, Role, enter};
use crate::shared::Shared;
use crate::tx::{Tx, make_savepoint};
use crate::unit::{Deadline, Suspension, Unit};

/// A scope that was entered. Dropped before [`Open::leave`] is done, it is rolled back.
pub(crate) struct Open<D: Driver> {
    pub(crate) frame: Arc<Frame<D>>,
    place: Arc<Place<D>>,
    pub(crate) stage: Stage,
    pub(crate) since: Instant,
    /// What is set aside; taken up again when this is dropped, after everything else.
    _suspension: Option<Suspension<D>>,
}

/// How far a scope is: what dropping it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its body runs.
    Body,
    /// Its end has begun at the database, and is this where it is not seen.
    Ending(Outcome),
    /// It has come to its end; hooks may still be told.
    Ended(Outcome),
    /// Nothing is left to do.
    Left,
}

impl<D: Driver> Open<D> {
    /// Enters a scope.
    pub(crate) async fn enter(
        shared: &Arc<Shared<D>>,
        around: Option<Arc<Place<D>>>,
        definition: &Definition,
        who: Mark,
    ) -> Result<Self, Error> {
        let place = around.as_deref().map_or(Place::nowhere(), Place::clone);
        let entry = enter(definition, place.around(), &shared.settings).map_err(refused)?;
        match (entry, place.frame) {
            (Entry::Join, Some(outer)) => {
                outer.check_open()?;
                let role = if outer.unit.is_transaction() {
                    Role::Participant
                } else {
                    Role::EmptyParticipant
                };
                let unit = Arc::clone(&outer.unit);
                let read_only = definition.read_only;
                let frame = Frame::new(unit, role, outer.savepoint, who, read_only);
                Ok(Self::new(frame, None))
            }
            (Entry::Savepoint, Some(outer)) => {
                let number = make_savepoint(&outer, false).await?;
                let unit = Arc::clone(&outer.unit);
                let role = Role::Nested(number);
                let read_only = definition.read_only;
                let frame = Frame::new(unit, role, Some(number), who, read_only);
                Ok(Self::new(frame, None))
            }
            (Entry::Begin { .. }, around) => {
                let around = around.map(|frame| Arc::clone(&frame.unit));
                Self::begin(shared, around, place.set_aside, definition, who).await
            }
            (Entry::Empty { .. }, around) => {
                let around = around.map(|frame| Arc::clone(&frame.unit));
                if let Some(isolation) = definition.isolation {
                    tracing::warn!(
                        isolation = isolation.as_sql(),
                        "an isolation was asked for by a scope without a transaction"
                    );
                }
                let suspension = around.as_ref().map(Unit::set_aside);
                let outer = around.or(place.set_aside);
                let hooks = shared.settings.hooks == HookScopes::Always;
                let shared = Arc::clone(shared);
                let unit = Unit::new(shared, who.clone(), None, None, hooks, outer, None);
                let read_only = definition.read_only;
                let frame = Frame::new(Arc::new(unit), Role::Empty, None, who, read_only);
                Ok(Self::new(frame, suspension))
            }
            // What joins has something to join.
            (Entry::Join | Entry::Savepoint, None) => Err(Error::NoTransaction),
        }
    }

    /// Begins a transaction. What is around is set aside first, and taken up again if this fails; what
    /// is set aside already, while hooks run after an end, is not set aside once more.
    async fn begin(
        shared: &Arc<Shared<D>>,
        around: Option<Arc<Unit<D>>>,
        set_aside: Option<Arc<Unit<D>>>,
        definition: &Definition,
        who: Mark,
    ) -> Result<Self, Error> {
        let driver = &shared.driver;
        let traits = driver.traits();
        let timeout = definition.timeout.or(shared.settings.default_timeout);
        let how = Begin {
            isolation: definition.isolation,
            read_only: definition.read_only,
            deferred: definition.deferred,
            timeout,
        };
        if let (Some(only), Some(asked)) = (traits.only_isolation, how.isolation)
            && only != asked
        {
            return Err(Error::InvalidIsolation {
                asked,
                database: traits.name,
                remedy: "leave it out: what it has is the strictest",
            });
        }
        let outer = around.as_ref().or(set_aside.as_ref()).map(Arc::clone);
        if traits.single_writer
            && !how.read_only
            && outer.as_deref().is_some_and(Unit::may_hold_the_writer)
        {
            return Err(Error::SingleWriter);
        }
        let suspension = around.as_ref().map(Unit::set_aside);
        let held = outer.as_deref().map_or(Held::default(), Unit::held);
        let scope = definition.name.as_deref();
        shared.tell(&Event::Begins { scope });
        let begun = async {
            let mut lease = acquire(shared, held).await?;
            let deadline = timeout.and_then(Deadline::after);
            let done = driver.begin(lease.connection()?, &how).await;
            done.map_err(cannot_begin)?;
            Ok((lease, deadline))
        };
        let (lease, deadline) = match begun.await {
            Ok(begun) => begun,
            Err(error) => {
                shared.tell(&Event::BeginFailed { scope });
                return Err(error);
            }
        };
        shared.tell(&Event::Began { scope });
        let hooks = shared.settings.hooks != HookScopes::Never;
        let shared = Arc::clone(shared);
        let (owner, lease) = (who.clone(), Some(lease));
        let unit = Unit::new(shared, owner, Some(how), deadline, hooks, outer, lease);
        let frame = Frame::new(Arc::new(unit), Role::Owner, None, who, how.read_only);
        Ok(Self::new(frame, suspension))
    }

    fn new(frame: Frame<D>, suspension: Option<Suspension<D>>) -> Self {
        let frame = Arc::new(frame);
        Self {
            place: Arc::new(Place::within(&frame)),
            frame,
            stage: Stage::Body,
            since: Instant::now(),
            _suspension: suspension,
        }
    }

    pub(crate) fn tx(&self) -> Tx<D> {
        Tx(Arc::clone(&self.frame))
    }

    /// Runs something within the scope.
    pub(crate) fn within<F: Future>(
        &self,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F, D> {
        let place: Arc<dyn Any + Send + Sync> = self.place.clone();
        ambient::within(self.frame.unit.shared.id(), place, future)
    }
}

fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::NoTransaction => Error::NoTransaction,
        Refusal::InTransaction => Error::InTransaction,
        Refusal::NestedNotSupported => Error::NestedNotSupported,
        Refusal::SuspensionNotSupported => Error::SuspensionNotSupported,
        Refusal::InvalidTimeout => Error::InvalidTimeout,
        Refusal::Isolation { asked, around } => Error::IncompatibleIsolation { asked, around },
        Refusal::NestedIsolation { asked } => Error::NestedIsolation { asked },
        Refusal::ReadOnly => Error::IncompatibleReadOnly,
    }
}
