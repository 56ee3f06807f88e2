//! A real browser for tests: Debian's Chromium without a window, driven by its own protocol over a
//! pipe, and gone when the process that started it is gone, however that ends.
//!
//! What a person does is done by real events of the mouse and the keyboard, so that what cannot be
//! seen or reached cannot be clicked. What a page did wrong (errors, dialogs, what its policy
//! forbade) is kept, for a test to look at. It never uses a profile of a person, and has no way to
//! say that a test passed that could not run: see [`NoBrowser`].

mod axe;
mod browser;
mod keys;
mod page;
mod picture;
mod wire;

pub use axe::{Axe, Violation};
pub use browser::{Browser, NoBrowser, Person};
pub use keys::Key;
pub use page::{Look, PATIENCE, Page, Wire};
pub use wire::Failed;
