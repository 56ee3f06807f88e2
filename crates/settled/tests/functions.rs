//! Sagas as async functions, on a real coordinator: what is called, what is given back from the
//! record, what is undone.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "functions/support.rs"]
mod support;

use std::convert::Infallible;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use settled::{
    Call, CallError, Failure, OnUnknown, Propagation, RunError, Saga, Settled, StepErrorKind,
};
use support::{Book, World, quick};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    items: Vec<String>,
    fail_at: Option<String>,
}

fn order(fail_at: Option<&str>) -> Order {
    Order {
        items: vec!["A".to_owned(), "B".to_owned()],
        fail_at: fail_at.map(str::to_owned),
    }
}

/// Four services, one after the other; the one that the order names refuses.
async fn create_order(saga: Saga<Book>, order: Order) -> Result<usize, Failure> {
    let mut done = 0;
    for service in ["stock", "points", "bonus", "coupon"] {
        let fails = order.fail_at.as_deref() == Some(service);
        let taken = saga
            .step(service)
            .input(&order.items)
            .action(move |call: Call<Book>, items: Vec<String>| async move {
                if fails {
                    call.state().note(format!("refuse {}", call.step()));
                    return Err(CallError::refused(format!("{} says no", call.step())));
                }
                call.state().note(format!("do {}", call.key()));
                Ok(items)
            })
            .compensation(async |call, _, taken: Vec<String>| {
                call.state()
                    .note(format!("undo {} {}", call.key(), taken.join("")));
                Ok::<_, Infallible>(())
            })
            .await?;
        done += taken.len();
    }
    Ok(done)
}

