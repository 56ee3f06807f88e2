//! Histories that the core once got wrong, each with the rule that it broke.

mod support;

use settled_protocol::{
    Answered, Cause, Decision, Event, Finding, IncidentKind, OnUnknown, Outcome, SagaState, Span,
    StepState,
};

use support::plans::{sequence, settle_by, side_by_side};
use support::{Bench, action, compensation};

/// I7: what has settled has no call under way.
#[test]
fn a_saga_does_not_settle_while_a_compensation_is_under_way() {
    let mut plan = sequence(1);
    settle_by(&mut plan.steps[0], OnUnknown::Incident);
    plan.steps[0].compensate_unknown = true;
    let mut bench = Bench::new(plan, None);
    bench.call(action(0), Outcome::Unknown);
    let tasks = bench.tasks();
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    bench.begin(tasks[0]);
    bench.callback(action(0), Answered::Refused);
    bench.next();
    assert_eq!(bench.saga.settled(), None, "{}", bench.history());
    bench.answer(compensation(0), Outcome::Unknown);
    bench.next();
    assert_eq!(bench.saga.settled(), None, "{}", bench.history());
    bench.resolve(1, Decision::Done).unwrap();
    bench.next();
    assert_eq!(bench.saga.settled(), Some(SagaState::Compensated));
}

/// I4, R5: an effect that shows up after the end is put before a person.
#[test]
fn an_effect_after_the_end_is_an_incident() {
    let mut bench = Bench::new(sequence(1), None);
    bench.call(action(0), Outcome::NotSent);
    bench.cancel();
    bench.next();
    assert_eq!(bench.saga.settled(), Some(SagaState::Compensated));
    assert!(bench.callback(action(0), Answered::Done));
    bench.next();
    assert_eq!(bench.open_incidents(), 1, "{}", bench.history());
    assert_eq!(bench.saga.incidents()[0].kind, IncidentKind::Contradiction);
    let evidence = bench.records.iter().find_map(|record| match &record.event {
        Event::IncidentOpened { evidence, .. } => evidence.answer.clone(),
        _ => None,
    });
    assert_eq!(evidence.unwrap().outcome, Outcome::Done);
    assert_eq!(bench.saga.state(bench.now), SagaState::Compensated);
}

/// … but not one that was compensated in doubt: that is what the compensation was for.
#[test]
fn an_effect_after_the_end_that_was_compensated_in_doubt_is_none() {
    let mut plan = sequence(1);
    settle_by(&mut plan.steps[0], OnUnknown::Incident);
    plan.steps[0].compensate_unknown = true;
    let mut bench = Bench::new(plan, None);
    bench.call(action(0), Outcome::Unknown);
    bench.call(compensation(0), Outcome::Done);
    bench.next();
    assert_eq!(bench.saga.settled(), Some(SagaState::Compensated));
    bench.callback(action(0), Answered::Done);
    bench.next();
    assert_eq!(bench.open_incidents(), 0, "{}", bench.history());
}

/// I4: a check that comes back with an effect after a callback said no.
#[test]
fn a_check_that_contradicts_a_callback_is_an_incident() {
    let mut bench = Bench::new(sequence(1), None);
    bench.call(action(0), Outcome::Pending);
    let wake = bench.next().wake_at.unwrap();
    bench.now = wake;
    let tasks = bench.tasks();
    bench.begin(tasks[0]);
    bench.callback(action(0), Answered::Refused);
    bench.find(action(0), Finding::Happened);
    bench.next();
    assert_eq!(bench.open_incidents(), 1, "{}", bench.history());
}

/// R4: an earlier attempt's callback says nothing of the attempt that is under way.
#[test]
fn a_refusal_by_callback_does_not_speak_for_a_later_attempt() {
    for outcome in [Outcome::Unknown, Outcome::Pending] {
        let mut bench = Bench::new(sequence(1), None);
        bench.call(action(0), Outcome::Unknown);
        bench.now = bench.now + Span::from_secs(11);
        bench.check(action(0), Finding::DidNotHappen);
        bench.now = bench.now + Span::from_secs(11);
        let tasks = bench.tasks();
        bench.begin(tasks[0]);
        bench.callback(action(0), Answered::Refused);
        bench.answer(action(0), outcome);
        bench.next();
        assert!(!bench.saga.has_turned(), "{outcome}: {}", bench.history());
        bench.check(action(0), Finding::Happened);
        bench.next();
        assert_eq!(bench.saga.settled(), Some(SagaState::Completed));
    }
}

/// R4: nor does it settle an incident over several attempts, …
#[test]
fn a_refusal_by_callback_does_not_settle_an_incident_over_several_attempts() {
    let mut plan = sequence(1);
    settle_by(&mut plan.steps[0], OnUnknown::Incident);
    let mut bench = Bench::new(plan, None);
    bench.call(action(0), Outcome::Unknown);
    bench.next();
    bench.resolve(1, Decision::Retry).unwrap();
    bench.call(action(0), Outcome::Unknown);
    bench.next();
    assert_eq!(bench.open_incidents(), 1);
    bench.callback(action(0), Answered::Refused);
    bench.next();
    assert_eq!(bench.open_incidents(), 1, "{}", bench.history());
    assert!(!bench.saga.has_turned());
}

