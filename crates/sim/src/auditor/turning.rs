//! Judges the moment at which a saga goes back: it may, and for the reason that it gives (R7).

use settled_protocol::{Cause, LegId, Reason, Record};

use super::history::History;
use super::violation::{Invariant, Violation};

pub(crate) fn judge(
    history: &History<'_>,
    reason: &Reason,
    record: &Record,
    found: &mut Vec<Violation>,
) {
    let mut blame = |what: &str| history.blame(found, Invariant::I5, "R7", what);
    if history.turned || history.settled.is_some() {
        blame("turned twice, or after the end");
    }
    if history.is_past_pivot() {
        blame("turned though the pivot is done");
    }
    for (index, plan) in history.plan.steps.iter().enumerate() {
        let action = history.leg(LegId::action(index as u16));
        if plan.pivot && action.in_doubt() && !action.abandoned {
            blame("turned while the pivot is in doubt");
        }
    }
    let Some(seq) = evidence(history, reason, record) else {
        blame("the reason is not borne out by the records");
        return;
    };
    let cancelled = history.cancelled_seq;
    let earlier = history
        .failures
        .iter()
        .map(|(_, seq)| *seq)
        .chain(cancelled);
    if earlier.min().is_some_and(|first| first < seq) {
        blame("the reason is not the first failure");
    }
}

/// The number of the record that proves the reason; none where nothing does.
fn evidence(history: &History<'_>, reason: &Reason, record: &Record) -> Option<u32> {
    let Some(step) = reason.step else {
        return match reason.cause {
            Cause::Cancelled => history.cancelled_seq,
            Cause::Deadline => deadline_has_passed(history, record).then_some(0),
            _ => None,
        };
    };
    let id = LegId::action(step);
    history.plan.steps.get(usize::from(step))?;
    let (action, plan) = (history.leg(id), history.step(id));
    let counted = action.attempts.len() - action.counts_from.min(action.attempts.len());
    let exhausted = counted >= plan.action.retry.max_attempts as usize;
    let holds = match reason.cause {
        Cause::Refused => action.refused && action.is_no(),
        Cause::NotSent => {
            !action.happened()
                && !action.in_doubt()
                && (exhausted || action.unmakeable || action.told_not_done)
        }
        Cause::Unknown => {
            action.in_doubt() && plan.compensate_unknown && plan.compensation.is_some()
        }
        Cause::Abandoned => action.abandoned,
        Cause::Cancelled | Cause::Deadline => false,
    };
    if history.plan.function && step > 0 {
        // The function gave its failure back, or it fails the saga by itself.
        let by_itself = matches!(reason.cause, Cause::Unknown | Cause::Abandoned);
        let gave_back = history.function.gave_back.filter(|(of, _)| *of == step);
        return match gave_back {
            Some((_, seq)) if holds => Some(seq),
            None if by_itself && holds => Some(action.ended_seq.unwrap_or(action.last_seq)),
            _ => None,
        };
    }
    let failed_at = history.failures.iter().find(|(failed, _)| *failed == step);
    let failed_at = failed_at.map_or(action.last_seq, |(_, seq)| *seq);
    // It may have been at its end since its last attempt, before that had a record of its own.
    holds.then(|| action.ended_seq.unwrap_or(failed_at).min(failed_at))
}

fn deadline_has_passed(history: &History<'_>, record: &Record) -> bool {
    history
        .deadline_at
        .is_some_and(|deadline| deadline <= record.at)
}
