//! A step's closures with their types forgotten: JSON in, JSON out.
//!
//! What does not fit the types that are in the code now is found out here, before anybody is called.

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;
use settled_protocol::{Direction, Json};

use super::call::{Call, CallError};
use crate::engine::{CallEnd, Invocation};

/// A future that may move between threads, in a box.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The closures of one step.
pub(crate) trait Closures: Send + Sync {
    /// Begins the call that is asked for. The future does nothing before it is polled.
    fn call(&self, invocation: &Invocation) -> Boxed<CallEnd>;
}

pub(super) type Action<S, I, T> =
    Box<dyn Fn(Call<S>, I) -> Boxed<Result<T, CallError>> + Send + Sync>;
pub(super) type Compensation<S, I, T> =
    Box<dyn Fn(Call<S>, I, T) -> Boxed<Result<(), CallError>> + Send + Sync>;
pub(super) type Check<S, I, T> =
    Box<dyn Fn(Call<S>, I) -> Boxed<Result<Option<T>, CallError>> + Send + Sync>;

/// The closures of a step with their types.
pub(super) struct Typed<S, I, T> {
    pub(super) state: S,
    pub(super) saga: std::sync::Arc<str>,
    pub(super) step: String,
    pub(super) action: Action<S, I, T>,
    pub(super) compensation: Option<Compensation<S, I, T>>,
    pub(super) check: Option<Check<S, I, T>>,
    pub(super) compensation_check: Option<Check<S, I, ()>>,
}

impl<S, I, T> Closures for Typed<S, I, T>
where
    S: Clone + Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
{
    fn call(&self, invocation: &Invocation) -> Boxed<CallEnd> {
        match self.begin(invocation) {
            Ok(call) => call,
            Err(end) => Box::pin(std::future::ready(end)),
        }
    }
}

impl<S, I, T> Typed<S, I, T>
where
    S: Clone + Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
{
    fn begin(&self, invocation: &Invocation) -> Result<Boxed<CallEnd>, CallEnd> {
        let input: I = read("input", &invocation.input)?;
        let call = Call::new(self.state.clone(), &self.saga, &self.step, invocation);
        Ok(match (invocation.leg.direction, invocation.is_check) {
            (Direction::Action, false) => {
                let done = (self.action)(call, input);
                Box::pin(
                    async move { done.await.map_or_else(CallError::into_end, |r| written(&r)) },
                )
            }
            (Direction::Compensation, false) => {
                let Some(compensation) = &self.compensation else {
                    return Err(missing("compensation"));
                };
                let result: T = read("result", &invocation.result)?;
                let done = compensation(call, input, result);
                Box::pin(async move {
                    done.await
                        .map_or_else(CallError::into_end, |()| CallEnd::Done(Json::null()))
                })
            }
            (Direction::Action, true) => {
                let Some(check) = &self.check else {
                    return Err(missing("check"));
                };
                found(check(call, input))
            }
            (Direction::Compensation, true) => {
                let Some(check) = &self.compensation_check else {
                    return Err(missing("compensation_check"));
                };
                found(check(call, input))
            }
        })
    }
}

fn found<T: Serialize + 'static>(asked: Boxed<Result<Option<T>, CallError>>) -> Boxed<CallEnd> {
    Box::pin(async move {
        match asked.await {
            Ok(Some(result)) => match written(&result) {
                CallEnd::Done(result) => CallEnd::Found(Some(result)),
                other => other,
            },
            Ok(None) => CallEnd::Found(None),
            Err(error) => error.into_end(),
        }
    })
}

/// A result as it goes on record. One that cannot be written down belongs to a call that took
/// effect, so that nothing certain can be said of it here.
fn written<T: Serialize>(result: &T) -> CallEnd {
    match to_json(result) {
        Ok(json) => CallEnd::Done(json),
        Err(why) => CallEnd::Unknown(format!("its result cannot be written as JSON: {why}")),
    }
}

fn missing(what: &str) -> CallEnd {
    CallEnd::Broken(format!("the step has no {what}"))
}

fn read<T: DeserializeOwned>(what: &str, json: &Json) -> Result<T, CallEnd> {
    from_json(json).map_err(|why| CallEnd::Mismatch {
        error: format!("the {what} on record does not fit the type in the code: {why}"),
        stored: json.clone(),
    })
}

pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Json, serde_json::Error> {
    serde_json::to_string(value).map(Json::from_valid)
}

pub(super) fn from_json<T: DeserializeOwned>(json: &Json) -> Result<T, serde_json::Error> {
    serde_json::from_str(json.as_str())
}
