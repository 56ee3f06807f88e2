//! What a decision is said to come to is what follows when it is taken: for arbitrary sagas at
//! arbitrary moments, and by hand where the words matter.

#![allow(clippy::unwrap_used, reason = "a test that breaks is a failed test")]

#[path = "../../sim/src/auditor/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "its public part is wider than what is used here"
)]
mod auditor;
#[allow(dead_code, reason = "a play is not healed here")]
mod play;
mod support;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use settled_protocol::{
    Answered, CompensateOrder, Consequence, Decision, Direction, Event, Evidence, Finding,
    Foreseen, Input, Json, LegId, OnUnknown, Outcome, Plan, Refusal, Resolution, SagaState,
    StepState, Task,
};

use play::Play;
use support::arbitrary::{deadline, moves, plan};
use support::plans::{sequence, settle_by, side_by_side};
use support::{Bench, action, compensation};

fn resolution(incident: u32, decision: Decision, note: &str) -> Input {
    Input::Resolve {
        incident,
        resolution: Resolution {
            decision,
            note: note.to_owned(),
            by: "ann".to_owned(),
            result: None,
            body: None,
        },
    }
}

/// Takes the decision on a copy, and compares what follows with what was foreseen.
fn holds(bench: &Bench, incident: u32, foreseen: &Foreseen) {
    let history = || format!("{foreseen:#?}\n{}", bench.history());
    let mut taken = bench.clone();
    let decision = foreseen.decision;
    let bare = taken
        .saga
        .receive(taken.now, resolution(incident, decision, ""));
    let answer = taken.input(resolution(incident, decision, "seen"));
    let consequence = match (&foreseen.consequence, answer) {
        (Ok(consequence), Ok(_)) => consequence,
        (Err(foreseen), Err(refusal)) => {
            assert_eq!(*foreseen, refusal, "{}", history());
            return;
        }
        (_, answer) => panic!("it was answered {answer:?}\n{}", history()),
    };
    assert_eq!(foreseen.needs_note, bare.is_err(), "{}", history());
    let next = taken.next();
    let turned = !bench.saga.has_turned() && taken.saga.has_turned();
    let leg = bench.saga.incidents()[incident as usize - 1].leg;
    let open = taken.saga.incidents().iter().zip(1..);
    let follows = Consequence {
        calls: next.tasks,
        turns: turned,
        undoes: consequence.undoes.clone(),
        open: open
            .filter(|(one, _)| one.open)
            .map(|(_, number)| number)
            .collect(),
        up_to_function: false,
        step: taken.saga.steps().nth(usize::from(leg.step)).unwrap().state,
        state: taken.saga.state(taken.now),
    };
    assert_eq!(*consequence, follows, "{}", history());
    is_undone_so(taken, consequence, &history());
}

/// From here on everybody does as they are told: what was to be undone is undone, in that order.
fn is_undone_so(mut bench: Bench, consequence: &Consequence, history: &str) {
    let known = bench.records.len();
    // What was begun before is not waited for, whatever its place.
    let begun: Vec<bool> = bench
        .saga
        .steps()
        .map(|step| step.compensation_attempts > 0)
        .collect();
    let is_fresh = |step: &u16| !begun[usize::from(*step)];
    for _ in 0..400 {
        let next = bench.next();
        let saga = &bench.saga;
        if let Some(task) = next.tasks.first() {
            bench.begin(*task);
            answer(&mut bench, *task);
        } else if saga.has_calls() {
            land(&mut bench);
        } else if called_back(&mut bench, &consequence.undoes) {
        } else if let Some(at) = next.wake_at {
            bench.now = at.max(bench.now);
        } else {
            break;
        }
    }
    for step in &consequence.undoes {
        let state = bench.saga.steps().nth(usize::from(*step)).unwrap().state;
        assert_eq!(state, StepState::Compensated, "{step}\n{history}");
    }
    if bench.plan.compensate == CompensateOrder::Parallel {
        return;
    }
    let records = bench.records.iter().skip(known);
    let mut order: Vec<u16> = Vec::new();
    for record in records {
        match &record.event {
            Event::AttemptEnded { leg, .. }
            | Event::CheckEnded { leg, .. }
            | Event::CallbackReceived { leg, .. }
                if leg.direction == Direction::Compensation =>
            {
                order.push(leg.step);
            }
            _ => {}
        }
    }
    order.retain(|step| consequence.undoes.contains(step) && is_fresh(step));
    order.dedup();
    let first = consequence.undoes.iter().position(is_fresh);
    let fresh = &consequence.undoes[first.unwrap_or(consequence.undoes.len())..];
    assert_eq!(order, fresh, "{history}\n{}", bench.history());
}

