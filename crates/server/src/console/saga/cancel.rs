//! Asks a saga to go back. Whether it still can is for the coordinator to say.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;

use super::page::again;
use crate::api::Problem;
use crate::audit::ANONYMOUS;
use crate::console::form::Form;
use crate::console::link::Link;
use crate::console::visitor::Visitor;
use crate::console::{Console, problem};

pub(in crate::console) async fn cancel(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    _form: Form,
) -> Response {
    if !visitor.may_operate() {
        return problem::of(&visitor, StatusCode::FORBIDDEN, visitor.words().may_not);
    }
    let by = visitor.name().unwrap_or(ANONYMOUS);
    match console.coordinator().cancel(&id, by).await {
        Ok(()) => Redirect::to(&Link::to("sagas").part(&id).text()).into_response(),
        Err(error) => {
            let why = Problem::from(error);
            again(&console, &visitor, &id, why.status(), why.detail()).await
        }
    }
}
