//! Sagas of their own that a saga starts and waits for: asked for here, run by the life that is at
//! work.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use settled_protocol::{Json, LegId, SagaState};
use tokio::sync::oneshot;

use crate::engine::Reply;
use crate::function::{Boxed, CallError, RunApart};

/// How long a saga is left alone that waits for a person.
const WHILE_STUCK: Duration = Duration::from_mins(1);

/// A saga that is wanted.
pub(super) struct Wanted {
    pub(super) function: String,
    pub(super) id: String,
    pub(super) input: Json,
    pub(super) timeout: Duration,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// Where sagas are asked for.
#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<(VecDeque<Wanted>, Option<Waker>)>,
}

impl Desk {
    fn ask(&self, wanted: Wanted) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.push_back(wanted);
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    pub(super) fn next(&self, waker: &Waker) -> Option<Wanted> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = Some(waker.clone());
        state.0.pop_front()
    }

    /// The process died: nobody waits any more.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.clear();
    }
}

/// Asks at the desk.
pub(super) struct Apart(pub(super) std::sync::Arc<Desk>);

impl RunApart for Apart {
    fn run(
        &self,
        function: &str,
        id: String,
        input: Json,
        timeout: Duration,
    ) -> Boxed<Result<Json, CallError>> {
        let desk = std::sync::Arc::clone(&self.0);
        let function = function.to_owned();
        Box::pin(async move {
            let until = tokio::time::Instant::now() + timeout;
            loop {
                let now = tokio::time::Instant::now();
                if now >= until {
                    return Err(CallError::unknown(format!("`{id}` is not settled yet")));
                }
                let (reply, answer) = oneshot::channel();
                desk.ask(Wanted {
                    function: function.clone(),
                    id: id.clone(),
                    input: input.clone(),
                    timeout: until - now,
                    reply,
                });
                match answer.await {
                    Ok(Reply::Ended { saga, .. }) => match saga.saga.settled() {
                        Some(SagaState::Completed) => {
                            let result = saga.saga.result(LegId::FUNCTION.step);
                            return Ok(result.cloned().unwrap_or_else(Json::null));
                        }
                        Some(_) => {
                            let reason = saga.saga.reason();
                            let why =
                                reason.map_or("it was compensated", |why| why.message.as_str());
                            return Err(CallError::refused(why));
                        }
                        None => tokio::time::sleep(WHILE_STUCK).await,
                    },
                    Ok(Reply::StillRunning { .. }) => {}
                    Ok(Reply::Conflict) => {
                        let why = format!("`{id}` was started with other content");
                        return Err(CallError::broken(why));
                    }
                    Ok(_) => return Err(CallError::unknown("the saga was not taken")),
                    Err(_) => {
                        let why = format!("no function is registered as `{function}`");
                        return Err(CallError::broken(why));
                    }
                }
            }
        })
    }
}
