//! What the end of a call says of the participant: whether it is well, and for how long it asks to be
//! left alone. What the end means to the saga is none of this.

use settled_protocol::{Finding, Outcome, Span};

use super::functions::CallEnd;
use super::limits::CallHealth;
use crate::definition;
use crate::participant::Answer;

/// Whether the participant is well, and how long it asks to be left alone.
pub(super) type Health = (CallHealth, Option<Span>);

/// Of an attempt that was answered, or not.
pub(super) fn of_attempt(outcome: Outcome, retry_after: Option<Span>, answer: &Answer) -> Health {
    match (outcome, retry_after) {
        // What is pending names the time of its own answer, not of other calls.
        (Outcome::Done | Outcome::Refused | Outcome::Pending, _) => (CallHealth::Answered, None),
        (Outcome::NotSent | Outcome::Unknown, Some(wait)) => (CallHealth::Busy, Some(wait)),
        (Outcome::NotSent, None) if matches!(answer, Answer::Responded(_)) => {
            (CallHealth::Busy, None)
        }
        (Outcome::NotSent | Outcome::Unknown, None) => (CallHealth::Failed, None),
    }
}

/// What the answer to a check says of the participant. One that does not tell may still be one.
pub(super) fn of_check(finding: Finding, answer: &Answer) -> Health {
    let Answer::Responded(response) = answer else {
        return (CallHealth::Failed, None);
    };
    if finding != Finding::Inconclusive {
        return (CallHealth::Answered, None);
    }
    match (response.status, definition::retry_after(response)) {
        (429 | 500.., Some(wait)) => (CallHealth::Busy, Some(wait)),
        (429, None) => (CallHealth::Busy, None),
        (408 | 500.., None) => (CallHealth::Failed, None),
        _ => (CallHealth::Answered, None),
    }
}

/// What the end of a closure's call says of the participant.
pub(super) fn of_closure(end: &CallEnd) -> Health {
    match end {
        CallEnd::NotSent {
            retry_after: Some(wait),
            ..
        } => (CallHealth::Busy, Some(*wait)),
        CallEnd::NotSent { .. } | CallEnd::Unknown(_) => (CallHealth::Failed, None),
        CallEnd::Broken(_) | CallEnd::Mismatch { .. } => (CallHealth::Silent, None),
        CallEnd::Done(_) | CallEnd::Refused(_) | CallEnd::Pending | CallEnd::Found(_) => {
            (CallHealth::Answered, None)
        }
    }
}
