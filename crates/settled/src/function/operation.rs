//! One call that cannot be rolled back, with everything around it: recorded before it is made, asked
//! about when nobody knows, called again when it failed, and its result recorded in the program's
//! own database together with what else belongs to it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use settled_protocol::{OnUnknown, Retry};

use super::call::{Call, CallError};
use super::error::Failure;
use super::saga::Saga;

/// A call to a platform that cannot be taken back.
///
/// ```text
///   start      recorded durably before the platform is called, by Settled
///   call       the platform, with the operation's number (`Call::key`)
///   ask        did it happen? put when nobody knows: after a crash, a time-out, a lost answer
///   record     the result, into the program's own database, in one transaction with what belongs to it
/// ```
///
/// An operation has two steps on record, `call` and `record`. There is no way back from the beginning:
/// what the machine cannot settle is put before a person.
///
/// ```no_run
/// use settled::{Call, CallError, Operation, Settled};
/// # #[derive(Clone)] struct Shop;
/// # impl Shop {
/// #   async fn shelve(&self, number: &str, goods: &str) -> Result<String, CallError> { Ok(goods.to_owned()) }
/// #   async fn is_operated(&self, number: &str) -> Result<Option<String>, CallError> { Ok(None) }
/// #   async fn write_down(&self, number: &str, goods: &str, listing: &str) -> Result<(), CallError> { Ok(()) }
/// # }
/// struct Shelve;
///
/// impl Operation<Shop> for Shelve {
///     type Input = String;
///     type Output = String;
///
///     async fn call(&self, call: Call<Shop>, goods: String) -> Result<String, CallError> {
///         call.state().shelve(call.key(), &goods).await
///     }
///
///     async fn ask(&self, call: Call<Shop>, _: String) -> Result<Option<String>, CallError> {
///         call.state().is_operated(call.key()).await
///     }
///
///     async fn record(&self, call: Call<Shop>, goods: String, listing: String) -> Result<(), CallError> {
///         call.state().write_down(call.key(), &goods, &listing).await
///     }
/// }
///
/// # async fn main_() -> Result<(), Box<dyn std::error::Error>> {
/// let settled = Settled::with_state(Shop)
///     .journal("settled.db")
///     .operation("shelve", Shelve)
///     .start()?;
/// let listing: String = settled.start("shelve", "lamp").id("shelve-4711").result().await?;
/// # Ok(()) }
/// ```
pub trait Operation<S>: Send + Sync + 'static {
    /// What is to be done.
    type Input: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What the platform returned.
    type Output: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Whether [`Operation::ask`] can tell.
    const CAN_BE_ASKED: bool = true;

    /// Calls the platform. [`Call::key`] is the operation's number.
    fn call(
        &self,
        call: Call<S>,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, CallError>> + Send;

    /// Asks the platform whether the operation with [`Call::key`] happened, and what it returned: none
    /// where it did not, an error where the answer does not tell. "No" is believed only once the last
    /// call can no longer arrive. Where [`Operation::CAN_BE_ASKED`] is false this is never called.
    fn ask(
        &self,
        call: Call<S>,
        input: Self::Input,
    ) -> impl Future<Output = Result<Option<Self::Output>, CallError>> + Send {
        let _ = (call, input);
        async { Err(CallError::unknown("the platform cannot be asked")) }
    }

    /// Records the result in the program's own database: run after the call, and after the platform
    /// said that it had happened. It may run again, with the same [`Call::key`]; recording that key
    /// in the same transaction makes it take effect once: see [`local::once`](crate::local::once()). The
    /// key is the record's own here, another one than the call's.
    fn record(
        &self,
        call: Call<S>,
        input: Self::Input,
        output: Self::Output,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// How it is settled.
    fn policy(&self) -> OperationPolicy {
        OperationPolicy::default()
    }
}

/// What becomes of an operation that the platform refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRefusal {
    /// It is put before a person.
    #[default]
    Incident,
    /// It is called again by its policy, and put before a person when that is at its end.
    Retry,
}

