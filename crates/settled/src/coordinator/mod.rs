//! The engine at work: its thread of control on tokio, with a journal, a clock and participants.
//!
//! Everything that decides lives in [`crate::engine`]; here its wishes are carried out and what came
//! of them is carried back.

mod clock;
mod driver;
mod handle;
mod incidents;
mod participants;
mod readers;
mod runs;
mod schedules;

use std::sync::Arc;

use settled_journal::{Journal, Keeper};

pub use self::clock::Clock;
pub use self::driver::{Health, Work};
pub use self::handle::{
    CallbackError, CommandError, Coordinator, History, SubmitError, Submitted, Watching,
};
pub use self::participants::{SetLimitsError, Stopped};
use crate::engine;

/// A journal that was opened: the one writer, and a way to open readers.
pub struct OpenJournal {
    /// Writes.
    pub writer: Box<dyn Journal>,
    /// Opens readers.
    pub keeper: Arc<dyn Keeper>,
}

/// How a coordinator works.
#[derive(Clone, Debug)]
pub struct CoordinatorSettings {
    /// How much it takes on at once.
    pub engine: engine::Settings,
    /// How many readers answer questions about sagas side by side.
    pub readers: usize,
    /// How long settled sagas are kept; for ever where there is no limit.
    pub keep_settled: Option<settled_protocol::Span>,
}

impl Default for CoordinatorSettings {
    fn default() -> Self {
        Self {
            engine: engine::Settings::default(),
            readers: 4,
            keep_settled: None,
        }
    }
}
