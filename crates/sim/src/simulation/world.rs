//! One run: the real engine and the real group commit, on one thread, in virtual time, in a world
//! in which everything else goes wrong by the seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use settled::definition::Definitions;
use settled::engine::{
    BreakerLimits, CallId, Command, Engine, Incoming, Limits, Outgoing, Settings,
};
use settled::function::Registry;
use settled::participant::Answer;
use settled_journal::{Committer, Keeper, MemoryJournal, SagaFilter, SagaKey, SagaNo};
use settled_protocol::{Answered, Json, LegId, SagaState, Span, Timestamp};

use super::agenda::{Agenda, Found, Happening, Question};
use super::document;
use super::faults::{Fault, Faults};
use super::participant::{Call, Participants, Planned, respond};
use super::runs::Runs;
use super::store::{Luck, strikes};
use super::wire::Wire;
use super::{script, scripted};

/// Where virtual time begins.
const DAWN: Timestamp = Timestamp(1_700_000_000_000_000);

/// How long things go wrong.
const CHAOS: Span = Span::from_secs(40);

/// How long after that everything must have ended.
const PATIENCE: Span = Span::from_secs(60 * 3_600);

/// A run that does more than this has lost its way.
const MAX_HAPPENINGS: u64 = 400_000;

/// More sagas than any run has.
pub(super) const MANY: usize = 10_000;

/// A request that left the coordinator.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) saga: String,
    pub(super) leg: LegId,
    pub(super) number: u32,
    pub(super) is_check: bool,
    pub(super) at: Timestamp,
}

/// What somebody was told.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) saga: String,
    pub(super) at: Timestamp,
    pub(super) told: crate::auditor::Told,
}

/// A saga that a client wants.
pub(super) struct Order {
    pub(super) id: String,
    pub(super) document: Vec<u8>,
    pub(super) other: Vec<u8>,
    pub(super) acknowledged: bool,
}

/// Who asked for something, to be told what came of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    Client {
        order: usize,
        other: bool,
    },
    Canceller(usize),
    /// One of nobody's orders where a saga started it.
    Person {
        order: Option<usize>,
        incident: u32,
    },
    /// A closure that waits for a saga of its own.
    Apart {
        call: CallId,
        slot: u64,
    },
    Participant,
}

/// Everything there is in a run.
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) rng: Rng,
    pub(super) luck: Luck,
    pub(super) agenda: Agenda,
    pub(super) disk: MemoryJournal,
    pub(super) life: u32,
    pub(super) coordinator: Option<Coordinator>,
    pub(super) definitions: Arc<Definitions>,
    /// The program's functions, and the wire to their closures.
    pub(super) registry: Arc<Registry<Wire>>,
    pub(super) wire: Wire,
    /// Whether this seed's sagas may be functions.
    has_functions: bool,
    pub(super) settings: Settings,
    pub(super) participants: Participants,
    pub(super) orders: Vec<Order>,
    pub(super) askers: BTreeMap<u64, Asker>,
    pub(super) next_asker: u64,
    pub(super) sent: Vec<Sent>,
    pub(super) heard: Vec<Heard>,
    pub(super) surprises: Vec<String>,
    pub(super) happenings: u64,
    /// A digest of everything that the engine did: the same seed must give the same.
    pub(super) trace: u64,
    pub(super) tick_at: Option<Timestamp>,
}

/// The coordinator while it lives.
pub(super) struct Coordinator {
    pub(super) engine: Engine<u64>,
    pub(super) committer: Committer<SagaNo>,
    pub(super) commit_is_due: bool,
    pub(super) runs: Runs,
}

