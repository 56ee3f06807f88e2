//! The functions of a program, by name.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use settled_protocol::{CompensateOrder, Json};

use super::call::CallError;
use super::closures::{Boxed, from_json, to_json};
use super::desk::Desk;
use super::error::Failure;
use super::operation::{self, Before, Operation, RECOVERY};
use super::run::{Run, SagaFuture};
use super::saga::Saga;
use crate::definition::{Definition, RESERVED};
use crate::engine::Launch;

/// Makes runs of a program's functions: what a coordinator needs of them.
pub trait Functions: Send + Sync {
    /// Begins a run; its function is not polled yet.
    fn make(&self, launch: &Launch) -> Run;
}

/// The functions of a program, by name, with the state that they are given.
pub struct Registry<S> {
    state: S,
    functions: HashMap<String, Registered<S>>,
    /// Runs a saga of its own; set once there is a coordinator.
    apart: OnceLock<Box<dyn RunApart>>,
}

/// Runs a saga of its own to its end, for a saga that calls it with
/// [`Propagation::RequiresNew`](settled_transaction::Propagation::RequiresNew).
pub trait RunApart: Send + Sync {
    /// Starts the saga, or finds the one that was started under this id, and waits for its end: what
    /// it returned, or what is certain of it.
    fn run(
        &self,
        function: &str,
        id: String,
        input: Json,
        timeout: Duration,
    ) -> Boxed<Result<Json, CallError>>;
}

type Make<S> = Box<dyn Fn(Saga<S>, &Json) -> Result<SagaFuture, String> + Send + Sync>;

struct Registered<S> {
    make: Make<S>,
    compensate: CompensateOrder,
    forward: bool,
}

impl<S: Clone + Send + Sync + 'static> Registry<S> {
    /// A registry without functions.
    pub fn new(state: S) -> Self {
        Self {
            state,
            functions: HashMap::new(),
            apart: OnceLock::new(),
        }
    }

    /// Registers a function. False where the name is taken, is not 1 to 128 characters of
    /// `A-Za-z0-9._:-`, or begins with `settled.`: then nothing is registered.
    pub fn add<F, Fut, I, T, E>(
        &mut self,
        name: &str,
        compensate: CompensateOrder,
        forward: bool,
        function: F,
    ) -> bool
    where
        F: Fn(Saga<S>, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        I: DeserializeOwned,
        T: Serialize,
        E: Into<Failure>,
    {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        if name.is_empty() || name.len() > 128 || !name.chars().all(fits) {
            return false;
        }
        if self.functions.contains_key(name) || name.starts_with(RESERVED) {
            return false;
        }
        let make: Make<S> = Box::new(move |saga, input| {
            let input = from_json(input).map_err(|why| why.to_string())?;
            let run = function(saga, input);
            Ok(Box::pin(async move {
                let result = run.await.map_err(Into::into)?;
                to_json(&result).map_err(|why| {
                    Failure::new(format!("its result cannot be written as JSON: {why}"))
                })
            }))
        });
        let registered = Registered {
            make,
            compensate,
            forward,
        };
        self.functions.insert(name.to_owned(), registered);
        true
    }

    /// What the sagas of each function begin with.
    pub fn definitions(&self) -> Vec<Definition> {
        let mut definitions: Vec<Definition> = (self.functions.iter())
            .map(|(name, registered)| {
                Definition::of_function(name, registered.compensate, registered.forward)
            })
            .collect();
        definitions.sort_by(|one, other| one.function().cmp(&other.function()));
        definitions
    }

    /// Registers an operation: see [`Registry::add`].
    /// With it goes its recovery, under its name and `.recovery`: for those that were begun in the
    /// service's own database.
    pub fn add_operation<O: Operation<S>>(&mut self, name: &str, operation: O) -> bool {
        let operation = Arc::new(operation);
        let recovery = format!("{name}{RECOVERY}");
        let both = [(name, Before::NotMade), (&recovery, Before::Unknown)];
        both.into_iter().all(|(function, before)| {
            let (operation, participant) = (Arc::clone(&operation), Arc::<str>::from(name));
            self.add(
                function,
                CompensateOrder::Reverse,
                true,
                move |saga, input| {
                    operation::run(
                        saga,
                        Arc::clone(&operation),
                        Arc::clone(&participant),
                        before,
                        input,
                    )
                },
            )
        })
    }

    /// Says who runs sagas of their own; once.
    pub fn set_apart(&self, apart: Box<dyn RunApart>) {
        let _ = self.apart.set(apart);
    }

    pub(super) fn run_apart(
        &self,
        function: &str,
        id: String,
        input: Json,
        timeout: Duration,
    ) -> Boxed<Result<Json, CallError>> {
        if let Some(apart) = self.apart.get() {
            return apart.run(function, id, input, timeout);
        }
        let why = "there is no coordinator to run a saga of its own";
        Box::pin(std::future::ready(Err(CallError::not_sent(why))))
    }

    /// A function within something that is running.
    pub(super) fn run_within(
        &self,
        saga: Saga<S>,
        function: &str,
        input: &Json,
    ) -> Result<SagaFuture, Failure> {
        let registered = self
            .functions
            .get(function)
            .ok_or_else(|| Failure::new(format!("no function is registered as `{function}`")))?;
        (registered.make)(saga, input).map_err(|why| {
            Failure::new(format!(
                "the input does not fit the one of `{function}`: {why}"
            ))
        })
    }
}

/// [`Functions`] over a shared registry.
impl<S: Clone + Send + Sync + 'static> Functions for Arc<Registry<S>> {
    fn make(&self, launch: &Launch) -> Run {
        let Some(registered) = self.functions.get(&*launch.function) else {
            let error = format!("no function is registered as `{}`", launch.function);
            return Run::misfit(launch, error, None);
        };
        let desk = Arc::new(Desk::new(launch));
        let saga = Saga {
            desk: Some(Arc::clone(&desk)),
            id: Arc::clone(&launch.id),
            scope: "".into(),
            registry: Arc::clone(self),
            state: self.state.clone(),
        };
        // What a function does before its first await is its own, also when it panics.
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (registered.make)(saga, &launch.input)
        }));
        match made {
            Ok(Ok(future)) => Run::new(desk, future),
            Ok(Err(why)) => {
                let error = format!("the input on record does not fit the type in the code: {why}");
                Run::misfit(launch, error, Some(launch.input.clone()))
            }
            Err(_) => Run::new(
                desk,
                Box::pin(async { Err(Failure::new("the function panicked")) }),
            ),
        }
    }
}

impl<S> std::fmt::Debug for Registry<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names: Vec<&String> = self.functions.keys().collect();
        names.sort();
        f.debug_struct("Registry")
            .field("functions", &names)
            .finish_non_exhaustive()
    }
}
