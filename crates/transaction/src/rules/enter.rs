//! What entering a scope comes to: seven behaviours, with and without something around.

use crate::definition::{Definition, Isolation, Settings};
use crate::propagation::Propagation;

/// What is around a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Around {
    /// Nothing of this manager.
    Nothing,
    /// A scope without a transaction: it has hooks, and perhaps a connection.
    Empty,
    /// A transaction.
    Transaction {
        /// What it asked for; none for the database's own.
        isolation: Option<Isolation>,
        read_only: bool,
    },
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Begin a transaction, after setting aside what is around.
    Begin { suspend: bool },
    /// Become part of what is around.
    Join,
    /// Make a savepoint.
    Savepoint,
    /// Run without a transaction, after setting aside what is around.
    Empty { suspend: bool },
}

/// Why a scope is not entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoTransaction,
    InTransaction,
    NestedNotSupported,
    SuspensionNotSupported,
    InvalidTimeout,
    Isolation {
        asked: Isolation,
        around: Option<Isolation>,
    },
    NestedIsolation {
        asked: Isolation,
    },
    ReadOnly,
}

/// Decides how a scope is entered.
pub(crate) fn enter(
    definition: &Definition,
    around: Around,
    settings: &Settings,
) -> Result<Entry, Refusal> {
    use Propagation::{Mandatory, Nested, Never, NotSupported, Required, RequiresNew, Supports};

    if definition.timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(Refusal::InvalidTimeout);
    }
    let Around::Transaction {
        isolation,
        read_only,
    } = around
    else {
        let within_empty = around == Around::Empty;
        return match definition.propagation {
            Mandatory => Err(Refusal::NoTransaction),
            Required | RequiresNew | Nested => Ok(Entry::Begin {
                suspend: within_empty,
            }),
            // One scope without a transaction within another shares its connection and its hooks.
            Supports | NotSupported | Never if within_empty => Ok(Entry::Join),
            Supports | NotSupported | Never => Ok(Entry::Empty { suspend: false }),
        };
    };
    match definition.propagation {
        Never => Err(Refusal::InTransaction),
        RequiresNew | NotSupported if !settings.suspension => Err(Refusal::SuspensionNotSupported),
        RequiresNew => Ok(Entry::Begin { suspend: true }),
        NotSupported => Ok(Entry::Empty { suspend: true }),
        Nested if !settings.nested => Err(Refusal::NestedNotSupported),
        Nested => match definition.isolation {
            Some(asked) => Err(Refusal::NestedIsolation { asked }),
            None => Ok(Entry::Savepoint),
        },
        Required | Supports | Mandatory => {
            if settings.validate_existing {
                if let Some(asked) = definition.isolation
                    && isolation != Some(asked)
                {
                    let around = isolation;
                    return Err(Refusal::Isolation { asked, around });
                }
                if read_only && !definition.read_only {
                    return Err(Refusal::ReadOnly);
                }
            }
            Ok(Entry::Join)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Around, Entry, Refusal, enter};
    use crate::definition::{Definition, Settings};
    use crate::propagation::Propagation;

    #[test]
    fn the_table_of_seven_by_three() {
        use Propagation::{
            Mandatory, Nested, Never, NotSupported, Required, RequiresNew, Supports,
        };
        let begin = |suspend| Ok(Entry::Begin { suspend });
        let empty = |suspend| Ok(Entry::Empty { suspend });
        let transaction = Around::Transaction {
            isolation: None,
            read_only: false,
        };
        let table = [
            (Required, begin(false), begin(true), Ok(Entry::Join)),
            (Supports, empty(false), Ok(Entry::Join), Ok(Entry::Join)),
            (
                Mandatory,
                Err(Refusal::NoTransaction),
                Err(Refusal::NoTransaction),
                Ok(Entry::Join),
            ),
            (RequiresNew, begin(false), begin(true), begin(true)),
            (NotSupported, empty(false), Ok(Entry::Join), empty(true)),
            (
                Never,
                empty(false),
                Ok(Entry::Join),
                Err(Refusal::InTransaction),
            ),
            (Nested, begin(false), begin(true), Ok(Entry::Savepoint)),
        ];
        for (propagation, nothing, within_empty, active) in table {
            let definition = Definition {
                propagation,
                ..Definition::default()
            };
            let entered = |around| enter(&definition, around, &Settings::default());
            assert_eq!(entered(Around::Nothing), nothing, "{propagation:?}");
            assert_eq!(entered(Around::Empty), within_empty, "{propagation:?}");
            assert_eq!(entered(transaction), active, "{propagation:?}");
        }
    }
}
