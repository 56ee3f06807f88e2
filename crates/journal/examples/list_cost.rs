//! What a page of the list of sagas costs in a long history: makes a journal of many settled sagas
//! with four steps each, and times `Reader::list` for what people look for.
//!
//! `cargo run --release -p settled-journal --example list_cost <file> [sagas]`; a file that is there
//! already is read as it is.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use settled_journal::{
    Append, Journal, Keeper, NewSaga, Reader, SagaFilter, SagaKey, SagaNo, SagaRow, SqliteJournal,
};
use settled_protocol::{
    AnswerRecord, CallPlan, Event, Json, LegId, OnUnknown, Outcome, Plan, Record, RequestRecord,
    Retry, SagaState, Span, StepPlan, Timestamp,
};

const START: i64 = 1_790_000_000_000_000;
/// From one saga to the next.
const APART: i64 = 20_000;
const BATCH: i64 = 5_000;
const PAGE: usize = 50;
const TRIES: usize = 7;
const STEPS: [&str; 4] = ["stock", "points", "bonus", "coupon"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("expected a file")?;
    let sagas: i64 = arguments.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let is_new = !Path::new(&path).exists();
    let began = Instant::now();
    let mut journal = SqliteJournal::open(&path)?;
    println!("opened in {:.1} s", began.elapsed().as_secs_f64());
    if is_new {
        let (began, plan) = (Instant::now(), plan());
        let definition = definition();
        for first in (1..=sagas).step_by(BATCH as usize) {
            let batch: Vec<Append> = (first..(first + BATCH).min(sagas + 1))
                .map(|no| saga(no, sagas, &plan, &definition))
                .collect();
            for answer in journal.commit(&batch)? {
                answer.map_err(|why| format!("{why:?}"))?;
            }
        }
        println!("{sagas} sagas in {:.0} s", began.elapsed().as_secs_f64());
    }
    let mut reader = journal.keeper().reader()?;
    measure(&mut *reader, sagas)
}

fn measure(reader: &mut dyn Reader, sagas: i64) -> Result<(), Box<dyn Error>> {
    let all = SagaFilter::default;
    let text = |text: &str| SagaFilter {
        text: Some(text.to_owned()),
        ..all()
    };
    let state = |state| SagaFilter {
        state: Some(state),
        ..all()
    };
    let name = |name: &str| SagaFilter {
        name: Some(name.to_owned()),
        ..all()
    };
    let far = Timestamp(START + sagas / 10 * APART);
    let early = SagaFilter {
        since: Some(far),
        until: Some(far + Span::from_secs(60)),
        ..all()
    };
    println!("looked for                 first page ms   slowest ms   found   pages to the first");
    for (what, filter) in [
        ("everything", all()),
        ("state stuck", state(SagaState::Stuck)),
        ("state completed", state(SagaState::Completed)),
        ("state compensated (1:2000)", state(SagaState::Compensated)),
        ("a common name", name("create-order")),
        ("a rare name (1:100000)", name("year-end")),
        ("a name of nobody", name("nobody")),
        ("a minute far back", early),
        ("a common text", text("sku-1001")),
        (
            "an id far back, as text",
            text(&format!("order-{}", sagas / 10)),
        ),
        ("a rare text", text("needle")),
    ] {
        let (mut first, mut slowest) = (Vec::new(), Duration::ZERO);
        for _ in 0..TRIES {
            let began = Instant::now();
            reader.list(&filter, None, PAGE)?;
            first.push(began.elapsed());
        }
        first.sort_unstable();
        let (mut cursor, mut pages, mut found) = (None, 0, 0);
        loop {
            let began = Instant::now();
            let page = reader.list(&filter, cursor.as_deref(), PAGE)?;
            slowest = slowest.max(began.elapsed());
            pages += 1;
            found += page.items.len();
            cursor = page.next_cursor;
            if found > 0 || cursor.is_none() {
                break;
            }
        }
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{what:26} {:13.1} {:12.1} {found:7} {pages:9}",
            ms(first[TRIES / 2]),
            ms(slowest.max(first[TRIES - 1])),
        );
    }
    let id = format!("order-{}", sagas / 10);
    let began = Instant::now();
    reader.load(SagaKey::Id(&id))?.ok_or("it is not there")?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    println!("{:26} {took:13.1}", "an id, as an id");
    Ok(())
}

