//! The people: they look at open incidents, find out what really happened, and decide. Some decide
//! the same thing twice, and some decide what another has just decided.

use settled::engine::{Command, Incoming};
use settled_journal::{IncidentFilter, IncidentRow, Keeper};
use settled_protocol::{Decision, Json, Resolution, Span, idempotency_key};

use super::agenda::Happening;
use super::faults::Fault;
use super::world::{Asker, World};

/// People wait until nothing that was sent can still arrive before they judge.
const SETTLING: Span = Span::from_secs(65);

impl World {
    pub(super) fn people(&mut self) {
        let pause = Span::from_millis(i64::from(self.rng.u32(1_000..20_000)));
        self.later(pause, Happening::People);
        let filter = IncidentFilter {
            open: Some(true),
            ..IncidentFilter::default()
        };
        let Ok(mut reader) = self.disk.reader() else {
            return;
        };
        let Ok(page) = reader.incidents(&filter, None, 100) else {
            return;
        };
        for incident in page.items {
            let ripe = incident.opened_at + SETTLING < self.now;
            if ripe && (self.is_healed() || self.rng.bool()) {
                self.decide(&incident);
                if self.strikes(Fault::DecidedTwice) {
                    self.decide(&incident);
                }
            }
        }
    }

    fn decide(&mut self, incident: &IncidentRow) {
        let Some((saga, number)) = incident.id.rsplit_once('~') else {
            return;
        };
        let Ok(number) = number.parse() else { return };
        let Some(direction) = settled_protocol::Direction::parse(&incident.direction) else {
            return;
        };
        let key = idempotency_key(saga, &incident.step, direction);
        let truth = self.participants.happened(&key).cloned();
        let decision = match (&truth, self.rng.u8(0..10)) {
            (Some(_), _) => Decision::Done,
            (None, 0) => Decision::Abandon,
            (None, 1..=5) if incident.kind != "contradiction" => {
                self.participants.relent(&key);
                Decision::Retry
            }
            (None, _) => {
                self.participants.relent(&key);
                Decision::NotDone
            }
        };
        let resolution = Resolution {
            decision,
            note: "looked it up in the participant's books".to_owned(),
            by: "somebody".to_owned(),
            result: truth.map(Json::from),
            body: None,
        };
        let order = self.orders.iter().position(|order| order.id == saga);
        let Some(order) = order else { return };
        let reply = self.asker(Asker::Person {
            order,
            incident: number,
        });
        let command = Command::Resolve {
            incident: number,
            resolution,
        };
        let saga = saga.to_owned();
        self.tell(
            self.life,
            Incoming::Command {
                saga,
                command,
                reply,
            },
        );
    }
}
