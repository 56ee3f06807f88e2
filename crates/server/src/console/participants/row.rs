//! A participant in words and figures. Pure: what the engine says of it in, texts out.

use settled::engine::{BreakerView, ParticipantView};
use settled::protocol::{Span, Timestamp};

use super::words::Words;
use crate::console::shape;
use crate::console::words::Language;

/// One participant as it is shown.
pub(in crate::console) struct Row<'a> {
    pub(in crate::console) of: &'a ParticipantView,
    /// The breaker's state as in the API, and in words.
    pub(in crate::console) state: &'static str,
    pub(in crate::console) word: &'static str,
    /// Until when the breaker is open.
    pub(super) until: Option<Timestamp>,
    /// How many of a hundred calls had no definite answer.
    pub(in crate::console) rate: String,
    pub(in crate::console) mean: String,
    pub(in crate::console) p99: String,
    /// Sagas that wait for it, in memory and in the journal.
    pub(in crate::console) waits: u64,
    pub(super) waiting: u64,
    pub(super) parked: u64,
    pub(super) under_way: u64,
    pub(super) limit: u64,
    /// As they stand in the form.
    pub(super) max_concurrent: String,
    pub(super) max_per_second: String,
    pub(super) failures: String,
}

impl Row<'_> {
    /// The worst come first.
    pub(in crate::console) fn worry(&self) -> (u8, u64, std::cmp::Reverse<u64>) {
        let state = match self.of.breaker {
            BreakerView::Open { .. } => 0,
            BreakerView::Probing => 1,
            BreakerView::Closed | BreakerView::Off => 2,
        };
        let well = 10_000 - self.of.errors * 10_000 / self.of.calls.max(1);
        (state, well, std::cmp::Reverse(self.of.calls))
    }

    /// Whether every twentieth call had no definite answer.
    pub(in crate::console) fn is_bad(&self) -> bool {
        self.of.errors * 20 >= self.of.calls.max(1)
    }
}

/// Participants as they are shown.
pub(in crate::console) fn rows(all: &[ParticipantView], language: Language) -> Vec<Row<'_>> {
    let words = Words::of(language);
    all.iter().map(|of| row(of, words)).collect()
}

fn row<'a>(of: &'a ParticipantView, words: &Words) -> Row<'a> {
    let (state, word, until) = match of.breaker {
        BreakerView::Off => ("off", words.off, None),
        BreakerView::Closed => ("closed", words.closed, None),
        BreakerView::Open { until } => ("open", words.open, Some(until)),
        BreakerView::Probing => ("probing", words.probing, None),
    };
    let span = |span: Option<Span>| span.map_or_else(|| "–".to_owned(), |span| shape::span(span.0));
    let (waiting, parked) = (of.waiting as u64, of.parked as u64);
    Row {
        of,
        state,
        word,
        until,
        rate: match (of.errors, of.calls) {
            (_, 0) => "–".to_owned(),
            (0, _) => "0 %".to_owned(),
            (errors, calls) => format!("{:.1} %", errors as f64 * 100.0 / calls as f64),
        },
        mean: span(of.latency_mean),
        p99: span(of.latency_p99),
        waits: waiting + parked,
        waiting,
        parked,
        under_way: of.under_way.into(),
        limit: of.limits.max_concurrent.into(),
        max_concurrent: of.limits.max_concurrent.to_string(),
        max_per_second: of
            .limits
            .max_per_second
            .map_or_else(String::new, |rate| rate.to_string()),
        failures: of
            .limits
            .breaker
            .as_ref()
            .map_or_else(String::new, |breaker| breaker.failures.to_string()),
    }
}
