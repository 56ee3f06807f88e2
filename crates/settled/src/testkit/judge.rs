//! What the kit itself demands of every scenario, besides the user's own check.
//!
//! It reads the journal's records, not the protocol's opinion of them, except where it runs the
//! function once more from what the record gives back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use settled_journal::StoredSaga;
use settled_protocol::{
    Answered, CompensateOrder, Decision, Direction, Event, Finding, IncidentKind, Json, LegId,
    Outcome, Record, SagaState, StepIndex, idempotency_key,
};

use super::life::Fate;
use super::scenario::{End, Prepared};
use super::stage::{Played, runtime};
use crate::engine::{Launch, RecordedStep, RunEnd, RunId};
use crate::snapshot::SagaSnapshot;

/// How long a function that is run once more may wait for something outside of its steps.
const PATIENCE: Duration = Duration::from_mins(1);

/// Everything that is wrong with what a scenario left behind; nothing, if all is well.
pub(super) fn judge(prepared: &mut Prepared, played: &Played) -> Vec<String> {
    let mut found = played.complaints.clone();
    if played.fate == Fate::Endless {
        found.push("the saga does not come to an end".to_owned());
    }
    for unfired in &played.unfired {
        found.push(format!(
            "what was planned never came to pass: {}; the saga took another course than when it \
             was watched (does it choose by something that is not on record?)",
            unfired.explain()
        ));
    }
    for (saga, leg, key) in &played.asked {
        let at = played.sagas.iter().find(|(stored, _)| stored.no == *saga);
        let own = at.and_then(|(_, at)| {
            let plan = at.saga.plan().steps.get(usize::from(leg.step))?;
            Some(idempotency_key(&at.id, &plan.name, leg.direction))
        });
        if own.is_some_and(|own| own != *key) {
            found.push(format!("a call was made with another one's key: `{key}`"));
        }
    }
    for (stored, at) in &played.sagas {
        end(stored, at, &mut found);
        backward(stored, at, &mut found);
    }
    check(prepared, played, &mut found);
    prepared.probe.end();
    for (stored, at) in &played.sagas {
        if let Some(why) = again(prepared, stored, at) {
            found.push(format!("run again from the record: {why}"));
        }
    }
    found
}

fn check(prepared: &mut Prepared, played: &Played, found: &mut Vec<String>) {
    let Some(check) = prepared.check.take() else {
        return;
    };
    let main = (played.sagas.iter()).find(|(stored, _)| stored.id == prepared.id);
    let Some((stored, at)) = main else {
        return found.push("the saga was never taken".to_owned());
    };
    let open = stored.records.iter().filter_map(|record| {
        let Event::IncidentOpened {
            incident,
            leg,
            kind,
            evidence,
        } = &record.event
        else {
            return None;
        };
        let is_open = (at.saga.incidents())
            .get(*incident as usize - 1)
            .is_some_and(|incident| incident.open);
        let step = &at.saga.plan().steps.get(usize::from(leg.step))?.name;
        let direction = leg.direction;
        is_open.then(|| format!("{kind}: {direction} of `{step}`: {}", evidence.error))
    });
    let end = End {
        at: at.clone(),
        open: open.collect(),
    };
    match catch_unwind(AssertUnwindSafe(|| check(&end))) {
        Ok(Ok(())) => {}
        Ok(Err(why)) => found.push(format!("your check: {why}")),
        Err(panic) => {
            let why = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            let why = why.unwrap_or("it panicked");
            found.push(format!("your check: {why}"));
        }
    }
}

/// Settled, or before a person with a reason; and never because the code did not fit the record.
fn end(stored: &StoredSaga, at: &SagaSnapshot, found: &mut Vec<String>) {
    let is_open = at.saga.incidents().iter().any(|incident| incident.open);
    match stored.state {
        SagaState::Stuck if !is_open => {
            found.push(format!("`{}` is stuck without an incident", stored.id));
        }
        SagaState::Running | SagaState::Compensating => {
            found.push(format!("`{}` was left {}", stored.id, stored.state));
        }
        _ => {}
    }
    for record in &stored.records {
        if let Event::IncidentOpened { kind, evidence, .. } = &record.event
            && *kind == IncidentKind::Mismatch
        {
            found.push(format!(
                "run again after the process died, `{}` did not do what is on record: {}",
                stored.name, evidence.error
            ));
        }
    }
}

