//! What shares one connection: a transaction, or a scope that runs without one. Statements go through
//! its gate one after the other, and each leaves behind what it has learned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Mutex as Gate;
use tokio::time::Instant;

use crate::connections::{Held, Lease, SetAside, acquire};
use crate::driver::{Begin, Driver, DriverError, Standing};
use crate::error::Error;
use crate::events::Event;
use crate::hooks::Hooks;
use crate::mark::{Cause, Mark};
use crate::outcome::Outcome;
use crate::rules::{Around, Phase, State};
use crate::shared::Shared;

/// One transaction, or one scope without.
pub(crate) struct Unit<D: Driver> {
    pub(crate) shared: Arc<Shared<D>>,
    /// Where it is ended when nobody waits for that. None outside of a runtime.
    pub(crate) runtime: Option<Handle>,
    /// The scope that it was begun for.
    pub(crate) owner: Mark,
    /// How its transaction was begun; none where it has none.
    pub(crate) begun: Option<Begin>,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) hooks: Option<Hooks>,
    /// What is set aside for it.
    pub(crate) outer: Option<Arc<Unit<D>>>,
    pub(crate) gate: Gate<Option<Lease<D>>>,
    state: Mutex<State>,
    /// Whether it holds a connection, and one of the reserve.
    holds: AtomicBool,
    holds_of_reserve: AtomicBool,
    /// Whether it may hold the lock of the one writer, where the database has but one.
    writes: AtomicBool,
}

/// Until when a transaction must be at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Option<Self> {
        let at = Instant::now().checked_add(limit)?;
        Some(Self { at, limit })
    }

    pub(crate) fn error(&self) -> Error {
        Error::TimedOut { limit: self.limit }
    }
}

