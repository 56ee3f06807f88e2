//! Each invariant broken by hand, and the auditor catching it; and a clean run that it lets pass.

use std::sync::Arc;

use settled_protocol::{
    AnswerRecord, CallPlan, Cause, CompensateOrder, Decision, Event, Evidence, Finding,
    IncidentKind, LegId, OnUnknown, Outcome, Plan, Reason, Record, RequestRecord, Resolution,
    Retry, SagaState, Span, StepPlan, Timestamp,
};

mod calls;
mod ends;
mod functions;

use super::{Ack, Invariant, LedgerEntry, Run, SagaEvidence, Send, Told, audit};

fn plan(steps: u16, policy: OnUnknown) -> Plan {
    let call = CallPlan {
        timeout: Span::from_secs(10),
        retry: Retry {
            max_attempts: 3,
            ..Retry::default()
        },
        on_unknown: policy,
        check: Some(Span::from_secs(10)),
    };
    let step = |index: u16| StepPlan {
        name: format!("s{index}"),
        needs: index.checked_sub(1).into_iter().collect(),
        pivot: false,
        compensate_unknown: false,
        key_window: Some(Span::from_secs(100)),
        callback_timeout: Span::from_secs(60),
        action: call,
        compensation: Some(call),
    };
    Plan {
        compensate: CompensateOrder::Reverse,
        steps: (0..steps).map(step).collect(),
        ..Plan::default()
    }
}

fn fwd(step: u16) -> LegId {
    LegId::action(step)
}

fn back(step: u16) -> LegId {
    LegId::compensation(step)
}

fn submitted() -> Event {
    Event::Submitted {
        deadline_at: None,
        trace: None,
    }
}

fn start(leg: LegId, attempt: u32) -> Event {
    Event::AttemptStarted {
        leg,
        attempt,
        request: request(),
    }
}

fn request() -> Arc<RequestRecord> {
    Arc::new(RequestRecord {
        method: "POST".to_owned(),
        url: "http://p/".to_owned(),
        headers: Vec::new(),
        body: None,
    })
}

fn answer(outcome: Outcome) -> AnswerRecord {
    AnswerRecord {
        outcome,
        status: None,
        headers: Vec::new(),
        body: None,
        error: None,
    }
}

/// The end of an attempt that may still arrive for a long while.
fn end(leg: LegId, attempt: u32, outcome: Outcome) -> Event {
    Event::AttemptEnded {
        leg,
        attempt,
        answer: answer(outcome),
        again_at: Timestamp(0),
        arrives_until: Timestamp(50_000_000),
    }
}

fn check(leg: LegId, finding: Finding) -> [Event; 2] {
    [
        Event::CheckStarted {
            leg,
            check: 1,
            request: request(),
        },
        Event::CheckEnded {
            leg,
            check: 1,
            finding,
            answer: answer(Outcome::Done),
            again_at: Timestamp(0),
        },
    ]
}

fn turned(step: Option<u16>, cause: Cause) -> Event {
    Event::Turned {
        reason: Reason {
            step,
            cause,
            message: String::new(),
            answer: None,
        },
    }
}

fn opened(incident: u32, leg: LegId, kind: IncidentKind, error: &str) -> Event {
    Event::IncidentOpened {
        incident,
        leg,
        kind,
        evidence: Evidence {
            request: None,
            answer: None,
            error: error.to_owned(),
            attempts: 1,
        },
    }
}

fn resolved(incident: u32, leg: LegId, decision: Decision, by: &str) -> Event {
    Event::IncidentResolved {
        incident,
        leg,
        resolution: Resolution {
            decision,
            note: "seen".to_owned(),
            by: by.to_owned(),
            result: None,
            body: None,
        },
    }
}

fn settled(state: SagaState) -> Event {
    Event::Settled { state }
}

/// Records one second apart.
fn records(events: impl IntoIterator<Item = Event>) -> Vec<Record> {
    let numbered = events.into_iter().enumerate();
    numbered
        .map(|(index, event)| Record {
            seq: index as u32 + 1,
            at: Timestamp(index as i64 * 1_000_000),
            event,
        })
        .collect()
}

/// What the auditor finds in one saga, with the run changed as a case needs it.
fn found(
    plan: &Plan,
    records: &[Record],
    change: impl for<'a> FnOnce(&mut Run<'a>),
) -> Vec<(Invariant, &'static str)> {
    let mut run = Run {
        sagas: vec![SagaEvidence {
            id: "s",
            plan,
            records,
            row: None,
            epochs: &[],
            liars: &[],
        }],
        ..Run::default()
    };
    change(&mut run);
    let found = audit(&run);
    found.iter().map(|one| (one.invariant, one.rule)).collect()
}

/// What the auditor finds in these events alone.
fn judge(plan: &Plan, events: Vec<Event>) -> Vec<(Invariant, &'static str)> {
    found(plan, &records(events), |_| {})
}

fn line(leg: LegId, attempt: u32, effect: bool) -> LedgerEntry<'static> {
    LedgerEntry {
        key: None,
        saga: "s",
        leg,
        attempt,
        at: Timestamp(0),
        effect,
    }
}

fn one_step_done() -> Vec<Event> {
    vec![
        submitted(),
        start(fwd(0), 1),
        end(fwd(0), 1, Outcome::Done),
        settled(SagaState::Completed),
    ]
}

/// Step 0 done, step 1 refused, and turned for it.
fn turned_at_second() -> Vec<Event> {
    vec![
        submitted(),
        start(fwd(0), 1),
        end(fwd(0), 1, Outcome::Done),
        start(fwd(1), 1),
        end(fwd(1), 1, Outcome::Refused),
        turned(Some(1), Cause::Refused),
    ]
}

#[test]
fn a_clean_run_is_clean() {
    let plan = plan(2, OnUnknown::Check);
    let mut events = turned_at_second();
    events.extend([
        start(back(0), 1),
        end(back(0), 1, Outcome::Done),
        settled(SagaState::Compensated),
    ]);
    let found = found(&plan, &records(events), |run| {
        run.healed = true;
        run.sagas[0].row = Some(SagaState::Compensated);
        run.sagas[0].epochs = &[1, 1, 2, 2];
        let key = Some("s/s0/action");
        run.ledger = vec![
            LedgerEntry {
                key,
                ..line(fwd(0), 1, true)
            },
            line(fwd(1), 1, false),
            line(back(0), 1, true),
        ];
        let at = Timestamp(99_000_000);
        let told = [Told::Accepted, Told::State(SagaState::Compensated)];
        run.acks = told
            .map(|told| Ack {
                saga: "s",
                at,
                told,
            })
            .to_vec();
        run.sends = vec![Send {
            saga: "s",
            leg: fwd(0),
            number: 1,
            is_check: false,
            at,
        }];
    });
    assert_eq!(found, []);
}
