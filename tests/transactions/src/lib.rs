//! Tests of the transaction crate on real databases.
