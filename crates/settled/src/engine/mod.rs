//! The one loop: journal the event, apply it, decide what is next, do it; its outcome is an event.
//!
//! ```text
//!            Incoming                            Outgoing
//!   submit, answer, callback,   ┌────────┐   append, load, find due
//!   cancel, appended, loaded ──▶│ Engine │──▶ send, reply, publish
//!                               └────────┘
//! ```
//!
//! The engine owns every saga that is being driven and does nothing itself: no clock, no network,
//! no database, no thread. What it wants done comes out as [`Outgoing`], and what became of that
//! goes in as [`Incoming`]. A production driver carries these to tokio and a journal; a simulator
//! carries them to whatever it pleases, on one thread, in any order.
//!
//! Memory follows the work in flight: a saga that waits for longer than [`Settings::park_after`],
//! or for a person, is forgotten until the journal says that its time has come. Recovery is the same
//! thing: after a start, every unfinished saga's time has come.

mod calls;
mod copies;
mod due;
mod edits;
mod functions;
mod headers;
mod health;
mod in_flight;
mod invocation;
mod limits;
mod load;
mod loads;
mod message;
mod participants;
mod submit;
mod timers;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use settled_journal::{Append, Appended, SagaNo};
use settled_protocol::{Event, Input, Span, Timestamp};

use self::calls::Calls;
use self::due::DueSearch;
pub use self::functions::{
    AddedStep, CallEnd, Invocation, Launch, RecordedStep, RunEnd, RunId, Yielded,
};
use self::in_flight::{Consequence, InFlight};
pub use self::limits::{BreakerLimits, BreakerView, Limits, LimitsError, ParticipantView};
use self::limits::{CallHealth, Participants};
use self::loads::Loads;
pub use self::message::{AppendRefused, CallId, Command, Incoming, LoadKey, Outgoing, Reply};
use self::timers::{Timer, Timers};
use crate::definition::Definitions;
use crate::mask::Mask;
use crate::observe::Observer;
use crate::participant::Answer;
use crate::snapshot::SagaSnapshot;

/// How much the engine takes on at once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most sagas in memory; what comes on top waits in the journal.
    pub max_in_flight: usize,
    /// What each participant may be asked to bear.
    pub limits: Limits,
    /// What these may be asked to bear instead: `host:port`, or the name that a function's steps
    /// give.
    pub limits_of: BTreeMap<String, Limits>,
    /// A saga that has to wait for longer than this is forgotten until its time comes.
    pub park_after: Span,
    /// What is masked in the copies of requests and answers that are kept as evidence.
    pub mask: Mask,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_in_flight: 10_000,
            limits: Limits::default(),
            limits_of: BTreeMap::new(),
            park_after: Span::from_secs(1),
            mask: Mask::default(),
        }
    }
}

/// Drives sagas. See the module's text.
pub struct Engine<R> {
    settings: Settings,
    definitions: Arc<Definitions>,
    observer: Arc<dyn Observer>,
    next_saga: SagaNo,
    sagas: HashMap<SagaNo, InFlight<R>>,
    by_id: HashMap<Arc<str>, SagaNo>,
    calls: Calls,
    timers: Timers,
    loads: Loads<R>,
    due: DueSearch,
    waiting: HashMap<SagaNo, Vec<Waiter<R>>>,
    watched: HashMap<String, usize>,
    /// Sagas whose events wait for their function, and until when.
    held: VecDeque<(Timestamp, SagaNo, RunId)>,
    draining: bool,
    drained: bool,
    out: Vec<Outgoing<R>>,
}

/// Somebody who waits for a saga's end.
struct Waiter<R> {
    reply: R,
    until: Timestamp,
    new: bool,
}

impl<R> Engine<R> {
    /// An engine over a journal that was just opened: `next_saga` and `secret` are the journal's,
    /// `seed` is for jitter.
    pub fn new(
        settings: Settings,
        definitions: Arc<Definitions>,
        observer: Arc<dyn Observer>,
        next_saga: SagaNo,
        secret: [u8; 32],
        seed: u64,
    ) -> Self {
        let participants = Participants::new(
            &settings.limits,
            &settings.limits_of,
            settings.park_after,
            settings.max_in_flight,
        );
        Self {
            calls: Calls::new(participants, secret, seed, settings.mask.clone()),
            settings,
            definitions,
            observer,
            next_saga,
            sagas: HashMap::new(),
            by_id: HashMap::new(),
            timers: Timers::default(),
            loads: Loads::default(),
            due: DueSearch::default(),
            waiting: HashMap::new(),
            watched: HashMap::new(),
            held: VecDeque::new(),
            draining: false,
            drained: false,
            out: Vec::new(),
        }
    }

