//! What sagas cost that are functions in this process: no calls over a network, only the record.
//!
//! A function of so many steps, each a closure that does nothing, is run beside a bare journal: the
//! very batches that such a run had written are written once more, to a file of their own, by
//! nothing but the store. Both in turns; what the first takes longer is the cost of everything that
//! is not the journal.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use settled::coordinator::{CoordinatorSettings, OpenJournal};
use settled::journal::{
    Append, Appended, Change, CommitError, Journal, Misplaced, Opened, ReadError, SagaNo,
    SqliteJournal,
};
use settled::protocol::Timestamp;
use settled::{Call, Failure, Saga, Settled};

use super::error::BenchError;
use super::load::{Work, drive, median};
use super::process::{Cpu, Meter};
use super::report::InProcessReport;
use super::{BenchArgs, Place};
use crate::error::CliError;
use crate::journal::JournalUrl;

/// How many sagas' batches are written once more.
const RECORDED: usize = 4_000;

/// How many sagas are held under way to see what one takes of memory.
const HELD: usize = 20_000;

/// Longer than it may take until they are.
const HELD_WITHIN: Duration = Duration::from_mins(1);

/// Runs functions in this process.
struct InProcess {
    settled: Settled,
    function: &'static str,
    prefix: String,
}

impl Work for InProcess {
    async fn once(&self, number: usize) -> Result<(), BenchError> {
        let start = self.settled.start(self.function, &number);
        let start = start.id(format!("{}-{number}", self.prefix));
        let result: Result<usize, _> = start.result().await;
        match result {
            Ok(_) => Ok(()),
            Err(error) => Err(BenchError::Call(error.to_string())),
        }
    }
}

/// Starts functions, and does not wait for their ends.
struct Starting(Arc<InProcess>);

impl Work for Starting {
    async fn once(&self, number: usize) -> Result<(), BenchError> {
        let start = self.0.settled.start(self.0.function, &number);
        let started = start.id(format!("{}-{number}", self.0.prefix)).await;
        match started {
            Ok(_) => Ok(()),
            Err(error) => Err(BenchError::Call(error.to_string())),
        }
    }
}

/// A function of so many steps that do nothing.
async fn no_op(saga: Saga<usize>, number: usize) -> Result<usize, Failure> {
    for step in 1..=*saga.state() {
        saga.step(format!("s{step}"))
            .action(async |_: Call<usize>, ()| Ok::<_, Infallible>(()))
            .await?;
    }
    Ok(number)
}

/// A function whose first step never ends.
async fn held(saga: Saga<usize>, number: usize) -> Result<usize, Failure> {
    saga.step("s1")
        .input(&number)
        .action(async |_: Call<usize>, _: usize| {
            pending::<()>().await;
            Ok::<_, Infallible>(())
        })
        .timeout(Duration::from_hours(1))
        .await?;
    Ok(number)
}

/// Every batch that was committed, in order.
type Batches = Arc<Mutex<Vec<Vec<Append>>>>;

/// A journal that keeps what is written to it.
struct Kept {
    journal: SqliteJournal,
    batches: Batches,
}

impl Journal for Kept {
    fn opened(&self) -> &Opened {
        self.journal.opened()
    }

    fn commit(
        &mut self,
        batch: &[Append],
    ) -> Result<Vec<Result<Appended, Misplaced>>, CommitError> {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.push(batch.to_vec());
        drop(batches);
        self.journal.commit(batch)
    }

    fn reopen(&mut self) -> Result<(), CommitError> {
        self.journal.reopen()
    }

    fn last_seq(&mut self, saga: SagaNo) -> Result<u32, ReadError> {
        self.journal.last_seq(saga)
    }

    fn change(&mut self, change: &Change) -> Result<bool, CommitError> {
        self.journal.change(change)
    }

    fn prune(&mut self, before: Timestamp, limit: usize) -> Result<usize, CommitError> {
        self.journal.prune(before, limit)
    }
}

fn start(args: &BenchArgs, journal: OpenJournal, in_flight: usize) -> Result<Settled, CliError> {
    let mut settings = CoordinatorSettings::default();
    settings.engine.max_in_flight = settings.engine.max_in_flight.max(in_flight);
    settings.engine.limits.max_concurrent = u32::MAX;
    Settled::with_state(usize::from(args.steps))
        .open_journal(journal)
        .saga("no-op", no_op)
        .saga("held", held)
        .settings(settings)
        .start()
        .map_err(|error| BenchError::Call(error.to_string()).into())
}

fn subject(settled: &Settled, function: &'static str) -> Arc<InProcess> {
    Arc::new(InProcess {
        settled: settled.clone(),
        function,
        prefix: format!("bench-{:08x}", fastrand::u32(..)),
    })
}