/// What the records prove of one step.
#[derive(Clone, Copy, Default)]
struct Proof {
    called: bool,
    done: Option<u32>,
    undone_from: Option<u32>,
    withdrawn: bool,
}

/// Compensations only for what was done or is in doubt, and in reverse order (R3).
fn backward(stored: &StoredSaga, at: &SagaSnapshot, found: &mut Vec<String>) {
    let plan = at.saga.plan();
    let mut proofs = vec![Proof::default(); plan.steps.len()];
    for record in &stored.records {
        let seq = record.seq;
        if let Event::Withdrawn { steps } = &record.event {
            for step in steps {
                proofs[usize::from(*step)].withdrawn = true;
            }
        }
        let Some(leg) = record.event.leg() else {
            continue;
        };
        let place = usize::from(leg.step);
        match (leg.direction, &record.event) {
            (Direction::Action, Event::AttemptStarted { .. }) => proofs[place].called = true,
            (Direction::Action, event) if says_done(event) => {
                proofs[place].done.get_or_insert(seq);
            }
            (Direction::Compensation, Event::AttemptStarted { attempt: 1, .. }) => {
                proofs[place].undone_from = Some(seq);
                let step = &plan.steps[place];
                let proof = proofs[place];
                let may = proof.called && step.compensate_unknown;
                if proof.done.is_none() && !may {
                    let what = format!(
                        "the step `{}` was compensated and had not been done",
                        step.name
                    );
                    found.push(what);
                }
            }
            _ => {}
        }
    }
    if plan.compensate == CompensateOrder::Parallel {
        return;
    }
    for (one, first) in proofs.iter().enumerate() {
        for (other, then) in proofs.iter().enumerate() {
            let (Some(done), Some(undone)) = (first.done, first.undone_from) else {
                continue;
            };
            let (Some(done_later), Some(undone_later)) = (then.done, then.undone_from) else {
                continue;
            };
            let together = first.withdrawn == then.withdrawn && !first.withdrawn;
            if together && done < done_later && undone < undone_later {
                found.push(format!(
                    "`{}` was done before `{}` and undone before it too",
                    plan.steps[one].name, plan.steps[other].name
                ));
            }
        }
    }
}

fn says_done(event: &Event) -> bool {
    match event {
        Event::AttemptEnded { answer, .. } => answer.outcome == Outcome::Done,
        Event::CheckEnded { finding, .. } => *finding == Finding::Happened,
        Event::CallbackReceived { outcome, .. } => *outcome == Answered::Done,
        Event::IncidentResolved { resolution, .. } => resolution.decision == Decision::Done,
        _ => false,
    }
}

/// How a function's run ended by the record.
fn returned(records: &[Record]) -> Option<Result<Json, String>> {
    records.iter().find_map(|record| match &record.event {
        Event::Returned { answer, .. } if answer.outcome == Outcome::Done => {
            Some(Ok(answer.body.clone().unwrap_or_else(Json::null)))
        }
        Event::Returned { answer, .. } => Some(Err(answer.error.clone().unwrap_or_default())),
        _ => None,
    })
}

