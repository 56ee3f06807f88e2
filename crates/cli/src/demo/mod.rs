//! `settled demo`: the main job in one command, with nothing to prepare.
//!
//! Real processes, real HTTP, real databases: four services that fail by a seed and honour no
//! idempotency key, and a coordinator that is killed on the way. In the end the services' own
//! books are audited against the sagas; a coordinator that guesses even once is found out.
//!
//! ```text
//!   play ──orders──▶ coordinator ──calls──▶ stock · points · bonus · coupon ──▶ their books
//!     └──SIGKILL──────▶ │                                                          │
//!   audit ◀──sagas──────┘                                                          │
//!     ▲────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Nothing here knows how the coordinator works inside: it is spoken to through its public API.

mod audit;
mod child;
mod client;
mod coordinator;
mod error;
mod faults;
mod order;
mod play;
mod progress;
#[cfg(test)]
mod rehearsal;
mod report;
mod run;
mod scene;
mod service;
mod shop;

use clap::{Args, ValueEnum};

pub(crate) use self::error::DemoError;
use self::faults::Level;
pub(crate) use self::run::run;
pub(crate) use self::service::{DemoServiceArgs, run as run_service};

/// Places orders over four services that fail, kills the coordinator, and audits the books.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// How many orders to place; some ask for more than there is.
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count(1))]
    orders: usize,
    /// What orders, faults and the moments of the kills follow from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How much goes wrong in the services.
    #[arg(long, value_enum, default_value_t = Level::Some)]
    faults: Level,
    /// How often the coordinator is killed with SIGKILL and started again.
    #[arg(long, value_name = "N", default_value = "2", value_parser = count(0))]
    kill: usize,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How the result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people.
    Text,
    /// One object for programs.
    Json,
}

/// Reads a count of at least `least`, and of no more than a demo can do in a day.
fn count(least: usize) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    const MOST: usize = 1_000_000;
    move |text| match text.parse() {
        Ok(count) if (least..=MOST).contains(&count) => Ok(count),
        _ => Err(format!("expected a whole number from {least} to {MOST}")),
    }
}
