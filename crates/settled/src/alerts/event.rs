//! What an alert says: a CloudEvent in structured JSON.
//!
//! The same incident at the same moment gives the same event. Nothing of a request or an answer is in
//! it, but the error's text, masked and cut.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use settled_journal::{
    IncidentGroup, IncidentRow, IncidentTally, Snapshot, Telling, Untold, alike,
};
use settled_protocol::Timestamp;

use super::digest::DueDigest;
use super::id::word;
use crate::mask::Mask;

/// The most incidents that are named in one event, and the most groups.
const MOST_IDS: usize = 100;
const MOST_GROUPS: usize = 50;

/// The longest text of an error, or of a note, that is told, in characters.
pub(super) const LONGEST_TEXT: usize = 500;

/// What may stand in the path of a URL as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Who tells, and what the events have in common.
pub(super) struct Voice<'a> {
    pub(super) source: &'a str,
    pub(super) console_url: Option<&'a str>,
    /// How many incidents are open.
    pub(super) open_total: u64,
    /// What must not leave the house.
    pub(super) mask: Mask,
}

/// A CloudEvent; `data` as its type says.
#[derive(Debug, Serialize)]
pub(super) struct Event<'a, D> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: String,
    datacontenttype: &'static str,
    data: D,
}

/// One incident.
#[derive(Debug, Serialize)]
pub(super) struct IncidentData<'a> {
    id: &'a str,
    saga: &'a str,
    name: &'a str,
    step: &'a str,
    direction: &'a str,
    kind: &'a str,
    participant: Option<&'a str>,
    error: String,
    attempts: u32,
    opened_at: String,
    state: &'a str,
    decision: Option<&'a str>,
    note: Option<String>,
    resolved_by: Option<&'a str>,
    resolved_at: Option<String>,
    open_total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    console_url: Option<String>,
}

/// Many incidents.
#[derive(Debug, Serialize)]
pub(super) struct StormData<'a> {
    count: usize,
    groups: Vec<GroupData>,
    incidents: Vec<&'a str>,
    open_total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    console_url: Option<String>,
}

/// Incidents that are alike.
#[derive(Debug, Serialize)]
pub(super) struct GroupData {
    participant: Option<String>,
    name: String,
    step: String,
    direction: String,
    kind: String,
    fault: String,
    count: u64,
    oldest_at: String,
    example: String,
}

/// How things stand.
#[derive(Debug, Serialize)]
pub(super) struct DigestData {
    since: String,
    until: String,
    all_clear: bool,
    open_total: u64,
    groups: Vec<GroupData>,
    opened: u64,
    resolved: u64,
    oldest_unsettled: Option<String>,
    due: u64,
    parked: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    console_url: Option<String>,
}

/// What a digest is made of.
pub(super) struct Standing {
    pub(super) counts: Snapshot,
    pub(super) groups: Vec<IncidentGroup>,
    /// Since the due time before it, and since its own.
    pub(super) tallies: (IncidentTally, IncidentTally),
}

/// A moment as RFC 3339 has it.
fn text(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::MAX);
    moment.to_string()
}

impl Voice<'_> {
    fn event<'a, D>(&'a self, id: &'a str, kind: String, time: Timestamp, data: D) -> Event<'a, D> {
        Event {
            specversion: "1.0",
            id,
            source: self.source,
            kind,
            subject: None,
            time: text(time),
            datacontenttype: "application/json",
            data,
        }
    }

    /// What is told of a text that came from elsewhere.
    fn shown(&self, text: &str) -> String {
        self.mask.text(text).chars().take(LONGEST_TEXT).collect()
    }

    fn groups(&self, groups: Vec<IncidentGroup>) -> Vec<GroupData> {
        let groups = groups.into_iter().take(MOST_GROUPS);
        groups.map(|group| GroupData::new(self, group)).collect()
    }

    fn link(&self, incident: Option<&str>) -> Option<String> {
        let base = self.console_url?.trim_end_matches('/');
        Some(match incident {
            None => format!("{base}/incidents"),
            Some(id) => format!("{base}/incidents/{}", utf8_percent_encode(id, PLAIN)),
        })
    }

    /// That an incident was opened, is still open, or was resolved.
    pub(super) fn of_one<'a>(
        &'a self,
        id: &'a str,
        untold: &'a Untold,
        moment: Timestamp,
    ) -> Event<'a, IncidentData<'a>> {
        let row = &untold.incident;
        let time = match untold.telling {
            Telling::Opened => row.opened_at,
            Telling::Reminder => moment,
            Telling::Resolved => row.resolved_at.unwrap_or(moment),
        };
        let data = IncidentData {
            id: &row.id,
            saga: &row.saga,
            name: &row.name,
            step: &row.step,
            direction: &row.direction,
            kind: &row.kind,
            participant: row.participant.as_deref(),
            error: self.shown(&row.error),
            attempts: row.attempts,
            opened_at: text(row.opened_at),
            state: &row.state,
            decision: row.decision.as_deref(),
            note: row.note.as_deref().map(|note| self.shown(note)),
            resolved_by: row.resolved_by.as_deref(),
            resolved_at: row.resolved_at.map(text),
            open_total: self.open_total,
            console_url: self.link(Some(&row.id)),
        };
        let kind = format!("dev.settled.incident.{}", word(untold.telling));
        Event {
            subject: Some(&row.id),
            ..self.event(id, kind, time, data)
        }
    }

    /// That many were: they are counted, and some of them named.
    pub(super) fn of_many<'a>(
        &'a self,
        id: &'a str,
        telling: Telling,
        rows: &[&'a IncidentRow],
        moment: Timestamp,
    ) -> Event<'a, StormData<'a>> {
        let data = StormData {
            count: rows.len(),
            groups: self.groups(alike(rows.iter().copied())),
            incidents: rows.iter().take(MOST_IDS).map(|row| &*row.id).collect(),
            open_total: self.open_total,
            console_url: self.link(None),
        };
        let kind = format!("dev.settled.incidents.{}", word(telling));
        self.event(id, kind, moment, data)
    }

    /// How things stand.
    pub(super) fn digest<'a>(
        &'a self,
        id: &'a str,
        digest: DueDigest,
        standing: &Standing,
    ) -> Event<'a, DigestData> {
        let (all, later) = standing.tallies;
        let counts = &standing.counts;
        let data = DigestData {
            since: text(digest.since),
            until: text(digest.due),
            all_clear: self.open_total == 0,
            open_total: self.open_total,
            groups: self.groups(standing.groups.clone()),
            opened: all.opened.saturating_sub(later.opened),
            resolved: all.resolved.saturating_sub(later.resolved),
            oldest_unsettled: counts.oldest_unsettled.map(text),
            due: counts.due,
            parked: counts.parked,
            console_url: self.link(None),
        };
        self.event(id, "dev.settled.digest".to_owned(), digest.due, data)
    }
}

impl GroupData {
    fn new(voice: &Voice<'_>, group: IncidentGroup) -> Self {
        Self {
            fault: voice.shown(&group.fault),
            participant: group.participant,
            name: group.name,
            step: group.step,
            direction: group.direction,
            kind: group.kind,
            count: group.count,
            oldest_at: text(group.oldest_at),
            example: group.example,
        }
    }
}
