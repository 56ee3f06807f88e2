//! Alerts over real sockets: what a receiver gets of incidents, whatever happens on the way.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "alerts/support.rs"]
mod support;

use std::collections::HashSet;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use serde_json::json;
use settled::Limits;
use settled::alerts::AlertSettings;
use settled::participant::AllowList;
use settled::protocol::{SagaState, Span};
use settled::schedule::Timing;
use support::{Receiver, SECRET, World, retry, settings, until};

/// Longer than it takes to tell what was gathered.
const A_WHILE: Duration = Duration::from_millis(2_500);

fn state(saga: &settled::snapshot::SagaSnapshot) -> SagaState {
    saga.saga.state(saga.created_at)
}

#[tokio::test]
async fn an_incident_is_told_of_when_it_is_opened_still_open_and_resolved() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let world = World::start(directory.path(), &receiver.url("/alerts"));
    world.tell(AlertSettings {
        remind_every: Some(Span::from_secs(2)),
        console_url: Some("https://settled.example.com/console/".to_owned()),
        ..settings()
    });
    world.open_incident("order-1", &receiver).await;
    let got = receiver.wait(2).await;
    world.resolve("order-1~1").await;
    until(async || (receiver.kinds().last()? == "dev.settled.incident.resolved").then_some(()))
        .await;

    let opened = got[0].event();
    assert_eq!(opened["type"], "dev.settled.incident.opened");
    assert_eq!(opened["source"], "https://settled.example.com");
    assert_eq!(opened["subject"], "order-1~1");
    let data = &opened["data"];
    assert_eq!(data["saga"], "order-1");
    assert_eq!(
        (&data["name"], &data["step"]),
        (&json!("order"), &json!("pay"))
    );
    assert_eq!(data["direction"], "action");
    assert_eq!(data["kind"], "unknown_outcome");
    assert_eq!(data["participant"], receiver.address.as_str());
    assert_eq!(
        (&data["attempts"], &data["open_total"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(data["state"], "open");
    assert_eq!(
        data["console_url"],
        "https://settled.example.com/console/incidents/order-1~1"
    );
    assert_eq!(got[1].event()["type"], "dev.settled.incident.reminder");
    let got = receiver.got();
    let resolved = got.last().unwrap().event();
    assert_eq!(resolved["data"]["state"], "resolved");
    assert_eq!(resolved["data"]["decision"], "not_done");
    assert_eq!(resolved["data"]["note"], "asked them");
    assert_eq!(resolved["data"]["resolved_by"], "ada");
    assert_eq!(resolved["time"], resolved["data"]["resolved_at"]);
    let kinds = receiver.kinds();
    let between = &kinds[1..kinds.len() - 1];
    assert!(
        between
            .iter()
            .all(|kind| kind == "dev.settled.incident.reminder")
    );
    let ids: HashSet<_> = got.iter().map(|got| got.header("webhook-id")).collect();
    assert_eq!(ids.len(), got.len(), "each has an id of its own");
    assert!(
        got.iter().all(|got| !got.body.contains("4111")),
        "no payload"
    );
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(
        receiver.got().len(),
        got.len(),
        "nothing is told of what is settled"
    );
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_under_the_same_id_and_signed_anew() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    receiver.answers([500, 503, 429, 302, 202]);
    let world = World::start(directory.path(), &receiver.url("/alerts"));
    world.tell(settings());
    world.open_incident("order-1", &receiver).await;
    let got = receiver.wait(5).await;
    for one in &got {
        assert_eq!(one.event()["id"], got[0].header("webhook-id"));
        assert_eq!(one.body, got[0].body);
    }
    assert_eq!(got[4].status, 202);
    let alert = until(async || {
        let alerts = world.alerts().await;
        alerts.into_iter().find(|alert| state(alert).is_settled())
    })
    .await;
    assert_eq!(state(&alert), SagaState::Completed);
    assert_eq!(receiver.got().len(), 5);
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_it_when_it_is_up() {
    let directory = tempfile::tempdir().unwrap();
    let participant = Receiver::start().await;
    let address = Receiver::start().await.address;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let down = free.local_addr().unwrap().to_string();
    drop(free);
    assert_ne!(address, down);
    let world = World::start(directory.path(), &format!("http://{down}/alerts"));
    world.tell(AlertSettings {
        retry: retry(10_000),
        ..settings()
    });
    world.open_incident("order-1", &participant).await;
    until(async || (world.alerts().await.len() == 1).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Also over a restart, at which nothing is told anew.
    world.stop().await;
    let receiver = Receiver::at(&down).await;
    let world = World::start(directory.path(), &receiver.url("/alerts"));
    world.tell(settings());
    assert_eq!(
        receiver.wait(1).await[0].kind(),
        "dev.settled.incident.opened"
    );
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(receiver.got().len(), 1);
    assert_eq!(world.alerts().await.len(), 1);
}

#[tokio::test]
async fn an_alert_that_is_refused_ends_and_nobody_is_told_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    receiver.answers([410]);
    let world = World::start(directory.path(), &receiver.url("/alerts"));
    world.tell(settings());
    world.open_incident("order-1", &receiver).await;
    receiver.wait(1).await;
    tokio::time::sleep(A_WHILE).await;
    let alerts = world.alerts().await;
    assert_eq!(state(&alerts[0]), SagaState::Compensated);
    assert_eq!((alerts.len(), receiver.got().len()), (1, 1));
    assert_eq!(world.incidents().await.len(), 1);
}

#[tokio::test]
async fn an_alert_that_nobody_takes_is_given_up_and_nobody_is_told_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    receiver.answers([500; 1_000]);
    let world = World::start(directory.path(), &receiver.url("/alerts"));
    world.tell(AlertSettings {
        remind_every: Some(Span::from_secs(3_600)),
        retry: retry(3),
        ..settings()
    });
    world.open_incident("order-1", &receiver).await;
    let alert = until(async || {
        let alerts = world.alerts().await;
        alerts.into_iter().find(|alert| state(alert).is_settled())
    })
    .await;
    assert_eq!(state(&alert), SagaState::Compensated);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(receiver.got().len(), 3);
    assert_eq!(world.alerts().await.len(), 1);
    let incidents = world.incidents().await;
    let given_up = incidents.iter().find(|it| it.saga == *alert.id).unwrap();
    assert_eq!(given_up.decision.as_deref(), Some("abandon"));
    assert_eq!(given_up.resolved_by.as_deref(), Some("settled"));
    assert_eq!(world.untold().await, 0);
}

#[tokio::test]
async fn what_was_submitted_and_not_put_down_as_told_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let world = World::start(directory.path(), &receiver.url("/alerts"));
    world.loses.store(true, SeqCst);
    world.tell(settings());
    world.open_incident("order-1", &receiver).await;
    receiver.wait(1).await;
    assert_eq!(world.untold().await, 1, "torn apart");
    // How many are open is another number by then, and so the alert would be another one.
    world.open_incident("order-2", &receiver).await;
    world.stop().await;
    let world = World::start(directory.path(), &receiver.url("/alerts"));
    world.tell(settings());
    until(async || (world.untold().await == 0).then_some(())).await;
    until(async || (receiver.got().len() == 2).then_some(())).await;
    tokio::time::sleep(A_WHILE).await;
    let subjects: Vec<_> = receiver
        .got()
        .iter()
        .map(|got| got.event()["subject"].clone())
        .collect();
    assert_eq!(subjects, ["order-1~1", "order-2~1"]);
    assert_eq!(world.alerts().await.len(), 2);
}

#[tokio::test]
async fn a_storm_is_one_alert_also_when_it_is_torn_apart() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let world = World::start(directory.path(), &receiver.url("/alerts"));
    let unlimited = Limits {
        breaker: None,
        ..Limits::default()
    };
    let limited = world.coordinator.set_limits(&receiver.address, unlimited);
    limited.await.unwrap();
    for number in 0..200 {
        world
            .open_incident(&format!("order-{number}"), &receiver)
            .await;
    }
    world.loses.store(true, SeqCst);
    world.tell(settings());
    let storm = receiver.wait(1).await[0].event();
    assert_eq!(storm["type"], "dev.settled.incidents.opened");
    assert_eq!(storm["data"]["count"], 200);
    assert_eq!(storm["data"]["incidents"].as_array().unwrap().len(), 100);
    assert_eq!(storm["data"]["incidents"][0], "order-0~1");
    let groups = storm["data"]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "{groups:?}");
    assert_eq!(groups[0]["count"], 200);
    assert_eq!(groups[0]["step"], "pay");
    // Another one is opened before it is known that these were told of.
    world.open_incident("late", &receiver).await;
    world.stop().await;
    let world = World::start(directory.path(), &receiver.url("/alerts"));
    world.tell(settings());
    receiver.wait(2).await;
    tokio::time::sleep(A_WHILE).await;
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    // On record it is the storm still, whatever is found then; what it does not name is told of by itself
    // or with others, in its turn.
    assert_eq!(got[1].event()["data"]["id"], "late~1");
    assert_eq!(world.alerts().await.len(), 2);
    assert_eq!(world.untold().await, 0);
}

