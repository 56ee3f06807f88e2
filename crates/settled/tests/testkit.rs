//! The kit for users' own sagas: it lets good sagas pass, and catches bad ones with a message that
//! says what was done.

#![allow(clippy::unwrap_used, reason = "a test that breaks is a failed test")]

#[path = "testkit/shop.rs"]
mod shop;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use settled::testkit::{Failed, Kit, Scenario};
use settled::{
    Call, CallError, Failure, OnUnknown, Operation, Propagation, Retry, Saga, StepErrorKind,
};
use shop::{Shop, scenario, take};

/// Two steps side by side, one after them, one that may be refused, and a wait of its own.
async fn good(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
    let (stock, points) = tokio::join!(take(&saga, "stock"), take(&saga, "points"));
    let (stock, points) = (stock?, points?);
    assert_eq!((stock, points), (1, 1));
    tokio::time::sleep(Duration::from_secs(3)).await;
    take(&saga, "coupon").await?;
    Ok(())
}

const GOOD: &[&str] = &["stock", "points", "coupon"];

#[test]
fn a_good_saga_passes_in_every_scenario() {
    let began = Instant::now();
    let tally = Kit::new(|| scenario(good, GOOD)).run().unwrap();
    println!("{tally} in {:?}", began.elapsed());
    assert!(tally.scenarios > 250, "{tally}");
    assert!(tally.deaths > 100, "{tally}");
}

#[test]
fn each_harness_can_be_run_alone() {
    let kit = Kit::new(|| scenario(good, GOOD)).seeds(10);
    for tally in [
        kit.each_step_twice(),
        kit.fail_at_each_step(),
        kit.crash_at_each_point(),
        kit.cancel_at_each_point(),
        kit.each_compensation_twice(),
        kit.fail_at_each_compensation(),
        kit.each_check_wrong_once(),
        kit.hostile(100..110),
    ] {
        assert!(tally.unwrap().scenarios > 3);
    }
}

/// What the kit says of a bad saga; the scenario by itself must fail in the same way.
fn caught<F, Fut>(function: F, steps: &'static [&'static str]) -> Failed
where
    F: Fn(Saga<Shop>, ()) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let kit = Kit::new(|| scenario(function.clone(), steps));
    let failed = kit.run().unwrap_err();
    println!("{failed}\n");
    let text = failed.to_string();
    assert!(text.contains("what is wrong") && text.contains("SETTLED_TESTKIT"));
    let alone = kit.only(failed.scenario()).run().unwrap_err();
    assert_eq!(alone.scenario(), failed.scenario());
    failed
}

#[test]
fn an_action_that_ignores_its_key_is_caught() {
    async fn bad(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
        saga.step("stock")
            .action(async |call: Call<Shop>, ()| {
                call.state().add_loosely("stock", -1);
                Ok::<_, CallError>(())
            })
            .compensation(async |call: Call<Shop>, (), ()| {
                call.state().book(call.key(), 1);
                Ok::<_, CallError>(())
            })
            .await?;
        Ok(())
    }
    let failed = caught(bad, &["stock"]);
    assert_eq!(failed.scenario(), "twice@order-1/stock/action");
    assert!(failed.found()[0].contains("[-2]"), "{failed}");
}

#[test]
fn a_compensation_that_is_not_idempotent_is_caught() {
    async fn bad(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
        saga.step("stock")
            .action(async |call: Call<Shop>, ()| {
                call.state().book(call.key(), -1);
                Ok::<_, CallError>(())
            })
            .compensation(async |call: Call<Shop>, (), ()| {
                call.state().add_loosely("stock", 1);
                Ok::<_, CallError>(())
            })
            .await?;
        take(&saga, "coupon").await?;
        Ok(())
    }
    let failed = caught(bad, &["stock", "coupon"]);
    assert!(failed.to_string().contains("[1, 0]"), "{failed}");
}

#[test]
fn a_function_that_chooses_by_chance_is_caught() {
    static DICE: AtomicU32 = AtomicU32::new(0);
    async fn bad(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
        take(&saga, "stock").await?;
        let other = DICE.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        take(&saga, if other { "points" } else { "bonus" }).await?;
        Ok(())
    }
    let failed = caught(bad, &["stock"]);
    let text = failed.to_string();
    assert!(text.contains("run again"), "{text}");
    assert!(
        text.contains("`points`") || text.contains("`bonus`"),
        "{text}"
    );
}

#[test]
fn an_effect_between_the_steps_is_caught() {
    async fn bad(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
        take(&saga, "stock").await?;
        // An effect that is no step: done again whenever the function is run again.
        saga.state().add_loosely("points", -1);
        take(&saga, "coupon").await?;
        Ok(())
    }
    let failed = caught(bad, &["stock", "points", "coupon"]);
    assert!(
        failed.to_string().contains("not [-1, -1, -1]")
            || failed.to_string().contains("not [0, 0, 0]")
    );
}

