//! The exit statuses of the command, all in one place: scripts rely on them.

use std::process::ExitCode;

/// With what status the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done; of a saga: it is completed.
    Success = 0,
    /// It could not be done, for a reason that has no status of its own.
    Failure = 1,
    /// The command line, or a file named on it, cannot be used.
    Usage = 2,
    /// The saga is compensated.
    Compensated = 3,
    /// The saga is stuck: it waits for a person.
    Stuck = 4,
    /// The journal failed while sagas were driven. Nothing is lost: start again.
    Journal = 5,
    /// The coordinator cannot start: its journal cannot be opened, its address not listened on.
    Start = 6,
    /// The server cannot be reached.
    Unreachable = 7,
    /// The saga is still under way, and nobody waits for it any more.
    UnderWay = 8,
    /// A person ended it with Ctrl-C.
    Interrupted = 130,
}

/// What `settled --help` says about them.
pub(crate) const HELP: &str = "\
Exit status:
  0    done; of a saga: completed
  1    it could not be done
  2    the command line, or a file named on it, cannot be used
  3    the saga is compensated
  4    the saga is stuck: it waits for a person
  5    the journal failed while sagas were driven; start again, nothing is lost
  6    the coordinator cannot start: its journal or its address cannot be used
  7    the server cannot be reached
  8    the saga is still under way
  130  interrupted";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
