//! How a scope is left: what the rules decide is done here, in an order in which dropping the future
//! anywhere leaves nothing open.

use std::any::Any;
use std::sync::Arc;

use tokio::time::Instant;

use crate::ambient;
use crate::connections::Lease;
use crate::driver::{Certainty, Driver, Standing};
use crate::error::Error;
use crate::events::Event;
use crate::frame::{Frame, Place};
use crate::hooks::Told;
use crate::mark::Cause;
use crate::open::{Open, Stage};
use crate::outcome::{HookPhase, Outcome};
use crate::rules::{Exit, Phase, Role, leave};
use crate::statement::{Saw, Statement};
use crate::tx::AbandonedUnlessDone;

impl<D: Driver> Open<D> {
    /// Leaves the scope. `succeeded`: the commit is asked for; if it is not, `why`.
    pub(crate) async fn leave(mut self, succeeded: bool, why: Cause) -> Result<(), Error> {
        if self.frame.unit.is_transaction() {
            self.undo_abandoned().await;
        }
        let left = match self.decide(succeeded) {
            Exit::Nothing { kept } => self.leave_empty(kept).await,
            Exit::Doom => {
                let own = self.frame.marked();
                let mark = own.unwrap_or_else(|| self.frame.who.because(why));
                self.frame.unit.state().set_doom(mark, self.frame.under);
                Ok(())
            }
            Exit::TellDoomed => Err(self.unexpected()),
            Exit::Release(savepoint) => self.release(savepoint).await,
            Exit::RollBackTo {
                savepoint,
                unexpected,
            } => self.roll_back_to(savepoint, unexpected).await,
            Exit::Commit => self.commit().await,
            Exit::RollBack { unexpected } => {
                let told = unexpected.then(|| self.unexpected());
                self.roll_back(told).await
            }
        };
        self.stage = Stage::Left;
        self.frame.end();
        left
    }

    fn decide(&self, succeeded: bool) -> Exit {
        let unit = &self.frame.unit;
        let marked = self.frame.marked().is_some();
        let doomed = unit.state().doom().is_some();
        leave(
            self.frame.role,
            succeeded,
            marked,
            doomed,
            &unit.shared.settings,
        )
    }

    /// What the caller is told who believes that all is well.
    fn unexpected(&self) -> Error {
        let unit = &self.frame.unit;
        let doom = unit.state().doom().cloned();
        match (doom, unit.deadline) {
            (Some(mark), Some(deadline)) if matches!(mark.cause(), Cause::TimedOut) => {
                deadline.error()
            }
            (Some(mark), _) => Error::UnexpectedRollback { mark },
            (None, _) => Error::UnexpectedRollback {
                mark: self.frame.who.clone(),
            },
        }
    }

    /// Undoes the savepoints of scopes that were dropped: with them goes what they doomed.
    async fn undo_abandoned(&self) {
        if self.frame.unit.state().abandoned().is_none() {
            return;
        }
        // To begin a statement undoes them; whatever goes wrong is remembered.
        if let Ok(statement) = Statement::begin(&self.frame).await {
            statement.finish(Saw::Nothing).await;
        }
    }

    async fn release(&mut self, savepoint: u32) -> Result<(), Error> {
        let frame = Arc::clone(&self.frame);
        let guard = AbandonedUnlessDone::new(&frame, savepoint);
        let mut statement = Statement::begin(&frame).await?;
        let lease = statement.lease()?;
        let done = frame.unit.release(lease, savepoint, &frame.who).await;
        match done {
            Ok(()) => {
                guard.done();
                statement.finish(Saw::Nothing).await;
                Ok(())
            }
            Err(error) => {
                // A statement had failed within, and was hidden: PostgreSQL releases nothing then.
                let said = error.to_string();
                statement.finish(Saw::Failed(said)).await;
                let mark = frame.unit.state().failed_statement().cloned();
                drop(guard);
                self.undo_abandoned_as(&frame).await;
                Err(match mark {
                    Some(mark) => Error::UnexpectedRollback { mark },
                    None => error,
                })
            }
        }
    }

    /// Undoes an own savepoint that could not be released, from the outside of it.
    async fn undo_abandoned_as(&self, frame: &Arc<Frame<D>>) {
        let unit = &frame.unit;
        let mut gate = unit.gate.lock().await;
        if let Some(mut lease) = gate.take()
            && unit.undo_abandoned(&mut lease).await.is_ok()
        {
            *gate = Some(lease);
        }
    }

