//! Makes events of every kind with odd content, by a seed. It knows no rule about which event may
//! follow which: a journal writes down whatever it is given.

#![allow(clippy::unwrap_used, reason = "a test's support is a test")]

use std::sync::Arc;

use fastrand::Rng;
use settled_protocol::{
    AnswerRecord, Answered, CallPlan, Cause, CompensateOrder, Decision, Direction, Event, Evidence,
    Finding, IncidentKind, Json, LegId, OnUnknown, Outcome, Plan, Reason, RequestRecord,
    Resolution, Retry, SagaState, Span, StepPlan, Timestamp,
};

/// 2020-01-01.
pub(crate) const EPOCH: i64 = 1_577_836_800_000_000;

pub(crate) fn plan(steps: &[&str]) -> Arc<Plan> {
    let call = CallPlan {
        timeout: Span::from_secs(1),
        retry: Retry::default(),
        on_unknown: OnUnknown::Retry,
        check: None,
    };
    let step = |name: &&str| StepPlan {
        name: (*name).to_owned(),
        needs: Vec::new(),
        pivot: false,
        compensate_unknown: false,
        key_window: None,
        callback_timeout: Span::from_secs(1),
        action: call,
        compensation: Some(call),
    };
    Arc::new(Plan {
        compensate: CompensateOrder::Reverse,
        steps: steps.iter().map(step).collect(),
        ..Plan::default()
    })
}

fn pick<T: Copy>(random: &mut Rng, all: &[T]) -> T {
    all[random.usize(..all.len())]
}

pub(crate) fn maybe<T>(random: &mut Rng, make: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    if random.bool() {
        Some(make(random))
    } else {
        None
    }
}

pub(crate) fn time(random: &mut Rng) -> Timestamp {
    Timestamp(EPOCH + random.i64(0..400_000_000_000_000))
}

pub(crate) fn text(random: &mut Rng) -> String {
    const ODD: &[&str] = &[
        "",
        "a",
        "\"",
        "\\",
        "\n\r\t",
        "\0",
        "\u{1}\u{1f}",
        "\u{7f}",
        "ß",
        "日本語",
        "👩‍👩‍👧",
        "\u{2028}",
        "\u{feff}",
        "'; DROP TABLE event; --",
        "%_",
        "</script>",
        "\u{10ffff}",
        "{\"a\":1}",
        "e\u{301}",
        "İ",
    ];
    (0..random.usize(0..4)).map(|_| pick(random, ODD)).collect()
}

