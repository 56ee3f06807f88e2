//! Incidents that are alike, as they are shown together.

use std::borrow::Cow;

use serde::Serialize;
use settled::journal::IncidentGroup;
use utoipa::ToSchema;

use super::{Shown, Time, words};

/// Open incidents that are alike.
#[derive(Serialize, ToSchema)]
#[schema(as = IncidentGroup)]
pub(crate) struct IncidentGroupView<'a> {
    /// Whose request it was; null where none could be made.
    #[schema(required)]
    participant: Option<&'a str>,
    /// The kind of saga.
    name: &'a str,
    /// The step.
    step: &'a str,
    /// Which call of the step.
    #[schema(schema_with = words::direction)]
    direction: &'a str,
    /// Why a person is needed.
    #[schema(schema_with = words::incident_kind)]
    kind: &'a str,
    /// What went wrong, without what differs from saga to saga.
    #[schema(value_type = String)]
    fault: Cow<'a, str>,
    /// How many there are.
    count: u64,
    /// When the first of them was opened.
    #[schema(value_type = String, format = DateTime)]
    oldest_at: Time,
    /// When the last of them was opened.
    #[schema(value_type = String, format = DateTime)]
    newest_at: Time,
    /// The id of the last of them.
    example: &'a str,
}

/// Every group.
#[derive(Serialize, ToSchema)]
#[schema(as = IncidentGroups)]
pub(crate) struct IncidentGroupsView<'a> {
    /// The largest first.
    groups: Vec<IncidentGroupView<'a>>,
}

impl<'a> IncidentGroupsView<'a> {
    pub(crate) fn new(groups: &'a [IncidentGroup], shown: Shown<'_>) -> Self {
        let groups = groups.iter().map(|of| IncidentGroupView::new(of, shown));
        let groups = groups.collect();
        Self { groups }
    }
}

impl<'a> IncidentGroupView<'a> {
    fn new(of: &'a IncidentGroup, shown: Shown<'_>) -> Self {
        Self {
            participant: of.participant.as_deref(),
            name: &of.name,
            step: &of.step,
            direction: &of.direction,
            kind: &of.kind,
            fault: shown.text(&of.fault),
            count: of.count,
            oldest_at: Time(of.oldest_at),
            newest_at: Time(of.newest_at),
            example: &of.example,
        }
    }
}
