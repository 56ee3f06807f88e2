//! The functions of the simulated program: they do what their script says, and their closures call
//! the participants over the wire.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settled::function::Registry;
use settled::participant::{Answer, Response};
use settled::{
    Call, CallError, CompensateOrder, Failure, OnRefusal, OnUnknown, Operation, OperationPolicy,
    Propagation, Retry, Saga, StepError,
};
use settled_protocol::Span;

use super::document::Kind;
use super::script::{FUNCTIONS, How, OPERATIONS, Part, Script, StepSpec};
use super::wire::{Mortal, Wire};

/// The program: every function and operation that there is.
pub(super) fn registry(wire: &Wire) -> Arc<Registry<Wire>> {
    let mut registry = Registry::new(wire.clone());
    for (name, order, forward) in [
        (FUNCTIONS[0], CompensateOrder::Reverse, false),
        (FUNCTIONS[1], CompensateOrder::Parallel, false),
        (FUNCTIONS[2], CompensateOrder::Reverse, true),
    ] {
        let wire = wire.clone();
        registry.add(name, order, forward, move |saga, script| Mortal {
            future: Box::pin(scripted(saga, script)),
            wire: wire.clone(),
        });
    }
    registry.add_operation(OPERATIONS[0], Platform::<true>::default());
    registry.add_operation(OPERATIONS[1], Platform::<false>::default());
    registry.add_operation(OPERATIONS[2], Platform::<true> { stubborn: true });
    registry.set_apart(Box::new(wire.clone()));
    Arc::new(registry)
}

async fn scripted(saga: Saga<Wire>, script: Script) -> Result<Value, Failure> {
    let done = parts(&saga, &script.parts).await?;
    Ok(json!({"amount": script.amount, "done": done}))
}

type Parts<'a> = Pin<Box<dyn Future<Output = Result<Vec<Value>, Failure>> + Send + 'a>>;

/// Does the parts one after the other; what each of them gave.
fn parts<'a>(saga: &'a Saga<Wire>, script: &'a [Part]) -> Parts<'a> {
    Box::pin(async move {
        let mut done = Vec::new();
        for part in script {
            match part {
                Part::Step(spec) => done.push(step(saga, spec, None).await?),
                Part::Handled(spec, instead) => match (step(saga, spec, None).await, instead) {
                    (Ok(result), _) => done.push(result),
                    (Err(_), Some(instead)) => done.push(step(saga, instead, None).await?),
                    (Err(error), None) => done.push(json!(error.to_string())),
                },
                Part::Together(lanes) => {
                    let lanes = lanes.iter().map(|lane| parts(saga, lane)).collect();
                    for lane in together(lanes).await {
                        done.extend(lane?);
                    }
                }
                Part::First(one, other) => done.push(first(saga, one, other).await?),
                Part::Loop(turns, spec) => {
                    for turn in 0..*turns {
                        done.push(step(saga, spec, Some(turn)).await?);
                    }
                }
                Part::Call {
                    how,
                    part,
                    script,
                    handled,
                } => {
                    let propagation = match how {
                        How::Required => Propagation::Required,
                        How::Nested => Propagation::Nested,
                        How::RequiresNew => Propagation::RequiresNew,
                    };
                    let call = saga.call(FUNCTIONS[0], script).named(part);
                    let call = call
                        .propagation(propagation)
                        .timeout(Duration::from_mins(5));
                    match call.returning::<Value>().await {
                        Ok(result) => done.push(result),
                        Err(failure) if *handled => done.push(json!(failure.message())),
                        Err(failure) => return Err(failure),
                    }
                }
                Part::Pause(millis) => saga.state().pause(*millis).await,
                Part::Fail => return Err(Failure::new("the script gives up")),
                // Without the hook, which would write of it.
                Part::Panic => std::panic::resume_unwind(Box::new("simulated")),
            }
        }
        Ok(done)
    })
}

/// Awaits all of them side by side.
async fn together(mut lanes: Vec<Parts<'_>>) -> Vec<Result<Vec<Value>, Failure>> {
    let mut ended: Vec<Option<Result<Vec<Value>, Failure>>> = lanes.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (lane, end) in lanes.iter_mut().zip(&mut ended) {
            if end.is_none()
                && let Poll::Ready(result) = lane.as_mut().poll(context)
            {
                *end = Some(result);
            }
        }
        if ended.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    ended.into_iter().flatten().collect()
}

/// Awaits what ends first, and drops the other.
async fn first(saga: &Saga<Wire>, one: &StepSpec, other: &StepSpec) -> Result<Value, StepError> {
    let mut one = Box::pin(step(saga, one, None));
    let mut other = Box::pin(step(saga, other, None));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Ready(end) => Poll::Ready(end),
        Poll::Pending => other.as_mut().poll(context),
    })
    .await
}

