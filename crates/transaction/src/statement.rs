//! One statement, or one piece of work on the connection: taken through the gate, and done with what
//! was learned of the transaction.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::MutexGuard;
use tokio::time::{Instant, timeout_at};

use crate::connections::Lease;
use crate::driver::Driver;
use crate::error::Error;
use crate::frame::Frame;
use crate::mark::{Cause, Mark};
use crate::outcome::Outcome;
use crate::rules::Phase;
use crate::unit::Deadline;

/// What a statement has shown of its transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saw {
    /// It ran, and cannot have changed how the transaction stands.
    Nothing,
    /// The database refused it, with these words.
    Failed(String),
    /// The database refused it, with these words, and has rolled back the whole transaction.
    Ended(String),
    /// It may have changed how the transaction stands: nobody has looked.
    Unseen,
}

/// The connection for one statement.
///
/// Dropped before [`Statement::finish`], the statement may or may not have run: the transaction is marked
/// for rollback, and the connection is closed at its end.
pub struct Statement<'t, D: Driver> {
    lease: MutexGuard<'t, Option<Lease<D>>>,
    frame: &'t Arc<Frame<D>>,
    /// The savepoint that it makes: dropped, it dooms no more than goes with that.
    makes: Option<u32>,
    finished: bool,
}

impl<'t, D: Driver> Statement<'t, D> {
    /// Waits for its turn on the connection of a scope.
    pub(crate) async fn begin(frame: &'t Arc<Frame<D>>) -> Result<Self, Error> {
        frame.check_open()?;
        frame.check_innermost()?;
        let unit = &frame.unit;
        if let Some(deadline) = passed(unit.deadline) {
            let mark = frame.who.because(Cause::TimedOut);
            let mut state = unit.state();
            let under = state.under(frame.savepoint);
            state.set_doom(mark, under);
            drop(state);
            return Err(deadline.error());
        }
        let mut lease = unit.gate.lock().await;
        // It may have come to its end while this waited.
        frame.check_open()?;
        if unit.state().phase() != Phase::Open {
            return Err(Error::Completed);
        }
        frame.check_innermost()?;
        if let Some((why, _)) = unit.state().gone() {
            return Err(Error::Gone { why });
        }
        let mut taken = match lease.take() {
            Some(taken) => taken,
            None if unit.is_transaction() => return Err(Error::Completed),
            None => unit.take_connection().await?,
        };
        // Dropped here, the connection is closed, and the transaction with it.
        unit.undo_abandoned(&mut taken).await?;
        *lease = Some(taken);
        unit.state().set_has_run(false);
        Ok(Self {
            lease,
            frame,
            makes: None,
            finished: false,
        })
    }

    /// The connection.
    ///
    /// # Errors
    /// [`Error::Completed`], where there is none any more.
    pub fn connection(&mut self) -> Result<&mut D::Connection, Error> {
        self.lease()?.connection()
    }

    /// It makes a savepoint.
    pub(crate) fn makes(&mut self, savepoint: u32) {
        self.makes = Some(savepoint);
    }

    pub(crate) fn lease(&mut self) -> Result<&mut Lease<D>, Error> {
        self.lease.as_mut().ok_or(Error::Completed)
    }

    /// How long it may take.
    pub fn limit(&self) -> Limit {
        Limit(self.frame.unit.deadline)
    }

    /// It went past the time limit. What the database makes of it nobody will learn.
    pub fn timed_out(mut self) {
        self.finished = true;
        let mark = self.frame.who.because(Cause::TimedOut);
        let mut state = self.frame.unit.state();
        let under = state.under(self.frame.savepoint);
        state.set_doom(mark.clone(), under);
        state.set_unclean();
        drop(state);
        self.lose(mark);
    }

