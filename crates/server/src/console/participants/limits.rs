//! The form of a participant's limits: written as the document that the API takes, and handed to the
//! same code, which says whether it can be kept to.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::Typed;
use crate::api::set_limits;
use crate::audit::Detail;
use crate::console::form::Form;
use crate::console::link::Link;
use crate::console::visitor::Visitor;
use crate::console::{Console, problem};

/// Changes what a participant may be asked to bear.
pub(in crate::console) async fn set(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
    form: Form,
) -> Response {
    if !visitor.may_operate() {
        return problem::of(&visitor, StatusCode::FORBIDDEN, visitor.words().may_not);
    }
    let document = document(&form).to_string();
    match set_limits(&console.api, &name, document.as_bytes()).await {
        Ok(_) => {
            let link = Link::to("participants").field("saved", &name);
            let mut response = Redirect::to(&link.text()).into_response();
            response.extensions_mut().insert(Detail(detail(&form)));
            response
        }
        // What was typed is not lost.
        Err(problem) => {
            let typed = Typed {
                name: &name,
                form: &form,
                why: problem.detail(),
            };
            super::page(&console, &visitor, None, Some((problem.status(), typed))).await
        }
    }
}

/// What the form says, as the API's document. What is no number is left a string, for the API to
/// refuse by the field's name.
fn document(form: &Form) -> Value {
    let value = |field: &str| match form.text(field).map(str::trim) {
        None => Value::Null,
        Some(text) => serde_json::from_str(text)
            .ok()
            .filter(Value::is_number)
            .unwrap_or_else(|| text.into()),
    };
    let breaker = match value("failures") {
        Value::Null => Value::Null,
        failures => json!({"failures": failures}),
    };
    json!({
        "max_concurrent": value("max_concurrent"),
        "max_per_second": value("max_per_second"),
        "breaker": breaker,
    })
}

fn detail(form: &Form) -> String {
    let text = |field| form.text(field).map_or("none", str::trim);
    format!(
        "max_concurrent {}, max_per_second {}, breaker {}",
        text("max_concurrent"),
        text("max_per_second"),
        text("failures")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_the_document_that_the_api_takes() {
        for (form, expected) in [
            (
                "max_concurrent=+7&max_per_second=&failures=",
                json!({"max_concurrent": 7, "max_per_second": null, "breaker": null}),
            ),
            (
                "max_concurrent=x&max_per_second=2.5&failures=9",
                json!({"max_concurrent": "x", "max_per_second": 2.5, "breaker": {"failures": 9}}),
            ),
            (
                "max_concurrent=1,2&max_per_second=1e999&failures=off",
                json!({"max_concurrent": "1,2", "max_per_second": "1e999", "breaker": {"failures": "off"}}),
            ),
        ] {
            assert_eq!(document(&Form::read(form)), expected, "{form}");
        }
    }
}
