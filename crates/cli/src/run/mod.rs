//! `settled run FILE`: one saga, driven here, on a journal of its own or on one that is named.
//!
//! It is the same coordinator as in `settled serve`, without a server: what is interrupted here goes
//! on when the same file is run again on the same journal, or when a server is started on it.

mod progress;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use settled::coordinator::{Coordinator, Health, SubmitError, Submitted};
use settled::definition::{Definitions, Submission};
use settled::observe::Unobserved;
use settled::snapshot::SagaSnapshot;
use tempfile::TempDir;

use self::progress::Progress;
use crate::engine::{self, EngineArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::journal::JournalUrl;
use crate::output::{self, Format, Saga, state_exit};
use crate::signals::Signals;
use crate::{document, values};

/// Longer than anybody waits: the saga itself says when it ends.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

/// How long calls may take to end after Ctrl-C.
const GRACE: Duration = Duration::from_secs(15);

/// Drives one saga from a YAML or JSON file to its end, without a server.
///
/// Exit status: 0 completed, 3 compensated, 4 stuck, 2 the file cannot be used.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// The file; - for standard input
    file: PathBuf,
    /// The journal, sqlite:PATH; by default a temporary one, removed once the saga is settled
    #[arg(long, value_name = "URL")]
    journal: Option<String>,
    /// The saga's id, in place of the file's
    #[arg(long, value_name = "ID", value_parser = document::saga_id)]
    id: Option<String>,
    /// How the saga is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    engine: EngineArgs,
    /// How long calls may take to end after Ctrl-C
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = values::duration)]
    drain_timeout: Duration,
}

/// The journal of this run.
struct Place {
    url: JournalUrl,
    /// Removed when dropped.
    temporary: Option<TempDir>,
}

impl Place {
    fn new(given: Option<&str>) -> Result<Self, CliError> {
        if let Some(url) = given {
            let url = JournalUrl::parse(url)?;
            return Ok(Self {
                url,
                temporary: None,
            });
        }
        let temporary =
            TempDir::with_prefix("settled-run-").map_err(|source| CliError::System {
                what: "no place for a temporary journal; name one with --journal",
                source,
            })?;
        let path = temporary.path().join("journal.db");
        Ok(Self {
            url: JournalUrl { path },
            temporary: Some(temporary),
        })
    }

    /// Keeps the journal for whoever goes on with the saga.
    fn keep(self) {
        if let Some(temporary) = self.temporary {
            let _ = temporary.keep();
        }
    }
}

/// How it ended.
enum Ending {
    /// The saga is settled or stuck.
    Ended(Box<SagaSnapshot>),
    /// A person or the system did not want to wait.
    Interrupted,
}

/// Runs the saga of a file.
pub(crate) fn run(args: &RunArgs) -> Result<Exit, CliError> {
    let text = document::read(&args.file)?;
    // Looked at before anything is made or opened.
    let mut submission = parse(&args.file, &Definitions::new(), &text)?;
    let id = args
        .id
        .clone()
        .or(submission.id.take())
        .unwrap_or_else(|| format!("run-{:016x}", fastrand::u64(..)));
    submission.id = Some(id.clone());
    let participants = args.engine.participants(false)?;
    let mask = args.engine.mask()?;
    let place = Place::new(args.journal.as_deref())?;
    let journal = place.url.open()?;
    let runtime = engine::runtime(1)?;
    let driven = runtime.block_on(async {
        let signals = Signals::listen().map_err(|source| CliError::System {
            what: "the system gives no signals",
            source,
        })?;
        let observer = Arc::new(Unobserved);
        let settings = args.engine.settings(mask, None);
        let started = Coordinator::start(journal, participants, observer, settings);
        let coordinator = started.map_err(|source| CliError::System {
            what: "the system gives no thread for the journal",
            source,
        })?;
        let ending = drive(&coordinator, args, submission, signals).await;
        // Other sagas of this journal may be under way as well.
        coordinator.drain(args.drain_timeout.min(GRACE)).await;
        let now = coordinator.clock().now();
        ending.map(|ending| (ending, now))
    });
    runtime.shutdown_background();
    let (ending, now) = match driven {
        Ok(driven) => driven,
        Err(error) => {
            if matches!(error, CliError::JournalFailed(_)) {
                place.keep();
            }
            return Err(error);
        }
    };
    match ending {
        Ending::Ended(saga) => report(args, place, &saga, now),
        Ending::Interrupted => {
            output::say(&format!(
                "interrupted; nothing is lost. It goes on with\n  {}",
                again(args, &place, &id)
            ));
            place.keep();
            Ok(Exit::Interrupted)
        }
    }
}

