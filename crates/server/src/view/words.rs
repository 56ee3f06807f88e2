//! The words of the API for its description, taken from the types that define them.

use settled::protocol::{Decision, Direction, IncidentKind, Outcome, SagaState, StepState};
use settled::schedule::{Missed, Overlap, ScheduleState};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

fn words<'a>(words: impl Iterator<Item = &'a str>, nullable: bool) -> ObjectBuilder {
    let mut values: Vec<Option<&str>> = words.map(Some).collect();
    let kind = if nullable {
        values.push(None);
        SchemaType::from_iter([Type::String, Type::Null])
    } else {
        SchemaType::new(Type::String)
    };
    ObjectBuilder::new()
        .schema_type(kind)
        .enum_values(Some(values))
}

macro_rules! of {
    ($($(#[$meta:meta])* $name:ident: $kind:ty, $nullable:literal);+ $(;)?) => {
        $($(#[$meta])* pub(crate) fn $name() -> ObjectBuilder {
            words(<$kind>::ALL.iter().map(|word| word.as_str()), $nullable)
        })+
    };
}

of! {
    saga_state: SagaState, false;
    saga_state_or_none: SagaState, true;
    schedule_state: ScheduleState, false;
    missed: Missed, false;
    missed_or_none: Missed, true;
    overlap: Overlap, false;
    overlap_or_none: Overlap, true;
    step_state: StepState, false;
    step_state_or_none: StepState, true;
    direction: Direction, false;
    direction_or_none: Direction, true;
    outcome_or_none: Outcome, true;
    incident_kind: IncidentKind, false;
    decision: Decision, false;
    decision_or_none: Decision, true;
}

/// Whether somebody still has to decide.
pub(crate) fn incident_state() -> ObjectBuilder {
    words(["open", "resolved"].into_iter(), false)
}

/// A definite answer.
pub(crate) fn answered() -> ObjectBuilder {
    words(["done", "refused"].into_iter(), false)
}

/// Whether a participant is called or only asked.
pub(crate) fn call_kind() -> ObjectBuilder {
    words(["attempt", "check"].into_iter(), false)
}

/// What went to a participant, or came from there.
pub(crate) fn exchange_kind() -> ObjectBuilder {
    words(["attempt", "check", "callback"].into_iter(), false)
}
