//! The code of the guide, in whole programs that are compiled and, where that shows something, run.
//! Every block of Rust in `docs/guide.md`, and in its translations, stands in one of these files.

#![expect(
    clippy::unused_async,
    reason = "what stands for a call to somebody else has nobody to wait for"
)]

mod by_hand;
mod first;
mod operations;
mod running;
mod steps;
mod text;
