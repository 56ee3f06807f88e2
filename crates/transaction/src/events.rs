//! What a manager tells of itself: one event for each thing that happens to a transaction or a
//! savepoint. What joins makes none.

use std::time::Duration;

use crate::outcome::Outcome;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A transaction is to be begun.
    Begins {
        /// The scope's name.
        scope: Option<&'a str>,
    },
    /// It was begun.
    Began {
        /// The scope's name.
        scope: Option<&'a str>,
    },
    /// It could not be begun.
    BeginFailed {
        /// The scope's name.
        scope: Option<&'a str>,
    },
    /// It is to be committed, or rolled back.
    Ends {
        /// The scope's name.
        scope: Option<&'a str>,
        /// Whether the commit is asked for.
        commit: bool,
    },
    /// It ended.
    Ended {
        /// The scope's name.
        scope: Option<&'a str>,
        /// How.
        outcome: Outcome,
        /// How long it was open.
        after: Duration,
    },
    /// A savepoint was made.
    SavepointMade {
        /// Its number.
        number: u32,
    },
    /// A savepoint was released.
    SavepointReleased {
        /// Its number.
        number: u32,
    },
    /// What was done since a savepoint was undone.
    RolledBackTo {
        /// Its number.
        number: u32,
    },
    /// A connection was closed, because nobody could tell what state it was in.
    ConnectionClosed,
}

/// Hears what happens. It must be quick, and must not wait.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, event: &Event<'_>);
}