/// Runs the function once more from the final record: it must come to the same. Tells what it did
/// instead.
fn again(prepared: &Prepared, stored: &StoredSaga, at: &SagaSnapshot) -> Option<String> {
    let ended = returned(&stored.records);
    let plans = at.saga.plan().steps.iter().zip(0 as StepIndex..).skip(1);
    let steps = plans.map(|(plan, step)| RecordedStep {
        step,
        plan: plan.clone(),
        input: at.saga.step_input(step).cloned().unwrap_or_else(Json::null),
        end: at.saga.told(step),
        withdrawn: at.saga.is_withdrawn(step),
        taken_back: at.saga.taken_back(step),
    });
    let launch = Launch {
        saga: stored.no,
        run: RunId(u64::MAX),
        id: Arc::clone(&at.id),
        function: Arc::clone(at.definition.function()?),
        input: stored.input.clone(),
        steps: steps.collect(),
        rehearsal: ended.is_none(),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(why) => return Some(why),
    };
    runtime.block_on(async {
        let mut run = prepared.functions.make(&launch);
        let mut found = None;
        let mut end = None;
        let go_on = std::future::poll_fn(|context: &mut Context<'_>| {
            let waker: Waker = context.waker().clone();
            if let Some(yielded) = run.poll(&mut Context::from_waker(&waker)) {
                if let Some(added) = yielded.added.first() {
                    let what = format!("it came to the step `{}`", added.plan.name);
                    found.get_or_insert(format!("{what}, which is not on record"));
                }
                end = yielded.end.or(end.take());
            }
            let is_at_rest = ended.is_none() && run.missing().is_none();
            if run.is_alive() && end.is_none() && !is_at_rest && found.is_none() {
                std::task::Poll::Pending
            } else {
                std::task::Poll::Ready(())
            }
        });
        let waited = tokio::time::timeout(PATIENCE, go_on).await;
        if let Some(name) = run.missing().filter(|_| waited.is_err()) {
            return Some(format!("it did not come to the step `{name}`"));
        }
        if found.is_some() {
            return found;
        }
        match (ended, end) {
            (_, Some(RunEnd::Mismatch { error, .. })) => Some(error),
            (Some(Ok(then)), Some(RunEnd::Returned(now))) => {
                let differs = then != now && then.to_value() != now.to_value();
                let what = || format!("it returned {} and not {}", now.as_str(), then.as_str());
                differs.then(what)
            }
            (Some(Err(then)), Some(RunEnd::Failed { message, .. })) => {
                (then != message).then(|| format!("it failed with {message:?}, not {then:?}"))
            }
            (Some(Ok(_)), Some(RunEnd::Failed { message, .. })) => {
                Some(format!("it failed with {message:?}, and had returned"))
            }
            (Some(Err(then)), Some(RunEnd::Returned(_))) => {
                Some(format!("it returned, and had failed with {then:?}"))
            }
            (Some(_), None) => Some("it did not come to its end".to_owned()),
            (None, _) => None,
        }
    })
}

/// The leg's step by name, for the course that is printed.
fn leg_name(at: &SagaSnapshot, leg: LegId) -> String {
    let plan = at.saga.plan();
    let name = (plan.steps.get(usize::from(leg.step))).map_or("?", |step| step.name.as_str());
    match leg.direction {
        Direction::Action => name.to_owned(),
        Direction::Compensation => format!("{name} (compensation)"),
    }
}

/// A saga's history, one line each.
pub(super) fn course(stored: &StoredSaga, at: &SagaSnapshot) -> Vec<String> {
    let line = |record: &Record| {
        let since = (record.at - stored.created_at).0 / 1_000;
        let mut line = format!("{:>4} {since:>7} ms  {}", record.seq, record.event.kind());
        if let Some(leg) = record.event.leg() {
            line.push(' ');
            line.push_str(&leg_name(at, leg));
        }
        match &record.event {
            Event::StepAdded { plan, .. } => push(&mut line, format_args!(" {}", plan.name)),
            Event::AttemptEnded { answer, .. } | Event::Returned { answer, .. } => {
                push(&mut line, format_args!(": {}", answer.outcome));
                if let Some(error) = &answer.error {
                    push(&mut line, format_args!(" ({error})"));
                }
            }
            Event::CheckEnded { finding, .. } => push(&mut line, format_args!(": {finding:?}")),
            Event::Settled { state } => push(&mut line, format_args!(" {state}")),
            Event::IncidentOpened { evidence, .. } => {
                push(&mut line, format_args!(": {}", evidence.error));
            }
            _ => {}
        }
        line
    };
    stored.records.iter().map(line).collect()
}

fn push(line: &mut String, text: std::fmt::Arguments<'_>) {
    use std::fmt::Write as _;
    let _ = line.write_fmt(text);
}
