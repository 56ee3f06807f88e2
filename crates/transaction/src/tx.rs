//! The handle of a scope: what its body works with.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::definition::{Definition, Isolation};
use crate::driver::Driver;
use crate::error::{Error, Source};
use crate::events::Event;
use crate::frame::{Frame, Place};
use crate::hooks::{Closure, Hook};
use crate::manager::Transactions;
use crate::mark::{Cause, Mark};
use crate::outcome::{HookPhase, Outcome};
use crate::propagation::Propagation;
use crate::rules::Role;
use crate::scope::Scope;
use crate::statement::{Saw, Statement};

/// The handle of an open scope.
///
/// Cheap to clone. A clone that is kept past the scope's end is refused everything with
/// [`Error::Completed`].
pub struct Tx<D: Driver>(pub(crate) Arc<Frame<D>>);

impl<D: Driver> Tx<D> {
    /// The manager of this transaction.
    pub fn manager(&self) -> Transactions<D> {
        Transactions(Arc::clone(&self.0.unit.shared))
    }

    /// A scope within this one, wherever this is called: what the task has around it does not count.
    pub fn scope(&self) -> Scope<D> {
        Scope::new(
            self.manager(),
            Some(Arc::new(Place::within(&self.0))),
            Definition::default(),
        )
    }

    fn with_propagation(&self, propagation: Propagation) -> Scope<D> {
        self.scope().propagation(propagation)
    }

    /// A scope that joins this one: [`Propagation::Required`].
    pub fn required(&self) -> Scope<D> {
        self.with_propagation(Propagation::Required)
    }

    /// A scope with a transaction of its own: [`Propagation::RequiresNew`].
    pub fn requires_new(&self) -> Scope<D> {
        self.with_propagation(Propagation::RequiresNew)
    }

    /// A scope without a transaction: [`Propagation::NotSupported`].
    pub fn not_supported(&self) -> Scope<D> {
        self.with_propagation(Propagation::NotSupported)
    }

    /// A scope that can be undone alone: [`Propagation::Nested`].
    pub fn nested(&self) -> Scope<D> {
        self.with_propagation(Propagation::Nested)
    }

    /// Whether there is a transaction.
    pub fn is_active(&self) -> bool {
        self.0.unit.is_transaction()
    }

    /// Whether this scope began the transaction.
    pub fn is_new(&self) -> bool {
        self.0.role == Role::Owner
    }

    /// Whether this scope is a savepoint.
    pub fn is_nested(&self) -> bool {
        matches!(self.0.role, Role::Nested(_))
    }

    /// What the scope is called.
    pub fn name(&self) -> Option<&str> {
        self.0.who.scope()
    }

    /// The isolation that the transaction was begun with; none for the database's own.
    pub fn isolation(&self) -> Option<Isolation> {
        self.0.unit.begun.and_then(|begun| begun.isolation)
    }

    /// Whether the transaction may only read.
    pub fn is_read_only(&self) -> bool {
        self.0.unit.begun.is_some_and(|begun| begun.read_only)
    }

    /// How long the transaction may still take; none for as long as it likes.
    pub fn remaining(&self) -> Option<Duration> {
        let deadline = self.0.unit.deadline?;
        Some(deadline.at.saturating_duration_since(Instant::now()))
    }

    /// Whether this scope or its transaction is marked for rollback.
    pub fn is_rollback_only(&self) -> bool {
        self.0.marked().is_some() || self.0.unit.state().doom().is_some()
    }

    /// Marks the scope: it is rolled back at its end, also when its body succeeds. The one that began
    /// the transaction, and a savepoint, then end without an error: they know. What has joined dooms the
    /// whole, of which the one that began it is told by [`Error::UnexpectedRollback`].
    ///
    /// # Errors
    /// [`Error::Completed`] after the scope's end.
    #[track_caller]
    pub fn mark_rollback_only(&self) -> Result<(), Error> {
        self.0.check_open()?;
        let scope = self.0.who.scope_name();
        self.0
            .mark(Mark::new(scope, Location::caller(), Cause::Marked));
        Ok(())
    }

