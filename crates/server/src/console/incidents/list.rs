//! The list of incidents: groups of what is alike above, one by one below.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use settled::journal::{IncidentFilter, IncidentRow};
use settled::protocol::IncidentKind;

use super::group::Group;
use super::words::Words;
use crate::console::form::Form;
use crate::console::link::Link;
use crate::console::page::{Page, Place, render};
use crate::console::visitor::Visitor;
use crate::console::words::Common;
use crate::console::{Console, problem, shape};
use crate::view::Shown as Payloads;

const PAGE: usize = 50;

/// What was asked for in the address.
pub(super) struct Asked {
    /// `open`, `resolved` or empty for both (`all` in an address).
    pub(super) state: String,
    pub(super) participant: String,
    pub(super) step: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) fault: String,
    pub(super) saga: String,
    cursor: Option<String>,
    /// How many of how many have just been decided.
    decided: Option<(u32, u32)>,
}

impl Asked {
    pub(super) fn read(query: &str) -> Self {
        let form = Form::read(query);
        let text = |name| form.text(name).unwrap_or_default().trim().to_owned();
        let number = |name| form.text(name).and_then(|number| number.parse().ok());
        let state = match form.all("state").next() {
            None => "open".to_owned(),
            Some("all") => String::new(),
            Some(_) => text("state"),
        };
        Self {
            state,
            participant: text("participant"),
            step: text("step"),
            name: text("name"),
            kind: text("kind"),
            fault: text("fault"),
            saga: text("saga"),
            cursor: form.text("cursor").map(str::to_owned),
            decided: number("decided").zip(number("of")),
        }
    }

    fn filter(&self, payloads: Payloads<'_>) -> IncidentFilter {
        let wanted = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        IncidentFilter {
            open: match &*self.state {
                "open" => Some(true),
                "resolved" => Some(false),
                _ => None,
            },
            saga: wanted(&self.saga),
            name: wanted(&self.name),
            step: wanted(&self.step),
            kind: wanted(&self.kind),
            participant: wanted(&self.participant),
            fault: wanted(&self.fault),
            seen: payloads.seen(),
        }
    }

    /// Whether more is asked for than a state.
    fn is_narrow(&self) -> bool {
        let filter = self.filter(Payloads::WHOLE);
        [
            filter.saga,
            filter.name,
            filter.step,
            filter.kind,
            filter.participant,
            filter.fault,
        ]
        .iter()
        .any(Option::is_some)
    }

    /// The address of the same list, from a cursor on.
    fn link(&self, cursor: Option<&str>) -> String {
        let state = if self.state.is_empty() {
            "all"
        } else {
            &self.state
        };
        Link::to("incidents")
            .field("state", state)
            .field("participant", &self.participant)
            .field("step", &self.step)
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("fault", &self.fault)
            .field("saga", &self.saga)
            .field("cursor", cursor.unwrap_or_default())
            .text()
    }
}

struct Row<'a> {
    of: &'a IncidentRow,
    kind: &'a str,
    error: String,
}

#[derive(Template)]
#[template(path = "console/incidents.html")]
struct ListPage<'a> {
    page: Page<'a>,
    common: &'static Common,
    words: &'static Words,
    asked: &'a Asked,
    kinds: Vec<(&'static str, &'a str)>,
    groups: Vec<Group<'a>>,
    rows: Vec<Row<'a>>,
    next: Option<String>,
    narrow: bool,
    may_operate: bool,
    notice: Option<String>,
}

pub(in crate::console) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Response {
    let (common, words) = (visitor.words(), Words::of(visitor.language));
    let asked = Asked::read(query.as_deref().unwrap_or_default());
    let (coordinator, payloads) = (console.coordinator(), console.api.masked());
    let found = coordinator.incidents(asked.filter(payloads), asked.cursor.clone(), PAGE);
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::unreadable(&visitor, error),
    };
    let groups = match asked.state.as_str() {
        "open" => coordinator.incident_groups(asked.filter(payloads)).await,
        _ => Ok(Vec::new()),
    };
    let groups = match groups {
        Ok(groups) => groups,
        Err(error) => return problem::unreadable(&visitor, error),
    };
    let now = coordinator.clock().now();
    let page = Page::new(&console, &visitor, Place::Incidents, common.incidents);
    let shown = ListPage {
        page: page.await.live(),
        common,
        words,
        asked: &asked,
        kinds: IncidentKind::ALL
            .iter()
            .map(|kind| (kind.as_str(), words.kind(kind.as_str())))
            .collect(),
        groups: groups
            .iter()
            .map(|of| Group::new(of, visitor.language, now, payloads))
            .collect(),
        rows: found
            .items
            .iter()
            .map(|of| Row {
                of,
                kind: words.kind(&of.kind),
                error: shape::visible(&payloads.text(&of.error)),
            })
            .collect(),
        next: found
            .next_cursor
            .as_deref()
            .map(|cursor| asked.link(Some(cursor))),
        narrow: asked.is_narrow(),
        may_operate: visitor.may_operate(),
        notice: asked
            .decided
            .map(|(done, of)| format!("{} {done} {} {of}", words.decided, words.of)),
    };
    render(StatusCode::OK, &shown)
}
