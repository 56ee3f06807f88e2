//! The list of sagas, and the search in it. It shows what is durable and changes nothing.

mod list;
mod words;

pub(super) use list::list;
