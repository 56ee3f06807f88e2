//! What functions and closures share with the world that runs them: what they ask for, and what they
//! are answered.
//!
//! Nothing happens here: the world takes what is asked for after each poll.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::Value;
use settled::CallError;
use settled::function::RunApart;
use settled::participant::Answer;
use settled_protocol::Json;

use super::document::Kind;
use super::faults::Fault;
use super::store::{Luck, strikes};

/// Something that a closure or a function asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// A call to a participant.
    Call {
        slot: u64,
        kind: Kind,
        key: String,
        body: Value,
    },
    /// A saga of its own.
    Apart {
        slot: u64,
        function: String,
        id: String,
        input: Json,
        timeout: Duration,
    },
    /// To be woken after so many milliseconds.
    Pause { slot: u64, millis: u32 },
}

/// What became of a saga of its own.
#[derive(Clone, Debug)]
pub(super) enum ApartEnd {
    Completed(Json),
    Compensated(String),
    Unknown,
    Conflict,
}

/// The wire between both sides.
#[derive(Clone)]
pub(super) struct Wire {
    state: Arc<Mutex<State>>,
    luck: Luck,
}

#[derive(Default)]
struct State {
    slots: u64,
    asked: Vec<Asked>,
    answers: HashMap<u64, Answer>,
    apart: HashMap<u64, ApartEnd>,
    rung: HashSet<u64>,
    is_dead: bool,
}

impl Wire {
    pub(super) fn new(luck: Luck) -> Self {
        Self {
            state: Arc::default(),
            luck,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, what: impl FnOnce(u64) -> Asked) -> u64 {
        let mut state = self.lock();
        state.slots += 1;
        let slot = state.slots;
        state.asked.push(what(slot));
        slot
    }

    /// Calls a participant.
    pub(super) async fn call(&self, kind: Kind, key: &str, body: Value) -> Answer {
        let slot = self.post(|slot| Asked::Call {
            slot,
            kind,
            key: key.to_owned(),
            body,
        });
        let answer = poll_fn(|_| match self.lock().answers.remove(&slot) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        });
        let answer = answer.await;
        if strikes(&self.luck, Fault::ClosurePanics) {
            // Without the hook, which would write of it.
            std::panic::resume_unwind(Box::new("simulated"));
        }
        answer
    }

    /// Waits for something outside of the steps.
    pub(super) async fn pause(&self, millis: u32) {
        let slot = self.post(|slot| Asked::Pause { slot, millis });
        let rung = |_: &mut Context<'_>| {
            if self.lock().rung.remove(&slot) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        };
        poll_fn(rung).await;
    }

    pub(super) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.lock().asked)
    }

    pub(super) fn answer(&self, slot: u64, answer: Answer) {
        self.lock().answers.insert(slot, answer);
    }

    pub(super) fn answer_apart(&self, slot: u64, end: ApartEnd) {
        self.lock().apart.insert(slot, end);
    }

    pub(super) fn ring(&self, slot: u64) {
        self.lock().rung.insert(slot);
    }

    /// Whether the coordinator died in a function since this was last asked.
    pub(super) fn take_death(&self) -> bool {
        std::mem::take(&mut self.lock().is_dead)
    }
}

impl RunApart for Wire {
    fn run(
        &self,
        function: &str,
        id: String,
        input: Json,
        timeout: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Json, CallError>> + Send>> {
        let (wire, function) = (self.clone(), function.to_owned());
        Box::pin(async move {
            let slot = wire.post(|slot| Asked::Apart {
                slot,
                function,
                id,
                input,
                timeout,
            });
            let end = poll_fn(|_| match wire.lock().apart.remove(&slot) {
                Some(end) => Poll::Ready(end),
                None => Poll::Pending,
            });
            match end.await {
                ApartEnd::Completed(result) => Ok(result),
                ApartEnd::Compensated(why) => Err(CallError::refused(why)),
                ApartEnd::Unknown => Err(CallError::unknown("not settled yet")),
                ApartEnd::Conflict => Err(CallError::broken("started with other content")),
            }
        })
    }
}

/// A function in which the coordinator may die after any poll.
pub(super) struct Mortal<F> {
    pub(super) future: Pin<Box<F>>,
    pub(super) wire: Wire,
}

impl<F: Future> Future for Mortal<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.wire.lock().is_dead {
            return Poll::Pending;
        }
        let polled = self.future.as_mut().poll(context);
        if strikes(&self.wire.luck, Fault::CrashInFunction) {
            self.wire.lock().is_dead = true;
            return Poll::Pending;
        }
        polled
    }
}
