//! Sagas whose every call ends settled: done, undone, or in front of a person.

pub mod coordinator;
pub mod definition;
pub mod engine;
pub mod function;
pub mod observe;
pub mod participant;
pub mod service;
pub mod snapshot;
#[cfg(feature = "testkit")]
pub mod testkit;

mod callback;
mod fingerprint;
mod trace;

pub use callback::CallbackKey;
pub use function::{
    Call, CallError, Failure, OnRefusal, Operation, OperationPolicy, Propagation, Saga, Step,
    StepError, StepErrorKind,
};
pub use service::{
    Builder, RunError, SagaOptions, Settled, SetupError, Start, StartError, Started,
};
pub use settled_journal as journal;
pub use settled_protocol as protocol;
pub use settled_protocol::{CompensateOrder, OnUnknown, Retry};