/// … and it never makes the machine call again what was refused.
#[test]
fn a_refused_compensation_stays_with_the_person() {
    let mut plan = sequence(1);
    settle_by(&mut plan.steps[0], OnUnknown::Incident);
    let mut bench = Bench::new(plan, None);
    bench.call(action(0), Outcome::Done);
    bench.saga = support::replay(&bench.plan, &bench.records);
    bench.cancel();
    bench.call(compensation(0), Outcome::Unknown);
    bench.next();
    bench.callback(compensation(0), Answered::Refused);
    let next = bench.next();
    assert!(next.tasks.is_empty(), "{next:?}\n{}", bench.history());
    assert_eq!(bench.open_incidents(), 1);
}

/// The only attempt's own refusal leaves no doubt, whichever comes first.
#[test]
fn a_refusal_by_callback_settles_the_only_attempt() {
    for policy in [OnUnknown::Check, OnUnknown::Incident] {
        let mut plan = sequence(1);
        settle_by(&mut plan.steps[0], policy);
        let mut bench = Bench::new(plan, None);
        bench.call(action(0), Outcome::Unknown);
        bench.callback(action(0), Answered::Refused);
        bench.next();
        assert_eq!(
            bench.saga.settled(),
            Some(SagaState::Compensated),
            "{}",
            bench.history()
        );
    }
}

/// I4: yes in the answer, no in the callback before it.
#[test]
fn an_answer_that_contradicts_an_early_callback_is_an_incident() {
    let mut bench = Bench::new(sequence(1), None);
    let tasks = bench.tasks();
    bench.begin(tasks[0]);
    bench.callback(action(0), Answered::Refused);
    bench.answer(action(0), Outcome::Done);
    bench.next();
    assert_eq!(bench.open_incidents(), 1, "{}", bench.history());
}

/// One leg, one question: a second incident would let a person call again what is done.
#[test]
fn a_contradicted_refusal_past_the_pivot_is_one_incident() {
    let mut plan = side_by_side(2);
    plan.steps[1].pivot = true;
    let mut bench = Bench::new(plan, None);
    let tasks = bench.tasks();
    bench.begin(tasks[1]);
    bench.call(action(0), Outcome::Refused);
    bench.next();
    bench.callback(action(0), Answered::Done);
    bench.next();
    bench.answer(action(1), Outcome::Done);
    bench.next();
    assert_eq!(bench.open_incidents(), 1, "{}", bench.history());
    bench.resolve(1, Decision::Done).unwrap();
    bench.next();
    assert_eq!(bench.saga.settled(), Some(SagaState::Completed));
}

/// … and when the person lets the contradiction be, the refusal is still to be dealt with.
#[test]
fn a_refusal_past_the_pivot_outlives_its_contradiction() {
    let mut plan = side_by_side(2);
    plan.steps[1].pivot = true;
    let mut bench = Bench::new(plan, None);
    let tasks = bench.tasks();
    bench.begin(tasks[1]);
    bench.call(action(0), Outcome::Refused);
    bench.callback(action(0), Answered::Done);
    bench.answer(action(1), Outcome::Done);
    bench.next();
    bench.resolve(1, Decision::Abandon).unwrap();
    bench.next();
    assert_eq!(bench.open_incidents(), 1, "{}", bench.history());
    assert_eq!(bench.saga.incidents()[1].kind, IncidentKind::Refused);
}

/// R7: the reason is a step that failed, not one that turned out to be done.
#[test]
fn a_refusal_that_was_taken_back_is_no_reason() {
    let mut plan = side_by_side(2);
    plan.steps[1].pivot = true;
    let mut bench = Bench::new(plan, None);
    let tasks = bench.tasks();
    bench.begin(tasks[1]);
    bench.call(action(0), Outcome::Refused);
    bench.next();
    bench.callback(action(0), Answered::Done);
    bench.next();
    bench.resolve(1, Decision::Done).unwrap();
    bench.answer(action(1), Outcome::Refused);
    bench.next();
    let reason = bench.saga.reason().unwrap();
    assert_eq!((reason.step, reason.cause), (Some(1), Cause::Refused));
}

/// R7: a refusal that a person confirms stays a refusal.
#[test]
fn a_confirmed_refusal_stays_a_refusal() {
    let mut plan = side_by_side(2);
    plan.steps[1].pivot = true;
    let mut bench = Bench::new(plan, None);
    let tasks = bench.tasks();
    bench.begin(tasks[1]);
    bench.call(action(0), Outcome::Refused);
    bench.callback(action(0), Answered::Done);
    bench.next();
    bench.resolve(1, Decision::NotDone).unwrap();
    bench.answer(action(1), Outcome::Refused);
    bench.next();
    let reason = bench.saga.reason().unwrap();
    assert_eq!((reason.step, reason.cause), (Some(0), Cause::Refused));
}

