//! What a saga costs in the journal: sagas per second, processor time and bytes written, for batches
//! of different sizes. Each saga is five appends with ten events, as four steps make them.
//!
//! `cargo run --release -p settled-journal --example commit_cost [folder] [sagas] [batch …]`

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use settled_journal::{Append, Appended, Journal, NewSaga, SagaNo, SagaRow, SqliteJournal};
use settled_protocol::{
    AnswerRecord, CallPlan, CompensateOrder, Event, Json, LegId, OnUnknown, Outcome, Plan, Record,
    RequestRecord, Retry, SagaState, Span, StepPlan, Timestamp,
};

const START: i64 = 1_790_000_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments
        .next()
        .unwrap_or_else(|| "target/commit_cost".to_owned());
    let sagas: i64 = arguments.next().map_or(Ok(20_000), |n| n.parse())?;
    std::fs::create_dir_all(&folder)?;
    println!("batch   sagas/s   CPU us/saga   of these in the system   KiB/saga   p50 ms   p99 ms");
    let batches: Vec<usize> = arguments.map(|n| n.parse()).collect::<Result<_, _>>()?;
    for batch in if batches.is_empty() {
        vec![1, 10, 64, 128, 256]
    } else {
        batches
    } {
        let path = format!("{folder}/journal-{batch}.db");
        for end in ["", "-wal", "-shm", ".lock"] {
            let _ = std::fs::remove_file(format!("{path}{end}"));
        }
        let count = if batch == 1 { sagas / 20 } else { sagas };
        measure(&path, batch, count)?;
    }
    Ok(())
}

fn measure(path: &str, batch: usize, count: i64) -> Result<(), Box<dyn Error>> {
    let mut journal = SqliteJournal::open(path)?;
    let plan = plan();
    let definition = Json::from(serde_json::json!({ "steps": "x".repeat(1_500) }));
    // As many sagas side by side as go into a batch, each one append at a time; those that end make
    // room for new ones.
    let mut flying: Vec<(i64, u8, u64)> = Vec::new();
    let mut next = 1;
    let mut ended = 0;
    let mut latencies = Vec::new();
    let making = making(&plan, &definition)?;
    let (spent, system, written) = (cpu()?, system()?, written()?);
    let began = Instant::now();
    while ended < count {
        // A fifth at a time, so that they come to stand at different places.
        for _ in 0..batch.div_ceil(5).min(batch - flying.len()) {
            flying.push((next, 0, 0));
            next += 1;
        }
        let appends: Vec<Append> = flying
            .iter()
            .map(|(no, n, chain)| append(*no, *n, *chain, &plan, &definition))
            .collect();
        let start = Instant::now();
        let answers = journal.commit(&appends)?;
        latencies.push(start.elapsed());
        for (saga, answer) in flying.iter_mut().zip(answers) {
            let Ok(Appended::Stored { chain }) = answer else {
                return Err("not stored".into());
            };
            saga.1 += 1;
            saga.2 = chain;
        }
        let before = flying.len();
        flying.retain(|(_, n, _)| *n < 5);
        ended += (before - flying.len()) as i64;
    }
    let took = began.elapsed();
    let sagas = ended as f64;
    let spent = (cpu()?.saturating_sub(spent)).as_secs_f64() - making.as_secs_f64() * sagas;
    let system = self::system()?.saturating_sub(system);
    latencies.sort_unstable();
    let at =
        |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{batch:5} {:9.0} {:13.1} {:24.1} {:10.1} {:8.2} {:8.2}",
        sagas / took.as_secs_f64(),
        spent * 1e6 / sagas,
        system.as_secs_f64() * 1e6 / sagas,
        (self::written()? - written) as f64 / 1024.0 / sagas,
        at(0.5),
        at(0.99),
    );
    Ok(())
}

