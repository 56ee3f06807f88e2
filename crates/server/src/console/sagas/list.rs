//! A page of the list: what was asked for, what was found, and where to go on.
//!
//! A search looks for so long and no longer; then the page says how far back it has come.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use settled::journal::{ReadError, SagaFilter, reached};
use settled::protocol::{SagaState, StepIndex, StepState, Timestamp};
use settled::snapshot::SagaSnapshot;

use super::words::Words;
use crate::api::search;
use crate::console::form::Form;
use crate::console::page::{Page, Place, render};
use crate::console::saga::{masked_text, shown_text};
use crate::console::visitor::Visitor;
use crate::console::words::Common;
use crate::console::{Console, problem, shape};
use crate::view::Shown as Payloads;

const PAGE: usize = 50;

/// The longest text to search for, as in the API.
const LONGEST: usize = 256;

/// Of more steps than these only numbers are shown.
const MOST_PIPS: usize = 16;

/// How much of a reason the list shows.
const REASON: usize = 140;

/// What was asked for in the address.
struct Asked {
    text: String,
    name: String,
    state: String,
    since: String,
    until: String,
    cursor: Option<String>,
}

impl Asked {
    fn read(query: &str) -> Self {
        let form = Form::read(query);
        let text = |name| {
            let text = form.text(name).unwrap_or_default().trim();
            text.chars().take(LONGEST).collect()
        };
        Self {
            text: text("q"),
            name: text("name"),
            state: text("state"),
            since: text("since"),
            until: text("until"),
            cursor: form.text("cursor").map(str::to_owned),
        }
    }

    /// The error is the text that is no time.
    fn filter(&self) -> Result<SagaFilter, &str> {
        let wanted = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(SagaFilter {
            state: SagaState::parse(&self.state),
            name: wanted(&self.name),
            since: moment(&self.since)?,
            until: moment(&self.until)?,
            text: wanted(&self.text),
            seen: None,
        })
    }

    /// Whether not every saga is asked for.
    fn is_narrow(&self) -> bool {
        [
            &self.text,
            &self.name,
            &self.state,
            &self.since,
            &self.until,
        ]
        .iter()
        .any(|text| !text.is_empty())
    }

    /// The address of the same list, from a cursor on.
    fn link(&self, cursor: &str) -> String {
        let mut link = String::from("/console/sagas?");
        let fields = [
            ("q", &*self.text),
            ("name", &self.name),
            ("state", &self.state),
            ("since", &self.since),
            ("until", &self.until),
            ("cursor", cursor),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            if !link.ends_with('?') {
                link.push('&');
            }
            let value =
                percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            link.extend([name, "="]);
            link.extend(value);
        }
        link
    }
}

/// A time as fields of a page write it, in UTC, or with an offset.
fn moment(text: &str) -> Result<Option<Timestamp>, &str> {
    if text.is_empty() {
        return Ok(None);
    }
    let exact = text.parse::<jiff::Timestamp>().ok();
    let time = exact.or_else(|| {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    });
    time.map(|time| Some(Timestamp(time.as_microsecond())))
        .ok_or(text)
}

/// One saga of the list.
pub(super) enum Row<'a> {
    Saga(Box<SagaRow<'a>>),
    Unreadable(&'a str),
}

pub(super) struct SagaRow<'a> {
    of: &'a SagaSnapshot,
    state: SagaState,
    done: usize,
    steps: usize,
    /// A sign for each step, where there are not too many.
    pips: Vec<&'static str>,
    took: String,
    reason: Option<String>,
    open_incidents: usize,
    exact: bool,
}

impl<'a> SagaRow<'a> {
    fn new(of: &'a SagaSnapshot, exact: bool, now: Timestamp, how: Payloads<'_>) -> Self {
        let saga = &of.saga;
        let steps: Vec<StepState> = saga
            .steps()
            .skip(usize::from(saga.plan().function))
            .map(|step| step.state)
            .collect();
        let is_done = |state: &&StepState| **state == StepState::Done;
        let step_name = |step: StepIndex| {
            let step = saga.plan().steps.get(usize::from(step));
            step.map_or("", |step| &step.name)
        };
        let open = saga.incidents().iter().find(|incident| incident.open);
        let reason = match (saga.reason(), open) {
            (Some(reason), _) => Some(in_short(reason.step.map(step_name), &reason.message, how)),
            // It did not go back, and waits for a person all the same.
            (None, Some(incident)) => {
                let view = saga.steps().nth(usize::from(incident.leg.step));
                let error = view.and_then(|view| view.error);
                error.map(|error| in_short(Some(step_name(incident.leg.step)), error, how))
            }
            (None, None) => None,
        };
        Self {
            of,
            state: saga.state(now),
            done: steps.iter().filter(is_done).count(),
            steps: steps.len(),
            pips: match steps.len() {
                0..=MOST_PIPS => steps.iter().map(|state| state.as_str()).collect(),
                _ => Vec::new(),
            },
            took: shape::span((saga.settled_at().unwrap_or(now) - of.created_at).0),
            reason,
            open_incidents: saga.incidents().iter().filter(|one| one.open).count(),
            exact,
        }
    }
}