async fn step(saga: &Saga<Wire>, spec: &StepSpec, turn: Option<u32>) -> Result<Value, StepError> {
    let name = match turn {
        Some(turn) => format!("{}.{turn}", spec.name),
        None => spec.name.clone(),
    };
    let kind = spec.kind;
    let millis = |millis: u32| Duration::from_millis(u64::from(millis));
    let mut step = saga
        .step(name)
        .input(&json!({"of": spec.name}))
        .action(move |call: Call<Wire>, input: Value| act(kind, call, input))
        .timeout(millis(spec.timeout))
        .retry(retry(spec))
        .participant(kind.host())
        .callback_timeout(Duration::from_mins(1))
        .on_unknown(match &*spec.policy {
            "retry" => OnUnknown::Retry,
            "check" => OnUnknown::Check,
            _ => OnUnknown::Incident,
        });
    if spec.has_check {
        step = step.check(move |call: Call<Wire>, _| ask(kind, call));
    }
    if spec.has_compensation {
        step = step.compensation(move |call: Call<Wire>, _, result: Value| async move {
            act(kind, call, json!({"undo": result})).await.map(drop)
        });
        if spec.has_compensation_check {
            step = step.compensation_check(move |call: Call<Wire>, _| async move {
                ask(kind, call).await.map(|found| found.is_some())
            });
        }
    }
    if spec.compensate_unknown {
        step = step.compensate_unknown();
    }
    if spec.pivot {
        step = step.pivot();
    }
    if let Some(window) = spec.key_window {
        step = step.key_window(millis(window));
    }
    step.await
}

fn retry(spec: &StepSpec) -> Retry {
    Retry {
        max_attempts: spec.max_attempts,
        first_delay: Span::from_millis(i64::from(spec.first_delay)),
        max_delay: Span::from_millis(i64::from(spec.max_delay)),
        factor: 1.5,
    }
}

/// Calls a participant, and tells its answers apart as a program does.
async fn act(kind: Kind, call: Call<Wire>, body: Value) -> Result<Value, CallError> {
    let answer = call.state().call(kind, call.key(), body).await;
    let response = match answer {
        Answer::NotSent(why) => return Err(CallError::not_sent(why)),
        Answer::Unknown(why) => return Err(CallError::unknown(why)),
        Answer::Responded(response) => response,
    };
    let body = read(&response);
    match response.status {
        200 if body["ok"] == json!(false) => Err(CallError::refused("it says no")),
        200 => Ok(body),
        202 => Err(CallError::pending()),
        409 => Err(CallError::refused("it says no by status")),
        429 => {
            let mut headers = response.headers.iter();
            let wait = headers.find(|(name, _)| name == "retry-after");
            let wait = wait.and_then(|(_, seconds)| seconds.parse().ok());
            let wait = Duration::from_secs(wait.unwrap_or(0));
            Err(CallError::not_sent("too many requests").retry_after(wait))
        }
        status => Err(CallError::unknown(format!("status {status}"))),
    }
}

/// Asks a participant.
async fn ask(kind: Kind, call: Call<Wire>) -> Result<Option<Value>, CallError> {
    match call.state().call(kind, call.key(), Value::Null).await {
        Answer::Responded(response) if response.status == 200 => Ok(Some(read(&response))),
        Answer::Responded(response) if response.status == 404 => Ok(None),
        Answer::Responded(response) => {
            Err(CallError::unknown(format!("status {}", response.status)))
        }
        Answer::NotSent(why) | Answer::Unknown(why) => Err(CallError::unknown(why)),
    }
}

fn read(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_default()
}

/// What an operation is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    amount: u32,
}

/// A platform that cannot be rolled back, and perhaps cannot be asked either.
#[derive(Default)]
struct Platform<const ASKED: bool> {
    stubborn: bool,
}

impl<const ASKED: bool> Operation<Wire> for Platform<ASKED> {
    type Input = Order;
    type Output = Value;

    const CAN_BE_ASKED: bool = ASKED;

    async fn call(&self, call: Call<Wire>, order: Order) -> Result<Value, CallError> {
        act(Kind::Plain, call, json!({"amount": order.amount})).await
    }

    async fn ask(&self, call: Call<Wire>, _: Order) -> Result<Option<Value>, CallError> {
        ask(Kind::Plain, call).await
    }

    async fn record(&self, call: Call<Wire>, _: Order, output: Value) -> Result<(), CallError> {
        // The program's own database, where the key is recorded with the rest.
        act(Kind::HonoursKey, call, output).await.map(drop)
    }

    fn policy(&self) -> OperationPolicy {
        OperationPolicy {
            on_refusal: if self.stubborn {
                OnRefusal::Retry
            } else {
                OnRefusal::Incident
            },
            timeout: Duration::from_secs(1),
            ..OperationPolicy::default()
        }
    }
}