    /// Its answer may still be coming, and nobody waits for it: closes the connection where that would
    /// be taken for another's.
    fn lose(&mut self, mark: Mark) {
        let unit = &self.frame.unit;
        if unit.shared.driver.outlives_statements() {
            return;
        }
        if unit.is_transaction() {
            unit.state().set_gone(mark, Outcome::RolledBack);
        }
        drop(self.lease.take());
        unit.let_go();
    }

    /// It may take the lock of the one writer, where the database has but one.
    pub fn writes(&self) {
        self.frame.unit.set_writes();
    }

    /// That waiting for the one writer would be waiting for what is set aside: then a refusal for that
    /// reason is [`Error::SingleWriter`].
    pub fn is_impatient(&self) -> bool {
        self.frame.unit.is_impatient()
    }

    /// Prepares the connection for work that the manager does not see.
    pub(crate) async fn before_raw(&mut self) -> Result<(), Error> {
        let unit = &self.frame.unit;
        if unit.is_transaction() {
            unit.set_writes();
            let driver = &unit.shared.driver;
            let lease = self.lease.as_mut().ok_or(Error::Completed)?;
            let done = driver.before_raw(lease.connection()?).await;
            done.map_err(Error::from)?;
        }
        Ok(())
    }

    /// It is done, with what it has shown.
    pub async fn finish(mut self, saw: Saw) {
        let unit = &self.frame.unit;
        let unseen = saw == Saw::Unseen;
        let mark = match saw {
            Saw::Nothing => {
                self.finished = true;
                return;
            }
            Saw::Failed(said) => {
                let cause = Cause::StatementFailed(said.into());
                let mark = self.frame.who.because(cause);
                unit.state().set_doubt(Some(mark.clone()));
                mark
            }
            Saw::Ended(said) => {
                if unit.is_transaction() {
                    let cause = Cause::EndedByDatabase(said.into());
                    let mark = self.frame.who.because(cause);
                    unit.state().set_gone(mark, Outcome::RolledBack);
                }
                self.finished = true;
                return;
            }
            Saw::Unseen => {
                unit.state().set_doubt(None);
                self.frame.who.clone()
            }
        };
        if let Some(lease) = self.lease.as_mut() {
            // What it finds is remembered, and told to whoever comes next.
            if let Err(error) = unit.look(lease, mark, unseen).await {
                tracing::debug!(%error, "a transaction could not be looked at");
            }
        }
        self.finished = true;
    }

    /// It has run, and the rest of its answer is not wanted.
    pub fn cut_short(mut self) {
        self.frame.unit.state().set_doubt(None);
        self.finished = true;
    }
}

impl<D: Driver> Drop for Statement<'_, D> {
    fn drop(&mut self) {
        let unit = &self.frame.unit;
        let mut state = unit.state();
        let mut lost = None;
        if !self.finished {
            state.set_doubt(None);
            if !state.has_run() {
                let mark = self.frame.who.because(Cause::StatementDropped);
                lost = Some(mark.clone());
                let under = self.makes.or_else(|| state.under(self.frame.savepoint));
                state.set_doom(mark, under);
                state.set_unclean();
            }
        }
        let ended = state.phase() == Phase::Ended;
        drop(state);
        if let Some(mark) = lost {
            self.lose(mark);
        }
        if ended {
            // The scope came to its end meanwhile, and left the connection to this.
            drop(self.lease.take());
            unit.let_go();
        }
    }
}

fn passed(deadline: Option<Deadline>) -> Option<Deadline> {
    deadline.filter(|deadline| deadline.at <= Instant::now())
}

/// How long a statement may take.
#[derive(Clone, Copy, Debug)]
pub struct Limit(Option<Deadline>);

impl Limit {
    /// Runs it for as long as it may take.
    ///
    /// # Errors
    /// [`Error::TimedOut`]: say so with [`Statement::timed_out`].
    pub async fn run<F: Future>(self, work: F) -> Result<F::Output, Error> {
        match self.0 {
            None => Ok(work.await),
            Some(deadline) => timeout_at(deadline.at, work)
                .await
                .map_err(|_| deadline.error()),
        }
    }
}
