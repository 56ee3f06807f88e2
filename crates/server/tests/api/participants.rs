//! Participants: shown as they are, and their limits changed while sagas wait for them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::Host;

#[tokio::test]
async fn a_participant_is_shown_and_its_limits_are_changed() {
    let host = Host::start().await;
    let empty = json!({"participants": []});
    assert_eq!(host.get("/v1/participants").await.json(), empty);
    host.run("a", json!([host.step("s", "/ok")])).await;
    let name = host.participant.authority();
    let path = format!("/v1/participants/{name}");
    let shown = host.get(&path).await;
    assert_eq!(shown.status, 200);
    let shown = shown.json();
    assert_eq!(shown["name"], name.as_str());
    assert_eq!(
        (&shown["calls"], &shown["errors"]),
        (&json!(1), &json!(0)),
        "{shown}"
    );
    assert_eq!(shown["max_per_second"], Value::Null);
    assert_eq!(shown["breaker_state"], "closed");
    assert!(shown["latency_p99_ms"].as_f64().unwrap() > 0.0);
    let all = host.get("/v1/participants").await.json();
    assert_eq!(all, json!({"participants": [shown]}));

    let changes = json!({"max_concurrent": 2, "max_per_second": 0.5, "breaker": {"failures": 7}});
    let set = host.put_json(&path, &changes).await.json();
    assert_eq!(
        (&set["max_concurrent"], &set["room"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(set["max_per_second"], 0.5);
    assert_eq!(
        set["breaker"],
        json!({"failures": 7, "first_pause": "1s", "max_pause": "1m"})
    );
    let set = host.put_json(&path, &json!({"breaker": null})).await.json();
    assert_eq!(set["breaker_state"], "off");
    assert_eq!(set["max_concurrent"], 2, "what is left out stays");
    let set = host.put_json(&path, &json!({"max_per_second": null})).await;
    assert_eq!(set.json()["max_per_second"], Value::Null);
}

#[tokio::test]
async fn what_cannot_be_kept_to_is_refused_by_its_name() {
    let host = Host::start().await;
    for (body, field) in [
        (json!({"max_concurrent": 0}), "max_concurrent"),
        (json!({"max_concurrent": null}), "max_concurrent"),
        (json!({"max_concurrent": -1}), "max_concurrent"),
        (json!({"max_per_second": 0}), "max_per_second"),
        (json!({"max_per_second": "5"}), "max_per_second"),
        (json!({"breaker": 5}), "breaker"),
        (json!({"breaker": {"failures": 0}}), "breaker.failures"),
        (
            json!({"breaker": {"first_pause": 5}}),
            "breaker.first_pause",
        ),
        (
            json!({"breaker": {"first_pause": "x"}}),
            "breaker.first_pause",
        ),
        (
            json!({"breaker": {"max_pause": "1ms"}}),
            "breaker.max_pause",
        ),
        (json!({"breaker": {"other": 1}}), "breaker.other"),
        (json!({"other": 1}), "other"),
    ] {
        let reply = host.put_json("/v1/participants/a:1", &body).await;
        let detail = reply.problem(400);
        assert!(
            detail.starts_with(&format!("{field}: ")),
            "{body}: {detail}"
        );
        assert_eq!(reply.json()["field"], field);
    }
    host.get("/v1/participants/a:1").await.problem(404);
}

#[tokio::test]
async fn a_higher_limit_lets_go_at_once_what_waits() {
    let host = Host::start().await;
    let path = format!("/v1/participants/{}", host.participant.authority());
    // A call in a hundred seconds: all but the first are parked.
    host.put_json(&path, &json!({"max_per_second": 0.01})).await;
    for index in 0..5 {
        let saga = json!({"id": format!("p{index}"), "steps": [host.step("s", "/ok")]});
        assert_eq!(host.post_json("/v1/sagas", &saga).await.status, 201);
    }
    host.until("p0", |saga| saga["state"] == "completed").await;
    let began = Instant::now();
    let parked = loop {
        let shown = host.get(&path).await.json();
        if shown["parked"] == 4 || began.elapsed() > Duration::from_secs(10) {
            break shown;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(parked["parked"], 4, "{parked}");
    assert_eq!(host.participant.calls("/ok").len(), 1);
    let events = host.get("/v1/sagas/p4/events").await.json();
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "{events}");
    host.put_json(&path, &json!({"max_per_second": null})).await;
    for index in 0..5 {
        let id = format!("p{index}");
        let saga = host.until(&id, |saga| saga["state"] == "completed").await;
        assert_eq!(saga["steps"][0]["attempts"], 1);
    }
}
