//! `settled incidents resolve`: puts a decision on record for one incident, or for many alike.
//!
//! Many are looked up first and then decided by their ids: what is decided is what the person was
//! asked about, and not what has come up since, such as the incident of a call that failed again.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use settled::protocol::Decision;

use super::super::error::ClientError;
use super::super::http::Server;
use super::super::{Common, encoded};
use super::detail::Detail;
use super::filter::Filter;
use super::list::pages;
use super::row::Row;
use crate::document;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{self, Format, Table, Tint, plain};

/// How many incidents one request may decide.
const AT_ONCE: usize = 500;

/// How many ids a question names.
const NAMED: usize = 10;

/// Puts a decision on record; the saga goes on from there.
///
/// retry: call again. done: it happened. `not_done`: it did not happen. abandon: accept it as it
/// is. Ends with 1 where an incident could not be decided.
#[derive(Debug, Args)]
pub(super) struct ResolveArgs {
    /// The incidents' ids, such as order-1001~1
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Every open incident that the filter matches, in place of ids
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    /// What is decided: retry, done, `not_done` or abandon
    #[arg(long, value_parser = decision)]
    decision: String,
    /// Why, for the record; abandon needs it
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Who decides, for the record
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// For done: what the call returned, as JSON, or @FILE
    #[arg(long, value_name = "JSON")]
    result: Option<String>,
    /// For retry: the body to send instead, as JSON, or @FILE
    #[arg(long, value_name = "JSON")]
    body: Option<String>,
    /// Decide many without being asked whether to
    #[arg(long)]
    yes: bool,
}

/// What became of one incident.
#[derive(Deserialize)]
struct Resolved {
    id: String,
    status: u16,
    incident: Option<Row>,
    problem: Option<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<Box<RawValue>>,
}

pub(super) async fn resolve(common: &Common, args: ResolveArgs) -> Result<Exit, CliError> {
    let wrong = |why: &str| Err(ClientError::Value(why.to_owned()).into());
    if args.all && !args.ids.is_empty() {
        return wrong("--all: goes without ids; leave one of them out");
    }
    if !args.all && args.filter.is_given() {
        return wrong("--all: to decide every incident that the filter matches, say --all");
    }
    if !args.all && args.ids.is_empty() {
        return wrong("ID: name the incidents, or say --all with a filter such as --participant");
    }
    let decision = body(&args)?;
    let server = common.server()?;
    if let [id] = &args.ids[..] {
        return one(common, &server, id, &decision).await;
    }
    let (ids, what) = if args.all {
        matching(&server, &args.filter).await?
    } else {
        (args.ids.clone(), named(&args.ids))
    };
    let question = format!(
        "{} {}:\n{what}go on? [y/N] ",
        args.decision,
        counted(ids.len())
    );
    if !args.yes && !ids.is_empty() && !agreed(&question).await? {
        output::say("nothing was decided");
        return Ok(Exit::Failure);
    }
    many(common, &server, &ids, &decision).await
}

/// Decides one incident, and shows it.
async fn one(
    common: &Common,
    server: &Server,
    id: &str,
    decision: &Value,
) -> Result<Exit, CliError> {
    let path = format!("/v1/incidents/{}/resolve", encoded(id));
    let reply = server
        .post(&path, decision.to_string(), Duration::ZERO)
        .await?;
    let incident: Detail = server.read(&reply)?;
    common.write(&reply, || incident.render(output::width()))?;
    Ok(Exit::Success)
}

