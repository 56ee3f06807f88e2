//! The API's description, from the code that answers, and the documents that it takes.
//!
//! The documents here are only described: they are read by hand elsewhere, so that what is wrong
//! with them can be said by field. Tests hold the two together.
#![expect(dead_code, reason = "the fields are there to be described")]

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::view::words;

static DOCUMENT: LazyLock<Vec<u8>> =
    LazyLock::new(|| serde_json::to_vec(&Description::openapi()).unwrap_or_default());

/// The description as JSON.
pub(super) fn document() -> &'static [u8] {
    &DOCUMENT
}

/// Shows this API's description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "system",
    responses((status = 200, description = "This API as an OpenAPI document", body = Value))
)]
pub(super) async fn openapi() -> Response {
    let mut response = (StatusCode::OK, document()).into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// Sagas whose every call ends settled: done, undone, or in front of a person.
#[derive(OpenApi)]
#[openapi(
    info(title = "Settled"),
    tags(
        (name = "sagas", description = "Business actions over several calls"),
        (name = "incidents", description = "What needs a person"),
        (name = "participants", description = "Whom sagas call, and how much"),
        (name = "schedules", description = "Sagas that start by the clock"),
        (name = "system", description = "How the process is"),
    ),
    paths(
        super::sagas::submit,
        super::sagas::list,
        super::sagas::show,
        super::sagas::cancel,
        super::events::events,
        super::callbacks::callback,
        super::audit::list,
        super::incidents::list,
        super::incidents::groups,
        super::incidents::show,
        super::resolve::one,
        super::resolve::many,
        super::participants::list,
        super::participants::show,
        super::participants::put,
        super::schedules::put,
        super::schedules::list,
        super::schedules::show,
        super::schedules::delete,
        super::schedules::trigger,
        super::system::healthz,
        super::system::readyz,
        super::system::metrics,
        openapi,
    )
)]
struct Description;

/// One business action over several calls. `null` stands for a field left out, except in `input`.
#[derive(ToSchema)]
#[schema(example = json!(example()))]
pub(super) struct Submission {
    /// Chosen by the caller; a `UUIDv7` where it is left out.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,128}$")]
    id: Option<String>,
    /// The kind, for search and metrics; `saga` where it is left out.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,128}$")]
    name: Option<String>,
    /// What the steps work with.
    #[schema(required = false)]
    input: Value,
    /// Not settled by then and before the pivot: compensate.
    #[schema(example = "30s")]
    deadline: Option<String>,
    /// In which order to compensate; `reverse` where it is left out.
    compensate: Option<Compensate>,
    /// What is to be done.
    #[schema(min_items = 1)]
    steps: Vec<StepDocument>,
}

/// In which order to compensate.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Compensate {
    Reverse,
    Parallel,
}

/// One call of a saga.
#[derive(ToSchema)]
#[schema(as = StepDocument)]
struct StepDocument {
    /// Its name, in expressions and in the idempotency key.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    name: String,
    /// The call.
    action: CallDocument,
    /// The call that undoes it.
    compensation: Option<CompensationDocument>,
    /// The call that asks whether it happened.
    check: Option<CheckDocument>,
    /// An expression over `response`: the participant said no.
    refused_when: Option<String>,
    /// An expression over `response`: it took effect.
    done_when: Option<String>,
    /// What to do about an unknown outcome.
    on_unknown: Option<OnUnknown>,
    /// How long the participant remembers an idempotency key.
    key_window: Option<String>,
    /// Compensate also where the outcome cannot be found out.
    compensate_unknown: Option<bool>,
    /// How long a pending answer may take to be followed by the real one.
    callback_timeout: Option<String>,
    /// How calls are repeated.
    retry: Option<RetryDocument>,
    /// The steps that must be done first; the one before it where it is left out.
    needs: Option<Vec<String>>,
    /// The step after which there is no way back.
    pivot: Option<bool>,
}

/// What to do about an unknown outcome.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum OnUnknown {
    Retry,
    Check,
    Incident,
}

/// A request to a participant. Strings may hold `${ … }` expressions.
#[derive(ToSchema)]
struct CallDocument {
    /// The HTTP method; `POST` where it is left out.
    method: Option<String>,
    /// The whole URL.
    url: String,
    /// Headers to send.
    headers: Option<HashMap<String, String>>,
    /// The body to send.
    #[schema(required = false)]
    body: Value,
    /// The time limit of one attempt; `10s` where it is left out.
    timeout: Option<String>,
}

