//! I1 to I4: what is sent, and what is held to have come of it.

use settled_protocol::{
    Answered, Decision, Event, Finding, IncidentKind, OnUnknown, Outcome, Timestamp,
};

use super::super::{Ack, Invariant, LedgerEntry, Send, Told};
use super::*;

#[test]
fn i1_an_acknowledged_submission_or_cancellation_that_is_lost() {
    let plan = plan(1, OnUnknown::Check);
    for (records, told) in [
        (Vec::new(), Told::Accepted),
        (records(one_step_done()), Told::Cancelled),
    ] {
        let found = found(&plan, &records, |run| {
            let at = Timestamp(99_000_000);
            run.acks = vec![Ack {
                saga: "s",
                at,
                told,
            }];
        });
        assert!(found.iter().any(|one| one.0 == Invariant::I1), "{found:?}");
    }
}

#[test]
fn i2_a_call_without_its_intent() {
    let plan = plan(2, OnUnknown::Check);
    let sent = |leg, number, at| {
        found(&plan, &records(one_step_done()), |run| {
            run.sends = vec![Send {
                saga: "s",
                leg,
                number,
                is_check: false,
                at: Timestamp(at),
            }];
        })
    };
    let expected = (Invariant::I2, "R1");
    assert!(sent(fwd(0), 2, 99_000_000).contains(&expected));
    assert!(
        sent(fwd(0), 1, 500_000).contains(&expected),
        "sent before it was on record"
    );
    let booked = found(&plan, &records(one_step_done()), |run| {
        run.ledger = vec![line(fwd(1), 1, true)];
    });
    assert!(booked.contains(&expected));
}

#[test]
fn i2_a_step_before_what_it_needs() {
    let plan = plan(2, OnUnknown::Check);
    let found = judge(&plan, vec![submitted(), start(fwd(1), 1)]);
    assert_eq!(found, [(Invariant::I2, "R2")]);
}

#[test]
fn i3_a_second_send_in_doubt() {
    for policy in [OnUnknown::Check, OnUnknown::Incident] {
        let plan = plan(1, policy);
        let mut events = vec![
            submitted(),
            start(fwd(0), 1),
            end(fwd(0), 1, Outcome::Unknown),
        ];
        if policy == OnUnknown::Check {
            // Asked before the request could no longer arrive.
            events.extend(check(fwd(0), Finding::DidNotHappen));
        }
        events.push(start(fwd(0), 2));
        assert_eq!(judge(&plan, events), [(Invariant::I3, "R4")]);
    }
}

#[test]
fn i3_a_person_may_send_again_in_doubt_once() {
    let plan = plan(1, OnUnknown::Incident);
    let mut events = vec![
        submitted(),
        start(fwd(0), 1),
        end(fwd(0), 1, Outcome::Unknown),
        opened(1, fwd(0), IncidentKind::UnknownOutcome, "lost"),
        resolved(1, fwd(0), Decision::Retry, "ann"),
        start(fwd(0), 2),
        end(fwd(0), 2, Outcome::Unknown),
    ];
    assert_eq!(judge(&plan, events.clone()), []);
    events.push(start(fwd(0), 3));
    assert_eq!(judge(&plan, events), [(Invariant::I3, "R4")]);
}

#[test]
fn i3_a_send_after_the_key_was_forgotten() {
    let plan = plan(1, OnUnknown::Retry);
    let events = vec![
        submitted(),
        start(fwd(0), 1),
        end(fwd(0), 1, Outcome::Unknown),
        start(fwd(0), 2),
    ];
    assert_eq!(judge(&plan, events.clone()), []);
    let mut late = records(events);
    late[3].at = Timestamp(102_000_000);
    assert_eq!(found(&plan, &late, |_| {}), [(Invariant::I3, "R4")]);
}

#[test]
fn i3_two_effects_under_one_key_and_another_key() {
    let plan = plan(1, OnUnknown::Retry);
    let twice = found(&plan, &records(one_step_done()), |run| {
        run.ledger = vec![line(fwd(0), 1, true), line(fwd(0), 1, true)];
    });
    assert_eq!(twice, [(Invariant::I3, "R4")]);
    let other = found(&plan, &records(one_step_done()), |run| {
        run.ledger = vec![LedgerEntry {
            key: Some("s/s0/compensation"),
            ..line(fwd(0), 1, true)
        }];
    });
    assert_eq!(other, [(Invariant::I3, "R4")]);
}

#[test]
fn i4_an_outcome_without_its_attempt_and_a_contradiction_nobody_saw() {
    let plan = plan(1, OnUnknown::Check);
    let twice = vec![
        submitted(),
        start(fwd(0), 1),
        end(fwd(0), 1, Outcome::Done),
        end(fwd(0), 1, Outcome::Refused),
    ];
    assert_eq!(judge(&plan, twice), [(Invariant::I4, "R2")]);
    let mut contradicted = one_step_done();
    contradicted.push(Event::CallbackReceived {
        leg: fwd(0),
        outcome: Answered::Refused,
        result: settled_protocol::Json::null(),
        again_at: Timestamp(0),
    });
    let found = found(&plan, &records(contradicted), |run| {
        run.healed = true;
        run.ledger = vec![line(fwd(0), 1, true)];
    });
    assert_eq!(found, [(Invariant::I4, "R5")]);
}
