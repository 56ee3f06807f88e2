//! One step of a function: said in a few words, and awaited.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use settled_journal::SagaNo;
use settled_protocol::{
    CallPlan, Json, LegId, OnUnknown, Retry, Span, StepEnd, StepIndex, StepPlan, idempotency_key,
};

use super::call::{Call, CallError};
use super::closures::{Action, Boxed, Check, Compensation, Typed, from_json, to_json};
use super::desk::{Arrival, Desk};
use super::error::StepError;
use super::saga::Saga;
use crate::engine::{CallEnd, Invocation, RunId};

/// A step as a type of its own: for one that several sagas take, or that is tested by itself. Taken
/// by [`StepStart::of`].
///
/// What the step can do besides its action is said by the two constants; the methods that they do
/// not promise are never called.
pub trait Step<S>: Send + Sync + 'static {
    /// What its action is given; recorded.
    type Input: Serialize + DeserializeOwned + Send + 'static;
    /// What its action returns; recorded, and given to the compensation.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// Whether [`Step::compensation`] undoes the action.
    const COMPENSATES: bool = false;
    /// Whether [`Step::check`] can tell if the action happened.
    const CAN_BE_ASKED: bool = false;

    /// The call forward.
    fn action(
        &self,
        call: Call<S>,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, CallError>> + Send;

    /// Undoes the action, given what that returned.
    fn compensation(
        &self,
        call: Call<S>,
        input: Self::Input,
        output: Self::Output,
    ) -> impl Future<Output = Result<(), CallError>> + Send {
        let _ = (call, input, output);
        async { Ok(()) }
    }

    /// Whether the action with [`Call::key`] happened, and what it returned.
    fn check(
        &self,
        call: Call<S>,
        input: Self::Input,
    ) -> impl Future<Output = Result<Option<Self::Output>, CallError>> + Send {
        let _ = (call, input);
        async { Err(CallError::unknown("it cannot be asked")) }
    }
}

/// A step with a name and perhaps an input, and no action yet.
#[must_use = "nothing is called before a step with an action is awaited"]
pub struct StepStart<S, I> {
    saga: Saga<S>,
    name: String,
    input: Result<Json, String>,
    takes: PhantomData<fn(I)>,
}

impl<S: Clone + Send + Sync + 'static> StepStart<S, ()> {
    pub(super) fn new(saga: Saga<S>, name: String) -> Self {
        Self {
            name: format!("{}{name}", saga.scope),
            saga,
            input: Ok(Json::null()),
            takes: PhantomData,
        }
    }

    /// What the action is given: recorded with the step, shown to people, and compared when the
    /// function is run again.
    pub fn input<I: Serialize>(self, input: &I) -> StepStart<S, I> {
        StepStart {
            saga: self.saga,
            name: self.name,
            input: to_json(input).map_err(|why| why.to_string()),
            takes: PhantomData,
        }
    }
}