    async fn roll_back_to(&mut self, savepoint: u32, unexpected: bool) -> Result<(), Error> {
        let told = unexpected.then(|| self.unexpected());
        let frame = Arc::clone(&self.frame);
        drop(AbandonedUnlessDone::new(&frame, savepoint));
        self.undo_abandoned_as(&frame).await;
        let gone = frame.unit.state().gone();
        match (told, gone) {
            (Some(told), _) => Err(told),
            (None, Some((why, _))) => Err(Error::Gone { why }),
            (None, None) => Ok(()),
        }
    }

    async fn run_hooks(&self, phase: HookPhase, outcome: Outcome) -> Result<(), Error> {
        let unit = &self.frame.unit;
        let Some(hooks) = &unit.hooks else {
            return Ok(());
        };
        let told = Told {
            read_only: self.frame.read_only,
            outcome,
        };
        let run = hooks.run(phase, told);
        let done = match phase {
            HookPhase::BeforeCommit | HookPhase::BeforeCompletion => self.within(run).await,
            HookPhase::AfterCommit | HookPhase::AfterCompletion => {
                let after: Arc<dyn Any + Send + Sync> = Arc::new(Place::after(unit));
                ambient::within(unit.shared.id(), after, run).await
            }
        };
        done.map_err(|source| Error::Hook {
            phase,
            outcome,
            source,
        })
    }

    /// Leaves a scope without a transaction.
    async fn leave_empty(&mut self, kept: bool) -> Result<(), Error> {
        if self.frame.role != Role::Empty {
            return Ok(());
        }
        let mut told = Ok(());
        let mut outcome = Outcome::RolledBack;
        if kept {
            told = self.run_hooks(HookPhase::BeforeCommit, outcome).await;
            // A hook may have marked it.
            if told.is_ok() && self.frame.marked().is_none() {
                outcome = Outcome::Committed;
            }
        }
        let _logged = self.run_hooks(HookPhase::BeforeCompletion, outcome).await;
        self.stage = Stage::Ending(outcome);
        if let Some(mut lease) = self.take_lease().await {
            let unit = &self.frame.unit;
            let mut is_clean = unit.state().is_clean();
            if is_clean && unit.is_impatient() {
                let driver = &unit.shared.driver;
                let set = driver.set_impatient(lease.connection()?, false);
                is_clean = set.await.is_ok();
            }
            self.let_go(lease, is_clean);
        }
        self.tell_the_end(outcome, told).await
    }

    /// Commits. What is committed and what is not, and who is told, is decided here.
    async fn commit(&mut self) -> Result<(), Error> {
        if let Err(error) = self
            .run_hooks(HookPhase::BeforeCommit, Outcome::RolledBack)
            .await
        {
            return self.roll_back(Some(error)).await;
        }
        self.undo_abandoned().await;
        // A hook may have marked it.
        if let Exit::RollBack { unexpected } = self.decide(true) {
            let told = unexpected.then(|| self.unexpected());
            return self.roll_back(told).await;
        }
        let unit = Arc::clone(&self.frame.unit);
        let settings = &unit.shared.settings;
        if let Some(deadline) = unit.deadline
            && settings.timeout_at_commit
            && deadline.at <= Instant::now()
        {
            return self.roll_back(Some(deadline.error())).await;
        }
        let _logged = self
            .run_hooks(HookPhase::BeforeCompletion, Outcome::Committed)
            .await;
        self.tell_ends(true);
        let (doubtful, failed) = {
            let state = unit.state();
            (state.is_doubtful(), state.failed_statement().cloned())
        };
        let Some(mut lease) = self.take_lease().await else {
            return self.gone().await;
        };
        if unit.state().gone().is_some() {
            self.let_go(lease, false);
            return self.gone().await;
        }
        self.stage = Stage::Ending(Outcome::Unknown);
        let driver = &unit.shared.driver;
        let answer = driver.commit(lease.connection()?, doubtful).await;
        match answer {
            Ok(Standing::Open) => {
                self.let_go(lease, unit.state().is_clean());
                self.tell_the_end(Outcome::Committed, Ok(())).await
            }
            Ok(Standing::Aborted) => {
                self.stage = Stage::Ending(Outcome::RolledBack);
                let rolled_back = driver.roll_back(lease.connection()?).await;
                self.let_go(lease, rolled_back.is_ok());
                let hidden = || "a statement failed, and its error was hidden".into();
                let mark = failed.unwrap_or_else(|| {
                    let cause = Cause::StatementFailed(hidden());
                    self.frame.who.because(cause)
                });
                let told = Err(Error::UnexpectedRollback { mark });
                self.tell_the_end(Outcome::RolledBack, told).await
            }
            Ok(Standing::Gone { why, outcome }) => {
                let cause = Cause::EndedByDatabase(why.into());
                let mark = self.frame.who.because(cause);
                unit.state().set_gone(mark, outcome);
                self.let_go(lease, false);
                self.gone().await
            }
            Err(error) => {
                // A rollback that works says nothing of a commit that may have taken place before it.
                let outcome = match error.certainty {
                    Certainty::Refused => Outcome::RolledBack,
                    Certainty::Nothing => Outcome::Unknown,
                };
                let mut rolled_back = None;
                if settings.roll_back_on_commit_failure {
                    rolled_back = Some(driver.roll_back(lease.connection()?).await);
                }
                self.let_go(lease, false);
                let told = Error::Commit {
                    outcome,
                    retryable: error.retryable,
                    source: error.source,
                };
                let told = match rolled_back {
                    Some(Err(error)) => Error::Rollback {
                        source: error.source,
                        after: Some(Box::new(told)),
                    },
                    _ => told,
                };
                self.tell_the_end(outcome, Err(told)).await
            }
        }
    }

