//! Tests of the transaction crate on real databases.
//!
//! The conformance table is `table.yaml`: a row for each case, with a program in a small notation and
//! what is to come of it. `program` reads the notation, `interpret` runs it on a manager whose pool is
//! `recorded`, and `run` compares. `cargo xtask conformance` prints the whole.

pub mod books;
pub mod databases;
pub mod document;
pub mod faults;
pub mod hooks;
pub mod interpret;
pub mod program;
pub mod recorded;
pub mod run;
pub mod scopes;
pub mod table;
pub mod words;
pub mod world;
