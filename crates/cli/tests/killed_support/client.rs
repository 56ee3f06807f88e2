//! A client: submits, submits again, asks, cancels, and notes every answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use hyper::Method;
use serde_json::Value;
use settled::coordinator::Clock;
use settled::protocol::SagaState;
use settled_sim::auditor::Told;
use tokio::sync::watch;

use super::book::Book;
use super::participant::Participant;
use super::wire::{self, Answer};
use super::{document, person};

/// What all clients share.
pub struct Office {
    pub participant: Arc<Participant>,
    pub book: Book,
    pub clock: Clock,
    pub server: watch::Receiver<Option<SocketAddr>>,
    pub next: AtomicU64,
    /// No new sagas.
    pub closed: AtomicBool,
    /// No new sagas from this number on.
    pub limit: AtomicU64,
    /// Sagas may be removed once they are settled.
    pub forgets: AtomicBool,
    pub seed: u64,
}

impl Office {
    /// Asks until there is an answer that is not "later". None where there will be none.
    pub async fn insist(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Answer> {
        let mut server = self.server.clone();
        loop {
            let address = (*server.wait_for(Option::is_some).await.ok()?)?;
            match wire::ask(address, method.clone(), path, body).await {
                Ok(answer) if answer.status == 503 => {
                    self.check_refusal(&answer);
                    self.book.notes().turned_away += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Ok(answer) => return Some(answer),
                Err(_) => {
                    self.book.notes().unanswered += 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    /// A refusal says what it is and when to come again.
    fn check_refusal(&self, answer: &Answer) {
        let header = |name: &str| answer.headers.get(name).and_then(|v| v.to_str().ok());
        let is_problem = header("content-type") == Some("application/problem+json");
        if !is_problem || header("retry-after").is_none() || answer.body["status"] != 503 {
            self.book.wonder(format!("an odd refusal: {answer:?}"));
        }
    }

    /// Notes what an answer says of a saga's state; whether it is at its end.
    pub fn hear_state(&self, id: &str, answer: &Answer) -> Option<SagaState> {
        let state = answer.body["state"].as_str().and_then(SagaState::parse);
        match state {
            Some(state) => self.book.hear(id, self.clock.now(), Told::State(state)),
            None => self
                .book
                .wonder(format!("{id}: an answer without a state: {answer:?}")),
        }
        state
    }

    /// Submits sagas one after the other, and follows each to its end.
    pub async fn work(self: Arc<Self>) {
        while !self.closed.load(Ordering::SeqCst) {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.limit.load(Ordering::SeqCst) {
                return;
            }
            let mut rng = Rng::with_seed(self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            if self.follow(number, &mut rng).await.is_none() {
                return;
            }
        }
    }

    async fn follow(&self, number: u64, rng: &mut Rng) -> Option<()> {
        let id = format!("order-{number}");
        let document = document::random(&id, self.participant.address, rng);
        self.submit(&id, &document, rng).await?;
        let forgets = self.forgets.load(Ordering::SeqCst);
        if rng.f64() < 0.15 && !forgets {
            self.submit_again(&id, &document).await?;
        }
        if rng.f64() < 0.1 && !forgets {
            self.submit_other(&id, document).await?;
        }
        if rng.f64() < 0.15 {
            tokio::time::sleep(Duration::from_millis(rng.u64(0..200))).await;
            self.cancel(&id).await?;
        }
        let mut decisions = if rng.bool() { 8 } else { 0 };
        loop {
            let answer = self
                .insist(Method::GET, &format!("/v1/sagas/{id}"), None)
                .await?;
            if answer.status == 404 && forgets {
                break;
            }
            if answer.status != 200 {
                self.book.wonder(format!("{id}: {answer:?}"));
                break;
            }
            match self.hear_state(&id, &answer) {
                Some(SagaState::Stuck) if decisions > 0 => {
                    person::decide(self, &id, &answer).await?;
                    decisions -= 1;
                    if decisions == 0 {
                        self.book
                            .wonder(format!("{id}: decisions do not help: {answer:?}"));
                    }
                }
                Some(state) if state.is_settled() || state == SagaState::Stuck => break,
                _ => tokio::time::sleep(Duration::from_millis(40)).await,
            }
        }
        let mut notes = self.book.notes();
        notes.ended += 1;
        notes.awaited.remove(&id);
        Some(())
    }

    async fn submit(&self, id: &str, document: &Value, rng: &mut Rng) -> Option<()> {
        let path = match rng.u8(0..3) {
            0 => "/v1/sagas?wait=300ms",
            _ => "/v1/sagas",
        };
        let answer = self.insist(Method::POST, path, Some(document)).await?;
        // An answer that got lost may have been the first one's 201.
        if matches!(answer.status, 200..=202) {
            self.book.hear(id, self.clock.now(), Told::Accepted);
            self.hear_state(id, &answer);
        } else {
            self.book.wonder(format!("{id}: {answer:?}"));
        }
        Some(())
    }

    async fn submit_again(&self, id: &str, document: &Value) -> Option<()> {
        let answer = self
            .insist(Method::POST, "/v1/sagas", Some(document))
            .await?;
        match answer.status {
            200 => drop(self.hear_state(id, &answer)),
            _ => self
                .book
                .wonder(format!("{id}: not known any more: {answer:?}")),
        }
        Some(())
    }

    async fn submit_other(&self, id: &str, mut other: Value) -> Option<()> {
        other["input"]["amount"] = 0.into();
        let answer = self.insist(Method::POST, "/v1/sagas", Some(&other)).await?;
        match answer.status {
            409 => self.book.hear(id, self.clock.now(), Told::Accepted),
            _ => self.book.wonder(format!("{id}: other content: {answer:?}")),
        }
        Some(())
    }

    async fn cancel(&self, id: &str) -> Option<()> {
        let path = format!("/v1/sagas/{id}/cancel");
        let answer = self.insist(Method::POST, &path, None).await?;
        match answer.status {
            202 => {
                self.book.hear(id, self.clock.now(), Told::Cancelled);
                self.hear_state(id, &answer);
            }
            409 => self.book.hear(id, self.clock.now(), Told::Accepted),
            404 if self.forgets.load(Ordering::SeqCst) => {}
            _ => self.book.wonder(format!("{id}: cancel: {answer:?}")),
        }
        Some(())
    }
}
