//! What the API shows: the shapes of its answers, written straight from what the coordinator gives.
//!
//! Payloads are handed through as the text that they are, masked by [`Shown`] where they are not asked
//! for whole.

mod audit;
mod effect;
mod event;
mod group;
mod incident;
mod incident_detail;
mod participant;
mod saga;
mod schedule;
mod shown;
pub(crate) mod words;

use serde::{Serialize, Serializer};
use settled::protocol::Timestamp;
use settled::snapshot::SagaSnapshot;

pub(crate) use audit::AuditView;
pub(crate) use effect::DecisionView;
pub(crate) use event::{EventView, EventsView, Started, Timeline};
pub(crate) use group::IncidentGroupsView;
pub(crate) use incident::{IncidentView, IncidentsView};
pub(crate) use incident_detail::{Behind, ExchangeView, IncidentDetailView};
pub(crate) use participant::{ParticipantView, ParticipantsView};
pub(crate) use saga::{SagaView, SagasView, UnreadableView};
pub(crate) use schedule::{ScheduleView, SchedulesView};
pub(crate) use shown::Shown;

/// A moment as RFC 3339 in UTC, with microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Time {
    pub(crate) fn some(at: Option<Timestamp>) -> Option<Self> {
        at.map(Self)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A moment beyond the calendar can only come from a deadline in the far future.
        let time = jiff::Timestamp::from_microsecond(self.0.0).unwrap_or(jiff::Timestamp::MAX);
        serializer.collect_str(&format_args!("{time:.6}"))
    }
}

/// A saga as the API shows it at a moment, as JSON: for those who have a saga and no server. Nothing is
/// masked: whoever has the saga in hand handed it in.
#[must_use]
pub fn saga_json(saga: &SagaSnapshot, now: Timestamp) -> String {
    // It is made of text and numbers, which can always be written.
    serde_json::to_string(&SagaView::new(saga, now, Shown::WHOLE)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_alike() {
        for (micros, text) in [
            (0, "\"1970-01-01T00:00:00.000000Z\""),
            (1_767_225_600_000_001, "\"2026-01-01T00:00:00.000001Z\""),
        ] {
            let time = Time(Timestamp(micros));
            assert_eq!(serde_json::to_string(&time).unwrap(), text);
        }
        assert!(serde_json::to_string(&Time(Timestamp(i64::MAX))).is_ok());
    }
}
