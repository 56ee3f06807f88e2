//! What is counted, and how it is written for whoever scrapes it.
//!
//! Labels are bounded: kinds of sagas and names of steps come from callers, so only the first so
//! many have a label of their own. Payloads, ids and texts of participants are in no label.

mod journal;
mod minutes;
mod names;
mod observer;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use settled::coordinator::{Clock, Coordinator};
use settled::journal::{CommitCounts, IncidentFilter, Snapshot};
use settled::protocol::{Span, Timestamp};
use tokio::sync::watch;

use minutes::Minutes;
use names::Names;

pub(crate) use minutes::{Minute, SHOWN};

/// How many kinds of sagas, and names of steps in them, have a label of their own.
const MOST_NAMES: usize = 200;
const MOST_STEPS: usize = 300;

/// How many sagas of the hour before the start are read from the journal, and how many pages of
/// incidents with how many on each.
const MOST_RECALLED: usize = 50_000;
const MOST_PAGES: usize = 20;
const PAGE: usize = 100;

/// Bounds in seconds for calls and for answers of the API.
const CALL_BOUNDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Bounds in seconds for sagas, which may wait for days.
const SAGA_BOUNDS: [f64; 13] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0, 86_400.0,
];

type Word = &'static str;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByName {
    name: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByNameAndState {
    name: Arc<str>,
    state: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStep {
    name: Arc<str>,
    step: Arc<str>,
    direction: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    direction: Word,
    outcome: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByFinding {
    finding: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCause {
    cause: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStatus {
    method: Word,
    route: Word,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRoute {
    method: Word,
    route: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    outcome: Word,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

fn calls() -> Histogram {
    Histogram::new(CALL_BOUNDS)
}

fn sagas() -> Histogram {
    Histogram::new(SAGA_BOUNDS)
}

/// Counts what happens, and writes a line about what matters. Hand it to the coordinator as its
/// observer and to the server.
pub struct Metrics {
    registry: Registry,
    names: Names,
    accepted: Family<ByName, Counter>,
    settled: Family<ByNameAndState, Counter>,
    durations: Histograms<ByNameAndState>,
    turned: Family<ByCause, Counter>,
    attempts: Family<ByOutcome, Counter>,
    latencies: Histograms<ByStep>,
    checks: Family<ByFinding, Counter>,
    check_latency: Histogram,
    incidents: Family<ByKind, Counter>,
    resolved: Family<ByKind, Counter>,
    schedules: Family<ByResult, Counter>,
    alerts: Family<ByResult, Counter>,
    trouble: Counter,
    requests: Family<ByStatus, Counter>,
    request_latencies: Histograms<ByRoute>,
    /// Counts up whenever anything happens, for whoever looks on.
    changes: watch::Sender<u64>,
    minutes: Minutes,
    /// For what is told without its time; there from [`Metrics::begin`] on.
    clock: OnceLock<Clock>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// What is only known when somebody asks.
pub(crate) struct Scrape {
    pub(crate) now: Timestamp,
    pub(crate) counts: Option<Snapshot>,
    pub(crate) in_flight: usize,
    pub(crate) open_calls: usize,
    pub(crate) journal: CommitCounts,
    pub(crate) ready: bool,
}

impl Metrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let mut metrics = Self {
            registry: Registry::with_prefix("settled"),
            names: Names::new(MOST_NAMES, MOST_STEPS),
            accepted: Family::default(),
            settled: Family::default(),
            durations: Family::new_with_constructor(sagas),
            turned: Family::default(),
            attempts: Family::default(),
            latencies: Family::new_with_constructor(calls),
            checks: Family::default(),
            check_latency: calls(),
            incidents: Family::default(),
            resolved: Family::default(),
            schedules: Family::default(),
            alerts: Family::default(),
            trouble: Counter::default(),
            requests: Family::default(),
            request_latencies: Family::new_with_constructor(calls),
            changes: watch::channel(0).0,
            minutes: Minutes::default(),
            clock: OnceLock::new(),
        };
        metrics.register();
        Arc::new(metrics)
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let mut add = |name: &str, help: &str, metric: Box<dyn Registered>| {
            metric.add_to(registry, name, help);
        };
        add(
            "sagas_accepted",
            "Sagas that were taken durably",
            Box::new(self.accepted.clone()),
        );
        add(
            "sagas_settled",
            "Sagas that were settled, by the state they were settled in",
            Box::new(self.settled.clone()),
        );
        add(
            "saga_duration_seconds",
            "From being accepted to being settled",
            Box::new(self.durations.clone()),
        );
        add(
            "sagas_turned",
            "Sagas that began to go back, by what made them",
            Box::new(self.turned.clone()),
        );
        add(
            "attempts",
            "Requests to participants that ended, by what is known of them",
            Box::new(self.attempts.clone()),
        );
        add(
            "step_duration_seconds",
            "How long one request for a step took",
            Box::new(self.latencies.clone()),
        );
        add(
            "checks",
            "Checks that ended, by what they found out",
            Box::new(self.checks.clone()),
        );
        add(
            "check_duration_seconds",
            "How long one check took",
            Box::new(self.check_latency.clone()),
        );
        add(
            "incidents_opened",
            "Incidents that came up, by why",
            Box::new(self.incidents.clone()),
        );
        add(
            "incidents_resolved",
            "Incidents that were decided, by what was decided",
            Box::new(self.resolved.clone()),
        );
        add(
            "schedule_due_times",
            "Due times of schedules, and runs out of turn, by what became of them",
            Box::new(self.schedules.clone()),
        );
        add(
            "alerts",
            "Alerts that ended, by what became of them",
            Box::new(self.alerts.clone()),
        );
        add(
            "trouble",
            "Times that something was wrong with the journal or with one saga in it",
            Box::new(self.trouble.clone()),
        );
        add(
            "http_requests",
            "Requests to this API",
            Box::new(self.requests.clone()),
        );
        add(
            "http_request_duration_seconds",
            "How long this API took to begin its answer",
            Box::new(self.request_latencies.clone()),
        );
    }

    /// A request to the API was answered.
    pub(crate) fn answered(
        &self,
        method: Word,
        route: Word,
        status: StatusCode,
        elapsed: Duration,
    ) {
        let status = status.as_u16();
        let requests = self.requests.get_or_create(&ByStatus {
            method,
            route,
            status,
        });
        requests.inc();
        let latencies = self
            .request_latencies
            .get_or_create(&ByRoute { method, route });
        latencies.observe(elapsed.as_secs_f64());
    }

    /// Counts up whenever anything happens to a saga or a schedule.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The last hour, minute by minute.
    pub(crate) fn minutes(&self, now: Timestamp) -> Vec<Minute> {
        self.minutes.last(now)
    }

    /// Since when it counts by the minute; `now` where that has not begun.
    pub(crate) fn began(&self, now: Timestamp) -> Timestamp {
        self.minutes.began().min(now)
    }

    /// Begins to count by the minute, and asks the journal for the hour before. Where that cannot be
    /// read, the hour before stays empty and is said to be incomplete.
    pub(crate) async fn begin(self: Arc<Self>, coordinator: Coordinator) {
        let now = coordinator.clock().now();
        let _ = self.clock.set(coordinator.clock());
        if !self.minutes.begin(now) {
            return;
        }
        let mut whole_since = now - Span::from_secs(SHOWN * 60);
        let ended = match coordinator.ended(whole_since, MOST_RECALLED).await {
            Ok(ended) => ended,
            Err(error) => {
                tracing::warn!(%error, "the last hour cannot be read from the journal");
                return;
            }
        };
        if ended.len() >= MOST_RECALLED
            && let Some(oldest) = ended.last()
        {
            // Others of that moment may be missing.
            whole_since = oldest.settled_at + Span(1);
        }
        let mut incidents = Vec::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let page = coordinator.incidents(IncidentFilter::default(), cursor, PAGE);
            let Ok(page) = page.await else {
                break;
            };
            let opened = page.items.iter().map(|row| row.opened_at);
            incidents.extend(opened.filter(|at| *at >= whole_since));
            let is_over = page
                .items
                .last()
                .is_none_or(|row| row.opened_at < whole_since);
            cursor = page.next_cursor;
            if is_over || cursor.is_none() {
                break;
            }
        }
        self.minutes.recall(&ended, &incidents, whole_since);
        self.changed();
    }

    fn changed(&self) {
        // Nobody is woken where nobody looks on.
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Everything, in the `OpenMetrics` text format.
    pub(crate) fn text(&self, scrape: &Scrape) -> String {
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a string does not fail.
        let _ = encode_registry(&mut text, &self.registry);
        let _ = encode_registry(&mut text, &momentary(scrape));
        let _ = encode_eof(&mut text);
        text
    }
}

/// What holds at this moment only.
fn momentary(scrape: &Scrape) -> Registry {
    let mut registry = Registry::with_prefix("settled");
    let mut gauge = |name: &str, help: &str, value: f64| {
        registry.register(name, help, ConstGauge::new(value));
    };
    gauge(
        "ready",
        "1 while sagas are taken and driven",
        f64::from(u8::from(scrape.ready)),
    );
    gauge(
        "sagas_in_flight",
        "Sagas in memory",
        scrape.in_flight as f64,
    );
    gauge(
        "calls_open",
        "Requests to participants under way",
        scrape.open_calls as f64,
    );
    if let Some(counts) = &scrape.counts {
        let age = counts
            .oldest_unsettled
            .map_or(0, |oldest| (scrape.now - oldest).0.max(0));
        gauge(
            "sagas_due",
            "Unsettled sagas whose time has come",
            counts.due as f64,
        );
        gauge(
            "sagas_parked",
            "Unsettled sagas that wait for a later moment",
            counts.parked as f64,
        );
        gauge(
            "incidents_open",
            "Incidents that nobody has decided yet",
            counts.open_incidents as f64,
        );
        gauge(
            "oldest_unsettled_age_seconds",
            "How long ago the oldest unsettled saga was accepted",
            age as f64 / 1e6,
        );
    }
    registry.register_collector(Box::new(journal::Journal(scrape.journal.clone())));
    registry
}

/// A metric of any type, so that all of them are registered alike.
trait Registered {
    fn add_to(self: Box<Self>, registry: &mut Registry, name: &str, help: &str);
}

impl<M: EncodeMetric + fmt::Debug + Send + Sync + 'static> Registered for M {
    fn add_to(self: Box<Self>, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, *self);
    }
}
