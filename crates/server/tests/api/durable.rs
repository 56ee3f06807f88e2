//! The same over a file: what was answered is there after a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use settled::journal::SqliteJournal;
use settled_server::ServerSettings;

use crate::support::{Host, LONG};

async fn over(path: &Path) -> Host {
    let journal = SqliteJournal::open(path).unwrap();
    let keeper = Arc::new(journal.keeper());
    Host::over(Box::new(journal), keeper, ServerSettings::default()).await
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("settled.db");
    let mut host = over(&path).await;
    let completed = host.run("a", json!([host.step("s", "/ok")])).await;
    let stuck = json!([host.undone_step("s", "/break", "/ok/undo")]);
    let stuck = host.run("b", stuck).await;
    let pending = json!({"id": "c", "steps": [host.step("s", "/pend")]});
    let running = host.post_json("/v1/sagas?wait=100ms", &pending).await;
    assert_eq!(running.status, 202);
    let listed = host.get("/v1/sagas").await.json();
    let events = host.get("/v1/sagas/a/events").await.json();
    let incident = host.get("/v1/incidents/b~1").await.json();
    let token = host.participant.calls("/pend")[0].headers["settled-callback"].clone();
    host.shut_down();
    tokio::time::timeout(LONG, &mut host.serving)
        .await
        .unwrap()
        .unwrap();
    host.coordinator.drain(Duration::from_secs(5)).await;
    drop(host);

    let host = over(&path).await;
    assert_eq!(host.get("/v1/sagas").await.json(), listed);
    assert_eq!(host.get("/v1/sagas/a").await.json(), completed);
    assert_eq!(host.get("/v1/sagas/b").await.json(), stuck);
    assert_eq!(host.get("/v1/sagas/a/events").await.json(), events);
    assert_eq!(host.get("/v1/incidents/b~1").await.json(), incident);
    assert_eq!(host.post_json("/v1/sagas", &pending).await.status, 200);
    let done = json!({"outcome": "done", "result": {"late": true}});
    let path = format!("/v1/callbacks/{token}");
    assert_eq!(host.post_json(&path, &done).await.status, 202);
    let saga = host.until("c", |saga| saga["state"] == "completed").await;
    assert_eq!(saga["steps"][0]["result"], json!({"late": true}));
    let decision = json!({"decision": "not_done"});
    let reply = host.post_json("/v1/incidents/b~1/resolve", &decision).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    host.until("b", |saga| saga["state"] == "compensated").await;
}
