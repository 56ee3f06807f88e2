//! What the tables are called: the same tables stand under plain names in a file of their own, and
//! under `settled_` in a database that is somebody else's.
//!
//! In every SQL text of this store, a name of ours is written with [`MARK`] before it (`@event`,
//! `@saga.no`, `INDEXED BY @saga_wake`), and [`Names::sql`] makes a text for SQLite of it. A mark that
//! was forgotten is a syntax error, or a table that is not there, in the first test. The texts are
//! made once, when the journal is opened; nothing is put together while something is committed.

use super::{audit, incidents, prune, read, schedules, search, stored, submit, write};

/// Stands before every name of ours.
const MARK: char = '@';

/// What the names of tables, views and indexes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names {
    prefix: &'static str,
}

impl Names {
    /// In a file of their own.
    pub(super) const ALONE: Self = Self { prefix: "" };
    /// In somebody else's database.
    pub(super) const WITHIN: Self = Self { prefix: "settled_" };

    /// A text for SQLite.
    pub(super) fn sql(self, text: &str) -> String {
        text.replace(MARK, self.prefix)
    }

    /// Whether the database is somebody else's.
    pub(super) fn is_within(self) -> bool {
        self == Self::WITHIN
    }
}

/// Declares the texts, each with the constant that it is made of.
macro_rules! texts {
    ($($name:ident: $text:expr,)*) => {
        /// Every text that is used again and again, under the names that hold here.
        #[derive(Debug)]
        pub(super) struct Texts {
            pub(super) names: Names,
            $(pub(super) $name: String,)*
        }

        impl Texts {
            pub(super) fn new(names: Names) -> Self {
                Self {
                    names,
                    $($name: names.sql($text),)*
                }
            }
        }
    };
}

texts! {
    insert_saga: submit::INSERT_SAGA,
    find_saga: submit::FIND_SAGA,
    insert_definition: submit::INSERT_DEFINITION,
    find_definition: submit::FIND_DEFINITION,
    delete_definition: submit::DELETE_DEFINITION,
    update_saga: write::UPDATE_SAGA,
    insert_event: write::INSERT_EVENT,
    open_incident: write::OPEN_INCIDENT,
    resolve_incident: write::RESOLVE_INCIDENT,
    tail: write::TAIL,
    old: prune::OLD,
    keep_number: prune::KEEP_NUMBER,
    delete_events: prune::DELETE_EVENTS,
    delete_incidents: prune::DELETE_INCIDENTS,
    delete_saga: prune::DELETE_SAGA,
    drop_definition: prune::DROP_DEFINITION,
    due: read::DUE,
    next_due: read::NEXT_DUE,
    count_due: read::COUNT_DUE,
    count_parked: read::COUNT_PARKED,
    oldest: read::OLDEST,
    open_incidents: read::OPEN_INCIDENTS,
    saga_by_id: stored::BY_ID,
    saga_by_no: stored::BY_NO,
    events: stored::EVENTS,
    definition_by_digest: stored::DEFINITION,
    unsettled_sagas: search::UNSETTLED,
    all_sagas: search::ALL,
    named_sagas: search::NAMED,
    compensated_sagas: search::COMPENSATED,
    first_event: search::FIRST_EVENT,
    incident: incidents::ONE,
    told: incidents::TOLD,
    untold_open: incidents::UNTOLD_OPEN,
    untold_resolved: incidents::UNTOLD_RESOLVED,
    to_remind_of: incidents::TO_REMIND_OF,
    told_first: incidents::TOLD_FIRST,
    incidents_opened: incidents::OPENED,
    incidents_resolved: incidents::RESOLVED,
    last_audit: audit::LAST,
    insert_audit: audit::INSERT,
    list_audit: audit::LIST,
    ended: read::ENDED,
    put_schedule: schedules::PUT,
    remove_schedule: schedules::REMOVE,
    schedule_is_there: schedules::IS_THERE,
    all_schedules: schedules::ALL,
    one_schedule: schedules::ONE,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_before_every_name_of_ours() {
        let text = "SELECT @saga.no FROM @saga INDEXED BY @saga_wake WHERE id = ?1";
        assert_eq!(
            Names::ALONE.sql(text),
            "SELECT saga.no FROM saga INDEXED BY saga_wake WHERE id = ?1"
        );
        assert_eq!(
            Names::WITHIN.sql(text),
            "SELECT settled_saga.no FROM settled_saga INDEXED BY settled_saga_wake WHERE id = ?1"
        );
    }
}