/// Measures sagas that are functions beside the journal alone.
pub(super) async fn measure(args: &BenchArgs, place: &Place) -> Result<InProcessReport, CliError> {
    let batches = record(args, place).await?;
    let recorded = RECORDED.min(args.sagas);
    let settled = start(args, place.journal.open()?, args.concurrency)?;
    let work = subject(&settled, "no-op");
    let warm_up = (args.sagas / 10).clamp(args.concurrency, 2_000);
    drive(&work, 0, warm_up, args.concurrency).await?;
    let (mut rates, mut bare_rates) = (Vec::new(), Vec::new());
    let (mut medians, mut tails) = (Vec::new(), Vec::new());
    let mut cpu = Cpu::default();
    let (meter, mut first) = (Meter::own(), warm_up);
    let before = settled.coordinator().journal_stats().counts();
    let count = args.sagas.div_ceil(usize::from(args.rounds));
    for round in 0..args.rounds {
        let file = place.directory.join(format!("bare-{round}.db"));
        let took = write_again(&batches, &file)?;
        bare_rates.push(recorded as f64 / took.as_secs_f64().max(1e-9));
        let was = meter.cpu()?;
        let sample = drive(&work, first, count, args.concurrency).await?;
        cpu += meter.cpu()? - was;
        first += count;
        rates.push(sample.per_second());
        medians.push(sample.quantile_ms(0.5));
        tails.push(sample.quantile_ms(0.99));
    }
    let after = settled.coordinator().journal_stats().counts();
    settled.shutdown(Duration::from_secs(10)).await;
    let done = (first - warm_up) as f64;
    let commits = (after.commits - before.commits) as f64;
    let appends = (after.appends - before.appends) as f64;
    let held_kib = hold(args, place).await?;
    let (rate, bare) = (median(rates.clone()), median(bare_rates.clone()));
    Ok(InProcessReport {
        sagas_per_s: rate,
        p50_ms: median(medians),
        p99_ms: median(tails),
        bare_sagas_per_s: bare,
        ratio: rate / bare.max(1e-9),
        cpu_s_per_1000: cpu.total() * 1_000.0 / done.max(1.0),
        peak_rss_mib: meter.memory()?.peak_mib,
        commits_per_saga: commits / done.max(1.0),
        appends_per_saga: appends / done.max(1.0),
        mean_batch: appends / commits.max(1.0),
        bare_mean_batch: batches.iter().map(Vec::len).sum::<usize>() as f64
            / batches.len().max(1) as f64,
        kib_per_saga_in_flight: held_kib,
        rounds_sagas_per_s: rates,
        rounds_bare_sagas_per_s: bare_rates,
        sagas: first - warm_up,
        steps: usize::from(args.steps),
        concurrency: args.concurrency,
        threads: args.threads,
    })
}

/// The batches that a run at this concurrency writes.
async fn record(args: &BenchArgs, place: &Place) -> Result<Vec<Vec<Append>>, CliError> {
    let path = place.directory.join("recorded.db");
    let journal = SqliteJournal::open(&path).map_err(BenchError::from)?;
    let batches = Batches::default();
    let keeper = Arc::new(journal.keeper());
    let kept = Kept {
        journal,
        batches: Arc::clone(&batches),
    };
    let open = OpenJournal {
        writer: Box::new(kept),
        keeper,
    };
    let settled = start(args, open, args.concurrency)?;
    let work = subject(&settled, "no-op");
    drive(&work, 0, RECORDED.min(args.sagas), args.concurrency).await?;
    settled.shutdown(Duration::from_secs(10)).await;
    let taken = std::mem::take(&mut *batches.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(taken)
}

/// Writes them once more, to a new journal.
fn write_again(batches: &[Vec<Append>], path: &std::path::Path) -> Result<Duration, BenchError> {
    let mut journal = SqliteJournal::open(path)?;
    let began = Instant::now();
    for batch in batches {
        let written = journal.commit(batch);
        let written = written.map_err(|error| BenchError::Call(error.to_string()))?;
        if let Some(Err(misplaced)) = written.into_iter().find(Result::is_err) {
            return Err(BenchError::Call(misplaced.to_string()));
        }
    }
    Ok(began.elapsed())
}

/// What one saga that is under way takes of memory, in KiB.
async fn hold(args: &BenchArgs, place: &Place) -> Result<f64, CliError> {
    let journal = JournalUrl {
        path: place.directory.join("held.db"),
    };
    let settled = start(args, journal.open()?, HELD * 2)?;
    let meter = Meter::own();
    let starting = Arc::new(Starting(subject(&settled, "held")));
    // The first half fills whatever is kept for later; the second half is what counts.
    let mut memory = [0.0, 0.0];
    for (half, memory) in memory.iter_mut().enumerate() {
        drive(&starting, half * HELD, HELD, 256).await?;
        let began = Instant::now();
        while settled.coordinator().load().1 < (half + 1) * HELD {
            if began.elapsed() > HELD_WITHIN {
                return Err(BenchError::Late("sagas were not held in time".to_owned()).into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        *memory = meter.memory()?.now_mib;
    }
    let grown = memory[1] - memory[0];
    settled.shutdown(Duration::ZERO).await;
    Ok(grown * 1_024.0 / HELD as f64)
}
