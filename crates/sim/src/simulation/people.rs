//! The people: they look at open incidents, find out what really happened, and decide. Some decide
//! the same thing twice, and some decide what another has just decided.

use serde_json::Value;
use settled::engine::{Command, Incoming};
use settled_journal::{IncidentFilter, IncidentRow, Keeper, SagaKey};
use settled_protocol::{
    Decision, Event, FUNCTION_STEP, Json, Resolution, SagaState, Span, idempotency_key,
};

use super::agenda::Happening;
use super::faults::Fault;
use super::runs::apart_of;
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

    /// What became of a saga that another one started: what it returned, or nothing where it went
    /// back or was never begun.
    ///
    /// # Errors
    /// Where that is not known yet.
    fn look_at_apart(&self, id: &str) -> Result<Option<Value>, ()> {
        let mut reader = self.disk.reader().map_err(drop)?;
        let Some(saga) = reader.load(SagaKey::Id(id)).map_err(drop)? else {
            return Ok(None);
        };
        if !saga.state.is_settled() {
            return Err(());
        }
        let returned = saga.records.iter().find_map(|record| match &record.event {
            Event::Returned { answer, .. } => answer.body.as_ref().map(Json::to_value),
            _ => None,
        });
        let is_done = saga.state == SagaState::Completed;
        Ok(is_done.then(|| returned.unwrap_or_default()))
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
        let apart = apart_of(saga, &incident.step);
        let truth = match &apart {
            // What a function would have returned is for the person to say.
            None if incident.step == FUNCTION_STEP && self.rng.u8(0..4) == 0 => Some(Value::Null),
            None => self.participants.happened(&key).cloned(),
            Some(own) => match self.look_at_apart(own) {
                Ok(result) => result,
                // It is still under way: nobody can say yet.
                Err(()) => return,
            },
        };
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
            // The step that records a result gives back nothing.
            result: truth.filter(|_| incident.step != "record").map(Json::from),
            body: None,
        };
        let order = self.orders.iter().position(|order| order.id == saga);
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