#[tokio::test]
async fn a_digest_comes_once_for_its_due_time_also_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    // Due an hour ago or less, whenever this is run.
    let daily = || AlertSettings {
        digest: Some(Timing::cron("0 * * * *", "Asia/Shanghai").unwrap()),
        ..settings()
    };
    let world = World::start(directory.path(), &receiver.url("/alerts"));
    world.tell(daily());
    let digest = receiver.wait(1).await[0].event();
    assert_eq!(digest["type"], "dev.settled.digest");
    let data = &digest["data"];
    assert_eq!(data["all_clear"], true);
    for none in ["open_total", "opened", "resolved", "due"] {
        assert_eq!(data[none], 0, "{none}");
    }
    assert_eq!(digest["time"], data["until"]);
    assert!(data["since"].as_str() < data["until"].as_str());
    world.stop().await;
    let world = World::start(directory.path(), &receiver.url("/alerts"));
    world.tell(daily());
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(receiver.got().len(), 1);
    assert_eq!(world.alerts().await.len(), 1);
}

#[tokio::test]
async fn neither_secret_nor_address_is_in_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    receiver.answers([500, 404]);
    let address = format!("{}?token=of-the-webhook", receiver.url("/alerts"));
    let world = World::start(directory.path(), &address);
    world.tell(settings());
    world.open_incident("order-1", &receiver).await;
    until(async || {
        let alerts = world.alerts().await;
        alerts.into_iter().find(|alert| state(alert).is_settled())
    })
    .await;
    let path = world.path.clone();
    world.stop().await;
    let mut is_there = false;
    for file in [path.clone(), path.with_extension("db-wal")] {
        let Ok(bytes) = std::fs::read(&file) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        is_there |= text.contains("settled.alert");
        assert!(!text.contains(SECRET), "{}", file.display());
        assert!(!text.contains("of-the-webhook"), "{}", file.display());
    }
    assert!(is_there, "looked at the wrong files");
}

