//! Participants, network, disk and clock that misbehave by a seed, and the auditor that judges
//! what came of it.
//!
//! Nothing in here is part of what users run: it is how Settled convinces itself and others.

pub mod auditor;
pub mod exhaustive;
pub mod simulation;
