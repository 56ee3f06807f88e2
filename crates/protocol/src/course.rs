//! The policy of one leg: what it would take to settle it from where it stands.
//!
//! This is R4 in one function. It looks at one leg only; whether the saga still wants the leg
//! settled, and in which order, is for `decide`.

use crate::plan::{OnUnknown, StepPlan};
use crate::saga::{Leg, NotDone, Phase};
use crate::time::Timestamp;
use crate::words::{Direction, IncidentKind};

/// What it would take to settle a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// It took effect.
    Done,
    /// It took no effect, and nobody tries again by themselves.
    NotDone(NotDone),
    /// A person accepted it as it is.
    Abandoned,
    /// Send the request, not before this time.
    Call(Timestamp),
    /// Put the question, not before this time.
    Ask(Timestamp),
    /// A request's answer is awaited; it has a time limit of its own.
    Answer,
    /// A callback is awaited until then; meanwhile the participant may be asked at `ask_at`.
    Callback {
        until: Timestamp,
        ask_at: Option<Timestamp>,
    },
    /// The machine is at its end.
    Exhausted(IncidentKind),
    /// A person was asked.
    Person,
}

impl Course {
    /// The machine has nothing more to do here, one way or the other.
    pub(crate) const fn is_over(self) -> bool {
        matches!(
            self,
            Self::Done | Self::NotDone(_) | Self::Abandoned | Self::Exhausted(_) | Self::Person
        )
    }
}

/// The course of a leg at a given moment.
///
/// `find_out` says that the leg's effect is no longer wanted, only knowledge of it: then a
/// participant that can be asked is asked rather than called again.
pub(crate) fn course(
    leg: &Leg,
    plan: &StepPlan,
    direction: Direction,
    find_out: bool,
    now: Timestamp,
) -> Course {
    if leg.call.is_some() {
        return Course::Answer;
    }
    let Some(call) = plan.call(direction) else {
        return Course::Abandoned;
    };
    match leg.phase {
        Phase::Done => Course::Done,
        Phase::NotDone(why) => Course::NotDone(why),
        Phase::Abandoned => Course::Abandoned,
        Phase::Incident(_) => Course::Person,
        Phase::Idle => Course::Call(now),
        Phase::Pending { until, ask_at } => Course::Callback {
            until,
            ask_at: call.check.filter(|_| !leg.unmakeable).map(|_| ask_at),
        },
        Phase::Open { again_at } => {
            let max_tries = call.retry.max_attempts;
            let may_call = leg.tries() < max_tries;
            if leg.doubt.is_none() {
                return if may_call {
                    Course::Call(again_at)
                } else {
                    Course::Exhausted(IncidentKind::NotSent)
                };
            }
            let may_ask = call.check.is_some() && leg.vain_checks < max_tries;
            let key_is_known = plan.key_window.is_none_or(|window| {
                leg.first_attempt_at
                    .is_none_or(|first| now.max(again_at) <= first + window)
            });
            if leg.unmakeable {
                return Course::Exhausted(IncidentKind::UnknownOutcome);
            }
            // A person who said "retry" has answered for the first attempt after that.
            let told_to_call = leg.forgiven > 0 && leg.tries() == 0;
            match call.on_unknown {
                _ if told_to_call => Course::Call(again_at),
                OnUnknown::Retry if find_out && may_ask => Course::Ask(again_at),
                OnUnknown::Retry if may_call && key_is_known => Course::Call(again_at),
                OnUnknown::Retry | OnUnknown::Check if may_ask => Course::Ask(again_at),
                _ => Course::Exhausted(IncidentKind::UnknownOutcome),
            }
        }
    }
}
