//! Incidents: what needs a person, in groups of what is alike and one by one; and what a person
//! decides of them.

mod decide;
mod group;
mod list;
mod one;
mod words;

pub(super) use decide::{resolve_many, resolve_one};
pub(super) use group::Group;
pub(super) use list::list;
pub(super) use one::show;
