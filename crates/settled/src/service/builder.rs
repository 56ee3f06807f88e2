//! What a program's Settled is made of.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use settled_journal::{OpenError, SqliteJournal};
use settled_protocol::CompensateOrder;

use super::Settled;
use super::apart::Apart;
use crate::coordinator::{Coordinator, CoordinatorSettings, OpenJournal, Work};
use crate::definition::Definitions;
use crate::engine::{Limits, LimitsError};
use crate::function::{Failure, Functions, Operation, Registry, Saga};
use crate::observe::{Observer, Unobserved};
use crate::participant::HttpParticipants;

/// Why Settled could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Two functions have one name, or a name is not one.
    #[error(
        "saga `{0}`: its name is taken, is not 1 to 128 characters of A-Za-z0-9._:-, or begins with \
         `settled.`, which is Settled's own; give each saga a name of its own"
    )]
    Name(String),
    /// No journal was named.
    #[error("journal: none was named; call `journal(\"settled.db\")` on the builder")]
    NoJournal,
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// Limits cannot be kept to.
    #[error("participant `{participant}`: {error}")]
    Limits {
        /// Whose.
        participant: String,
        /// Which, and what was expected.
        error: LimitsError,
    },
    /// The system gives no thread for the journal's writer.
    #[error("the journal's thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
    /// There is no runtime to run in.
    #[error("there is no tokio runtime here; call `start` within one, as in `#[tokio::main]`")]
    NoRuntime,
}

/// What the sagas of a function are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SagaOptions {
    /// The order of compensation.
    pub compensate: CompensateOrder,
    /// There is no way back from the beginning: what the machine cannot do is put before a person.
    pub forward: bool,
}

/// Sets up Settled, see [`Settled::builder`].
#[must_use = "nothing runs before `start`"]
pub struct Builder<S> {
    registry: Registry<S>,
    wrong: Option<String>,
    journal: Option<Journal>,
    participants: Option<HttpParticipants>,
    observer: Arc<dyn Observer>,
    settings: CoordinatorSettings,
}

enum Journal {
    File(PathBuf),
    Within(PathBuf),
    Open(OpenJournal),
}

impl<S: Clone + Send + Sync + 'static> Builder<S> {
    pub(super) fn new(state: S) -> Self {
        Self {
            registry: Registry::new(state),
            wrong: None,
            journal: None,
            participants: None,
            observer: Arc::new(Unobserved),
            settings: CoordinatorSettings::default(),
        }
    }

    /// Keeps the journal in a SQLite file of its own, which is made where it is not there.
    pub fn journal(mut self, path: impl Into<PathBuf>) -> Self {
        self.journal = Some(Journal::File(path.into()));
        self
    }

    /// Keeps the journal within the service's own SQLite database, in tables that begin with
    /// `settled_`. The database is put into the mode with a write-ahead log.
    pub fn journal_within(mut self, path: impl Into<PathBuf>) -> Self {
        self.journal = Some(Journal::Within(path.into()));
        self
    }

    /// Keeps the journal in a store that was opened already.
    pub fn open_journal(mut self, journal: OpenJournal) -> Self {
        self.journal = Some(Journal::Open(journal));
        self
    }

    /// Registers a function under a name of 1 to 128 characters of `A-Za-z0-9._:-`. Sagas on record are
    /// found by that name: it stays the same while there are any. A name that is none, or that is taken,
    /// is told by [`Builder::start`].
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

    /// As [`Builder::saga`], saying what its sagas are like.
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
        let SagaOptions {
            compensate,
            forward,
        } = options;
        if !self.registry.add(name, compensate, forward, function) {
            self.wrong.get_or_insert_with(|| name.to_owned());
        }
        self
    }

    /// Registers an operation under a name of 119 characters at most: a saga of one call that cannot be
    /// rolled back. With it goes its recovery, under the same name and `.recovery`: see
    /// [`Settled::operations`].
    pub fn operation<O: Operation<S>>(mut self, name: &str, operation: O) -> Self {
        if !self.registry.add_operation(name, operation) {
            self.wrong.get_or_insert_with(|| name.to_owned());
        }
        self
    }

    /// Makes the HTTP calls of sagas that are documents rather than functions. Without this they
    /// wait. Programs whose sagas are all functions need none.
    pub fn http(mut self, participants: HttpParticipants) -> Self {
        self.participants = Some(participants);
        self
    }

    /// Is told what happens, for logs and metrics; nobody unless said otherwise.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Limits, and how long settled sagas are kept.
    pub fn settings(mut self, mut settings: CoordinatorSettings) -> Self {
        let limits = std::mem::take(&mut self.settings.engine.limits_of);
        settings.engine.limits_of.extend(limits);
        self.settings = settings;
        self
    }

    /// What one participant may be asked to bear: the name that a function's steps give, or
    /// `host:port`. The others keep to the limits of [`Builder::settings`].
    pub fn limit(mut self, participant: &str, limits: Limits) -> Self {
        let own = &mut self.settings.engine.limits_of;
        own.insert(participant.to_owned(), limits);
        self
    }

    /// Opens the journal and starts; what is unfinished there goes on at once.
    ///
    /// # Errors
    /// [`SetupError`] says what is wrong and what to do about it; nothing runs then.
    pub fn start(self) -> Result<Settled, SetupError> {
        if let Some(name) = self.wrong {
            return Err(SetupError::Name(name));
        }
        let engine = &self.settings.engine;
        let every = ("*".to_owned(), engine.limits.clone());
        for (participant, limits) in engine.limits_of.iter().chain([(&every.0, &every.1)]) {
            limits.check().map_err(|error| SetupError::Limits {
                participant: participant.clone(),
                error,
            })?;
        }
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(SetupError::NoRuntime);
        }
        let journal = match self.journal.ok_or(SetupError::NoJournal)? {
            Journal::Open(journal) => journal,
            Journal::File(path) => open(SqliteJournal::open(path)?),
            Journal::Within(path) => open(SqliteJournal::open_within(path)?),
        };
        let definitions = Definitions::with_functions(self.registry.definitions());
        let registry = Arc::new(self.registry);
        let work = Work {
            participants: self.participants,
            functions: Some(Arc::new(Arc::clone(&registry)) as Arc<dyn Functions>),
            definitions,
        };
        let (apart, ready) = Apart::new();
        registry.set_apart(Box::new(apart));
        let coordinator = Coordinator::start_with(journal, work, self.observer, self.settings)?;
        ready.set(&coordinator);
        Ok(Settled { coordinator })
    }
}

fn open(writer: SqliteJournal) -> OpenJournal {
    OpenJournal {
        keeper: Arc::new(writer.keeper()),
        writer: Box::new(writer),
    }
}