impl<D: Driver> Unit<D> {
    pub(crate) fn new(
        shared: Arc<Shared<D>>,
        owner: Mark,
        begun: Option<Begin>,
        deadline: Option<Deadline>,
        hooks: bool,
        outer: Option<Arc<Unit<D>>>,
        lease: Option<Lease<D>>,
    ) -> Self {
        let holds_of_reserve = lease.as_ref().is_some_and(|lease| lease.of_reserve);
        let writes = begun.is_some_and(|how| !how.read_only && !how.deferred);
        Self {
            shared,
            runtime: Handle::try_current().ok(),
            owner,
            begun,
            deadline,
            hooks: hooks.then(Hooks::new),
            outer,
            holds: AtomicBool::new(lease.is_some()),
            holds_of_reserve: AtomicBool::new(holds_of_reserve),
            gate: Gate::new(lease),
            state: Mutex::new(State::new()),
            writes: AtomicBool::new(writes),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_transaction(&self) -> bool {
        self.begun.is_some()
    }

    /// What it is to a scope within it.
    pub(crate) fn around(&self) -> Around {
        match self.begun {
            None => Around::Empty,
            Some(begun) => Around::Transaction {
                isolation: begun.isolation,
                read_only: begun.read_only,
            },
        }
    }

    /// What a task holds that has set this aside.
    pub(crate) fn held(&self) -> Held {
        let mut held = Held::default();
        let mut unit = Some(self);
        while let Some(at) = unit {
            held.connections += u32::from(at.holds.load(Ordering::Relaxed));
            held.of_reserve |= at.holds_of_reserve.load(Ordering::Relaxed);
            unit = at.outer.as_deref();
        }
        held
    }

    /// Whether it, or what it has set aside, may hold the lock of the one writer.
    pub(crate) fn may_hold_the_writer(&self) -> bool {
        let mut unit = Some(self);
        while let Some(at) = unit {
            if at.writes.load(Ordering::Relaxed) {
                return true;
            }
            unit = at.outer.as_deref();
        }
        false
    }

    /// A statement may have taken the lock of the one writer.
    pub(crate) fn set_writes(&self) {
        // The database refuses the writing of one that only reads, before it takes the lock.
        if self.begun.is_some_and(|begun| !begun.read_only) {
            self.writes.store(true, Ordering::Relaxed);
        }
    }

    /// It holds no connection any more.
    pub(crate) fn let_go(&self) {
        self.holds.store(false, Ordering::Relaxed);
        self.holds_of_reserve.store(false, Ordering::Relaxed);
        self.writes.store(false, Ordering::Relaxed);
    }

    /// Takes the connection of a scope without a transaction, which is taken with its first statement.
    pub(crate) async fn take_connection(&self) -> Result<Lease<D>, Error> {
        let outer = self.outer.as_deref();
        let held = outer.map(Self::held).unwrap_or_default();
        let mut lease = acquire(&self.shared, held).await?;
        if self.is_impatient() {
            let driver = &self.shared.driver;
            let set = driver.set_impatient(lease.connection()?, true).await;
            set.map_err(Error::from)?;
        }
        self.holds.store(true, Ordering::Relaxed);
        self.holds_of_reserve
            .store(lease.of_reserve, Ordering::Relaxed);
        Ok(lease)
    }

    /// Whether waiting for the one writer would be waiting for what is set aside for this.
    pub(crate) fn is_impatient(&self) -> bool {
        !self.is_transaction()
            && self.shared.driver.traits().single_writer
            && self.outer.as_deref().is_some_and(Self::may_hold_the_writer)
    }

    /// Undoes savepoints whose scopes were dropped, before anything else happens on the connection.
    pub(crate) async fn undo_abandoned(&self, lease: &mut Lease<D>) -> Result<(), Error> {
        let Some(savepoint) = self.state().abandoned() else {
            return Ok(());
        };
        // Where this does not come to its end, the connection is closed, and the transaction with it.
        let guard = LostUnlessDone::new(self, &self.owner);
        let done = async {
            self.roll_back_to(lease, savepoint).await?;
            self.release(lease, savepoint, &self.owner).await
        };
        let done = done.await;
        guard.done();
        if let Err(error) = &done {
            let said = error.to_string().into();
            let mark = self.owner.because(Cause::EndedByDatabase(said));
            self.state().set_gone(mark, Outcome::RolledBack);
        }
        done
    }

    /// Undoes what was done since a savepoint. When that fails the transaction is given up.
    pub(crate) async fn roll_back_to(
        &self,
        lease: &mut Lease<D>,
        savepoint: u32,
    ) -> Result<(), Error> {
        let driver = &self.shared.driver;
        let done = driver.roll_back_to(lease.connection()?, savepoint).await;
        self.or_give_up(done)?;
        self.state().rolled_back_to(savepoint);
        if let Some(hooks) = &self.hooks {
            let drop_those_within = self.shared.settings.drop_hooks_with_savepoint;
            hooks.rolled_back_to(savepoint, drop_those_within);
        }
        self.shared.tell(&Event::RolledBackTo { number: savepoint });
        Ok(())
    }

    /// Forgets a savepoint. When that fails the transaction can only be rolled back, and when it is
    /// dropped: nobody can tell whether the savepoint is still there to go back to.
    pub(crate) async fn release(
        &self,
        lease: &mut Lease<D>,
        savepoint: u32,
        who: &Mark,
    ) -> Result<(), Error> {
        let driver = &self.shared.driver;
        let guard = LostUnlessDone::new(self, who);
        let done = driver.release(lease.connection()?, savepoint).await;
        guard.done();
        done.map_err(Error::from)?;
        let mut state = self.state();
        state.release(savepoint);
        let outer = state.innermost();
        drop(state);
        if let Some(hooks) = &self.hooks {
            hooks.released(savepoint, outer);
        }
        self.shared
            .tell(&Event::SavepointReleased { number: savepoint });
        Ok(())
    }

    /// Asks how the transaction stands, where the database would take a statement without it. `unseen`:
    /// after something that may also have committed it.
    pub(crate) async fn look(
        &self,
        lease: &mut Lease<D>,
        mark: Mark,
        unseen: bool,
    ) -> Result<(), Error> {
        if !self.is_transaction() {
            return Ok(());
        }
        let driver = &self.shared.driver;
        let standing = driver.standing(lease.connection()?).await;
        let (why, outcome) = match &standing {
            Ok(Standing::Gone { why, outcome }) => (why.as_str().into(), *outcome),
            Ok(Standing::Open | Standing::Aborted) => return Ok(()),
            // No commit was sent by the manager, and none will be: the connection is closed.
            Err(error) => (error.source.to_string().into(), Outcome::RolledBack),
        };
        let outcome = if unseen { Outcome::Unknown } else { outcome };
        let why = mark.because(Cause::EndedByDatabase(why));
        self.state().set_gone(why, outcome);
        standing.map(drop).map_err(Error::from)
    }

    fn or_give_up<T>(&self, done: Result<T, DriverError>) -> Result<T, Error> {
        done.map_err(|error| {
            let said = error.source.to_string().into();
            let mark = self.owner.because(Cause::EndedByDatabase(said));
            // No commit was sent, and none will be: the connection is closed.
            self.state().set_gone(mark, Outcome::RolledBack);
            Error::from(error)
        })
    }

    /// Sets it aside for as long as the guard lives.
    pub(crate) fn set_aside(self: &Arc<Self>) -> Suspension<D> {
        if let Some(hooks) = &self.hooks {
            hooks.suspend();
        }
        let holds = self.holds.load(Ordering::Relaxed);
        Suspension {
            unit: Arc::clone(self),
            _counted: holds.then(|| SetAside::new(&self.shared)),
        }
    }

    /// Closes the gate for good: who waits there finds the end.
    pub(crate) fn set_phase(&self, phase: Phase) {
        self.state().set_phase(phase);
    }
}

/// A transaction that is given up where what is done on its connection is dropped before its end.
struct LostUnlessDone<'u, D: Driver> {
    unit: &'u Unit<D>,
    who: &'u Mark,
    is_done: bool,
}

impl<'u, D: Driver> LostUnlessDone<'u, D> {
    fn new(unit: &'u Unit<D>, who: &'u Mark) -> Self {
        Self {
            unit,
            who,
            is_done: false,
        }
    }

    fn done(mut self) {
        self.is_done = true;
    }
}

impl<D: Driver> Drop for LostUnlessDone<'_, D> {
    fn drop(&mut self) {
        if !self.is_done {
            let mark = self.who.because(Cause::StatementDropped);
            self.unit.state().set_gone(mark, Outcome::RolledBack);
        }
    }
}

/// A unit that is set aside; taken up again when this is dropped, whatever has happened since.
pub(crate) struct Suspension<D: Driver> {
    unit: Arc<Unit<D>>,
    _counted: Option<SetAside<D>>,
}

impl<D: Driver> Drop for Suspension<D> {
    fn drop(&mut self) {
        if let Some(hooks) = &self.unit.hooks {
            // This may run while something else unwinds: a panic here would end the program.
            let resumed = catch_unwind(AssertUnwindSafe(|| hooks.resume()));
            if resumed.is_err() {
                tracing::error!("a hook panicked as its transaction was taken up again");
            }
        }
    }
}
