//! Due times at which nobody ran, and due times at which an earlier run was not settled.

use settled_protocol::SagaState;

use super::at;
use super::fake::{Fake, Rig};

const NOON: &str = "2026-11-21T12:00:00Z";

/// A schedule that was at work until 13:00, and was then left alone until the time given.
async fn left_alone_until(members: &str, time: &str) -> Rig {
    let fake = Fake::new(NOON);
    let rig = Rig::start(&fake);
    rig.put("s", members).await.unwrap();
    rig.until("2026-11-21T13:00:00Z").await;
    let fake = rig.stop().await;
    let rig = Rig::start(&fake.at(time));
    rig.until(time).await;
    rig
}

#[tokio::test(start_paused = true)]
async fn what_nobody_was_there_for_is_left_out() {
    let rig = left_alone_until(r#""every": "1h""#, "2026-11-21T17:30:00Z").await;
    assert_eq!(rig.fake.made(), ["s.20261121T130000Z"]);
    let row = rig.fake.row("s");
    assert_eq!((row.runs, row.missed), (1, 4));
    assert_eq!(row.last_due_at, Some(at("2026-11-21T13:00:00Z")));
    rig.until("2026-11-21T18:00:00Z").await;
    assert_eq!(
        rig.fake.made(),
        ["s.20261121T130000Z", "s.20261121T180000Z"]
    );
}

#[tokio::test(start_paused = true)]
async fn or_is_made_up_for_once() {
    let once = r#""every": "1h", "missed": "once""#;
    let rig = left_alone_until(once, "2026-11-21T17:30:00Z").await;
    let made = ["s.20261121T130000Z", "s.20261121T170000Z"];
    assert_eq!(rig.fake.made(), made);
    let row = rig.fake.row("s");
    assert_eq!((row.runs, row.missed), (2, 3));
    let fake = rig.stop().await;
    let rig = Rig::start(&fake.at("2026-11-21T17:40:00Z"));
    rig.until("2026-11-21T17:59:00Z").await;
    assert_eq!(fake.made(), made, "once");
}

/// A restart over a due time does not cost the run.
#[tokio::test(start_paused = true)]
async fn a_minute_late_is_not_missed() {
    for (time, made, missed) in [
        ("2026-11-21T14:00:59Z", 2, 0),
        ("2026-11-21T15:01:00Z", 2, 1),
        ("2026-11-21T14:01:01Z", 1, 1),
    ] {
        let rig = left_alone_until(r#""every": "1h""#, time).await;
        assert_eq!(rig.fake.made().len(), made, "{time}");
        assert_eq!(rig.fake.row("s").missed, missed, "{time}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_put_back_runs_nothing_twice() {
    let rig = left_alone_until(r#""cron": "0 * * * *""#, "2026-11-21T11:30:00Z").await;
    // Also one that is put again while the clock says that nothing was due yet.
    rig.put("s", r#""cron": "0 * * * *", "missed": "once""#)
        .await
        .unwrap();
    rig.until("2026-11-21T13:30:00Z").await;
    assert_eq!(rig.fake.made(), ["s.20261121T130000Z"]);
    assert_eq!(rig.fake.row("s").runs, 1);
    rig.until("2026-11-21T14:00:00Z").await;
    assert_eq!(
        rig.fake.made(),
        ["s.20261121T130000Z", "s.20261121T140000Z"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_due_time_is_left_out_while_the_run_before_is_not_settled() {
    let fake = Fake::new(NOON);
    let rig = Rig::start(&fake);
    fake.world().born = SagaState::Running;
    rig.put("s", r#""every": "1h""#).await.unwrap();
    rig.until("2026-11-21T15:30:00Z").await;
    assert_eq!(fake.made(), ["s.20261121T130000Z"]);
    let row = fake.row("s");
    assert_eq!((row.runs, row.overlapped, row.missed), (1, 2, 0));
    for state in [SagaState::Compensating, SagaState::Stuck] {
        fake.set("s.20261121T130000Z", Ok(state));
        rig.until("2026-11-21T16:30:00Z").await;
        assert_eq!(fake.made().len(), 1, "{state:?}");
    }
    // What cannot be read is not taken for settled.
    fake.set("s.20261121T130000Z", Err(()));
    rig.until("2026-11-21T17:30:00Z").await;
    assert_eq!(fake.made().len(), 1);
    fake.set("s.20261121T130000Z", Ok(SagaState::Compensated));
    rig.until("2026-11-21T17:59:00Z").await;
    assert_eq!(fake.made().len(), 1, "what was left out stays out");
    rig.until("2026-11-21T18:00:00Z").await;
    assert_eq!(fake.made().len(), 2);
    // One that was removed is settled.
    fake.world().sagas.clear();
    rig.until("2026-11-21T19:00:00Z").await;
    assert_eq!(fake.made().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn or_waits_until_it_is_settled() {
    let fake = Fake::new(NOON);
    let rig = Rig::start(&fake);
    fake.world().born = SagaState::Running;
    rig.put("s", r#""every": "1h", "overlap": "queue""#)
        .await
        .unwrap();
    rig.until("2026-11-21T16:30:00Z").await;
    let row = fake.row("s");
    assert_eq!(row.waiting_due_at, Some(at("2026-11-21T14:00:00Z")));
    assert_eq!((row.runs, row.overlapped), (1, 2), "one waits at most");
    // A person is wanted first: what waits goes on waiting, also for the next coordinator.
    fake.set("s.20261121T130000Z", Ok(SagaState::Stuck));
    let fake = rig.stop().await.at("2026-11-21T16:40:00Z");
    let rig = Rig::start(&fake);
    rig.until("2026-11-21T16:45:00Z").await;
    assert_eq!(fake.made().len(), 1);
    fake.set("s.20261121T130000Z", Ok(SagaState::Completed));
    rig.until("2026-11-21T16:45:01Z").await;
    assert_eq!(fake.made(), ["s.20261121T130000Z", "s.20261121T140000Z"]);
    rig.until("2026-11-21T17:30:00Z").await;
    fake.set("s.20261121T140000Z", Ok(SagaState::Completed));
    rig.until("2026-11-21T17:30:01Z").await;
    assert_eq!(fake.made().last().unwrap(), "s.20261121T170000Z");
    assert_eq!(fake.row("s").runs, 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_out_of_turn_is_an_earlier_run_too() {
    let fake = Fake::new(NOON);
    let rig = Rig::start(&fake);
    rig.put("s", r#""every": "1h", "overlap": "queue""#)
        .await
        .unwrap();
    rig.until("2026-11-21T13:00:00Z").await;
    fake.world().born = SagaState::Running;
    let id = rig.trigger("s", Some("now")).await.unwrap().saga.id;
    rig.until("2026-11-21T14:30:00Z").await;
    assert_eq!(fake.made(), ["s.20261121T130000Z", "s.trigger.now"]);
    // Whoever triggers means it, whatever is under way.
    rig.trigger("s", Some("again")).await.unwrap();
    assert_eq!(fake.made().len(), 3);
    fake.set("s.trigger.again", Ok(SagaState::Completed));
    fake.set(&id, Ok(SagaState::Completed));
    rig.until("2026-11-21T14:31:00Z").await;
    assert_eq!(fake.made().last().unwrap(), "s.20261121T140000Z");
}