#[test]
fn a_check_that_lies_is_caught() {
    async fn bad(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
        saga.step("stock")
            .action(async |call: Call<Shop>, ()| {
                call.state().book(call.key(), -1);
                Ok::<_, CallError>(())
            })
            .check(async |_: Call<Shop>, ()| Ok::<_, CallError>(Some(())))
            .await?;
        Ok(())
    }
    let failed = caught(bad, &["stock"]);
    assert_eq!(failed.scenario(), "lost-before@order-1/stock/action");
    assert!(failed.to_string().contains("lost on the way"), "{failed}");
}

#[test]
fn a_compensation_of_what_was_never_done_is_caught() {
    async fn bad(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
        saga.step("stock")
            .action(async |call: Call<Shop>, ()| {
                call.state().book(call.key(), -1);
                Ok::<_, CallError>(Some(1))
            })
            // Gives a piece back, whether or not one was taken.
            .compensation(async |call: Call<Shop>, (), _: Option<i64>| {
                call.state().book(call.key(), 1);
                Ok::<_, CallError>(())
            })
            .compensate_unknown()
            .await?;
        Ok(())
    }
    let failed = caught(bad, &["stock"]);
    assert_eq!(failed.scenario(), "never-arrives@order-1/stock/action");
}

#[test]
fn an_error_that_is_swallowed_is_caught() {
    async fn bad(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
        take(&saga, "stock").await?;
        let _ = take(&saga, "points").await;
        Ok(())
    }
    let failed = caught(bad, &["stock", "points"]);
    assert_eq!(failed.scenario(), "refused@order-1/points/action");
}

#[test]
fn a_result_that_is_not_from_the_record_is_caught() {
    static TURN: AtomicU32 = AtomicU32::new(0);
    async fn bad(saga: Saga<Shop>, (): ()) -> Result<u32, Failure> {
        take(&saga, "stock").await?;
        Ok(TURN.fetch_add(1, Ordering::SeqCst))
    }
    let kit = Kit::new(|| {
        let shop = Shop::default();
        Scenario::new(shop).saga("f", bad).start("f", "f-1", &())
    });
    let text = kit.run().unwrap_err().to_string();
    assert!(text.contains("it returned"), "{text}");
}

#[test]
fn a_function_that_never_ends_is_caught() {
    async fn bad(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
        take(&saga, "stock").await?;
        std::future::pending().await
    }
    let kit = Kit::new(|| scenario(bad, &["stock"]));
    let text = kit.run().unwrap_err().to_string();
    assert!(text.contains("does not come to an end"), "{text}");
}

#[test]
fn refusals_that_are_handled_and_nested_parts_and_pivots_pass() {
    async fn part(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
        take(&saga, "gift").await?;
        take(&saga, "card").await?;
        Ok(())
    }
    async fn whole(saga: Saga<Shop>, (): ()) -> Result<bool, Failure> {
        take(&saga, "stock").await?;
        if let Err(error) = take(&saga, "points").await {
            if error.kind() != StepErrorKind::Refused {
                return Err(error.into());
            }
            take(&saga, "instead").await?;
        }
        let nested = saga.call("part", &()).propagation(Propagation::Nested);
        let has_gift = nested.await.is_ok();
        let apart = saga.call("part", &()).propagation(Propagation::RequiresNew);
        apart.named("own").await?;
        saga.step("ship")
            .action(async |call: Call<Shop>, ()| {
                call.state().book(call.key(), -1);
                Ok::<_, CallError>(())
            })
            .check(async |call: Call<Shop>, ()| {
                Ok::<_, CallError>(call.state().has(call.key()).then_some(()))
            })
            .pivot()
            .await?;
        take(&saga, "mail").await?;
        Ok(has_gift)
    }
    let began = Instant::now();
    let kit = Kit::new(|| {
        let shop = Shop::default();
        Scenario::new(shop.clone())
            .saga("whole", whole)
            .saga("part", part)
            .start("whole", "w-1", &())
            .check(move |end| {
                if end.stuck() {
                    return Ok(());
                }
                let sum = |step: &str| shop.sum(step);
                if end.compensated() {
                    for step in ["stock", "points", "instead", "n.gift", "mail"] {
                        assert_eq!(sum(step), 0, "{step}");
                    }
                    return Ok(());
                }
                assert_eq!(sum("points") + sum("instead"), -1);
                let has_gift = end.result::<bool>().unwrap();
                let gift = if has_gift { -1 } else { 0 };
                assert_eq!((sum("part.gift"), sum("part.card")), (gift, gift));
                for step in ["stock", "ship", "mail"] {
                    assert_eq!(sum(step), -1, "{step}");
                }
                Ok(())
            })
    });
    let tally = kit.run().unwrap();
    println!("{tally} in {:?}", began.elapsed());
}

/// A platform that is called once, asked when nobody knows, and recorded.
struct Transfer;

impl Operation<Shop> for Transfer {
    type Input = i64;
    type Output = i64;