    /// Registers a hook with the transaction, or with the outermost scope without one.
    ///
    /// # Errors
    /// [`Error::NoHooks`] where they are switched off, [`Error::Completed`] after the end.
    pub fn register(&self, hook: impl Hook) -> Result<(), Error> {
        self.0.check_open()?;
        let hooks = self.0.unit.hooks.as_ref().ok_or(Error::NoHooks)?;
        let savepoint = self.0.unit.state().standing_of_any_kind();
        hooks.register(Arc::new(hook), savepoint)
    }

    fn on<F, R>(&self, phase: HookPhase, work: F) -> Result<(), Error>
    where
        F: FnOnce(Outcome) -> R + Send + 'static,
        R: Future<Output = Result<(), Source>> + Send + 'static,
    {
        self.register(Closure::new(phase, None, work))
    }

    /// Runs something before the commit, within the transaction; its error rolls back.
    ///
    /// # Errors
    /// As [`Tx::register`].
    pub fn before_commit<F, R>(&self, work: F) -> Result<(), Error>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Result<(), Source>> + Send + 'static,
    {
        self.on(HookPhase::BeforeCommit, |_| work())
    }

    /// Runs something after the commit, and only then. Within a NESTED scope that is rolled back it is
    /// dropped.
    ///
    /// # Errors
    /// As [`Tx::register`].
    pub fn after_commit<F, R>(&self, work: F) -> Result<(), Error>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Result<(), Source>> + Send + 'static,
    {
        self.on(HookPhase::AfterCommit, |_| work())
    }

    /// Runs something after the end, which it is told.
    ///
    /// # Errors
    /// As [`Tx::register`].
    pub fn after_completion<F, R>(&self, work: F) -> Result<(), Error>
    where
        F: FnOnce(Outcome) -> R + Send + 'static,
        R: Future<Output = Result<(), Source>> + Send + 'static,
    {
        self.on(HookPhase::AfterCompletion, work)
    }

    /// Makes a savepoint by hand, to go back to with [`Tx::roll_back_to`]. It ends with the scope.
    ///
    /// # Errors
    /// [`Error::NoTransaction`], [`Error::Doomed`], or what the database says; the transaction is then
    /// as it was.
    pub async fn savepoint(&self) -> Result<u32, Error> {
        make_savepoint(&self.0, true).await
    }

    /// Undoes what was done since a savepoint that [`Tx::savepoint`] made, which stays.
    ///
    /// # Errors
    /// [`Error::NoSavepoint`], or what the database says; the transaction is then given up.
    pub async fn roll_back_to(&self, savepoint: u32) -> Result<(), Error> {
        self.0.check_open()?;
        self.check_own(savepoint)?;
        let mut statement = self.statement().await?;
        let guard = AbandonedUnlessDone::new(&self.0, savepoint);
        self.0
            .unit
            .roll_back_to(statement.lease()?, savepoint)
            .await?;
        guard.done();
        statement.finish(Saw::Nothing).await;
        Ok(())
    }

    /// Forgets a savepoint that [`Tx::savepoint`] made.
    ///
    /// # Errors
    /// [`Error::NoSavepoint`], or what the database says.
    pub async fn release(&self, savepoint: u32) -> Result<(), Error> {
        self.0.check_open()?;
        self.check_own(savepoint)?;
        let mut statement = self.statement().await?;
        let guard = AbandonedUnlessDone::new(&self.0, savepoint);
        let (lease, who) = (statement.lease()?, &self.0.who);
        let done = self.0.unit.release(lease, savepoint, who).await;
        guard.done();
        // Refused by a transaction that PostgreSQL has aborted, it stays, and so does what was done
        // since: to undo that unasked would let the commit believe that all is well.
        let saw = match &done {
            Ok(()) => Saw::Nothing,
            Err(error) => Saw::Failed(error.to_string()),
        };
        statement.finish(saw).await;
        done
    }

