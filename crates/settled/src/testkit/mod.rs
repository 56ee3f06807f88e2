//! Tests of your own sagas: every scenario that the rules speak of, played on the real engine.
//!
//! Behind the feature `testkit`, for `[dev-dependencies]`:
//!
//! ```toml
//! [dev-dependencies]
//! settled = { version = "0.1", features = ["testkit"] }
//! ```
//!
//! A kit is given a way to make a [`Scenario`]: a fresh world, the functions under test, one saga to
//! start, and what must be true at its end. It first watches the saga undisturbed, and then plays it
//! again and again with one thing gone wrong each time: each step repeated, refused, not sent, lost
//! before and after it took effect, late, answered twice, never answered; the process dead at each
//! append, around each call and at each await; each compensation likewise; and then several at once,
//! by a seed. After each it checks that the saga came to an end, that only what was done was undone
//! and in reverse order, that the function, run again from the record, does the same, and what you
//! check yourself.
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::{Arc, Mutex};
//!
//! use settled::testkit::{Kit, Scenario};
//! use settled::{Call, CallError, Failure, Saga};
//!
//! /// A stock that honours keys: what was done under one is not done again.
//! #[derive(Clone, Default)]
//! struct Stock(Arc<Mutex<HashMap<String, i64>>>);
//!
//! impl Stock {
//!     fn book(&self, key: &str, amount: i64) {
//!         self.0.lock().unwrap().entry(key.to_owned()).or_insert(amount);
//!     }
//!
//!     fn sum(&self) -> i64 {
//!         self.0.lock().unwrap().values().sum()
//!     }
//! }
//!
//! async fn order(saga: Saga<Stock>, pieces: i64) -> Result<i64, Failure> {
//!     let taken = saga
//!         .step("take")
//!         .input(&pieces)
//!         .action(async |call: Call<Stock>, pieces: i64| {
//!             call.state().book(call.key(), -pieces);
//!             Ok::<_, CallError>(pieces)
//!         })
//!         .compensation(async |call: Call<Stock>, _, taken: i64| {
//!             call.state().book(call.key(), taken);
//!             Ok::<_, CallError>(())
//!         })
//!         .await?;
//!     Ok(taken)
//! }
//!
//! # fn main() {
//! let kit = Kit::new(|| {
//!     let stock = Stock::default();
//!     Scenario::new(stock.clone())
//!         .saga("order", order)
//!         .start("order", "order-1", &3)
//!         .check(move |end| match stock.sum() {
//!             -3 if end.completed() => Ok(()),
//!             0 if end.compensated() => Ok(()),
//!             _ if end.stuck() => Ok(()),
//!             sum => Err(format!("the stock is {sum}")),
//!         })
//! });
//! println!("{}", kit.run().unwrap());
//! # }
//! ```
//!
//! # What to know
//!
//! * **Time is virtual**: each life of the process is a tokio runtime of its own, of one thread, with
//!   a paused clock. A closure may sleep for a day and takes no time. What is real (a socket, a
//!   database) is overtaken by that clock: time limits pass while it is waited for. Give the closures
//!   participants in memory.
//! * **The state survives** the process's death: it stands for the services. What your program keeps
//!   in its own memory must not be in it.
//! * A scenario must go the same way each time that it is played: `tokio::select!` chooses by chance
//!   unless it is `biased`. A scenario whose fault never came to pass is reported, not passed over.
//! * A participant that is asked (`check`) is trusted, as in production. [`Kit::each_check_wrong_once`]
//!   is there for steps that survive all the same.
//! * A call that is answered later ([`crate::CallError::pending`]) is not answered by the kit: its
//!   time passes, and its policy goes on from there.

mod apart;
mod calls;
mod fault;
mod judge;
mod kit;
mod life;
mod probe;
mod scenario;
mod stage;

pub use self::kit::{Failed, Kit, Tally};
pub use self::scenario::{End, Scenario};
