//! A saga's events as they are shown: one entry for each record, in order.
//!
//! The entry of an attempt's or a check's end carries its request and start again, so that it tells
//! the whole exchange by itself.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use settled::protocol::{
    AnswerRecord, Answered, Event, Finding, Json, LegId, Record, RequestRecord, Timestamp,
};
use settled::snapshot::SagaSnapshot;
use utoipa::ToSchema;

use super::saga::{ReasonView, step_name};
use super::{Shown, Time, words};

/// One thing that happened to a saga. The fields after `duration_ms` are there where they fit the
/// kind.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventView<'a> {
    /// 1, 2, 3, … within the saga, without holes.
    pub(crate) seq: u32,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// `submitted`, `attempt_started`, `attempt_ended`, `unmakeable`, `check_started`,
    /// `check_ended`, `callback_received`, `callback_overdue`, `step_added`, `returned`,
    /// `withdrawn`, `cancel_requested`, `turned`,
    /// `incident_opened`, `incident_resolved`, `settled`.
    #[schema(example = "attempt_ended")]
    kind: &'static str,
    /// The step that it is about.
    #[schema(required)]
    step: Option<&'a str>,
    /// Which call of the step.
    #[schema(schema_with = words::direction_or_none, required)]
    direction: Option<&'static str>,
    /// Which attempt: 1, 2, …
    #[schema(required)]
    attempt: Option<u32>,
    /// What is known of the attempt since, or what a callback said.
    #[schema(schema_with = words::outcome_or_none, required)]
    outcome: Option<&'static str>,
    /// What was sent.
    #[schema(required)]
    request: Option<RequestView<'a>>,
    /// What came back.
    #[schema(required)]
    response: Option<ResponseView<'a>>,
    /// What went wrong.
    #[schema(value_type = Option<String>, required)]
    error: Option<Cow<'a, str>>,
    /// When the attempt or check started.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    started_at: Option<Time>,
    /// How long it took, in milliseconds.
    #[schema(required)]
    duration_ms: Option<f64>,
    #[serde(flatten)]
    more: More<'a>,
}

/// What only some kinds of events tell.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct More<'a> {
    /// Which check: 1, 2, …
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<u32>,
    /// What a check found out: `happened`, `did_not_happen`, `inconclusive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<&'static str>,
    /// When to do whatever the policy asks for next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    again_at: Option<Time>,
    /// What a callback or a person says that the call returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value, required = false)]
    result: Option<Json>,
    /// What a function gave the action of the step that it added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value, required = false)]
    input: Option<Json>,
    /// The step whose failure a function gave back.
    #[serde(skip_serializing_if = "Option::is_none")]
    gave_back: Option<&'a str>,
    /// The steps that a function took back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<&'a str>,
    /// Who cancelled or decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    /// Why the saga goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView<'a>>,
    /// The incident's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<String>,
    /// Why a person is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident_kind: Option<&'static str>,
    /// What was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    note: Option<Cow<'a, str>>,
    /// The state that the saga was settled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    /// Not settled by then and before the pivot: it is compensated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    deadline_at: Option<Time>,
}

/// A request as it was sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Request)]
pub(crate) struct RequestView<'a> {
    /// The HTTP method.
    pub(crate) method: &'a str,
    /// The whole URL.
    #[schema(value_type = String)]
    pub(crate) url: Cow<'a, str>,
    /// The step's own headers; those that every request carries are not repeated here.
    #[schema(value_type = HashMap<String, String>)]
    pub(crate) headers: Headers<'a>,
    /// The body.
    #[schema(value_type = serde_json::Value)]
    pub(crate) body: Option<Json>,
}

/// An answer as it was recorded.
#[derive(Serialize, ToSchema)]
#[schema(as = Response)]
pub(crate) struct ResponseView<'a> {
    /// The HTTP status; none for the answer of a function.
    #[schema(required)]
    pub(crate) status: Option<u16>,
    /// The headers of an answer that is not `done`.
    #[schema(value_type = HashMap<String, String>)]
    pub(crate) headers: Headers<'a>,
    /// The body as JSON; text that is not JSON, as a string.
    #[schema(value_type = serde_json::Value)]
    pub(crate) body: Option<Json>,
}

