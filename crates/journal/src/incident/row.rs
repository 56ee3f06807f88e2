//! A row of the incident table, and which rows are looked for.

use settled_protocol::{Json, Timestamp};

use super::group::fault;
use crate::change::Telling;
use crate::seen::Seen;

/// A row of the incident table: the log table of old, kept by the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRow {
    /// `<saga id>~<number>`.
    pub id: String,
    /// The saga's id.
    pub saga: String,
    /// The saga's kind.
    pub name: String,
    /// The step's name.
    pub step: String,
    /// `action` or `compensation`.
    pub direction: String,
    /// Why a person is needed.
    pub kind: String,
    /// `host:port` of the request.
    pub participant: Option<String>,
    /// The request's URL.
    pub request_url: Option<String>,
    /// The request's method, headers and body as JSON.
    pub request: Option<Json>,
    /// The answer as JSON.
    pub response: Option<Json>,
    /// What went wrong.
    pub error: String,
    /// How many attempts were made.
    pub attempts: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// `open` or `resolved`.
    pub state: String,
    /// What was decided.
    pub decision: Option<String>,
    /// Why.
    pub note: Option<String>,
    /// By whom.
    pub resolved_by: Option<String>,
    /// When.
    pub resolved_at: Option<Timestamp>,
}

impl IncidentRow {
    pub(crate) fn columns(&self) -> IncidentColumns<'_> {
        IncidentColumns {
            name: Some(&self.name),
            step: Some(&self.step),
            kind: Some(&self.kind),
            participant: self.participant.as_deref(),
            error: Some(&self.error),
        }
    }
}

/// An incident that there is something to tell of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// As it stands.
    pub incident: IncidentRow,
    /// What there is to tell.
    pub telling: Telling,
}

/// How many incidents came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IncidentTally {
    /// How many were opened.
    pub opened: u64,
    /// How many were resolved.
    pub resolved: u64,
}

/// Which incidents to list; a field that is `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    /// Open ones, or resolved ones.
    pub open: Option<bool>,
    /// Of the saga with this id.
    pub saga: Option<String>,
    /// Of sagas of this kind.
    pub name: Option<String>,
    /// Of the step with this name.
    pub step: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Whose request went to this participant (`host:port`, or `host`).
    pub participant: Option<String>,
    /// With this fault: the error without what differs from saga to saga, see [`fault`].
    pub fault: Option<String>,
    /// What of a fault is seen by whoever looks: `fault` may be what they were shown.
    pub seen: Option<Seen>,
}

impl IncidentFilter {
    /// Whether these columns of an incident are what is looked for. Its state and its saga are for
    /// the store to look at, which has indexes for them.
    pub(crate) fn matches(&self, columns: IncidentColumns<'_>) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == found
        };
        is(&self.name, columns.name)
            && is(&self.step, columns.step)
            && is(&self.kind, columns.kind)
            && self
                .participant
                .as_deref()
                .is_none_or(|wanted| is_participant(columns.participant, wanted))
            && self.fault.as_deref().is_none_or(|wanted| {
                let found = columns.error.map(fault).unwrap_or_default();
                let seen = self.seen.as_ref();
                found == wanted || seen.is_some_and(|seen| seen.0(&found) == wanted)
            })
    }
}

/// What of an incident a filter looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IncidentColumns<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) step: Option<&'a str>,
    pub(crate) kind: Option<&'a str>,
    pub(crate) participant: Option<&'a str>,
    pub(crate) error: Option<&'a str>,
}

/// Whether a participant (`host:port`) is the one asked for (`host:port`, or `host`).
pub(crate) fn is_participant(participant: Option<&str>, wanted: &str) -> bool {
    participant.is_some_and(|participant| {
        participant.eq_ignore_ascii_case(wanted)
            || participant
                .rsplit_once(':')
                .is_some_and(|(host, _)| host.eq_ignore_ascii_case(wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_participant_is_found_with_its_port_or_without() {
        assert!(is_participant(Some("stock.local:80"), "stock.local"));
        assert!(is_participant(Some("stock.local:80"), "STOCK.local:80"));
        assert!(!is_participant(Some("stock.local:80"), "stock"));
        assert!(!is_participant(None, ""));
    }

    #[test]
    fn a_fault_is_found_as_it_is_and_as_it_was_shown() {
        let filter = |fault: &str| IncidentFilter {
            fault: Some(fault.to_owned()),
            seen: Some(Seen(std::sync::Arc::new(|text: &str| {
                text.replace("hunter", "••••••")
            }))),
            ..IncidentFilter::default()
        };
        let columns = IncidentColumns {
            name: None,
            step: None,
            kind: None,
            participant: None,
            error: Some("the password hunter was refused"),
        };
        assert!(filter("the password hunter was refused").matches(columns));
        assert!(filter("the password •••••• was refused").matches(columns));
        assert!(!filter("the password was refused").matches(columns));
    }
}
