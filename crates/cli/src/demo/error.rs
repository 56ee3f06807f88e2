//! Everything that can keep the demo from giving a verdict, with the remedy in the text.
//!
//! Books that do not balance are no error: they are the demo's result.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the demo could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// No place for books, journal and logs.
    #[error("no temporary directory could be made ({0}); set TMPDIR to one that can be written")]
    Directory(#[source] io::Error),

    /// The demo starts itself again, and cannot find itself.
    #[error("the settled executable cannot be found ({0}); start it by its full path")]
    Executable(#[source] io::Error),

    /// A process did not start.
    #[error("{name} could not be started: {source}")]
    Start {
        /// Which process.
        name: &'static str,
        /// Why.
        source: io::Error,
    },

    /// A process started and did not say that it is ready.
    #[error("{name} was not ready within {seconds} s; its log is {log}")]
    NotReady {
        /// Which process.
        name: &'static str,
        /// How long it had.
        seconds: u64,
        /// Where it says more.
        log: PathBuf,
    },

    /// A process ended although nobody killed it.
    #[error("{name} ended by itself ({status}): {last_words}; its log is {log}")]
    Died {
        /// Which process.
        name: &'static str,
        /// How it ended.
        status: String,
        /// The last line of its log.
        last_words: String,
        /// Where it says more.
        log: PathBuf,
    },

    /// A service cannot listen.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },

    /// Books cannot be read or written.
    #[error("the books {path} cannot be used: {source}; is the disk full?")]
    Books {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },

    /// The coordinator will not have an order that it should take.
    #[error("the coordinator answered {status} to {order}: {body}; this is a bug in settled")]
    NotTaken {
        /// Which order.
        order: String,
        /// Its status.
        status: u16,
        /// What it said.
        body: String,
    },

    /// The coordinator answered something that is not its API's.
    #[error("{path}: {problem}; this is a bug in settled, see the coordinator's log")]
    Api {
        /// What was asked.
        path: String,
        /// What is wrong with the answer.
        problem: String,
    },

    /// The coordinator could not be reached when nobody had killed it.
    #[error("the coordinator cannot be reached: {0}; see its log")]
    Unreachable(String),

    /// A signal came.
    #[error("interrupted; every process of the demo is ended and its files are removed")]
    Interrupted,

    /// The result could not be written.
    #[error("the result could not be written: {0}")]
    Output(#[source] io::Error),
}
