//! Failures that no database has at will: which call of the driver fails, and how.

use std::fmt;

/// A call of the driver that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// A connection is taken.
    Acquire,
    /// `BEGIN`.
    Begin,
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK`.
    RollBack,
    /// `SAVEPOINT`.
    Savepoint,
    /// `ROLLBACK TO`.
    RollBackTo,
    /// `RELEASE`.
    Release,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is not sent, and what became of it is not known.
    Fails,
    /// It is not sent; the database is said to have refused it.
    Refused {
        /// Whether to try again may help.
        retryable: bool,
    },
    /// It is sent, and its answer lost.
    Lost,
    /// It is sent, and never answered.
    Hangs,
    /// The database is said to have aborted the transaction.
    Aborted,
    /// The database is said to have rolled the transaction back by itself.
    Gone,
}

/// One failure: the call of this number fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which call.
    pub call: Call,
    /// Its number, from one.
    pub number: u32,
    /// How it fails.
    pub how: How,
}

/// Reads a failure: `commit 1 fails`.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Fault, String> {
    let wrong = || format!("`{text}` is not a failure");
    let mut words = text.splitn(3, ' ');
    let mut next = || words.next().ok_or_else(wrong);
    let call = match next()? {
        "acquire" => Call::Acquire,
        "begin" => Call::Begin,
        "commit" => Call::Commit,
        "rollback" => Call::RollBack,
        "savepoint" => Call::Savepoint,
        "rollback-to" => Call::RollBackTo,
        "release" => Call::Release,
        _ => return Err(wrong()),
    };
    let number = next()?.parse().map_err(|_| wrong())?;
    let how = match next()? {
        "fails" => How::Fails,
        "refused" => How::Refused { retryable: false },
        "refused retryable" => How::Refused { retryable: true },
        "lost" => How::Lost,
        "hangs" => How::Hangs,
        "aborted" if call == Call::Commit => How::Aborted,
        "gone" if call == Call::Commit => How::Gone,
        _ => return Err(wrong()),
    };
    Ok(Fault { call, number, how })
}

/// What a made failure says.
#[derive(Debug)]
pub struct Made;

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("made to fail")
    }
}

impl std::error::Error for Made {}
