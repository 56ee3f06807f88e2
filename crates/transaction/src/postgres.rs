//! What both drivers of PostgreSQL send, and what its codes mean.

use std::fmt::Write as _;
use std::time::Duration;

use crate::driver::{Begin, Standing, Traits};
use crate::outcome::Outcome;

pub(crate) const TRAITS: Traits = Traits {
    name: "PostgreSQL",
    single_writer: false,
    savepoints: true,
    only_isolation: None,
};

/// The words that begin a transaction, in one round trip.
pub(crate) fn begin(how: &Begin) -> String {
    let mut sql = String::from("BEGIN");
    if let Some(isolation) = how.isolation {
        sql += " ISOLATION LEVEL ";
        sql += isolation.as_sql();
    }
    if how.read_only {
        sql += " READ ONLY";
    }
    if let Some(timeout) = how.timeout {
        // Writing to a text cannot fail.
        let _ = write!(sql, "; SET LOCAL statement_timeout = {}", millis(timeout));
    }
    sql
}

/// Zero would be no limit.
fn millis(timeout: Duration) -> u128 {
    timeout.as_millis().clamp(1, i32::MAX as u128)
}

/// Made before a commit that is in doubt: an aborted transaction refuses it, and so does none.
pub(crate) const CHECK: &str = "SAVEPOINT settled_check";

/// What the refusal of [`CHECK`] means; none where the code is not one of a check.
pub(crate) fn checked(code: &str) -> Option<Standing> {
    match code {
        "25P02" => Some(Standing::Aborted),
        "25P01" => Some(Standing::Gone {
            why: "it was committed or rolled back within its scope".to_owned(),
            outcome: Outcome::Unknown,
        }),
        _ => None,
    }
}

/// Whether a server that answers a commit with this code has refused it: not that it is going down, is
/// out of order, or does not know. `is_error`: by its severity it goes on living.
pub(crate) fn refuses(code: &str, is_error: bool) -> bool {
    let mut lost = ["08", "57", "58", "XX"].iter();
    is_error && code != "40003" && !lost.any(|class| code.starts_with(class))
}
