//! Errors as RFC 9457 problems: what is wrong, where, and what was expected; nothing internal.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use settled::coordinator::{CallbackError, CommandError, SubmitError};
use settled::definition::Invalid;
use settled::journal::ReadError;
use settled::protocol::Refusal;
use settled::schedule::ScheduleError;
use utoipa::ToSchema;

/// What kind of problem: each has a type, a title and a status, always the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Invalid,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    TooSlow,
    Conflict,
    TooLarge,
    Damaged,
    Unavailable,
}

impl Kind {
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Invalid => (
                StatusCode::BAD_REQUEST,
                "urn:settled:problem:invalid",
                "The request is malformed",
            ),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "urn:settled:problem:unauthorized",
                "A token is needed",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "urn:settled:problem:forbidden",
                "This is not allowed",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "urn:settled:problem:not-found",
                "There is no such thing",
            ),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "urn:settled:problem:method-not-allowed",
                "The method does not fit",
            ),
            Self::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "urn:settled:problem:too-slow",
                "The request took too long to arrive",
            ),
            Self::Conflict => (
                StatusCode::CONFLICT,
                "urn:settled:problem:conflict",
                "This does not fit what is on record",
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "urn:settled:problem:too-large",
                "The request is too large",
            ),
            Self::Damaged => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "urn:settled:problem:damaged",
                "The record cannot be read",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "urn:settled:problem:unavailable",
                "This is not possible now",
            ),
        }
    }
}

/// An answer that says no.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    field: Option<Box<str>>,
    /// The methods that do fit.
    allow: Option<HeaderValue>,
}

/// How a problem is written.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemView<'a> {
    /// What kind of problem it is: a name that stays the same.
    #[serde(rename = "type")]
    #[schema(example = "urn:settled:problem:invalid")]
    kind: &'static str,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request, the field and what was expected.
    #[schema(example = "limit: expected a whole number from 1 to 500")]
    detail: &'a str,
    /// The field, where one is wrong: a path into the document, or a query parameter's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            field: None,
            allow: None,
        }
    }

    /// A field that is not what was expected.
    pub(crate) fn field(field: impl Into<String>, message: impl std::fmt::Display) -> Self {
        let field = field.into();
        let detail = if field.is_empty() {
            message.to_string()
        } else {
            format!("{field}: {message}")
        };
        Self {
            field: (!field.is_empty()).then(|| field.into()),
            ..Self::new(Kind::Invalid, detail)
        }
    }

    pub(crate) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    pub(crate) fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Conflict, detail)
    }

    /// A token is missing or not known.
    pub(crate) fn unauthorized(detail: &'static str) -> Self {
        Self::new(Kind::Unauthorized, detail)
    }

    /// Not now: the same request may be sent again.
    pub(crate) fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unavailable, detail)
    }

    pub(crate) fn method_not_allowed(allow: Option<HeaderValue>) -> Self {
        let detail = match allow.as_ref().and_then(|allow| allow.to_str().ok()) {
            Some(allow) => format!("the method does not fit this path; expected {allow}"),
            None => "the method does not fit this path".to_owned(),
        };
        Self {
            allow,
            ..Self::new(Kind::MethodNotAllowed, detail)
        }
    }

    /// What is wrong, in words.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.kind.parts().0
    }

    pub(crate) fn view(&self) -> ProblemView<'_> {
        let (status, kind, title) = self.kind.parts();
        ProblemView {
            kind,
            title,
            status: status.as_u16(),
            detail: &self.detail,
            field: self.field.as_deref(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.view()).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self.kind {
            Kind::Unauthorized => {
                let scheme = HeaderValue::from_static("Bearer realm=\"settled\"");
                headers.insert(WWW_AUTHENTICATE, scheme);
            }
            Kind::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, allow);
        }
        response
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::field(invalid.field, invalid.message)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Cursor => {
                Self::field("cursor", "expected the `next_cursor` of an earlier answer")
            }
            // What is wrong may quote a piece of what is on record.
            ReadError::Damaged { ref saga, seq, .. } => {
                tracing::error!(saga, seq, "a saga cannot be read");
                let detail = format!(
                    "the record of saga {saga} is damaged; nothing acts on it, other sagas are not \
                     touched; the coordinator's log says what is wrong"
                );
                Self::new(Kind::Damaged, detail)
            }
            ReadError::Schedule { ref name, .. } => {
                tracing::error!(name, "a schedule cannot be read");
                let detail = format!(
                    "the record of schedule {name} is damaged; it runs no more, other schedules are \
                     not touched; put it again, or delete it"
                );
                Self::new(Kind::Damaged, detail)
            }
            ReadError::Store(_) => {
                tracing::error!(%error, "the journal cannot be read");
                Self::unavailable("the journal cannot be read now; ask again later")
            }
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Conflict => Self {
                field: Some("id".into()),
                ..Self::conflict(error.to_string())
            },
            SubmitError::Unavailable(why) => {
                tracing::warn!(why, "a submission was not taken");
                Self::unavailable(
                    "the saga cannot be taken durably now; send it again later, under the same id",
                )
            }
            SubmitError::Read(error) => error.into(),
        }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound => Self::not_found("there is no such saga"),
            CommandError::Refused(Refusal::NoIncident) => {
                Self::not_found("there is no such incident")
            }
            CommandError::Refused(Refusal::Unfit(why)) => Self::field("decision", why),
            CommandError::Invalid(invalid) => invalid.into(),
            CommandError::Refused(refusal) => Self::conflict(refusal.to_string()),
            CommandError::Unavailable(why) => {
                tracing::warn!(why, "a command was not taken");
                Self::unavailable("this cannot be recorded now; send it again later")
            }
        }
    }
}

impl From<ScheduleError> for Problem {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::Invalid(invalid) => invalid.into(),
            ScheduleError::NotFound => super::schedules::no_schedule(),
            ScheduleError::TooMany | ScheduleError::Broken => Self::conflict(error.to_string()),
            ScheduleError::Conflict => Self {
                field: Some("id".into()),
                ..Self::conflict(error.to_string())
            },
            ScheduleError::Unavailable(why) => {
                tracing::warn!(why, "a schedule was not changed");
                Self::unavailable(
                    "the schedule cannot be changed durably now; send the same again later",
                )
            }
            ScheduleError::Read(error) => error.into(),
        }
    }
}

impl From<CallbackError> for Problem {
    fn from(error: CallbackError) -> Self {
        match error {
            CallbackError::Token => Self::not_found(
                "token: expected the `Settled-Callback` header of a request that was sent by this \
                 coordinator",
            ),
            CallbackError::Command(error) => error.into(),
        }
    }
}
