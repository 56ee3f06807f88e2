//! What stands in the tables, and what a key may be. It never touches a database.

use serde::{Deserialize, Serialize};
use settled_protocol::Json;

use super::error::LocalError;

/// The most bytes of a key.
const MAX_KEY: usize = 512;

/// A saga to be submitted, as it stands in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// The saga's id, chosen by the caller: it is what makes it harmless to submit it twice.
    pub id: String,
    /// The submission: what would be sent to the HTTP API.
    pub document: Json,
}

/// Where a row stands in the outbox. A later one of the same writer is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub i64);

/// Whether a text may be a key. What is refused is what some database would change or cut, so that
/// two keys could become one.
pub(super) fn check_key(key: &str) -> Result<(), LocalError> {
    let why = if key.is_empty() {
        "it is empty".to_owned()
    } else if key.len() > MAX_KEY {
        format!("it has {} bytes", key.len())
    } else if key.ends_with(' ') {
        "it ends with a space".to_owned()
    } else if key.chars().any(char::is_control) {
        "it has a control character".to_owned()
    } else {
        return Ok(());
    };
    Err(LocalError::Key {
        key: key.chars().take(64).collect(),
        why,
    })
}

/// A recorded result as it stands in the table, where a person may have touched it.
#[cfg(any(
    feature = "rusqlite",
    feature = "sqlx-mysql",
    feature = "sqlx-postgres",
    feature = "sqlx-sqlite",
    feature = "tokio-postgres"
))]
pub(super) fn recorded(key: &str, text: &str) -> Result<Json, LocalError> {
    Json::parse(text).map_err(|source| LocalError::Result {
        key: key.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_that_every_database_keeps_as_it_is() {
        for good in ["order-1/stock/action", "日本/ÄÖ/action", &"x".repeat(512)] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in ["", "a ", "a\0b", "a\nb", &"x".repeat(513)] {
            assert!(
                matches!(check_key(bad), Err(LocalError::Key { .. })),
                "{bad:?}"
            );
        }
    }
}
