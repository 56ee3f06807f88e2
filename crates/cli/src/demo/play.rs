//! The demo's action: orders are placed, the coordinator is killed and started again, and the
//! orders settle.
//!
//! Judges nothing. A run that stands still is given up, and what became of it is for the audit.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::coordinator::{Coordinator, Placed};
use super::error::DemoError;
use super::order::{Addresses, Order};
use super::progress::{Display, Progress};
use super::scene::Scene;

/// Orders that are being placed at the same time.
const PLACING_MAX: usize = 64;

/// Orders under way at the same time. Beyond this the demo would measure how long a queue can get.
const IN_FLIGHT_MAX: usize = 1_000;

/// The wait before an order is placed again, and before a full coordinator is looked at again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The shortest wait between two looks at how many orders are under way.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Looking takes at most one part in so many of the coordinator's time.
const LOOK_SHARE: u32 = 5;

/// How often it is seen whether a process has ended, or is to be killed.
const TICK: Duration = Duration::from_millis(10);

/// The longest that nothing at all may happen. Far more than the slowest order needs.
const STANDSTILL_MAX: Duration = Duration::from_mins(1);

/// The longest that a whole run may take, and what each order may add to it: an order of magnitude
/// more than a slow machine needs.
const RUN_MAX: Duration = Duration::from_mins(3);
const RUN_MAX_PER_ORDER: Duration = Duration::from_millis(100);

/// What a play takes along and leaves behind.
#[derive(Debug)]
pub(super) struct Play<'a> {
    pub(super) orders: &'a [Order],
    pub(super) addresses: Addresses,
    pub(super) coordinator: &'a Coordinator,
    pub(super) progress: &'a Progress,
    /// Ids of orders that the coordinator acknowledged.
    acknowledged: Mutex<HashSet<String>>,
}

/// How a play ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nothing is under way any more.
    Settled,
    /// It stood still or took too long, in these words.
    GaveUp(String),
}

impl<'a> Play<'a> {
    /// Nothing is placed yet.
    pub(super) fn new(
        orders: &'a [Order],
        addresses: &Addresses,
        coordinator: &'a Coordinator,
        progress: &'a Progress,
    ) -> Self {
        let addresses = addresses.clone();
        Self {
            orders,
            addresses,
            coordinator,
            progress,
            acknowledged: Mutex::default(),
        }
    }

    /// Plays to the end. `kill_points` are values of [`Progress::reached`], rising.
    pub(super) async fn perform(
        &self,
        scene: &mut Scene,
        kill_points: Vec<usize>,
    ) -> Result<Ending, DemoError> {
        let placing = async {
            match self.place_all().await {
                Ok(()) => std::future::pending().await,
                Err(error) => error,
            }
        };
        tokio::select! {
            ending = self.watch() => Ok(ending),
            error = placing => Err(error),
            error = self.supervise(scene, kill_points) => Err(error),
        }
    }

    /// The orders that the coordinator acknowledged.
    pub(super) fn acknowledged(self) -> HashSet<String> {
        self.acknowledged
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn place_all(&self) -> Result<(), DemoError> {
        stream::iter(self.orders)
            .map(Ok)
            .try_for_each_concurrent(PLACING_MAX, |order| self.place(order))
            .await
    }

    /// Places one order, again and again until it is acknowledged.
    async fn place(&self, order: &Order) -> Result<(), DemoError> {
        while self.progress.in_flight() >= IN_FLIGHT_MAX {
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        let document = Bytes::from(order.document(&self.addresses).to_string());
        while let Placed::Again = self.coordinator.place(&order.id, document.clone()).await? {
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        let mut acknowledged = self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        acknowledged.insert(order.id.clone());
        drop(acknowledged);
        self.progress.one_placed();
        Ok(())
    }

    /// Looks until everything is settled, or nothing moves any more.
    async fn watch(&self) -> Ending {
        let mut display = Display::begin(self.progress);
        display.show(self.progress);
        let began = Instant::now();
        let limit = run_max(self.progress.orders);
        let mut moved = (began, 0);
        loop {
            let asked = Instant::now();
            let placed = self.progress.placed();
            // No answer: the coordinator is dead just now, or the supervisor will say so.
            if let Ok(under_way) = self.coordinator.under_way().await {
                self.progress.saw(placed, under_way);
            }
            display.show(self.progress);
            if self.progress.is_over() {
                return Ending::Settled;
            }
            let reached = self.progress.reached() + self.progress.killed();
            if reached > moved.1 {
                moved = (Instant::now(), reached);
            } else if moved.0.elapsed() > STANDSTILL_MAX {
                return self.give_up("nothing happened for", STANDSTILL_MAX);
            }
            if began.elapsed() > limit {
                return self.give_up("the run is not over after", limit);
            }
            tokio::time::sleep(LOOK_EVERY.max(asked.elapsed() * LOOK_SHARE)).await;
        }
    }

    fn give_up(&self, why: &str, after: Duration) -> Ending {
        Ending::GaveUp(format!(
            "{why} {} s: {} of {} orders placed, {} settled, coordinator killed {} of {} times",
            after.as_secs(),
            self.progress.placed(),
            self.progress.orders,
            self.progress.settled(),
            self.progress.killed(),
            self.progress.kills,
        ))
    }

    /// Sees that everything lives, and kills the coordinator when it is time.
    async fn supervise(&self, scene: &mut Scene, kill_points: Vec<usize>) -> DemoError {
        let mut points = kill_points.into_iter().peekable();
        loop {
            tokio::time::sleep(TICK).await;
            if let Err(error) = scene.must_live() {
                return error;
            }
            if points
                .next_if(|point| self.progress.reached() >= *point)
                .is_some()
            {
                if let Err(error) = scene.kill_coordinator().await {
                    return error;
                }
                self.progress.one_killed();
            }
        }
    }
}

fn run_max(orders: usize) -> Duration {
    let orders = u32::try_from(orders).unwrap_or(u32::MAX);
    RUN_MAX.saturating_add(RUN_MAX_PER_ORDER.saturating_mul(orders))
}

/// When to kill the coordinator: once at a random moment in each of `kills` equal parts of the
/// way, so that it is hit while orders come in as well as while the last ones settle.
pub(super) fn kill_points(seed: u64, kills: usize, orders: usize) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(!seed);
    let way = (orders * 2) as f64;
    (0..kills)
        .map(|part| ((part as f64 + random.f64()) / kills as f64 * way) as usize)
        .map(|point| point.clamp(1, orders * 2))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::kill_points;

    #[test]
    fn kills_are_spread_over_the_way_and_follow_from_the_seed() {
        let points = kill_points(5, 4, 100);
        assert_eq!(points, kill_points(5, 4, 100));
        for (part, point) in points.iter().enumerate() {
            assert!((part * 50..=(part + 1) * 50).contains(point), "{points:?}");
        }
        assert_eq!(kill_points(1, 3, 1).len(), 3);
        assert!(kill_points(1, 0, 10).is_empty());
    }
}
