//! The page of one saga.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use settled::coordinator::History;
use settled::protocol::{Direction, SagaState, Timestamp};
use settled::snapshot::SagaSnapshot;

use super::diagram::{BACK_HEIGHT, HEIGHT, WIDTH};
use super::history::{Told, tell};
use super::picture::{Axis, Picture, draw, on_axis};
use super::timeline::{LEFT, PAUSE, ROW, TOP};
use super::words::Words;
use super::{masked_text, shown_payload, shown_text};
use crate::console::form::Form;
use crate::console::page::{Page, Place, render};
use crate::console::visitor::Visitor;
use crate::console::words::Common;
use crate::console::{Console, problem, shape};
use crate::view::Shown as Payloads;

/// A row of the table of steps.
struct StepRow {
    name: String,
    state: &'static str,
    needs: String,
    is_pivot: bool,
    attempts: u32,
    compensation_attempts: u32,
    error: Option<String>,
    result: Option<String>,
}

struct IncidentLink {
    id: String,
    step: String,
    direction: Direction,
    is_open: bool,
}

/// Why the saga went back.
struct Why {
    step: Option<String>,
    word: String,
    message: String,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question that the template asks"
)]
#[derive(Template)]
#[template(path = "console/saga.html")]
struct SagaPage<'a> {
    page: Page<'a>,
    common: &'static Common,
    words: &'static Words,
    of: &'a SagaSnapshot,
    state: SagaState,
    took: String,
    deadline: Option<Timestamp>,
    why: Option<Why>,
    incidents: Vec<IncidentLink>,
    steps: Vec<StepRow>,
    has_needs: bool,
    input: String,
    picture: Option<Picture>,
    axis: Option<Axis>,
    told: Told,
    may_cancel: bool,
    is_past_pivot: bool,
    wrong: Option<&'a str>,
    reveal: bool,
}

pub(in crate::console) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let asked = Form::read(query.as_deref().unwrap_or_default());
    let reveal = visitor.reveals(&asked);
    page(&console, &visitor, &id, reveal, None).await
}

/// The page once more, with why what was asked for was not done.
pub(super) async fn again(
    console: &Console,
    visitor: &Visitor,
    id: &str,
    status: StatusCode,
    why: &str,
) -> Response {
    page(console, visitor, id, false, Some((status, why))).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    id: &str,
    reveal: bool,
    wrong: Option<(StatusCode, &str)>,
) -> Response {
    let (common, words) = (visitor.words(), Words::of(visitor.language));
    let history = match console.coordinator().history(id).await {
        Ok(Some(history)) => history,
        Ok(None) => return problem::of(visitor, StatusCode::NOT_FOUND, words.no_saga),
        Err(error) => return problem::unreadable(visitor, error),
    };
    let now = console.coordinator().clock().now();
    let History { saga: of, .. } = &history;
    let saga = &of.saga;
    let how = console.api.shown(reveal);
    let told = tell(&history, common, words, how);
    let axis = on_axis(&history, &told.calls, common, now);
    let page = Page::new(console, visitor, Place::Sagas, &of.id).await;
    let is_unsettled = saga.settled().is_none();
    let shown = SagaPage {
        page: if is_unsettled {
            page.live_of(&of.id)
        } else {
            page
        },
        common,
        words,
        of,
        state: saga.state(now),
        took: shape::span((saga.settled_at().unwrap_or(now) - of.created_at).0),
        deadline: saga.deadline_at(),
        why: why(of, common, words, how),
        incidents: incidents(of),
        steps: steps(of, how),
        has_needs: !saga.plan().function,
        input: shown_payload(&of.input, how),
        picture: draw(&history, common, words),
        axis,
        told,
        may_cancel: visitor.may_operate()
            && is_unsettled
            && !saga.has_turned()
            && !saga.is_past_pivot(),
        is_past_pivot: is_unsettled && saga.is_past_pivot(),
        wrong: wrong.map(|(_, why)| why),
        reveal,
    };
    render(wrong.map_or(StatusCode::OK, |(status, _)| status), &shown)
}

fn step_name(of: &SagaSnapshot, step: u16) -> String {
    let step = of.saga.plan().steps.get(usize::from(step));
    step.map_or_else(String::new, |step| shown_text(&step.name))
}

fn why(
    of: &SagaSnapshot,
    common: &'static Common,
    words: &'static Words,
    how: Payloads<'_>,
) -> Option<Why> {
    let reason = of.saga.reason()?;
    let word = match reason.cause.as_str() {
        "cancelled" => words.cause_cancelled,
        "deadline" => words.cause_deadline,
        word => common.word(word),
    };
    Some(Why {
        step: reason.step.map(|step| step_name(of, step)),
        word: word.to_owned(),
        message: masked_text(&reason.message, how),
    })
}

fn incidents(of: &SagaSnapshot) -> Vec<IncidentLink> {
    let incidents = of.saga.incidents().iter().enumerate();
    let mut links: Vec<IncidentLink> = incidents
        .map(|(index, incident)| IncidentLink {
            id: format!("{}~{}", of.id, index + 1),
            step: step_name(of, incident.leg.step),
            direction: incident.leg.direction,
            is_open: incident.open,
        })
        .collect();
    links.sort_by_key(|link| !link.is_open);
    links
}

fn steps(of: &SagaSnapshot, how: Payloads<'_>) -> Vec<StepRow> {
    let plan = of.saga.plan();
    let views = of.saga.steps().zip(&plan.steps);
    views
        .map(|(view, step)| {
            let needs: Vec<String> = step.needs.iter().map(|need| step_name(of, *need)).collect();
            StepRow {
                name: shown_text(view.name),
                state: view.state.as_str(),
                needs: needs.join(", "),
                is_pivot: step.pivot,
                attempts: view.attempts,
                compensation_attempts: view.compensation_attempts,
                error: view.error.map(|error| masked_text(error, how)),
                result: view.result.map(|result| shown_payload(result, how)),
            }
        })
        .collect()
}
