//! Operations, and what must survive: panics, dropped runtimes, late answers.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "functions/support.rs"]
mod support;

use std::convert::Infallible;
use std::time::Duration;

use settled::coordinator::CoordinatorSettings;
use settled::protocol::{Answered, Decision, Json, Span};
use settled::{
    Call, CallError, Failure, OnRefusal, OnUnknown, Operation, OperationPolicy, RunError, Saga,
};
use support::{Book, World, quick};

/// A platform that puts goods on a shelf.
#[derive(Clone, Copy)]
enum Platform {
    /// Does it, and the answer is lost.
    LosesAnswers,
    /// The request never arrives, once; then it is done.
    LosesRequests,
    /// Refuses the first time.
    RefusesOnce,
}

struct Shelve(Platform);

impl Operation<Book> for Shelve {
    type Input = String;
    type Output = String;

    async fn call(&self, call: Call<Book>, goods: String) -> Result<String, CallError> {
        let book = call.state();
        let first = call.attempt() == 1;
        match self.0 {
            Platform::LosesRequests if first => return Err(CallError::unknown("time-out")),
            Platform::RefusesOnce if first => return Err(CallError::refused("full")),
            _ => {}
        }
        book.note(format!("shelve {goods} {}", call.key()));
        match self.0 {
            Platform::LosesAnswers => Err(CallError::unknown("time-out")),
            _ => Ok(format!("{goods} is up")),
        }
    }

    async fn ask(&self, call: Call<Book>, goods: String) -> Result<Option<String>, CallError> {
        call.state().note(format!("ask {}", call.key()));
        let key = call.key();
        let done = (call.state().lines().iter())
            .any(|line| line.starts_with("shelve") && line.ends_with(key));
        Ok(done.then(|| format!("{goods} is up, it says")))
    }

    async fn record(&self, call: Call<Book>, _: String, said: String) -> Result<(), CallError> {
        if call.state().is_down() {
            call.state().note("rolled back".to_owned());
            return Err(CallError::not_sent("the database is down"));
        }
        call.state().note(format!("record {said}"));
        Ok(())
    }

    fn policy(&self) -> OperationPolicy {
        OperationPolicy {
            on_refusal: match self.0 {
                Platform::RefusesOnce => OnRefusal::Retry,
                _ => OnRefusal::Incident,
            },
            // So that "it did not happen" can be believed soon.
            timeout: Duration::from_millis(100),
            retry: quick(5),
            record_retry: quick(1_000),
            ..OperationPolicy::default()
        }
    }
}

async fn shelve(platform: Platform) -> (Vec<String>, String) {
    let world = World::new();
    let settled = world.start(|builder| builder.operation("shelve", Shelve(platform)));
    let start = settled.start("shelve", "goods").id("n-1");
    let said: String = start.result().await.unwrap();
    (world.book.lines(), said)
}

#[tokio::test]
async fn a_lost_answer_is_asked_about_and_the_local_state_mended() {
    let (lines, said) = shelve(Platform::LosesAnswers).await;
    assert_eq!(said, "goods is up, it says");
    assert_eq!(
        lines,
        [
            "shelve goods n-1/call/action",
            "ask n-1/call/action",
            "record goods is up, it says"
        ]
    );
}

#[tokio::test]
async fn what_did_not_happen_is_called_again() {
    let (lines, _) = shelve(Platform::LosesRequests).await;
    let shelved = lines.iter().filter(|line| line.starts_with("shelve"));
    assert_eq!(shelved.count(), 1, "{lines:?}");
    assert_eq!(lines.last().unwrap(), "record goods is up");
    assert!(lines.contains(&"ask n-1/call/action".to_owned()));
}

#[tokio::test]
async fn a_refusal_is_called_again_where_the_policy_says_so() {
    let (lines, said) = shelve(Platform::RefusesOnce).await;
    assert_eq!(said, "goods is up");
    assert_eq!(
        lines,
        ["shelve goods n-1/call/action", "record goods is up"]
    );
}