/// Everything that happened to a saga.
#[derive(Serialize, ToSchema)]
#[schema(as = Events)]
pub(crate) struct EventsView<'a> {
    /// In order.
    pub(crate) events: Vec<EventView<'a>>,
}

/// Headers as an object; a name that came twice has both values, as HTTP allows.
pub(crate) struct Headers<'a>(pub(crate) Vec<(&'a str, Cow<'a, str>)>);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (index, (name, value)) in self.0.iter().enumerate() {
            let same = |other: &&(&str, Cow<'_, str>)| other.0.eq_ignore_ascii_case(name);
            if self.0[..index].iter().any(|other| same(&other)) {
                continue;
            }
            let mut values = value.to_string();
            for (_, more) in self.0[index + 1..].iter().filter(same) {
                values.push_str(", ");
                values.push_str(more);
            }
            map.serialize_entry(name, &values)?;
        }
        map.end()
    }
}

impl<'a> Headers<'a> {
    fn new(headers: &'a [(String, String)], shown: Shown<'_>) -> Self {
        let headers = headers.iter();
        let shown = headers.map(|(name, value)| (name.as_str(), shown.header(name, value)));
        Self(shown.collect())
    }
}

impl<'a> RequestView<'a> {
    fn new(request: &'a RequestRecord, shown: Shown<'_>) -> Self {
        Self {
            method: &request.method,
            url: shown.url(&request.url),
            headers: Headers::new(&request.headers, shown),
            body: request.body.as_ref().map(|body| shown.json(body)),
        }
    }
}

impl<'a> ResponseView<'a> {
    fn new(answer: &'a AnswerRecord, shown: Shown<'_>) -> Option<Self> {
        (answer.status.is_some() || answer.body.is_some()).then(|| Self {
            status: answer.status,
            headers: Headers::new(&answer.headers, shown),
            body: answer.body.as_ref().map(|body| shown.json(body)),
        })
    }
}

/// What was started and not ended yet, as far as the records that were seen go.
#[derive(Default)]
pub(crate) struct Timeline {
    open: HashMap<(LegId, bool), Started>,
}

/// A request on its way.
#[derive(Clone)]
pub(crate) struct Started {
    at: Timestamp,
    request: Arc<RequestRecord>,
}

impl Timeline {
    /// Takes the next record in; where it ends an attempt or a check, gives the start of it.
    pub(crate) fn follow(&mut self, record: &Record) -> Option<Started> {
        match &record.event {
            Event::AttemptStarted { leg, request, .. } => {
                self.start((*leg, false), record, request);
            }
            Event::CheckStarted { leg, request, .. } => self.start((*leg, true), record, request),
            Event::AttemptEnded { leg, .. } => return self.open.remove(&(*leg, false)),
            Event::Returned { .. } => return self.open.remove(&(LegId::FUNCTION, false)),
            Event::CheckEnded { leg, .. } => return self.open.remove(&(*leg, true)),
            _ => {}
        }
        None
    }

    fn start(&mut self, call: (LegId, bool), record: &Record, request: &Arc<RequestRecord>) {
        let request = Arc::clone(request);
        let at = record.at;
        self.open.insert(call, Started { at, request });
    }
}

impl<'a> EventView<'a> {
    /// The entry of a record; `started` is what [`Timeline::follow`] gave for it.
    pub(crate) fn new(
        saga: &'a SagaSnapshot,
        record: &'a Record,
        started: Option<&'a Started>,
        shown: Shown<'_>,
    ) -> Self {
        let leg = record.event.leg();
        let mut view = Self {
            seq: record.seq,
            at: Time(record.at),
            kind: record.event.kind(),
            step: leg.map(|leg| step_name(saga, leg.step)),
            direction: leg.map(|leg| leg.direction.as_str()),
            attempt: None,
            outcome: None,
            request: started.map(|started| RequestView::new(&started.request, shown)),
            response: None,
            error: None,
            started_at: started.map(|started| Time(started.at)),
            duration_ms: started.map(|started| (record.at - started.at).0 as f64 / 1_000.0),
            more: More::default(),
        };
        view.tell(saga, record, shown);
        view
    }

    fn answer(&mut self, answer: &'a AnswerRecord, shown: Shown<'_>) {
        self.response = ResponseView::new(answer, shown);
        self.error = answer.error.as_deref().map(|error| shown.text(error));
    }

