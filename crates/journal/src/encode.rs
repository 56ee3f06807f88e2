//! An event as the columns of a table: what people filter by gets a column of its own, the rest is
//! one JSON text, which takes bodies and results up as they are instead of escaping them anew.
//!
//! It never fails: whatever the engine hands over is written down, and what makes no sense shows
//! when it is read back.

use settled_protocol::{
    AnswerRecord, Answered, Event, Finding, Json, LegId, Plan, Record, RequestRecord, Span,
    Timestamp,
};

use crate::step_text;
use crate::time_text::TimeText;

/// The columns of one event, all but `data`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns<'a> {
    pub(crate) seq: u32,
    pub(crate) at: TimeText,
    pub(crate) kind: &'static str,
    pub(crate) step: Option<&'a str>,
    pub(crate) direction: Option<&'static str>,
    pub(crate) attempt: Option<u32>,
    pub(crate) outcome: Option<&'static str>,
}

/// Takes an event apart; `data` is replaced by its JSON. `input` is the saga's, for its first event.
pub(crate) fn encode<'a>(
    record: &'a Record,
    plan: &'a Plan,
    input: Option<&Json>,
    data: &mut String,
) -> Columns<'a> {
    let event = &record.event;
    let leg = event.leg();
    let mut columns = Columns {
        seq: record.seq,
        at: TimeText::new(record.at),
        kind: event.kind(),
        step: leg.map(|leg| step_name(plan, leg)),
        direction: leg.map(|leg| leg.direction.as_str()),
        attempt: None,
        outcome: None,
    };
    data.clear();
    let mut object = Object::new(data);
    match event {
        Event::Submitted { deadline_at, trace } => {
            object.json("input", input);
            object.time("deadline_at", *deadline_at);
            object.text("trace", trace.as_deref());
        }
        Event::AttemptStarted {
            attempt, request, ..
        } => {
            columns.attempt = Some(*attempt);
            object.request(request);
        }
        Event::AttemptEnded {
            attempt,
            answer,
            again_at,
            arrives_until,
            ..
        } => {
            columns.attempt = Some(*attempt);
            columns.outcome = Some(answer.outcome.as_str());
            object.answer(answer);
            object.time("again_at", later(*again_at, record));
            object.time("arrives_until", Some(*arrives_until));
        }
        Event::Unmakeable { error, .. } => object.text("error", Some(error)),
        Event::CheckStarted { check, request, .. } => {
            columns.attempt = Some(*check);
            object.request(request);
        }
        Event::CheckEnded {
            check,
            finding,
            answer,
            again_at,
            ..
        } => {
            columns.attempt = Some(*check);
            columns.outcome = Some(finding_word(*finding));
            object.text("answer_outcome", Some(answer.outcome.as_str()));
            object.answer(answer);
            object.time("again_at", later(*again_at, record));
        }
        Event::CallbackReceived {
            outcome,
            result,
            again_at,
            ..
        } => {
            columns.outcome = Some(answered_word(*outcome));
            object.json("result", Some(result));
            object.time("again_at", later(*again_at, record));
        }
        Event::CallbackOverdue { .. } => {}
        Event::StepAdded {
            plan: added, input, ..
        } => {
            columns.step = Some(&added.name);
            object.json("input", Some(input).filter(|input| !input.is_null()));
            step_text::write(added, &mut object);
        }
        Event::Returned {
            attempt,
            step,
            answer,
        } => {
            columns.attempt = Some(*attempt);
            columns.outcome = Some(answer.outcome.as_str());
            object.text(
                "gave_back",
                step.map(|step| step_name(plan, LegId::action(step))),
            );
            object.answer(answer);
        }
        Event::Withdrawn { steps } => {
            object.texts(
                "steps",
                steps
                    .iter()
                    .map(|step| step_name(plan, LegId::action(*step))),
            );
        }
        Event::CancelRequested { by } => object.text("by", Some(by)),
        Event::Turned { reason } => {
            columns.step = reason.step.map(|step| step_name(plan, LegId::action(step)));
            columns.outcome = Some(reason.cause.as_str());
            object.text("message", Some(&reason.message));
            if let Some(answer) = &reason.answer {
                object.nested_answer(answer);
            }
        }
        Event::IncidentOpened {
            incident,
            kind,
            evidence,
            ..
        } => {
            columns.outcome = Some(kind.as_str());
            object.number("incident", *incident);
            object.number("attempts", evidence.attempts);
            object.text("error", Some(&evidence.error));
            if let Some(request) = &evidence.request {
                object.nested("request", |object| object.request(request));
            }
            if let Some(answer) = &evidence.answer {
                object.nested_answer(answer);
            }
        }
        Event::IncidentResolved {
            incident,
            resolution,
            ..
        } => {
            columns.outcome = Some(resolution.decision.as_str());
            object.number("incident", *incident);
            object.text("by", Some(&resolution.by));
            object.text("note", Some(&resolution.note));
            object.json("result", resolution.result.as_ref());
            object.json("body", resolution.body.as_ref());
        }
        Event::Settled { state } => columns.outcome = Some(state.as_str()),
    }
    object.end();
    columns
}

