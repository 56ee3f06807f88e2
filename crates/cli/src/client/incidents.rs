//! `settled incidents`: what needs a person, and what the person decides.

use std::fmt::Write;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use settled::protocol::Decision;

use super::error::ClientError;
use super::{Common, encoded, query};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{self, Format, Table, Tint, paint, plain, plain_lines};
use crate::values;

/// Lists what needs a person; shows and resolves it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct IncidentsArgs {
    #[command(subcommand)]
    command: Option<IncidentsCommand>,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum IncidentsCommand {
    /// Lists incidents, the one that came up last first
    List(ListArgs),
    /// Shows an incident with its request, response and error
    Show {
        /// The incident's id, such as order-1001~1
        id: String,
    },
    Resolve(ResolveArgs),
}

#[derive(Clone, Debug, Args)]
struct ListArgs {
    /// Open ones, resolved ones, or all
    #[arg(long, value_enum, default_value_t = Which::Open)]
    state: Which,
    /// Of the saga with this id
    #[arg(long, value_name = "ID")]
    saga: Option<String>,
    /// Of the step with this name
    #[arg(long, value_name = "NAME")]
    step: Option<String>,
    /// Whose request went to this host, or host:port
    #[arg(long, value_name = "HOST")]
    participant: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value = "50", value_parser = values::at_least_one)]
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    Open,
    Resolved,
    All,
}

/// Puts a decision on record; the saga goes on from there.
///
/// retry: call again. done: it happened. `not_done`: it did not happen. abandon: accept it as it is.
#[derive(Debug, Args)]
struct ResolveArgs {
    /// The incident's id, such as order-1001~1
    id: String,
    /// What is decided: retry, done, `not_done` or abandon
    #[arg(long, value_parser = decision)]
    decision: String,
    /// Why, for the record; abandon needs it
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Who decides, for the record
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// For done: what the call returned, as JSON
    #[arg(long, value_name = "JSON")]
    result: Option<String>,
    /// For retry: the body to send instead, as JSON
    #[arg(long, value_name = "JSON")]
    body: Option<String>,
}

