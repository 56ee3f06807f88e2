//! `settled schedules`: sagas that start by the clock.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Common, encoded};
use crate::document;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{self, Format, Saga, Table, Tint, paint, plain, plain_lines};

/// Lists the sagas that start by the clock; shows, puts, deletes and triggers them.
#[derive(Debug, Args)]
pub(crate) struct SchedulesArgs {
    #[command(subcommand)]
    command: Option<SchedulesCommand>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum SchedulesCommand {
    /// Lists every schedule with its last run and its next
    List,
    /// Shows a schedule with its saga
    Show {
        /// The schedule's name
        name: String,
    },
    /// Makes a schedule from a YAML or JSON file, or changes it to what the file says
    Put {
        /// The schedule's name
        name: String,
        /// The file; - for standard input
        file: PathBuf,
    },
    /// Removes a schedule; sagas that it has started go on
    Delete {
        /// The schedule's name
        name: String,
    },
    /// Runs a schedule's saga now, out of turn
    Trigger {
        /// The schedule's name
        name: String,
        /// The same id is the same run, so that to ask twice does no harm
        #[arg(long)]
        id: Option<String>,
    },
}

/// A schedule, as far as it is shown.
#[derive(Deserialize)]
struct Schedule {
    name: String,
    cron: Option<String>,
    timezone: Option<String>,
    every: Option<String>,
    missed: Option<String>,
    overlap: Option<String>,
    saga: Option<Value>,
    state: String,
    blocked_by: Option<String>,
    next_due_at: Option<String>,
    waiting_due_at: Option<String>,
    last_due_at: Option<String>,
    last_run: Option<Run>,
    triggered_run: Option<Run>,
    counts: Counts,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Run {
    id: String,
    state: Option<String>,
}

#[derive(Deserialize)]
struct Counts {
    runs: u64,
    missed: u64,
    overlapped: u64,
}

#[derive(Deserialize)]
struct Schedules {
    schedules: Vec<Box<RawValue>>,
    #[serde(default)]
    unreadable: Vec<Unreadable>,
}

#[derive(Deserialize)]
struct Unreadable {
    error: String,
}

pub(super) async fn run(args: SchedulesArgs) -> Result<Exit, CliError> {
    let common = &args.common;
    match args.command.unwrap_or(SchedulesCommand::List) {
        SchedulesCommand::List => list(common).await,
        SchedulesCommand::Show { name } => show(common, &name).await,
        SchedulesCommand::Put { name, file } => put(common, &name, &file).await,
        SchedulesCommand::Delete { name } => delete(common, &name).await,
        SchedulesCommand::Trigger { name, id } => trigger(common, &name, id).await,
    }
}

async fn list(common: &Common) -> Result<Exit, CliError> {
    let server = common.server()?;
    let reply = server.get("/v1/schedules").await?;
    let all: Schedules = server.read(&reply)?;
    if common.format == Format::Text {
        for schedule in &all.unreadable {
            output::say(&plain(&schedule.error));
        }
    }
    common.write(&reply, || table(&all.schedules))?;
    Ok(Exit::Success)
}

async fn show(common: &Common, name: &str) -> Result<Exit, CliError> {
    let server = common.server()?;
    let reply = server.get(&path(name)).await?;
    let schedule: Schedule = server.read(&reply)?;
    common.write(&reply, || schedule.render())?;
    Ok(Exit::Success)
}

async fn put(common: &Common, name: &str, file: &std::path::Path) -> Result<Exit, CliError> {
    let expected = "a schedule: an object with cron or every, and a saga";
    let document = document::read_as(file, expected)?;
    let server = common.server()?;
    let reply = server.put(&path(name), document).await?;
    let schedule: Schedule = server.read(&reply)?;
    common.write(&reply, || schedule.render())?;
    Ok(Exit::Success)
}

async fn delete(common: &Common, name: &str) -> Result<Exit, CliError> {
    let server = common.server()?;
    let reply = server.delete(&path(name)).await?;
    if reply.status != 204 {
        return Err(server.refusal(&reply).into());
    }
    match common.format {
        Format::Text => output::print(&format!("{} is no more\n", plain(name)))?,
        Format::Json => output::print_json(&json!({ "deleted": name }).to_string())?,
    }
    Ok(Exit::Success)
}

async fn trigger(common: &Common, name: &str, id: Option<String>) -> Result<Exit, CliError> {
    let server = common.server()?;
    let body = id.map_or_else(String::new, |id| json!({ "id": id }).to_string());
    let path = format!("{}/trigger", path(name));
    let reply = server.post(&path, body, Duration::ZERO).await?;
    let saga: Saga = server.read(&reply)?;
    common.write(&reply, || saga.render())?;
    Ok(Exit::Success)
}

fn path(name: &str) -> String {
    format!("/v1/schedules/{}", encoded(name))
}

fn table(schedules: &[Box<RawValue>]) -> String {
    let heading = [
        "schedule",
        "when",
        "zone",
        "state",
        "last run",
        "its state",
        "next run",
    ];
    let mut table = Table::new(&heading);
    for raw in schedules {
        let Ok(schedule) = serde_json::from_str::<Schedule>(raw.get()) else {
            continue;
        };
        let (last, state) = schedule
            .last_run
            .as_ref()
            .map_or(("", ""), |run| (run.id.as_str(), run.state()));
        table.row([
            (Tint::Plain, &*schedule.name),
            (Tint::Plain, &*schedule.when()),
            (Tint::Plain, schedule.timezone.as_deref().unwrap_or("")),
            (schedule.tint(), &*schedule.state),
            (Tint::Plain, last),
            (Tint::of_state(state), state),
            (Tint::Dim, &*minute(schedule.next_due_at.as_deref())),
        ]);
    }
    table.render("")
}

/// A time to the second.
fn minute(time: Option<&str>) -> String {
    let time = time.unwrap_or_default();
    match time.get(..19) {
        Some(short) => format!("{short}Z"),
        None => time.to_owned(),
    }
}

impl Run {
    fn state(&self) -> &str {
        self.state.as_deref().unwrap_or("gone")
    }
}

impl Schedule {
    fn when(&self) -> String {
        match (&self.cron, &self.every) {
            (Some(pattern), _) => pattern.clone(),
            (None, Some(step)) => format!("every {step}"),
            (None, None) => String::new(),
        }
    }