#[tokio::test]
async fn steps_are_called_in_order_and_the_result_comes_back() {
    let world = World::new();
    let settled = world.start(|builder| builder.saga("create-order", create_order));
    let done: usize = settled
        .start("create-order", &order(None))
        .id("o-1")
        .result()
        .await
        .unwrap();
    assert_eq!(done, 8);
    assert_eq!(
        world.book.lines(),
        [
            "do o-1/stock/action",
            "do o-1/points/action",
            "do o-1/bonus/action",
            "do o-1/coupon/action"
        ]
    );
    // The same id with the same content is the same saga (R8); with other content it is refused.
    let again: usize = settled
        .start("create-order", &order(None))
        .id("o-1")
        .result()
        .await
        .unwrap();
    assert_eq!((again, world.book.lines().len()), (8, 4));
    let other = settled
        .start("create-order", &order(Some("stock")))
        .id("o-1")
        .await;
    assert!(other.unwrap_err().to_string().contains("other content"));
    settled.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_refusal_undoes_what_was_done_with_what_it_returned() {
    let world = World::new();
    let settled = world.start(|builder| builder.saga("create-order", create_order));
    let end: Result<usize, _> = settled
        .start("create-order", &order(Some("bonus")))
        .id("o-2")
        .result()
        .await;
    let Err(RunError::Compensated { reason, .. }) = end else {
        panic!("{end:?}")
    };
    assert_eq!(reason.message, "bonus says no");
    assert_eq!(
        world.book.lines(),
        [
            "do o-2/stock/action",
            "do o-2/points/action",
            "refuse bonus",
            "undo o-2/points/compensation AB",
            "undo o-2/stock/compensation AB"
        ]
    );
    let saga = settled.coordinator().saga("o-2").await.unwrap().unwrap();
    let step = reason
        .step
        .map(|step| saga.saga.plan().steps[usize::from(step)].name.clone());
    assert_eq!(step.as_deref(), Some("bonus"));
}

#[tokio::test]
async fn a_panic_or_an_error_of_the_function_s_own_compensates() {
    async fn panics(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        one(&saga, "a").await?;
        panic!("out of cheese");
    }
    async fn errs(saga: Saga<Book>, (): ()) -> Result<(), std::num::ParseIntError> {
        let _ = one(&saga, "a").await;
        "x".parse::<u8>().map(|_| ())
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("panics", panics).saga("errs", errs));
    for (name, expected) in [("panics", "out of cheese"), ("errs", "invalid digit")] {
        let end: Result<(), _> = settled.start(name, &()).id(name).result().await;
        let error = end.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(
        world.book.lines(),
        [
            "do panics/a/action",
            "undo panics/a/compensation",
            "do errs/a/action",
            "undo errs/a/compensation"
        ]
    );
}

/// A step that can be undone.
async fn one(saga: &Saga<Book>, name: &str) -> Result<(), settled::StepError> {
    saga.step(name)
        .action(async |call: Call<Book>, ()| {
            call.state().note(format!("do {}", call.key()));
            Ok::<_, Infallible>(())
        })
        .compensation(async |call, (), ()| {
            call.state().note(format!("undo {}", call.key()));
            Ok::<_, Infallible>(())
        })
        .await
}

/// A step that refuses.
async fn no(saga: &Saga<Book>, name: &str) -> Result<(), settled::StepError> {
    saga.step(name)
        .action(async |_: Call<Book>, ()| Err::<(), _>(CallError::refused("no")))
        .await
}

#[tokio::test]
async fn steps_run_side_by_side_and_a_refusal_can_be_handled() {
    async fn both(saga: Saga<Book>, (): ()) -> Result<String, Failure> {
        let (a, b) = tokio::join!(one(&saga, "a"), no(&saga, "b"));
        a?;
        let error = b.unwrap_err();
        assert_eq!(error.kind(), StepErrorKind::Refused);
        one(&saga, "instead-of-b").await?;
        Ok(error.message().to_owned())
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("both", both));
    let said: String = settled.start("both", &()).id("x").result().await.unwrap();
    assert_eq!(said, "no");
    assert_eq!(
        world.book.lines(),
        ["do x/a/action", "do x/instead-of-b/action"]
    );
}

#[tokio::test]
async fn a_restart_gives_back_what_is_recorded_without_calling() {
    async fn slow(saga: Saga<Book>, (): ()) -> Result<u32, Failure> {
        let n: u32 = saga
            .step("first")
            .action(async |call: Call<Book>, ()| {
                call.state().note("first".to_owned());
                Ok::<_, Infallible>(7)
            })
            .await?;
        let m: u32 = saga
            .step("second")
            .input(&n)
            .action(async |call: Call<Book>, n: u32| {
                call.state().note("second".to_owned());
                if call.state().is_down() {
                    return Err(CallError::not_sent("down"));
                }
                Ok(n + 1)
            })
            .retry(quick(1_000))
            .await?;
        Ok(m)
    }
    let world = World::new();
    world.book.set_down(true);
    let settled = world.start(|builder| builder.saga("slow", slow));
    settled.start("slow", &()).id("s").await.unwrap();
    world.book.wait_for("second").await;
    settled.shutdown(Duration::from_secs(1)).await;
    drop(settled);
    world.book.set_down(false);
    let settled = world.start(|builder| builder.saga("slow", slow));
    let result: u32 = settled.start("slow", &()).id("s").result().await.unwrap();
    assert_eq!(result, 8);
    let lines = world.book.lines();
    assert_eq!(lines.iter().filter(|line| *line == "first").count(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_asked_about_and_not_repeated() {
    async fn asks(saga: Saga<Book>, (): ()) -> Result<String, Failure> {
        let said: String = saga
            .step("call")
            .action(async |call: Call<Book>, ()| {
                call.state().note(format!("call {}", call.key()));
                Err::<String, _>(CallError::unknown("the answer was lost"))
            })
            .check(async |call, ()| {
                call.state().note(format!("ask {}", call.key()));
                Ok::<_, Infallible>(Some("it happened".to_owned()))
            })
            .await?;
        Ok(said)
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("asks", asks));
    let said: String = settled.start("asks", &()).id("q").result().await.unwrap();
    assert_eq!(said, "it happened");
    assert_eq!(
        world.book.lines(),
        ["call q/call/action", "ask q/call/action"]
    );
}

#[tokio::test]
async fn what_may_not_be_repeated_is_put_before_a_person() {
    async fn once(saga: Saga<Book>, (): ()) -> Result<u32, Failure> {
        let n: u32 = saga
            .step("pay")
            .action(async |call: Call<Book>, ()| {
                call.state().note("pay".to_owned());
                Err::<u32, _>(CallError::unknown("no answer"))
            })
            .on_unknown(OnUnknown::Incident)
            .await?;
        Ok(n)
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("once", once));
    let end: Result<u32, _> = settled.start("once", &()).id("p").result().await;
    assert!(matches!(end, Err(RunError::Stuck { .. })), "{end:?}");
    world
        .resolve(
            &settled,
            "p~1",
            settled::protocol::Decision::Done,
            Some("5"),
        )
        .await;
    let n: u32 = settled.start("once", &()).id("p").result().await.unwrap();
    assert_eq!((n, world.book.lines()), (5, vec!["pay".to_owned()]));
}

#[tokio::test]
async fn a_changed_function_is_found_out_and_never_calls() {
    async fn old(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        one(&saga, "a").await?;
        wait(&saga, "b").await
    }
    async fn new(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        one(&saga, "other").await?;
        wait(&saga, "b").await
    }
    async fn wait(saga: &Saga<Book>, name: &str) -> Result<(), Failure> {
        let step = saga.step(name).action(async |call: Call<Book>, ()| {
            call.state().note("wait".to_owned());
            if call.state().is_down() {
                Err(CallError::not_sent("down"))
            } else {
                Ok(())
            }
        });
        Ok(step.retry(quick(1_000)).await?)
    }
    let world = World::new();
    world.book.set_down(true);
    let settled = world.start(|builder| builder.saga("f", old));
    settled.start("f", &()).id("c").await.unwrap();
    world.book.wait_for("wait").await;
    settled.shutdown(Duration::from_secs(1)).await;
    world.book.set_down(false);
    world.book.clear();

    let settled = world.start(|builder| builder.saga("f", new));
    let incident = world.incident(&settled, "c").await;
    assert_eq!(
        (incident.kind.as_str(), incident.step.as_str()),
        ("mismatch", "function")
    );
    assert!(
        incident.error.contains("`a`") || incident.error.contains("`b`"),
        "{}",
        incident.error
    );
    assert_eq!(world.book.lines(), Vec::<String>::new());
    settled.shutdown(Duration::from_secs(1)).await;

    // With the old code back, "retry" lets it go on.
    let settled = world.start(|builder| builder.saga("f", old));
    world
        .resolve(
            &settled,
            &incident.id,
            settled::protocol::Decision::Retry,
            None,
        )
        .await;
    let end = settled.start("f", &()).id("c").result::<()>().await;
    end.unwrap();
    assert_eq!(world.book.lines(), ["wait"]);
}

#[tokio::test]
async fn a_result_that_no_longer_fits_its_type_is_an_incident_with_the_stored_json() {
    async fn old(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        let _: String = saga
            .step("a")
            .action(async |_: Call<Book>, ()| Ok::<_, Infallible>("text".to_owned()))
            .await?;
        hang(&saga).await
    }
    async fn new(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        let _: u64 = saga
            .step("a")
            .action(async |_: Call<Book>, ()| Ok::<_, Infallible>(1))
            .await?;
        hang(&saga).await
    }
    async fn hang(saga: &Saga<Book>) -> Result<(), Failure> {
        let step = saga.step("hang").action(async |call: Call<Book>, ()| {
            call.state().note("hang".to_owned());
            Err::<(), _>(CallError::not_sent("down"))
        });
        Ok(step.retry(quick(1_000)).await?)
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("f", old));
    settled.start("f", &()).id("t").await.unwrap();
    world.book.wait_for("hang").await;
    settled.shutdown(Duration::from_secs(1)).await;
    let settled = world.start(|builder| builder.saga("f", new));
    let incident = world.incident(&settled, "t").await;
    assert_eq!(incident.kind, "mismatch");
    assert!(incident.response.unwrap().as_str().contains("\"text\""));
}

#[tokio::test]
async fn a_saga_whose_function_is_not_registered_waits_and_is_reported() {
    async fn f(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        let step = saga.step("a").action(async |call: Call<Book>, ()| {
            call.state().note("a".to_owned());
            if call.state().is_down() {
                Err(CallError::not_sent("down"))
            } else {
                Ok(())
            }
        });
        Ok(step.retry(quick(1_000)).await?)
    }
    let world = World::new();
    world.book.set_down(true);
    let settled = world.start(|builder| builder.saga("f", f));
    settled.start("f", &()).id("u").await.unwrap();
    world.book.wait_for("a").await;
    settled.shutdown(Duration::from_secs(1)).await;
    world.book.set_down(false);
    let settled = world.start(|builder| builder);
    world
        .troubles
        .wait_for("no function is registered as `f`")
        .await;
    let error = settled
        .start("f", &())
        .id("u")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("register it"), "{error}");
    settled.shutdown(Duration::from_secs(1)).await;
    let settled = world.start(|builder| builder.saga("f", f));
    settled
        .start("f", &())
        .id("u")
        .result::<()>()
        .await
        .unwrap();
}

#[tokio::test]
async fn after_the_pivot_there_is_no_way_back() {
    async fn f(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        one(&saga, "a").await?;
        saga.step("pivot")
            .action(async |_: Call<Book>, ()| Ok::<_, Infallible>(()))
            .pivot()
            .await?;
        no(&saga, "b").await?;
        Ok(())
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("f", f));
    let end: Result<(), _> = settled.start("f", &()).id("v").result().await;
    assert!(matches!(end, Err(RunError::Stuck { .. })), "{end:?}");
    world
        .resolve(&settled, "v~1", settled::protocol::Decision::Done, None)
        .await;
    settled
        .start("f", &())
        .id("v")
        .result::<()>()
        .await
        .unwrap();
    assert_eq!(world.book.lines(), ["do v/a/action"]);
}

#[tokio::test]
async fn a_deadline_and_a_cancellation_undo_what_was_done() {
    async fn f(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        one(&saga, "a").await?;
        let step = saga.step("never").action(async |call: Call<Book>, ()| {
            call.state().note("never".to_owned());
            Err::<(), _>(CallError::not_sent("down"))
        });
        Ok(step.retry(quick(1_000_000)).await?)
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("f", f));
    let end: Result<(), _> = settled
        .start("f", &())
        .id("d")
        .deadline(Duration::from_millis(100))
        .result()
        .await;
    assert!(end.unwrap_err().to_string().contains("deadline"));
    let started = settled.start("f", &()).id("e").await.unwrap();
    world.book.wait_for("do e/a/action").await;
    settled.coordinator().cancel("e", "me").await.unwrap();
    assert!(started.result::<()>().await.is_err());
    let lines = world.book.lines();
    for undone in ["undo d/a/compensation", "undo e/a/compensation"] {
        assert!(lines.contains(&undone.to_owned()), "{lines:?}");
    }
}

#[tokio::test]
async fn a_compensation_goes_on_after_a_restart() {
    async fn f(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        saga.step("a")
            .action(async |call: Call<Book>, ()| {
                call.state().note("do a".to_owned());
                Ok::<_, Infallible>(3)
            })
            .compensation(async |call, (), n: u32| {
                call.state().note(format!("undo a {n}"));
                if call.state().is_down() {
                    Err(CallError::not_sent("down"))
                } else {
                    Ok(())
                }
            })
            .compensation_retry(quick(1_000))
            .await?;
        no(&saga, "b").await?;
        Ok(())
    }
    let world = World::new();
    world.book.set_down(true);
    let settled = world.start(|builder| builder.saga("f", f));
    settled.start("f", &()).id("g").await.unwrap();
    world.book.wait_for("undo a 3").await;
    settled.shutdown(Duration::from_secs(1)).await;
    world.book.set_down(false);
    let settled = world.start(|builder| builder.saga("f", f));
    let end: Result<(), _> = settled.start("f", &()).id("g").result().await;
    assert!(matches!(end, Err(RunError::Compensated { .. })), "{end:?}");
    let lines = world.book.lines();
    assert_eq!(lines.iter().filter(|line| *line == "do a").count(), 1);
}

/// A part with two steps, the second of which refuses where it is told to.
async fn part(saga: Saga<Book>, fails: bool) -> Result<u32, Failure> {
    one(&saga, "x").await?;
    if fails {
        no(&saga, "y").await?;
    }
    Ok(1)
}

#[tokio::test]
async fn a_nested_part_is_undone_alone() {
    async fn outer(saga: Saga<Book>, (): ()) -> Result<u32, Failure> {
        one(&saga, "a").await?;
        let nested = saga
            .call("part", &true)
            .named("n1")
            .propagation(Propagation::Nested)
            .returning::<u32>();
        let failed = nested.await.unwrap_err();
        saga.state().note(format!("handled: {failed}"));
        let other = saga
            .call("part", &false)
            .named("n2")
            .propagation(Propagation::Nested);
        let one_more = other.returning::<u32>().await?;
        one(&saga, "z").await?;
        Ok(one_more)
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("outer", outer).saga("part", part));
    let n: u32 = settled.start("outer", &()).id("w").result().await.unwrap();
    assert_eq!(n, 1);
    assert_eq!(
        world.book.lines(),
        [
            "do w/a/action",
            "do w/n1.x/action",
            "undo w/n1.x/compensation",
            "handled: step `n1.y`: refused: no",
            "do w/n2.x/action",
            "do w/z/action"
        ]
    );
}

#[tokio::test]
async fn what_joins_fails_with_the_whole_and_what_is_new_stays() {
    async fn joins(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        one(&saga, "a").await?;
        // Handled, and all the same the whole cannot succeed.
        let _ = saga.call("part", &true).await;
        Ok(())
    }
    async fn apart(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        one(&saga, "a").await?;
        let own = saga
            .call("part", &false)
            .propagation(Propagation::RequiresNew);
        let n = own.returning::<u32>().await?;
        assert_eq!(n, 1);
        no(&saga, "b").await?;
        Ok(())
    }
    async fn never(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        saga.call("part", &false)
            .propagation(Propagation::Never)
            .await
    }
    let world = World::new();
    let settled = world.start(|builder| {
        let builder = builder.saga("joins", joins).saga("apart", apart);
        builder.saga("never", never).saga("part", part)
    });
    let end: Result<(), _> = settled.start("joins", &()).id("j").result().await;
    assert!(
        end.unwrap_err()
            .to_string()
            .contains("joined the saga and failed")
    );
    let end: Result<(), _> = settled.start("apart", &()).id("k").result().await;
    assert!(end.is_err());
    let own = settled.coordinator().saga("k.part").await.unwrap().unwrap();
    assert_eq!(
        own.saga.settled(),
        Some(settled::protocol::SagaState::Completed)
    );
    let end: Result<(), _> = settled.start("never", &()).id("l").result().await;
    assert!(end.unwrap_err().to_string().contains("outside of any"));
    assert_eq!(
        world.book.lines(),
        [
            "do j/a/action",
            "do j/part.x/action",
            "undo j/part.x/compensation",
            "undo j/a/compensation",
            "do k/a/action",
            "do k.part/x/action",
            "undo k/a/compensation"
        ]
    );
}

#[tokio::test]
async fn a_name_that_is_used_twice_is_a_clear_error() {
    async fn f(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        one(&saga, "a").await?;
        one(&saga, "a").await?;
        Ok(())
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("f", f));
    let end: Result<(), _> = settled.start("f", &()).id("m").result().await;
    let error = end.unwrap_err().to_string();
    assert!(
        error.contains("another step of the saga has this name"),
        "{error}"
    );
    assert_eq!(
        world.book.lines(),
        ["do m/a/action", "undo m/a/compensation"]
    );
    let twice = Settled::builder()
        .journal(world.path("other.db"))
        .saga("f", async |_: Saga, (): ()| Ok::<_, Failure>(()))
        .saga("f", async |_: Saga, (): ()| Ok::<_, Failure>(()))
        .start();
    assert!(twice.unwrap_err().to_string().contains("`f`"));
}

#[tokio::test]
async fn a_dropped_step_goes_on_and_is_undone_with_the_rest() {
    async fn f(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        let slow = async {
            let step = saga.step("slow").action(async |call: Call<Book>, ()| {
                tokio::time::sleep(Duration::from_millis(100)).await;
                call.state().note("slow done".to_owned());
                Ok::<_, Infallible>(())
            });
            let undone = step.compensation(async |call, (), ()| {
                call.state().note("slow undone".to_owned());
                Ok::<_, Infallible>(())
            });
            undone.await
        };
        tokio::select! {
            biased;
            done = slow => done?,
            no = no(&saga, "quick") => no?,
        }
        Ok(())
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("f", f));
    let end: Result<(), _> = settled.start("f", &()).id("h").result().await;
    assert!(end.is_err());
    assert_eq!(world.book.lines(), ["slow done", "slow undone"]);
}
