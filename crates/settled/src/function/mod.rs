//! Sagas as async Rust functions.
//!
//! A function awaits its steps one after the other, or side by side; each step has a name and an
//! action, and where wanted a compensation, a check and a policy. Every step is recorded before it
//! is called and after it was answered. After a restart the function is run again from the record:
//! what is recorded is given back without calling anybody, and the function goes on from there.
//!
//! ```no_run
//! use settled::{Call, CallError, Failure, Saga};
//!
//! # #[derive(Clone)] struct Shop;
//! # impl Shop {
//! #   async fn deduct(&self, key: &str, items: &[String]) -> Result<Vec<String>, CallError> { Ok(items.to_vec()) }
//! #   async fn add(&self, key: &str, items: &[String]) -> Result<(), CallError> { Ok(()) }
//! # }
//! async fn create_order(saga: Saga<Shop>, items: Vec<String>) -> Result<usize, Failure> {
//!     let taken = saga
//!         .step("stock")
//!         .input(&items)
//!         .action(async |call: Call<Shop>, items: Vec<String>| {
//!             call.state().deduct(call.key(), &items).await
//!         })
//!         .compensation(async |call, _items, taken: Vec<String>| {
//!             call.state().add(call.key(), &taken).await
//!         })
//!         .await?;
//!     Ok(taken.len())
//! }
//! ```
//!
//! # What a function must keep to
//!
//! * What it does between its steps may be done again, any number of times, and may have seen a
//!   step's outcome that did not become durable: effects belong into steps.
//! * Run again from the same results, it comes to the same steps: times, random numbers and what is
//!   read from elsewhere belong into steps too. A function that comes to other steps than those on
//!   record is found out, and becomes an incident; it never makes a wrong call.
//! * A step is named once in a saga. Where it stands in a loop, the number of the turn belongs into
//!   its name.
//! * Closures borrow nothing: they are called again after a restart, and compensations long after
//!   the function has ended. What they need comes with the call: the program's state
//!   ([`Call::state`]) and the step's input, which is recorded.
//!
//! A step whose future is dropped is not undone by that: it is called, recorded and, if the saga
//! goes back, compensated like any other.

mod call;
mod closures;
mod desk;
mod error;
mod operation;
mod registry;
mod run;
mod saga;
mod step;

pub use self::call::{Call, CallError};
pub(crate) use self::closures::Boxed;
pub use self::error::{Failure, StepError, StepErrorKind};
pub(crate) use self::operation::RECOVERY;
#[cfg(feature = "testkit")]
pub(crate) use self::operation::{Before, run as operation_run};
pub use self::operation::{OnRefusal, Operation, OperationPolicy};
pub use self::registry::{Functions, Registry, RunApart};
pub use self::run::{Run, RunClosures};
pub use self::saga::{Returning, Saga, SagaCall};
pub use self::step::{Step, StepBuilder, StepFuture, StepStart};
