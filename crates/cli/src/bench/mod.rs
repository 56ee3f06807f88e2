//! `settled bench`: how fast this machine settles sagas, beside the same calls made bare.
//!
//! Both are measured in one run and in turns, bare, durable, bare, durable, so that whatever else
//! the machine does falls on both; medians over the rounds are reported. The calls go over real
//! HTTP to a participant in a process of its own that does as little as it can. Nothing is tuned
//! for the measurement: the journal is as durable as everywhere.
//!
//! ```text
//!                ┌─ bare ────── HttpParticipants::send ───────────────┐
//!   load ────────┤                                                    ├──▶ participant
//!   (N at once)  └─ durable ─── Coordinator ── journal ── calls ──────┘    (own process)
//!                     or, with --http: POST /v1/sagas?wait to `settled serve`
//! ```

mod child;
mod error;
mod history;
mod in_process;
mod load;
mod parked;
mod participant;
mod process;
mod report;
mod rounds;
mod subject;
mod workload;

use std::path::PathBuf;

use clap::Args;
use tempfile::TempDir;

pub(crate) use self::error::BenchError;
pub(crate) use self::participant::{ParticipantArgs, run as run_participant};
use self::report::Written;
use crate::engine;
use crate::error::CliError;
use crate::exit::Exit;
use crate::journal::JournalUrl;
use crate::output::Format;
use crate::signals::Signals;
use crate::values;

/// Measures sagas per second beside the same calls made without a journal.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchArgs {
    /// How many sagas are measured, over all rounds
    #[arg(long, value_name = "N", default_value = "20000", value_parser = values::at_least_one)]
    sagas: usize,
    /// How many steps a saga has
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=64))]
    steps: u16,
    /// How many sagas are under way at once
    #[arg(long, value_name = "N", default_value = "64", value_parser = values::at_least_one)]
    concurrency: usize,
    /// How many of a hundred sagas are refused at their last step, so that they are compensated
    #[arg(long, value_name = "P", default_value = "0", value_parser = clap::value_parser!(u8).range(0..=100))]
    fail_percent: u8,
    /// The journal, sqlite:PATH; by default one in the current directory that is removed at the end
    #[arg(long, value_name = "URL")]
    journal: Option<String>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// In how many turns bare calls and sagas are measured
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Submit over HTTP to a `settled serve` of its own, and wait there for the end
    #[arg(long)]
    http: bool,
    /// Instead: park so many sagas for an hour, start again, and measure how soon it is ready
    #[arg(long, value_name = "N", value_parser = values::at_least_one, conflicts_with_all = ["http", "history"])]
    parked: Option<usize>,
    /// Instead: settle so many sagas first, and measure beside an empty journal
    #[arg(long, value_name = "N", value_parser = values::at_least_one, conflicts_with = "http")]
    history: Option<usize>,
    /// Instead: sagas that are Rust functions in this process, beside the journal alone
    #[arg(long, conflicts_with_all = ["http", "parked", "history", "fail_percent"])]
    in_process: bool,
    /// Threads of the runtime, as in `settled serve`.
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::at_least_one, hide = true)]
    threads: usize,
}

/// Where the journals of this run are.
struct Place {
    journal: JournalUrl,
    directory: PathBuf,
    /// Removed when dropped.
    _temporary: TempDir,
}

impl Place {
    /// A temporary directory beside whatever is here: a system's own place for temporary files is
    /// often in memory, where nothing is durable and everything fast.
    fn new(args: &BenchArgs) -> Result<Self, CliError> {
        let temporary = TempDir::with_prefix_in("settled-bench-", ".")
            .map_err(|source| BenchError::Directory { source })?;
        let directory = temporary.path().to_owned();
        let journal = match &args.journal {
            Some(url) => JournalUrl::parse(url)?,
            None => JournalUrl {
                path: directory.join("journal.db"),
            },
        };
        Ok(Self {
            journal,
            directory,
            _temporary: temporary,
        })
    }
}

/// Measures, and prints what was measured.
pub(crate) fn run(args: &BenchArgs) -> Result<Exit, CliError> {
    let place = Place::new(args)?;
    let runtime = engine::runtime(args.threads)?;
    let measured = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(|source| CliError::System {
            what: "the system gives no signals",
            source,
        })?;
        tokio::select! {
            measured = measure(args, &place) => measured,
            _ = signals.next() => Err(BenchError::Interrupted.into()),
        }
    });
    runtime.shutdown_background();
    measured
}

async fn measure(args: &BenchArgs, place: &Place) -> Result<Exit, CliError> {
    let text = if args.in_process {
        in_process::measure(args, place).await?.write(args.format)
    } else if let Some(parked) = args.parked {
        parked::measure(args, place, parked)
            .await?
            .write(args.format)
    } else if let Some(settled) = args.history {
        history::measure(args, place, settled)
            .await?
            .write(args.format)
    } else {
        rounds::measure(args, place).await?.write(args.format)
    };
    crate::output::print(&text)?;
    Ok(Exit::Success)
}
