//! One order, four services: stock, points, bonus, coupon. The coupon is refused, and everything
//! that was done is undone with what each call had returned.
//!
//! `cargo run --release --example order`

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use settled::protocol::{SagaState, StepView};
use settled::{Call, CallError, Failure, RunError, Saga, Settled};
use settled_examples::{Outcome, holds};

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    items: Vec<Item>,
    points: u32,
    bonus: u32,
    coupon: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Item {
    sku: String,
    quantity: u32,
}

/// The business action: read it from top to bottom, as if nothing could go wrong.
async fn create_order(saga: Saga<Shop>, order: Order) -> Result<String, Failure> {
    let taken = saga
        .step("stock")
        .input(&order.items)
        .action(async |call: Call<Shop>, items: Vec<Item>| call.state().books().take(&items))
        // Given back is what this very call took, which may be less than what was ordered.
        .compensation(async |call, _ordered, taken: Vec<Item>| call.state().books().put_back(taken))
        .await?;

    saga.step("points")
        .input(&order.points)
        .action(async |call: Call<Shop>, points: u32| call.state().books().spend_points(points))
        .compensation(async |call, points, ()| call.state().books().return_points(points))
        .await?;

    saga.step("bonus")
        .input(&order.bonus)
        .action(async |call: Call<Shop>, bonus: u32| call.state().books().spend_bonus(bonus))
        .compensation(async |call, bonus, ()| call.state().books().return_bonus(bonus))
        .await?;

    saga.step("coupon")
        .input(&order.coupon)
        .action(async |call: Call<Shop>, coupon: String| call.state().books().redeem(coupon))
        .compensation(async |call, coupon, ()| call.state().books().unredeem(&coupon))
        .await?;

    let goods: Vec<String> = (taken.iter())
        .map(|item| format!("{} {}", item.quantity, item.sku))
        .collect();
    Ok(format!("{} are on their way", goods.join(" and ")))
}

#[tokio::main]
async fn main() -> Outcome {
    let folder = tempfile::tempdir()?;
    let shop = Shop::default();
    let settled = Settled::with_state(shop.clone())
        .journal(folder.path().join("settled.db"))
        .saga("create-order", create_order)
        .start()?;
    let order = |bags| Order {
        items: vec![item("tea", 2), item("bag", bags)],
        points: 300,
        bonus: 20,
        coupon: "SPRING".to_owned(),
    };

    // The first one goes through. It is started twice, as clients do: it is the same order.
    for _ in 0..2 {
        let start = settled.start("create-order", &order(1)).id("order-1001");
        let told: String = start.result().await?;
        println!("order-1001: {told}");
    }
    holds(
        "one order, also when it is sent twice",
        shop.books().summary(),
        "stock {bag: 2, tea: 8}, points 700, bonus 80, coupons used: SPRING".to_owned(),
    )?;

    // The second one wants five bags, of which two are left, and a coupon that is used.
    let end: Result<String, RunError> = settled
        .start("create-order", &order(5))
        .id("order-1002")
        .result()
        .await;
    let Err(RunError::Compensated { id, reason }) = end else {
        return Err(format!("order-1002 was to be compensated: {end:?}").into());
    };
    println!("{id}: {}", reason.message);
    let history = settled.coordinator().saga(&id).await?;
    let saga = history.ok_or("order-1002 is not on record")?.saga;
    // The function itself is the first step.
    let steps: Vec<StepView<'_>> = saga.steps().skip(1).collect();
    for step in &steps {
        let result = step.result.map_or("", |result| result.as_str());
        println!(
            "  {:<7}{:<12} called {}, undone in {}  {result}",
            step.name, step.state, step.attempts, step.compensation_attempts
        );
    }
    settled.shutdown(Duration::from_secs(5)).await;

    holds(
        "the caller gets the original error",
        reason.message.as_str(),
        "the coupon SPRING is used",
    )?;
    holds(
        "all of it is undone",
        saga.settled(),
        Some(SagaState::Compensated),
    )?;
    holds(
        "undoing the bonus failed once, and was tried again",
        steps[2].compensation_attempts,
        2,
    )?;
    holds(
        "every service has back what it gave",
        shop.books().summary(),
        "stock {bag: 2, tea: 8}, points 700, bonus 80, coupons used: SPRING".to_owned(),
    )
}

fn item(sku: &str, quantity: u32) -> Item {
    Item {
        sku: sku.to_owned(),
        quantity,
    }
}

/// The four services with their books. In real life these are clients of services elsewhere.
#[derive(Clone, Default)]
struct Shop(Arc<Mutex<Books>>);

struct Books {
    stock: BTreeMap<String, u32>,
    points: u32,
    bonus: u32,
    coupons: Vec<String>,
    bonus_is_down: bool,
}

impl Default for Books {
    fn default() -> Self {
        Self {
            stock: BTreeMap::from([("tea".to_owned(), 10), ("bag".to_owned(), 3)]),
            points: 1_000,
            bonus: 100,
            coupons: Vec::new(),
            bonus_is_down: true,
        }
    }
}

impl Shop {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// Takes what there is of each, and says what that was.
    fn take(&mut self, items: &[Item]) -> Result<Vec<Item>, CallError> {
        let mut taken = Vec::new();
        for Item { sku, quantity } in items {
            let left = self.stock.entry(sku.clone()).or_default();
            let quantity = (*left).min(*quantity);
            *left -= quantity;
            taken.push(item(sku, quantity));
        }
        Ok(taken)
    }

    fn put_back(&mut self, taken: Vec<Item>) -> Result<(), CallError> {
        for Item { sku, quantity } in taken {
            *self.stock.entry(sku).or_default() += quantity;
        }
        Ok(())
    }

    fn spend_points(&mut self, points: u32) -> Result<(), CallError> {
        let left = self.points.checked_sub(points);
        self.points = left.ok_or_else(|| CallError::refused("too few points"))?;
        Ok(())
    }

    fn return_points(&mut self, points: u32) -> Result<(), CallError> {
        self.points += points;
        Ok(())
    }

    fn spend_bonus(&mut self, bonus: u32) -> Result<(), CallError> {
        let left = self.bonus.checked_sub(bonus);
        self.bonus = left.ok_or_else(|| CallError::refused("too little bonus"))?;
        Ok(())
    }

    fn return_bonus(&mut self, bonus: u32) -> Result<(), CallError> {
        if std::mem::take(&mut self.bonus_is_down) {
            return Err(CallError::not_sent("nobody answers at the bonus service"));
        }
        self.bonus += bonus;
        Ok(())
    }

    fn redeem(&mut self, coupon: String) -> Result<(), CallError> {
        if self.coupons.contains(&coupon) {
            return Err(CallError::refused(format!("the coupon {coupon} is used")));
        }
        self.coupons.push(coupon);
        Ok(())
    }

    fn unredeem(&mut self, coupon: &str) -> Result<(), CallError> {
        self.coupons.retain(|used| used != coupon);
        Ok(())
    }

    fn summary(&self) -> String {
        let stock: Vec<String> = (self.stock.iter())
            .map(|(sku, left)| format!("{sku}: {left}"))
            .collect();
        format!(
            "stock {{{}}}, points {}, bonus {}, coupons used: {}",
            stock.join(", "),
            self.points,
            self.bonus,
            self.coupons.join(", ")
        )
    }
}