/// A compensation that was accepted, or lost, before is done after all.
fn called_back(bench: &mut Bench, steps: &[u16]) -> bool {
    let mut was_called = steps.iter().copied().filter(|step| {
        let view = bench.saga.steps().nth(usize::from(*step)).unwrap();
        view.state == StepState::Compensating && view.compensation_attempts > 0
    });
    let step = was_called.next();
    step.is_some_and(|step| bench.callback(compensation(step), Answered::Done))
}

fn answer(bench: &mut Bench, task: Task) {
    match task {
        Task::Attempt(leg) => bench.answer(leg, Outcome::Done),
        Task::Check(leg) => bench.find(leg, finding(leg)),
    }
}

/// Nothing is found of actions, and all of compensations.
fn finding(leg: LegId) -> Finding {
    match leg.direction {
        Direction::Action => Finding::DidNotHappen,
        Direction::Compensation => Finding::Happened,
    }
}

/// Whatever was under way before is answered.
fn land(bench: &mut Bench) {
    for input in bench.saga.lost_calls(0) {
        match input {
            Input::Answer { leg, .. } => bench.answer(leg, Outcome::Done),
            Input::Finding { leg, .. } => bench.find(leg, finding(leg)),
            _ => {}
        }
    }
}

fn all_hold(bench: &Bench) {
    // One that is not there is refused too.
    for incident in 0..=bench.saga.incidents().len() as u32 + 1 {
        let foreseen = bench.saga.foresee(incident, bench.now);
        assert_eq!(foreseen.len(), Decision::ALL.len());
        for one in &foreseen {
            holds(bench, incident, one);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000),
        max_shrink_iters: 20_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/foresight.seeds"))),
        ..ProptestConfig::default()
    })]

    /// Whatever happened before, and whatever else is under way.
    #[test]
    fn what_is_foreseen_is_what_follows(plan in plan(), deadline in deadline(), moves in moves()) {
        let mut play = Play::new(Bench::new(plan, deadline), None);
        for (index, one) in moves.iter().enumerate() {
            play.play(*one);
            if index % 10 == 9 && play.bench.open_incidents() > 0 {
                all_hold(&play.bench);
            }
        }
        all_hold(&play.bench);
    }
}

/// What a decision comes to, where it may be taken.
fn comes_to(bench: &Bench, incident: u32, decision: Decision) -> Consequence {
    foreseen(bench, incident, decision).consequence.unwrap()
}

fn foreseen(bench: &Bench, incident: u32, decision: Decision) -> Foreseen {
    let all = bench.saga.foresee(incident, bench.now);
    let one = all.into_iter().find(|one| one.decision == decision);
    let one = one.unwrap();
    all_hold_but_for_functions(bench);
    one
}

fn all_hold_but_for_functions(bench: &Bench) {
    if !bench.plan.function {
        all_hold(bench);
    }
}

/// Two steps are done; nobody knows of the third.
fn in_doubt() -> Bench {
    let mut plan = sequence(3);
    settle_by(&mut plan.steps[2], OnUnknown::Incident);
    let mut bench = Bench::new(plan, None);
    bench.call(action(0), Outcome::Done);
    bench.call(action(1), Outcome::Done);
    bench.call(action(2), Outcome::Unknown);
    bench.next();
    assert_eq!(bench.open_incidents(), 1, "{}", bench.history());
    bench
}

#[test]
fn a_step_in_doubt_before_the_end() {
    let bench = in_doubt();
    let again = comes_to(&bench, 1, Decision::Retry);
    assert_eq!(again.calls, [Task::Attempt(action(2))]);
    assert_eq!(again.state, SagaState::Running);
    let done = comes_to(&bench, 1, Decision::Done);
    assert_eq!(
        (done.state, done.step),
        (SagaState::Completed, StepState::Done)
    );
    assert!(done.calls.is_empty() && done.undoes.is_empty());
    let not = comes_to(&bench, 1, Decision::NotDone);
    assert!(not.turns);
    assert_eq!(not.undoes, [1, 0]);
    assert_eq!(not.calls, [Task::Attempt(compensation(1))]);
    assert_eq!(not.state, SagaState::Compensating);
    assert!(!foreseen(&bench, 1, Decision::Done).needs_note);
    let left = foreseen(&bench, 1, Decision::Abandon);
    assert!(left.needs_note);
    assert_eq!(left.consequence.unwrap().step, StepState::Abandoned);
}