/// A moment that need only be written where it is another than the event's own.
fn later(moment: Timestamp, record: &Record) -> Option<Timestamp> {
    (moment != record.at).then_some(moment)
}

/// The name of a leg's step. A step that the plan does not have is written as one that no plan has,
/// so that this one saga is found damaged.
pub(crate) fn step_name(plan: &Plan, leg: LegId) -> &str {
    plan.steps
        .get(usize::from(leg.step))
        .map_or("", |step| &step.name)
}

pub(crate) const fn finding_word(finding: Finding) -> &'static str {
    match finding {
        Finding::Happened => "happened",
        Finding::DidNotHappen => "did_not_happen",
        Finding::Inconclusive => "inconclusive",
    }
}

pub(crate) const fn answered_word(answered: Answered) -> &'static str {
    match answered {
        Answered::Done => "done",
        Answered::Refused => "refused",
    }
}

/// A JSON object that is being written.
pub(crate) struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn new(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    pub(crate) fn end(self) {
        self.out.push('}');
    }

    fn key(&mut self, key: &str) {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    pub(crate) fn texts<'t>(&mut self, key: &str, texts: impl Iterator<Item = &'t str>) {
        self.key(key);
        self.out.push('[');
        for (index, text) in texts.enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            write_string(self.out, text);
        }
        self.out.push(']');
    }

    pub(crate) fn text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.key(key);
            write_string(self.out, text);
        }
    }

    pub(crate) fn json(&mut self, key: &str, json: Option<&Json>) {
        if let Some(json) = json {
            self.key(key);
            self.out.push_str(json.as_str());
        }
    }

    pub(crate) fn number(&mut self, key: &str, number: u32) {
        self.key(key);
        write_number(self.out, number);
    }

    pub(crate) fn flag(&mut self, key: &str, set: bool) {
        if set {
            self.key(key);
            self.out.push_str("true");
        }
    }

    /// In microseconds.
    pub(crate) fn span(&mut self, key: &str, span: Option<Span>) {
        if let Some(span) = span {
            self.key(key);
            self.out.push_str(&span.0.to_string());
        }
    }

    fn time(&mut self, key: &str, time: Option<Timestamp>) {
        if let Some(time) = time {
            self.key(key);
            self.out.push('"');
            self.out.push_str(TimeText::new(time).as_str());
            self.out.push('"');
        }
    }

    pub(crate) fn nested(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        let mut inner = Object::new(self.out);
        fill(&mut inner);
        inner.end();
    }

    fn nested_answer(&mut self, answer: &AnswerRecord) {
        self.nested("answer", |object| {
            object.text("outcome", Some(answer.outcome.as_str()));
            object.answer(answer);
        });
    }

    fn request(&mut self, request: &RequestRecord) {
        self.text("method", Some(&request.method));
        self.text("url", Some(&request.url));
        self.pairs(&request.headers);
        self.json("body", request.body.as_ref());
    }

    fn answer(&mut self, answer: &AnswerRecord) {
        if let Some(status) = answer.status {
            self.number("status", u32::from(status));
        }
        self.pairs(&answer.headers);
        self.json("body", answer.body.as_ref());
        self.text("error", answer.error.as_deref());
    }

    /// Headers as pairs: a name may come twice, and the order is theirs.
    fn pairs(&mut self, headers: &[(String, String)]) {
        if headers.is_empty() {
            return;
        }
        self.key("headers");
        for (index, (name, value)) in headers.iter().enumerate() {
            self.out.push_str(if index == 0 { "[[" } else { ",[" });
            write_string(self.out, name);
            self.out.push(',');
            write_string(self.out, value);
            self.out.push(']');
        }
        self.out.push(']');
    }
}

/// Writes a JSON string. Runs without anything to escape are copied whole.
pub(crate) fn write_string(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    let mut copied = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        // What is escaped is ASCII, so both cuts are between characters.
        out.push_str(&text[copied..index]);
        copied = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                out.push_str("\\u00");
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

fn write_number(out: &mut String, number: u32) {
    use std::fmt::Write as _;
    // Writing to a string cannot fail.
    let _ = write!(out, "{number}");
}
