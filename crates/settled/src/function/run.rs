//! One run of a saga's function, without a runtime: polled by whoever has one.
//!
//! A run makes no calls and keeps no time. It is asked to go on, and says what it then wants; its
//! closures are called from outside. The coordinator runs it as a task of tokio's, the simulator on
//! one thread.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use settled_protocol::{Json, StepEnd, StepIndex};

use super::closures::Boxed;
use super::desk::Desk;
use super::error::Failure;
use crate::engine::{CallEnd, Invocation, Launch, RunEnd, Yielded};

/// A function under way.
pub(super) type SagaFuture = Boxed<Result<Json, Failure>>;

/// One run of a saga's function.
pub struct Run {
    future: Option<SagaFuture>,
    closures: RunClosures,
}

/// The closures of a run, and the way to tell it things: what is needed of it from elsewhere.
#[derive(Clone)]
pub struct RunClosures {
    desk: Arc<Desk>,
}

impl Run {
    pub(super) fn new(desk: Arc<Desk>, future: SagaFuture) -> Self {
        Self {
            future: Some(future),
            closures: RunClosures { desk },
        }
    }

    /// A run that cannot begin.
    pub(super) fn misfit(launch: &Launch, error: String, stored: Option<Json>) -> Self {
        let desk = Arc::new(Desk::new(launch));
        desk.misfit(error, stored.unwrap_or_else(Json::null));
        Self {
            future: Some(Box::pin(std::future::pending())),
            closures: RunClosures { desk },
        }
    }

    /// What is needed of the run from elsewhere.
    pub fn closures(&self) -> RunClosures {
        self.closures.clone()
    }

    /// Lets the function go on as far as it can by itself, and says what it then wants. None where
    /// there is nothing new to say, or while it has not come to all that is on record: see
    /// [`Run::missing`].
    ///
    /// A panic in the function is its failure.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Option<Yielded> {
        let desk = &self.closures.desk;
        desk.watch(context.waker());
        let mut end = None;
        while let Some(future) = &mut self.future {
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
            if let Some(misfit) = desk.take_misfit() {
                self.future = None;
                end = Some(misfit);
                break;
            }
            match polled {
                Ok(Poll::Ready(result)) => {
                    self.future = None;
                    end = Some(end_of(desk, result));
                }
                Err(panic) => {
                    self.future = None;
                    let message = format!("the function panicked: {}", panic_message(&*panic));
                    end = Some(RunEnd::Failed {
                        step: None,
                        message,
                    });
                }
                Ok(Poll::Pending) => {
                    if !desk.hand_out() {
                        break;
                    }
                }
            }
        }
        if desk.is_rehearsal() {
            // Only its closures are wanted.
            end = None;
        }
        if self.future.is_some() && desk.missing().is_some() {
            return None;
        }
        desk.take_news(end)
    }

    /// A step on record that the function has not come to, though it is told all that was known. It
    /// may still wait for something outside of its steps; after a while that is no longer likely.
    pub fn missing(&self) -> Option<String> {
        self.future.as_ref()?;
        self.closures.desk.missing()
    }

    /// Whether the function has come to steps that are not on record, and not yet to all that are.
    pub fn is_elsewhere(&self) -> bool {
        self.missing().is_some() && self.closures.desk.has_added()
    }

    /// Gives up on a function that does not come to all that is on record.
    pub fn give_up(&mut self) -> Option<Yielded> {
        let name = self.missing()?;
        self.future = None;
        let desk = &self.closures.desk;
        let end = (!desk.is_rehearsal()).then(|| never_came(&name));
        desk.take_news(end)
    }

    /// Drops the function. Its closures can still be called.
    pub fn stop(&mut self) {
        self.future = None;
    }

    /// Whether the function can go on.
    pub fn is_alive(&self) -> bool {
        self.future.is_some()
    }
}

impl RunClosures {
    /// Tells the run what became known; poll it afterwards.
    pub fn tell(&self, told: Vec<(StepIndex, StepEnd)>) {
        self.desk.tell(told);
    }

    /// Begins the call of a closure. A panic in it leaves it unknown what the call did.
    pub fn call(&self, invocation: &Invocation) -> Boxed<CallEnd> {
        let Some(closures) = self.desk.closures(invocation.leg.step) else {
            let why = "the function has not come to this step".to_owned();
            return Box::pin(std::future::ready(CallEnd::Broken(why)));
        };
        match catch_unwind(AssertUnwindSafe(|| closures.call(invocation))) {
            Ok(call) => Box::pin(Guarded { call }),
            // What a closure does before it gives its future is a part of the call.
            Err(panic) => {
                let why = format!("it panicked: {}", panic_message(&*panic));
                Box::pin(std::future::ready(CallEnd::Unknown(why)))
            }
        }
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("alive", &self.is_alive())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RunClosures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunClosures").finish_non_exhaustive()
    }
}

/// A call whose panic is an answer like any other.
struct Guarded {
    call: Boxed<CallEnd>,
}

impl Future for Guarded {
    type Output = CallEnd;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<CallEnd> {
        let call = &mut self.call;
        match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context))) {
            Ok(polled) => polled,
            Err(panic) => Poll::Ready(CallEnd::Unknown(format!(
                "it panicked: {}",
                panic_message(&*panic)
            ))),
        }
    }
}

fn end_of(desk: &Desk, result: Result<Json, Failure>) -> RunEnd {
    if let Some(name) = desk.missing() {
        return never_came(&name);
    }
    let failure = match (result, desk.doomed()) {
        (Ok(result), None) => return RunEnd::Returned(result),
        (Ok(_), Some(why)) => Failure::new(why),
        (Err(failure), _) => failure,
    };
    RunEnd::Failed {
        step: failure.step().and_then(|name| desk.place_of(name)),
        message: failure.message().to_owned(),
    }
}

fn never_came(name: &str) -> RunEnd {
    RunEnd::Mismatch {
        error: format!(
            "the function no longer comes to the step `{name}` that is on record; bring back the \
             code that the saga was begun with, or decide by hand"
        ),
        stored: None,
    }
}

/// What a panic said.
fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
