//! Sagas whose every call ends settled: done, undone, or in front of a person.
//!
//! One business action, several services or somebody else's platform, and no database transaction that
//! covers them all. Write it as an async function whose calls are [steps](Saga::step): each is on record
//! before it is made and after it was answered, is undone when a later one fails, and is asked about,
//! repeated under the same key or put before a person when nobody knows what came of it. After a crash
//! the function goes on from the record.
//!
//! * **Write** an `async fn(Saga<S>, Input) -> Result<Output, Failure>`; its calls are steps, each with a
//!   name and an [action](function::StepStart::action), and where wanted a
//!   [compensation](function::StepBuilder::compensation), a [check](function::StepBuilder::check) and a
//!   policy. One call that cannot be rolled back is an [`Operation`].
//! * **Say what is certain** when a call fails: [`CallError`]. A time-out is neither success nor failure.
//! * **Set up** by [`Settled::builder`], or [`Settled::with_state`] for functions that need pools and
//!   clients; what is unfinished goes on as soon as it is started.
//! * **Start** a saga by [`Settled::start`], under an id of the caller's ([`Start::id`]), and wait for it
//!   or do not. Everything else that can be asked or told is at [`Settled::coordinator`].
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use settled::{Call, CallError, Failure, Saga, Settled};
//!
//! async fn create_order(saga: Saga, items: Vec<String>) -> Result<usize, Failure> {
//!     let taken = saga
//!         .step("stock")
//!         .input(&items)
//!         .action(async |_: Call, items: Vec<String>| Ok::<_, CallError>(items))
//!         .compensation(async |_, _items, _taken: Vec<String>| Ok::<_, CallError>(()))
//!         .await?;
//!     saga.step("points")
//!         .action(async |_: Call, ()| Err::<(), _>(CallError::refused("too few points")))
//!         .await?;
//!     Ok(taken.len())
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let settled = Settled::builder()
//!         .journal("settled.db")
//!         .saga("create-order", create_order)
//!         .start()?;
//!     let order = settled.start("create-order", &["tea", "bag"]).id("order-1001");
//!     let items: usize = order.result().await?;
//!     println!("{items} items are on their way");
//!     settled.shutdown(Duration::from_secs(10)).await;
//!     Ok(())
//! }
//! ```
//!
//! The [`function`] module says what a function must keep to, [`service`] how it is run. The guide
//! (`docs/guide.md`) goes through all of it, and `examples/` has programs to run.
//!
//! Sagas can also be documents, whose calls are HTTP requests: [`definition`], [`participant`]. The engine
//! under both is [`engine`], without I/O, and [`coordinator`], at work on tokio.

pub mod coordinator;
pub mod definition;
pub mod engine;
pub mod function;
pub mod local;
pub mod mask;
pub mod observe;
pub mod participant;
pub mod schedule;
pub mod service;
pub mod snapshot;
#[cfg(feature = "testkit")]
pub mod testkit;

mod callback;
mod fingerprint;
mod trace;

pub use callback::CallbackKey;
pub use engine::{BreakerLimits, Limits};
pub use function::{
    Call, CallError, Failure, OnRefusal, Operation, OperationPolicy, Saga, Step, StepError,
    StepErrorKind,
};
pub use service::{
    Builder, Operations, Perform, RunError, SagaOptions, Settled, SetupError, Start, StartError,
    Started,
};
pub use settled_journal as journal;
pub use settled_protocol as protocol;
pub use settled_protocol::{CompensateOrder, OnUnknown, Retry};
pub use settled_transaction as transaction;
pub use settled_transaction::Propagation;
