//! What a person changes of schedules: read from forms and handed to the coordinator.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;

use super::words::Words;
use super::{list, one};
use crate::api::{Problem, no_marks};
use crate::audit::{Detail, Target};
use crate::console::form::Form;
use crate::console::link::Link;
use crate::console::visitor::Visitor;
use crate::console::{Console, problem};

fn may_not(visitor: &Visitor) -> Option<Response> {
    let refused = || problem::of(visitor, StatusCode::FORBIDDEN, visitor.words().may_not);
    (!visitor.may_operate()).then(refused)
}

fn to_page(name: &str, field: &str, value: &str) -> Response {
    let link = Link::to("schedules").part(name).field(field, value);
    Redirect::to(&link.text()).into_response()
}

/// Makes a new schedule.
pub(in crate::console) async fn make(
    State(console): State<Console>,
    visitor: Visitor,
    form: Form,
) -> Response {
    if let Some(refused) = may_not(&visitor) {
        return refused;
    }
    let words = Words::of(visitor.language);
    let name = form.text("name").unwrap_or_default().trim();
    let made = async {
        let document = form.text("document");
        let Some(document) = document.filter(|_| !name.is_empty()) else {
            let why = if name.is_empty() {
                words.no_name
            } else {
                words.no_document
            };
            return Err((StatusCode::BAD_REQUEST, why.to_owned()));
        };
        // A damaged record may be put in order from here.
        if let Ok(Some(_)) = console.coordinator().schedule(name).await {
            return Err((StatusCode::CONFLICT, words.is_there.to_owned()));
        }
        put_document(&console, name, document).await
    };
    let mut response = match made.await {
        Ok(_) => to_page(name, "put", "new"),
        Err((status, why)) => list::again(&console, &visitor, &form, status, &why).await,
    };
    let target = Target(name.to_owned());
    response.extensions_mut().insert(target);
    response
}

/// Puts another document in the place of the one that a schedule has.
pub(in crate::console) async fn put(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
    form: Form,
) -> Response {
    if let Some(refused) = may_not(&visitor) {
        return refused;
    }
    let put = if let Some(document) = form.text("document") {
        put_document(&console, &name, document).await
    } else {
        let why = Words::of(visitor.language).no_document;
        Err((StatusCode::BAD_REQUEST, why.to_owned()))
    };
    match put {
        Ok(new) => to_page(&name, "put", if new { "new" } else { "same" }),
        Err((status, why)) => one::again(&console, &visitor, &name, &form, status, &why).await,
    }
}

async fn put_document(
    console: &Console,
    name: &str,
    document: &str,
) -> Result<bool, (StatusCode, String)> {
    let refused = |problem: Problem| (problem.status(), problem.detail().to_owned());
    no_marks(document.as_bytes()).map_err(refused)?;
    let put = console
        .coordinator()
        .put_schedule(name, document.as_bytes());
    put.await
        .map(|(_, new)| new)
        .map_err(|error| refused(Problem::from(error)))
}

/// Removes a schedule.
pub(in crate::console) async fn delete(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
    _form: Form,
) -> Response {
    if let Some(refused) = may_not(&visitor) {
        return refused;
    }
    match console.coordinator().delete_schedule(&name).await {
        Ok(()) => {
            let link = Link::to("schedules").field("deleted", &name);
            Redirect::to(&link.text()).into_response()
        }
        Err(error) => problem::from(&visitor, &Problem::from(error)),
    }
}

/// Runs a schedule's saga now, out of turn.
pub(in crate::console) async fn trigger(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
    form: Form,
) -> Response {
    if let Some(refused) = may_not(&visitor) {
        return refused;
    }
    match console.coordinator().trigger_schedule(&name, None).await {
        Ok(run) => {
            let mut response = to_page(&name, "triggered", &run.saga.id);
            let detail = Detail(run.saga.id.to_string());
            response.extensions_mut().insert(detail);
            response
        }
        Err(error) => {
            let problem = Problem::from(error);
            let (status, why) = (problem.status(), problem.detail());
            one::again(&console, &visitor, &name, &form, status, why).await
        }
    }
}
