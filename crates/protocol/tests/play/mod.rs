//! Plays an arbitrary order of events on the bench and looks after every one of them.
//!
//! Looking means: the auditor finds nothing, the fold of the records is the state, what is final
//! stays, and deciding comes to rest.

#![allow(clippy::unwrap_used, reason = "a play that breaks is a failed test")]

use settled_protocol::{
    Answered, Decision, Finding, Input, LegId, Outcome, Reason, Refusal, SagaState, Span, Task,
    Timestamp,
};

use crate::auditor::{LedgerEntry, Run, SagaEvidence, Send, audit};
use crate::support::arbitrary::Move;
use crate::support::world::World;
use crate::support::{Bench, answer, replay};

/// An answer that is still to come.
#[derive(Clone, Copy)]
enum Flight {
    Attempt(LegId, u32, Outcome, Timestamp),
    Check(LegId, u32, Finding),
}

/// A saga being played.
pub(crate) struct Play {
    pub(crate) bench: Bench,
    /// Participants that keep their word; without them anything is answered.
    world: Option<World>,
    flights: Vec<Flight>,
    past: Vec<Input>,
    sends: Vec<(LegId, u32, bool, Timestamp)>,
    seen: usize,
    settled: Option<SagaState>,
    reason: Option<Reason>,
    decisions: u32,
}

impl Play {
    pub(crate) fn new(bench: Bench, world: Option<World>) -> Self {
        Self {
            bench,
            world,
            flights: Vec::new(),
            past: Vec::new(),
            sends: Vec::new(),
            seen: 0,
            settled: None,
            reason: None,
            decisions: 0,
        }
    }

    /// One thing happens.
    pub(crate) fn play(&mut self, (what, which, how): Move) {
        match what % 16 {
            0..=3 => self.begin(which, how),
            4..=7 => self.land(which, how),
            8 | 9 => self.pass_time(how),
            10 => self.callback(which, how),
            11 if how < 40 => self.input(Input::Cancel {
                by: "ann".to_owned(),
            }),
            12 => self.decide(which, how),
            13 if how < 128 => self.restart(),
            14 => self.repeat(which),
            15 if how < 30 => self.unmakeable(which),
            _ => {}
        }
        self.look();
    }

    fn due(&mut self) -> Vec<Task> {
        let next = self.bench.next();
        self.look();
        next.tasks
    }

    fn begin(&mut self, which: u8, how: u8) {
        let due = self.due();
        let Some(task) = due.get(usize::from(which) % due.len().max(1)).copied() else {
            return;
        };
        let number = self.bench.begin(task);
        self.look();
        let (leg, now) = (task.leg(), self.bench.now);
        let is_check = matches!(task, Task::Check(_));
        self.sends.push((leg, number, is_check, now));
        self.flights.push(match (task, &mut self.world) {
            (Task::Attempt(_), Some(world)) => {
                Flight::Attempt(leg, number, world.send(leg, number, now, how), now)
            }
            (Task::Attempt(_), None) => {
                let outcome = Outcome::ALL[usize::from(how) % Outcome::ALL.len()];
                Flight::Attempt(leg, number, outcome, now)
            }
            (Task::Check(_), Some(world)) => Flight::Check(leg, number, world.ask(leg, now, how)),
            (Task::Check(_), None) => {
                let findings = [
                    Finding::Happened,
                    Finding::DidNotHappen,
                    Finding::Inconclusive,
                ];
                Flight::Check(leg, number, findings[usize::from(how) % 3])
            }
        });
    }

    fn land(&mut self, which: u8, how: u8) {
        if self.flights.is_empty() {
            return;
        }
        let random = u64::from(how) << 56;
        let place = usize::from(which) % self.flights.len();
        let input = match self.flights.remove(place) {
            Flight::Attempt(leg, attempt, outcome, sent_at) => Input::Answer {
                leg,
                attempt,
                answer: answer(outcome),
                sent_at: Some(sent_at),
                retry_after: (how < 20).then_some(Span::from_secs(7)),
                random,
            },
            Flight::Check(leg, check, finding) => Input::Finding {
                leg,
                check,
                finding,
                answer: answer(Outcome::Done),
                random,
            },
        };
        self.past.push(input.clone());
        self.bench.input(input).unwrap();
    }

