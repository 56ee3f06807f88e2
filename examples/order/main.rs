//! One order, four services: stock, points, bonus, coupon. The coupon is refused, and everything
//! that was done is undone with what each call had returned.
//!
//! `cargo run --release --example order`

mod services;

use std::time::Duration;

use services::{Item, Order, Shop, item};
use settled::protocol::{SagaState, StepView};
use settled::{Call, Failure, RunError, Saga, Settled};
use settled_examples::{Outcome, holds};

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
