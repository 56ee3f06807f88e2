//! Tests of the transaction crate on real databases.

pub mod books;
