//! The sentences for what the API's own tests cannot bring about: functions, and several at once.

use std::sync::Arc;

use settled::definition::Definition;
use settled::protocol::{
    AnswerRecord, CallPlan, Event, Evidence, IncidentKind, Json, OnUnknown, Outcome, Record,
    RequestRecord, Retry, Saga, Span, StepPlan, Timestamp,
};

use super::*;

/// A function with steps `s1`, `s2`, … whose outcomes nobody knows.
fn function(steps: StepIndex, order: CompensateOrder) -> SagaSnapshot {
    let definition = Arc::new(Definition::of_function("f", order, false));
    let mut at = SagaSnapshot {
        no: settled::journal::SagaNo(1),
        id: "f-1".into(),
        name: "f".into(),
        input: Json::null(),
        submitted_by: None,
        created_at: Timestamp(0),
        saga: Saga::new(Arc::clone(definition.plan())),
        definition,
    };
    record(
        &mut at,
        Event::Submitted {
            deadline_at: None,
            trace: None,
        },
    );
    start(&mut at, LegId::FUNCTION);
    for step in 1..=steps {
        let call = CallPlan {
            timeout: Span::ZERO,
            retry: Retry::default(),
            on_unknown: OnUnknown::Incident,
            check: None,
        };
        let plan = Arc::new(StepPlan {
            name: format!("s{step}"),
            needs: Vec::new(),
            pivot: false,
            compensate_unknown: false,
            key_window: None,
            callback_timeout: Span::ZERO,
            action: call,
            compensation: Some(call),
        });
        let input = Json::null();
        record(&mut at, Event::StepAdded { step, plan, input });
    }
    at
}

fn record(at: &mut SagaSnapshot, event: Event) {
    let seq = at.saga.seq() + 1;
    let now = Timestamp(0);
    at.saga
        .apply(&Record {
            seq,
            at: now,
            event,
        })
        .unwrap();
}

fn start(at: &mut SagaSnapshot, leg: LegId) {
    let request = Arc::new(RequestRecord {
        method: "POST".to_owned(),
        url: "fn://p/x".to_owned(),
        headers: Vec::new(),
        body: None,
    });
    let attempt = at.saga.attempts(leg) + 1;
    record(
        at,
        Event::AttemptStarted {
            leg,
            attempt,
            request,
        },
    );
}

fn called(at: &mut SagaSnapshot, leg: LegId, outcome: Outcome) {
    start(at, leg);
    let answer = AnswerRecord {
        outcome,
        status: None,
        headers: Vec::new(),
        body: None,
        error: None,
    };
    record(
        at,
        Event::AttemptEnded {
            leg,
            attempt: at.saga.attempts(leg),
            answer,
            again_at: Timestamp(0),
            arrives_until: Timestamp(0),
        },
    );
    while let Some(event) = at.saga.decide(Timestamp(0)).record {
        record(at, event);
    }
}

fn text(at: &SagaSnapshot, incident: u32, decision: Decision) -> String {
    let leg = at.saga.incidents()[incident as usize - 1].leg;
    let foreseen = at.saga.foresee(incident, Timestamp(0));
    let one = foreseen.iter().find(|one| one.decision == decision);
    DecisionView::new(at, leg, one.unwrap()).text
}

#[test]
fn what_follows_is_up_to_the_function() {
    let mut at = function(1, CompensateOrder::Reverse);
    called(&mut at, LegId::action(1), Outcome::Unknown);
    assert_eq!(
        text(&at, 1, Decision::Done),
        "`s1` counts as done; what comes after that is up to the saga's function"
    );
    record(
        &mut at,
        Event::IncidentOpened {
            incident: 2,
            leg: LegId::FUNCTION,
            kind: IncidentKind::Mismatch,
            evidence: Evidence {
                request: None,
                answer: None,
                error: String::new(),
                attempts: 1,
            },
        },
    );
    assert_eq!(
        text(&at, 1, Decision::Done),
        "`s1` counts as done; the saga stays stuck, as another incident is open"
    );
    let again = text(&at, 2, Decision::Retry);
    assert!(
        again.starts_with("runs the saga's function again"),
        "{again}"
    );
}

#[test]
fn many_steps_are_counted_and_those_at_once_have_no_order() {
    let mut at = function(12, CompensateOrder::Parallel);
    for step in 1..12 {
        called(&mut at, LegId::action(step), Outcome::Done);
    }
    called(&mut at, LegId::action(12), Outcome::Unknown);
    record(&mut at, Event::CancelRequested { by: String::new() });
    let text = text(&at, 1, Decision::NotDone);
    assert!(text.contains(" and `s4` and "), "{text}");
    assert!(text.ends_with("and 3 more are compensated"), "{text}");
}
