//! A pool that writes down what is sent, numbers the connections that are held, and fails on demand.
//!
//! A connection has the lowest number that nobody else holds at that moment. `B` begin, `C` commit, `R`
//! rollback, `S1` savepoint, `T1` rollback to it, `L1` its release, `X` closed instead of given back.
//! Behind it `!` stands for an error, and `?` for a commit before which the database, when asked, said
//! that there is nothing to commit.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use settled_transaction::driver::{Begin, Boxed, Certainty, Driver, DriverError, Standing, Traits};
use settled_transaction::{Isolation, Outcome};
use tokio::sync::Notify;

use crate::faults::{Call, Fault, How, Made};

/// What was written down.
#[derive(Debug, Default)]
pub struct Recorder {
    log: Mutex<Log>,
    faults: Vec<Fault>,
    /// Told when a program has come to where it is to be dropped.
    pub stop: Notify,
}

#[derive(Debug, Default)]
struct Log {
    sent: Vec<String>,
    told: Vec<String>,
    calls: HashMap<Call, u32>,
    /// Who holds a number, for each pool.
    held: HashMap<&'static str, Vec<bool>>,
    most: usize,
}

impl Log {
    fn count(&self) -> usize {
        self.held.values().flatten().filter(|held| **held).count()
    }
}

impl Recorder {
    /// With these failures.
    pub fn new(faults: Vec<Fault>) -> Self {
        Self {
            faults,
            ..Self::default()
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what a hook or a scope was told.
    pub fn tell(&self, what: impl Into<String>) {
        self.log().told.push(what.into());
    }

    /// What was told.
    pub fn told(&self) -> String {
        self.log().told.join("; ")
    }

    /// What was sent.
    pub fn sent(&self) -> String {
        self.log().sent.join(" ")
    }

    /// How many connections were held at one time.
    pub fn most(&self) -> usize {
        self.log().most
    }

    /// How many connections are held.
    pub fn held(&self) -> usize {
        self.log().count()
    }

    fn fault(&self, call: Call) -> Option<How> {
        let mut log = self.log();
        let number = log.calls.entry(call).or_default();
        *number += 1;
        let is_it = |fault: &&Fault| fault.call == call && fault.number == *number;
        self.faults.iter().find(is_it).map(|fault| fault.how)
    }
}

/// What a database is made to lack.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lacks {
    /// It has no savepoints.
    pub savepoints: bool,
    /// It has but one isolation.
    pub isolations: bool,
}

/// A pool that is written down.
#[derive(Clone)]
pub struct Recorded<D> {
    base: D,
    /// What tells it from another pool of the same case.
    prefix: &'static str,
    lacks: Lacks,
    recorder: Arc<Recorder>,
}

impl<D> Recorded<D> {
    /// Writes down what is sent through a pool.
    pub fn new(base: D, prefix: &'static str, lacks: Lacks, recorder: Arc<Recorder>) -> Self {
        Self {
            base,
            prefix,
            lacks,
            recorder,
        }
    }

    fn sent(&self, number: usize, what: &str) {
        let of_which = if number == 0 {
            String::new()
        } else {
            format!("{}:", number + 1)
        };
        let line = format!("{}{of_which}{what}", self.prefix);
        self.recorder.log().sent.push(line);
    }

    fn take<C>(&self, base: C) -> Connection<C> {
        let mut log = self.recorder.log();
        let held = log.held.entry(self.prefix).or_default();
        let number = held.iter().position(|held| !held).unwrap_or(held.len());
        if number == held.len() {
            held.push(true);
        } else {
            held[number] = true;
        }
        log.most = log.most.max(log.count());
        Connection { base, number }
    }

    fn let_go(&self, number: usize) {
        let mut log = self.recorder.log();
        if let Some(held) = log
            .held
            .get_mut(self.prefix)
            .and_then(|held| held.get_mut(number))
        {
            *held = false;
        }
    }

    /// Sends something, or fails as it is made to.
    async fn send<T>(
        &self,
        call: Call,
        number: usize,
        what: &str,
        work: Boxed<'_, T>,
    ) -> Result<T, DriverError> {
        let failed = |certainty, retryable| DriverError {
            certainty,
            retryable,
            source: Box::new(Made),
        };
        let fault = self.recorder.fault(call);
        let done = match fault {
            Some(How::Fails) => Err(failed(Certainty::Nothing, false)),
            Some(How::Refused { retryable }) => Err(failed(Certainty::Refused, retryable)),
            _ => work.await,
        };
        let mark = if done.is_ok() { "" } else { "!" };
        self.sent(number, &format!("{what}{mark}"));
        match fault {
            Some(How::Hangs) => {
                self.recorder.stop.notify_one();
                pending().await
            }
            Some(How::Lost) => Err(failed(Certainty::Nothing, false)),
            _ => done,
        }
    }
}

/// A connection, with its number.
#[derive(Debug)]
pub struct Connection<C> {
    /// The driver's own.
    pub base: C,
    number: usize,
}

impl<D: Driver> Driver for Recorded<D> {
    type Connection = Connection<D::Connection>;

