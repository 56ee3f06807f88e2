//! The demo without the coordinator: a test plays its part by hand, over real HTTP, against
//! services that fail as often as they can.
//!
//! Shows that a coordinator that asks passes the audit, and that one that guesses does not:
//! without the second half a demo that finds nothing would prove nothing.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::audit::{Evidence, Ledger, Verdict, What, audit};
use super::client::Client;
use super::coordinator::{Saga, Step};
use super::faults::{Faults, Level};
use super::order::{Addresses, Order};
use super::service::tests::open;
use super::shop::Kind;

const ORDERS: usize = 80;

/// Longer than a service may take to act, shorter than the real demo's, to save time.
const TIMEOUT: Duration = Duration::from_millis(450);

/// What is done about an unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// The participant is asked.
    Asks,
    /// It is taken for "did not happen", and sent again.
    Repeats,
    /// It is taken for a refusal.
    GivesUp,
    /// It is taken for success.
    Believes,
}

#[derive(Debug)]
enum Settled {
    Done(Value),
    Refused,
}

enum Answer {
    Replied(u16, Value),
    Nothing,
}

struct Leg<'a> {
    call: &'a Value,
    check: &'a Value,
    key: String,
    scope: &'a Value,
}

impl Manner {
    /// Plays one saga document to its end.
    async fn drive(self, document: &Value) -> Saga {
        let id = document["id"].as_str().unwrap();
        let mut scope = json!({
            "input": document["input"], "saga": {"id": id}, "steps": {}
        });
        let mut steps = Vec::new();
        let mut state = "completed";
        let mut done = Vec::new();
        for step in document["steps"].as_array().unwrap() {
            let name = step["name"].as_str().unwrap();
            match self.settle(step, "action", &scope).await {
                Settled::Done(result) => {
                    scope["steps"][name] = json!({"result": result});
                    done.push(step);
                }
                Settled::Refused => {
                    state = "compensated";
                    steps.push(Step {
                        name: name.to_owned(),
                        state: "refused".to_owned(),
                    });
                    break;
                }
            }
        }
        if state == "compensated" {
            for step in done.into_iter().rev() {
                self.settle(step, "compensation", &scope).await;
            }
        }
        Saga {
            id: id.to_owned(),
            state: state.to_owned(),
            steps,
        }
    }

    /// Calls until it is settled in this manner.
    async fn settle(self, step: &Value, direction: &str, scope: &Value) -> Settled {
        let key = format!(
            "{}/{}/{direction}",
            scope["saga"]["id"].as_str().unwrap(),
            step["name"].as_str().unwrap()
        );
        let leg = Leg {
            call: &step[direction],
            check: &step["check"],
            key,
            scope,
        };
        for attempt in 1..=12 {
            match leg.send(attempt).await {
                Answer::Replied(200, body) if body["isSuccess"] == false => {
                    return Settled::Refused;
                }
                Answer::Replied(200, body) => return Settled::Done(body),
                Answer::Replied(429, _) => {}
                Answer::Replied(400..500, _) => return Settled::Refused,
                Answer::Replied(500.., _) | Answer::Nothing => match self {
                    Self::Repeats => {}
                    Self::GivesUp => return Settled::Refused,
                    Self::Believes => return Settled::Done(json!({})),
                    Self::Asks => {
                        if let Some(result) = leg.ask().await {
                            return Settled::Done(result);
                        }
                    }
                },
                Answer::Replied(status, body) => panic!("{}: {status} {body}", leg.key),
            }
        }
        panic!("{} did not get through", leg.key)
    }
}