    /// Acts on something that happened.
    pub fn handle(&mut self, now: Timestamp, incoming: Incoming<R>) {
        match incoming {
            Incoming::Submit {
                submission,
                id,
                trace,
                wait_until,
                reply,
            } => {
                self.submit(now, *submission, id, trace.as_deref(), wait_until, reply);
            }
            Incoming::Command {
                saga,
                command,
                reply,
            } => self.command(now, saga, command, reply),
            Incoming::Watch { saga } => *self.watched.entry(saga).or_default() += 1,
            Incoming::Unwatch { saga } => self.unwatch(saga),
            Incoming::Appended { saga, result } => self.appended(now, saga, result),
            Incoming::Loaded { key, result } => self.loaded(now, key, result),
            Incoming::DueFound(found) => self.due_found(now, found),
            Incoming::Answered { call, answer } => self.answered(now, call, &answer),
            Incoming::Finished { call, end } => self.finished(now, call, end),
            Incoming::Yielded { saga, run, yielded } => self.yielded(now, saga, run, yielded),
            Incoming::Participants { name, reply } => {
                self.participants(now, name.as_deref(), reply);
            }
            Incoming::SetLimits {
                participant,
                limits,
                reply,
            } => self.set_limits(now, &participant, limits, reply),
            Incoming::Drain => self.draining = true,
        }
    }

