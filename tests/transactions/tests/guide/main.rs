//! The code of `docs/transactions.md` and of its translation: every block of Rust there stands in one of
//! these files, and is run where that shows something.
#![allow(clippy::unwrap_used, reason = "a test")]

mod beside;
mod ends;
mod office;
mod seven;
mod text;
mod ways;
