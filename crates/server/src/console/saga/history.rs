//! What happened to a saga, as entries for people: each call with what was sent and what came back
//! in one, everything else as it was recorded.

use std::collections::HashMap;

use settled::coordinator::History;
use settled::protocol::{
    AnswerRecord, Answered, Event, Finding, Json, LegId, Record, RequestRecord, StepIndex,
    Timestamp,
};

use super::words::Words;
use super::{masked_text, shown_payload, shown_text};
use crate::console::shape;
use crate::console::words::Common;
use crate::view::Shown as Payloads;

/// How many entries a page shows, the last ones.
const MOST: usize = 600;

/// How much of payloads a page shows before it cuts them short.
const WHOLE: usize = 2 * 1024 * 1024;
const SHORT: usize = 1_024;

/// One entry of the list.
pub(super) struct Entry {
    pub(super) seq: u32,
    pub(super) at: Timestamp,
    pub(super) title: String,
    pub(super) step: Option<String>,
    pub(super) direction: Option<&'static str>,
    /// What came of it: a word with a sign.
    pub(super) word: Option<&'static str>,
    pub(super) took: Option<String>,
    pub(super) is_call: bool,
    pub(super) request: Option<Message>,
    pub(super) response: Option<Message>,
    pub(super) error: Option<String>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) payload: Option<(&'static str, String)>,
    pub(super) next_try: Option<Timestamp>,
    /// The id of the incident that it is about.
    pub(super) incident: Option<String>,
}

impl Entry {
    /// Whether there is more to see than its line says.
    pub(super) fn unfolds(&self) -> bool {
        self.is_call
            || self.request.is_some()
            || self.response.is_some()
            || self.error.is_some()
            || self.payload.is_some()
            || self.next_try.is_some()
            || !self.facts.is_empty()
    }
}

/// A request or an answer.
pub(super) struct Message {
    /// Method and address, or the status.
    pub(super) first: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
}

/// Something on the time axis.
pub(super) struct Call {
    /// Of the entry that tells it.
    pub(super) seq: u32,
    pub(super) leg: LegId,
    pub(super) title: String,
    pub(super) from: Timestamp,
    /// None while it is under way.
    pub(super) until: Option<Timestamp>,
    pub(super) word: &'static str,
    /// Nothing is under way but a person's thinking, or a function that waits for its steps.
    pub(super) is_wait: bool,
}

/// All of it.
pub(super) struct Told {
    pub(super) entries: Vec<Entry>,
    pub(super) calls: Vec<Call>,
    pub(super) are_left_out: bool,
    pub(super) are_cut: bool,
}

/// What waits for its end: an entry and a call of the lists.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Open {
    Attempt(LegId),
    Check(LegId),
    Incident(u32),
}

struct Telling<'a> {
    history: &'a History,
    common: &'static Common,
    words: &'static Words,
    how: Payloads<'a>,
    entries: Vec<Entry>,
    calls: Vec<Call>,
    open: HashMap<Open, (usize, usize)>,
    shown: usize,
    /// Entries from this record on are shown, so that no more need be made.
    first: u32,
}

/// Tells a saga's history.
pub(super) fn tell(
    history: &History,
    common: &'static Common,
    words: &'static Words,
    how: Payloads<'_>,
) -> Told {
    let are_left_out = history.records.len() > MOST * 2;
    let first = history.records.len().saturating_sub(MOST * 2) as u32;
    let mut telling = Telling {
        history,
        common,
        words,
        how,
        entries: Vec::new(),
        calls: Vec::new(),
        open: HashMap::new(),
        shown: 0,
        first: if are_left_out { first } else { 0 },
    };
    for record in &history.records {
        telling.follow(record);
    }
    let Telling {
        mut entries,
        calls,
        shown,
        first,
        ..
    } = telling;
    entries.retain(|entry| entry.seq >= first);
    Told {
        entries,
        calls,
        are_left_out,
        are_cut: shown > WHOLE,
    }
}