    fn pass_time(&mut self, how: u8) {
        let wake = self.bench.next().wake_at;
        self.look();
        self.bench.now = match how % 4 {
            0 => self.bench.now + Span::from_millis(i64::from(how)),
            1 => self.bench.now + Span::from_secs(i64::from(how)),
            // A clock that is set back; participants that keep their word go by it too.
            2 if self.world.is_none() => Timestamp(self.bench.now.0 - i64::from(how) * 10_000),
            _ => wake.unwrap_or(self.bench.now).max(self.bench.now),
        };
        let now = self.bench.now;
        if let Some(world) = &mut self.world {
            world.advance(now);
        }
    }

    fn callback(&mut self, which: u8, how: u8) {
        let now = self.bench.now;
        let said = if let Some(world) = &mut self.world {
            world.carry_out(now)
        } else {
            let steps = self.bench.plan.steps.len() as u16;
            let step = u16::from(which) % steps;
            let leg = [LegId::action(step), LegId::compensation(step)][usize::from(how % 2)];
            let said = if how < 128 {
                Answered::Done
            } else {
                Answered::Refused
            };
            Some((leg, said))
        };
        if let Some((leg, outcome)) = said {
            self.input(Input::Callback {
                leg,
                outcome,
                result: settled_protocol::Json::null(),
                random: u64::from(how) << 56,
            });
        }
    }

    /// Something that may come when it makes no sense any more.
    fn input(&mut self, input: Input) {
        match self.bench.input(input) {
            Ok(_)
            | Err(
                Refusal::NeverCalled
                | Refusal::PastPivot
                | Refusal::Settled
                | Refusal::Unfit(_)
                | Refusal::AlreadyResolved
                | Refusal::NoIncident,
            ) => {}
            Err(refusal) => panic!("{refusal}\n{}", self.bench.history()),
        }
    }

    fn decide(&mut self, which: u8, how: u8) {
        let count = self.bench.saga.incidents().len();
        if count == 0 {
            return;
        }
        let index = usize::from(which) % count;
        let mut decision = Decision::ALL[usize::from(how) % Decision::ALL.len()];
        if let Some(world) = &mut self.world {
            // People who look before they decide; what is on its way has time to arrive.
            self.bench.now = self.bench.now + Span::from_secs(60);
            world.put_to_rest(self.bench.now);
            let effect = world.has_effect(self.bench.saga.incidents()[index].leg);
            let truth = if effect {
                Decision::Done
            } else {
                Decision::NotDone
            };
            if matches!(decision, Decision::Done | Decision::NotDone) {
                decision = truth;
            }
        }
        self.resolve(index as u32 + 1, decision);
    }

    fn resolve(&mut self, incident: u32, decision: Decision) {
        match self.bench.resolve(incident, decision) {
            Ok(_) | Err(Refusal::AlreadyResolved | Refusal::Unfit(_)) => {}
            Err(refusal) => panic!("{refusal}\n{}", self.bench.history()),
        }
    }

    fn restart(&mut self) {
        self.flights.clear();
        self.bench.restart();
    }

    /// An answer that was taken once is not taken again.
    fn repeat(&mut self, which: u8) {
        if self.past.is_empty() {
            return;
        }
        let input = self.past[usize::from(which) % self.past.len()].clone();
        assert_eq!(self.bench.input(input), Err(Refusal::Stale));
    }

    fn unmakeable(&mut self, which: u8) {
        let due = self.due();
        if let Some(task) = due.get(usize::from(which) % due.len().max(1)) {
            let leg = task.leg();
            let error = "the template fails".to_owned();
            self.bench.input(Input::Unmakeable { leg, error }).unwrap();
        }
    }

