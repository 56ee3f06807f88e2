//! What people decide, before it goes on record: the marks in it that stand for masked values.
//!
//! Whether the decision itself fits is the core's to say.

use settled_protocol::{Decision, Direction, Json, LegId, Resolution, idempotency_key};

use super::calls;
use crate::definition::Invalid;
use crate::mask::{self, Mask};
use crate::snapshot::SagaSnapshot;

/// The field of a decision that has the edited body, as people send it.
const BODY: &str = "request.body";

/// A decision as it goes on record.
///
/// # Errors
/// Where a mark in it stands for nothing.
pub(super) fn taken(
    mask: &Mask,
    at: &SagaSnapshot,
    incident: u32,
    mut resolution: Resolution,
) -> Result<Resolution, Invalid> {
    if let Some(result) = &resolution.result {
        // Later requests would be made with the mark.
        mask::refuse_marks(result, "result")?;
    }
    let Some(body) = resolution.body.as_ref().filter(|body| mask::has_mark(body)) else {
        return Ok(resolution);
    };
    let place = (incident as usize).checked_sub(1);
    let known = place.and_then(|place| at.saga.incidents().get(place));
    // Without its incident it is refused in a moment.
    if let (Some(known), Decision::Retry) = (known, resolution.decision) {
        let earlier = at.saga.edited_body(known.leg);
        let sent = sent(mask, at, known.leg)?;
        let taken = mask::take_edit(mask, body, sent.as_ref(), earlier, BODY)?;
        resolution.body = Some(taken);
    }
    Ok(resolution)
}

/// The body as it would be sent now.
fn sent(mask: &Mask, at: &SagaSnapshot, leg: LegId) -> Result<Option<Json>, Invalid> {
    let edited = at.saga.edited_body(leg);
    if at.definition.function().is_some() {
        let given = match leg.direction {
            Direction::Action => at.saga.step_input(leg.step),
            Direction::Compensation => at.saga.result(leg.step),
        };
        let given = given.cloned().unwrap_or_else(Json::null);
        return match edited {
            Some(edited) => filled(edited, &given)
                .map(Some)
                .map_err(|why| Invalid::new(BODY, why)),
            None => Ok(Some(given)),
        };
    }
    let Some(step) = at.saga.plan().steps.get(usize::from(leg.step)) else {
        return Ok(None);
    };
    let key = idempotency_key(&at.id, &step.name, leg.direction);
    let results = |step| at.saga.result(step);
    let request = at
        .definition
        .request(leg, &calls::scope(at, &key, &results), edited);
    let request = request.map_err(|error| {
        // It may quote a piece of what is masked.
        let error = error.to_string();
        let why = format!(
            "`{}` stands for a masked value, and the request that it was in cannot be made ({}); \
             write the values themselves",
            mask::MARK,
            mask.text(&error),
        );
        Invalid::new(BODY, why)
    })?;
    Ok(request.body_json)
}

/// What a person put in the place of a closure's input, with the values that marks stand for.
///
/// # Errors
/// In words, where a mark stands for nothing.
pub(super) fn filled(edited: &Json, given: &Json) -> Result<Json, String> {
    if !mask::has_mark(edited) {
        return Ok(edited.clone());
    }
    mask::fill(edited, Some(given), BODY).map_err(|unfilled| unfilled.to_string())
}
