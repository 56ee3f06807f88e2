//! Secrets in the steps of functions: whole for the code, masked in the copies of requests and in
//! evidence; and edited inputs that still have marks in them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "functions/support.rs"]
mod support;

use serde::{Deserialize, Serialize};
use settled::coordinator::CommandError;
use settled::mask::MARK;
use settled::protocol::{Decision, Event, Json, Resolution};
use settled::{Call, CallError, Failure, OnUnknown, Saga, Settled};

use support::{Book, World, quick};

const SECRET: &str = "canary-mask-input";

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Login {
    user: String,
    password: String,
    pin: Option<u32>,
}

async fn login(saga: Saga<Book>, mut given: Login) -> Result<String, Failure> {
    // The function's own input is whole each time that it is run.
    assert_eq!(given.password, SECRET);
    given.pin = Some(1234);
    let token = saga
        .step("login")
        .input(&given)
        .action(async |call: Call<Book>, input: Login| {
            let book = call.state().clone();
            book.note(format!("{input:?}"));
            if book.is_down() {
                return Err(CallError::unknown("no answer; token=canary-mask-error"));
            }
            Ok(format!("canary-mask-token of {}", input.user))
        })
        .retry(quick(1))
        .on_unknown(OnUnknown::Incident)
        .await?;
    Ok(token)
}

fn start(world: &World) -> Settled {
    world.start(|builder| builder.saga("login", login))
}

async fn retry(settled: &Settled, incident: &str, body: &str) -> Result<(), CommandError> {
    let resolution = Resolution {
        decision: Decision::Retry,
        note: String::new(),
        by: "me".to_owned(),
        result: None,
        body: Some(Json::parse(body).unwrap()),
    };
    settled.coordinator().resolve(incident, resolution).await
}

#[tokio::test]
async fn an_edited_input_gets_back_what_was_masked_in_it() {
    let world = World::new();
    let settled = start(&world);
    world.book.set_down(true);
    let given = Login {
        user: "ann".to_owned(),
        password: SECRET.to_owned(),
        pin: None,
    };
    let started = settled.start("login", &given).id("f");
    let running = tokio::spawn(async move { started.result::<String>().await });
    let incident = world.incident(&settled, "f").await;
    let shown = format!("{incident:?}");
    assert!(!shown.contains("canary-mask"), "{shown}");
    let request = incident.request.unwrap().to_value();
    assert_eq!(request["body"]["password"], MARK);
    assert_eq!(request["body"]["pin"], MARK);

    let wrong = format!(r#"{{"user":"bob","passwords":"{MARK}"}}"#);
    match retry(&settled, &incident.id, &wrong).await {
        Err(CommandError::Invalid(invalid)) => {
            assert_eq!(invalid.field, "request.body.passwords");
        }
        other => panic!("{other:?}"),
    }
    let edited = request["body"].to_string().replace("ann", "bob");
    retry(&settled, &incident.id, &edited).await.unwrap();
    let incident = world.incident(&settled, "f").await;
    assert!(incident.id.ends_with("~2"), "{incident:?}");
    let last = world.book.lines().pop().unwrap();
    assert!(
        last.contains("bob") && last.contains(SECRET) && last.contains("1234"),
        "{last}"
    );

    // Also after a restart, when the function is run again from the record.
    running.abort();
    settled.shutdown(std::time::Duration::from_secs(5)).await;
    world.book.set_down(false);
    let settled = start(&world);
    let again = Resolution {
        decision: Decision::Retry,
        note: String::new(),
        by: "me".to_owned(),
        result: None,
        body: None,
    };
    settled
        .coordinator()
        .resolve(&incident.id, again)
        .await
        .unwrap();
    let token: String = settled
        .start("login", &given)
        .id("f")
        .result()
        .await
        .unwrap();
    assert_eq!(token, "canary-mask-token of bob");

    let history = settled.coordinator().history("f").await.unwrap().unwrap();
    for record in &history.records {
        let text = format!("{record:?}");
        match &record.event {
            // What the function is told again, and what it gave its step.
            Event::StepAdded { .. } | Event::AttemptEnded { .. } | Event::Returned { .. } => {}
            _ => assert!(!text.contains("canary-mask"), "{text}"),
        }
    }
}
