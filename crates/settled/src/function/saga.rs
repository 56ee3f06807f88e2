//! The saga as its function sees it: where steps are taken and other sagas are called.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use settled_protocol::{Json, OnUnknown};

use super::call::{Call, CallError};
use super::closures::{Boxed, from_json, to_json};
use super::desk::Desk;
use super::error::Failure;
use super::registry::Registry;
use super::step::StepStart;
use settled_transaction::Propagation;

/// The saga that a function runs in: where its steps are taken and other sagas are called. Cheap to
/// clone. `S` is the program's state, see [`Settled::with_state`](crate::Settled::with_state).
pub struct Saga<S = ()> {
    /// None where there is no saga around: steps are then called and nothing is recorded.
    pub(super) desk: Option<Arc<Desk>>,
    pub(super) id: Arc<str>,
    /// What the names of its steps begin with.
    pub(super) scope: Arc<str>,
    pub(super) registry: Arc<Registry<S>>,
    pub(super) state: S,
}

impl<S: Clone> Clone for Saga<S> {
    fn clone(&self) -> Self {
        Self {
            desk: self.desk.clone(),
            id: Arc::clone(&self.id),
            scope: Arc::clone(&self.scope),
            registry: Arc::clone(&self.registry),
            state: self.state.clone(),
        }
    }
}

impl<S> std::fmt::Debug for Saga<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saga")
            .field("id", &self.id)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl<S: Clone + Send + Sync + 'static> Saga<S> {
    /// The saga's id, as the caller chose it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The program's state, as it was given to the builder. What is read from it between steps may be
    /// another thing when the function is run again: what a step depends on belongs into a step.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// A step: one call that is recorded before it is made and after it was answered. `name` is
    /// unique in the saga, 1 to 128 characters of `A-Za-z0-9._-`.
    ///
    /// Nothing happens until the step is awaited, which gives what the action returned, or a
    /// [`StepError`](super::StepError) that says for certain that it did not take effect. Steps run
    /// side by side when their futures do (as with `tokio::join!`).
    ///
    /// Not cancel-safe in the sense that a step whose future was polled and is dropped goes on: it is
    /// called, recorded, and undone if the saga goes back.
    pub fn step(&self, name: impl Into<String>) -> StepStart<S, ()> {
        StepStart::new(self.clone(), name.into())
    }

    /// Calls another registered saga from this one; how the two relate is said by
    /// [`SagaCall::propagation`].
    ///
    /// ```no_run
    /// # use settled::{Failure, Propagation, Saga};
    /// async fn holiday(saga: Saga, (): ()) -> Result<bool, Failure> {
    ///     let trip = saga.call("trip", &()).propagation(Propagation::Nested);
    ///     // Undone alone where it fails; this saga goes on.
    ///     Ok(trip.await.is_ok())
    /// }
    /// ```
    pub fn call<I: Serialize + ?Sized>(&self, function: &str, input: &I) -> SagaCall<S> {
        SagaCall {
            saga: self.clone(),
            function: function.to_owned(),
            part: function.to_owned(),
            propagation: Propagation::default(),
            timeout: Duration::from_hours(1),
            input: to_json(input).map_err(|why| why.to_string()),
        }
    }

    fn inner(&self, part: &str, desk: Option<Arc<Desk>>) -> Self {
        Self {
            desk,
            scope: format!("{}{part}.", self.scope).into(),
            ..self.clone()
        }
    }
}

/// A call of one saga from another, not made before it is awaited. [`SagaCall::returning`] says
/// what type it gives back; without it the result is thrown away.
#[must_use = "nothing is called before it is awaited"]
pub struct SagaCall<S> {
    saga: Saga<S>,
    function: String,
    part: String,
    propagation: Propagation,
    timeout: Duration,
    input: Result<Json, String>,
}

