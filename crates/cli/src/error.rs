//! Why a command could not do what it was asked for: one line for people, and an exit status.
//!
//! Each text says what to do about it. Text from elsewhere (a file, a server) is shown as text: what
//! could steer a terminal is taken out where the line is printed.

use std::io;
use std::path::PathBuf;

use settled::journal::OpenError;
use settled::mask::BadPattern;
use settled::participant::{AllowListError, HttpSetupError};
use settled_server::{AccessError, BadTokenFile, BindError};

use crate::bench::BenchError;
use crate::client::ClientError;
use crate::demo::DemoError;
use crate::exit::Exit;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A file cannot be read.
    #[error("{path}: {source}; name a file that can be read, or - for standard input", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is neither YAML nor JSON, or not a saga.
    #[error("{path}: {why}", path = .path.display())]
    Document {
        /// Which.
        path: PathBuf,
        /// What is wrong with it, and where.
        why: String,
    },
    /// A saga with this id is in the journal already, with other content.
    #[error("{path}: id: the journal has a saga {id} with other content; use another id", path = .path.display())]
    Conflict {
        /// The file.
        path: PathBuf,
        /// The id.
        id: String,
    },
    /// A journal that this build does not know.
    #[error("--journal: {0}")]
    JournalUrl(String),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The journal failed while sagas were driven.
    #[error("the journal failed: {0}; nothing is lost: put it right and start again")]
    JournalFailed(String),
    /// The token file.
    #[error("--token-file: {0}")]
    Tokens(#[from] BadTokenFile),
    /// The allow-list.
    #[error("--allow-participant: {0}")]
    Allow(#[from] AllowListError),
    /// What is to be masked.
    #[error("--mask: {0}")]
    Mask(#[from] BadPattern),
    /// The settings of calls.
    #[error("--participant-ca: {0}")]
    Http(#[from] HttpSetupError),
    /// The address would be open to everybody.
    #[error("--listen: {0}")]
    Access(#[from] AccessError),
    /// The address cannot be listened on.
    #[error("--listen: {0}")]
    Bind(#[from] BindError),
    /// The log filter.
    #[error("--log: {0}; write it as in info,settled=debug")]
    Log(String),
    /// The system refuses something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The saga could not be taken or read.
    #[error("{0}")]
    Saga(String),
    /// Standard output is closed: whoever read it has seen enough.
    #[error("standard output is closed")]
    Closed,
    /// A client's command.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The benchmark.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// The demo.
    #[error(transparent)]
    Demo(#[from] DemoError),
}

impl CliError {
    /// With what status the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::File { .. }
            | Self::Document { .. }
            | Self::Conflict { .. }
            | Self::JournalUrl(_)
            | Self::Tokens(_)
            | Self::Allow(_)
            | Self::Mask(_)
            | Self::Http(_)
            | Self::Access(_)
            | Self::Bind(BindError::Access(_))
            | Self::Log(_) => Exit::Usage,
            Self::Journal(_) | Self::Bind(_) => Exit::Start,
            Self::JournalFailed(_) => Exit::Journal,
            Self::Closed => Exit::Success,
            Self::System { .. } | Self::Saga(_) | Self::Demo(_) => Exit::Failure,
            Self::Client(error) => error.exit(),
            Self::Bench(error) => error.exit(),
        }
    }
}
