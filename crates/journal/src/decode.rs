//! The columns of a table as an event again.
//!
//! Whatever stands in the row, reading it never panics: text that was not written by `encode` is
//! answered with what is wrong about it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use settled_protocol::{
    AnswerRecord, Answered, Cause, Decision, Direction, Event, Evidence, Finding, IncidentKind,
    Json, LegId, Outcome, Reason, Record, RequestRecord, Resolution, SagaState, StepIndex,
    Timestamp,
};

use crate::chain::Link;
use crate::encode::{answered_word, finding_word};
use crate::step_text::StepText;
use crate::time_text;

/// The names of a definition's steps, for finding a step by its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps(HashMap<Box<str>, StepIndex>);

impl Steps {
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(
            names
                .into_iter()
                .zip(0..)
                .map(|(name, index)| (name.into(), index))
                .collect(),
        )
    }

    /// Reads a JSON list of names.
    pub(crate) fn parse(names: &str) -> Result<Self, String> {
        let names: Vec<String> = serde_json::from_str(names).map_err(|error| error.to_string())?;
        Ok(Self::new(names.iter().map(String::as_str)))
    }

    /// A function came to a new step.
    fn add(&mut self, name: &str) -> Result<StepIndex, String> {
        let index = StepIndex::try_from(self.0.len()).map_err(|_| "step: there are too many")?;
        self.0.insert(name.into(), index);
        Ok(index)
    }

    fn find(&self, name: &str) -> Result<StepIndex, String> {
        self.0
            .get(name)
            .copied()
            .ok_or_else(|| format!("step: the definition has no step `{}`", short(name)))
    }
}

/// An event as it was read, and the saga's input where it is the first one.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) record: Record,
    pub(crate) input: Option<Json>,
}

/// Puts an event together. Where it adds a step, `steps` knows it from then on.
pub(crate) fn decode(row: &Link<'_>, steps: &mut Cow<'_, Steps>) -> Result<Decoded, String> {
    let seq = u32::try_from(row.seq).map_err(|_| format!("seq: {} is out of range", row.seq))?;
    let at = time_text::parse(row.at).ok_or_else(|| unexpected("at", row.at))?;
    let mut input = None;
    let event = match row.kind {
        "submitted" => {
            let data: SubmittedData = data(row)?;
            input = data.input;
            Event::Submitted {
                deadline_at: data.deadline_at.map(|time| time.0),
                trace: data.trace,
            }
        }
        "attempt_started" => {
            let data: RequestData = data(row)?;
            Event::AttemptStarted {
                leg: leg(row, steps)?,
                attempt: attempt(row)?,
                request: Arc::new(data.into()),
            }
        }
        "attempt_ended" => {
            let data: AttemptEndedData = data(row)?;
            Event::AttemptEnded {
                leg: leg(row, steps)?,
                attempt: attempt(row)?,
                answer: AnswerRecord {
                    outcome: outcome(row, Outcome::parse)?,
                    status: data.status,
                    headers: data.headers,
                    body: data.body,
                    error: data.error,
                },
                again_at: data.again_at.map_or(at, |time| time.0),
                arrives_until: data.arrives_until.0,
            }
        }
        "unmakeable" => {
            let data: UnmakeableData = data(row)?;
            Event::Unmakeable {
                leg: leg(row, steps)?,
                error: data.error,
            }
        }
        "check_started" => {
            let data: RequestData = data(row)?;
            Event::CheckStarted {
                leg: leg(row, steps)?,
                check: attempt(row)?,
                request: Arc::new(data.into()),
            }
        }
        "check_ended" => {
            let data: CheckEndedData = data(row)?;
            Event::CheckEnded {
                leg: leg(row, steps)?,
                check: attempt(row)?,
                finding: outcome(row, parse_finding)?,
                answer: AnswerRecord {
                    outcome: data.answer_outcome,
                    status: data.status,
                    headers: data.headers,
                    body: data.body,
                    error: data.error,
                },
                again_at: data.again_at.map_or(at, |time| time.0),
            }
        }
        "callback_received" => {
            let data: CallbackData = data(row)?;
            Event::CallbackReceived {
                leg: leg(row, steps)?,
                outcome: outcome(row, parse_answered)?,
                result: data.result,
                again_at: data.again_at.map_or(at, |time| time.0),
            }
        }
        "callback_overdue" => Event::CallbackOverdue {
            leg: leg(row, steps)?,
        },
        "step_added" => {
            let name = row.step.ok_or("step: expected a name, found nothing")?;
            let (plan, input) = data::<StepText>(row)?.read(name)?;
            let step = steps.to_mut().add(name)?;
            Event::StepAdded {
                step,
                plan: Arc::new(plan),
                input,
            }
        }
        "returned" => {
            let data: ReturnedData = data(row)?;
            Event::Returned {
                attempt: attempt(row)?,
                step: (data.gave_back.as_deref())
                    .map(|name| steps.find(name))
                    .transpose()?,
                answer: AnswerRecord {
                    outcome: outcome(row, Outcome::parse)?,
                    status: None,
                    headers: Vec::new(),
                    body: data.body,
                    error: data.error,
                },
            }
        }
        "withdrawn" => {
            let data: WithdrawnData = data(row)?;
            let found = data.steps.iter().map(|name| steps.find(name));
            Event::Withdrawn {
                steps: found.collect::<Result<_, _>>()?,
            }
        }
        "cancel_requested" => {
            let data: CancelData = data(row)?;
            Event::CancelRequested { by: data.by }
        }
        "turned" => {
            let data: TurnedData = data(row)?;
            Event::Turned {
                reason: Reason {
                    step: row.step.map(|name| steps.find(name)).transpose()?,
                    cause: outcome(row, parse_cause)?,
                    message: data.message,
                    answer: data.answer.map(Into::into),
                },
            }
        }
        "incident_opened" => {
            let data: IncidentData = data(row)?;
            Event::IncidentOpened {
                incident: data.incident,
                leg: leg(row, steps)?,
                kind: outcome(row, IncidentKind::parse)?,
                evidence: Evidence {
                    request: data.request.map(|request| Arc::new(request.into())),
                    answer: data.answer.map(Into::into),
                    error: data.error,
                    attempts: data.attempts,
                },
            }
        }
        "incident_resolved" => {
            let data: ResolvedData = data(row)?;
            Event::IncidentResolved {
                incident: data.incident,
                leg: leg(row, steps)?,
                resolution: Resolution {
                    decision: outcome(row, Decision::parse)?,
                    note: data.note,
                    by: data.by,
                    result: data.result,
                    body: data.body,
                },
            }
        }
        "settled" => Event::Settled {
            state: outcome(row, SagaState::parse)?,
        },
        other => return Err(unexpected("kind", other)),
    };
    Ok(Decoded {
        record: Record { seq, at, event },
        input,
    })
}