impl<S: Clone + Send + Sync + 'static> SagaCall<S> {
    /// How the called saga relates to this one; [`Propagation::Required`] unless said otherwise.
    pub fn propagation(mut self, propagation: Propagation) -> Self {
        self.propagation = propagation;
        self
    }

    /// What the names of its steps begin with, and the end of its id where it is a saga of its own;
    /// the function's name unless said otherwise. A saga that calls the same function twice says it.
    pub fn named(mut self, part: impl Into<String>) -> Self {
        self.part = part.into();
        self
    }

    /// How long to wait for a saga of its own ([`Propagation::RequiresNew`]), or for a call without one
    /// ([`Propagation::NotSupported`]); an hour unless said otherwise. A saga of its own that is not
    /// settled by then is waited for again, by the same id; it is not stopped.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The type that it gives back. A result that does not fit it becomes a `mismatch` incident.
    pub fn returning<T: DeserializeOwned + Send + 'static>(self) -> Returning<S, T> {
        Returning {
            call: self,
            returns: PhantomData,
        }
    }

    async fn make(self) -> Result<Json, Failure> {
        let input = self
            .input
            .clone()
            .map_err(|why| Failure::new(format!("the input cannot be written as JSON: {why}")))?;
        let saga = &self.saga;
        let Some(desk) = &saga.desk else {
            return match self.propagation {
                Propagation::Mandatory => Err(Failure::new(format!(
                    "`{}` is called outside of a saga and must be called within one",
                    self.function
                ))),
                Propagation::RequiresNew | Propagation::Required | Propagation::Nested => {
                    let id = format!("{}.{}{}", saga.id, saga.scope, self.part);
                    let started = saga
                        .registry
                        .run_apart(&self.function, id, input, self.timeout);
                    started.await.map_err(Failure::from)
                }
                Propagation::Supports | Propagation::NotSupported | Propagation::Never => {
                    let inner = saga.inner(&self.part, None);
                    saga.registry
                        .run_within(inner, &self.function, &input)?
                        .await
                }
            };
        };
        match self.propagation {
            Propagation::Required | Propagation::Supports | Propagation::Mandatory => {
                let inner = saga.inner(&self.part, Some(Arc::clone(desk)));
                let result = saga
                    .registry
                    .run_within(inner, &self.function, &input)?
                    .await;
                if let Err(failure) = &result {
                    desk.doom(format!(
                        "`{}` joined the saga and failed, so that the whole cannot succeed: {failure}",
                        self.part
                    ));
                }
                result
            }
            Propagation::Nested => {
                let inner = saga.inner(&self.part, Some(Arc::clone(desk)));
                let prefix = Arc::clone(&inner.scope);
                let result = saga
                    .registry
                    .run_within(inner, &self.function, &input)?
                    .await;
                if result.is_err()
                    && let Some(ticket) = desk.withdraw(&prefix)
                {
                    let over = |context: &mut std::task::Context<'_>| {
                        desk.poll_withdrawn(ticket, context.waker())
                    };
                    std::future::poll_fn(over).await;
                }
                result
            }
            Propagation::RequiresNew => self.apart(input).await,
            Propagation::NotSupported => self.without(input).await,
            Propagation::Never => Err(Failure::new(format!(
                "`{}` is called within a saga and must be called outside of any",
                self.function
            ))),
        }
    }

    /// A saga of its own, as one step of this one.
    async fn apart(self, input: Json) -> Result<Json, Failure> {
        let (function, part, timeout) = (self.function, self.part, self.timeout);
        let registry = Arc::clone(&self.saga.registry);
        let id = format!("{}.{}{part}", self.saga.id, self.saga.scope);
        let step =
            self.saga
                .step(part.clone())
                .input(&input)
                .action(move |_: Call<S>, input: Json| {
                    registry.run_apart(&function, id.clone(), input, timeout)
                });
        // Its id makes a second start the same saga (R8), so starting again is the question.
        let step = step
            .timeout(timeout + Duration::from_secs(1))
            .on_unknown(OnUnknown::Retry);
        Ok(step.await?)
    }

    /// No saga at all, as one step of this one.
    async fn without(self, input: Json) -> Result<Json, Failure> {
        let (function, part, timeout) = (self.function, self.part, self.timeout);
        let outer = self.saga.clone();
        let name = part.clone();
        let step = self
            .saga
            .step(part)
            .input(&input)
            .action(move |_: Call<S>, input: Json| {
                let inner = outer.inner(&name, None);
                let run = outer.registry.run_within(inner, &function, &input);
                async move {
                    let run = run.map_err(CallError::broken)?;
                    // Some of its steps may have been done, whatever the last one said.
                    run.await.map_err(CallError::unknown)
                }
            });
        Ok(step
            .timeout(timeout)
            .on_unknown(OnUnknown::Incident)
            .await?)
    }
}

impl<S: Clone + Send + Sync + 'static> IntoFuture for SagaCall<S> {
    type Output = Result<(), Failure>;
    type IntoFuture = Boxed<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.make().await.map(|_| ()) })
    }
}

/// As [`SagaCall`], with the type that it gives back.
#[must_use = "nothing is called before it is awaited"]
pub struct Returning<S, T> {
    call: SagaCall<S>,
    returns: PhantomData<fn() -> T>,
}

impl<S, T> IntoFuture for Returning<S, T>
where
    S: Clone + Send + Sync + 'static,
    T: DeserializeOwned + Send + 'static,
{
    type Output = Result<T, Failure>;
    type IntoFuture = Boxed<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let function = self.call.function.clone();
            let desk = self.call.saga.desk.clone();
            let result = self.call.make().await?;
            match from_json(&result) {
                Ok(result) => Ok(result),
                Err(why) => {
                    let error = format!(
                        "the result of `{function}` on record does not fit the type in the code: \
                         {why}"
                    );
                    give_up(desk, error, result).await
                }
            }
        })
    }
}

/// What is on record does not fit the code: within a saga the function goes no further.
pub(super) async fn give_up<T>(
    desk: Option<Arc<Desk>>,
    error: String,
    stored: Json,
) -> Result<T, Failure> {
    match desk {
        None => Err(Failure::new(error)),
        Some(desk) => {
            desk.misfit(error, stored);
            never().await
        }
    }
}

fn never<T>() -> impl Future<Output = T> {
    std::future::pending()
}