/// A reason on one line.
fn in_short(step: Option<&str>, message: &str, how: Payloads<'_>) -> String {
    let mut text = masked_text(message, how);
    if let Some((end, _)) = text.char_indices().nth(REASON) {
        text.truncate(end);
        text.push('…');
    }
    match step {
        Some(step) => format!("{}: {text}", shown_text(step)),
        None => text,
    }
}

#[derive(Template)]
#[template(path = "console/sagas.html")]
struct ListPage<'a> {
    page: Page<'a>,
    common: &'static Common,
    words: &'static Words,
    asked: &'a Asked,
    states: Vec<&'static str>,
    rows: Vec<Row<'a>>,
    next: Option<String>,
    /// How far back a search has come whose page is not full.
    back_to: Option<Timestamp>,
    narrow: bool,
    wrong: Option<String>,
}

pub(in crate::console) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Response {
    let (common, words) = (visitor.words(), Words::of(visitor.language));
    let asked = Asked::read(query.as_deref().unwrap_or_default());
    let (coordinator, how) = (console.coordinator(), console.api.masked());
    let (filter, wrong) = match asked.filter() {
        Ok(filter) => (Some(filter), None),
        Err(text) => (None, Some(format!("“{}” {}", text, words.wrong_time))),
    };
    // Whoever has an id gets it at once, however far back the saga is.
    let exact = match &filter {
        Some(_) if asked.cursor.is_none() && !asked.text.is_empty() => {
            match coordinator.saga(&asked.text).await {
                Ok(saga) => saga,
                // What is damaged is found in the list, and said there.
                Err(ReadError::Damaged { .. }) => None,
                Err(error) => return problem::unreadable(&visitor, error),
            }
        }
        _ => None,
    };
    let found = match filter {
        Some(filter) => search(coordinator, filter, asked.cursor.clone(), PAGE, how).await,
        None => Ok(settled::journal::Page {
            items: Vec::new(),
            next_cursor: None,
        }),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return problem::unreadable(&visitor, error),
    };
    let now = coordinator.clock().now();
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(found.items.len() + 1);
    let saga_row = |of, exact| Row::Saga(Box::new(SagaRow::new(of, exact, now, how)));
    rows.extend(exact.as_ref().map(|of| saga_row(of, true)));
    for item in &found.items {
        match item {
            Ok(of) if exact.as_ref().is_some_and(|exact| exact.id == of.id) => {}
            Ok(of) => rows.push(saga_row(of, false)),
            Err(ReadError::Damaged { saga, .. }) => rows.push(Row::Unreadable(saga)),
            Err(error) => return problem::unreadable(&visitor, error.clone()),
        }
    }
    let cursor = found.next_cursor.as_deref();
    let is_short = found.items.len() < PAGE;
    let page = Page::new(&console, &visitor, Place::Sagas, common.sagas).await;
    let shown = ListPage {
        // A page further back stays as it is: newer sagas would push it along under the eyes.
        page: match asked.cursor {
            None if asked.text.is_empty() => page.live(),
            _ => page,
        },
        common,
        words,
        asked: &asked,
        states: SagaState::ALL.iter().map(|state| state.as_str()).collect(),
        rows,
        next: cursor.map(|cursor| asked.link(cursor)),
        back_to: cursor.filter(|_| is_short).and_then(reached),
        narrow: asked.is_narrow(),
        wrong,
    };
    let status = match &shown.wrong {
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::OK,
    };
    render(status, &shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_fields_of_a_page_write_them() {
        let expected = Ok(Some(Timestamp(1_767_225_600_000_000)));
        for text in [
            "2026-01-01T00:00",
            "2026-01-01T00:00:00",
            "2026-01-01T08:00:00+08:00",
        ] {
            assert_eq!(moment(text), expected, "{text}");
        }
        assert_eq!(moment(""), Ok(None));
        assert_eq!(moment("soon"), Err("soon"));
    }

    #[test]
    fn a_link_keeps_what_was_asked_for() {
        let asked = Asked::read("q=a%26b&state=stuck&cursor=old");
        let link = asked.link("s1");
        assert_eq!(link, "/console/sagas?q=a%26b&state=stuck&cursor=s1");
        assert!(asked.is_narrow());
        assert!(!Asked::read("cursor=x&q=").is_narrow());
    }
}
