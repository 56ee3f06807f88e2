//! Starting a saga, and waiting for its end.

use std::future::IntoFuture;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use settled_protocol::{Json, LegId, Reason, SagaState, Span};

use super::Settled;
use crate::coordinator::{Coordinator, SubmitError};
use crate::definition::Submission;
use crate::function::Boxed;
use crate::snapshot::SagaSnapshot;

/// How long one wait for a saga's end lasts; then it is asked for again.
const WAIT: Duration = Duration::from_mins(1);

impl Settled {
    /// Starts a saga of a registered function. Nothing happens before what this gives is awaited.
    pub fn start<I: Serialize + ?Sized>(&self, function: &str, input: &I) -> Start {
        Start {
            coordinator: self.coordinator.clone(),
            function: function.to_owned(),
            id: None,
            deadline: None,
            traceparent: None,
            input: serde_json::to_string(input)
                .map(Json::from_valid)
                .map_err(|why| why.to_string()),
        }
    }
}

/// A saga to be started. Awaiting it makes the saga durable; it then runs by itself.
///
/// Not cancel-safe in the sense that a saga whose start is dropped while it is awaited may have been
/// started all the same: start it again under the same id to find out.
#[must_use = "nothing is started before it is awaited"]
#[derive(Clone, Debug)]
pub struct Start {
    coordinator: Coordinator,
    function: String,
    id: Option<String>,
    deadline: Option<Duration>,
    traceparent: Option<String>,
    input: Result<Json, String>,
}

/// A saga that was taken durably.
#[derive(Clone, Debug)]
pub struct Started {
    start: Start,
    id: String,
    new: bool,
}

/// Why a saga was not started; nothing was taken then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No function has this name.
    #[error("no function is registered as `{0}`; register it on the builder with `saga`")]
    NoFunction(String),
    /// The id or the input is not one.
    #[error("{0}")]
    Invalid(String),
    /// The coordinator did not take it.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It was not started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Everything that it did is undone, for this reason (the original error, R7).
    #[error("saga {id} was compensated: {}", reason.message)]
    Compensated {
        /// The saga's id.
        id: String,
        /// Why it went back.
        reason: Box<Reason>,
    },
    /// It waits for a person; it may still come to its end.
    #[error("saga {id} waits for a person: see its incidents")]
    Stuck {
        /// The saga's id.
        id: String,
    },
    /// What it returned does not fit the type that is asked for.
    #[error("saga {id}: what it returned does not fit the type asked for: {why}")]
    Result {
        /// The saga's id.
        id: String,
        /// What does not fit.
        why: String,
    },
}

impl Start {
    /// The saga's id, 1 to 128 characters of `A-Za-z0-9._:-`. Starting the same id with the same
    /// content again finds the saga that is there (R8). Without one each start is a saga of its own.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Not settled in this time from its acceptance, and before the pivot: the saga is compensated.
    /// Without one a saga may take as long as it takes. A hundred years at most.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The W3C `traceparent` of whoever asked; the calls go on with its trace
    /// ([`Call::traceparent`](crate::Call::traceparent)). One that is none is passed over.
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// Starts the saga and waits until it is settled or stuck. Dropping the future stops nothing:
    /// the saga goes on.
    ///
    /// # Errors
    /// [`RunError`] says why there is no result.
    pub async fn result<T: DeserializeOwned>(mut self) -> Result<T, RunError> {
        let id = self.own_id();
        loop {
            let submission = self.submission(&id)?;
            let trace = self.traceparent.clone();
            let taken = self.coordinator.submit(submission, trace, Some(WAIT)).await;
            let taken = taken.map_err(StartError::from)?;
            if !taken.still_running {
                return result(taken.saga);
            }
        }
    }

    async fn take(mut self) -> Result<Started, StartError> {
        let id = self.own_id();
        let submission = self.submission(&id)?;
        let trace = self.traceparent.clone();
        let taken = self.coordinator.submit(submission, trace, None).await?;
        Ok(Started {
            start: self,
            id,
            new: taken.new,
        })
    }

    /// The saga as a document, as it would be sent to the HTTP API. What is wrong with it is found
    /// out here, and not when it is submitted.
    pub(super) fn document(&self, id: &str) -> Result<String, StartError> {
        let submission = self.submission(id)?;
        let text = |text: &str| Json::string(text);
        let mut document = format!(
            "{{\"id\":{},\"function\":{},\"input\":{}",
            text(id).as_str(),
            text(&self.function).as_str(),
            submission.input.as_str(),
        );
        if let Some(deadline) = submission.deadline {
            document.push_str(",\"deadline\":");
            document.push_str(text(&deadline.to_string()).as_str());
        }
        document.push('}');
        Ok(document)
    }

    pub(super) fn own_id(&mut self) -> String {
        self.id
            .get_or_insert_with(|| uuid::Uuid::now_v7().to_string())
            .clone()
    }

    fn submission(&self, id: &str) -> Result<Submission, StartError> {
        let input = self.input.clone().map_err(|why| {
            StartError::Invalid(format!("input: it cannot be written as JSON: {why}"))
        })?;
        submission(&self.coordinator, &self.function, id, input, self.deadline)
    }
}

impl IntoFuture for Start {
    type Output = Result<Started, StartError>;
    type IntoFuture = Boxed<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.take())
    }
}

impl Started {
    /// The saga's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether this start made the saga, rather than finding it there.
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// Waits until the saga is settled or stuck. Dropping the future stops nothing.
    ///
    /// # Errors
    /// [`RunError`] says why there is no result.
    pub async fn result<T: DeserializeOwned>(&self) -> Result<T, RunError> {
        self.start.clone().result().await
    }
}

/// A submission of a registered function.
pub(super) fn submission(
    coordinator: &Coordinator,
    function: &str,
    id: &str,
    input: Json,
    deadline: Option<Duration>,
) -> Result<Submission, StartError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    if id.is_empty() || id.len() > 128 || !id.chars().all(fits) {
        let why = format!("id: expected 1 to 128 characters of A-Za-z0-9._:-, found {id:?}");
        return Err(StartError::Invalid(why));
    }
    let deadline = deadline.map(Span::from);
    if deadline.is_some_and(|deadline| deadline > Span::MAX) {
        return Err(StartError::Invalid(
            "deadline: it is longer than 100 years".to_owned(),
        ));
    }
    let definition = (coordinator.definitions().function(function))
        .ok_or_else(|| StartError::NoFunction(function.to_owned()))?;
    Ok(Submission {
        id: Some(id.to_owned()),
        name: function.to_owned(),
        input,
        deadline,
        by: None,
        definition: std::sync::Arc::clone(definition),
    })
}

fn result<T: DeserializeOwned>(saga: SagaSnapshot) -> Result<T, RunError> {
    let id = saga.id.to_string();
    match (saga.saga.settled(), saga.saga.reason()) {
        (Some(SagaState::Completed), _) => {
            let result = saga.saga.result(LegId::FUNCTION.step);
            let text = result.map_or("null", Json::as_str);
            serde_json::from_str(text).map_err(|why| RunError::Result {
                id,
                why: why.to_string(),
            })
        }
        (Some(_), Some(reason)) => Err(RunError::Compensated {
            id,
            reason: Box::new(reason.clone()),
        }),
        _ => Err(RunError::Stuck { id }),
    }
}

/// Why a saga went back, in words.
pub(super) fn end_of(saga: &SagaSnapshot) -> String {
    let reason = saga.saga.reason();
    reason.map_or_else(
        || "it was compensated".to_owned(),
        |reason| reason.message.clone(),
    )
}