    /// The chaos is over: participants answer, and people decide. Then there must be an end.
    pub(crate) fn heal(&mut self) {
        for _ in 0..1_000 {
            let next = self.bench.next();
            self.look();
            if let Some(task) = next.tasks.first() {
                let attempts = self.bench.saga.attempts(task.leg());
                // Lets requests through and questions be answered.
                self.begin(
                    0,
                    if self.world.is_some() {
                        7
                    } else {
                        attempts as u8
                    },
                );
            } else if !self.flights.is_empty() {
                self.land(0, 128);
            } else if let Some((leg, outcome)) = self.carry_out() {
                self.input(Input::Callback {
                    leg,
                    outcome,
                    result: settled_protocol::Json::null(),
                    random: 0,
                });
            } else if let Some(at) = next.wake_at {
                assert!(at > self.bench.now, "no rest\n{}", self.bench.history());
                self.bench.now = at;
            } else if let Some(index) = self.open_incident() {
                self.decisions += 1;
                let how = if self.decisions > 12 { 3 } else { 1 };
                self.decide(index as u8, how);
            } else {
                self.look_at_all(true);
                assert!(
                    self.bench.saga.settled().is_some(),
                    "it rests, unsettled\n{}",
                    self.bench.history()
                );
                return;
            }
            self.look();
        }
        panic!("it does not come to an end\n{}", self.bench.history());
    }

    fn carry_out(&mut self) -> Option<(LegId, Answered)> {
        let now = self.bench.now;
        self.world.as_mut().and_then(|world| world.carry_out(now))
    }

    fn open_incident(&self) -> Option<usize> {
        let mut incidents = self.bench.saga.incidents().iter();
        incidents.position(|incident| incident.open)
    }

    /// Everything that must hold after every event.
    fn look(&mut self) {
        let saga = &self.bench.saga;
        let history = || self.bench.history();
        let next = saga.decide(self.bench.now);
        assert_eq!(next, saga.decide(self.bench.now), "deciding is no function");
        if next.record.is_some() {
            assert!(next.tasks.is_empty() && next.wake_at.is_none());
        }
        for (index, task) in next.tasks.iter().enumerate() {
            let others = &next.tasks[..index];
            assert!(
                others.iter().all(|other| other.leg() != task.leg()),
                "{}",
                history()
            );
        }
        let at_rest = next.record.is_none() && next.tasks.is_empty() && !saga.has_calls();
        let deadline = saga.deadline_at().filter(|_| !saga.has_turned());
        let only_deadline = next.wake_at.is_none() || next.wake_at == deadline;
        let open = self.open_incident().is_some();
        let state = saga.state(self.bench.now);
        if saga.settled().is_none() {
            let stuck = at_rest && open && only_deadline;
            assert_eq!(state == SagaState::Stuck, stuck, "{}", history());
            let limbo = at_rest && !open && next.wake_at.is_none();
            assert!(!limbo, "nothing to do and nobody asked\n{}", history());
        }
        assert_eq!(saga.steps().count(), self.bench.plan.steps.len());
        if self.seen == self.bench.records.len() {
            return;
        }
        self.seen = self.bench.records.len();
        if self.settled.is_some() {
            assert_eq!(
                saga.settled(),
                self.settled,
                "an end that changed\n{}",
                history()
            );
        }
        if self.reason.is_some() {
            assert_eq!(saga.reason(), self.reason.as_ref(), "{}", history());
        }
        (self.settled, self.reason) = (saga.settled(), saga.reason().cloned());
        let folded = replay(&self.bench.plan, &self.bench.records);
        assert_eq!(&folded, saga, "the fold is another state\n{}", history());
        self.look_at_all(false);
    }

    fn look_at_all(&self, healed: bool) {
        let steps: Vec<_> = (0..self.bench.plan.steps.len() as u16).collect();
        let saga = "s";
        let books = self.world.as_ref().map_or(&[][..], |world| &world.books);
        let run = Run {
            sagas: vec![SagaEvidence {
                id: saga,
                plan: &self.bench.plan,
                records: &self.bench.records,
                row: None,
                epochs: &[],
                liars: if self.world.is_some() { &[] } else { &steps },
            }],
            acks: Vec::new(),
            sends: self
                .sends
                .iter()
                .map(|(leg, number, is_check, at)| Send {
                    saga,
                    leg: *leg,
                    number: *number,
                    is_check: *is_check,
                    at: *at,
                })
                .collect(),
            ledger: books
                .iter()
                .map(|(leg, attempt, at, effect)| LedgerEntry {
                    key: None,
                    saga,
                    leg: *leg,
                    attempt: *attempt,
                    at: *at,
                    effect: *effect,
                })
                .collect(),
            healed,
        };
        let found = audit(&run);
        assert!(
            found.is_empty(),
            "{}\n{}\n{books:?}",
            found[0],
            self.bench.history()
        );
    }
}