    fn traits(&self) -> Traits {
        let mut traits = self.base.traits();
        traits.savepoints &= !self.lacks.savepoints;
        if self.lacks.isolations {
            traits.only_isolation = Some(Isolation::Serializable);
        }
        traits
    }

    fn size(&self) -> u32 {
        self.base.size()
    }

    fn patience(&self) -> Option<Duration> {
        self.base.patience()
    }

    fn acquire(&self) -> Boxed<'_, Self::Connection> {
        Box::pin(async {
            if self.recorder.fault(Call::Acquire).is_some() {
                return Err(DriverError {
                    certainty: Certainty::Nothing,
                    retryable: false,
                    source: Box::new(Made),
                });
            }
            Ok(self.take(self.base.acquire().await?))
        })
    }

    fn try_acquire(&self) -> Boxed<'_, Option<Self::Connection>> {
        Box::pin(async {
            let found = self.base.try_acquire().await?;
            Ok(found.map(|connection| self.take(connection)))
        })
    }

    fn give_back(
        &self,
        connection: Self::Connection,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        self.let_go(connection.number);
        self.base.give_back(connection.base)
    }

    fn discard(&self, connection: Self::Connection) {
        self.sent(connection.number, "X");
        self.let_go(connection.number);
        self.base.discard(connection.base);
    }

    fn begin<'c>(&'c self, connection: &'c mut Self::Connection, how: &'c Begin) -> Boxed<'c, ()> {
        let number = connection.number;
        let work = self.base.begin(&mut connection.base, how);
        Box::pin(self.send(Call::Begin, number, "B", work))
    }

    fn commit<'c>(
        &'c self,
        connection: &'c mut Self::Connection,
        doubtful: bool,
    ) -> Boxed<'c, Standing> {
        Box::pin(async move {
            let number = connection.number;
            let fault = self.recorder.fault(Call::Commit);
            let made = match fault {
                Some(How::Aborted) => Some(Standing::Aborted),
                Some(How::Gone) => Some(Standing::Gone {
                    why: Made.to_string(),
                    outcome: Outcome::RolledBack,
                }),
                _ => None,
            };
            let failed = |certainty, retryable| {
                Err(DriverError {
                    certainty,
                    retryable,
                    source: Box::new(Made),
                })
            };
            let done = match (made, fault) {
                (Some(standing), _) => Ok(standing),
                (None, Some(How::Fails)) => failed(Certainty::Nothing, false),
                (None, Some(How::Refused { retryable })) => failed(Certainty::Refused, retryable),
                _ => {
                    let work = self.base.commit(&mut connection.base, doubtful);
                    work.await
                }
            };
            let what = match &done {
                Ok(Standing::Open) => "C",
                Ok(_) => "C?",
                Err(_) => "C!",
            };
            self.sent(number, what);
            match fault {
                Some(How::Hangs) => {
                    self.recorder.stop.notify_one();
                    pending().await
                }
                Some(How::Lost) => failed(Certainty::Nothing, false),
                _ => done,
            }
        })
    }

    fn roll_back<'c>(&'c self, connection: &'c mut Self::Connection) -> Boxed<'c, ()> {
        let number = connection.number;
        let work = self.base.roll_back(&mut connection.base);
        Box::pin(self.send(Call::RollBack, number, "R", work))
    }

    fn savepoint<'c>(&'c self, connection: &'c mut Self::Connection, number: u32) -> Boxed<'c, ()> {
        let whose = connection.number;
        let work = self.base.savepoint(&mut connection.base, number);
        Box::pin(async move {
            let what = format!("S{number}");
            self.send(Call::Savepoint, whose, &what, work).await
        })
    }

    fn roll_back_to<'c>(
        &'c self,
        connection: &'c mut Self::Connection,
        number: u32,
    ) -> Boxed<'c, ()> {
        let whose = connection.number;
        let work = self.base.roll_back_to(&mut connection.base, number);
        Box::pin(async move {
            let what = format!("T{number}");
            self.send(Call::RollBackTo, whose, &what, work).await
        })
    }

    fn release<'c>(&'c self, connection: &'c mut Self::Connection, number: u32) -> Boxed<'c, ()> {
        let whose = connection.number;
        let work = self.base.release(&mut connection.base, number);
        Box::pin(async move {
            let what = format!("L{number}");
            self.send(Call::Release, whose, &what, work).await
        })
    }

    fn outlives_statements(&self) -> bool {
        self.base.outlives_statements()
    }

    fn standing<'c>(&'c self, connection: &'c mut Self::Connection) -> Boxed<'c, Standing> {
        self.base.standing(&mut connection.base)
    }

    fn before_raw<'c>(&'c self, connection: &'c mut Self::Connection) -> Boxed<'c, ()> {
        self.base.before_raw(&mut connection.base)
    }

    fn set_impatient<'c>(
        &'c self,
        connection: &'c mut Self::Connection,
        impatient: bool,
    ) -> Boxed<'c, ()> {
        self.base.set_impatient(&mut connection.base, impatient)
    }
}
