//! Holds the journal against what really happened: the sends, the participants' books and what
//! clients were told.

use settled_protocol::{Event, LegId, Record, SagaState, idempotency_key};

use super::history::History;
use super::violation::{Invariant, Violation};
use super::{LedgerEntry, Run, SagaEvidence, Told};

/// One saga's sends and effects.
pub(crate) fn balance(
    run: &Run<'_>,
    saga: &SagaEvidence<'_>,
    history: &History<'_>,
    found: &mut Vec<Violation>,
) {
    let mut blame = |invariant, rule, what: String| {
        found.push(Violation::new(invariant, rule, saga.id, None, what));
    };
    let sends: Vec<_> = run
        .sends
        .iter()
        .filter(|send| send.saga == saga.id)
        .collect();
    for (index, send) in sends.iter().enumerate() {
        if !saga.records.iter().any(|record| is_intent(record, send)) {
            let what = format!(
                "{:?} number {} was sent without its intent",
                send.leg, send.number
            );
            blame(Invariant::I2, "R1", what);
        }
        let known = usize::from(send.leg.step) < saga.plan.steps.len();
        let same = |other: &&&super::Send<'_>| {
            (other.leg, other.number, other.is_check) == (send.leg, send.number, send.is_check)
        };
        let twice = sends[..index].iter().any(|other| same(&other));
        if twice && known && !send.is_check && !history.honours_key(send.leg) {
            let what = format!("{:?} number {} was sent twice", send.leg, send.number);
            blame(Invariant::I3, "R4", what);
        }
    }
    let ledger: Vec<_> = run
        .ledger
        .iter()
        .filter(|line| line.saga == saga.id)
        .collect();
    for line in &ledger {
        let Some(plan) = saga.plan.steps.get(usize::from(line.leg.step)) else {
            blame(
                Invariant::I2,
                "R1",
                "a call to a step that there is not".to_owned(),
            );
            return;
        };
        let own_key = |key| key == idempotency_key(line.saga, &plan.name, line.leg.direction);
        if !line.key.is_none_or(own_key) {
            let what = format!("{:?} was called under another key", line.leg);
            blame(Invariant::I3, "R4", what);
        }
        let attempts = &history.leg(line.leg).attempts;
        if line.attempt == 0 || line.attempt as usize > attempts.len() {
            let what = format!("{:?} was called without an intent", line.leg);
            blame(Invariant::I2, "R1", what);
        }
    }
    for (index, plan) in saga.plan.steps.iter().enumerate() {
        let step = index as u16;
        let [action, undo] = &history.legs[index];
        if run.healed && (action.contradiction_due || undo.contradiction_due) {
            let what = format!(
                "{} contradicts what was settled, and nobody was told",
                plan.name
            );
            blame(Invariant::I4, "R5", what);
        }
        if saga.liars.contains(&step) || saga.plan.is_function(step) {
            continue;
        }
        let legs = [LegId::action(step), LegId::compensation(step)];
        let counts = legs.map(|leg| effects(&ledger, leg));
        for (leg, count) in legs.into_iter().zip(counts) {
            // Where a person said to go on, a second effect is what they answered for.
            let excused = !history.honours_key(leg) && history.leg(leg).decisions > 0;
            if count > 1 && !excused {
                let what = format!(
                    "{} took effect {count} times by {}",
                    plan.name, leg.direction
                );
                blame(Invariant::I3, "R4", what);
            }
        }
        if run.healed {
            square(history, step, counts[0] > 0, counts[1] > 0, &mut blame);
        }
    }
}

