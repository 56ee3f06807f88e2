//! How a saga comes in: accepted durably or not at all, and the same one only once (R8).

use std::sync::Arc;

use settled_journal::{NewSaga, SagaNo, SagaRow};
use settled_protocol::{Event, Saga, SagaState, Timestamp};

use super::in_flight::{Consequence, InFlight, Saving};
use super::limits::CallHealth;
use super::timers::Timer;
use super::{Engine, LoadKey, Outgoing, Reply, Waiter};
use crate::definition::Submission;
use crate::fingerprint::fingerprint;
use crate::snapshot::SagaSnapshot;
use crate::trace;

impl<R> Engine<R> {
    pub(super) fn submit(
        &mut self,
        now: Timestamp,
        submission: Submission,
        id: String,
        trace: Option<&str>,
        wait_until: Option<Timestamp>,
        reply: R,
    ) {
        if self.draining {
            let answer = Reply::Unavailable("the coordinator is shutting down".to_owned());
            self.out.push(Outgoing::Reply(reply, answer));
            return;
        }
        let no = self.next_saga;
        self.next_saga = SagaNo(no.0 + 1);
        let fingerprint = fingerprint(&submission);
        let trace = trace.and_then(trace::callers_trace);
        let deadline_at = submission.deadline.map(|deadline| now + deadline);
        let new = Box::new(NewSaga {
            id: id.clone(),
            name: submission.name.clone(),
            input: submission.input.clone(),
            definition: submission.definition.document().clone(),
            definition_digest: *submission.definition.digest(),
            fingerprint,
            submitted_by: submission.by.clone(),
            created_at: now,
            deadline_at,
        });
        let plan = Arc::clone(submission.definition.plan());
        let at = SagaSnapshot {
            no,
            id: id.into(),
            name: submission.name.into(),
            input: submission.input,
            submitted_by: submission.by.map(Into::into),
            created_at: now,
            definition: submission.definition,
            saga: Saga::new(plan),
        };
        let row = SagaRow {
            state: SagaState::Running,
            wake_at: None,
            settled_at: None,
        };
        let has_room = self.has_room();
        let mut flight = InFlight::new(at, 0, row);
        if let Some(trace) = &trace {
            flight.trace.clone_from(trace);
        }
        flight.record(now, Event::Submitted { deadline_at, trace });
        flight.then.push(Consequence::Taken { reply, wait_until });
        flight.new = Some(new);
        // Without room the saga is written down and left for later.
        flight.backlogged = !has_room;
        self.by_id.entry(Arc::clone(&flight.at.id)).or_insert(no);
        self.sagas.insert(no, flight);
        if has_room {
            self.advance(now, no);
        } else {
            self.flush(now, no);
        }
    }

    /// The submission is durable.
    pub(super) fn taken(
        &mut self,
        now: Timestamp,
        no: SagaNo,
        reply: R,
        wait_until: Option<Timestamp>,
    ) {
        let Some(flight) = self.sagas.get(&no) else {
            return;
        };
        self.observer.accepted(&flight.at);
        match wait_until {
            Some(until) if until > now => self.wait(
                no,
                Waiter {
                    reply,
                    until,
                    new: true,
                },
            ),
            _ => {
                let snapshot = Box::new(flight.at.clone());
                self.out
                    .push(Outgoing::Reply(reply, Reply::Taken(snapshot)));
            }
        }
    }

    /// The journal has a saga with this id already: nothing of this one was written, and nothing of
    /// it was done.
    pub(super) fn drop_duplicate(
        &mut self,
        now: Timestamp,
        no: SagaNo,
        existing: SagaNo,
        same: bool,
        saving: Saving<R>,
    ) {
        let (early, then) = self.drop_unwritten(no, saving);
        for consequence in then {
            match consequence {
                Consequence::Taken { reply, wait_until } if same => match wait_until {
                    Some(until) if until > now => {
                        self.wait(
                            existing,
                            Waiter {
                                reply,
                                until,
                                new: false,
                            },
                        );
                        self.look_at(existing);
                        self.answer_waiters(now, existing);
                    }
                    _ => self
                        .out
                        .push(Outgoing::Reply(reply, Reply::Known(existing))),
                },
                Consequence::Taken { reply, .. } => {
                    self.out.push(Outgoing::Reply(reply, Reply::Conflict));
                }
                Consequence::Send { call, .. } | Consequence::Invoke { call, .. } => {
                    self.cancel_call(now, call);
                }
                Consequence::Launch(_) | Consequence::Halt(_) => {}
                Consequence::Reply(reply, answer) => self.out.push(Outgoing::Reply(reply, answer)),
            }
        }
        for (id, command, reply) in early {
            self.command(now, id, command, reply);
        }
    }

