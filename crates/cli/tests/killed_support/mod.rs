//! The real server under kill and on bad disks: what these tests have in common.
//!
//! A [`Rig`](rig::Rig) holds a folder with a journal, participants with their own books, clients
//! that note what they are told, and the server as a process of its own that is killed, stopped and
//! started again. Afterwards [`judge`] holds the journal against all the others' notes.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "tests; not every one needs all of it"
)]

pub mod book;
pub mod books;
pub mod client;
pub mod disk;
pub mod document;
pub mod faults;
pub mod judge;
pub mod participant;
pub mod person;
pub mod rig;
pub mod server;
pub mod skip;
pub mod strace;
pub mod wire;
