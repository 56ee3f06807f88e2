//! The last hour as two charts and as the table beside them. Pure: minutes in, markup out.

use settled::protocol::{Span, Timestamp};

use super::words::Words;
use crate::console::chart::{self, About, Bar, Point};
use crate::console::page::Markup;
use crate::console::shape;
use crate::console::words::Common;
use crate::metrics::{Minute, SHOWN};

/// What a page shows of the last hour.
pub(super) struct Hour {
    pub(super) rates: Markup,
    pub(super) latencies: Markup,
    pub(super) rows: Vec<MinuteRow>,
    /// Whether all of it is known.
    pub(super) whole: bool,
    pub(super) accepted_known: bool,
}

/// One minute in figures; newest first.
pub(super) struct MinuteRow {
    pub(super) at: Timestamp,
    pub(super) whole: bool,
    pub(super) accepted: String,
    pub(super) completed: String,
    pub(super) compensated: String,
    pub(super) incidents: String,
    pub(super) spans: [String; 3],
}

impl Hour {
    pub(super) fn new(minutes: &[Minute], common: &Common, words: &Words) -> Self {
        let below = [60, 45, 30, 15, 0].map(|ago| match ago {
            0 => (1.0, words.now.to_owned()),
            ago => (
                1.0 - f64::from(ago) / SHOWN as f64,
                format!("{ago} {}", words.ago),
            ),
        });
        let rows: Vec<MinuteRow> = minutes.iter().rev().map(row).collect();
        let bars: Vec<Bar> = minutes.iter().map(|of| bar(of, common, words)).collect();
        let points: Vec<Point> = minutes.iter().map(|of| point(of, words)).collect();
        let sum = |of: fn(&Minute) -> u64| shape::count(minutes.iter().map(of).sum());
        let rates = format!(
            "{}: {} {}, {} {}, {} {}",
            words.last_hour,
            common.word("completed"),
            sum(|minute| minute.completed),
            common.word("compensated"),
            sum(|minute| minute.compensated),
            words.incidents,
            sum(|minute| minute.incidents),
        );
        Self {
            rates: chart::bars(
                &About {
                    id: "rates",
                    title: words.rates,
                    description: &rates,
                    below: &below,
                },
                &bars,
            ),
            latencies: chart::lines(
                &About {
                    id: "latencies",
                    title: words.latencies,
                    description: words.latencies_hint,
                    below: &below,
                },
                &points,
            ),
            rows,
            whole: minutes.iter().all(|minute| minute.whole),
            accepted_known: minutes.iter().all(|minute| minute.accepted.is_some()),
        }
    }
}

fn span(span: Option<Span>) -> String {
    span.map_or_else(|| "–".to_owned(), |span| shape::span(span.0))
}

/// The time of a minute for whoever points at it; the table has it in the reader's own zone.
fn clock(at: Timestamp) -> String {
    let seconds = at.0.div_euclid(1_000_000).rem_euclid(86_400);
    format!("{:02}:{:02} UTC", seconds / 3_600, seconds / 60 % 60)
}

fn row(of: &Minute) -> MinuteRow {
    MinuteRow {
        at: of.at,
        whole: of.whole,
        accepted: of.accepted.map_or_else(|| "–".to_owned(), shape::count),
        completed: shape::count(of.completed),
        compensated: shape::count(of.compensated),
        incidents: shape::count(of.incidents),
        spans: [of.p50, of.p95, of.p99].map(span),
    }
}

fn bar(of: &Minute, common: &Common, words: &Words) -> Bar {
    let mut told = vec![
        clock(of.at),
        format!(
            "{}: {}",
            common.word("completed"),
            shape::count(of.completed)
        ),
        format!(
            "{}: {}",
            common.word("compensated"),
            shape::count(of.compensated)
        ),
    ];
    if let Some(accepted) = of.accepted {
        told.push(format!("{}: {}", words.accepted, shape::count(accepted)));
    }
    if of.incidents > 0 {
        let incidents = shape::count(of.incidents);
        told.push(format!("{}: {incidents}", words.incidents));
    }
    Bar {
        told: told.join("\n"),
        parts: [of.completed, of.compensated],
        mark: of.accepted.filter(|accepted| *accepted > 0),
        flag: of.incidents > 0,
        whole: of.whole,
    }
}

fn point(of: &Minute, words: &Words) -> Point {
    let told = match of.p50 {
        None => format!("{}\n{}", clock(of.at), words.no_value),
        Some(_) => format!(
            "{}\np50: {}\np95: {}\np99: {}",
            clock(of.at),
            span(of.p50),
            span(of.p95),
            span(of.p99)
        ),
    };
    Point {
        told,
        values: [of.p50, of.p95, of.p99].map(|span| span.map(|span| span.0)),
        whole: of.whole,
    }
}
