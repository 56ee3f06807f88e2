//! What the tests of this module share.

use bytes::Bytes;
use settled_protocol::{Json, StepIndex};

use super::{Definition, Definitions, Invalid, Scope};
use crate::participant::{Answer, Response};

/// Compiles a list of steps.
pub(super) fn compile(steps: &str) -> Result<std::sync::Arc<Definition>, Invalid> {
    let body = format!(r#"{{"steps":{steps}}}"#);
    Definitions::new()
        .parse(body.as_bytes())
        .map(|submission| submission.definition)
}

/// Compiles one step of which the text is everything but its name.
pub(super) fn step(rest: &str) -> Result<std::sync::Arc<Definition>, Invalid> {
    compile(&format!(r#"[{{"name":"a",{rest}}}]"#))
}

/// An answer.
pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    Answer::Responded(Response {
        status,
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
    })
}

/// Hands `then` a scope over these values.
pub(super) fn scope<T>(
    input: &str,
    results: &[Option<&str>],
    then: impl FnOnce(&Scope<'_>) -> T,
) -> T {
    let input = Json::parse(input).unwrap();
    let results: Vec<Option<Json>> = results
        .iter()
        .map(|text| text.map(|text| Json::parse(text).unwrap()))
        .collect();
    let results = |step: StepIndex| results.get(usize::from(step))?.as_ref();
    then(&Scope {
        saga_id: "order-1",
        key: "order-1/a/action",
        input: &input,
        results: &results,
    })
}
