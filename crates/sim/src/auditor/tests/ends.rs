//! I5 to I13: going back, ending, people, and the journal itself.

use settled_protocol::{
    Cause, Decision, Event, IncidentKind, OnUnknown, Outcome, Record, SagaState, Timestamp,
};

use super::super::{Ack, Invariant, LedgerEntry, Told};
use super::*;

#[test]
fn i5_a_compensation_of_what_did_not_happen_and_out_of_order() {
    let three = plan(3, OnUnknown::Check);
    let mut refused = turned_at_second();
    refused.push(start(back(1), 1));
    assert!(judge(&three, refused).contains(&(Invariant::I5, "R3")));

    let events = vec![
        submitted(),
        start(fwd(0), 1),
        end(fwd(0), 1, Outcome::Done),
        start(fwd(1), 1),
        end(fwd(1), 1, Outcome::Done),
        start(fwd(2), 1),
        end(fwd(2), 1, Outcome::Refused),
        turned(Some(2), Cause::Refused),
        start(back(0), 1),
    ];
    assert_eq!(judge(&three, events), [(Invariant::I5, "R3")]);
}

#[test]
fn i5_a_compensation_while_a_later_step_is_in_doubt() {
    let plan = plan(2, OnUnknown::Check);
    let events = vec![
        submitted(),
        start(fwd(0), 1),
        end(fwd(0), 1, Outcome::Done),
        start(fwd(1), 1),
        Event::CancelRequested {
            by: "ann".to_owned(),
        },
        turned(None, Cause::Cancelled),
        start(back(0), 1),
    ];
    assert_eq!(judge(&plan, events), [(Invariant::I5, "R3")]);
}

#[test]
fn i5_turned_past_the_pivot_or_for_no_reason() {
    let mut pivot = plan(2, OnUnknown::Check);
    pivot.steps[0].pivot = true;
    assert_eq!(judge(&pivot, turned_at_second()), [(Invariant::I5, "R7")]);
    let plan = plan(1, OnUnknown::Check);
    let untrue = vec![submitted(), turned(Some(0), Cause::Refused)];
    assert_eq!(judge(&plan, untrue), [(Invariant::I5, "R7")]);
}

#[test]
fn i5_a_reason_that_was_not_the_first_failure() {
    let mut plan = plan(2, OnUnknown::Check);
    plan.steps[1].needs.clear();
    let events = vec![
        submitted(),
        start(fwd(0), 1),
        start(fwd(1), 1),
        end(fwd(0), 1, Outcome::Refused),
        end(fwd(1), 1, Outcome::Refused),
        turned(Some(1), Cause::Refused),
    ];
    assert_eq!(judge(&plan, events), [(Invariant::I5, "R7")]);
}

#[test]
fn i5_books_that_do_not_balance() {
    let plan = plan(2, OnUnknown::Check);
    let mut events = turned_at_second();
    events.extend([
        start(back(0), 1),
        end(back(0), 1, Outcome::Done),
        settled(SagaState::Compensated),
    ]);
    let records = records(events);
    let balance = |ledger: &[LedgerEntry<'static>]| {
        found(&plan, &records, |run| {
            run.healed = true;
            run.ledger = ledger.to_vec();
        })
    };
    let (done, undone) = (line(fwd(0), 1, true), line(back(0), 1, true));
    assert_eq!(balance(&[done, undone]), []);
    assert_eq!(balance(&[done]), [(Invariant::I5, "R3")]);
    assert_eq!(balance(&[undone]), [(Invariant::I5, "R3")]);
}

