//! The console in a real browser: the real binary, a participant that does what a test wants, and
//! Chromium. It looks at nothing but what a person or another site could see and do.
//!
//! Where there is no browser every test here is counted as skipped; see `docs/testing.md`.
#![allow(clippy::unwrap_used, reason = "a test")]

mod axe;
mod cross_site;
mod hostile;
mod keyboard;
mod lists;
mod login;
mod pages;
mod participant;
mod pictures;
mod sagas;
mod speed;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod tour;
mod world;
