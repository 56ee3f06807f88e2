//! Open incidents that are alike, as a line of a table with a link to all of them.

use settled::journal::IncidentGroup;
use settled::protocol::Timestamp;

use super::words::Words;
use crate::console::link::Link;
use crate::console::shape;
use crate::console::words::Language;
use crate::view::Shown as Payloads;

/// One line.
pub(in crate::console) struct Group<'a> {
    pub(in crate::console) of: &'a IncidentGroup,
    pub(in crate::console) kind: &'a str,
    pub(in crate::console) fault: String,
    pub(in crate::console) link: String,
    pub(in crate::console) waiting: String,
}

impl<'a> Group<'a> {
    pub(in crate::console) fn new(
        of: &'a IncidentGroup,
        language: Language,
        now: Timestamp,
        payloads: Payloads<'_>,
    ) -> Self {
        let link = Link::to("incidents")
            .field("state", "open")
            .field("participant", of.participant.as_deref().unwrap_or_default())
            .field("name", &of.name)
            .field("step", &of.step)
            .field("kind", &of.kind)
            .field("fault", &payloads.text(&of.fault));
        Self {
            of,
            kind: Words::of(language).kind(&of.kind),
            fault: shape::visible(&payloads.text(&of.fault)),
            link: link.text(),
            waiting: shape::span((now - of.oldest_at).0),
        }
    }
}