/// How an operation is settled.
#[derive(Clone, Debug)]
pub struct OperationPolicy {
    /// What to do about an unknown outcome: `Check` where the platform can be asked, else
    /// `Incident`, unless said otherwise. `Retry` declares that the platform honours the key.
    pub on_unknown: Option<OnUnknown>,
    /// What to do about a refusal.
    pub on_refusal: OnRefusal,
    /// The time limit of one call, of one question and of one recording; 10 seconds by default.
    pub timeout: Duration,
    /// How the call is tried again; by default 10 attempts, 200 ms doubling to 30 s.
    pub retry: Retry,
    /// How the recording is tried again; by default as the call.
    pub record_retry: Retry,
    /// Whom it calls, for limits and for people; its name where none is given.
    pub participant: Option<String>,
}

impl Default for OperationPolicy {
    fn default() -> Self {
        Self {
            on_unknown: None,
            on_refusal: OnRefusal::default(),
            timeout: Duration::from_secs(10),
            retry: Retry::default(),
            record_retry: Retry::default(),
            participant: None,
        }
    }
}

/// What the name of an operation's recovery ends in: the saga that settles one which was begun in the
/// service's own database.
pub(crate) const RECOVERY: &str = ".recovery";

/// Whether an operation may have been made already when its saga begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// It was not.
    NotMade,
    /// Nobody knows: whoever had begun it did not come to its end. Its first call is taken for one that
    /// got no answer.
    Unknown,
}

/// An operation as a function: a saga of one call and its record.
pub(crate) async fn run<S, O>(
    saga: Saga<S>,
    operation: Arc<O>,
    name: Arc<str>,
    before: Before,
    input: O::Input,
) -> Result<O::Output, Failure>
where
    S: Clone + Send + Sync + 'static,
    O: Operation<S>,
{
    let policy = operation.policy();
    let participant = policy.participant.as_deref().unwrap_or(&name);
    let tries_refusals_again = policy.on_refusal == OnRefusal::Retry;
    let own = Arc::clone(&operation);
    let mut call = saga
        .step("call")
        .input(&input)
        .action(move |call, input| {
            let operation = Arc::clone(&own);
            async move {
                if before == Before::Unknown && call.attempt() == 1 {
                    return Err(CallError::unknown(
                        "whoever had begun it did not come to its end",
                    ));
                }
                let done = operation.call(call, input).await;
                done.map_err(|error| {
                    if tries_refusals_again {
                        error.tried_again()
                    } else {
                        error
                    }
                })
            }
        })
        .timeout(policy.timeout)
        .retry(policy.retry)
        .participant(participant);
    if O::CAN_BE_ASKED {
        let own = Arc::clone(&operation);
        call = call.check(move |call, input| {
            let operation = Arc::clone(&own);
            async move { operation.ask(call, input).await }
        });
    }
    let on_unknown = policy.on_unknown.unwrap_or(if O::CAN_BE_ASKED {
        OnUnknown::Check
    } else {
        OnUnknown::Incident
    });
    let output = call.on_unknown(on_unknown).await?;
    let input_and_output = (&input, &output);
    let record = saga.step("record").input(&Recording::of(input_and_output)?);
    record
        .action(move |call, recording: Recording| {
            let operation = Arc::clone(&operation);
            async move {
                let (input, output) = recording.read().map_err(CallError::broken)?;
                operation.record(call, input, output).await
            }
        })
        .retry(policy.record_retry)
        .timeout(policy.timeout)
        .await?;
    Ok(output)
}

/// What is recorded: what was asked for, and what the platform returned.
#[derive(Serialize, serde::Deserialize)]
struct Recording {
    input: settled_protocol::Json,
    output: settled_protocol::Json,
}

impl Recording {
    fn of<I: Serialize, T: Serialize>(both: (&I, &T)) -> Result<Self, serde_json::Error> {
        Ok(Self {
            input: super::closures::to_json(both.0)?,
            output: super::closures::to_json(both.1)?,
        })
    }

    fn read<I: DeserializeOwned, T: DeserializeOwned>(&self) -> Result<(I, T), serde_json::Error> {
        Ok((
            super::closures::from_json(&self.input)?,
            super::closures::from_json(&self.output)?,
        ))
    }
}