#[tokio::test]
async fn a_record_that_rolls_back_is_made_again_and_the_platform_not_called() {
    let world = World::new();
    world.book.set_down(true);
    let start =
        || world.start(|builder| builder.operation("shelve", Shelve(Platform::LosesAnswers)));
    let settled = start();
    settled.start("shelve", "goods").id("n-2").await.unwrap();
    world.book.wait_for("rolled back").await;
    settled.shutdown(Duration::from_secs(1)).await;
    world.book.set_down(false);
    let settled = start();
    let _: String = settled
        .start("shelve", "goods")
        .id("n-2")
        .result()
        .await
        .unwrap();
    let lines = world.book.lines();
    for (part, times) in [("shelve", 1), ("record", 1)] {
        let found = lines.iter().filter(|line| line.starts_with(part)).count();
        assert_eq!(found, times, "{lines:?}");
    }
}

/// A platform that cannot be asked and must not be called twice.
struct Once;

impl Operation<Book> for Once {
    type Input = ();
    type Output = u32;
    const CAN_BE_ASKED: bool = false;

    async fn call(&self, call: Call<Book>, (): ()) -> Result<u32, CallError> {
        call.state().note("call".to_owned());
        Err(CallError::unknown("no answer"))
    }

    async fn record(&self, call: Call<Book>, (): (), said: u32) -> Result<(), CallError> {
        call.state().note(format!("record {said}"));
        Ok(())
    }
}

#[tokio::test]
async fn a_person_s_word_is_recorded_like_the_platform_s() {
    let world = World::new();
    let settled = world.start(|builder| builder.operation("once", Once));
    let end: Result<u32, _> = settled.start("once", &()).id("n-3").result().await;
    assert!(matches!(end, Err(RunError::Stuck { .. })), "{end:?}");
    // There is no way back from the beginning.
    let cancelled = settled.coordinator().cancel("n-3", "me").await;
    assert!(
        cancelled
            .unwrap_err()
            .to_string()
            .contains("past its pivot")
    );
    world
        .resolve(&settled, "n-3~1", Decision::Done, Some("9"))
        .await;
    let said: u32 = settled.start("once", &()).id("n-3").result().await.unwrap();
    assert_eq!(
        (said, world.book.lines()),
        (9, vec!["call".to_owned(), "record 9".to_owned()])
    );
}

#[tokio::test]
async fn a_panic_in_a_closure_leaves_it_unknown_what_it_did() {
    async fn f(saga: Saga<Book>, (): ()) -> Result<u32, Failure> {
        let n: u32 = saga
            .step("a")
            .action(async |call: Call<Book>, ()| {
                call.state().note("call".to_owned());
                assert!(call.attempt() > 1, "half done");
                Ok::<u32, Infallible>(1)
            })
            .check(async |call, ()| {
                call.state().note("ask".to_owned());
                Ok::<_, Infallible>(Some(2))
            })
            .await?;
        Ok(n)
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("f", f));
    let n: u32 = settled.start("f", &()).id("x").result().await.unwrap();
    assert_eq!(
        (n, world.book.lines()),
        (2, vec!["call".to_owned(), "ask".to_owned()])
    );
}

#[tokio::test]
async fn a_pending_call_is_answered_later() {
    async fn f(saga: Saga<Book>, (): ()) -> Result<String, Failure> {
        let said: String = saga
            .step("a")
            .action(async |call: Call<Book>, ()| {
                call.state().note(call.callback_token().to_owned());
                Err::<String, _>(CallError::pending())
            })
            .await?;
        Ok(said)
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("f", f));
    let started = settled.start("f", &()).id("x").await.unwrap();
    world.book.wait_for("").await;
    let token = world.book.lines().remove(0);
    let answer = Json::from_valid("\"later\"");
    settled
        .coordinator()
        .callback(&token, Answered::Done, answer)
        .await
        .unwrap();
    assert_eq!(started.result::<String>().await.unwrap(), "later");
}

