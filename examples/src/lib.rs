//! What the examples share: they end with status 0 only if what they show held.

use std::fmt::Debug;

/// What an example ends with.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Says that something held, or ends the example with what was found instead.
///
/// # Errors
/// Where the two are not the same.
pub fn holds<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected {
        println!("  holds: {what}");
        return Ok(());
    }
    Err(format!("does not hold: {what}: found {found:?}, expected {expected:?}").into())
}
