//! Around sagas: waiting, schedules, cancelling, callbacks, incidents.

use std::time::Duration;

use settled::journal::IncidentFilter;
use settled::protocol::{Answered, Decision, Json, Resolution};
use settled::{Builder, Failure, Limits, RunError, Saga, Settled};

async fn greet(_: Saga, name: String) -> Result<String, Failure> {
    Ok(format!("hello, {name}"))
}

type Done = Result<(), Box<dyn std::error::Error>>;

async fn wait_for_it(settled: &Settled) -> Done {
    let started = settled.start("greet", "you").id("greet-1").await?;
    // Durable from here on, whatever becomes of this program.
    match started.result::<String>().await {
        Ok(greeting) => println!("{greeting}"),
        Err(RunError::Compensated { id, reason }) => println!("{id}: undone: {}", reason.message),
        Err(RunError::Stuck { id }) => println!("{id}: before a person"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

async fn schedule_it(settled: &Settled) -> Done {
    let schedule = br#"{
        "cron": "0 */4 * * *",
        "timezone": "Asia/Shanghai",
        "saga": {"function": "greet", "input": "whoever is there"}
    }"#;
    settled
        .coordinator()
        .put_schedule("greet-often", schedule)
        .await?;
    Ok(())
}

fn hold_back(builder: Builder<()>) -> Builder<()> {
    let limits = Limits {
        max_concurrent: 4,
        max_per_second: Some(10.0),
        ..Limits::default()
    };
    builder.limit("platform", limits)
}

async fn limit_it(settled: &Settled) -> Done {
    let start = settled.start("greet", "you").id("greet-2");
    let started = start.deadline(Duration::from_mins(1)).await?;
    settled
        .coordinator()
        .cancel(started.id(), "the customer")
        .await?;
    Ok(())
}

async fn answer_it(settled: &Settled, token: &str) -> Done {
    let result = Json::parse(r#""approved by the board""#)?;
    settled
        .coordinator()
        .callback(token, Answered::Done, result)
        .await?;
    Ok(())
}

async fn decide_it(settled: &Settled) -> Done {
    let open = IncidentFilter {
        open: Some(true),
        ..IncidentFilter::default()
    };
    let page = settled.coordinator().incidents(open, None, 50).await?;
    for incident in &page.items {
        println!("{} {}: {}", incident.id, incident.step, incident.error);
    }
    if let Some(incident) = page.items.first() {
        let resolution = Resolution {
            decision: Decision::Done,
            note: "seen in the bank's own list".to_owned(),
            by: "the accountant".to_owned(),
            result: Some(Json::parse(r#""receipt-77""#)?),
            body: None,
        };
        settled
            .coordinator()
            .resolve(&incident.id, resolution)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Settled::builder()
        .journal(folder.path().join("settled.db"))
        .saga("greet", greet);
    let settled = hold_back(builder).start().unwrap();
    wait_for_it(&settled).await.unwrap();
    schedule_it(&settled).await.unwrap();
    decide_it(&settled).await.unwrap();
    let error = answer_it(&settled, "forged").await.unwrap_err();
    assert!(error.to_string().contains("token"), "{error}");
    // It may be over before the cancellation comes.
    let _ = limit_it(&settled).await;
    settled.shutdown(Duration::from_secs(1)).await;
}