    /// What another scope made by hand ended with that scope, or is for that one to go back to.
    fn check_own(&self, number: u32) -> Result<(), Error> {
        if self.0.unit.state().is_by_hand_of(self.0.number, number) {
            return Ok(());
        }
        Err(Error::NoSavepoint { number })
    }

    /// Waits for the connection, for one statement. For adapters of drivers; programs use
    /// [`Tx::with`], or hand the handle to `sqlx` itself.
    ///
    /// # Errors
    /// Where the scope is at its end, its transaction gone or its time over.
    pub async fn statement(&self) -> Result<Statement<'_, D>, Error> {
        Statement::begin(&self.0).await
    }

    /// Works on the driver's own connection, within the transaction.
    ///
    /// The connection is the driver's, and everything on it is allowed but to end the transaction, which
    /// is found out and reported. On MySQL and SQLite an error that `work` hides may have ended the
    /// transaction (a deadlock's victim): it is found out when `work` is done, and not before.
    ///
    /// Dropped before its end it marks the transaction for rollback.
    ///
    /// # Errors
    /// What `work` says, and where the scope is at its end, its transaction gone or its time over.
    pub async fn with<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut D::Connection) -> Result<T, E>,
        E: From<Error>,
    {
        let mut statement = self.statement().await?;
        statement.before_raw().await?;
        let limit = statement.limit();
        match limit.run(work(statement.connection()?)).await {
            Ok(done) => {
                statement.finish(Saw::Unseen).await;
                done
            }
            Err(error) => {
                statement.timed_out();
                Err(error.into())
            }
        }
    }
}

/// Makes a savepoint within a scope.
pub(crate) async fn make_savepoint<D: Driver>(
    frame: &Arc<Frame<D>>,
    by_hand: bool,
) -> Result<u32, Error> {
    let unit = &frame.unit;
    if !unit.is_transaction() {
        return Err(Error::NoTransaction);
    }
    if !unit.shared.driver.traits().savepoints {
        return Err(Error::NestedNotSupported);
    }
    let mut statement = Statement::begin(frame).await?;
    let doomed = unit.state().doom().cloned();
    if let Some(mark) = doomed {
        statement.finish(Saw::Nothing).await;
        return Err(Error::Doomed { mark });
    }
    let number = unit.state().make_savepoint(by_hand.then_some(frame.number));
    statement.makes(number);
    let guard = AbandonedUnlessDone::new(frame, number);
    let made = {
        let connection = statement.connection()?;
        unit.shared.driver.savepoint(connection, number).await
    };
    guard.done();
    match made {
        Ok(()) => {
            statement.finish(Saw::Nothing).await;
            if let Some(hooks) = &unit.hooks {
                hooks.savepoint(number);
            }
            unit.shared.tell(&Event::SavepointMade { number });
            Ok(number)
        }
        Err(error) => {
            unit.state().release(number);
            statement
                .finish(Saw::Failed(error.source.to_string()))
                .await;
            Err(Error::CannotBegin {
                source: error.source,
                retryable: false,
            })
        }
    }
}

/// A savepoint that is undone before anything else happens, unless what was begun with it was done.
pub(crate) struct AbandonedUnlessDone<'f, D: Driver> {
    frame: &'f Arc<Frame<D>>,
    savepoint: u32,
    is_done: bool,
}

impl<'f, D: Driver> AbandonedUnlessDone<'f, D> {
    pub(crate) fn new(frame: &'f Arc<Frame<D>>, savepoint: u32) -> Self {
        Self {
            frame,
            savepoint,
            is_done: false,
        }
    }

    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl<D: Driver> Drop for AbandonedUnlessDone<'_, D> {
    fn drop(&mut self) {
        if !self.is_done {
            self.frame.unit.state().abandon(self.savepoint);
        }
    }
}

impl<D: Driver> Clone for Tx<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Driver> fmt::Debug for Tx<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("scope", &self.name())
            .field("role", &self.0.role)
            .field("savepoint", &self.0.savepoint)
            .finish_non_exhaustive()
    }
}