/// Whether the books of one step say what the settled saga says.
fn square(
    history: &History<'_>,
    step: u16,
    forward: bool,
    back: bool,
    blame: &mut impl FnMut(Invariant, &'static str, String),
) {
    let (action, undo) = (
        history.leg(LegId::action(step)),
        history.leg(LegId::compensation(step)),
    );
    let plan = &history.plan.steps[usize::from(step)];
    let mut blame = |invariant, rule, what: &str| {
        blame(invariant, rule, format!("{} {what}", plan.name));
    };
    // What a person saw or accepted, or what was contradicted openly, is theirs to square.
    if action.decisions + undo.decisions > 0 {
        return;
    }
    let contradicted = |(leg, _, _): &(LegId, _, bool)| leg.step == step;
    if history.incidents.iter().any(contradicted) {
        return;
    }
    if history.plan.function && history.settled == Some(SagaState::Completed) {
        let withdrawn = history.function.is_withdrawn(step);
        let undone = withdrawn && plan.compensation.is_some();
        match (action.happened(), forward, back) {
            (true, false, _) => blame(Invariant::I4, "R4", "is missing from a completed saga"),
            (false, true, false) => {
                blame(
                    Invariant::I4,
                    "R4",
                    "took effect, and the saga went on without it",
                );
            }
            (true, true, false) if undone => {
                blame(Invariant::I5, "R3", "was taken back and not undone");
            }
            (_, _, true) if !withdrawn => {
                blame(Invariant::I5, "R3", "is undone in a completed saga");
            }
            (_, false, true) if !plan.compensate_unknown => {
                blame(Invariant::I5, "R3", "was undone though it took no effect");
            }
            _ => {}
        }
        return;
    }
    match history.settled {
        Some(SagaState::Completed) if !forward => {
            blame(Invariant::I4, "R4", "is missing from a completed saga");
        }
        Some(SagaState::Completed) if back => {
            blame(Invariant::I5, "R3", "is undone in a completed saga");
        }
        Some(SagaState::Compensated) if forward && !back && plan.compensation.is_some() => {
            blame(Invariant::I5, "R3", "took effect and was not undone");
        }
        Some(SagaState::Compensated) if back && !forward && !plan.compensate_unknown => {
            blame(Invariant::I5, "R3", "was undone though it took no effect");
        }
        _ => {}
    }
}

fn effects(ledger: &[&LedgerEntry<'_>], leg: LegId) -> usize {
    ledger
        .iter()
        .filter(|line| line.effect && line.leg == leg)
        .count()
}

fn is_intent(record: &Record, send: &super::Send<'_>) -> bool {
    let number = match &record.event {
        Event::AttemptStarted { leg, attempt, .. } if !send.is_check && *leg == send.leg => attempt,
        Event::CheckStarted { leg, check, .. } if send.is_check && *leg == send.leg => check,
        _ => return false,
    };
    *number == send.number && record.at <= send.at
}

/// What clients and people were told is durable.
pub(crate) fn promises(run: &Run<'_>, found: &mut Vec<Violation>) {
    for ack in &run.acks {
        let records = run
            .sagas
            .iter()
            .find(|saga| saga.id == ack.saga)
            .map_or(&[][..], |saga| saga.records);
        let has = |is: &dyn Fn(&Event) -> bool| {
            let mut before = records.iter().filter(|record| record.at <= ack.at);
            before.any(|record| is(&record.event))
        };
        let (invariant, rule, kept, what) = match ack.told {
            Told::Accepted => (
                Invariant::I1,
                "R5",
                has(&|event| matches!(event, Event::Submitted { .. })),
                "an accepted submission is lost",
            ),
            Told::State(state) if state.is_settled() => (
                Invariant::I7,
                "R2",
                has(&|event| matches!(event, Event::Settled { state: held } if *held == state)),
                "an end was reported that is not on record",
            ),
            Told::State(SagaState::Compensating) => (
                Invariant::I7,
                "R7",
                has(&|event| matches!(event, Event::Turned { .. })),
                "a way back was reported that is not on record",
            ),
            Told::State(SagaState::Stuck) => (
                Invariant::I11,
                "R5",
                has(&|event| matches!(event, Event::IncidentOpened { .. })),
                "stuck was reported without an incident on record",
            ),
            Told::State(_) => continue,
            Told::Cancelled => (
                Invariant::I1,
                "R7",
                has(&|event| matches!(event, Event::CancelRequested { .. } | Event::Turned { .. })),
                "an accepted cancellation is lost",
            ),
            Told::Resolved(number) => (
                Invariant::I11,
                "R5",
                has(
                    &|event| matches!(event, Event::IncidentResolved { incident, .. } if *incident == number),
                ),
                "an accepted decision is lost",
            ),
        };
        if !kept {
            found.push(Violation::new(invariant, rule, ack.saga, None, what));
        }
    }
}
