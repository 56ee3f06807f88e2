//! A scope before it is entered: what it asks for, and the running of its body.

use std::borrow::Cow;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::definition::{Definition, Isolation};
use crate::driver::Driver;
use crate::error::Error;
use crate::frame::Place;
use crate::manager::Transactions;
use crate::mark::{Cause, Mark};
use crate::open::Open;
use crate::propagation::Propagation;
use crate::results::{OnError, OnValue, Rules, Then, Verdict, commits};
use crate::tx::Tx;

/// A scope that has not been entered: what it asks for.
#[must_use = "a scope does nothing until it is run"]
pub struct Scope<D: Driver, R = ()> {
    manager: Transactions<D>,
    around: Option<Arc<Place<D>>>,
    definition: Definition,
    rules: R,
}

impl<D: Driver> Scope<D> {
    pub(crate) fn new(
        manager: Transactions<D>,
        around: Option<Arc<Place<D>>>,
        definition: Definition,
    ) -> Self {
        Self {
            manager,
            around,
            definition,
            rules: (),
        }
    }
}

impl<D: Driver, R> Scope<D, R> {
    /// Asks for all of a definition.
    pub fn definition(mut self, definition: Definition) -> Self {
        self.definition = definition;
        self
    }

    /// How it relates to what is around it.
    pub fn propagation(mut self, propagation: Propagation) -> Self {
        self.definition.propagation = propagation;
        self
    }

    /// The isolation. Only the outermost scope's counts; what joins and asks for another is refused.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.definition.isolation = Some(isolation);
        self
    }

    /// The database refuses to write.
    pub fn read_only(mut self) -> Self {
        self.definition.read_only = true;
        self
    }

    /// How long the transaction may take, its commit not included. Only the outermost scope's counts.
    /// Longer than zero.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.definition.timeout = Some(timeout);
        self
    }

    /// What it is called in errors and events.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.definition.name = Some(name.into());
        self
    }

    /// SQLite only: see [`Definition::deferred`].
    pub fn deferred(mut self) -> Self {
        self.definition.deferred = true;
        self
    }

    fn rule<N>(self, rule: N) -> Scope<D, Then<R, N>> {
        Scope {
            manager: self.manager,
            around: self.around,
            definition: self.definition,
            rules: Then(self.rules, rule),
        }
    }

    /// Commits although the body failed, where this holds of its error. The error is returned. The
    /// first rule that says something counts.
    pub fn commit_on<E, F: Fn(&E) -> bool>(self, holds: F) -> Scope<D, Then<R, OnError<F>>> {
        self.rule(OnError(holds, Verdict::Commit))
    }

    /// Rolls back where this holds of the body's error: to say so before a wider
    /// [`Scope::commit_on`].
    pub fn roll_back_on<E, F: Fn(&E) -> bool>(self, holds: F) -> Scope<D, Then<R, OnError<F>>> {
        self.rule(OnError(holds, Verdict::RollBack))
    }

    /// Rolls back although the body succeeded, where this holds of its value. The value is returned.
    pub fn roll_back_on_value<T, F: Fn(&T) -> bool>(
        self,
        holds: F,
    ) -> Scope<D, Then<R, OnValue<F>>> {
        self.rule(OnValue(holds))
    }

    /// Enters the scope, runs its body, and leaves it: `Ok` commits; `Err` and a panic roll back, and so
    /// does dropping the future, wherever it is. Within the body the scope is what
    /// [`Transactions::current`] finds.
    ///
    /// # Errors
    /// What the body says, and every [`Error`] that comes of entering and of leaving. When both the body
    /// and the rollback fail, the body's error is returned: the connection is closed, with which the
    /// database rolls back.
    #[track_caller]
    pub fn run<T, E, F>(self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: AsyncFnOnce(&Tx<D>) -> Result<T, E>,
        E: From<Error>,
        R: Rules<T, E>,
    {
        let location = Location::caller();
        async move {
            let (open, rules) = self.enter(location).await?;
            let tx = open.tx();
            let body = open.within(AssertUnwindSafe(body(&tx)).catch_unwind());
            match body.await {
                Ok(result) => {
                    let left = open.leave(commits(&rules, &result), Cause::Failed).await;
                    match (left, &result) {
                        (Err(error), Ok(_)) => Err(error.into()),
                        (Err(error), Err(_)) if error.outcome().is_some() => {
                            if commits(&rules, &result) {
                                return Err(error.into());
                            }
                            tracing::warn!(%error, "a transaction's body failed, and so did its rollback");
                            result
                        }
                        _ => result,
                    }
                }
                Err(panic) => {
                    if let Err(error) = open.leave(false, Cause::Panicked).await {
                        tracing::warn!(%error, "a transaction's body panicked, and its rollback failed");
                    }
                    resume_unwind(panic)
                }
            }
        }
    }

    /// Enters the scope, to be left by hand. It is not what [`Transactions::current`] finds; its handle
    /// is passed instead.
    ///
    /// # Errors
    /// Every [`Error`] that comes of entering.
    #[track_caller]
    pub fn begin(self) -> impl Future<Output = Result<Begun<D>, Error>> {
        let location = Location::caller();
        async move {
            let (open, _) = self.enter(location).await?;
            Ok(Begun {
                tx: open.tx(),
                open,
            })
        }
    }

    async fn enter(self, location: &'static Location<'static>) -> Result<(Open<D>, R), Error> {
        let who = Mark::new(self.definition.name.clone(), location, Cause::Failed);
        let open = Open::enter(&self.manager.0, self.around, &self.definition, who).await?;
        Ok((open, self.rules))
    }
}

/// A scope that was entered by hand. Dropped, it is rolled back.
#[must_use = "dropped, the scope is rolled back"]
pub struct Begun<D: Driver> {
    tx: Tx<D>,
    open: Open<D>,
}

impl<D: Driver> Begun<D> {
    /// The handle.
    pub fn tx(&self) -> &Tx<D> {
        &self.tx
    }

    /// Leaves it as if its body had succeeded.
    ///
    /// # Errors
    /// Every [`Error`] that comes of leaving.
    pub async fn commit(self) -> Result<(), Error> {
        self.open.leave(true, Cause::Failed).await
    }

    /// Leaves it as if its body had failed.
    ///
    /// # Errors
    /// [`Error::Rollback`].
    pub async fn roll_back(self) -> Result<(), Error> {
        self.open.leave(false, Cause::Failed).await
    }
}
