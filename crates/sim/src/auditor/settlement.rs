//! Judges the end: a saga is settled when nothing is left to do, and stays so (I7).

use settled_protocol::{Event, IncidentKind, LegId, Record, SagaState};

use super::functions;
use super::history::History;
use super::violation::{Invariant, Violation};

pub(crate) fn judge(history: &History<'_>, state: SagaState, found: &mut Vec<Violation>) {
    let mut blame = |invariant, rule, what: String| history.blame(found, invariant, rule, what);
    if history.settled.is_some() {
        blame(Invariant::I7, "R7", "settled twice".to_owned());
    }
    if history.has_open_incident() {
        blame(
            Invariant::I7,
            "R5",
            "settled with an open incident".to_owned(),
        );
    }
    match state {
        SagaState::Completed if !history.turned => {}
        SagaState::Compensated if history.turned => {}
        other => blame(
            Invariant::I7,
            "R7",
            format!("{other} is not where it was going"),
        ),
    }
    for (index, plan) in history.plan.steps.iter().enumerate() {
        let (action, back) = (
            history.leg(LegId::action(index as u16)),
            history.leg(LegId::compensation(index as u16)),
        );
        let name = &plan.name;
        if action.has_call() || back.has_call() {
            blame(
                Invariant::I7,
                "R2",
                format!("settled while {name} is under way"),
            );
        }
        if state == SagaState::Completed && history.plan.function && index > 0 {
            for what in functions::unsettled(history, index as u16) {
                blame(
                    Invariant::I7,
                    "R7",
                    format!("completed though {name} {what}"),
                );
            }
            continue;
        }
        if state == SagaState::Completed {
            if !action.is_over() {
                blame(
                    Invariant::I7,
                    "R7",
                    format!("completed though {name} is not done"),
                );
            }
            continue;
        }
        if action.pending() && !action.abandoned {
            blame(
                Invariant::I8,
                "R4",
                format!("settled while {name} is pending"),
            );
        }
        if back.in_doubt() && !back.abandoned {
            blame(
                Invariant::I8,
                "R4",
                format!("the compensation of {name} is in doubt"),
            );
        }
        let undone = plan.compensation.is_none() || back.is_over();
        if action.happened() && !undone && !action.abandoned {
            blame(
                Invariant::I5,
                "R3",
                format!("{name} is done and was not compensated"),
            );
        }
        if action.in_doubt() && !action.abandoned && !(plan.compensate_unknown && back.is_over()) {
            blame(
                Invariant::I8,
                "R4",
                format!("nobody found out about {name}"),
            );
        }
    }
}

/// After the end only evidence and what people say of it is recorded.
pub(crate) fn judge_aftermath(history: &History<'_>, record: &Record, found: &mut Vec<Violation>) {
    let is_evidence = matches!(
        record.event,
        Event::CallbackReceived { .. }
            | Event::IncidentResolved { .. }
            | Event::IncidentOpened {
                kind: IncidentKind::Contradiction,
                ..
            }
    );
    if !is_evidence {
        let what = format!("{} after the end", record.event.kind());
        history.blame(found, Invariant::I7, "R7", what);
    }
}
