//! Schedules: sagas that start by the clock, each due time once.
//!
//! A schedule is a cron pattern in a time zone, or an interval, with a saga to run. A run's saga has
//! an id made of the schedule's name and the due time, so that to submit it again is to find it
//! there (R8): whatever is interrupted is simply done again. What has become of each due time is in
//! the journal before anything follows from it.
//!
//! ```text
//!   document ──▶ Schedule ──▶ due times ──▶ decide ──▶ row ──▶ submit ──▶ row
//!              (spec, cron)    (timing)    (policies)  durable  durable   durable
//! ```
//!
//! What is due and what becomes of it is decided without a clock and without I/O; a task beside the
//! coordinator sleeps until something is due, and carries it out.

mod cron;
mod decide;
mod driver;
mod ground;
mod id;
mod spec;
#[cfg(test)]
mod tests;
mod timing;
mod turn;
mod view;

pub(crate) use self::driver::{Command, Scheduler, Wish};
pub use self::driver::{ScheduleError, Triggered};
pub(crate) use self::ground::Ground;
pub use self::id::{NAME_FORM, is_schedule_name};
pub(crate) use self::id::{TRIGGER_FORM, is_trigger_id};
pub use self::spec::{Missed, Overlap, Schedule};
pub use self::timing::Timing;
pub use self::view::{RunView, ScheduleState, ScheduleView};
pub(crate) use self::view::{saga_state, view, views};
