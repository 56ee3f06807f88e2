//! How a saga comes back into memory: because its time has come, or because somebody speaks to it.
//!
//! There is no other way to recover than this one: fold the history, say of every awaited answer
//! that it is lost, and go on.

use std::sync::Arc;

use settled_journal::{ReadError, SagaNo, SagaRow, StoredSaga};
use settled_protocol::{Input, Timestamp};

use super::in_flight::{Consequence, InFlight};
use super::{Command, Engine, LoadKey, Outgoing, Reply, copies, edits};
use crate::snapshot::SagaSnapshot;

impl<R> Engine<R> {
    /// Somebody speaks to a saga.
    pub(super) fn command(&mut self, now: Timestamp, saga: String, command: Command, reply: R) {
        if let Some(no) = self.by_id.get(&*saga).copied() {
            self.tell(now, no, command, reply);
            return;
        }
        self.load(LoadKey::Id(saga), vec![(command, reply)]);
    }

    /// Reads a saga, unless it is being read already, and then says these commands to it.
    pub(super) fn load(&mut self, key: LoadKey, commands: Vec<(Command, R)>) {
        if self.loads.add(&key, commands) {
            self.out.push(Outgoing::Load(key));
        }
    }

    /// Passes a command on to a saga in memory. The answer goes out once everything that it rests
    /// on is durable.
    fn tell(&mut self, now: Timestamp, no: SagaNo, command: Command, reply: R) {
        let random = self.calls.random();
        let Some(flight) = self.sagas.get_mut(&no) else {
            return;
        };
        if !flight.durable {
            // Its submission is not durable yet: for everybody else it does not exist.
            flight.early.push((command, reply));
            return;
        }
        let input = match command {
            Command::Cancel { by } => Ok(Input::Cancel { by }),
            Command::Callback {
                leg,
                outcome,
                result,
            } => Ok(Input::Callback {
                leg,
                outcome,
                result: copies::callback(&self.settings.mask, outcome, result),
                random,
            }),
            Command::Resolve {
                incident,
                resolution,
            } => edits::taken(&self.settings.mask, &flight.at, incident, resolution).map(
                |resolution| Input::Resolve {
                    incident,
                    resolution,
                },
            ),
        };
        let answer = match input.map(|input| flight.at.saga.receive(now, input)) {
            Ok(Ok(event)) => {
                if let Some(event) = event {
                    self.observer.told(&flight.at, &event);
                    flight.record(now, event);
                }
                Reply::Accepted
            }
            Ok(Err(refusal)) => Reply::Refused(refusal),
            Err(invalid) => Reply::Invalid(invalid),
        };
        if flight.is_saved() {
            self.out.push(Outgoing::Reply(reply, answer));
        } else {
            flight.then.push(Consequence::Reply(reply, answer));
        }
        self.advance(now, no);
    }

    /// Commands that came while the submission was on its way to the journal.
    pub(super) fn run_early(&mut self, now: Timestamp, no: SagaNo) {
        let Some(flight) = self.sagas.get_mut(&no) else {
            return;
        };
        for (command, reply) in std::mem::take(&mut flight.early) {
            self.tell(now, no, command, reply);
        }
    }

    /// The journal has answered a load.
    pub(super) fn loaded(
        &mut self,
        now: Timestamp,
        key: LoadKey,
        result: Result<Option<Box<StoredSaga>>, ReadError>,
    ) {
        let Some(load) = self.loads.end(&key) else {
            return;
        };
        let late = |stored: &StoredSaga| self.loads.is_late(&load, stored.no);
        let commands = match &result {
            Ok(Some(stored)) if late(stored) => return self.load(key, load.commands),
            _ => load.commands,
        };
        let stored = match result {
            Ok(Some(stored)) => stored,
            Ok(None) => return self.reply_all(commands, || Reply::NotFound),
            Err(error) => {
                self.trouble(&error.to_string());
                if matches!(error, ReadError::Store(_)) {
                    // Not the saga's fault; it stays due.
                    self.due.begin_anew(now);
                }
                let why = self.settings.mask.text(&error.to_string()).into_owned();
                return self.reply_all(commands, || Reply::Broken(why.clone()));
            }
        };
        let no = stored.no;
        if !self.sagas.contains_key(&no)
            && let Err(error) = self.take_up(now, &stored)
        {
            self.trouble(&error);
            let why = self.settings.mask.text(&error).into_owned();
            return self.reply_all(commands, || Reply::Broken(why.clone()));
        }
        for (command, reply) in commands {
            self.tell(now, no, command, reply);
        }
        self.answer_waiters(now, no);
        self.advance(now, no);
    }

    /// Puts a stored saga into memory. Whatever it was waiting for is lost.
    fn take_up(&mut self, now: Timestamp, stored: &StoredSaga) -> Result<(), String> {
        let at = SagaSnapshot::from_stored(stored, &self.definitions)
            .map_err(|error| format!("saga {}: {error}", stored.id))?;
        let row = SagaRow {
            state: stored.state,
            wake_at: stored.wake_at,
            settled_at: stored.settled_at,
        };
        if let Some(function) = at.definition.function()
            && !self.definitions.has_function(function)
        {
            return Err(format!(
                "saga {}: no function is registered as `{function}` here; register it and start \
                 again, the saga waits for it",
                at.id
            ));
        }
        let no: SagaNo = at.no;
        let mut flight = InFlight::new(at, stored.chain, row);
        flight.durable = true;
        for lost in flight.at.saga.lost_calls(self.calls.random()) {
            if let Ok(Some(event)) = flight.at.saga.receive(now, lost) {
                flight.record(now, event);
            }
        }
        self.by_id.insert(Arc::clone(&flight.at.id), no);
        self.sagas.insert(no, flight);
        Ok(())
    }

    /// Says what is wrong. It goes to a log, and may quote a piece of what is on record.
    fn trouble(&self, what: &str) {
        self.observer.trouble(&self.settings.mask.text(what));
    }

    fn reply_all(&mut self, commands: Vec<(Command, R)>, answer: impl Fn() -> Reply) {
        for (_, reply) in commands {
            self.out.push(Outgoing::Reply(reply, answer()));
        }
    }
}