    fn tint(&self) -> Tint {
        match self.state.as_str() {
            "active" => Tint::Good,
            "blocked" | "broken" => Tint::Bad,
            _ => Tint::Plain,
        }
    }

    fn render(&self) -> String {
        let zone = self.timezone.as_ref();
        let zone = zone.map_or_else(String::new, |zone| format!(" in {zone}"));
        let mut text = format!(
            "{}  {}{}  {}\n",
            paint(Tint::Head, &plain(&self.name)),
            plain(&self.when()),
            plain(&zone),
            paint(self.tint(), &plain(&self.state)),
        );
        let mut line = |what: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(text, "{what:<12} {}", plain(value));
            }
        };
        line("next run", &minute(self.next_due_at.as_deref()));
        line("waiting", &minute(self.waiting_due_at.as_deref()));
        line("last due", &minute(self.last_due_at.as_deref()));
        for (what, run) in [
            ("last run", &self.last_run),
            ("triggered", &self.triggered_run),
        ] {
            if let Some(run) = run {
                line(what, &format!("{} ({})", run.id, run.state()));
            }
        }
        let Counts {
            runs,
            missed,
            overlapped,
        } = self.counts;
        let policy = |policy: &Option<String>| policy.clone().unwrap_or_default();
        let (if_missed, if_overlapped) = (policy(&self.missed), policy(&self.overlap));
        line(
            "due times",
            &format!(
                "{runs} run, {missed} missed ({if_missed}), {overlapped} overlapped ({if_overlapped})"
            ),
        );
        line("error", self.error.as_deref().unwrap_or_default());
        if let Some(saga) = &self.blocked_by {
            let saga = plain(saga).replace('\'', "");
            let _ = write!(
                text,
                "\n{}\nsettled incidents --saga '{saga}'\n",
                paint(
                    Tint::Bad,
                    "its run is stuck: nothing runs until the incident is settled"
                ),
            );
        }
        if let Some(saga) = &self.saga {
            let pretty = serde_json::to_string_pretty(saga).unwrap_or_default();
            let _ = write!(
                text,
                "\n{}\n{}\n",
                paint(Tint::Head, "saga"),
                plain_lines(&pretty)
            );
        }
        text
    }
}
