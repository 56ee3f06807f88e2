//! What is tested: functions and operations in a world of their own, one saga that is started, and
//! what must be true at its end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use settled_protocol::{Json, LegId, SagaState, Span, StepState};

use super::apart::{Apart, Desk};
use super::probe::{Probe, Watched};
use crate::definition::{Definitions, Submission};
use crate::function::{Before, Failure, Functions, Operation, Registry, Saga, operation_run};
use crate::service::SagaOptions;
use crate::snapshot::SagaSnapshot;

type Check = Box<dyn FnOnce(&End) -> Result<(), String>>;

/// One saga in a world of its own. Made anew for every scenario, so that none sees what another did.
///
/// The state stands for everything outside of the process: the services that are called and their
/// books. It is what survives when the process dies.
#[must_use = "nothing is tested before it is given to a kit"]
pub struct Scenario<S> {
    registry: Registry<S>,
    probe: Arc<Probe>,
    wrong: Option<String>,
    start: Option<(String, String, Result<Json, String>)>,
    deadline: Option<Duration>,
    check: Option<Check>,
}

impl<S: Clone + Send + Sync + 'static> Scenario<S> {
    /// A world whose functions and closures are given this state.
    pub fn new(state: S) -> Self {
        Self {
            registry: Registry::new(state),
            probe: Arc::default(),
            wrong: None,
            start: None,
            deadline: None,
            check: None,
        }
    }

    /// Registers a function, as on [`crate::Builder::saga`].
    pub fn saga<F, Fut, I, T, E>(self, name: &str, function: F) -> Self
    where
        F: Fn(Saga<S>, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        I: DeserializeOwned,
        T: Serialize,
        E: Into<Failure>,
    {
        self.saga_with(name, SagaOptions::default(), function)
    }

    /// As [`Scenario::saga`], saying what its sagas are like.
    pub fn saga_with<F, Fut, I, T, E>(
        mut self,
        name: &str,
        options: SagaOptions,
        function: F,
    ) -> Self
    where
        F: Fn(Saga<S>, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        I: DeserializeOwned,
        T: Serialize,
        E: Into<Failure>,
    {
        let (probe, called) = (Arc::clone(&self.probe), Arc::<str>::from(name));
        let watched = move |saga, input| Watched {
            future: Box::pin(function(saga, input)),
            probe: Arc::clone(&probe),
            name: Arc::clone(&called),
        };
        let SagaOptions {
            compensate,
            forward,
        } = options;
        if !self.registry.add(name, compensate, forward, watched) {
            let why = format!("`{name}` is registered twice, or is not a name");
            self.wrong.get_or_insert(why);
        }
        self
    }

    /// Registers an operation, as on [`crate::Builder::operation`].
    pub fn operation<O: Operation<S>>(self, name: &str, operation: O) -> Self {
        let (operation, participant) = (Arc::new(operation), Arc::<str>::from(name));
        let options = SagaOptions {
            forward: true,
            ..SagaOptions::default()
        };
        self.saga_with(name, options, move |saga, input| {
            operation_run(
                saga,
                Arc::clone(&operation),
                Arc::clone(&participant),
                Before::NotMade,
                input,
            )
        })
    }

    /// The saga that is started: a registered name, an id and an input.
    pub fn start<I: Serialize + ?Sized>(mut self, name: &str, id: &str, input: &I) -> Self {
        let input = serde_json::to_string(input).map(Json::from_valid);
        let input = input.map_err(|why| why.to_string());
        self.start = Some((name.to_owned(), id.to_owned(), input));
        self
    }

    /// Not settled in this time, and before the pivot: the saga is compensated.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// What must be true at the end, however the saga came to it: an error (or a panic, so that
    /// `assert_eq!` does) says what is not.
    pub fn check(mut self, check: impl FnOnce(&End) -> Result<(), String> + 'static) -> Self {
        self.check = Some(Box::new(check));
        self
    }

    pub(super) fn prepare(self) -> Result<Prepared, String> {
        if let Some(why) = self.wrong {
            return Err(why);
        }
        let (name, id, input) = self
            .start
            .ok_or("no saga is started: call `start` on the scenario")?;
        let definitions = Definitions::with_functions(self.registry.definitions());
        let desk = Arc::new(Desk::default());
        self.registry.set_apart(Box::new(Apart(Arc::clone(&desk))));
        let definition = definitions
            .function(&name)
            .ok_or_else(|| format!("no function is registered as `{name}`"))?;
        let submission = Submission {
            id: Some(id.clone()),
            name,
            input: input.map_err(|why| format!("the input cannot be written as JSON: {why}"))?,
            deadline: self.deadline.map(Span::from),
            by: None,
            definition: Arc::clone(definition),
        };
        Ok(Prepared {
            functions: Arc::new(Arc::new(self.registry)),
            definitions: Arc::new(definitions),
            probe: self.probe,
            desk,
            id,
            submission,
            check: self.check,
        })
    }
}

/// A scenario with its types forgotten.
pub(super) struct Prepared {
    pub(super) functions: Arc<dyn Functions>,
    pub(super) definitions: Arc<Definitions>,
    pub(super) probe: Arc<Probe>,
    pub(super) desk: Arc<Desk>,
    pub(super) id: String,
    pub(super) submission: Submission,
    pub(super) check: Option<Check>,
}

/// The saga at its end, for [`Scenario::check`].
#[derive(Debug)]
pub struct End {
    pub(super) at: SagaSnapshot,
    pub(super) open: Vec<String>,
}

impl End {
    /// Whether everything was done.
    pub fn completed(&self) -> bool {
        self.at.saga.settled() == Some(SagaState::Completed)
    }

    /// Whether everything that was done is undone.
    pub fn compensated(&self) -> bool {
        self.at.saga.settled() == Some(SagaState::Compensated)
    }

    /// Whether it waits for a person: part of it is done, and the incidents say what is left.
    pub fn stuck(&self) -> bool {
        self.at.saga.settled().is_none()
    }

    /// What the function returned, where it completed and that is of this type.
    pub fn result<T: DeserializeOwned>(&self) -> Option<T> {
        if !self.completed() {
            return None;
        }
        let result = self.at.saga.result(LegId::FUNCTION.step)?;
        serde_json::from_str(result.as_str()).ok()
    }

    /// Why it went back, in words, where it did.
    pub fn reason(&self) -> Option<&str> {
        (self.at.saga.reason()).map(|reason| reason.message.as_str())
    }

    /// What became of a step; none where the function never came to it.
    pub fn step(&self, name: &str) -> Option<StepState> {
        let mut steps = self.at.saga.steps();
        steps.find(|step| step.name == name).map(|step| step.state)
    }

    /// The open incidents, in words.
    pub fn incidents(&self) -> &[String] {
        &self.open
    }
}