    /// Does what has become due, and looks for more work where there is room. Call it after a
    /// batch of [`Engine::handle`] and at [`Engine::wake_at`].
    pub fn tick(&mut self, now: Timestamp) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Saga(no) => {
                    if let Some(flight) = self.sagas.get_mut(&no) {
                        flight.timer_at = None;
                    }
                    self.advance(now, no);
                }
                Timer::Waiter(no) => self.expire_waiters(now, no),
                Timer::Participant(participant) => self.serve_line(now, participant, false),
            }
        }
        self.release_held(now);
        self.find_due(now);
        if self.draining && !self.drained && self.calls.len() == 0 && self.is_saved() {
            self.drained = true;
            self.out.push(Outgoing::Drained);
        }
    }

    /// When [`Engine::tick`] is next needed, if nothing comes in before.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let due = self
            .due
            .wake_at()
            .filter(|_| !self.draining && self.has_room());
        let held = self.held.front().map(|(until, _, _)| *until);
        [self.timers.next(), due, held].into_iter().flatten().min()
    }

    /// Takes everything that is to be done, in order.
    pub fn take_outgoing(&mut self) -> Vec<Outgoing<R>> {
        std::mem::take(&mut self.out)
    }

    /// How many sagas are in memory.
    pub fn in_flight(&self) -> usize {
        self.sagas.len()
    }

    /// How many calls are under way.
    pub fn open_calls(&self) -> usize {
        self.calls.len()
    }

    fn is_saved(&self) -> bool {
        self.sagas.values().all(InFlight::is_saved)
    }

    fn has_room(&self) -> bool {
        self.sagas.len() + self.loads.len() < self.settings.max_in_flight
    }

    /// Asks the core what is next until it has no more to say, takes up the calls that it wants,
    /// and puts what happened on its way to the journal.
    fn advance(&mut self, now: Timestamp, no: SagaNo) {
        let Some(flight) = self.sagas.get_mut(&no) else {
            return;
        };
        flight.in_line = false;
        flight.backlogged = false;
        let is_function = flight.at.definition.function().is_some();
        loop {
            let next = flight.at.saga.decide(now);
            if let Some(event) = next.record {
                let event = copies::evidence(&self.settings.mask, event);
                observe(&*self.observer, &flight.at, now, &event);
                flight.record(now, event);
                continue;
            }
            flight.wake_at = next.wake_at;
            let mut instead = None;
            for task in next.tasks {
                if self.draining {
                    // Not idle: a restart must find it.
                    flight.in_line = true;
                    break;
                }
                let started = if is_function {
                    functions::start(&mut self.calls, flight, task, now).map_err(|input| *input)
                } else {
                    let leg = task.leg();
                    (self.calls.start(flight, task, now)).map_err(|error| {
                        let error = self.settings.mask.text(&error).into_owned();
                        Input::Unmakeable { leg, error }
                    })
                };
                if let Err(input) = started {
                    instead = Some(input);
                    break;
                }
            }
            let Some(input) = instead else {
                break;
            };
            match flight.at.saga.receive(now, input) {
                Ok(Some(event)) => {
                    let event = copies::evidence(&self.settings.mask, event);
                    observe(&*self.observer, &flight.at, now, &event);
                    flight.record(now, event);
                }
                Ok(None) | Err(_) => break,
            }
        }
        if is_function {
            self.drive_run(now, no);
        }
        let Some(flight) = self.sagas.get_mut(&no) else {
            return;
        };
        if let Some(at) = flight.new_timer() {
            self.timers.set(Timer::Saga(no), at);
        }
        self.set_alarms();
        self.flush(now, no);
    }

    /// Sends a saga's unsaved events to the journal, unless an append of its is under way already.
    fn flush(&mut self, now: Timestamp, no: SagaNo) {
        let Some(flight) = self.sagas.get_mut(&no) else {
            return;
        };
        if flight.is_held() {
            return;
        }
        let watched = !self.watched.is_empty() && self.watched.contains_key(&*flight.at.id);
        let park_after = now + self.settings.park_after;
        let append: Option<Append> = flight.take_append(now, park_after, watched);
        if let Some(append) = append {
            self.out.push(Outgoing::Append(append));
        } else {
            self.say_what_needed_no_event(now, no);
            self.forget_if_idle(now, no);
        }
    }

    /// Answers that only waited for an append under way, and have none of their own.
    fn say_what_needed_no_event(&mut self, now: Timestamp, no: SagaNo) {
        let Some(flight) = self.sagas.get_mut(&no) else {
            return;
        };
        if flight.is_saved() {
            for consequence in std::mem::take(&mut flight.then) {
                self.carry_out(now, no, consequence);
            }
        }
    }

    /// The journal has answered: what waited for it may happen now.
    fn appended(&mut self, now: Timestamp, no: SagaNo, result: Result<Appended, AppendRefused>) {
        let Some(flight) = self.sagas.get_mut(&no) else {
            return;
        };
        let Some(saving) = flight.saving.take() else {
            return;
        };
        match result {
            Ok(Appended::Stored { chain }) => {
                flight.chain = chain;
                flight.durable = true;
                let id = Arc::clone(&flight.at.id);
                if !saving.records.is_empty() {
                    self.out.push(Outgoing::Publish {
                        saga: id,
                        records: saving.records,
                    });
                }
                for consequence in saving.then {
                    self.carry_out(now, no, consequence);
                }
                self.answer_waiters(now, no);
                self.run_early(now, no);
                self.flush(now, no);
            }
            Ok(Appended::Exists { saga, same }) => self.drop_duplicate(now, no, saga, same, saving),
            Err(AppendRefused(why)) => self.drop_refused(now, no, &why, saving),
        }
    }

    fn carry_out(&mut self, now: Timestamp, no: SagaNo, consequence: Consequence<R>) {
        match consequence {
            Consequence::Send { call, request } => {
                self.calls.sent(call, now);
                self.out.push(Outgoing::Send { call, request });
            }
            Consequence::Invoke { call, invocation } => {
                self.calls.sent(call, now);
                self.out.push(Outgoing::Invoke { call, invocation });
            }
            Consequence::Launch(launch) => self.launched(now, launch),
            Consequence::Halt(run) => self.out.push(Outgoing::Halt { saga: no, run }),
            Consequence::Reply(reply, answer) => self.out.push(Outgoing::Reply(reply, answer)),
            Consequence::Taken { reply, wait_until } => self.taken(now, no, reply, wait_until),
        }
    }

    /// A participant has answered, or it is known that it will not.
    fn answered(&mut self, now: Timestamp, call: CallId, answer: &Answer) {
        let Some(open) = self.calls.end(call) else {
            return;
        };
        let mut must_ask_again = false;
        if let Some(flight) = self.sagas.get_mut(&open.saga) {
            flight.calls -= 1;
            let elapsed = open.sent_at.map_or(Span::ZERO, |sent_at| now - sent_at);
            let random = self.calls.random();
            let (input, health) = calls::read(flight, &open, answer, random, &self.settings.mask);
            must_ask_again = self.calls.release(&open, health, now);
            if let Ok(Some(event)) = flight.at.saga.receive(now, input) {
                self.observer.answered(&flight.at, &event, elapsed);
                flight.record(now, event);
            }
            self.advance(now, open.saga);
        } else {
            (self.calls).release(&open, (CallHealth::Silent, None), now);
        }
        self.serve_line(now, open.slot.participant, must_ask_again);
    }

    /// Forgets a saga with which nothing is to be done for now; everything of it is durable.
    fn forget_if_idle(&mut self, now: Timestamp, no: SagaNo) {
        let Some(flight) = self.sagas.get(&no) else {
            return;
        };
        if !(flight.is_saved() && flight.is_idle() && flight.early.is_empty()) {
            return;
        }
        let waits_short = flight
            .row
            .wake_at
            .is_some_and(|at| at <= now + self.settings.park_after);
        if waits_short && !flight.backlogged && !flight.row.state.is_settled() {
            return;
        }
        if let Some(wake_at) = flight.row.wake_at {
            self.due.parked(wake_at, no);
        }
        let id = Arc::clone(&flight.at.id);
        let run = self.sagas.remove(&no).and_then(|flight| flight.run);
        self.halt(no, run);
        self.by_id.remove(&id);
        self.loads.forgot(no);
    }

    fn unwatch(&mut self, saga: String) {
        if let std::collections::hash_map::Entry::Occupied(mut entry) = self.watched.entry(saga) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// Tells the observer of what the core decided.
fn observe(observer: &dyn Observer, at: &SagaSnapshot, now: Timestamp, event: &Event) {
    match event {
        Event::Settled { state } => observer.settled(at, *state, now - at.created_at),
        Event::IncidentOpened { leg, kind, .. } => observer.incident(at, *leg, *kind),
        Event::Turned { reason } => observer.turned(at, reason),
        _ => {}
    }
}

impl<R> std::fmt::Debug for Engine<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("sagas", &self.sagas.keys().collect::<Vec<_>>())
            .field("calls", &self.calls.len())
            .field("loads", &self.loads.len())
            .field("due", &self.due)
            .field("wake_at", &self.wake_at())
            .finish_non_exhaustive()
    }
}