/// A compensation; the rules that it leaves out are its step's.
#[derive(ToSchema)]
struct CompensationDocument {
    /// The HTTP method; `POST` where it is left out.
    method: Option<String>,
    /// The whole URL.
    url: String,
    /// Headers to send.
    headers: Option<HashMap<String, String>>,
    /// The body to send.
    #[schema(required = false)]
    body: Value,
    /// The time limit of one attempt; `10s` where it is left out.
    timeout: Option<String>,
    /// How calls are repeated.
    retry: Option<RetryDocument>,
    /// An expression over `response`: the participant said no.
    refused_when: Option<String>,
    /// An expression over `response`: it took effect.
    done_when: Option<String>,
}

/// A question to a participant: did the operation with this key happen?
#[derive(ToSchema)]
struct CheckDocument {
    /// The HTTP method; `GET` where it is left out.
    method: Option<String>,
    /// The whole URL.
    url: String,
    /// Headers to send.
    headers: Option<HashMap<String, String>>,
    /// The body to send.
    #[schema(required = false)]
    body: Value,
    /// The time limit of one question; `10s` where it is left out.
    timeout: Option<String>,
    /// An expression over `response`: it happened.
    done_when: Option<String>,
    /// An expression over `response`: it did not happen.
    not_done_when: Option<String>,
}

/// How calls are repeated.
#[derive(ToSchema)]
struct RetryDocument {
    /// 10 where it is left out.
    max_attempts: Option<u32>,
    /// `200ms` where it is left out.
    first_delay: Option<String>,
    /// `30s` where it is left out.
    max_delay: Option<String>,
    /// 2 where it is left out.
    factor: Option<f64>,
}

/// Who cancels.
#[derive(ToSchema)]
pub(super) struct Cancellation {
    /// Goes on record; the token's name where it is left out.
    by: Option<String>,
}

/// A participant's later answer.
#[derive(ToSchema)]
pub(super) struct Callback {
    /// Whether it took effect.
    #[schema(schema_with = words::answered)]
    outcome: String,
    /// What the call returned.
    #[schema(required = false)]
    result: Value,
}

/// It is on record.
#[derive(Serialize, ToSchema)]
pub(super) struct Taken {
    /// Always true.
    pub(super) taken: bool,
}

/// A decision about an incident.
#[derive(ToSchema)]
#[schema(as = Resolution)]
pub(super) struct ResolutionDocument {
    /// `retry`: call again. `done`: it happened. `not_done`: it did not happen. `abandon`: accept it
    /// as it is.
    #[schema(schema_with = words::decision)]
    decision: String,
    /// Why; `abandon` needs it.
    note: Option<String>,
    /// By whom; the token's name where it is left out.
    by: Option<String>,
    /// For `retry`: what to send instead.
    request: Option<EditedRequest>,
    /// For `done`: what the call returned, as far as the person knows.
    #[schema(required = false)]
    result: Value,
}

/// A request with another body.
#[derive(ToSchema)]
struct EditedRequest {
    /// The body to send instead.
    body: Value,
}

/// A decision about many incidents: either `ids` or `filter` says which.
#[derive(ToSchema)]
#[schema(as = ManyResolutions)]
pub(super) struct ManyResolutionsDocument {
    /// The decision, as for one.
    #[schema(schema_with = words::decision)]
    decision: String,
    /// Why; `abandon` needs it.
    note: Option<String>,
    /// By whom; the token's name where it is left out.
    by: Option<String>,
    /// For `retry`: what to send instead.
    request: Option<EditedRequest>,
    /// For `done`: what the calls returned.
    #[schema(required = false)]
    result: Value,
    /// The incidents' ids.
    #[schema(max_items = 500)]
    ids: Option<Vec<String>>,
    /// Open incidents that match.
    filter: Option<IncidentFilterDocument>,
}

