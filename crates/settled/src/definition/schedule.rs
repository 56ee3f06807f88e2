//! A schedule's document, taken apart: when, by which policies, and the saga to run.
//!
//! Only the shape is looked at here, and the saga, which is a submission. What a cron pattern means
//! is for [`crate::schedule`] to know.

use std::borrow::Cow;

use settled_protocol::{Json, Span};

use super::fields::Fields;
use super::{Definitions, Invalid, Submission};
use crate::schedule::{Missed, Overlap};

const MISSED: [(&str, Missed); 2] = [("skip", Missed::Skip), ("once", Missed::Once)];
const OVERLAP: [(&str, Overlap); 2] = [("skip", Overlap::Skip), ("queue", Overlap::Queue)];

/// What a schedule's document says.
#[derive(Debug)]
pub(crate) struct ScheduleFields {
    pub(crate) cron: Option<String>,
    pub(crate) every: Option<Span>,
    pub(crate) timezone: Option<String>,
    pub(crate) missed: Missed,
    pub(crate) overlap: Overlap,
    /// The saga's document, as it was given.
    pub(crate) saga: Json,
    pub(crate) submission: Submission,
}

impl Definitions {
    /// Takes a schedule's document apart.
    pub(crate) fn schedule_fields(&self, body: &[u8]) -> Result<ScheduleFields, Invalid> {
        let mut fields = Fields::document(body)?;
        let cron = fields.string("cron")?.map(Cow::into_owned);
        let every = fields.span("every")?;
        let timezone = fields.string("timezone")?.map(Cow::into_owned);
        let missed = fields.word("missed", &MISSED)?.unwrap_or_default();
        let overlap = fields.word("overlap", &OVERLAP)?.unwrap_or_default();
        let saga = fields
            .take("saga")
            .ok_or_else(|| fields.missing("saga", "a saga as it is submitted, without an id"))?;
        fields.finish(&["cron", "every", "timezone", "saga", "missed", "overlap"])?;
        let submission = self.parse(saga.get().as_bytes()).map_err(within_saga)?;
        if submission.id.is_some() {
            return Err(Invalid::new(
                "saga.id",
                "each run has an id of its own, made of the schedule's name and the due time; leave \
                 this one out",
            ));
        }
        Ok(ScheduleFields {
            cron,
            every,
            timezone,
            missed,
            overlap,
            saga: Json::from_valid(saga.get()),
            submission,
        })
    }
}

/// A refusal of the saga, placed in the whole document.
fn within_saga(invalid: Invalid) -> Invalid {
    let field = match invalid.field.as_str() {
        "" => "saga".to_owned(),
        field if field.starts_with('[') => format!("saga{field}"),
        field => format!("saga.{field}"),
    };
    Invalid::new(field, invalid.message)
}
