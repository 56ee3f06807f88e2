//! A person's decision, on one incident or on many: read from a form and handed to the coordinator,
//! which says whether it fits.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use settled::protocol::{Decision, Json, Resolution};

use super::one;
use super::words::Words;
use crate::api::{MOST, detail, resolve, resolve_all};
use crate::audit::ANONYMOUS;
use crate::console::form::Form;
use crate::console::link::Link;
use crate::console::visitor::Visitor;
use crate::console::{Console, problem};

/// The longest note, in bytes.
const LONGEST_NOTE: usize = 10_000;

/// Decides one incident.
pub(in crate::console) async fn resolve_one(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: Form,
) -> Response {
    if !visitor.may_operate() {
        return problem::of(&visitor, StatusCode::FORBIDDEN, visitor.words().may_not);
    }
    let decided = match resolution(&visitor, &form) {
        Err(why) => Err((StatusCode::BAD_REQUEST, why)),
        Ok(resolution) => {
            let detail = detail(&resolution);
            match resolve(&console.api, &id, resolution).await {
                Ok(_) => Ok(detail),
                Err(problem) => Err((problem.status(), problem.detail().to_owned())),
            }
        }
    };
    match decided {
        Ok(detail) => {
            let link = Link::to("incidents").part(&id);
            let mut response = Redirect::to(&link.text()).into_response();
            response.extensions_mut().insert(detail);
            response
        }
        // What was typed is not lost.
        Err((status, why)) => one::again(&console, &visitor, &id, &form, status, &why).await,
    }
}

/// Decides many incidents alike.
pub(in crate::console) async fn resolve_many(
    State(console): State<Console>,
    visitor: Visitor,
    form: Form,
) -> Response {
    if !visitor.may_operate() {
        return problem::of(&visitor, StatusCode::FORBIDDEN, visitor.words().may_not);
    }
    let ids: Vec<String> = form.all("id").map(str::to_owned).collect();
    let resolution = match resolution(&visitor, &form) {
        Ok(resolution) => resolution,
        Err(why) => return problem::of(&visitor, StatusCode::BAD_REQUEST, &why),
    };
    if ids.len() > MOST {
        let why = Words::of(visitor.language).too_many;
        return problem::of(&visitor, StatusCode::BAD_REQUEST, why);
    }
    if ids.is_empty() {
        let why = Words::of(visitor.language).select_some;
        return problem::of(&visitor, StatusCode::BAD_REQUEST, why);
    }
    let count = ids.len();
    let (answers, detail) = resolve_all(&console.api, &ids, &resolution).await;
    let done = answers.iter().filter(|answer| answer.is_ok()).count();
    let link = Link::to("incidents")
        .field("state", "open")
        .field("decided", &done.to_string())
        .field("of", &count.to_string());
    let mut response = Redirect::to(&link.text()).into_response();
    response.extensions_mut().insert(detail);
    response
}

/// Reads a decision; the error is for whoever filled in the form.
fn resolution(visitor: &Visitor, form: &Form) -> Result<Resolution, String> {
    let words = Words::of(visitor.language);
    let decision = form
        .text("decision")
        .and_then(Decision::parse)
        .ok_or_else(|| words.choose.to_owned())?;
    let json = |field: &str, called: &str| match form.text(field) {
        None => Ok(None),
        Some(text) => match Json::parse(text.trim()) {
            Ok(json) => Ok(Some(json)),
            Err(_) => Err(format!("{called}: {}", words.not_json)),
        },
    };
    let note = form.text("note").unwrap_or_default().to_owned();
    if note.len() > LONGEST_NOTE {
        return Err(words.long_note.to_owned());
    }
    if decision == Decision::Abandon && note.trim().is_empty() {
        return Err(words.abandon_hint.to_owned());
    }
    Ok(Resolution {
        decision,
        note,
        by: visitor.name().unwrap_or(ANONYMOUS).to_owned(),
        result: match decision {
            Decision::Done => json("result", words.result)?,
            _ => None,
        },
        body: match decision {
            Decision::Retry if form.text("edit").is_some() => {
                let body = json("body", words.edit_request)?;
                Some(body.ok_or_else(|| format!("{}: {}", words.edit_request, words.not_json))?)
            }
            _ => None,
        },
    })
}
