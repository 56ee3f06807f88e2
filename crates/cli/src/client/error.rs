//! Why a question to the server was not answered as hoped.

use crate::exit::Exit;

/// Why a client's command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The address is none.
    #[error("--server: {0}; expected a URL such as http://127.0.0.1:7070")]
    Server(String),
    /// The token cannot be sent.
    #[error("SETTLED_TOKEN: the token has characters that a header cannot carry")]
    Token,
    /// Nobody answers there.
    #[error(
        "the server at {server} cannot be reached: {why}; start one with `settled serve`, or name it with --server or SETTLED_SERVER"
    )]
    Unreachable {
        /// Where.
        server: String,
        /// Why.
        why: String,
    },
    /// The answer broke off; what was asked for may have been done.
    #[error(
        "the server at {server} gave no whole answer: {why}; what was asked for may have been done: look before you ask again"
    )]
    NoAnswer {
        /// Where.
        server: String,
        /// Why.
        why: String,
    },
    /// The server says no.
    #[error("{0}")]
    Refused(Problem),
    /// Something else than the API's answers.
    #[error("the server at {server} answered {what}; is it Settled's?")]
    Strange {
        /// Where.
        server: String,
        /// What.
        what: String,
    },
    /// A value on the command line.
    #[error("{0}")]
    Value(String),
}

/// What the server says when it says no.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// In words.
    pub(crate) detail: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)?;
        match self.status {
            401 => f.write_str("; give the token in SETTLED_TOKEN"),
            _ => Ok(()),
        }
    }
}

impl ClientError {
    /// With what status the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::NoAnswer { .. } => Exit::Unreachable,
            // Of the answers, those that speak of the document or a parameter.
            Self::Server(_)
            | Self::Token
            | Self::Value(_)
            | Self::Refused(Problem {
                status: 400 | 413, ..
            }) => Exit::Usage,
            Self::Refused(_) | Self::Strange { .. } => Exit::Failure,
        }
    }
}
