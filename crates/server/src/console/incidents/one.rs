//! One incident: what was sent, what came back, where it stands, and the decision.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use settled::journal::IncidentRow;
use settled::protocol::Json;

use super::words::Words;
use crate::api::behind;
use crate::console::form::Form;
use crate::console::page::{Page, Place, render};
use crate::console::visitor::Visitor;
use crate::console::words::Common;
use crate::console::{Console, problem, shape};
use crate::view::{DecisionView, ExchangeView, IncidentDetailView};

/// How many attempts and checks the page shows, and how much of each of their bodies.
const MOST: usize = 30;
const SHORT: usize = 8 * 1024;

/// A request or an answer, in the parts in which it is looked at.
#[derive(Default)]
pub(super) struct Sides {
    method: Option<String>,
    status: Option<String>,
    headers: Option<String>,
    body: Option<String>,
    /// The body to be edited: laid out, and otherwise to the letter.
    editable: Option<String>,
}

/// A decision that may be chosen, with what certainly comes of it.
struct Choice<'a> {
    word: &'static str,
    name: &'static str,
    hint: &'static str,
    foreseen: Option<&'a DecisionView<'a>>,
    chosen: bool,
}

impl Choice<'_> {
    /// What is compensated beyond what is called at once.
    fn later(&self) -> Vec<&str> {
        let Some(foreseen) = self.foreseen else {
            return Vec::new();
        };
        let is_called = |step: &&str| foreseen.calls.iter().any(|call| call.step == *step);
        let later = foreseen.compensates.iter().copied();
        later.filter(|step| !is_called(step)).collect()
    }

    fn is_allowed(&self) -> bool {
        self.foreseen.is_none_or(|foreseen| foreseen.allowed)
    }
}

#[derive(Template)]
#[template(path = "console/incident.html")]
struct IncidentPage<'a> {
    page: Page<'a>,
    common: &'static Common,
    words: &'static Words,
    row: &'a IncidentRow,
    detail: &'a IncidentDetailView<'a>,
    kind: &'a str,
    request: Sides,
    response: Option<Sides>,
    choices: Vec<Choice<'a>>,
    /// The body as it may be edited.
    edited: String,
    typed: &'a Form,
    wrong: Option<&'a str>,
    reveal: bool,
}

impl IncidentPage<'_> {
    fn is_open(&self) -> bool {
        self.row.state == "open"
    }

    /// The last of them; the saga's page has them all.
    fn history(&self) -> &[ExchangeView<'_>] {
        let all = self.detail.history.as_deref().unwrap_or_default();
        &all[all.len().saturating_sub(MOST)..]
    }

    fn took(exchange: &ExchangeView<'_>) -> String {
        exchange.duration_ms.map_or_else(
            || "…".to_owned(),
            |millis| shape::span((millis * 1e3) as i64),
        )
    }

    fn body(body: &Json) -> String {
        let mut shown = shape::payload(body);
        if shown.len() > SHORT {
            shown.truncate(shown.floor_char_boundary(SHORT));
            shown.push_str("\n…");
        }
        shown
    }
}

pub(in crate::console) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let asked = Form::read(query.as_deref().unwrap_or_default());
    let reveal = visitor.reveals(&asked);
    page(&console, &visitor, &id, &Form::read(""), reveal, None).await
}

/// The page once more, with what was typed and why it was not taken.
pub(super) async fn again(
    console: &Console,
    visitor: &Visitor,
    id: &str,
    typed: &Form,
    status: StatusCode,
    why: &str,
) -> Response {
    page(console, visitor, id, typed, false, Some((status, why))).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    id: &str,
    typed: &Form,
    reveal: bool,
    wrong: Option<(StatusCode, &str)>,
) -> Response {
    let (common, words) = (visitor.words(), Words::of(visitor.language));
    let row = match console.coordinator().incident(id).await {
        Ok(Some(row)) => row,
        Ok(None) => return problem::of(visitor, StatusCode::NOT_FOUND, words.nothing_found),
        Err(error) => return problem::unreadable(visitor, error),
    };
    let behind = match behind(&console.api, &row.saga).await {
        Ok(behind) => behind,
        Err(error) => return problem::from(visitor, &error),
    };
    let now = console.coordinator().clock().now();
    let shown = console.api.shown(reveal);
    let detail = IncidentDetailView::new(&row, behind.as_ref(), now, shown);
    let request = detail.incident.request.as_ref().map(sides);
    let typed_body = typed.text("body").map(str::to_owned);
    let edited = typed_body.or_else(|| request.as_ref()?.editable.clone());
    let chosen = typed.text("decision").unwrap_or("retry");
    let choice = |word, name, hint| Choice {
        word,
        name,
        hint,
        foreseen: detail
            .decisions
            .iter()
            .flatten()
            .find(|foreseen| foreseen.decision == word),
        chosen: chosen == word,
    };
    let choices = vec![
        choice("retry", words.retry, words.retry_hint),
        choice("done", words.done, words.done_hint),
        choice("not_done", words.not_done, words.not_done_hint),
        choice("abandon", words.abandon, words.abandon_hint),
    ];
    let page = Page::new(console, visitor, Place::Incidents, &row.id).await;
    // What was typed and not taken is not to be made anew under the hands.
    let page = if wrong.is_some() {
        page
    } else {
        page.live_of(&row.saga)
    };
    let page = IncidentPage {
        page,
        common,
        words,
        row: &row,
        kind: words.kind(&row.kind),
        request: request.unwrap_or_default(),
        response: detail.incident.response.as_ref().map(sides),
        choices,
        edited: edited.unwrap_or_default(),
        typed,
        wrong: wrong.map(|(_, why)| why),
        reveal,
        detail: &detail,
    };
    render(wrong.map_or(StatusCode::OK, |(status, _)| status), &page)
}

/// Takes a request or an answer of the incident table apart.
fn sides(whole: &Json) -> Sides {
    let parsed: Result<Parts<'_>, _> = serde_json::from_str(whole.as_str());
    let Ok(parts) = parsed else {
        return Sides {
            body: Some(shape::payload(whole)),
            ..Sides::default()
        };
    };
    let raw = |raw: Option<&serde_json::value::RawValue>| raw.map(|raw| shape::pretty(raw.get()));
    Sides {
        method: parts.method,
        status: parts.status.map(|status| status.to_string()),
        headers: raw(parts.headers),
        body: raw(parts.body),
        editable: parts.body.map(|body| shape::editable(body.get())),
    }
}

#[derive(serde::Deserialize)]
struct Parts<'a> {
    method: Option<String>,
    status: Option<u16>,
    #[serde(borrow)]
    headers: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow)]
    body: Option<&'a serde_json::value::RawValue>,
}
