//! Settled inside a program of yours: its functions, its journal, and a handle to start them.
//!
//! ```no_run
//! use settled::{Failure, Saga, Settled};
//!
//! async fn greet(_: Saga, name: String) -> Result<String, Failure> {
//!     Ok(format!("hello, {name}"))
//! }
//!
//! # async fn main_() -> Result<(), Box<dyn std::error::Error>> {
//! let settled = Settled::builder()
//!     .journal("settled.db")
//!     .saga("greet", greet)
//!     .start()?;
//! let greeting: String = settled.start("greet", &"you".to_owned()).result().await?;
//! # Ok(()) }
//! ```

mod apart;
mod builder;
mod operations;
mod outbox;
mod start;

use std::time::Duration;

pub use self::builder::{Builder, SagaOptions, SetupError};
pub use self::operations::{Operations, Perform};
pub use self::start::{RunError, Start, StartError, Started};
use crate::coordinator::Coordinator;

/// A running Settled; cheap to clone. Sagas that the program left unfinished when it last ended go
/// on as soon as it is started.
#[derive(Clone, Debug)]
pub struct Settled {
    coordinator: Coordinator,
}

impl Settled {
    /// Sets up a program whose functions need no state.
    pub fn builder() -> Builder<()> {
        Builder::new(())
    }

    /// Sets up a program whose functions and closures are given this state: its database pool, its
    /// clients. It is cloned for each saga.
    pub fn with_state<S: Clone + Send + Sync + 'static>(state: S) -> Builder<S> {
        Builder::new(state)
    }

    /// Everything else that can be asked or told: histories, incidents, cancelling, watching.
    pub fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    /// Takes nothing new, lets the calls that are under way end (for `grace` at most), and stops.
    /// What is not settled goes on at the next start. To be called before the program ends; a program
    /// that ends without loses nothing, but asks about calls whose answers it could have waited for.
    ///
    /// Once polled, it goes on also when its future is dropped. Other clones of this handle answer
    /// afterwards that the coordinator has stopped.
    pub async fn shutdown(&self, grace: Duration) {
        self.coordinator.drain(grace).await;
    }
}
