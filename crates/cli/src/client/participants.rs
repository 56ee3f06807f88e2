//! `settled participants`: whom sagas call, how they are, and how much they may be asked.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};
use settled::engine::BreakerLimits;

use super::{Common, encoded};
use crate::error::CliError;
use crate::exit::Exit;
use crate::limits;
use crate::output::{Table, Tint};

/// Lists whom sagas call and who waits for them; changes how much they may be asked.
#[derive(Debug, Args)]
pub(crate) struct ParticipantsArgs {
    #[command(subcommand)]
    command: Option<ParticipantsCommand>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum ParticipantsCommand {
    /// Lists every participant that was called since the server's start
    List,
    /// Changes what a participant may be asked to bear, until the server ends
    Set(SetArgs),
}

#[derive(Debug, Args)]
struct SetArgs {
    /// The participant, as it is listed: host:port, or the name that a function's steps give
    name: String,
    /// The most calls under way at a time
    #[arg(long, value_name = "N", value_parser = limits::concurrent,
        required_unless_present_any = ["max_per_second", "breaker"])]
    max_concurrent: Option<u32>,
    /// The most calls begun in a second; none for no limit
    #[arg(long, value_name = "R", value_parser = Rate::read)]
    max_per_second: Option<Rate>,
    /// After how many calls in a row without a definite answer it is left alone for a while; off for
    /// never
    #[arg(long, value_name = "N", value_parser = Failures::read)]
    breaker: Option<Failures>,
}

/// A rate, or none. The type keeps clap from taking the option for its own.
#[derive(Clone, Debug)]
struct Rate(Option<f64>);

impl Rate {
    fn read(text: &str) -> Result<Self, String> {
        limits::per_second(text).map(Self)
    }
}

#[derive(Clone, Debug)]
struct Failures(Option<BreakerLimits>);

impl Failures {
    fn read(text: &str) -> Result<Self, String> {
        limits::breaker(text).map(Self)
    }
}

/// A participant, as far as it is shown.
#[derive(Deserialize)]
struct Participant {
    name: String,
    max_concurrent: u32,
    max_per_second: Option<f64>,
    calls_under_way: u32,
    waiting: u64,
    parked: u64,
    calls: u64,
    errors: u64,
    latency_mean_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
    breaker_state: String,
    held_until: Option<String>,
}

#[derive(Deserialize)]
struct Participants {
    participants: Vec<Participant>,
}

pub(super) async fn run(args: ParticipantsArgs) -> Result<Exit, CliError> {
    let server = args.common.server()?;
    match args.command.unwrap_or(ParticipantsCommand::List) {
        ParticipantsCommand::List => {
            let reply = server.get("/v1/participants").await?;
            let all: Participants = server.read(&reply)?;
            args.common.write(&reply, || table(&all.participants))?;
        }
        ParticipantsCommand::Set(set) => {
            let mut body = json!({});
            if let Some(concurrent) = set.max_concurrent {
                body["max_concurrent"] = concurrent.into();
            }
            if let Some(Rate(rate)) = set.max_per_second {
                body["max_per_second"] = rate.into();
            }
            if let Some(Failures(breaker)) = set.breaker {
                body["breaker"] = breaker.map_or(
                    Value::Null,
                    |breaker| json!({ "failures": breaker.failures }),
                );
            }
            let path = format!("/v1/participants/{}", encoded(&set.name));
            let reply = server.put(&path, body.to_string()).await?;
            let one: Participant = server.read(&reply)?;
            args.common.write(&reply, || table(&[one]))?;
        }
    }
    Ok(Exit::Success)
}

fn table(all: &[Participant]) -> String {
    let mut table = Table::new(&[
        "participant",
        "calls",
        "errors",
        "mean",
        "p99",
        "at once",
        "per second",
        "waiting",
        "parked",
        "breaker",
        "held until",
    ]);
    let millis = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time:.1} ms"));
    for one in all {
        let rate = one.max_per_second.map(|rate| rate.to_string());
        let held = one.held_until.as_deref().unwrap_or("-");
        let breaker = match one.breaker_state.as_str() {
            "open" | "probing" => Tint::Bad,
            "closed" => Tint::Good,
            _ => Tint::Dim,
        };
        table.row([
            (Tint::Plain, one.name.as_str()),
            (Tint::Plain, &one.calls.to_string()),
            (Tint::Plain, &one.errors.to_string()),
            (Tint::Plain, &millis(one.latency_mean_ms)),
            (Tint::Plain, &millis(one.latency_p99_ms)),
            (
                Tint::Plain,
                &format!("{}/{}", one.calls_under_way, one.max_concurrent),
            ),
            (Tint::Plain, rate.as_deref().unwrap_or("-")),
            (Tint::Plain, &one.waiting.to_string()),
            (Tint::Plain, &one.parked.to_string()),
            (breaker, &one.breaker_state),
            (Tint::Dim, held.get(..19).unwrap_or(held)),
        ]);
    }
    table.render("")
}