impl Leg<'_> {
    async fn send(&self, attempt: u32) -> Answer {
        let url = self.call["url"].as_str().unwrap();
        let body = Bytes::from(fill(&self.call["body"], self.scope).to_string());
        let attempt = attempt.to_string();
        let headers = [
            ("Idempotency-Key", self.key.as_str()),
            ("Settled-Attempt", &attempt),
        ];
        let client = Client::new(url);
        answer(tokio::time::timeout(TIMEOUT, client.post("", &headers, body)).await)
    }

    /// Asks until there is an answer; `None` for "did not happen".
    async fn ask(&self) -> Option<Value> {
        let key = self.key.replace('/', "%2F");
        let url = self.check["url"]
            .as_str()
            .unwrap()
            .replace("${ key }", &key);
        let client = Client::new(&url);
        for _ in 0..12 {
            match answer(tokio::time::timeout(TIMEOUT, client.get("")).await) {
                Answer::Replied(200, result) => return Some(result),
                Answer::Replied(404, _) => return None,
                Answer::Replied(..) | Answer::Nothing => {}
            }
        }
        panic!("{} was never answered", self.key)
    }
}

fn answer<E, F>(reply: Result<Result<super::client::Reply, E>, F>) -> Answer {
    match reply {
        Ok(Ok(reply)) => Answer::Replied(
            reply.status,
            serde_json::from_slice(&reply.body).unwrap_or_default(),
        ),
        _ => Answer::Nothing,
    }
}

/// Puts values in the place of `${ a.b }`; all that the demo's documents need.
fn fill(template: &Value, scope: &Value) -> Value {
    match template {
        Value::String(text) => match text.strip_prefix("${ ").and_then(|t| t.strip_suffix(" }")) {
            Some(path) => scope
                .pointer(&format!("/{}", path.replace('.', "/")))
                .cloned(),
            None => Some(template.clone()),
        }
        .unwrap_or_default(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), fill(value, scope)))
            .collect(),
        other => other.clone(),
    }
}

/// Plays every order in one manner, and audits.
async fn rehearse(manner: Manner, level: Level) -> (Verdict, Vec<Order>, HashMap<String, Saga>) {
    let directory = TempDir::new().unwrap();
    let mut addresses = Addresses::default();
    for (kind, address) in Kind::ALL.into_iter().zip(&mut addresses) {
        *address = open(directory.path(), kind, Faults::new(3, level)).await;
    }
    let orders: Vec<_> = (1..=ORDERS).map(|n| Order::generate(3, n, 1000)).collect();
    let documents: Vec<_> = orders
        .iter()
        .map(|order| order.document(&addresses))
        .collect();
    let sagas: HashMap<_, _> = stream::iter(&documents)
        .map(|document| manner.drive(document))
        .buffer_unordered(ORDERS)
        .map(|saga| (saga.id.clone(), saga))
        .collect()
        .await;
    let books = Kind::ALL.map(|kind| {
        (
            kind,
            Ledger::read(&directory.path().join(format!("{}.db", kind.name()))).unwrap(),
        )
    });
    let verdict = audit(&Evidence {
        orders: &orders,
        acknowledged: &HashSet::new(),
        sagas: &sagas,
        books: &books,
    });
    (verdict, orders, sagas)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_asks_balances_the_books() {
    for level in [Level::None, Level::Many] {
        let (verdict, orders, sagas) = rehearse(Manner::Asks, level).await;
        assert_eq!(verdict.discrepancies, [], "{level:?}");
        for order in orders {
            let refused = sagas[&order.id]
                .steps
                .first()
                .map(|step| step.name.as_str());
            assert_eq!(
                refused,
                order.refused_by.map(Kind::name),
                "{}, {level:?}",
                order.id
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_repeats_is_found_out() {
    let (verdict, ..) = rehearse(Manner::Repeats, Level::Some).await;
    let again = |what: &What| matches!(what, What::TakenAgain(_));
    assert!(verdict.discrepancies.iter().any(|found| again(&found.what)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_gives_up_is_found_out() {
    let (verdict, ..) = rehearse(Manner::GivesUp, Level::Some).await;
    let left = |what: &What| matches!(what, What::NotReturned | What::EffectOf(_));
    assert!(verdict.discrepancies.iter().any(|found| left(&found.what)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_believes_is_found_out() {
    let (verdict, ..) = rehearse(Manner::Believes, Level::None).await;
    assert!(
        verdict.balances(),
        "without faults there is nothing to believe"
    );
    let (verdict, ..) = rehearse(Manner::Believes, Level::Some).await;
    assert!(
        verdict
            .discrepancies
            .iter()
            .any(|found| found.what == What::NeverTaken)
    );
}
