//! The clients: they submit until they are answered, cancel, and remember what they were told.

use settled::engine::{Command, Incoming, Reply};
use settled_protocol::Span;

use super::agenda::Happening;
use super::faults::Fault;
use super::world::{Asker, Heard, World};

impl World {
    pub(super) fn submit(&mut self, order: usize) {
        if self.coordinator.is_none() {
            return self.later(Span::from_millis(500), Happening::Submit(order));
        }
        let other = self.orders[order].acknowledged && self.strikes(Fault::OtherContent);
        let text = &self.orders[order];
        let document = if other { &text.other } else { &text.document };
        let submission = match self.definitions.parse(document) {
            Ok(submission) => submission,
            Err(invalid) => {
                self.surprises
                    .push(format!("a submission is refused: {invalid}"));
                return;
            }
        };
        let id = text.id.clone();
        let reply = self.asker(Asker::Client { order, other });
        let wait_until = self.rng.bool().then(|| self.now + Span::from_secs(5));
        let submission = Box::new(submission);
        let life = self.life;
        self.tell(
            life,
            Incoming::Submit {
                submission,
                id,
                trace: None,
                wait_until,
                reply,
            },
        );
    }

    pub(super) fn cancel(&mut self, order: usize) {
        let reply = self.asker(Asker::Canceller(order));
        let command = Command::Cancel {
            by: "somebody".to_owned(),
        };
        let saga = self.orders[order].id.clone();
        self.tell(
            self.life,
            Incoming::Command {
                saga,
                command,
                reply,
            },
        );
    }

    /// Takes down what somebody was told.
    pub(super) fn hear(&mut self, asker: u64, reply: Reply) {
        use crate::auditor::Told;
        let Some(asker) = self.askers.remove(&asker) else {
            return;
        };
        match (asker, reply) {
            (
                Asker::Client { order, other },
                Reply::Taken(_) | Reply::Known(_) | Reply::StillRunning { .. },
            ) => self.accepted(order, other),
            (Asker::Client { order, other }, Reply::Ended { saga, .. }) => {
                self.accepted(order, other);
                let state = saga.saga.state(self.now);
                self.told(order, Told::State(state));
            }
            (
                Asker::Client {
                    order,
                    other: false,
                },
                Reply::Conflict,
            ) => {
                self.surprises
                    .push(format!("order {order}: the same content is a conflict"));
            }
            (
                Asker::Client {
                    order,
                    other: false,
                },
                Reply::Unavailable(_) | Reply::Broken(_),
            ) => {
                self.later(Span::from_secs(1), Happening::Submit(order));
            }
            (Asker::Canceller(order), Reply::Accepted) => self.told(order, Told::Cancelled),
            (
                Asker::Person {
                    order: Some(order),
                    incident,
                },
                Reply::Accepted,
            ) => {
                self.told(order, Told::Resolved(incident));
            }
            (Asker::Apart { call, slot }, reply) => self.hear_apart(call, slot, reply),
            _ => {}
        }
    }

    pub(super) fn accepted(&mut self, order: usize, other: bool) {
        if other {
            self.surprises.push(format!(
                "order {order}: other content was taken under its id"
            ));
        }
        self.orders[order].acknowledged = true;
        self.told(order, crate::auditor::Told::Accepted);
    }

    pub(super) fn told(&mut self, order: usize, told: crate::auditor::Told) {
        let saga = self.orders[order].id.clone();
        self.heard.push(Heard {
            saga,
            at: self.now,
            told,
        });
    }
}