fn append(no: i64, n: u8, chain: u64, plan: &Arc<Plan>, definition: &Json) -> Append {
    let at = |seq: u32| Timestamp(START + no * 100 + i64::from(seq) * 1_500);
    let started = |seq: u32, step: u16| Record {
        seq,
        at: at(seq),
        event: Event::AttemptStarted {
            leg: LegId::action(step),
            attempt: 1,
            request: Arc::new(RequestRecord {
                method: "POST".to_owned(),
                url: format!(
                    "http://127.0.0.1:8080/{}",
                    plan.steps[usize::from(step)].name
                ),
                headers: Vec::new(),
                body: Some(Json::from_valid(format!(
                    r#"{{"user":{no},"items":[{{"sku":"A-1001","qty":2}},{{"sku":"B-77","qty":1}}]}}"#
                ))),
            }),
        },
    };
    let ended = |seq: u32, step: u16| Record {
        seq,
        at: at(seq),
        event: Event::AttemptEnded {
            leg: LegId::action(step),
            attempt: 1,
            answer: AnswerRecord {
                outcome: Outcome::Done,
                status: Some(200),
                headers: Vec::new(),
                body: Some(Json::from_valid(format!(
                    r#"{{"isSuccess":true,"id":"{no}-{step}"}}"#
                ))),
                error: None,
            },
            again_at: at(seq),
            arrives_until: at(seq),
        },
    };
    let (records, row) = match n {
        0 => (
            vec![
                Record {
                    seq: 1,
                    at: at(1),
                    event: Event::Submitted {
                        deadline_at: None,
                        trace: None,
                    },
                },
                started(2, 0),
            ],
            Some(SagaRow {
                state: SagaState::Running,
                wake_at: Some(at(1)),
                settled_at: None,
            }),
        ),
        1..=3 => {
            let step = u16::from(n);
            let seq = u32::from(n) * 2 + 1;
            (vec![ended(seq, step - 1), started(seq + 1, step)], None)
        }
        _ => (
            vec![
                ended(9, 3),
                Record {
                    seq: 10,
                    at: at(10),
                    event: Event::Settled {
                        state: SagaState::Completed,
                    },
                },
            ],
            Some(SagaRow {
                state: SagaState::Completed,
                wake_at: None,
                settled_at: Some(at(10)),
            }),
        ),
    };
    let new = (n == 0).then(|| {
        Box::new(NewSaga {
            id: format!("order-{no}"),
            name: "create-order".to_owned(),
            input: Json::from_valid(format!(
                r#"{{"user":{no},"items":[{{"sku":"A-1001","qty":2}},{{"sku":"B-77","qty":1}}]}}"#
            )),
            definition: definition.clone(),
            definition_digest: [7; 32],
            fingerprint: [no as u8; 32],
            submitted_by: None,
            created_at: at(1),
            deadline_at: None,
        })
    });
    Append {
        saga: SagaNo(no),
        plan: Arc::clone(plan),
        new,
        records,
        chain,
        row,
    }
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
    let steps = ["stock", "points", "bonus", "coupon"]
        .into_iter()
        .map(step)
        .collect();
    Arc::new(Plan {
        compensate: CompensateOrder::Reverse,
        steps,
        ..Plan::default()
    })
}

/// What it costs to make one saga's appends: no part of the journal's cost.
fn making(plan: &Arc<Plan>, definition: &Json) -> Result<Duration, Box<dyn Error>> {
    const SAGAS: i64 = 5_000;
    let before = cpu()?;
    for no in 0..SAGAS {
        for n in 0..5 {
            std::hint::black_box(append(no, n, 0, plan, definition));
        }
    }
    Ok((cpu()?.saturating_sub(before)) / SAGAS as u32)
}

/// Processor time of this thread so far.
fn cpu() -> Result<Duration, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let spent = stat.split_whitespace().next().ok_or("no such field")?;
    Ok(Duration::from_nanos(spent.parse()?))
}

/// What of it the system has spent, in coarse steps.
fn system() -> Result<Duration, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = fields
        .split_whitespace()
        .nth(12)
        .ok_or("no such field")?
        .parse()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// Bytes handed to the disk so far.
fn written() -> Result<u64, Box<dyn Error>> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.ok_or("no such line")?.parse()?)
}
