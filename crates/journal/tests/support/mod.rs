//! What the tests of a journal share: sagas whose appends follow each other, by a seed.

#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod arbitrary;

use std::sync::Arc;

use fastrand::Rng;
use settled_journal::{Append, AuditEntry, AuditFilter, NewSaga, SagaNo, SagaRow, ScheduleRow};
use settled_protocol::{Event, Json, Plan, Record, SagaState, Timestamp};

/// A saga as the test knows it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) no: SagaNo,
    pub(crate) id: String,
    pub(crate) seq: u32,
    pub(crate) chain: u64,
    pub(crate) incidents: u32,
    pub(crate) plan: Arc<Plan>,
}

pub(crate) fn plans() -> Vec<(Arc<Plan>, Json)> {
    [
        &["stock", "points", "bonus", "coupon"][..],
        &["pay"],
        &["日本", "\"\\"],
    ]
    .iter()
    .map(|names| {
        let document = serde_json::json!({ "steps": names });
        (arbitrary::plan(names), Json::from(document))
    })
    .collect()
}

pub(crate) fn row(random: &mut Rng) -> SagaRow {
    let state = SagaState::ALL[random.usize(..SagaState::ALL.len())];
    SagaRow {
        state,
        wake_at: if state.is_settled() {
            None
        } else {
            // Few different ones, so that some are equal.
            arbitrary::maybe(random, |random| {
                Timestamp(arbitrary::EPOCH + random.i64(0..20) * 1_000_000)
            })
        },
        settled_at: state
            .is_settled()
            .then(|| Timestamp(arbitrary::EPOCH + random.i64(0..50) * 1_000_000)),
    }
}

pub(crate) fn new_saga(
    random: &mut Rng,
    no: SagaNo,
    id: String,
    (plan, definition): (Arc<Plan>, Json),
) -> Append {
    let names = ["create-order", "Refund", "日本 ÄÖ"];
    let mut digest = [0; 32];
    for (place, byte) in digest.iter_mut().zip(definition.as_str().bytes().cycle()) {
        *place = byte;
    }
    let created_at = Timestamp(arbitrary::EPOCH + random.i64(0..30) * 1_000_000);
    let records = vec![
        Record {
            seq: 1,
            at: created_at,
            event: arbitrary::submitted(random),
        },
        Record {
            seq: 2,
            at: created_at,
            event: arbitrary::event(random, &plan),
        },
    ];
    Append {
        saga: no,
        plan,
        new: Some(Box::new(NewSaga {
            id,
            name: names[random.usize(..names.len())].to_owned(),
            input: arbitrary::json(random),
            definition,
            definition_digest: digest,
            fingerprint: [random.u8(0..2); 32],
            submitted_by: arbitrary::maybe(random, arbitrary::text),
            created_at,
            deadline_at: arbitrary::maybe(random, arbitrary::time),
        })),
        records,
        chain: 0,
        row: Some(row(random)),
    }
}

/// The next append of a saga; what it says of incidents is for `known` to count once it is stored.
pub(crate) fn next(random: &mut Rng, known: &Known) -> Append {
    let count = random.u32(0..4);
    let mut incidents = known.incidents;
    let records: Vec<Record> = (1..=count)
        .map(|n| {
            let event = match random.u8(0..8) {
                0 => {
                    incidents += 1;
                    arbitrary::incident_opened(random, &known.plan, incidents)
                }
                1 if incidents > 0 => {
                    let incident = random.u32(1..=incidents);
                    arbitrary::incident_resolved(random, &known.plan, incident)
                }
                _ => arbitrary::event(random, &known.plan),
            };
            Record {
                seq: known.seq + n,
                at: arbitrary::time(random),
                event,
            }
        })
        .collect();
    Append {
        saga: known.no,
        plan: Arc::clone(&known.plan),
        new: None,
        chain: known.chain,
        row: if records.is_empty() || random.bool() {
            Some(row(random))
        } else {
            None
        },
        records,
    }
}

/// Counts an append that was stored.
pub(crate) fn stored(known: &mut Known, append: &Append, chain: u64) {
    known.seq += append.records.len() as u32;
    known.chain = chain;
    let opened = |record: &&Record| matches!(record.event, Event::IncidentOpened { .. });
    known.incidents += append.records.iter().filter(opened).count() as u32;
}

/// One of a few names, in an order that is not the alphabet's.
pub(crate) fn schedule_name(random: &mut Rng) -> String {
    ["shelve", "B", "a-1", "_", "shelve2"][random.usize(..5)].to_owned()
}

/// A schedule with anything in it.
pub(crate) fn schedule(random: &mut Rng, name: String) -> ScheduleRow {
    use arbitrary::{maybe, text, time};
    ScheduleRow {
        name,
        document: arbitrary::json(random),
        created_at: time(random),
        updated_at: time(random),
        anchor_at: time(random),
        decided_until: time(random),
        next_due_at: maybe(random, time),
        waiting_due_at: maybe(random, time),
        last_due_at: maybe(random, time),
        last_saga: maybe(random, text),
        triggered_saga: maybe(random, text),
        triggered_at: maybe(random, time),
        runs: random.u64(..1 << 40),
        missed: random.u64(..3),
        overlapped: random.u64(..3),
        error: maybe(random, text),
    }
}

/// A few entries for the audit log, some of which may be there already.
pub(crate) fn audit(random: &mut Rng) -> Vec<AuditEntry> {
    use arbitrary::{maybe, text, time};
    let actions = ["incident.resolve", "saga.cancel", "schedule.put"];
    let entry = |random: &mut Rng| AuditEntry {
        id: random.u32(0..500).to_string(),
        at: time(random),
        who: ["ann", "bob"][random.usize(..2)].to_owned(),
        roles: "operate".to_owned(),
        action: actions[random.usize(..3)].to_owned(),
        target: maybe(random, text),
        status: random.u16(200..600),
        remote: maybe(random, text),
        detail: maybe(random, text),
    };
    (0..random.usize(0..4)).map(|_| entry(random)).collect()
}

/// What somebody may look for in it.
pub(crate) fn audit_filter(random: &mut Rng) -> AuditFilter {
    use arbitrary::{maybe, text, time};
    AuditFilter {
        who: maybe(random, |_| "ann".to_owned()),
        action: maybe(random, |r| {
            ["incident", "saga.cancel"][r.usize(..2)].to_owned()
        }),
        target: if random.u8(..4) == 0 {
            maybe(random, text)
        } else {
            None
        },
        since: maybe(random, time),
        until: maybe(random, time),
    }
}