    async fn call(&self, call: Call<Shop>, amount: i64) -> Result<i64, CallError> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if call.state().has(call.key()) {
            return Err(CallError::refused("the number was used"));
        }
        call.state().book(call.key(), amount);
        Ok(amount)
    }

    async fn ask(&self, call: Call<Shop>, amount: i64) -> Result<Option<i64>, CallError> {
        Ok(call.state().has(call.key()).then_some(amount))
    }

    async fn record(&self, call: Call<Shop>, _: i64, output: i64) -> Result<(), CallError> {
        call.state().book(call.key(), -output);
        Ok(())
    }
}

#[test]
fn an_operation_passes_too() {
    let kit = Kit::new(|| {
        let shop = Shop::default();
        Scenario::new(shop.clone())
            .operation("transfer", Transfer)
            .start("transfer", "t-1", &7)
            .check(move |end| {
                let sums = (shop.sum("call"), shop.sum("record"));
                match (end.completed(), sums) {
                    (true, (7, -7)) => Ok(()),
                    // There is no way back: what is not done is before a person.
                    (false, (7, 0 | -7) | (0, 0)) if end.stuck() => Ok(()),
                    (_, sums) => Err(format!("{sums:?}")),
                }
            })
    });
    let tally = kit.run().unwrap();
    println!("{tally}");
}

#[test]
fn policies_and_limits_are_the_step_s_own() {
    async fn once(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
        // Not idempotent, and declared so: it is never repeated in doubt.
        saga.step("stock")
            .action(async |call: Call<Shop>, ()| {
                call.state().add_loosely("stock", -1);
                Ok::<_, CallError>(())
            })
            .compensation(async |call: Call<Shop>, (), ()| {
                call.state().book(call.key(), 1);
                Ok::<_, CallError>(())
            })
            .on_unknown(OnUnknown::Incident)
            .retry(Retry {
                max_attempts: 3,
                ..Retry::default()
            })
            .timeout(Duration::from_secs(2))
            .await?;
        Ok(())
    }
    let tally = Kit::new(|| scenario(once, &["stock"])).run().unwrap();
    assert!(tally.scenarios > 50);
}

#[test]
fn a_wrong_set_up_says_what_to_do() {
    let kit =
        Kit::new(|| Scenario::new(()).saga("f", async |_: Saga, (): ()| Ok::<_, Failure>(())));
    let text = kit.run().unwrap_err().to_string();
    assert!(text.contains("call `start`"), "{text}");
    let kit = Kit::new(|| scenario(good, GOOD));
    let text = kit.only("nonsense").run().unwrap_err().to_string();
    assert!(text.contains("no scenario's name"), "{text}");
}

#[test]
fn a_part_that_is_undone_beside_other_steps_keeps_its_place() {
    async fn part(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
        take(&saga, "gift").await?;
        let no = saga
            .step("card")
            .action(async |_: Call<Shop>, ()| Err::<(), _>(CallError::refused("no more cards")));
        Ok(no.await?)
    }
    // What comes after the part drops the other lane: where it comes earlier when the function is
    // run again, the steps of that lane are missing.
    async fn whole(saga: Saga<Shop>, (): ()) -> Result<(), Failure> {
        let gift = async {
            let nested = saga.call("part", &()).propagation(Propagation::Nested);
            let _ = nested.await;
            Err::<(), _>(Failure::new("no gift"))
        };
        let others = async {
            for step in ["stock", "points", "coupon"] {
                take(&saga, step).await?;
            }
            std::future::pending::<Result<(), Failure>>().await
        };
        tokio::try_join!(gift, others).map(drop)
    }
    let kit = Kit::new(|| {
        let shop = Shop::default();
        Scenario::new(shop.clone())
            .saga("whole", whole)
            .saga("part", part)
            .start("whole", "w-1", &())
            .check(move |end| shop.balance(end, &["stock", "points", "coupon", "part.gift"]))
    });
    println!("{}", kit.run().unwrap());
}

#[test]
fn as_many_steps_as_there_may_be() {
    async fn long(saga: Saga<Shop>, steps: u32) -> Result<u32, Failure> {
        for turn in 1..steps {
            take(&saga, &format!("stock.{turn}")).await?;
        }
        Ok(steps)
    }
    let kit = |steps: u32| {
        Kit::new(move || {
            Scenario::new(Shop::default())
                .saga("long", long)
                .start("long", "long-1", &steps)
                .check(move |end| match (end.result::<u32>(), end.reason()) {
                    (Some(result), _) if result == steps => Ok(()),
                    (None, Some(reason)) if reason.contains("at most 1000 steps") => Ok(()),
                    other => Err(format!("{other:?}")),
                })
        })
    };
    for (steps, scenario) in [
        (1_000, "undisturbed"),
        (1_000, "crash@6000"),
        (1_001, "undisturbed"),
    ] {
        kit(steps).only(scenario).run().unwrap();
    }
}
