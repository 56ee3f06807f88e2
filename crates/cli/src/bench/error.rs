//! Why nothing could be measured.

use std::io;

use settled::coordinator::SubmitError;
use settled::definition::Invalid;
use settled::journal::OpenError;
use settled::participant::HttpSetupError;

use crate::exit::Exit;

/// Why the benchmark gave no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// No place for the journal.
    #[error(
        "the current directory cannot take a journal ({source}); go to one that can be written, or give --journal"
    )]
    Directory {
        /// Why.
        source: io::Error,
    },
    /// A process of the benchmark.
    #[error("{what} could not be started: {why}")]
    Start {
        /// Which.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// A call that must succeed.
    #[error("a call without a journal went wrong: {0}; is the machine out of ports or files?")]
    Call(String),
    /// A saga that must settle.
    #[error(
        "saga {id} ended as {state}, expected {expected}; is the machine out of ports or files?"
    )]
    Ended {
        /// Which.
        id: String,
        /// How.
        state: String,
        /// How it should have.
        expected: &'static str,
    },
    /// A submission.
    #[error("a saga was not taken: {0}")]
    Submit(#[from] SubmitError),
    /// A document of the benchmark's own.
    #[error("the benchmark's saga is not one: {0}; this is a bug in settled")]
    Document(#[from] Invalid),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The client.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
    /// What the system tells of processes.
    #[error("{path} cannot be read ({source}); the benchmark needs Linux's /proc")]
    Proc {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A thread.
    #[error("the system gives no thread: {0}")]
    Thread(#[source] io::Error),
    /// Something that did not come about.
    #[error("{0}")]
    Late(String),
    /// Ctrl-C.
    #[error("interrupted; nothing is left behind")]
    Interrupted,
}

impl BenchError {
    /// With what status the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Journal(_) | Self::Directory { .. } => Exit::Start,
            Self::Interrupted => Exit::Interrupted,
            _ => Exit::Failure,
        }
    }
}
