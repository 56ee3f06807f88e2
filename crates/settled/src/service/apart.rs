//! Sagas of their own that other sagas start and wait for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use settled_protocol::{Json, LegId, SagaState};

use super::start::{end_of, submission};
use crate::coordinator::{Coordinator, SubmitError};
use crate::function::{Boxed, CallError, RunApart};

/// How long to leave a saga alone that waits for a person.
const WHILE_STUCK: Duration = Duration::from_secs(2);

/// Starts sagas, once there is a coordinator.
pub(super) struct Apart {
    coordinator: Arc<OnceLock<Coordinator>>,
}

/// Sets the coordinator.
pub(super) struct Ready(Arc<OnceLock<Coordinator>>);

impl Ready {
    pub(super) fn set(self, coordinator: &Coordinator) {
        let _ = self.0.set(coordinator.clone());
    }
}

impl Apart {
    pub(super) fn new() -> (Self, Ready) {
        let coordinator = Arc::new(OnceLock::new());
        let ready = Ready(Arc::clone(&coordinator));
        (Self { coordinator }, ready)
    }
}

impl RunApart for Apart {
    fn run(
        &self,
        function: &str,
        id: String,
        input: Json,
        timeout: Duration,
    ) -> Boxed<Result<Json, CallError>> {
        let coordinator = self.coordinator.get().cloned();
        let function = function.to_owned();
        Box::pin(async move {
            let Some(coordinator) = coordinator else {
                return Err(CallError::not_sent("the coordinator is not ready yet"));
            };
            let until = tokio::time::Instant::now() + timeout;
            loop {
                let now = tokio::time::Instant::now();
                if now >= until {
                    return Err(CallError::unknown(format!("`{id}` is not settled yet")));
                }
                let submission = submission(&coordinator, &function, &id, input.clone(), None)
                    .map_err(CallError::broken)?;
                let taken = coordinator
                    .submit(submission, None, Some(until - now))
                    .await;
                let saga = match taken {
                    Ok(taken) => taken.saga,
                    Err(error @ SubmitError::Conflict) => return Err(CallError::broken(error)),
                    Err(error) => return Err(CallError::unknown(error)),
                };
                match saga.saga.settled() {
                    Some(SagaState::Completed) => {
                        let result = saga.saga.result(LegId::FUNCTION.step);
                        return Ok(result.cloned().unwrap_or_else(Json::null));
                    }
                    Some(_) => return Err(CallError::refused(end_of(&saga))),
                    None => tokio::time::sleep(WHILE_STUCK).await,
                }
            }
        })
    }
}