impl Telling<'_> {
    fn masked(&self, text: &str) -> String {
        masked_text(text, self.how)
    }

    fn payload(&mut self, json: &Json) -> String {
        let mut text = shown_payload(json, self.how);
        self.shown += text.len();
        if self.shown > WHOLE && text.len() > SHORT {
            text.truncate(text.floor_char_boundary(SHORT));
            text.push_str("\n…");
        }
        text
    }

    fn request(&mut self, request: &RequestRecord) -> Message {
        Message {
            first: shown_text(&format!(
                "{} {}",
                request.method,
                self.how.url(&request.url)
            )),
            headers: headers(&request.headers, self.how),
            body: request.body.as_ref().map(|body| self.payload(body)),
        }
    }

    fn response(&mut self, answer: &AnswerRecord) -> Option<Message> {
        (answer.status.is_some() || answer.body.is_some()).then(|| Message {
            first: answer.status.map_or_else(String::new, |status| {
                let known = http::StatusCode::from_u16(status).ok();
                let reason = known.and_then(|status| status.canonical_reason());
                format!("{status} {}", reason.unwrap_or_default())
            }),
            headers: headers(&answer.headers, self.how),
            body: answer.body.as_ref().map(|body| self.payload(body)),
        })
    }

    fn step(&self, step: StepIndex) -> String {
        let steps = &self.history.saga.saga.plan().steps;
        let step = steps.get(usize::from(step));
        step.map_or_else(String::new, |step| shown_text(&step.name))
    }

    fn entry(&self, record: &Record) -> Entry {
        let leg = record.event.leg();
        Entry {
            seq: record.seq,
            at: record.at,
            title: self.words.kind(record.event.kind()).to_owned(),
            step: leg.map(|leg| self.step(leg.step)),
            direction: leg.map(|leg| leg.direction.as_str()),
            word: None,
            took: None,
            is_call: false,
            request: None,
            response: None,
            error: None,
            facts: Vec::new(),
            payload: None,
            next_try: None,
            incident: None,
        }
    }

    fn start(&mut self, key: Open, record: &Record, mut entry: Entry, word: &'static str) {
        entry.word = Some(word);
        let leg = record.event.leg().unwrap_or(LegId::FUNCTION);
        let is_function = self.history.saga.saga.plan().is_function(leg.step);
        self.calls.push(Call {
            seq: record.seq,
            leg,
            title: entry.title.clone(),
            from: record.at,
            until: None,
            word,
            is_wait: is_function || matches!(key, Open::Incident(_)),
        });
        self.entries.push(entry);
        let places = (self.entries.len() - 1, self.calls.len() - 1);
        self.open.insert(key, places);
    }

    /// Ends what was started; gives its entry.
    fn end(&mut self, key: Open, at: Timestamp, word: &'static str) -> Option<&mut Entry> {
        let (entry, call) = self.open.remove(&key)?;
        let call = self.calls.get_mut(call)?;
        call.until = Some(at);
        call.word = word;
        let entry = self.entries.get_mut(entry)?;
        entry.word = Some(word);
        entry.took = Some(shape::span((at - entry.at).0));
        Some(entry)
    }

    fn answered(&mut self, key: Open, record: &Record, word: &'static str, answer: &AnswerRecord) {
        let is_shown = record.seq >= self.first;
        let response = if is_shown {
            self.response(answer)
        } else {
            None
        };
        let error = answer.error.as_deref().map(|error| self.masked(error));
        if let Some(entry) = self.end(key, record.at, word) {
            entry.response = response;
            entry.error = error;
            return;
        }
        // The end of what was never begun; it is told all the same.
        let mut entry = self.entry(record);
        entry.word = Some(word);
        entry.response = response;
        entry.error = error;
        self.entries.push(entry);
    }

    fn called(&mut self, key: Open, record: &Record, number: u32, request: &RequestRecord) {
        let mut entry = self.entry(record);
        entry.title = format!("{} {number}", entry.title);
        entry.is_call = true;
        let leg = record.event.leg();
        let is_function =
            leg.is_some_and(|leg| self.history.saga.saga.plan().is_function(leg.step));
        if !is_function && record.seq >= self.first {
            entry.request = Some(self.request(request));
        }
        self.start(key, record, entry, "running");
    }

    fn next_try(&mut self, key: Open, at: Timestamp, again_at: Timestamp) {
        if let Some((entry, _)) = self.open.get(&key)
            && let Some(entry) = self.entries.get_mut(*entry)
            && again_at > at
        {
            entry.next_try = Some(again_at);
        }
    }

    fn follow(&mut self, record: &Record) {
        let at = record.at;
        match &record.event {
            Event::AttemptStarted {
                leg,
                attempt,
                request,
            } => self.called(Open::Attempt(*leg), record, *attempt, request),
            Event::CheckStarted {
                leg,
                check,
                request,
            } => self.called(Open::Check(*leg), record, *check, request),
            Event::AttemptEnded {
                leg,
                answer,
                again_at,
                ..
            } => {
                self.next_try(Open::Attempt(*leg), at, *again_at);
                self.answered(Open::Attempt(*leg), record, answer.outcome.as_str(), answer);
            }
            Event::CheckEnded {
                leg,
                finding,
                answer,
                again_at,
                ..
            } => {
                self.next_try(Open::Check(*leg), at, *again_at);
                let word = match finding {
                    Finding::Happened => "happened",
                    Finding::DidNotHappen => "did_not_happen",
                    Finding::Inconclusive => "inconclusive",
                };
                self.answered(Open::Check(*leg), record, word, answer);
            }
            Event::Returned { step, answer, .. } => {
                let gave_back = step.map(|step| self.step(step));
                let word = answer.outcome.as_str();
                self.answered(Open::Attempt(LegId::FUNCTION), record, word, answer);
                let mut entry = self.entry(record);
                entry.word = Some(word);
                entry.error = answer.error.as_deref().map(|error| self.masked(error));
                let gave_back = gave_back.map(|step| (self.words.gave_back, step));
                entry.facts.extend(gave_back);
                self.entries.push(entry);
            }
            Event::IncidentOpened {
                incident,
                evidence,
                kind,
                ..
            } => {
                let mut entry = self.entry(record);
                entry.error = Some(self.masked(&evidence.error));
                entry.incident = Some(format!("{}~{incident}", self.history.saga.id));
                let kind = incident_kind(self.common, kind.as_str());
                entry.facts.push((self.common.kind, kind));
                self.start(Open::Incident(*incident), record, entry, "open");
            }
            Event::IncidentResolved { incident, .. } => {
                // Its line stands where it was opened, and the decision where it was made.
                self.end(Open::Incident(*incident), at, "resolved");
                let entry = self.other(record);
                self.entries.push(entry);
            }
            _ => {
                let entry = self.other(record);
                self.entries.push(entry);
            }
        }
    }

    /// What is no call.
    fn other(&mut self, record: &Record) -> Entry {
        let mut entry = self.entry(record);
        match &record.event {
            Event::Submitted { deadline_at, .. } => {
                let by = self.history.saga.submitted_by.as_deref().map(shown_text);
                entry.facts.extend(by.map(|by| (self.common.by, by)));
                let deadline = deadline_at.map(|at| (self.words.deadline, shape::time(at)));
                entry.facts.extend(deadline);
            }
            Event::Unmakeable { error, .. } => entry.error = Some(self.masked(error)),
            Event::CallbackReceived {
                outcome, result, ..
            } => {
                entry.word = Some(match outcome {
                    Answered::Done => "done",
                    Answered::Refused => "refused",
                });
                entry.payload = Some((self.words.result, self.payload(result)));
            }
            Event::StepAdded { step, input, .. } => {
                entry.step = Some(self.step(*step));
                entry.payload = Some((self.words.step_input, self.payload(input)));
            }
            Event::Withdrawn { steps } => {
                let steps: Vec<String> = steps.iter().map(|step| self.step(*step)).collect();
                entry.facts.push((self.words.steps, steps.join(", ")));
            }
            Event::CancelRequested { by } => entry.facts.push((self.common.by, shown_text(by))),
            Event::Turned { reason } => {
                entry.step = reason.step.map(|step| self.step(step));
                entry.word = Some(reason.cause.as_str());
                entry.error = Some(self.masked(&reason.message));
            }
            Event::IncidentResolved {
                incident,
                resolution,
                ..
            } => {
                entry.incident = Some(format!("{}~{incident}", self.history.saga.id));
                let decision = self.common.decision(resolution.decision.as_str());
                entry.facts.push((self.words.decision, decision.to_owned()));
                entry
                    .facts
                    .push((self.common.by, shown_text(&resolution.by)));
                if !resolution.note.is_empty() {
                    let note = self.masked(&resolution.note);
                    entry.facts.push((self.common.note, note));
                }
                let given = resolution
                    .result
                    .as_ref()
                    .map(|json| (self.words.result, json));
                let edited = resolution
                    .body
                    .as_ref()
                    .map(|json| (self.common.body, json));
                if let Some((called, json)) = given.or(edited) {
                    entry.payload = Some((called, self.payload(json)));
                }
            }
            Event::Settled { state } => entry.word = Some(state.as_str()),
            _ => {}
        }
        entry
    }
}

fn headers(headers: &[(String, String)], how: Payloads<'_>) -> Vec<(String, String)> {
    let shown = headers.iter();
    shown
        .map(|(name, value)| (shown_text(name), shown_text(&how.header(name, value))))
        .collect()
}

/// Why a person is needed, as its own page says it.
fn incident_kind(common: &Common, kind: &str) -> String {
    common.word(kind).replace('_', " ")
}