    /// The journal did not take the append: nothing of it was written or done. A saga that was there
    /// before is read anew, since it is not what it was taken for.
    pub(super) fn drop_refused(
        &mut self,
        now: Timestamp,
        no: SagaNo,
        why: &str,
        saving: Saving<R>,
    ) {
        if self.sagas.get(&no).is_some_and(|flight| flight.durable) {
            self.observer.trouble(why);
            self.due.begin_anew(now);
        }
        let (early, then) = self.drop_unwritten(no, saving);
        for consequence in then {
            match consequence {
                Consequence::Send { call, .. } | Consequence::Invoke { call, .. } => {
                    self.cancel_call(now, call);
                }
                Consequence::Launch(_) | Consequence::Halt(_) => {}
                Consequence::Taken { reply, .. } | Consequence::Reply(reply, _) => {
                    let answer = Reply::Unavailable(why.to_owned());
                    self.out.push(Outgoing::Reply(reply, answer));
                }
            }
        }
        for (id, command, reply) in early {
            self.command(now, id, command, reply);
        }
    }

    /// Takes a saga out of memory. What was to follow from its events is handed back, what followed
    /// from those that no append carried yet included: none of it may happen.
    #[expect(
        clippy::type_complexity,
        reason = "two lists, taken apart by both callers"
    )]
    fn drop_unwritten(
        &mut self,
        no: SagaNo,
        saving: Saving<R>,
    ) -> (Vec<(String, super::Command, R)>, Vec<Consequence<R>>) {
        let Some(flight) = self.sagas.remove(&no) else {
            return (Vec::new(), saving.then);
        };
        if self.by_id.get(&flight.at.id) == Some(&no) {
            self.by_id.remove(&flight.at.id);
        }
        self.halt(no, flight.run);
        let id = flight.at.id;
        let early = flight
            .early
            .into_iter()
            .map(|(command, reply)| (id.to_string(), command, reply))
            .collect();
        (early, saving.then.into_iter().chain(flight.then).collect())
    }

    /// Gives back the slot of a call that was never made.
    fn cancel_call(&mut self, now: Timestamp, call: super::CallId) {
        if let Some(open) = self.calls.end(call) {
            self.calls.release(&open, (CallHealth::Silent, None), now);
            self.serve_line(now, open.slot.participant, false);
        }
    }

    fn wait(&mut self, no: SagaNo, waiter: Waiter<R>) {
        self.timers.set(Timer::Waiter(no), waiter.until);
        self.waiting.entry(no).or_default().push(waiter);
    }

    /// Somebody waits for a saga that may have ended long ago.
    fn look_at(&mut self, no: SagaNo) {
        if !self.sagas.contains_key(&no) {
            self.load(LoadKey::No(no), Vec::new());
        }
    }

    /// Tells those who wait when the saga has ended, durably.
    pub(super) fn answer_waiters(&mut self, now: Timestamp, no: SagaNo) {
        if self.waiting.is_empty() || !self.waiting.contains_key(&no) {
            return;
        }
        let Some(flight) = self.sagas.get(&no) else {
            return;
        };
        let state = flight.state(now);
        if !(flight.is_saved() && (state.is_settled() || state == SagaState::Stuck)) {
            return;
        }
        let snapshot = &flight.at;
        for waiter in self.waiting.remove(&no).unwrap_or_default() {
            let saga = Box::new(snapshot.clone());
            let answer = Reply::Ended {
                saga,
                new: waiter.new,
            };
            self.out.push(Outgoing::Reply(waiter.reply, answer));
        }
    }

    pub(super) fn expire_waiters(&mut self, now: Timestamp, no: SagaNo) {
        let Some(waiters) = self.waiting.remove(&no) else {
            return;
        };
        let (expired, rest): (Vec<_>, Vec<_>) =
            waiters.into_iter().partition(|waiter| waiter.until <= now);
        for waiter in expired {
            let answer = Reply::StillRunning {
                saga: no,
                new: waiter.new,
            };
            self.out.push(Outgoing::Reply(waiter.reply, answer));
        }
        if !rest.is_empty() {
            self.waiting.insert(no, rest);
        }
    }
}
