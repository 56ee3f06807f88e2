//! What the engine tells, counted and, where it matters, written to the log: a line for each saga
//! that is settled, more for whoever looks closer.
//!
//! No line has anything of a payload in it, nor any text that a participant sent.

use settled::alerts::is_alert;
use settled::observe::{Observer, Scheduled};
use settled::protocol::{Event, Finding, IncidentKind, LegId, Reason, SagaState, Span};
use settled::snapshot::SagaSnapshot;

use super::{
    ByCause, ByFinding, ByKind, ByName, ByNameAndState, ByOutcome, ByResult, ByStep, Metrics,
};

fn seconds(span: Span) -> f64 {
    span.0 as f64 / 1e6
}

fn step_of(saga: &SagaSnapshot, leg: LegId) -> &str {
    let steps = &saga.saga.plan().steps;
    steps
        .get(usize::from(leg.step))
        .map_or("", |step| &step.name)
}

impl Observer for Metrics {
    fn accepted(&self, saga: &SagaSnapshot) {
        self.changed();
        let name = self.names.name(&saga.name);
        self.accepted.get_or_create(&ByName { name }).inc();
        self.minutes.accepted(saga.created_at);
        tracing::debug!(saga = &*saga.id, name = &*saga.name, "accepted");
    }

    fn answered(&self, saga: &SagaSnapshot, event: &Event, elapsed: Span) {
        self.changed();
        match event {
            Event::AttemptEnded {
                leg,
                attempt,
                answer,
                ..
            } => {
                let (direction, outcome) = (leg.direction.as_str(), answer.outcome.as_str());
                self.attempts
                    .get_or_create(&ByOutcome { direction, outcome })
                    .inc();
                let (name, step) = self.names.step(&saga.name, step_of(saga, *leg));
                self.latencies
                    .get_or_create(&ByStep {
                        name,
                        step,
                        direction,
                    })
                    .observe(seconds(elapsed));
                tracing::debug!(
                    saga = &*saga.id,
                    step = step_of(saga, *leg),
                    direction,
                    attempt,
                    outcome,
                    status = answer.status,
                    duration = %elapsed,
                    "attempt ended"
                );
            }
            Event::CheckEnded {
                leg,
                check,
                finding,
                answer,
                ..
            } => {
                let finding = match finding {
                    Finding::Happened => "happened",
                    Finding::DidNotHappen => "did_not_happen",
                    Finding::Inconclusive => "inconclusive",
                };
                self.checks.get_or_create(&ByFinding { finding }).inc();
                self.check_latency.observe(seconds(elapsed));
                tracing::debug!(
                    saga = &*saga.id,
                    step = step_of(saga, *leg),
                    direction = leg.direction.as_str(),
                    check,
                    finding,
                    status = answer.status,
                    duration = %elapsed,
                    "check ended"
                );
            }
            _ => {}
        }
    }

    fn turned(&self, saga: &SagaSnapshot, reason: &Reason) {
        self.changed();
        let cause = reason.cause.as_str();
        self.turned.get_or_create(&ByCause { cause }).inc();
        tracing::debug!(saga = &*saga.id, cause, "turned");
    }

    fn incident(&self, saga: &SagaSnapshot, leg: LegId, kind: IncidentKind) {
        self.changed();
        let kind = kind.as_str();
        self.incidents.get_or_create(&ByKind { kind }).inc();
        if is_alert(&saga.name, &saga.id) {
            // It is given up, and said so then.
            return;
        }
        if let Some(clock) = self.clock.get() {
            self.minutes.incident(clock.now());
        }
        tracing::warn!(
            saga = &*saga.id,
            name = &*saga.name,
            step = step_of(saga, leg),
            direction = leg.direction.as_str(),
            kind,
            "a person is needed: incident opened"
        );
    }

    fn told(&self, saga: &SagaSnapshot, event: &Event) {
        self.changed();
        match event {
            Event::IncidentResolved {
                incident,
                resolution,
                ..
            } => {
                let kind = resolution.decision.as_str();
                self.resolved.get_or_create(&ByKind { kind }).inc();
                tracing::info!(
                    saga = &*saga.id,
                    incident,
                    decision = kind,
                    by = resolution.by,
                    "incident resolved"
                );
            }
            Event::CancelRequested { by } => {
                tracing::info!(saga = &*saga.id, by, "cancel requested");
            }
            event => tracing::debug!(saga = &*saga.id, event = event.kind(), "told"),
        }
    }

    fn settled(&self, saga: &SagaSnapshot, state: SagaState, elapsed: Span) {
        self.changed();
        let labels = ByNameAndState {
            name: self.names.name(&saga.name),
            state: state.as_str(),
        };
        self.settled.get_or_create(&labels).inc();
        let durations = self.durations.get_or_create(&labels);
        durations.observe(seconds(elapsed));
        if is_alert(&saga.name, &saga.id) {
            let delivered = state == SagaState::Completed;
            let outcome = if delivered {
                "delivered"
            } else {
                "undelivered"
            };
            self.alerts.get_or_create(&ByResult { outcome }).inc();
            if !delivered {
                tracing::warn!(
                    saga = &*saga.id,
                    "an alert was not delivered; the incident table has what it told of"
                );
            }
        }
        self.minutes
            .settled(saga.created_at + elapsed, state, elapsed);
        let reason = saga.saga.reason().map(|reason| reason.cause.as_str());
        tracing::info!(
            saga = &*saga.id,
            name = &*saga.name,
            state = state.as_str(),
            duration_ms = elapsed.0 / 1_000,
            reason,
            "settled"
        );
    }

    fn scheduled(&self, schedule: &str, what: Scheduled, count: u64) {
        self.changed();
        let outcome = match what {
            Scheduled::Ran => "run",
            Scheduled::Missed => "missed",
            Scheduled::Overlapped => "overlapped",
            Scheduled::Triggered => "triggered",
        };
        self.schedules
            .get_or_create(&ByResult { outcome })
            .inc_by(count);
        match what {
            Scheduled::Ran | Scheduled::Triggered => {
                tracing::info!(schedule, outcome, "schedule");
            }
            Scheduled::Missed => {
                tracing::warn!(
                    schedule,
                    outcome,
                    count,
                    "schedule: nobody ran when it was due"
                );
            }
            Scheduled::Overlapped => tracing::warn!(
                schedule,
                outcome,
                count,
                "schedule: left out, an earlier run is not settled"
            ),
        }
    }

    fn trouble(&self, what: &str) {
        self.trouble.inc();
        tracing::error!(what, "trouble with the journal");
    }
}