/// What participants may be asked to bear on this day: seldom much.
fn limits(rng: &mut Rng) -> Limits {
    let breaker = rng.bool().then(|| BreakerLimits {
        failures: rng.u32(1..6),
        first_pause: Span::from_millis(i64::from(rng.u32(10..3_000))),
        max_pause: Span::from_secs(i64::from(rng.u32(3..60))),
    });
    Limits {
        max_concurrent: rng.u32(1..6),
        max_per_second: (rng.u32(0..3) == 0).then(|| 0.2 + 20.0 * rng.f64()),
        breaker,
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let faults = Faults::draw(&mut rng);
        let luck: Luck = Arc::new(Mutex::new((faults, Rng::with_seed(rng.u64(..)))));
        let settings = Settings {
            max_in_flight: rng.usize(1..12),
            limits: limits(&mut rng),
            limits_of: BTreeMap::new(),
            park_after: Span::from_millis(i64::from(rng.u32(50..2_000))),
            ..Settings::default()
        };
        let wire = Wire::new(Arc::clone(&luck));
        let registry = scripted::registry(&wire);
        let mut world = Self {
            has_functions: has_functions(seed),
            now: DAWN,
            luck,
            agenda: Agenda::default(),
            disk: MemoryJournal::new(),
            life: 0,
            coordinator: None,
            definitions: Arc::new(Definitions::with_functions(registry.definitions())),
            registry,
            wire,
            settings,
            participants: Participants::default(),
            orders: Vec::new(),
            askers: BTreeMap::new(),
            next_asker: 0,
            sent: Vec::new(),
            heard: Vec::new(),
            surprises: Vec::new(),
            happenings: 0,
            trace: 0xcbf2_9ce4_8422_2325,
            tick_at: None,
            rng,
        };
        world.plan_the_day();
        world
    }

    fn plan_the_day(&mut self) {
        self.later(Span::ZERO, Happening::Start);
        self.later(Span::from_secs(2), Happening::People);
        for order in 0..self.rng.usize(1..=10) {
            let id = format!("order-{order}");
            let document = if self.has_functions && self.rng.f64() < 0.85 {
                script::random(&id, &mut self.rng)
            } else {
                document::random(&id, &mut self.rng)
            };
            let mut other = document.clone();
            other["input"]["amount"] = 0.into();
            self.orders.push(Order {
                id,
                document: document.to_string().into_bytes(),
                other: other.to_string().into_bytes(),
                acknowledged: false,
            });
            let at = Span(self.rng.i64(0..CHAOS.0 / 2));
            self.later(at, Happening::Submit(order));
            if self.strikes(Fault::SubmittedTwice) {
                let again = at + Span::from_millis(i64::from(self.rng.u32(0..3_000)));
                self.later(again, Happening::Submit(order));
            }
            if self.strikes(Fault::Cancelled) {
                let then = at + Span::from_millis(i64::from(self.rng.u32(0..5_000)));
                self.later(then, Happening::Cancel(order));
            }
        }
    }

    /// Lets the day pass: first chaos, then quiet, until everything has ended.
    pub(super) fn run(&mut self) {
        while let Some((at, happening)) = self.agenda.next() {
            self.now = self.now.max(at);
            self.happenings += 1;
            if !self.is_healed() && self.now > DAWN + CHAOS {
                self.heal();
            }
            self.happen(happening);
            self.move_on();
            let over = self.is_healed() && self.happenings.is_multiple_of(64) && self.has_ended();
            if over || self.now > DAWN + CHAOS + PATIENCE || self.happenings > MAX_HAPPENINGS {
                break;
            }
        }
        self.surprises.append(&mut self.participants.complaints);
    }

    pub(super) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tick => self.tick_at = None,
            Happening::Start => self.start(),
            Happening::Commit { life } => self.commit(life),
            Happening::Submit(order) => self.submit(order),
            Happening::Cancel(order) => self.cancel(order),
            Happening::People => self.people(),
            Happening::Act {
                life,
                call,
                what,
                answer,
            } => {
                let response = {
                    let mut luck = self.luck.lock().unwrap_or_else(PoisonError::into_inner);
                    let (faults, rng) = &mut *luck;
                    self.participants.act(&what, self.now, faults, rng)
                };
                if answer {
                    self.answer(life, call, Answer::Responded(response));
                }
            }
            Happening::Answer { life, call, answer } => {
                self.answer(life, call, answer);
            }
            Happening::Poll { life, saga } => self.poll_run(life, saga),
            Happening::Ring { life, slot, saga } => self.ring(life, slot, saga),
            Happening::Callback { what, tries } => self.call_back(what, tries),
            Happening::Read { life, question } => self.read(life, question),
            Happening::Found { life, found } => {
                let incoming = match found {
                    Found::Saga { key, result } => Incoming::Loaded { key, result },
                    Found::Due(found) => Incoming::DueFound(found),
                };
                self.tell(life, incoming);
            }
        }
    }

    /// Carries out what the engine wants, and perhaps kills it on the way.
    fn move_on(&mut self) {
        let Some(coordinator) = &mut self.coordinator else {
            return;
        };
        coordinator.engine.tick(self.now);
        let outgoing = coordinator.engine.take_outgoing();
        if !outgoing.is_empty() && self.strikes(Fault::Crash) {
            // What was wanted and not begun is lost; part of it may have been begun.
            let begun = self.rng.usize(0..=outgoing.len());
            for wish in outgoing.into_iter().take(begun) {
                if self.coordinator.is_some() {
                    self.carry_out(wish);
                }
            }
            if self.coordinator.is_some() {
                self.crash();
            }
            return;
        }
        let life = self.life;
        for wish in outgoing {
            // It may have died in a closure.
            if self.coordinator.is_some() && self.life == life {
                self.carry_out(wish);
            }
        }
        let Some(coordinator) = &self.coordinator else {
            return;
        };
        if let Some(at) = coordinator.engine.wake_at() {
            let at = at.max(self.now + Span(1));
            if self.tick_at.is_none_or(|set| at < set) {
                self.tick_at = Some(at);
                self.agenda.add(at, Happening::Tick, &mut self.rng);
            }
        }
    }

    fn carry_out(&mut self, wish: Outgoing<u64>) {
        match wish {
            Outgoing::Append(append) => {
                self.note(&format!(
                    "append {} {}",
                    append.saga.0,
                    append.records.len()
                ));
                let slow = self.strikes(Fault::SlowCommit);
                let Some(coordinator) = &mut self.coordinator else {
                    return;
                };
                coordinator.committer.push(append.saga, append);
                if !coordinator.commit_is_due {
                    coordinator.commit_is_due = true;
                    let millis = if slow {
                        self.rng.u32(100..3_000)
                    } else {
                        self.rng.u32(0..5)
                    };
                    let life = self.life;
                    self.later(
                        Span::from_millis(i64::from(millis)),
                        Happening::Commit { life },
                    );
                }
            }
            Outgoing::Send { call, request } => self.send(call, &request),
            Outgoing::Reply(asker, reply) => self.hear(asker, reply),
            Outgoing::Load(key) => self.ask(Question::Load(key)),
            Outgoing::FindDue {
                after,
                until,
                limit,
            } => {
                self.ask(Question::Due {
                    after,
                    until,
                    limit,
                });
            }
            Outgoing::Launch(launch) => self.launch(&launch),
            Outgoing::Resume { saga, run, told } => self.resume(saga, run, told),
            Outgoing::Invoke { call, invocation } => self.invoke(call, invocation),
            Outgoing::Stop { saga, run } => self.stop(saga, run, false),
            Outgoing::Halt { saga, run } => self.stop(saga, run, true),
            Outgoing::Publish { .. } | Outgoing::Drained => {}
        }
    }

    fn send(&mut self, call: CallId, request: &settled::participant::Request) {
        let Some(what) = Call::read(request) else {
            self.surprises.push(format!(
                "a request that no participant understands: {request:?}"
            ));
            return;
        };
        self.send_call(call, what);
    }

    /// A call leaves the coordinator.
    pub(super) fn send_call(&mut self, call: CallId, what: Call) {
        self.note(&format!(
            "send {} {} {}",
            what.key, what.number, what.is_check
        ));
        self.sent.push(Sent {
            saga: what.saga.clone(),
            leg: what.leg,
            number: what.number,
            is_check: what.is_check,
            at: self.now,
        });
        let plan = {
            let mut luck = self.luck.lock().unwrap_or_else(PoisonError::into_inner);
            let (faults, rng) = &mut *luck;
            self.participants.plan(&what, self.now, faults, rng)
        };
        let life = self.life;
        let what = Box::new(what);
        let answers_by_acting = matches!(plan.answer, Planned::Result);
        if let Some(at) = plan.act_at {
            let act = Happening::Act {
                life,
                call,
                what: what.clone(),
                answer: answers_by_acting,
            };
            self.agenda.add(at, act, &mut self.rng);
        }
        let answer = match plan.answer {
            Planned::Result => None,
            Planned::Accepted => Some(respond(202, &serde_json::json!({}))),
            Planned::Fixed(answer) => Some(answer),
        };
        if let Some(answer) = answer {
            let answer = Happening::Answer { life, call, answer };
            self.agenda.add(plan.answer_at, answer, &mut self.rng);
        }
        for at in plan.callbacks {
            let callback = Happening::Callback {
                what: what.clone(),
                tries: 0,
            };
            self.agenda.add(at, callback, &mut self.rng);
        }
    }

    /// The coordinator gets an answer, by its own hands or by a closure.
    fn answer(&mut self, life: u32, call: CallId, answer: Answer) {
        let alive = self.coordinator.as_ref().filter(|_| life == self.life);
        let Some(coordinator) = alive else {
            return;
        };
        if coordinator.runs.has_call(call) {
            self.answer_closure(call, answer);
        } else {
            self.tell(life, Incoming::Answered { call, answer });
        }
    }

    fn call_back(&mut self, what: Box<Call>, tries: u32) {
        // The participant knows what came of it before it says so.
        let refused = self.participants.refused(&what.key);
        let outcome = match (self.participants.happened(&what.key), refused) {
            (Some(result), _) => Some((Answered::Done, Json::from(result.clone()))),
            (None, true) => Some((Answered::Refused, Json::null())),
            (None, false) => None,
        };
        let alive = self.coordinator.is_some();
        if let (Some((outcome, result)), true) = (outcome, alive) {
            let asker = self.asker(Asker::Participant);
            let leg = what.leg;
            // The step that records a result gives back nothing.
            let gives = !what.key.contains("/record/");
            let result = if gives { result } else { Json::null() };
            let command = Command::Callback {
                leg,
                outcome,
                result,
            };
            let saga = what.saga.clone();
            self.tell(
                self.life,
                Incoming::Command {
                    saga,
                    command,
                    reply: asker,
                },
            );
        }
        if (!alive || outcome_is_missing(&self.participants, &what.key)) && tries < 20 {
            let again = Happening::Callback {
                what,
                tries: tries + 1,
            };
            self.later(Span::from_millis(500), again);
        }
    }

    /// Everybody who was wronged is made whole: no more faults, the coordinator is up, clients who
    /// were never answered ask once more.
    fn heal(&mut self) {
        self.luck
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .heal();
        self.start();
        for order in 0..self.orders.len() {
            if !self.orders[order].acknowledged {
                self.later(Span::from_secs(1), Happening::Submit(order));
            }
        }
    }

    fn has_ended(&self) -> bool {
        let Ok(mut reader) = self.disk.reader() else {
            return false;
        };
        let mut there = |order: &Order| matches!(reader.load(SagaKey::Id(&order.id)), Ok(Some(_)));
        if !self.orders.iter().all(&mut there) {
            return false;
        }
        let Ok(page) = reader.list(&SagaFilter::default(), None, MANY) else {
            return false;
        };
        let mut sagas = page.items.into_iter().flatten();
        sagas.all(|saga| saga.state.is_settled())
    }

    pub(super) fn is_healed(&self) -> bool {
        self.luck
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .is_healed()
    }

    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        strikes(&self.luck, fault)
    }

    pub(super) fn later(&mut self, wait: Span, what: Happening) {
        self.agenda.add(self.now + wait, what, &mut self.rng);
    }

    pub(super) fn asker(&mut self, asker: Asker) -> u64 {
        self.next_asker += 1;
        self.askers.insert(self.next_asker, asker);
        self.next_asker
    }

    pub(super) fn tell(&mut self, life: u32, incoming: Incoming<u64>) {
        if life == self.life
            && let Some(coordinator) = &mut self.coordinator
        {
            coordinator.engine.handle(self.now, incoming);
        }
    }

    /// Adds to the digest of what the engine did.
    pub(super) fn note(&mut self, what: &str) {
        for byte in what.bytes().chain(self.now.0.to_le_bytes()) {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn ledger(&self) -> &[super::participant::Entry] {
        &self.participants.ledger
    }

    pub(super) fn fired(&self) -> super::faults::Fired {
        self.luck
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .fired
            .clone()
    }

    /// What the engine holds, for whoever looks for a mistake.
    pub(super) fn engine(&self) -> String {
        self.coordinator
            .as_ref()
            .map_or_else(String::new, |alive| format!("{:?}", alive.engine))
    }

    /// The final states, for counting.
    pub(super) fn states(&self) -> Vec<SagaState> {
        let Ok(mut reader) = self.disk.reader() else {
            return Vec::new();
        };
        let load = |order: &Order| reader.load(SagaKey::Id(&order.id)).ok().flatten();
        self.orders
            .iter()
            .filter_map(load)
            .map(|saga| saga.state)
            .collect()
    }
}

/// Whether a seed's sagas may be functions. Those that may not are as they were before there were
/// functions, the seeds of the bank among them.
const fn has_functions(seed: u64) -> bool {
    matches!(seed % 10, 1 | 2 | 7 | 8)
}

fn outcome_is_missing(participants: &Participants, key: &str) -> bool {
    participants.happened(key).is_none() && !participants.refused(key)
}