    /// The database had ended the transaction by itself.
    async fn gone(&mut self) -> Result<(), Error> {
        let gone = self.frame.unit.state().gone();
        let (mark, outcome) = gone.unwrap_or((self.frame.who.clone(), Outcome::Unknown));
        let told = match outcome {
            Outcome::RolledBack => Error::UnexpectedRollback { mark },
            _ => Error::Commit {
                outcome,
                retryable: false,
                source: Box::new(Error::Gone { why: mark }),
            },
        };
        self.tell_the_end(outcome, Err(told)).await
    }

    /// Rolls back, and tells the caller what `told` says.
    async fn roll_back(&mut self, told: Option<Error>) -> Result<(), Error> {
        let _logged = self
            .run_hooks(HookPhase::BeforeCompletion, Outcome::RolledBack)
            .await;
        self.tell_ends(false);
        let unit = Arc::clone(&self.frame.unit);
        self.stage = Stage::Ending(Outcome::RolledBack);
        let lease = self.take_lease().await;
        let gone = unit.state().gone();
        let mut outcome = gone.map_or(Outcome::RolledBack, |(_, outcome)| outcome);
        let mut failed = None;
        if let Some(mut lease) = lease {
            let mut is_clean = unit.state().is_clean();
            if is_clean {
                let driver = &unit.shared.driver;
                if let Err(error) = driver.roll_back(lease.connection()?).await {
                    is_clean = false;
                    outcome = Outcome::Unknown;
                    failed = Some(Error::Rollback {
                        source: error.source,
                        after: None,
                    });
                }
            }
            self.let_go(lease, is_clean);
        }
        let told = match told.or(failed) {
            Some(error) => Err(error),
            None => Ok(()),
        };
        self.tell_the_end(outcome, told).await
    }

    /// Takes the connection for the end: whoever waits for it is refused.
    async fn take_lease(&self) -> Option<Lease<D>> {
        let mut gate = self.frame.unit.gate.lock().await;
        self.frame.unit.set_phase(Phase::Ending);
        gate.take()
    }

    fn let_go(&self, lease: Lease<D>, is_clean: bool) {
        if is_clean {
            lease.give_back();
        } else {
            drop(lease);
        }
        self.frame.unit.let_go();
    }

    fn tell_ends(&self, commit: bool) {
        let scope = self.frame.who.scope();
        self.frame.unit.shared.tell(&Event::Ends { scope, commit });
    }

    /// Tells hooks and the observer how it ended. `told` is what the caller is told.
    async fn tell_the_end(
        &mut self,
        outcome: Outcome,
        mut told: Result<(), Error>,
    ) -> Result<(), Error> {
        let unit = Arc::clone(&self.frame.unit);
        unit.set_phase(Phase::Ended);
        self.frame.end();
        self.stage = Stage::Ended(outcome);
        if unit.is_transaction() {
            unit.shared.tell(&Event::Ended {
                scope: self.frame.who.scope(),
                outcome,
                after: self.since.elapsed(),
            });
        }
        if outcome == Outcome::Committed {
            let after = self.run_hooks(HookPhase::AfterCommit, outcome).await;
            told = told.and(after);
        }
        let _logged = self.run_hooks(HookPhase::AfterCompletion, outcome).await;
        told
    }
}