/// One saga with all that happened to it. A few are stuck, few are compensated, few have another
/// name, and three of those long ago have a rare text.
fn saga(no: i64, sagas: i64, plan: &Arc<Plan>, definition: &Json) -> Append {
    let at = |seq: u32| Timestamp(START + no * APART + i64::from(seq) * 1_500);
    let is_stuck = no % (sagas / 60).max(1) == 7;
    let state = match no {
        _ if is_stuck => SagaState::Stuck,
        no if no % 2_000 == 11 => SagaState::Compensated,
        _ => SagaState::Completed,
    };
    let rare = no < sagas / 20 && no % (sagas / 60).max(1) == 3;
    let rare = if rare { "needle" } else { "hay" };
    let body = Json::from_valid(format!(
        r#"{{"user":{no},"note":"{rare}","items":[{{"sku":"SKU-1001","qty":2}},{{"sku":"SKU-77","qty":1}}]}}"#
    ));
    let mut events = vec![Event::Submitted {
        deadline_at: None,
        trace: None,
    }];
    for (step, name) in (0_u16..).zip(STEPS) {
        events.push(Event::AttemptStarted {
            leg: LegId::action(step),
            attempt: 1,
            request: Arc::new(RequestRecord {
                method: "POST".to_owned(),
                url: format!("http://127.0.0.1:8080/{name}"),
                headers: Vec::new(),
                body: Some(body.clone()),
            }),
        });
        let answer = AnswerRecord {
            outcome: Outcome::Done,
            status: Some(200),
            headers: Vec::new(),
            body: Some(Json::from_valid(format!(
                r#"{{"isSuccess":true,"id":"{no}-{step}"}}"#
            ))),
            error: None,
        };
        let over = at(u32::from(step) * 2 + 3);
        events.push(Event::AttemptEnded {
            leg: LegId::action(step),
            attempt: 1,
            answer,
            again_at: over,
            arrives_until: over,
        });
    }
    // What the row says is what is looked for; whether the history adds up is nobody's question here.
    let settled_at = state.is_settled().then(|| at(10));
    if state == SagaState::Completed {
        events.push(Event::Settled { state });
    }
    let name = match no {
        no if no % 100_000 == 50_000 => "year-end",
        no if no % 100 == 0 => "refund",
        _ => "create-order",
    };
    Append {
        saga: SagaNo(no),
        plan: Arc::clone(plan),
        new: Some(Box::new(NewSaga {
            id: format!("order-{no}"),
            name: name.to_owned(),
            input: body,
            definition: definition.clone(),
            definition_digest: [7; 32],
            fingerprint: [no as u8; 32],
            submitted_by: Some("shop".to_owned()),
            created_at: at(1),
            deadline_at: None,
        })),
        records: (1_u32..)
            .zip(events)
            .map(|(seq, event)| Record {
                seq,
                at: at(seq),
                event,
            })
            .collect(),
        chain: 0,
        row: Some(SagaRow {
            state,
            wake_at: None,
            settled_at,
        }),
    }
}

/// A document as people submit them, so that the server can show these sagas too.
fn definition() -> Json {
    let steps: Vec<serde_json::Value> = STEPS
        .iter()
        .map(|name| {
            let url = format!("http://127.0.0.1:8080/{name}");
            let undo = format!("{url}/undo");
            serde_json::json!({
                "name": name,
                "action": {"url": url, "body": "${ input }"},
                "compensation": {"url": undo, "body": "${ input }"},
            })
        })
        .collect();
    Json::from(serde_json::json!({ "steps": steps }))
}

fn plan() -> Arc<Plan> {
    let call = CallPlan {
        timeout: Span::from_secs(1),
        retry: Retry::default(),
        on_unknown: OnUnknown::Retry,
        check: None,
    };
    let step = |name: &str| StepPlan {
        name: name.to_owned(),
        needs: Vec::new(),
        pivot: false,
        compensate_unknown: false,
        key_window: None,
        callback_timeout: Span::from_secs(1),
        action: call,
        compensation: Some(call),
    };
    Arc::new(Plan {
        steps: STEPS.into_iter().map(step).collect(),
        ..Plan::default()
    })
}