/// An incident, as far as it is shown.
#[derive(Deserialize)]
struct Incident {
    id: String,
    name: String,
    step: String,
    direction: String,
    kind: String,
    request_url: Option<String>,
    request: Option<Value>,
    response: Option<Value>,
    error: String,
    attempts: u32,
    opened_at: String,
    state: String,
    decision: Option<String>,
    note: Option<String>,
    resolved_by: Option<String>,
    resolved_at: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    incidents: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

pub(super) async fn run(args: IncidentsArgs) -> Result<Exit, CliError> {
    match args.command {
        None => list(&args.common, &args.list).await,
        Some(IncidentsCommand::List(wanted)) => list(&args.common, &wanted).await,
        Some(IncidentsCommand::Show { id }) => show(&args.common, &id).await,
        Some(IncidentsCommand::Resolve(decision)) => resolve(&args.common, decision).await,
    }
}

async fn list(common: &Common, wanted: &ListArgs) -> Result<Exit, CliError> {
    let server = common.server()?;
    let state = match wanted.state {
        Which::Open => Some("open".to_owned()),
        Which::Resolved => Some("resolved".to_owned()),
        Which::All => None,
    };
    let (mut incidents, mut cursor): (Vec<Box<RawValue>>, Option<String>) = (Vec::new(), None);
    loop {
        let page = query([
            ("state", state.clone()),
            ("saga", wanted.saga.clone()),
            ("step", wanted.step.clone()),
            ("participant", wanted.participant.clone()),
            (
                "limit",
                Some((wanted.limit - incidents.len()).min(500).to_string()),
            ),
            ("cursor", cursor.take()),
        ]);
        let reply = server.get(&format!("/v1/incidents?{page}")).await?;
        let page: Page = server.read(&reply)?;
        incidents.extend(page.incidents);
        cursor = page.next_cursor;
        if cursor.is_none() || incidents.len() >= wanted.limit {
            break;
        }
    }
    match common.format {
        Format::Json => {
            let items: Vec<&str> = incidents.iter().map(|raw| raw.get()).collect();
            let cursor = json!(cursor);
            let text = format!(
                r#"{{"incidents":[{}],"next_cursor":{cursor}}}"#,
                items.join(",")
            );
            output::print_json(&text)?;
        }
        Format::Text => {
            output::print(&table(&incidents))?;
            if cursor.is_some() {
                output::say("there are more; ask for more with --limit N");
            }
        }
    }
    Ok(Exit::Success)
}

fn table(incidents: &[Box<RawValue>]) -> String {
    let heading = [
        "incident",
        "name",
        "step",
        "direction",
        "kind",
        "state",
        "opened",
        "error",
    ];
    let mut table = Table::new(&heading);
    for raw in incidents {
        let Ok(incident) = serde_json::from_str::<Incident>(raw.get()) else {
            continue;
        };
        let opened = incident.opened_at.get(..19).unwrap_or(&incident.opened_at);
        table.row([
            (Tint::Plain, &*incident.id),
            (Tint::Plain, &*incident.name),
            (Tint::Plain, &*incident.step),
            (Tint::Plain, &*incident.direction),
            (Tint::Plain, &*incident.kind),
            (Tint::of_state(&incident.state), &*incident.state),
            (Tint::Dim, opened),
            (Tint::Plain, &*incident.error),
        ]);
    }
    table.render("")
}

async fn show(common: &Common, id: &str) -> Result<Exit, CliError> {
    let server = common.server()?;
    let reply = server
        .get(&format!("/v1/incidents/{}", encoded(id)))
        .await?;
    let incident: Incident = server.read(&reply)?;
    common.write(&reply, || incident.render())?;
    Ok(Exit::Success)
}

async fn resolve(common: &Common, args: ResolveArgs) -> Result<Exit, CliError> {
    let server = common.server()?;
    let mut body = json!({ "decision": args.decision });
    for (name, value) in [("note", args.note), ("by", args.by.or_else(whoami))] {
        if let Some(value) = value {
            body[name] = Value::from(value);
        }
    }
    if let Some(result) = &args.result {
        body["result"] = given_json("--result", result)?;
    }
    if let Some(edited) = &args.body {
        body["request"] = json!({ "body": given_json("--body", edited)? });
    }
    let path = format!("/v1/incidents/{}/resolve", encoded(&args.id));
    let reply = server.post(&path, body.to_string(), Duration::ZERO).await?;
    let incident: Incident = server.read(&reply)?;
    common.write(&reply, || incident.render())?;
    Ok(Exit::Success)
}

/// Who is at the keyboard, where no token says it and the person does not either.
fn whoami() -> Option<String> {
    if std::env::var_os("SETTLED_TOKEN").is_some() {
        return None;
    }
    let name = std::env::var("USER").or_else(|_| std::env::var("USERNAME"));
    name.ok().filter(|name| !name.is_empty())
}

fn given_json(option: &str, text: &str) -> Result<Value, ClientError> {
    serde_json::from_str(text)
        .map_err(|error| ClientError::Value(format!("{option}: expected JSON: {error}")))
}

fn decision(text: &str) -> Result<String, String> {
    if Decision::parse(text).is_some() {
        return Ok(text.to_owned());
    }
    let words: Vec<&str> = Decision::ALL.iter().map(|word| word.as_str()).collect();
    Err(format!("expected {}", words.join(", ")))
}

impl Incident {
    fn render(&self) -> String {
        let mut text = format!(
            "{}  {}  {}\n{} {} of {} · {} · opened {} after {} attempts\n\n{}\n",
            paint(Tint::Head, &plain(&self.id)),
            plain(&self.name),
            paint(Tint::of_state(&self.state), &plain(&self.state)),
            plain(&self.kind),
            plain(&self.direction),
            plain(&self.step),
            plain(
                self.request_url
                    .as_deref()
                    .unwrap_or("no request could be made")
            ),
            plain(&self.opened_at),
            self.attempts,
            paint(Tint::Bad, &plain(&self.error)),
        );
        for (what, value) in [("request", &self.request), ("response", &self.response)] {
            if let Some(value) = value {
                let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
                let _ = write!(
                    text,
                    "\n{}\n{}\n",
                    paint(Tint::Head, what),
                    plain_lines(&pretty)
                );
            }
        }
        match &self.decision {
            Some(decision) => {
                let _ = write!(
                    text,
                    "\nresolved as {} by {} at {}: {}\n",
                    paint(Tint::Good, &plain(decision)),
                    plain(self.resolved_by.as_deref().unwrap_or("nobody named")),
                    plain(self.resolved_at.as_deref().unwrap_or_default()),
                    plain(self.note.as_deref().unwrap_or_default()),
                );
            }
            None => {
                let _ = write!(
                    text,
                    "\nsettled incidents resolve '{}' --decision retry|done|not_done|abandon \
                     --note TEXT\n",
                    plain(&self.id).replace('\'', ""),
                );
            }
        }
        text
    }
}
