//! What is special about sagas that are functions, broken by hand.

use std::sync::Arc;

use settled_protocol::{
    Cause, CompensateOrder, Event, Json, LegId, OnUnknown, Outcome, Plan, SagaState,
};

use super::{Invariant, answer, back, end, fwd, judge, plan, settled, start, submitted, turned};

/// A function with so many steps, as its plan is in the end.
fn function(steps: u16) -> Plan {
    let mut whole = Plan::of_function(CompensateOrder::Reverse, false);
    for step in plan(steps, OnUnknown::Check).steps {
        let mut step = step;
        step.needs.clear();
        whole.steps.push(step);
    }
    whole
}

fn added(step: u16) -> Event {
    let plan = function(step).steps.pop().map(Arc::new);
    Event::StepAdded {
        step,
        plan: plan.unwrap(),
        input: Json::null(),
    }
}

fn returned(step: Option<u16>, outcome: Outcome) -> Event {
    Event::Returned {
        attempt: 1,
        step,
        answer: answer(outcome),
    }
}

fn done(step: u16) -> [Event; 2] {
    [start(fwd(step), 1), end(fwd(step), 1, Outcome::Done)]
}

fn refused(step: u16) -> [Event; 2] {
    [start(fwd(step), 1), end(fwd(step), 1, Outcome::Refused)]
}

/// A running function with one step that is done.
fn begun() -> Vec<Event> {
    let mut events = vec![submitted(), start(LegId::FUNCTION, 1), added(1)];
    events.extend(done(1));
    events
}

#[test]
fn clean_functions_are_clean() {
    let mut completes = begun();
    completes.extend([returned(None, Outcome::Done), settled(SagaState::Completed)]);
    assert_eq!(judge(&function(1), completes), []);

    let mut handles = begun();
    handles.push(added(2));
    handles.extend(refused(2));
    handles.extend([returned(None, Outcome::Done), settled(SagaState::Completed)]);
    assert_eq!(judge(&function(2), handles), []);

    let mut gives_back = begun();
    gives_back.push(added(2));
    gives_back.extend(refused(2));
    gives_back.extend([
        returned(Some(2), Outcome::Refused),
        turned(Some(2), Cause::Refused),
        start(back(1), 1),
        end(back(1), 1, Outcome::Done),
        settled(SagaState::Compensated),
    ]);
    assert_eq!(judge(&function(2), gives_back), []);

    let mut takes_back = begun();
    takes_back.extend([
        Event::Withdrawn { steps: vec![1] },
        start(back(1), 1),
        end(back(1), 1, Outcome::Done),
        returned(None, Outcome::Done),
        settled(SagaState::Completed),
    ]);
    assert_eq!(judge(&function(1), takes_back), []);
}

#[test]
fn a_step_is_added_only_while_the_function_runs() {
    let mut events = begun();
    events.extend([returned(None, Outcome::Done), added(2)]);
    let found = judge(&function(2), events);
    assert_eq!(found, [(Invariant::I2, "R2")]);
}

#[test]
fn a_step_that_was_not_added_is_not_called() {
    let mut events = begun();
    events.extend(done(2));
    let found = judge(&function(2), events);
    assert!(found.contains(&(Invariant::I2, "R1")), "{found:?}");
}

#[test]
fn nothing_completes_before_the_function_returned() {
    let mut events = begun();
    events.push(settled(SagaState::Completed));
    let found = judge(&function(1), events);
    assert!(found.contains(&(Invariant::I7, "R7")), "{found:?}");
}

#[test]
fn a_refusal_that_the_function_handled_turns_nothing() {
    let mut events = begun();
    events.push(added(2));
    events.extend(refused(2));
    events.push(turned(Some(2), Cause::Refused));
    let found = judge(&function(2), events);
    assert_eq!(found, [(Invariant::I5, "R7")]);
}

#[test]
fn what_was_taken_back_is_undone_before_the_end() {
    let mut events = begun();
    events.extend([
        Event::Withdrawn { steps: vec![1] },
        returned(None, Outcome::Done),
        settled(SagaState::Completed),
    ]);
    let found = judge(&function(1), events);
    assert_eq!(found, [(Invariant::I7, "R7")]);
}

#[test]
fn what_was_not_taken_back_is_not_undone_on_the_way_forward() {
    let mut events = begun();
    events.push(start(back(1), 1));
    let found = judge(&function(1), events);
    assert_eq!(found, [(Invariant::I5, "R3")]);
}

#[test]
fn a_refusal_past_the_pivot_is_for_a_person() {
    let mut plan = function(2);
    plan.steps[1].pivot = true;
    let mut events = begun();
    events.push(added(2));
    events.extend(refused(2));
    events.extend([returned(None, Outcome::Done), settled(SagaState::Completed)]);
    assert_eq!(judge(&plan, events), [(Invariant::I7, "R7")]);
}

#[test]
fn a_function_returns_once() {
    let mut events = begun();
    events.extend([returned(None, Outcome::Done), returned(None, Outcome::Done)]);
    assert_eq!(judge(&function(1), events), [(Invariant::I4, "R2")]);
}