#[test]
fn i7_an_end_that_is_none() {
    let plan = plan(2, OnUnknown::Check);
    let mut unfinished = turned_at_second();
    unfinished.push(settled(SagaState::Compensated));
    assert_eq!(judge(&plan, unfinished), [(Invariant::I5, "R3")]);
    let mut after = one_step_done();
    after[3] = settled(SagaState::Completed);
    after.push(start(fwd(1), 1));
    let found_after = judge(&plan, after);
    assert!(
        found_after.contains(&(Invariant::I7, "R7")),
        "{found_after:?}"
    );
    let single = super::plan(1, OnUnknown::Check);
    let row = found(&single, &records(one_step_done()), |run| {
        run.sagas[0].row = Some(SagaState::Compensated);
    });
    assert_eq!(row, [(Invariant::I7, "R7")]);
    let told = found(&single, &records(one_step_done())[..3], |run| {
        let told = Told::State(SagaState::Completed);
        let at = Timestamp(99_000_000);
        run.acks = vec![Ack {
            saga: "s",
            at,
            told,
        }];
    });
    assert_eq!(told, [(Invariant::I7, "R2")]);
}

#[test]
fn i8_unknown_that_became_an_outcome_by_time() {
    let plan = plan(1, OnUnknown::Check);
    let events = vec![
        submitted(),
        start(fwd(0), 1),
        end(fwd(0), 1, Outcome::Unknown),
        Event::CancelRequested {
            by: "ann".to_owned(),
        },
        turned(None, Cause::Cancelled),
        settled(SagaState::Compensated),
    ];
    assert_eq!(judge(&plan, events), [(Invariant::I8, "R4")]);
    let mut early = records([submitted(), start(fwd(0), 1)]);
    early.push(Record {
        seq: 3,
        at: Timestamp(2_000_000),
        event: Event::AttemptEnded {
            leg: fwd(0),
            attempt: 1,
            answer: answer(Outcome::Unknown),
            again_at: Timestamp(0),
            arrives_until: Timestamp(3_000_000),
        },
    });
    assert_eq!(found(&plan, &early, |_| {}), [(Invariant::I8, "R4")]);
}

#[test]
fn i9_a_write_under_an_expired_fence() {
    let plan = plan(1, OnUnknown::Check);
    let found = found(&plan, &records(one_step_done()), |run| {
        run.sagas[0].epochs = &[1, 2, 2, 1];
    });
    assert_eq!(found, [(Invariant::I9, "R6")]);
}

#[test]
fn i10_a_saga_that_never_ends() {
    let plan = plan(1, OnUnknown::Check);
    let unfinished = records([submitted(), start(fwd(0), 1)]);
    let found = found(&plan, &unfinished, |run| run.healed = true);
    assert_eq!(found, [(Invariant::I10, "R5")]);
}

#[test]
fn i11_incidents_and_decisions_that_explain_nothing() {
    let plan = plan(1, OnUnknown::Incident);
    let doubt = [
        submitted(),
        start(fwd(0), 1),
        end(fwd(0), 1, Outcome::Unknown),
    ];
    let with = |more: &[Event]| judge(&plan, [&doubt[..], more].concat());
    let (unknown, because) = (IncidentKind::UnknownOutcome, "lost");
    let expected = [(Invariant::I11, "R5")];
    assert_eq!(with(&[opened(1, fwd(0), unknown, "")]), expected);
    assert_eq!(
        with(&[opened(1, fwd(0), IncidentKind::Refused, because)]),
        expected
    );
    let open = opened(1, fwd(0), unknown, because);
    assert_eq!(
        with(&[open.clone(), opened(2, fwd(0), unknown, because)]),
        expected
    );
    assert_eq!(
        with(&[open.clone(), resolved(1, fwd(0), Decision::Done, "")]),
        expected
    );
    let done = resolved(1, fwd(0), Decision::Done, "ann");
    assert_eq!(with(&[open.clone(), done.clone()]), []);
    assert_eq!(with(&[open, done.clone(), done]), expected);
}

#[test]
fn i13_a_hole_in_the_sequence() {
    let plan = plan(1, OnUnknown::Check);
    let mut records = records(one_step_done());
    records.remove(2);
    let found = found(&plan, &records, |_| {});
    assert!(found.contains(&(Invariant::I13, "R5")));
}
