//! The code of the guide, in whole programs that are compiled and, where that shows something, run.
//! Every block of Rust in `docs/guide.md`, and in its translations, stands in one of these files.

mod by_hand;
mod first;
mod operations;
mod running;
mod steps;
mod text;
