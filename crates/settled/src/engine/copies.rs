//! Copies that go on record as evidence, masked.
//!
//! What the saga still works with stays whole: the results of its calls, and all that its function is
//! told when it is run again. Nothing is ever sent from what is masked here.

use settled_protocol::{AnswerRecord, Answered, Event, Json, Outcome};

use crate::mask::Mask;

/// An answer to an HTTP call. A `done` one is the step's result, which later requests are made from;
/// of all others only people ever look at the body.
pub(super) fn answer(mask: &Mask, answer: AnswerRecord) -> AnswerRecord {
    match answer.outcome {
        Outcome::Done => answer,
        _ => mask.answer(answer),
    }
}

/// What a callback brings: the result of a call that is done, or else evidence.
pub(super) fn callback(mask: &Mask, outcome: Answered, result: Json) -> Json {
    match outcome {
        Answered::Done => result,
        Answered::Refused => mask.json(&result),
    }
}

/// An event with its evidence masked, where it opens an incident: that is for a person alone. The
/// answer in it may be a whole one that is on record already.
pub(super) fn evidence(mask: &Mask, mut event: Event) -> Event {
    if let Event::IncidentOpened { evidence, .. } = &mut event {
        evidence.answer = evidence.answer.take().map(|answer| mask.answer(answer));
        evidence.error = mask.text(&evidence.error).into_owned();
    }
    event
}