fn data<T: DeserializeOwned>(row: &Link<'_>) -> Result<T, String> {
    // The parser's message may quote the text, which may hold what not everybody may see.
    serde_json::from_str(row.data).map_err(|error| {
        format!(
            "data: not as expected at line {} column {}",
            error.line(),
            error.column()
        )
    })
}

fn leg(row: &Link<'_>, steps: &Steps) -> Result<LegId, String> {
    let name = row.step.ok_or("step: expected a name, found nothing")?;
    let direction = row.direction.unwrap_or_default();
    Ok(LegId {
        step: steps.find(name)?,
        direction: Direction::parse(direction).ok_or_else(|| unexpected("direction", direction))?,
    })
}

fn attempt(row: &Link<'_>) -> Result<u32, String> {
    row.attempt
        .and_then(|attempt| u32::try_from(attempt).ok())
        .ok_or_else(|| "attempt: expected a number".to_owned())
}

fn outcome<T>(row: &Link<'_>, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, String> {
    let word = row.outcome.unwrap_or_default();
    parse(word).ok_or_else(|| unexpected("outcome", word))
}

fn parse_finding(word: &str) -> Option<Finding> {
    [
        Finding::Happened,
        Finding::DidNotHappen,
        Finding::Inconclusive,
    ]
    .into_iter()
    .find(|finding| finding_word(*finding) == word)
}

fn parse_answered(word: &str) -> Option<Answered> {
    [Answered::Done, Answered::Refused]
        .into_iter()
        .find(|answered| answered_word(*answered) == word)
}

fn parse_cause(word: &str) -> Option<Cause> {
    [
        Cause::Refused,
        Cause::NotSent,
        Cause::Unknown,
        Cause::Abandoned,
        Cause::Cancelled,
        Cause::Deadline,
    ]
    .into_iter()
    .find(|cause| cause.as_str() == word)
}

fn unexpected(column: &str, found: &str) -> String {
    format!(
        "{column}: `{}` is not a word that is written there",
        short(found)
    )
}

/// Enough of a text to recognise it.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// A time within `data`.
struct Time(Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        time_text::parse(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("no time"))
    }
}

/// A field that is there, even if it says `null`: that is a value like any other.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct SubmittedData {
    #[serde(default, deserialize_with = "present")]
    input: Option<Json>,
    #[serde(default)]
    deadline_at: Option<Time>,
    #[serde(default)]
    trace: Option<Box<str>>,
}

#[derive(Deserialize)]
struct RequestData {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default, deserialize_with = "present")]
    body: Option<Json>,
}

impl From<RequestData> for RequestRecord {
    fn from(data: RequestData) -> Self {
        Self {
            method: data.method,
            url: data.url,
            headers: data.headers,
            body: data.body,
        }
    }
}

#[derive(Deserialize)]
struct AnswerData {
    outcome: Outcome,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default, deserialize_with = "present")]
    body: Option<Json>,
    #[serde(default)]
    error: Option<String>,
}

impl From<AnswerData> for AnswerRecord {
    fn from(data: AnswerData) -> Self {
        Self {
            outcome: data.outcome,
            status: data.status,
            headers: data.headers,
            body: data.body,
            error: data.error,
        }
    }
}

#[derive(Deserialize)]
struct AttemptEndedData {
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default, deserialize_with = "present")]
    body: Option<Json>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    again_at: Option<Time>,
    arrives_until: Time,
}

#[derive(Deserialize)]
struct UnmakeableData {
    error: String,
}

#[derive(Deserialize)]
struct CheckEndedData {
    answer_outcome: Outcome,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default, deserialize_with = "present")]
    body: Option<Json>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    again_at: Option<Time>,
}

#[derive(Deserialize)]
struct CallbackData {
    result: Json,
    #[serde(default)]
    again_at: Option<Time>,
}

#[derive(Deserialize)]
struct ReturnedData {
    #[serde(default)]
    gave_back: Option<String>,
    #[serde(default, deserialize_with = "present")]
    body: Option<Json>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct WithdrawnData {
    steps: Vec<String>,
}

#[derive(Deserialize)]
struct CancelData {
    by: String,
}

#[derive(Deserialize)]
struct TurnedData {
    message: String,
    #[serde(default)]
    answer: Option<AnswerData>,
}

#[derive(Deserialize)]
struct IncidentData {
    incident: u32,
    attempts: u32,
    error: String,
    #[serde(default)]
    request: Option<RequestData>,
    #[serde(default)]
    answer: Option<AnswerData>,
}

#[derive(Deserialize)]
struct ResolvedData {
    incident: u32,
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
    #[serde(default, deserialize_with = "present")]
    result: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    body: Option<Json>,
}
