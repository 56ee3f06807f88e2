//! A participant as it is shown: what it may be asked to bear, how it is, and what was counted.

use serde::Serialize;
use settled::engine::{BreakerLimits, BreakerView, ParticipantView as Participant};
use settled::protocol::Span;
use utoipa::ToSchema;

use super::Time;

/// A participant, as this process has seen it since its start.
#[derive(Serialize, ToSchema)]
#[schema(as = Participant)]
pub(crate) struct ParticipantView<'a> {
    /// `host:port`, or the name that a function's steps give.
    #[schema(example = "stock.local:80")]
    name: &'a str,
    /// The most calls under way at a time.
    max_concurrent: u32,
    /// The most calls begun in a second; null where there is no limit.
    #[schema(required)]
    max_per_second: Option<f64>,
    /// When it is left alone because it does not answer; null for never.
    #[schema(required)]
    breaker: Option<BreakerLimitsView>,
    /// Calls under way.
    calls_under_way: u32,
    /// Sagas that wait for it in memory.
    waiting: usize,
    /// Sagas that wait for it in the journal, as far as this process has put them there.
    parked: usize,
    /// Calls that ended, checks included.
    calls: u64,
    /// Those of them without a definite answer.
    errors: u64,
    /// How long calls took, in the mean.
    #[schema(required)]
    latency_mean_ms: Option<f64>,
    /// What 99 of 100 did not take longer than; at most a fifth too high.
    #[schema(required)]
    latency_p99_ms: Option<f64>,
    /// How many calls may begin at this moment, by all limits.
    room: u32,
    /// `closed`: calls go through. `open`: it is left alone. `probing`: one call finds out whether it
    /// is back. `off`: there is no breaker.
    breaker_state: &'static str,
    /// When it is called again.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    open_until: Option<Time>,
    /// Calls in a row without a definite answer.
    failures: u32,
    /// It has asked, by `Retry-After`, to be left alone until then.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    held_until: Option<Time>,
}

/// When a participant is left alone, and for how long.
#[derive(Serialize, ToSchema)]
#[schema(as = Breaker)]
pub(crate) struct BreakerLimitsView {
    /// After so many calls in a row without a definite answer.
    failures: u32,
    /// For so long at first; twice as long each time that it still does not answer.
    first_pause: String,
    /// But no longer than this.
    max_pause: String,
}

/// Every participant.
#[derive(Serialize, ToSchema)]
#[schema(as = Participants)]
pub(crate) struct ParticipantsView<'a> {
    /// In the order of their names.
    participants: Vec<ParticipantView<'a>>,
}

impl<'a> ParticipantsView<'a> {
    pub(crate) fn new(all: &'a [Participant]) -> Self {
        let participants = all.iter().map(ParticipantView::new).collect();
        Self { participants }
    }
}

impl<'a> ParticipantView<'a> {
    pub(crate) fn new(of: &'a Participant) -> Self {
        let millis = |span: Span| span.0 as f64 / 1e3;
        let (breaker_state, open_until) = match of.breaker {
            BreakerView::Off => ("off", None),
            BreakerView::Closed => ("closed", None),
            BreakerView::Open { until } => ("open", Some(until)),
            BreakerView::Probing => ("probing", None),
        };
        Self {
            name: &of.name,
            max_concurrent: of.limits.max_concurrent,
            max_per_second: of.limits.max_per_second,
            breaker: of.limits.breaker.as_ref().map(BreakerLimitsView::new),
            calls_under_way: of.under_way,
            waiting: of.waiting,
            parked: of.parked,
            calls: of.calls,
            errors: of.errors,
            latency_mean_ms: of.latency_mean.map(millis),
            latency_p99_ms: of.latency_p99.map(millis),
            room: of.room,
            breaker_state,
            open_until: Time::some(open_until),
            failures: of.failures,
            held_until: Time::some(of.held_until),
        }
    }
}

impl BreakerLimitsView {
    fn new(limits: &BreakerLimits) -> Self {
        Self {
            failures: limits.failures,
            first_pause: limits.first_pause.to_string(),
            max_pause: limits.max_pause.to_string(),
        }
    }
}
