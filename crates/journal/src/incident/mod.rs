//! The incident table's row as it follows from the two events that are about an incident.
//!
//! Every store keeps it beside the events and in the same transaction; nothing is ever in it that
//! the events do not say, but what was told of it.

mod group;
mod opening;
mod row;

pub(crate) use group::Groups;
pub use group::{IncidentGroup, alike, fault};
pub(crate) use opening::{Opening, incident_id};
pub(crate) use row::IncidentColumns;
pub use row::{IncidentFilter, IncidentRow, IncidentTally, Untold};
