//! `settled submit`, `show`, `list` and `cancel`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
use settled::protocol::SagaState;

use super::{Common, encoded, query};
use crate::document;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{self, Format, Saga, Table, Tint, state_exit};
use crate::values;

/// The longest that the server holds an answer at a time.
const WAIT_AT_ONCE: Duration = Duration::from_mins(5);

/// The most that a page holds.
const PAGE: usize = 500;

/// Submits a saga from a YAML or JSON file.
///
/// With --wait it ends with the saga's status: 0 completed, 3 compensated, 4 stuck, 8 under way.
#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// The file; - for standard input
    file: PathBuf,
    /// Wait for so long until the saga is settled or stuck
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    common: Common,
}

/// Shows a saga.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The saga's id
    id: String,
    #[command(flatten)]
    common: Common,
}

/// Lists sagas, newest first.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// In this state
    #[arg(long, value_parser = state)]
    state: Option<String>,
    /// Of this kind
    #[arg(long)]
    name: Option<String>,
    /// Accepted at or after: a time such as 2026-01-31T08:30:00Z, or how long ago, such as 2h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<String>,
    /// Accepted before: as --since
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<String>,
    /// With this text in id, name or input
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value = "50", value_parser = values::at_least_one, conflicts_with = "all")]
    limit: usize,
    /// As many as there are
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    common: Common,
}

/// Asks a saga to go back: what was done is compensated.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The saga's id
    id: String,
    /// Who asks, for the record
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// A page of sagas; each as it came, for programs.
#[derive(Deserialize)]
struct Page {
    sagas: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
    #[serde(default)]
    unreadable: Vec<Unreadable>,
}

#[derive(Deserialize)]
struct Unreadable {
    id: String,
}

pub(super) async fn submit(args: SubmitArgs) -> Result<Exit, CliError> {
    let document = document::read(&args.file)?;
    let server = args.common.server()?;
    let at_once = args.wait.map(|wait| wait.min(WAIT_AT_ONCE));
    let path = match at_once {
        Some(wait) => format!("/v1/sagas?wait={}ms", wait.as_millis()),
        None => "/v1/sagas".to_owned(),
    };
    let reply = server
        .post(&path, document.clone(), at_once.unwrap_or_default())
        .await?;
    let saga: Saga = server.read(&reply)?;
    args.common.write(&reply, || saga.render())?;
    if args.wait.is_none() {
        return Ok(Exit::Success);
    }
    if reply.status == 202 {
        output::say(&format!(
            "it is still under way; see how it ends with `settled watch {}`",
            saga.id
        ));
    }
    Ok(state_exit(&saga.state))
}

pub(super) async fn show(args: ShowArgs) -> Result<Exit, CliError> {
    let server = args.common.server()?;
    let reply = server
        .get(&format!("/v1/sagas/{}", encoded(&args.id)))
        .await?;
    let saga: Saga = server.read(&reply)?;
    args.common.write(&reply, || saga.render())?;
    Ok(Exit::Success)
}

pub(super) async fn cancel(args: CancelArgs) -> Result<Exit, CliError> {
    let server = args.common.server()?;
    let path = format!("/v1/sagas/{}/cancel", encoded(&args.id));
    let body = match &args.by {
        Some(by) => serde_json::json!({ "by": by }).to_string(),
        None => String::new(),
    };
    let reply = server.post(&path, body, Duration::ZERO).await?;
    let saga: Saga = server.read(&reply)?;
    args.common.write(&reply, || saga.render())?;
    Ok(Exit::Success)
}

pub(super) async fn list(args: ListArgs) -> Result<Exit, CliError> {
    let server = args.common.server()?;
    let wanted = if args.all { usize::MAX } else { args.limit };
    let (mut sagas, mut cursor): (Vec<Box<RawValue>>, Option<String>) = (Vec::new(), None);
    loop {
        let page = query([
            ("state", args.state.clone()),
            ("name", args.name.clone()),
            ("since", args.since.clone()),
            ("until", args.until.clone()),
            ("q", args.query.clone()),
            ("limit", Some((wanted - sagas.len()).min(PAGE).to_string())),
            ("cursor", cursor.take()),
        ]);
        let reply = server.get(&format!("/v1/sagas?{page}")).await?;
        let page: Page = server.read(&reply)?;
        for saga in page.unreadable {
            output::say(&format!(
                "{}: its record is damaged; the server's log says more",
                output::plain(&saga.id)
            ));
        }
        sagas.extend(page.sagas);
        cursor = page.next_cursor;
        if cursor.is_none() || sagas.len() >= wanted {
            break;
        }
    }
    match args.common.format {
        Format::Json => {
            let items: Vec<&str> = sagas.iter().map(|saga| saga.get()).collect();
            let cursor = serde_json::json!(cursor);
            let text = format!(
                r#"{{"sagas":[{}],"next_cursor":{cursor}}}"#,
                items.join(",")
            );
            output::print_json(&text)?;
        }
        Format::Text => output::print(&table(&sagas))?,
    }
    if cursor.is_some() && args.common.format == Format::Text {
        output::say("there are more; ask for more with --limit N, or for --all");
    }
    Ok(Exit::Success)
}

fn table(sagas: &[Box<RawValue>]) -> String {
    let mut table = Table::new(&["saga", "name", "state", "accepted", "reason"]);
    for saga in sagas {
        let Ok(saga) = serde_json::from_str::<Saga>(saga.get()) else {
            continue;
        };
        let reason = saga.reason.as_ref().map_or_else(String::new, |reason| {
            let step = reason.step.as_deref().unwrap_or("the saga");
            format!("{step} {}: {}", reason.outcome, reason.message)
        });
        table.row([
            (Tint::Plain, &*saga.id),
            (Tint::Plain, &*saga.name),
            (Tint::of_state(&saga.state), &*saga.state),
            (
                Tint::Dim,
                saga.created_at.get(..19).unwrap_or(&saga.created_at),
            ),
            (Tint::Plain, &*reason),
        ]);
    }
    table.render("")
}

fn state(text: &str) -> Result<String, String> {
    if SagaState::parse(text).is_some() {
        return Ok(text.to_owned());
    }
    let words: Vec<&str> = SagaState::ALL.iter().map(|state| state.as_str()).collect();
    Err(format!("expected {}", words.join(", ")))
}

/// A time, or how long ago it was.
fn moment(text: &str) -> Result<String, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.to_string());
    }
    values::duration(text)
        .ok()
        .and_then(|ago| jiff::Timestamp::now().checked_sub(ago).ok())
        .map(|time| time.to_string())
        .ok_or_else(|| {
            "expected a time such as 2026-01-31T08:30:00Z, or how long ago, such as 2h".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_or_lengths_of_time() {
        assert_eq!(
            moment("2026-01-31T08:30:00Z").unwrap(),
            "2026-01-31T08:30:00Z"
        );
        assert_eq!(
            moment("2026-01-31T10:30:00+02:00").unwrap(),
            "2026-01-31T08:30:00Z"
        );
        assert!(moment("2h").unwrap().ends_with('Z'));
        assert!(moment("yesterday").is_err());
    }

    #[test]
    fn states_are_the_words_of_the_api() {
        assert!(state("stuck").is_ok());
        assert!(state("failed").unwrap_err().contains("compensating"));
    }
}
