//! Whatever is written down is read back the same, and whatever is read never breaks the reader.

use std::borrow::Cow;

use fastrand::Rng;
use settled_protocol::{Event, Plan, Record};

use crate::chain::{Chain, Link};
use crate::decode::{Steps, decode};
use crate::encode::encode;
use crate::support::arbitrary;

fn any_event(random: &mut Rng, plan: &Plan) -> Event {
    match random.u8(0..12) {
        0 => arbitrary::submitted(random),
        1 => arbitrary::incident_opened(random, plan, 3),
        3 | 4 => arbitrary::function_event(random, plan),
        2 => arbitrary::incident_resolved(random, plan, u32::MAX),
        _ => arbitrary::event(random, plan),
    }
}

/// A moment that is the event's own is not written, so let there be some.
fn with_equal_times(random: &mut Rng, mut record: Record) -> Record {
    if let Event::AttemptEnded { again_at, .. }
    | Event::CheckEnded { again_at, .. }
    | Event::CallbackReceived { again_at, .. } = &mut record.event
        && random.bool()
    {
        *again_at = record.at;
    }
    record
}

fn steps(plan: &Plan) -> Steps {
    Steps::new(plan.steps.iter().map(|step| step.name.as_str()))
}

#[test]
fn an_event_is_read_back_as_it_was_written() {
    let mut random = Rng::with_seed(1);
    let plan = arbitrary::plan(&["stock", "points", "日本 \"x\"\\"]);
    let steps = steps(&plan);
    let mut data = String::new();
    for round in 0..30_000 {
        let record = Record {
            seq: random.u32(..),
            at: arbitrary::time(&mut random),
            event: any_event(&mut random, &plan),
        };
        let record = with_equal_times(&mut random, record);
        let submitted = matches!(record.event, Event::Submitted { .. });
        let input = submitted.then(|| arbitrary::json(&mut random));
        let columns = encode(&record, &plan, input.as_ref(), &mut data);
        let decoded = decode(&Link::new(&columns, &data), &mut Cow::Borrowed(&steps));
        let decoded = decoded.unwrap_or_else(|why| panic!("round {round}: {why}\n{data}"));
        assert_eq!(decoded.record, record, "round {round}: {data}");
        assert_eq!(decoded.input, input, "round {round}: {data}");
    }
}

#[test]
fn no_row_breaks_the_reader() {
    let mut random = Rng::with_seed(2);
    let plan = arbitrary::plan(&["stock", "points"]);
    let steps = steps(&plan);
    let mut data = String::new();
    let words = [
        "submitted",
        "attempt_started",
        "attempt_ended",
        "unmakeable",
        "check_started",
        "check_ended",
        "callback_received",
        "callback_overdue",
        "cancel_requested",
        "turned",
        "incident_opened",
        "incident_resolved",
        "settled",
        "done",
        "refused",
        "action",
        "compensation",
        "stock",
        "",
        "{}",
        "null",
        "[]",
        "2026-01-01T00:00:00.000000Z",
        "happened",
        "é",
    ];
    let mut refused = 0;
    for _ in 0..30_000 {
        let event = any_event(&mut random, &plan);
        let record = Record {
            seq: 1,
            at: arbitrary::time(&mut random),
            event,
        };
        let columns = encode(&record, &plan, None, &mut data);
        let mut broken = data.clone().into_bytes();
        for _ in 0..random.usize(0..3) {
            if !broken.is_empty() {
                let place = random.usize(..broken.len());
                match random.u8(0..3) {
                    0 => broken.truncate(place),
                    1 => broken[place] = random.u8(..),
                    _ => drop(broken.remove(place)),
                }
            }
        }
        let broken = String::from_utf8_lossy(&broken);
        let mut row = Link::new(&columns, &broken);
        let word = words[random.usize(..words.len())];
        match random.u8(0..8) {
            0 => row.kind = word,
            1 => row.at = word,
            2 => row.step = Some(word),
            3 => row.direction = None,
            4 => row.outcome = Some(word),
            5 => row.attempt = Some(random.i64(..)),
            6 => row.data = word,
            _ => row.seq = random.i64(..),
        }
        refused += u32::from(decode(&row, &mut Cow::Borrowed(&steps)).is_err());
    }
    assert!(refused > 5_000, "only {refused} rows were refused");
}

#[test]
fn every_column_is_part_of_the_chain() {
    let mut chain = Chain::default();
    let link = Link {
        seq: 1,
        at: "t",
        kind: "k",
        step: Some("s"),
        direction: None,
        attempt: Some(1),
        outcome: Some("o"),
        data: "{}",
    };
    let variants = [
        link,
        Link { seq: 2, ..link },
        Link { at: "u", ..link },
        Link {
            kind: "ks",
            step: Some(""),
            ..link
        },
        Link {
            step: None,
            direction: Some("s"),
            ..link
        },
        Link {
            attempt: None,
            ..link
        },
        Link {
            outcome: Some(""),
            ..link
        },
        Link {
            outcome: None,
            ..link
        },
        Link {
            data: "{} ",
            ..link
        },
    ];
    let mut hashes: Vec<u64> = variants
        .iter()
        .map(|link| chain.link(5, None, link))
        .collect();
    hashes.push(chain.link(6, None, &link));
    let all = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), all);
}