impl<S, I> StepStart<S, I>
where
    S: Clone + Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
{
    /// The call forward. It may be made more than once, with the same [`Call::key`]: send that along. An
    /// error says what is certain, see [`CallError`]; a panic leaves it unknown what the call did.
    pub fn action<F, Fut, T, E>(self, action: F) -> StepBuilder<S, I, T>
    where
        F: Fn(Call<S>, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<CallError>,
    {
        self.boxed(Box::new(move |call, input| {
            let done = action(call, input);
            Box::pin(async move { done.await.map_err(Into::into) })
        }))
    }

    /// Takes a step that is a type of its own.
    pub fn of<K: Step<S, Input = I>>(self, step: K) -> StepBuilder<S, I, K::Output> {
        let step = Arc::new(step);
        let own = Arc::clone(&step);
        let mut builder = self.boxed(Box::new(move |call, input| {
            let step = Arc::clone(&own);
            Box::pin(async move { step.action(call, input).await })
        }));
        if K::COMPENSATES {
            let own = Arc::clone(&step);
            builder = builder.compensation(move |call, input, output| {
                let step = Arc::clone(&own);
                async move { step.compensation(call, input, output).await }
            });
        }
        if K::CAN_BE_ASKED {
            builder = builder.check(move |call, input| {
                let step = Arc::clone(&step);
                async move { step.check(call, input).await }
            });
        }
        builder
    }

    fn boxed<T>(self, action: Action<S, I, T>) -> StepBuilder<S, I, T> {
        StepBuilder {
            start: self,
            action,
            compensation: None,
            check: None,
            compensation_check: None,
            on_unknown: None,
            timeout: Span::from_secs(10),
            retry: Retry::default(),
            compensation_timeout: None,
            compensation_retry: None,
            pivot: false,
            compensate_unknown: false,
            key_window: None,
            callback_timeout: Span::from_secs(24 * 60 * 60),
            participant: None,
        }
    }
}

/// A step that can be awaited, and what else is to be said of it.
#[must_use = "nothing is called before the step is awaited"]
pub struct StepBuilder<S, I, T> {
    start: StepStart<S, I>,
    action: Action<S, I, T>,
    compensation: Option<Compensation<S, I, T>>,
    check: Option<Check<S, I, T>>,
    compensation_check: Option<Check<S, I, ()>>,
    on_unknown: Option<OnUnknown>,
    timeout: Span,
    retry: Retry,
    compensation_timeout: Option<Span>,
    compensation_retry: Option<Retry>,
    pivot: bool,
    compensate_unknown: bool,
    key_window: Option<Span>,
    callback_timeout: Span,
    participant: Option<Arc<str>>,
}

impl<S, I, T> StepBuilder<S, I, T>
where
    S: Clone + Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
{
    /// Undoes the action, given its input and what it returned. It must succeed in the end: a
    /// refusal is put before a person, and does not keep the others from being undone.
    pub fn compensation<F, Fut, E>(mut self, compensation: F) -> Self
    where
        F: Fn(Call<S>, I, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<CallError>,
    {
        self.compensation = Some(Box::new(move |call, input, result| {
            let done = compensation(call, input, result);
            Box::pin(async move { done.await.map_err(Into::into) })
        }));
        self
    }

    /// Asks whether the action with [`Call::key`] happened: `Some` with what it returned, or `None`
    /// where it did not. An error says that the answer does not tell. An unknown outcome is then
    /// asked about, unless [`StepBuilder::on_unknown`] says otherwise.
    pub fn check<F, Fut, E>(mut self, check: F) -> Self
    where
        F: Fn(Call<S>, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<T>, E>> + Send + 'static,
        E: Into<CallError>,
    {
        self.check = Some(boxed_check(check));
        self
    }

    /// As [`StepBuilder::check`], of the compensation; without one an unknown outcome of the
    /// compensation is repeated with the same key.
    pub fn compensation_check<F, Fut, E>(mut self, check: F) -> Self
    where
        F: Fn(Call<S>, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<bool, E>> + Send + 'static,
        E: Into<CallError>,
    {
        self.compensation_check = Some(boxed_check(move |call, input| {
            let asked = check(call, input);
            async move { asked.await.map(|happened| happened.then_some(())) }
        }));
        self
    }

    /// What to do about an unknown outcome of the action: `Check` where there is a check, else
    /// `Retry`, unless said otherwise. `Retry` declares that who is called honours the key, so that
    /// its latest answer speaks for all attempts.
    pub fn on_unknown(mut self, policy: OnUnknown) -> Self {
        self.on_unknown = Some(policy);
        self
    }

    /// The time limit of one attempt, and of one check; 10 seconds unless said otherwise. A call that
    /// takes longer is dropped where it awaits, and its outcome is unknown.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// How the action is tried again when it was not sent, or is to be repeated: 10 attempts, 200 ms
    /// doubling to 30 s, unless said otherwise. A refusal is never tried again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The time limit of the compensation, where it has another one.
    pub fn compensation_timeout(mut self, timeout: Duration) -> Self {
        self.compensation_timeout = Some(timeout.into());
        self
    }

    /// How the compensation is tried again, where that is another way.
    pub fn compensation_retry(mut self, retry: Retry) -> Self {
        self.compensation_retry = Some(retry);
        self
    }

    /// After this step is done there is no way back: what follows is retried forward, and what
    /// cannot be done is put before a person.
    pub fn pivot(mut self) -> Self {
        self.pivot = true;
        self
    }

    /// The step is compensated all the same when its outcome cannot be found out, rather than put before
    /// a person. Its compensation is then given `null` for what the action returned: its type must read
    /// that, as an `Option` does. It needs a compensation.
    pub fn compensate_unknown(mut self) -> Self {
        self.compensate_unknown = true;
        self
    }

    /// How long who is called remembers the key, counted from the first attempt; for ever unless said
    /// otherwise. Past it, repeating is not safe and is not done: what is still unknown is put before a
    /// person.
    pub fn key_window(mut self, window: Duration) -> Self {
        self.key_window = Some(window.into());
        self
    }

    /// How long a pending call may take to be answered; a day unless said otherwise. Then its outcome is
    /// unknown.
    pub fn callback_timeout(mut self, timeout: Duration) -> Self {
        self.callback_timeout = timeout.into();
        self
    }

    /// Whom the step calls, for limits and for people: the step's name unless said otherwise. Steps of
    /// several sagas that call the same service name the same participant.
    pub fn participant(mut self, participant: &str) -> Self {
        self.participant = Some(participant.into());
        self
    }

    fn plan(&self) -> Result<StepPlan, StepError> {
        let name = self.start.name.clone();
        let retry = self.retry;
        if self.on_unknown == Some(OnUnknown::Check) && self.check.is_none() {
            return Err(StepError::broken(
                &name,
                "`OnUnknown::Check` needs a `check`",
            ));
        }
        for retry in [Some(retry), self.compensation_retry].into_iter().flatten() {
            if retry.max_attempts == 0 || retry.factor.is_nan() || retry.factor < 1.0 {
                let why = "retry: expected at least one attempt and a factor of at least 1";
                return Err(StepError::broken(&name, why));
            }
        }
        if self.compensate_unknown && self.compensation.is_none() {
            let why = "`compensate_unknown` needs a `compensation`";
            return Err(StepError::broken(&name, why));
        }
        let asked = |has_check: bool| match has_check {
            true => (OnUnknown::Check, Some(self.timeout)),
            false => (OnUnknown::Retry, None),
        };
        let (on_unknown, check) = asked(self.check.is_some());
        let action = CallPlan {
            timeout: self.timeout,
            retry,
            on_unknown: self.on_unknown.unwrap_or(on_unknown),
            check,
        };
        let (on_unknown, check) = asked(self.compensation_check.is_some());
        let compensation = self.compensation.as_ref().map(|_| CallPlan {
            timeout: self.compensation_timeout.unwrap_or(self.timeout),
            retry: self.compensation_retry.unwrap_or(retry),
            on_unknown,
            check,
        });
        Ok(StepPlan {
            name,
            needs: Vec::new(),
            pivot: self.pivot,
            compensate_unknown: self.compensate_unknown,
            key_window: self.key_window,
            callback_timeout: self.callback_timeout,
            action,
            compensation,
        })
    }

    fn arrival(self) -> Result<(Option<Arc<Desk>>, Arrival), StepError> {
        let plan = self.plan()?;
        let input = self.start.input.map_err(|why| {
            let why = format!("its input cannot be written as JSON: {why}");
            StepError::broken(&plan.name, why)
        })?;
        let saga = self.start.saga;
        let arrival = Arrival {
            participant: self
                .participant
                .unwrap_or_else(|| plan.name.as_str().into()),
            input,
            closures: Arc::new(Typed {
                state: saga.state,
                saga: saga.id,
                step: plan.name.clone(),
                action: self.action,
                compensation: self.compensation,
                check: self.check,
                compensation_check: self.compensation_check,
            }),
            plan,
        };
        Ok((saga.desk, arrival))
    }
}

fn boxed_check<S, I, T, F, Fut, E>(check: F) -> Check<S, I, T>
where
    F: Fn(Call<S>, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<T>, E>> + Send + 'static,
    E: Into<CallError>,
{
    Box::new(move |call, input| {
        let asked = check(call, input);
        Box::pin(async move { asked.await.map_err(Into::into) })
    })
}

impl<S, I, T> IntoFuture for StepBuilder<S, I, T>
where
    S: Clone + Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
{
    type Output = Result<T, StepError>;
    type IntoFuture = StepFuture<T>;

    fn into_future(self) -> StepFuture<T> {
        let name = self.start.name.clone();
        let saga = Arc::clone(&self.start.saga.id);
        let stage = match self.arrival() {
            Err(error) => Stage::Failed(error),
            Ok((Some(desk), arrival)) => Stage::Coming(desk, Box::new(arrival)),
            Ok((None, arrival)) => Stage::Bare(bare(&saga, &arrival)),
        };
        StepFuture {
            name,
            stage,
            gives: PhantomData,
        }
    }
}

/// Calls a step where there is no saga around: once, and unrecorded.
fn bare(saga: &str, arrival: &Arrival) -> Boxed<CallEnd> {
    let leg = LegId::action(0);
    let invocation = Invocation {
        saga: SagaNo(0),
        run: RunId(0),
        leg,
        is_check: false,
        attempt: 1,
        key: idempotency_key(saga, &arrival.plan.name, leg.direction),
        input: arrival.input.clone(),
        result: Json::null(),
        timeout: arrival.plan.action.timeout,
        callback: String::new(),
        traceparent: String::new(),
    };
    arrival.closures.call(&invocation)
}

/// A step under way. Dropping it takes nothing back: the step goes on and is recorded.
#[must_use = "futures do nothing before they are awaited"]
pub struct StepFuture<T> {
    name: String,
    stage: Stage,
    gives: PhantomData<fn() -> T>,
}

enum Stage {
    Coming(Arc<Desk>, Box<Arrival>),
    Waiting(Arc<Desk>, StepIndex),
    Bare(Boxed<CallEnd>),
    Failed(StepError),
    /// The function goes no further.
    Never,
}

impl<T: DeserializeOwned> Future for StepFuture<T> {
    type Output = Result<T, StepError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Never) {
                Stage::Coming(desk, arrival) => match desk.arrive(*arrival) {
                    Ok(Some(step)) => self.stage = Stage::Waiting(desk, step),
                    Ok(None) => return Poll::Pending,
                    Err(error) => return Poll::Ready(Err(error)),
                },
                Stage::Waiting(desk, step) => {
                    let Poll::Ready(end) = desk.poll_end(step, context.waker()) else {
                        self.stage = Stage::Waiting(desk, step);
                        return Poll::Pending;
                    };
                    let StepEnd::Done(result) = end else {
                        return Poll::Ready(Err(StepError::of(&self.name, end)));
                    };
                    return match from_json(&result) {
                        Ok(result) => Poll::Ready(Ok(result)),
                        Err(why) => {
                            let error = format!(
                                "the result of the step `{}` on record does not fit the type in \
                                 the code: {why}",
                                self.name
                            );
                            desk.misfit(error, result);
                            Poll::Pending
                        }
                    };
                }
                Stage::Bare(mut call) => {
                    let Poll::Ready(end) = call.as_mut().poll(context) else {
                        self.stage = Stage::Bare(call);
                        return Poll::Pending;
                    };
                    return Poll::Ready(bare_end(&self.name, end));
                }
                Stage::Failed(error) => return Poll::Ready(Err(error)),
                Stage::Never => return Poll::Pending,
            }
        }
    }
}

fn bare_end<T: DeserializeOwned>(name: &str, end: CallEnd) -> Result<T, StepError> {
    let end = match end {
        CallEnd::Done(result) => {
            return from_json(&result).map_err(|why| StepError::broken(name, why.to_string()));
        }
        CallEnd::Refused(why) => StepEnd::Refused(why),
        CallEnd::NotSent { error, .. } => StepEnd::NotSent(error),
        CallEnd::Unknown(why) => StepEnd::Broken(format!("nobody knows what it did: {why}")),
        CallEnd::Broken(why) | CallEnd::Mismatch { error: why, .. } => StepEnd::Broken(why),
        CallEnd::Pending | CallEnd::Found(_) => {
            StepEnd::Broken("it is answered later, which needs a saga around it".to_owned())
        }
    };
    Err(StepError::of(name, end))
}