pub(crate) fn json(random: &mut Rng) -> Json {
    match random.u8(0..12) {
        0 => Json::null(),
        1 => Json::parse("123456789012345678901234567890.00000000001e-999").unwrap(),
        2 => Json::parse("-0").unwrap(),
        3 => {
            let depth = random.usize(1..2_000);
            Json::from_valid(format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
        }
        4 => Json::parse("{\"a\" : 1,\n\t\"a\":2, \"\\u0000\\ud83d\\ude00\": [ ] }").unwrap(),
        5 => Json::parse("true").unwrap(),
        6 => Json::string(&"x".repeat(random.usize(0..9_000))),
        7 => Json::from_valid(format!(
            "{{\"list\":[{{\"sku\":\"A\",\"qty\":{}}}]}}",
            random.u32(..)
        )),
        _ => Json::string(&text(random)),
    }
}

fn headers(random: &mut Rng) -> Vec<(String, String)> {
    (0..random.usize(0..3))
        .map(|_| (text(random), text(random)))
        .collect()
}

fn request(random: &mut Rng) -> Arc<RequestRecord> {
    let urls = [
        "http://stock.local/deduct",
        "https://Pay.example:8443/x?y=1",
        "odd",
        "http://[::1]/",
    ];
    Arc::new(RequestRecord {
        method: pick(random, &["POST", "GET", ""]).to_owned(),
        url: pick(random, &urls).to_owned(),
        headers: headers(random),
        body: maybe(random, json),
    })
}

fn answer(random: &mut Rng) -> AnswerRecord {
    AnswerRecord {
        outcome: pick(random, Outcome::ALL),
        status: maybe(random, |random| random.u16(..)),
        headers: headers(random),
        body: maybe(random, json),
        error: maybe(random, text),
    }
}

pub(crate) fn leg(random: &mut Rng, plan: &Plan) -> LegId {
    LegId {
        step: random.u16(..plan.steps.len() as u16),
        direction: pick(random, Direction::ALL),
    }
}

pub(crate) fn incident_opened(random: &mut Rng, plan: &Plan, incident: u32) -> Event {
    Event::IncidentOpened {
        incident,
        leg: leg(random, plan),
        kind: pick(random, IncidentKind::ALL),
        evidence: Evidence {
            request: maybe(random, request),
            answer: maybe(random, answer),
            error: text(random),
            attempts: random.u32(..),
        },
    }
}

pub(crate) fn incident_resolved(random: &mut Rng, plan: &Plan, incident: u32) -> Event {
    Event::IncidentResolved {
        incident,
        leg: leg(random, plan),
        resolution: Resolution {
            decision: pick(random, Decision::ALL),
            note: text(random),
            by: text(random),
            result: maybe(random, json),
            body: maybe(random, json),
        },
    }
}

pub(crate) fn submitted(random: &mut Rng) -> Event {
    Event::Submitted {
        deadline_at: maybe(random, time),
        trace: maybe(random, |_| "0af7651916cd43dd8448eb211c80319c".into()),
    }
}

/// An event of a saga whose steps a function adds.
#[allow(dead_code, reason = "not every test file needs it")]
pub(crate) fn function_event(random: &mut Rng, plan: &Plan) -> Event {
    let step = random.u16(..plan.steps.len() as u16);
    match random.u8(0..3) {
        0 => {
            let mut added = plan.steps[usize::from(step)].clone();
            added.name = format!("added {}", text(random));
            added.pivot = random.bool();
            added.compensate_unknown = random.bool();
            added.key_window = maybe(random, |random| Span(random.i64(0..1 << 50)));
            added.callback_timeout = Span(random.i64(0..1 << 50));
            added.action = call(random);
            added.compensation = maybe(random, call);
            Event::StepAdded {
                step: plan.steps.len() as u16,
                plan: Arc::new(added),
                input: json(random),
            }
        }
        1 => Event::Returned {
            attempt: random.u32(..),
            step: maybe(random, |_| step),
            answer: AnswerRecord {
                status: None,
                headers: Vec::new(),
                ..answer(random)
            },
        },
        _ => Event::Withdrawn {
            steps: vec![step; random.usize(0..3)],
        },
    }
}

fn call(random: &mut Rng) -> CallPlan {
    let policies = [OnUnknown::Retry, OnUnknown::Check, OnUnknown::Incident];
    CallPlan {
        timeout: Span(random.i64(0..1 << 50)),
        retry: Retry {
            max_attempts: random.u32(..),
            first_delay: Span(random.i64(0..1 << 50)),
            max_delay: Span(random.i64(0..1 << 50)),
            factor: f64::from(random.u32(1..1_000)) / 7.0,
        },
        on_unknown: pick(random, &policies),
        check: maybe(random, |random| Span(random.i64(0..1 << 50))),
    }
}

/// Any event but those that begin a history or are about incidents.
pub(crate) fn event(random: &mut Rng, plan: &Plan) -> Event {
    let leg = leg(random, plan);
    match random.u8(0..10) {
        0 | 1 => Event::AttemptStarted {
            leg,
            attempt: random.u32(..),
            request: request(random),
        },
        2 | 3 => Event::AttemptEnded {
            leg,
            attempt: random.u32(..),
            answer: answer(random),
            again_at: time(random),
            arrives_until: time(random),
        },
        4 => Event::Unmakeable {
            leg,
            error: text(random),
        },
        5 => Event::CheckStarted {
            leg,
            check: random.u32(..),
            request: request(random),
        },
        6 => Event::CheckEnded {
            leg,
            check: random.u32(..),
            finding: pick(
                random,
                &[
                    Finding::Happened,
                    Finding::DidNotHappen,
                    Finding::Inconclusive,
                ],
            ),
            answer: answer(random),
            again_at: time(random),
        },
        7 => Event::CallbackReceived {
            leg,
            outcome: pick(random, &[Answered::Done, Answered::Refused]),
            result: json(random),
            again_at: time(random),
        },
        8 => match random.u8(0..3) {
            0 => Event::CallbackOverdue { leg },
            1 => Event::CancelRequested { by: text(random) },
            _ => Event::Settled {
                state: pick(random, SagaState::ALL),
            },
        },
        _ => Event::Turned {
            reason: Reason {
                step: maybe(random, |_| leg.step),
                cause: pick(
                    random,
                    &[
                        Cause::Refused,
                        Cause::NotSent,
                        Cause::Unknown,
                        Cause::Abandoned,
                        Cause::Cancelled,
                        Cause::Deadline,
                    ],
                ),
                message: text(random),
                answer: maybe(random, answer),
            },
        },
    }
}