    /// Puts in what the event itself says.
    fn tell(&mut self, saga: &'a SagaSnapshot, record: &'a Record, shown: Shown<'_>) {
        let later = |again_at: Timestamp| (again_at > record.at).then_some(Time(again_at));
        let more = &mut self.more;
        match &record.event {
            Event::Submitted { deadline_at, .. } => more.deadline_at = Time::some(*deadline_at),
            Event::AttemptStarted {
                attempt, request, ..
            } => {
                self.attempt = Some(*attempt);
                self.started_at = Some(self.at);
                self.request = Some(RequestView::new(request, shown));
            }
            Event::AttemptEnded {
                attempt,
                answer,
                again_at,
                ..
            } => {
                self.attempt = Some(*attempt);
                self.outcome = Some(answer.outcome.as_str());
                more.again_at = later(*again_at);
                self.answer(answer, shown);
            }
            Event::Unmakeable { error, .. } => self.error = Some(shown.text(error)),
            Event::CheckStarted { check, request, .. } => {
                more.check = Some(*check);
                self.started_at = Some(self.at);
                self.request = Some(RequestView::new(request, shown));
            }
            Event::CheckEnded {
                check,
                finding,
                answer,
                again_at,
                ..
            } => {
                more.check = Some(*check);
                more.finding = Some(match finding {
                    Finding::Happened => "happened",
                    Finding::DidNotHappen => "did_not_happen",
                    Finding::Inconclusive => "inconclusive",
                });
                more.again_at = later(*again_at);
                self.answer(answer, shown);
            }
            Event::CallbackReceived {
                outcome, result, ..
            } => {
                self.outcome = Some(match outcome {
                    Answered::Done => "done",
                    Answered::Refused => "refused",
                });
                more.result = Some(shown.json(result));
            }
            Event::CallbackOverdue { .. } => {}
            Event::StepAdded { step, input, .. } => {
                self.step = Some(step_name(saga, *step));
                more.input = Some(shown.json(input));
            }
            Event::Returned {
                attempt,
                step,
                answer,
            } => {
                self.attempt = Some(*attempt);
                self.outcome = Some(answer.outcome.as_str());
                more.gave_back = step.map(|step| step_name(saga, step));
                self.answer(answer, shown);
            }
            Event::Withdrawn { steps } => {
                more.steps = steps.iter().map(|step| step_name(saga, *step)).collect();
            }
            Event::CancelRequested { by } => more.by = Some(by),
            Event::Turned { reason } => more.reason = Some(ReasonView::new(saga, reason, shown)),
            Event::IncidentOpened {
                incident,
                kind,
                evidence,
                ..
            } => {
                more.incident = Some(format!("{}~{incident}", saga.id));
                more.incident_kind = Some(kind.as_str());
                let request = evidence.request.as_deref();
                self.request = request.map(|request| RequestView::new(request, shown));
                let answer = evidence.answer.as_ref();
                self.response = answer.and_then(|answer| ResponseView::new(answer, shown));
                self.error = Some(shown.text(&evidence.error));
            }
            Event::IncidentResolved {
                incident,
                resolution,
                ..
            } => {
                more.incident = Some(format!("{}~{incident}", saga.id));
                more.decision = Some(resolution.decision.as_str());
                more.note = Some(shown.text(&resolution.note));
                more.by = Some(&resolution.by);
                more.result = resolution.result.as_ref().map(|result| shown.json(result));
            }
            Event::Settled { state } => more.state = Some(state.as_str()),
        }
    }
}

/// What an entry tells of one exchange with a participant.
pub(super) struct Exchange<'a> {
    pub(super) started_at: Option<Time>,
    pub(super) duration_ms: Option<f64>,
    pub(super) outcome: Option<&'static str>,
    pub(super) finding: Option<&'static str>,
    pub(super) request: Option<RequestView<'a>>,
    pub(super) response: Option<ResponseView<'a>>,
    pub(super) error: Option<Cow<'a, str>>,
}

impl<'a> EventView<'a> {
    /// The exchange that the entry tells of, without the rest.
    pub(super) fn exchange(self) -> Exchange<'a> {
        Exchange {
            started_at: self.started_at,
            duration_ms: self.duration_ms,
            outcome: self.outcome,
            finding: self.more.finding,
            request: self.request,
            response: self.response,
            error: self.error,
        }
    }
}
