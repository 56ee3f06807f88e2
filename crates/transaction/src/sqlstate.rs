//! SQLSTATE codes that databases have in common.

/// Whether to run the whole transaction again may help: serialization failure, deadlock, lock not
/// available.
pub(crate) fn is_retryable(code: &str) -> bool {
    ["40001", "40P01", "55P03"].contains(&code)
}