/// Decides these incidents alike, some at a time, and tells what became of each. What was decided
/// before something failed is told all the same.
async fn many(
    common: &Common,
    server: &Server,
    ids: &[String],
    decision: &Value,
) -> Result<Exit, CliError> {
    let mut results: Vec<Box<RawValue>> = Vec::with_capacity(ids.len());
    let mut failed = None;
    for some in ids.chunks(AT_ONCE) {
        let mut body = decision.clone();
        body["ids"] = json!(some);
        match some_of_them(server, &body).await {
            Ok(answer) => results.extend(answer.results),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let resolved = told(&results);
    match common.format {
        Format::Json => {
            let items: Vec<&str> = results.iter().map(|raw| raw.get()).collect();
            let text = format!(r#"{{"results":[{}],"more":false}}"#, items.join(","));
            output::print_json(&text)?;
        }
        Format::Text => output::print(&table(&resolved))?,
    }
    let decided = resolved.iter().filter(|one| one.status == 200).count();
    if common.format == Format::Text {
        let left = ids.len() - decided;
        output::say(&match left {
            0 => format!("{} decided", counted(decided)),
            left => format!("{} decided, {left} not", counted(decided)),
        });
    }
    match failed {
        Some(error) => Err(error.into()),
        None if decided == ids.len() => Ok(Exit::Success),
        None => Ok(Exit::Failure),
    }
}

async fn some_of_them(server: &Server, body: &Value) -> Result<Answer, ClientError> {
    let path = "/v1/incidents/resolve";
    // Each of them is a commit, or part of one.
    let longer = Duration::from_mins(2);
    let reply = server.post(path, body.to_string(), longer).await?;
    server.read(&reply)
}

fn told(results: &[Box<RawValue>]) -> Vec<Resolved> {
    let parsed = results.iter().map(|raw| serde_json::from_str(raw.get()));
    parsed.filter_map(Result::ok).collect()
}

fn table(resolved: &[Resolved]) -> String {
    let mut table = Table::new(&["incident", "step", "direction", "became"]);
    for one in resolved {
        let (step, direction) = match &one.incident {
            Some(incident) => (&*incident.step, &*incident.direction),
            None => ("", ""),
        };
        let decided = one.incident.as_ref().and_then(Row::decided);
        let why = one.problem.as_ref().map(|problem| &*problem.detail);
        let became = match (decided, why) {
            (Some(decided), _) => (Tint::Good, decided),
            (None, Some(why)) => (Tint::Bad, why.to_owned()),
            (None, None) => (Tint::Bad, format!("status {}", one.status)),
        };
        table.row([
            (Tint::Plain, &*one.id),
            (Tint::Plain, step),
            (Tint::Plain, direction),
            (became.0, &*became.1),
        ]);
    }
    table.render("")
}

/// The ids of every open incident that matches, and what they are.
async fn matching(server: &Server, filter: &Filter) -> Result<(Vec<String>, String), CliError> {
    let (rows, _) = pages(server, Some("open"), filter, usize::MAX).await?;
    let mut ids = Vec::with_capacity(rows.len());
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for raw in &rows {
        let Ok(row) = serde_json::from_str::<Row>(raw.get()) else {
            continue;
        };
        let kind = row.kind_of_call();
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
        ids.push(row.id);
    }
    let mut what = String::new();
    for (kind, count) in kinds {
        let _ = writeln!(what, "  {count} × {kind}");
    }
    Ok((ids, what))
}

fn named(ids: &[String]) -> String {
    let mut what = String::new();
    for id in ids.iter().take(NAMED) {
        let _ = writeln!(what, "  {}", plain(id));
    }
    if ids.len() > NAMED {
        let _ = writeln!(what, "  … {} more", ids.len() - NAMED);
    }
    what
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 incident".to_owned(),
        count => format!("{count} incidents"),
    }
}

/// Asks whether to go on. Where nobody is at a terminal, nobody is asked.
async fn agreed(question: &str) -> Result<bool, CliError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(true);
    }
    let mut out = anstream::stderr();
    let _ = write!(out, "{question}").and_then(|()| out.flush());
    // Apart from the runtime, so that Ctrl-C is still heard.
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = read.await.map_err(io::Error::other).and_then(|line| line);
    let line = line.map_err(|source| CliError::System {
        what: "the answer cannot be read",
        source,
    })?;
    Ok(is_yes(&line))
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// The decision as the server takes it, but for whom it is about.
fn body(args: &ResolveArgs) -> Result<Value, CliError> {
    let mut body = json!({ "decision": args.decision });
    let by = args.by.clone().or_else(whoami);
    for (name, value) in [("note", args.note.clone()), ("by", by)] {
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
    Ok(body)
}

/// Who is at the keyboard, where no token says it and the person does not either.
fn whoami() -> Option<String> {
    if std::env::var_os("SETTLED_TOKEN").is_some() {
        return None;
    }
    let name = std::env::var("USER").or_else(|_| std::env::var("USERNAME"));
    name.ok().filter(|name| !name.is_empty())
}

/// JSON as it was given, or of a file after an `@`; JSON never begins with one.
fn given_json(option: &str, text: &str) -> Result<Value, CliError> {
    let (text, place) = match text.strip_prefix('@') {
        Some("") => {
            let why = format!("{option}: expected a file after the @, such as @edited.json");
            return Err(ClientError::Value(why).into());
        }
        Some(file) => (document::text(Path::new(file))?, format!("{option} {file}")),
        None => (text.to_owned(), option.to_owned()),
    };
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| ClientError::Value(format!("{place}: expected JSON: {error}")).into())
}

fn decision(text: &str) -> Result<String, String> {
    if Decision::parse(text).is_some() {
        return Ok(text.to_owned());
    }
    let words: Vec<&str> = Decision::ALL.iter().map(|word| word.as_str()).collect();
    Err(format!("expected {}", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for (line, yes) in [
            ("y\n", true),
            (" YES \n", true),
            ("\n", false),
            ("no\n", false),
            ("", false),
        ] {
            assert_eq!(is_yes(line), yes, "{line:?}");
        }
    }

    #[test]
    fn json_is_given_or_in_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("edited.json");
        std::fs::write(&file, "\u{feff}{\"a\": 1}\n").unwrap();
        let given = format!("@{}", file.display());
        assert_eq!(given_json("--body", &given).unwrap(), json!({"a": 1}));
        assert_eq!(given_json("--body", "[1]").unwrap(), json!([1]));
        std::fs::write(&file, "{").unwrap();
        for (text, hint) in [
            (given.as_str(), "edited.json: expected JSON"),
            ("{", "--body: expected JSON"),
            ("@", "such as @edited.json"),
            ("@/nowhere/x.json", "/nowhere/x.json"),
        ] {
            let error = given_json("--body", text).unwrap_err();
            assert!(error.to_string().contains(hint), "{error}");
            assert_eq!(error.exit(), Exit::Usage, "{error}");
        }
    }
}
