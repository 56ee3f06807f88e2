//! What leaving a scope comes to. Two flags: a scope's own, of which whoever set it knows, and the
//! transaction's, of which the one who began it must be told.

use crate::definition::Settings;

/// What a scope is to its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It began the transaction.
    Owner,
    /// It joined one.
    Participant,
    /// It made a savepoint.
    Nested(u32),
    /// It runs without a transaction, and began to.
    Empty,
    /// It joined a scope without a transaction.
    EmptyParticipant,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Commit,
    /// `unexpected`: the caller believes all is well, and must be told.
    RollBack {
        unexpected: bool,
    },
    Release(u32),
    RollBackTo {
        savepoint: u32,
        unexpected: bool,
    },
    /// Doom the whole.
    Doom,
    /// Nothing at the database. `kept`: as if it had been committed.
    Nothing {
        kept: bool,
    },
    /// Nothing, but the transaction is doomed already: say so at once.
    TellDoomed,
}

/// Decides how a scope is left. `succeeded`: its body asks for the commit. `marked`: it has marked
/// itself; `doomed`: the transaction is.
pub(crate) fn leave(
    role: Role,
    succeeded: bool,
    marked: bool,
    doomed: bool,
    settings: &Settings,
) -> Exit {
    let goes_back = !succeeded || marked || doomed;
    let unexpected = succeeded && !marked && doomed;
    match role {
        Role::Owner if goes_back => Exit::RollBack { unexpected },
        Role::Owner => Exit::Commit,
        Role::Nested(savepoint) if goes_back => Exit::RollBackTo {
            savepoint,
            unexpected,
        },
        Role::Nested(savepoint) => Exit::Release(savepoint),
        Role::Participant if unexpected && settings.fail_early => Exit::TellDoomed,
        Role::Participant if marked || !succeeded && settings.doom_on_participation_failure => {
            Exit::Doom
        }
        Role::Participant => Exit::Nothing { kept: true },
        Role::Empty | Role::EmptyParticipant => Exit::Nothing {
            kept: succeeded && !marked,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Role, leave};
    use crate::definition::Settings;

    #[test]
    fn who_asked_for_the_rollback_is_not_told_of_it() {
        let strict = Settings::default();
        let owner =
            |succeeded, marked, doomed| leave(Role::Owner, succeeded, marked, doomed, &strict);
        assert_eq!(owner(true, false, false), Exit::Commit);
        let silent = Exit::RollBack { unexpected: false };
        assert_eq!(owner(true, true, false), silent);
        assert_eq!(owner(true, true, true), silent);
        assert_eq!(owner(false, false, true), silent);
        assert_eq!(
            owner(true, false, true),
            Exit::RollBack { unexpected: true }
        );
    }
}