fn report(
    args: &RunArgs,
    place: Place,
    saga: &SagaSnapshot,
    now: settled::protocol::Timestamp,
) -> Result<Exit, CliError> {
    let state = saga.saga.state(now).as_str();
    // Whole: it is shown to the one who wrote its file.
    let json = settled_server::saga_json(saga, now);
    let printed = match args.format {
        Format::Json => output::print_json(&json),
        Format::Text => {
            let shown: Saga = serde_json::from_str(&json).map_err(|error| {
                CliError::Saga(format!(
                    "the saga cannot be shown ({error}); use --format json"
                ))
            })?;
            output::print(&shown.render())
        }
    };
    let exit = state_exit(state);
    if exit == Exit::Stuck {
        output::say(&format!(
            "the saga is stuck; start `settled serve --journal {}` and decide with `settled \
             incidents`",
            place.url
        ));
        place.keep();
    }
    match printed {
        // Whoever closed the pipe still learns from the status how it ended.
        Ok(()) | Err(CliError::Closed) => Ok(exit),
        Err(error) => Err(error),
    }
}

/// Submits the saga, shows what happens, and waits for its end.
async fn drive(
    coordinator: &Coordinator,
    args: &RunArgs,
    submission: Submission,
    mut signals: Signals,
) -> Result<Ending, CliError> {
    let id = submission.id.clone().unwrap_or_default();
    let mut watching = coordinator.watch(&id);
    let mut progress = Progress::begin(&id, submission.definition.plan());
    let mut ended = std::pin::pin!(coordinator.submit(submission, None, Some(FOR_EVER)));
    let mut watched = true;
    loop {
        tokio::select! {
            biased;
            records = watching.next(), if watched => match records {
                Some(records) => progress.show(&records),
                None => watched = false,
            },
            taken = &mut ended => {
                progress.end();
                return ending(coordinator, args, &id, taken);
            }
            _ = signals.next() => {
                progress.end();
                return Ok(Ending::Interrupted);
            }
        }
    }
}

fn ending(
    coordinator: &Coordinator,
    args: &RunArgs,
    id: &str,
    taken: Result<Submitted, SubmitError>,
) -> Result<Ending, CliError> {
    if let Health::Failed(why) = coordinator.health() {
        return Err(CliError::JournalFailed(why));
    }
    match taken {
        Ok(taken) => Ok(Ending::Ended(Box::new(taken.saga))),
        Err(SubmitError::Conflict) => Err(CliError::Conflict {
            path: args.file.clone(),
            id: id.to_owned(),
        }),
        Err(error) => Err(CliError::Saga(error.to_string())),
    }
}

fn parse(path: &Path, definitions: &Definitions, text: &str) -> Result<Submission, CliError> {
    definitions
        .parse(text.as_bytes())
        .map_err(|invalid| CliError::Document {
            path: path.to_owned(),
            why: invalid.to_string(),
        })
}

/// The command that goes on with this saga.
fn again(args: &RunArgs, place: &Place, id: &str) -> String {
    let quoted = |text: &str| {
        let plain = |sign: char| sign.is_ascii_alphanumeric() || "/._:-".contains(sign);
        if !text.is_empty() && text.chars().all(plain) {
            text.to_owned()
        } else {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
    };
    let journal = quoted(&place.url.to_string());
    let file = quoted(&args.file.display().to_string());
    format!("settled run {file} --journal {journal} --id {id}")
}
