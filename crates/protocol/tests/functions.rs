//! Histories of functions that the core once got wrong, each with the rule that it broke.

#![allow(clippy::unwrap_used, reason = "a test that breaks is a failed test")]

mod support;

use settled_protocol::{
    Answered, CompensateOrder, Decision, Finding, Input, Json, LegId, OnUnknown, Outcome, Plan,
    SagaState, Span, StepEnd, Task,
};

use support::plans::{sequence, settle_by};
use support::{Bench, action};

/// A saga whose function runs, with so many steps that it added.
fn running(steps: usize, policy: OnUnknown) -> Bench {
    with_pivot(steps, policy, None)
}

/// … one of which may be a pivot.
fn with_pivot(steps: usize, policy: OnUnknown, pivot: Option<&str>) -> Bench {
    let mut bench = Bench::new(Plan::of_function(CompensateOrder::Reverse, false), None);
    assert_eq!(bench.tasks(), [Task::Attempt(LegId::FUNCTION)]);
    bench.begin(Task::Attempt(LegId::FUNCTION));
    for step in sequence(steps).steps {
        let mut step = step;
        settle_by(&mut step, policy);
        step.needs.clear();
        step.pivot = pivot == Some(step.name.as_str());
        let input = Json::null();
        bench.input(Input::AddStep { plan: step, input }).unwrap();
    }
    bench
}

/// R5: a step whose outcome a person gave up on is not waited for when its part is taken back.
#[test]
fn a_step_that_was_abandoned_in_doubt_is_taken_back() {
    let mut bench = running(1, OnUnknown::Incident);
    bench.call(action(1), Outcome::Unknown);
    bench.next();
    bench.resolve(1, Decision::Abandon).unwrap();
    bench.input(Input::Withdraw { steps: vec![1] }).unwrap();
    assert!(bench.next().tasks.is_empty());
    assert!(bench.saga.taken_back(1).is_some(), "{}", bench.history());
}

/// What a refusal means is for the function to say, however it becomes known.
#[test]
fn a_refusal_that_comes_while_a_question_is_under_way_is_told_to_the_function() {
    let mut bench = running(1, OnUnknown::Check);
    bench.call(action(1), Outcome::Pending);
    bench.now = bench.now + Span::from_secs(30);
    bench.begin(Task::Check(action(1)));
    assert!(bench.callback(action(1), Answered::Refused));
    bench.next();
    assert_eq!(bench.saga.reason(), None, "{}", bench.history());
    bench.find(action(1), Finding::Inconclusive);
    bench.next();
    assert_eq!(bench.saga.state(bench.now), SagaState::Running);
    let told = bench.saga.told(1).map(|(_, end)| end);
    assert!(matches!(told, Some(StepEnd::Refused(_))), "{told:?}");
}

/// R5: a step that was given up while the pivot beside it was in doubt is told once there is no way
/// back.
#[test]
fn a_step_that_was_abandoned_beside_a_pivot_in_doubt_is_told_when_the_pivot_is_done() {
    let first = sequence(1).steps[0].name.clone();
    let mut bench = with_pivot(2, OnUnknown::Incident, Some(&first));
    bench.call(action(1), Outcome::Unknown);
    bench.call(action(2), Outcome::Unknown);
    bench.next();
    assert_eq!(bench.open_incidents(), 2, "{}", bench.history());
    let of = |leg| {
        let mut incidents = bench.saga.incidents().iter();
        incidents.position(|incident| incident.leg == leg).unwrap() as u32 + 1
    };
    let (pivot, other) = (of(action(1)), of(action(2)));
    bench.resolve(other, Decision::Abandon).unwrap();
    bench.next();
    assert_eq!(bench.saga.told(2), None);
    bench.resolve(pivot, Decision::Done).unwrap();
    bench.next();
    let told = bench.saga.told(2).map(|(_, end)| end);
    assert_eq!(told, Some(StepEnd::Abandoned), "{}", bench.history());
}
