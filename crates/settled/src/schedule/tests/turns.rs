//! A schedule at work, and what people ask of it.

use settled_journal::{Journal, ScheduleChange, ScheduleRow};
use settled_protocol::{Json, SagaState, Timestamp};

use super::super::driver::{MOST_SCHEDULES, ScheduleError};
use super::fake::{Fake, Fault, Rig};
use super::{at, document, shown};
use crate::observe::Scheduled;

const NOON: &str = "2026-11-21T12:00:00Z";

#[tokio::test(start_paused = true)]
async fn each_due_time_is_run_once_when_it_comes() {
    let rig = Rig::start(&Fake::new(NOON));
    assert!(rig.put("four", r#""cron": "0 */4 * * *""#).await.unwrap());
    assert!(rig.put("often", r#""every": "3h""#).await.unwrap());
    rig.until("2026-11-21T20:00:00Z").await;
    let made = rig.fake.world().made.clone();
    let made: Vec<(&str, String)> = made
        .iter()
        .map(|(id, when)| (&**id, shown(*when)))
        .collect();
    let expected = [
        ("often.20261121T150000Z", "2026-11-21T15:00:00Z"),
        ("four.20261121T160000Z", "2026-11-21T16:00:00Z"),
        ("often.20261121T180000Z", "2026-11-21T18:00:00Z"),
        ("four.20261121T200000Z", "2026-11-21T20:00:00Z"),
    ];
    let expected = expected.map(|(id, when)| (id, when.to_owned()));
    assert_eq!(made, expected);
    let row = rig.fake.row("four");
    assert_eq!(row.last_saga.as_deref(), Some("four.20261121T200000Z"));
    assert_eq!(row.last_due_at, Some(at("2026-11-21T20:00:00Z")));
    assert_eq!(row.next_due_at, Some(at("2026-11-22T00:00:00Z")));
    assert_eq!((row.runs, row.missed, row.overlapped), (2, 0, 0));
    assert_eq!((row.waiting_due_at, row.error), (None, None));
    assert_eq!(rig.fake.world().troubles, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_same_document_changes_nothing_and_another_begins_now() {
    let fake = Fake::new(NOON);
    let rig = Rig::start(&fake);
    rig.put("s", r#""every": "4h""#).await.unwrap();
    let first = fake.row("s");
    rig.until("2026-11-21T13:00:00Z").await;
    assert!(!rig.put("s", r#""every": "4h""#).await.unwrap());
    assert_eq!(fake.row("s"), first);
    // The steps go on where they were; only how they are taken has changed.
    assert!(
        !rig.put("s", r#""every": "4h", "missed": "once""#)
            .await
            .unwrap()
    );
    let row = fake.row("s");
    assert_eq!(row.next_due_at, Some(at("2026-11-21T16:00:00Z")));
    assert_eq!(row.created_at, first.created_at);
    assert!(row.updated_at > first.updated_at);
    rig.put("s", r#""every": "30m""#).await.unwrap();
    assert_eq!(fake.row("s").next_due_at, Some(at("2026-11-21T13:30:00Z")));
    rig.put("s", r#""cron": "45 13 * * *""#).await.unwrap();
    rig.until("2026-11-21T16:30:00Z").await;
    assert_eq!(fake.made(), ["s.20261121T134500Z"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_runs_no_more() {
    let fake = Fake::new(NOON);
    let rig = Rig::start(&fake);
    assert!(matches!(
        rig.delete("s").await,
        Err(ScheduleError::NotFound)
    ));
    rig.put("s", r#""every": "1h""#).await.unwrap();
    rig.until("2026-11-21T13:00:00Z").await;
    rig.delete("s").await.unwrap();
    assert!(matches!(
        rig.delete("s").await,
        Err(ScheduleError::NotFound)
    ));
    let trigger = rig.trigger("s", None).await;
    assert!(matches!(trigger, Err(ScheduleError::NotFound)));
    rig.until("2026-11-22T13:00:00Z").await;
    assert_eq!(fake.made().len(), 1);
    assert!(rig.put("s", r#""every": "1h""#).await.unwrap(), "a new one");
    assert_eq!(fake.row("s").runs, 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_out_of_turn_is_one_of_its_own() {
    let fake = Fake::new(NOON);
    let rig = Rig::start(&fake);
    rig.put("s", r#""every": "1h""#).await.unwrap();
    let first = rig.trigger("s", Some("20261121T130000Z")).await.unwrap();
    assert!(first.new);
    let again = rig.trigger("s", Some("20261121T130000Z")).await.unwrap();
    assert_eq!((again.new, &again.saga.id), (false, &first.saga.id));
    let other = rig.trigger("s", None).await.unwrap();
    assert!(other.new && other.saga.id.starts_with("s.trigger."));
    rig.until(NOON).await;
    let row = fake.row("s");
    assert_eq!(row.triggered_saga.as_deref(), Some(&*other.saga.id));
    assert_eq!(row.next_due_at, Some(at("2026-11-21T13:00:00Z")));
    assert_eq!((row.runs, row.last_saga), (0, None));
    rig.until("2026-11-21T13:00:00Z").await;
    assert_eq!(fake.made()[0], "s.trigger.20261121T130000Z");
    assert_eq!(fake.made()[2], "s.20261121T130000Z");
    let changed = document(r#""every": "1h""#).replace("\"n\"", "\"m\"");
    rig.put_text("s", &changed).await.unwrap();
    let conflict = rig.trigger("s", Some("20261121T130000Z")).await;
    assert!(matches!(conflict, Err(ScheduleError::Conflict)));
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_took_the_run_s_id_counts_as_the_run_and_is_told() {
    let fake = Fake::new(NOON);
    let rig = Rig::start(&fake);
    rig.put("s", r#""every": "1h""#).await.unwrap();
    let id = "s.20261121T130000Z".to_owned();
    let foreign = ([9; 32], Ok(SagaState::Completed));
    fake.world().sagas.insert(id.clone(), foreign);
    rig.until("2026-11-21T13:00:00Z").await;
    let row = fake.row("s");
    assert_eq!((row.runs, row.last_saga), (1, Some(id)));
    assert!(row.error.unwrap().contains("with other content"));
    rig.until("2026-11-21T14:00:00Z").await;
    assert_eq!(fake.made(), ["s.20261121T140000Z"]);
    assert_eq!(fake.row("s").error, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_now_is_tried_until_it_is() {
    let fake = Fake::new(NOON);
    let rig = Rig::start(&fake);
    rig.put("s", r#""every": "1h""#).await.unwrap();
    fake.world().turn_away = 8;
    rig.until("2026-11-21T13:00:00Z").await;
    assert_eq!(fake.made(), Vec::<String>::new());
    assert!(fake.row("s").waiting_due_at.is_some());
    rig.until("2026-11-21T13:30:00Z").await;
    assert_eq!(fake.made(), ["s.20261121T130000Z"]);
    assert_eq!(fake.world().troubles.len(), 8);
    assert_eq!(fake.row("s").runs, 1);
}

/// Every way in which the first writes of a run may fail, alone and together.
#[tokio::test(start_paused = true)]
async fn whatever_a_write_comes_to_each_due_time_is_run_once() {
    let ways = [
        None,
        Some(Fault::Full),
        Some(Fault::Written),
        Some(Fault::Unwritten),
    ];
    for first in ways {
        for second in ways {
            for third in ways {
                let fake = Fake::new(NOON);
                let rig = Rig::start(&fake);
                rig.put("s", r#""every": "1h""#).await.unwrap();
                fake.world().faults = [first, second, third].into();
                rig.until("2026-11-21T14:30:00Z").await;
                let label = format!("{first:?} {second:?} {third:?}");
                let made = ["s.20261121T130000Z", "s.20261121T140000Z"];
                assert_eq!(fake.made(), made, "{label}");
                assert_eq!(fake.row("s").runs, 2, "{label}");
                let faults = fake.world().faults.len();
                assert_eq!(faults, 0, "{label}: all of them came up");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_may_be_written_is_told_as_that_and_found_out() {
    for fault in [Fault::Full, Fault::Written, Fault::Unwritten] {
        let fake = Fake::new(NOON);
        let rig = Rig::start(&fake);
        fake.world().faults = [Some(fault)].into();
        let put = rig.put("s", r#""every": "1h""#).await;
        assert!(matches!(put, Err(ScheduleError::Unavailable(_))));
        let there = fault == Fault::Written;
        rig.until("2026-11-21T13:00:01Z").await;
        assert_eq!(fake.made().len(), usize::from(there), "{fault:?}");
        fake.world().faults = [Some(fault)].into();
        rig.put("s", r#""every": "2h""#).await.unwrap_err();
        rig.put("s", r#""every": "2h""#).await.unwrap();
        assert_eq!(
            fake.row("s").document.as_str(),
            document(r#""every": "2h""#)
        );
        fake.world().faults = [Some(fault)].into();
        rig.delete("s").await.unwrap_err();
        let gone = rig.delete("s").await;
        assert_eq!(matches!(gone, Err(ScheduleError::NotFound)), there);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_read_is_told_and_the_others_run() {
    let fake = Fake::new(NOON);
    let rig = Rig::start(&fake);
    rig.put("good", r#""every": "1h""#).await.unwrap();
    let bad = ScheduleRow {
        name: "bad".to_owned(),
        document: Json::parse(&document(r#""cron": "@often""#)).unwrap(),
        ..fake.row("good")
    };
    let fake = rig.stop().await;
    let change = ScheduleChange::Put(Box::new(bad));
    fake.world().journal.change(&change.clone().into()).unwrap();
    let rig = Rig::start(&fake);
    rig.until("2026-11-21T15:00:00Z").await;
    assert_eq!(fake.made().len(), 3);
    assert!(fake.made().iter().all(|id| id.starts_with("good.")));
    let trouble = fake.world().troubles.join("\n");
    assert!(
        trouble.contains("schedule bad: its document cannot be read: cron"),
        "{trouble}"
    );
    let trigger = rig.trigger("bad", None).await;
    assert!(matches!(trigger, Err(ScheduleError::Broken)));
    assert!(!rig.put("bad", r#""every": "1h""#).await.unwrap());
    rig.until("2026-11-21T16:00:00Z").await;
    assert_eq!(fake.made().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn there_is_an_end_to_how_many_there_may_be() {
    let rig = Rig::start(&Fake::new(NOON));
    for n in 0..MOST_SCHEDULES {
        rig.put(&format!("s{n}"), r#""cron": "@yearly""#)
            .await
            .unwrap();
    }
    let more = rig.put("more", r#""cron": "@yearly""#).await;
    assert!(matches!(more, Err(ScheduleError::TooMany)));
    assert!(!rig.put("s0", r#""cron": "@daily""#).await.unwrap());
    rig.delete("s1").await.unwrap();
    assert!(rig.put("more", r#""cron": "@yearly""#).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_comes_of_due_times_is_told() {
    let fake = Fake::new(NOON);
    let rig = Rig::start(&fake);
    rig.put("s", r#""every": "1h""#).await.unwrap();
    rig.trigger("s", None).await.unwrap();
    rig.until("2026-11-21T13:00:00Z").await;
    fake.world().born = SagaState::Running;
    rig.until("2026-11-21T15:00:00Z").await;
    rig.stop().await;
    fake.set("s.20261121T140000Z", Ok(SagaState::Completed));
    let rig = Rig::start(&fake.at("2026-11-21T18:30:00Z"));
    rig.until("2026-11-21T19:00:00Z").await;
    let told: Vec<(Scheduled, u64)> = fake
        .world()
        .told
        .iter()
        .map(|(_, what, count)| (*what, *count))
        .collect();
    let expected = [
        (Scheduled::Triggered, 1),
        (Scheduled::Ran, 1),
        (Scheduled::Ran, 1),
        (Scheduled::Overlapped, 1),
        (Scheduled::Missed, 3),
        (Scheduled::Ran, 1),
    ];
    assert_eq!(told, expected);
    assert!(fake.row("s").next_due_at > Some(Timestamp(0)));
}