/// Which open incidents.
#[derive(ToSchema)]
#[schema(as = IncidentFilter)]
struct IncidentFilterDocument {
    /// Of the saga with this id.
    saga: Option<String>,
    /// Of sagas of this kind.
    name: Option<String>,
    /// Of the step with this name.
    step: Option<String>,
    /// Of this kind.
    #[schema(schema_with = words::incident_kind)]
    kind: Option<String>,
    /// Whose request went to this `host` or `host:port`.
    participant: Option<String>,
    /// With this fault, as `/v1/incidents/groups` tells it.
    fault: Option<String>,
}

/// What a participant may be asked to bear. What is left out stays as it is.
#[derive(ToSchema)]
#[schema(as = Limits)]
pub(super) struct LimitsDocument {
    /// The most calls under way at a time.
    #[schema(minimum = 1)]
    max_concurrent: Option<u32>,
    /// The most calls begun in a second; null for no limit.
    #[schema(example = 5.0)]
    max_per_second: Option<f64>,
    /// When it is left alone because it does not answer; null for never.
    breaker: Option<BreakerDocument>,
}

/// When a participant is left alone, and for how long. What is left out stays as it is.
#[derive(ToSchema)]
struct BreakerDocument {
    /// After so many calls in a row without a definite answer.
    #[schema(minimum = 1)]
    failures: Option<u32>,
    /// For so long at first; twice as long each time that it still does not answer.
    #[schema(example = "1s")]
    first_pause: Option<String>,
    /// But no longer than this.
    #[schema(example = "60s")]
    max_pause: Option<String>,
}

/// When to run a saga, and which: either `cron` or `every` says when.
#[derive(ToSchema)]
#[schema(as = ScheduleDocument)]
pub(super) struct ScheduleDocument {
    /// Five fields (minute, hour, day of month, month, day of week), or a nickname such as `@daily`.
    #[schema(example = "0 */4 * * *")]
    cron: Option<String>,
    /// The time zone of `cron`; `UTC` where it is left out.
    #[schema(example = "Asia/Shanghai")]
    timezone: Option<String>,
    /// An interval of whole seconds, counted from when it was put.
    every: Option<String>,
    /// The saga to run: a submission without an `id`.
    saga: Submission,
    /// What becomes of due times at which nobody ran: left out, or one run for all of them.
    #[schema(schema_with = words::missed)]
    missed: Option<String>,
    /// What becomes of a due time at which an earlier run is not settled: left out, or its run waits.
    #[schema(schema_with = words::overlap)]
    overlap: Option<String>,
}

/// A run out of turn.
#[derive(ToSchema)]
#[schema(as = Trigger)]
pub(super) struct TriggerDocument {
    /// The same id is the same run; a new one where it is left out.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,50}$")]
    id: Option<String>,
}

/// A submission that shows what there is.
fn example() -> Value {
    serde_json::json!({
        "id": "order-1001",
        "name": "create-order",
        "input": {"items": [{"sku": "A", "qty": 2}], "user": 7},
        "deadline": "30s",
        "compensate": "reverse",
        "steps": [{
            "name": "stock",
            "action": {
                "method": "POST",
                "url": "http://stock.local/deduct",
                "headers": {"x-a": "b"},
                "body": {"items": "${ input.items }"},
                "timeout": "3s"
            },
            "compensation": {
                "url": "http://stock.local/add",
                "body": {"items": "${ steps.stock.result.list }"}
            },
            "check": {
                "method": "GET",
                "url": "http://stock.local/operations/${ key }",
                "done_when": "response.status == 200",
                "not_done_when": "response.status == 404"
            },
            "refused_when": "response.body.isSuccess == false",
            "on_unknown": "check",
            "retry": {"max_attempts": 5, "first_delay": "200ms", "max_delay": "30s", "factor": 2.0},
            "needs": [],
            "pivot": false
        }]
    })
}

#[cfg(test)]
mod tests {
    use settled::definition::Definitions;

    use super::*;

    #[test]
    fn the_example_is_a_submission() {
        let document: Value = serde_json::from_slice(document()).unwrap();
        let example = &document["components"]["schemas"]["Submission"]["example"];
        let parsed = Definitions::new().parse(example.to_string().as_bytes());
        assert_eq!(parsed.unwrap().id.as_deref(), Some("order-1001"));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: Value = serde_json::from_slice(document()).unwrap();
        let text = document.to_string();
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(
                document["components"]["schemas"][name].is_object(),
                "{name}"
            );
        }
        assert!(!text.contains("View"), "a type's own name is shown");
    }
}