#[tokio::test]
async fn a_closure_that_never_answers_has_its_time_limit() {
    async fn f(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        let step = saga.step("a").action(async |call: Call<Book>, ()| {
            call.state().note("call".to_owned());
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(())
        });
        let step = step.timeout(Duration::from_millis(30));
        Ok(step.on_unknown(OnUnknown::Incident).await?)
    }
    let world = World::new();
    let settled = world.start(|builder| builder.saga("f", f));
    let end: Result<(), _> = settled.start("f", &()).id("x").result().await;
    assert!(matches!(end, Err(RunError::Stuck { .. })), "{end:?}");
    let incident = world.incident(&settled, "x").await;
    assert_eq!(incident.kind, "unknown_outcome");
    assert!(
        incident.error.contains("no answer within 30ms"),
        "{}",
        incident.error
    );
    assert_eq!(incident.request_url.as_deref(), Some("fn://a/a"));
}

#[tokio::test]
async fn a_saga_that_waits_for_long_leaves_memory_and_comes_back() {
    async fn f(saga: Saga<Book>, (): ()) -> Result<(), Failure> {
        let first = saga.step("first").action(async |call: Call<Book>, ()| {
            call.state().note("first".to_owned());
            Ok::<_, Infallible>(())
        });
        first.await?;
        saga.state().note("between".to_owned());
        let step = saga.step("later").action(async |call: Call<Book>, ()| {
            call.state().note("later".to_owned());
            match call.attempt() {
                1 => Err(CallError::not_sent("busy").retry_after(Duration::from_millis(400))),
                _ => Ok(()),
            }
        });
        Ok(step.await?)
    }
    let world = World::new();
    let mut settings = CoordinatorSettings::default();
    settings.engine.park_after = Span::from_millis(20);
    let settled = world.start(|builder| builder.saga("f", f).settings(settings));
    let started = settled.start("f", &()).id("x").await.unwrap();
    world.book.wait_for("later").await;
    while settled.coordinator().load().0 > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    started.result::<()>().await.unwrap();
    // Run again from the record: what stands between the steps is done again, the steps are not.
    let (between, steps): (Vec<_>, Vec<_>) =
        (world.book.lines().into_iter()).partition(|line| line == "between");
    assert_eq!(steps, ["first", "later", "later"]);
    assert!(between.len() > 1);
}

/// Each life of the program ends at another moment, in the middle of whatever it does; in the end
/// everything was done once.
#[test]
fn a_runtime_that_is_shut_down_in_the_middle_loses_nothing() {
    async fn f(saga: Saga<Book>, (): ()) -> Result<u32, Failure> {
        let mut sum = 0;
        for n in 0..5_u32 {
            sum += saga
                .step(format!("s{n}"))
                .input(&n)
                .action(async |call: Call<Book>, n: u32| {
                    tokio::time::sleep(Duration::from_micros(300)).await;
                    call.state().note(call.key().to_owned());
                    tokio::time::sleep(Duration::from_micros(300)).await;
                    Ok::<_, Infallible>(n)
                })
                .check(async |call, n| {
                    let done = call.state().lines().iter().any(|line| line == call.key());
                    Ok::<_, Infallible>(done.then_some(n))
                })
                // A check that says no can be believed only after the time limit of what was lost.
                .timeout(Duration::from_millis(20))
                .await?;
        }
        Ok(sum)
    }
    let world = World::new();
    let ids: Vec<String> = (0..8).map(|n| format!("r-{n}")).collect();
    for life in 0..40_u64 {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let settled = world.start(|builder| builder.saga("f", f));
            for id in &ids {
                settled.start("f", &()).id(id).await.unwrap();
            }
            tokio::time::sleep(Duration::from_micros(200 + 457 * life)).await;
        });
        runtime.shutdown_timeout(Duration::from_secs(5));
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let settled = world.start(|builder| builder.saga("f", f));
        for id in &ids {
            let sum: u32 = settled.start("f", &()).id(id).result().await.unwrap();
            assert_eq!(sum, 10);
        }
        settled.shutdown(Duration::from_secs(1)).await;
    });
    let mut lines = world.book.lines();
    assert_eq!(lines.len(), 40, "{lines:?}");
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 40);
}