#[tokio::test]
async fn nobody_gets_to_the_receiver_by_a_saga() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let nowhere = AllowList::from_patterns(["nowhere.example.com"]).unwrap();
    let world = World::allowing(directory.path(), &receiver.url("/alerts"), nowhere);
    world.tell(settings());
    for (id, url) in [
        ("straight", receiver.url("/alerts")),
        ("by-name", "http://settled.alert/".to_owned()),
    ] {
        let retry = json!({"max_attempts": 1});
        let step = json!({"name": "s", "action": {"url": url}, "retry": retry});
        world.submit(&json!({"id": id, "steps": [step]})).await;
        let ended = until(async || {
            let saga = world.coordinator.saga(id).await.unwrap()?;
            state(&saga).is_settled().then_some(saga)
        })
        .await;
        assert_eq!(state(&ended), SagaState::Compensated);
    }
    assert!(receiver.got().is_empty());
    let definitions = world.coordinator.definitions();
    for field in ["name", "id"] {
        let step = json!({"name": "s", "action": {"url": "http://x/"}});
        let document = json!({field: "settled.alert", "steps": [step]}).to_string();
        let error = definitions.parse(document.as_bytes()).unwrap_err();
        assert_eq!(error.field, field);
        assert!(error.message.contains("Settled's own"), "{error}");
    }
}
