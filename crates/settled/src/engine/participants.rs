//! Serves those that wait for participants, shows participants and changes their limits.
//!
//! Who waits where is kept in [`super::limits`]; here those are called whose turn it is. Being
//! called is no promise: a saga that has gone another way meanwhile just does not ask.

use settled_protocol::Timestamp;

use super::limits::{Limits, Participant};
use super::timers::Timer;
use super::{Engine, LoadKey, Outgoing, Reply};

impl<R> Engine<R> {
    /// Calls whoever waits for a participant, as far as there is room. Where the participant is
    /// closed for a while, those in line ask again first: they need not wait for that in memory.
    pub(super) fn serve_line(&mut self, now: Timestamp, participant: Participant, ask_again: bool) {
        if ask_again {
            for no in self.calls.participants.ask_all_again(participant, now) {
                self.advance(now, no);
            }
        }
        while let Some(no) = self.calls.participants.next(participant, now) {
            self.advance(now, no);
            self.calls.participants.turn_over(participant);
        }
        while !self.draining
            && self.has_room()
            && let Some(no) = self.calls.participants.recall(participant, now)
        {
            if self.sagas.contains_key(&no) {
                self.advance(now, no);
            } else {
                self.load(LoadKey::No(no), Vec::new());
            }
        }
        self.calls.participants.set_alarm(participant, now);
        self.set_alarms();
    }

    /// Sets the timers of participants whose room grows by itself.
    pub(super) fn set_alarms(&mut self) {
        while let Some((participant, at)) = self.calls.participants.next_alarm() {
            self.timers.set(Timer::Participant(participant), at);
        }
    }

    /// Somebody wants to see the participants.
    pub(super) fn participants(&mut self, now: Timestamp, name: Option<&str>, reply: R) {
        let participants = &self.calls.participants;
        let views = match name {
            Some(name) => participants.view_of(name, now).into_iter().collect(),
            None => participants.view(now),
        };
        self.out
            .push(Outgoing::Reply(reply, Reply::Participants(views)));
    }

    /// Somebody changes a participant's limits.
    pub(super) fn set_limits(&mut self, now: Timestamp, name: &str, limits: Limits, reply: R) {
        let participant = self.calls.participants.participant(name);
        self.calls.participants.set_limits(participant, limits, now);
        self.serve_line(now, participant, true);
        self.participants(now, Some(name), reply);
    }
}
