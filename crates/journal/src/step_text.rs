//! How a step that a function added is written down: what differs from the usual, so that the usual
//! step costs next to nothing.
//!
//! What is left out means the constants below. They are part of the format and never change,
//! whatever other defaults the library may have one day.

use serde::Deserialize;
use settled_protocol::{CallPlan, Json, OnUnknown, Retry, Span, StepPlan};

use crate::encode::Object;

const CALLBACK_TIMEOUT: Span = Span::from_secs(24 * 60 * 60);

const USUAL: CallPlan = CallPlan {
    timeout: Span::from_secs(10),
    retry: Retry {
        max_attempts: 10,
        first_delay: Span::from_millis(200),
        max_delay: Span::from_secs(30),
        factor: 2.0,
    },
    on_unknown: OnUnknown::Retry,
    check: None,
};

/// Writes the members of a step; its name has a column of its own.
pub(crate) fn write(step: &StepPlan, object: &mut Object<'_>) {
    object.flag("pivot", step.pivot);
    object.flag("compensate_unknown", step.compensate_unknown);
    object.span("key_window", step.key_window);
    object.span(
        "callback_timeout",
        (step.callback_timeout != CALLBACK_TIMEOUT).then_some(step.callback_timeout),
    );
    if step.action != USUAL {
        object.nested("action", |object| write_call(&step.action, object));
    }
    if let Some(call) = &step.compensation {
        object.nested("compensation", |object| write_call(call, object));
    }
}

fn write_call(call: &CallPlan, object: &mut Object<'_>) {
    object.span(
        "timeout",
        (call.timeout != USUAL.timeout).then_some(call.timeout),
    );
    if call.on_unknown != USUAL.on_unknown {
        object.text(
            "on_unknown",
            Some(match call.on_unknown {
                OnUnknown::Retry => "retry",
                OnUnknown::Check => "check",
                OnUnknown::Incident => "incident",
            }),
        );
    }
    object.span("check", call.check);
    if call.retry != USUAL.retry {
        object.nested("retry", |object| {
            object.number("max_attempts", call.retry.max_attempts);
            object.span("first_delay", Some(call.retry.first_delay));
            object.span("max_delay", Some(call.retry.max_delay));
            // As text: it must be read back exactly, whatever reads it.
            object.text("factor", Some(&call.retry.factor.to_string()));
        });
    }
}

/// A step as it is read back.
#[derive(Deserialize)]
pub(crate) struct StepText {
    #[serde(default)]
    input: Option<Json>,
    #[serde(default)]
    pivot: bool,
    #[serde(default)]
    compensate_unknown: bool,
    #[serde(default)]
    key_window: Option<SpanText>,
    #[serde(default)]
    callback_timeout: Option<SpanText>,
    #[serde(default)]
    action: Option<CallText>,
    #[serde(default)]
    compensation: Option<CallText>,
}

#[derive(Deserialize)]
struct CallText {
    #[serde(default)]
    timeout: Option<SpanText>,
    #[serde(default)]
    on_unknown: Option<OnUnknown>,
    #[serde(default)]
    check: Option<SpanText>,
    #[serde(default)]
    retry: Option<RetryText>,
}

#[derive(Deserialize)]
struct RetryText {
    max_attempts: u32,
    first_delay: SpanText,
    max_delay: SpanText,
    factor: String,
}

/// Microseconds.
#[derive(Clone, Copy, Deserialize)]
#[serde(transparent)]
struct SpanText(i64);

impl StepText {
    pub(crate) fn read(self, name: &str) -> Result<(StepPlan, Json), String> {
        if name.is_empty() {
            return Err("step: expected a name, found nothing".to_owned());
        }
        let plan = StepPlan {
            name: name.to_owned(),
            needs: Vec::new(),
            pivot: self.pivot,
            compensate_unknown: self.compensate_unknown,
            key_window: self.key_window.map(Into::into),
            callback_timeout: (self.callback_timeout).map_or(CALLBACK_TIMEOUT, Into::into),
            action: self.action.map_or(USUAL, Into::into),
            compensation: self.compensation.map(Into::into),
        };
        Ok((plan, self.input.unwrap_or_else(Json::null)))
    }
}

impl From<SpanText> for Span {
    fn from(text: SpanText) -> Self {
        Self(text.0)
    }
}

impl From<CallText> for CallPlan {
    fn from(text: CallText) -> Self {
        Self {
            timeout: text.timeout.map_or(USUAL.timeout, Into::into),
            retry: text.retry.map_or(USUAL.retry, |retry| Retry {
                max_attempts: retry.max_attempts,
                first_delay: retry.first_delay.into(),
                max_delay: retry.max_delay.into(),
                factor: retry.factor.parse().unwrap_or(1.0),
            }),
            on_unknown: text.on_unknown.unwrap_or(USUAL.on_unknown),
            check: text.check.map(Into::into),
        }
    }
}
