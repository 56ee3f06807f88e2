//! `settled watch`: what happens to one saga as it happens, or to all of them.

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::http::Server;
use super::stream::Messages;
use super::{Common, encoded};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{self, Format, Saga, Tint, cut, paint, plain, state_exit};

/// How often the newest sagas are asked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many of the newest sagas are looked at.
const NEWEST: usize = 100;

/// Shows what happens: to one saga until it is settled, or to the newest ones until Ctrl-C.
///
/// For one saga it ends with the saga's status: 0 completed, 3 compensated.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// The saga's id; the newest sagas where it is left out
    id: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// An event, as far as it is shown.
#[derive(Deserialize)]
struct Event {
    at: String,
    kind: String,
    step: Option<String>,
    direction: Option<String>,
    attempt: Option<u32>,
    outcome: Option<String>,
    error: Option<String>,
    duration_ms: Option<f64>,
    finding: Option<String>,
    state: Option<String>,
    incident: Option<String>,
    decision: Option<String>,
    by: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    sagas: Vec<Box<RawValue>>,
}

pub(super) async fn run(args: WatchArgs) -> Result<Exit, CliError> {
    let server = args.common.server()?;
    match &args.id {
        Some(id) => one(&server, &args.common, id).await,
        None => newest(&server, &args.common).await,
    }
}

async fn one(server: &Server, common: &Common, id: &str) -> Result<Exit, CliError> {
    let path = format!("/v1/sagas/{}/events", encoded(id));
    let mut response = server.stream(&path).await?;
    let mut messages = Messages::default();
    let mut ended = None;
    while let Some(frame) = response.body_mut().frame().await {
        let frame = frame.map_err(|error| server.broken(error))?;
        let Some(piece) = frame.data_ref() else {
            continue;
        };
        for data in messages.take(piece) {
            let event: Option<Event> = serde_json::from_str(&data).ok();
            match (common.format, &event) {
                (Format::Json, _) => output::print_json(&data)?,
                (Format::Text, Some(event)) => output::print(&event.line())?,
                (Format::Text, None) => {}
            }
            if let Some(state) = event.and_then(|event| event.state) {
                ended = Some(state);
            }
        }
    }
    if let Some(state) = ended {
        return Ok(state_exit(&state));
    }
    output::say("the server has ended the stream; the saga is not settled");
    Ok(Exit::UnderWay)
}

/// A line for every saga that is new or in another state than before.
async fn newest(server: &Server, common: &Common) -> Result<Exit, CliError> {
    let mut known: HashMap<String, String> = HashMap::new();
    let mut first = true;
    loop {
        let reply = server.get(&format!("/v1/sagas?limit={NEWEST}")).await?;
        let page: Page = server.read(&reply)?;
        let mut seen = HashMap::new();
        for raw in page.sagas.iter().rev() {
            let Ok(saga) = serde_json::from_str::<Saga>(raw.get()) else {
                continue;
            };
            let news = known.get(&saga.id) != Some(&saga.state);
            // At first only what is under way is news.
            let settled = saga.settled_at.is_some();
            if news && !(first && settled) {
                match common.format {
                    Format::Json => output::print_json(raw.get())?,
                    Format::Text => output::print(&format!(
                        "{}  {}  {}\n",
                        plain(&saga.id),
                        paint(Tint::of_state(&saga.state), &plain(&saga.state)),
                        paint(Tint::Dim, &plain(&saga.name)),
                    ))?,
                }
            }
            seen.insert(saga.id, saga.state);
        }
        known = seen;
        first = false;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Event {
    fn line(&self) -> String {
        let mut words = vec![paint(Tint::Dim, self.at.get(11..23).unwrap_or(&self.at))];
        if let Some(step) = &self.step {
            words.push(paint(Tint::Head, &plain(step)));
        }
        if self.direction.as_deref() == Some("compensation") {
            words.push("compensation".to_owned());
        }
        words.push(plain(&self.kind).replace('_', " "));
        if let Some(attempt) = self.attempt {
            words.push(attempt.to_string());
        }
        for word in [&self.outcome, &self.finding, &self.state, &self.decision]
            .into_iter()
            .flatten()
        {
            words.push(paint(Tint::of_state(word), &plain(word).replace('_', " ")));
        }
        for (before, word) in [("", &self.incident), ("by ", &self.by)] {
            if let Some(word) = word {
                words.push(format!("{before}{}", plain(word)));
            }
        }
        if let Some(ms) = self.duration_ms {
            words.push(paint(Tint::Dim, &format!("{ms:.1} ms")));
        }
        if let Some(error) = &self.error {
            words.push(cut(&plain(error), 120));
        }
        let mut line = words.join(" ");
        line.push('\n');
        line
    }
}