#[test]
fn a_compensation_that_was_refused() {
    let mut bench = Bench::new(sequence(2), None);
    bench.call(action(0), Outcome::Done);
    bench.call(action(1), Outcome::Refused);
    bench.call(compensation(0), Outcome::Refused);
    bench.next();
    let done = comes_to(&bench, 1, Decision::Done);
    assert_eq!(
        (done.step, done.state),
        (StepState::Compensated, SagaState::Compensated)
    );
    let again = comes_to(&bench, 1, Decision::NotDone);
    assert_eq!(again.calls, [Task::Attempt(compensation(0))]);
    assert_eq!(again.undoes, [0]);
    assert!(!again.turns, "it goes back already");
}

#[test]
fn another_incident_keeps_the_saga_stuck() {
    let mut plan = side_by_side(2);
    for step in &mut plan.steps {
        settle_by(step, OnUnknown::Incident);
    }
    let mut bench = Bench::new(plan, None);
    bench.call(action(0), Outcome::Unknown);
    bench.call(action(1), Outcome::Unknown);
    bench.next();
    let done = comes_to(&bench, 1, Decision::Done);
    assert_eq!((done.open, done.state), (vec![2], SagaState::Stuck));
    bench.cancel();
    bench.next();
    let again = foreseen(&bench, 1, Decision::Retry).consequence.unwrap();
    assert_eq!(again.calls, [Task::Attempt(action(0))], "to find out");
}

/// A callback that is quicker than a check's answer says how it ended.
#[test]
fn what_was_refused_while_it_is_asked_about_is_not_left_to_undo() {
    let mut bench = Bench::new(sequence(2), None);
    bench.call(action(0), Outcome::Done);
    bench.cancel();
    bench.call(compensation(0), Outcome::Unknown);
    bench.begin(Task::Check(compensation(0)));
    bench.callback(compensation(0), Answered::Refused);
    bench.callback(compensation(0), Answered::Done);
    bench.next();
    assert_eq!(bench.open_incidents(), 1, "{}", bench.history());
    let left = comes_to(&bench, 1, Decision::Abandon);
    assert!(left.undoes.is_empty(), "{left:?}");
}

#[test]
fn what_is_resolved_or_not_there_is_refused() {
    let mut bench = in_doubt();
    bench.resolve(1, Decision::Done).unwrap();
    bench.next();
    for (incident, why) in [(1, Refusal::AlreadyResolved), (9, Refusal::NoIncident)] {
        for one in bench.saga.foresee(incident, bench.now) {
            assert_eq!(one.consequence, Err(why.clone()));
            assert!(!one.needs_note);
        }
    }
}

/// A function says what follows; but not while it goes back, or does not fit the record.
#[test]
fn what_follows_in_a_function_is_up_to_it() {
    let mut bench = Bench::new(Plan::of_function(CompensateOrder::Reverse, false), None);
    bench.begin(Task::Attempt(LegId::FUNCTION));
    for mut step in sequence(1).steps {
        settle_by(&mut step, OnUnknown::Incident);
        let input = Json::null();
        bench.input(Input::AddStep { plan: step, input }).unwrap();
    }
    bench.call(action(1), Outcome::Unknown);
    bench.next();
    let done = comes_to(&bench, 1, Decision::Done);
    assert!(done.up_to_function && done.calls.is_empty());
    let again = comes_to(&bench, 1, Decision::Retry);
    assert_eq!(again.calls, [Task::Attempt(action(1))]);
    assert!(again.up_to_function);
    let mut mismatched = bench.clone();
    let evidence = Evidence {
        request: None,
        answer: None,
        error: "another step is on record".to_owned(),
        attempts: 1,
    };
    let leg = LegId::FUNCTION;
    mismatched.input(Input::Mismatch { leg, evidence }).unwrap();
    let still = comes_to(&mismatched, 1, Decision::Done);
    assert!(!still.up_to_function && still.open == [2]);
    assert_eq!(still.state, SagaState::Stuck);
    bench.cancel();
    bench.next();
    let back = comes_to(&bench, 1, Decision::Done);
    assert!(!back.up_to_function);
    assert_eq!(
        (back.undoes, back.state),
        (vec![1], SagaState::Compensating)
    );
}