/// … nor does it hide which step failed first after that.
#[test]
fn a_failure_that_was_taken_back_does_not_hide_the_next() {
    let mut plan = side_by_side(4);
    plan.steps[0].action.retry.max_attempts = 1;
    plan.steps[3].pivot = true;
    let mut bench = Bench::new(plan, None);
    for task in bench.tasks() {
        bench.begin(task);
    }
    bench.answer(action(0), Outcome::NotSent);
    bench.callback(action(0), Answered::Done);
    bench.answer(action(2), Outcome::Refused);
    bench.answer(action(1), Outcome::Refused);
    bench.answer(action(3), Outcome::Refused);
    bench.next();
    assert_eq!(bench.saga.reason().unwrap().step, Some(2));
}

/// R4: a pending call that is given up does not shorten the time that an earlier one may take.
#[test]
fn an_overdue_callback_does_not_cut_an_earlier_doubt_short() {
    let mut plan = sequence(1);
    settle_by(&mut plan.steps[0], OnUnknown::Retry);
    plan.steps[0].key_window = Some(Span::from_secs(2));
    plan.steps[0].callback_timeout = Span::from_secs(1);
    let mut bench = Bench::new(plan, None);
    bench.call(action(0), Outcome::Unknown);
    let unknown_at = bench.now;
    bench.call(action(0), Outcome::Pending);
    bench.now = bench.now + Span::from_secs(3);
    bench.check(action(0), Finding::DidNotHappen);
    assert!(bench.now < unknown_at + Span::from_secs(10));
    bench.now = bench.now + Span::from_secs(2);
    let tasks = bench.tasks();
    assert!(
        tasks.is_empty() && !bench.saga.has_turned(),
        "{tasks:?}\n{}",
        bench.history()
    );
}

/// R3: what did not happen returned nothing.
#[test]
fn a_step_that_a_person_saw_not_done_has_no_result() {
    let mut bench = Bench::new(sequence(2), None);
    bench.call(action(0), Outcome::Done);
    bench.next();
    bench.callback(action(0), Answered::Refused);
    bench.next();
    bench.resolve(1, Decision::NotDone).unwrap();
    bench.next();
    assert_eq!(bench.saga.result(0), None);
    let states: Vec<_> = bench.saga.steps().map(|step| step.state).collect();
    assert_eq!(states, [StepState::NotSent, StepState::Skipped]);
}

/// R7: whoever failed first is the reason, also while a pivot keeps the saga from turning.
#[test]
fn the_reason_is_the_first_failure_though_a_pivot_is_in_doubt() {
    let mut plan = side_by_side(3);
    plan.steps[0].pivot = true;
    let mut bench = Bench::new(plan, None);
    let tasks = bench.tasks();
    for task in &tasks {
        bench.begin(*task);
    }
    bench.cancel();
    bench.next();
    bench.answer(action(2), Outcome::Refused);
    bench.next();
    bench.answer(action(1), Outcome::Refused);
    bench.next();
    bench.answer(action(0), Outcome::Refused);
    bench.next();
    let reason = bench.saga.reason().unwrap();
    assert_eq!((reason.step, reason.cause), (None, Cause::Cancelled));
}

/// A pending call that is asked about is not asked about ten times a second for days.
#[test]
fn a_pending_call_is_asked_about_ever_less_often() {
    let mut plan = sequence(1);
    plan.steps[0].callback_timeout = Span::from_secs(86_400);
    plan.steps[0].action.retry.first_delay = Span::ZERO;
    plan.steps[0].action.retry.max_delay = Span::from_secs(30);
    let mut bench = Bench::new(plan, None);
    bench.call(action(0), Outcome::Pending);
    let until = bench.now + Span::from_secs(3_600);
    while bench.now < until {
        bench.check(action(0), Finding::DidNotHappen);
    }
    assert!(bench.records.len() < 600, "{} records", bench.records.len());
}

/// R3: in reverse order means one at a time, also when an effect shows up late.
#[test]
fn a_late_effect_waits_for_the_compensation_under_way() {
    let mut bench = Bench::new(sequence(2), None);
    bench.call(action(0), Outcome::Done);
    bench.call(action(1), Outcome::NotSent);
    bench.cancel();
    let tasks = bench.tasks();
    bench.begin(tasks[0]);
    bench.callback(action(1), Answered::Done);
    let next = bench.next();
    assert!(next.tasks.is_empty(), "{next:?}\n{}", bench.history());
    bench.answer(compensation(0), Outcome::Done);
    bench.call(compensation(1), Outcome::Done);
    bench.next();
    assert_eq!(bench.saga.settled(), Some(SagaState::Compensated));
}
