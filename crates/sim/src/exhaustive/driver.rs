//! Drives one case from its submission to its end: the smallest engine there can be.
//!
//! The journal is a list, time jumps to whatever is next, and a crash forgets everything but the
//! journal. It does what any engine must do with the core, and nothing more.

use std::sync::Arc;

use settled_protocol::{
    Answered, Decision, Event, Finding, Input, LegId, Outcome, Plan, Record, Refusal, Resolution,
    Saga, SagaState, Span, Task, Timestamp,
};

use super::case::{Case, Chaos};
use super::coverage::Coverage;
use super::stationery::Stationery;
use super::world::World;

/// Enough for any case; one that needs more does not come to an end.
const MOST_STEPS: u32 = 1_000;
/// How long people take.
const PERSON_TAKES: Span = Span::from_secs(3_600);

/// An answer on its way back.
#[derive(Clone, Copy)]
pub(super) enum Flight {
    Attempt(LegId, u32, Outcome, Timestamp),
    Check(LegId, u32, Finding),
}

/// One case on its way.
#[derive(Clone)]
pub(crate) struct Driver<'a> {
    pub(super) case: &'a Case,
    pub(super) stationery: &'a Stationery,
    pub(super) plan: Arc<Plan>,
    pub(super) saga: Saga,
    pub(super) records: Vec<Record>,
    pub(super) sends: Vec<(LegId, u32, bool, Timestamp)>,
    pub(super) told: Vec<(Timestamp, SagaState)>,
    pub(super) world: World,
    pub(super) flights: Vec<Flight>,
    pub(super) answered: Vec<Input>,
    pub(super) now: Timestamp,
    pub(super) boundary: u32,
    pub(super) crashes: u32,
    pub(super) steps: u32,
    pub(super) decisions: [u32; 8],
}

/// What a run came to.
pub(crate) struct Ended {
    /// How many boundaries were passed before people had to do with it.
    pub(crate) boundaries: u32,
    /// How many ways it was driven to an end.
    pub(crate) ends: u64,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(case: &'a Case, stationery: &'a Stationery) -> Self {
        let plan = Arc::new(case.plan());
        Self {
            case,
            stationery,
            saga: Saga::new(Arc::clone(&plan)),
            plan,
            records: Vec::with_capacity(32),
            sends: Vec::new(),
            told: Vec::new(),
            world: World::new(case),
            flights: Vec::new(),
            answered: Vec::new(),
            now: Timestamp(1_000_000_000),
            boundary: 0,
            crashes: 0,
            steps: 0,
            decisions: [0; 8],
        }
    }

    /// Drives the case to every end that people can bring it to.
    pub(crate) fn run(mut self, coverage: &mut Coverage) -> Result<Ended, String> {
        let deadline_at = match self.case.chaos {
            Chaos::Deadline(after) => Some(self.now + after),
            _ => None,
        };
        let event = Event::Submitted {
            deadline_at,
            trace: None,
        };
        self.record(event, coverage)?;
        self.rest(coverage)?;
        let boundaries = self.boundary;
        let mut ends = 0;
        self.finish(true, coverage, &mut ends)?;
        Ok(Ended { boundaries, ends })
    }

    /// From rest to the end. The first decision is tried in every way; the later ones are what a
    /// person would truthfully decide.
    fn finish(
        mut self,
        tries_all: bool,
        coverage: &mut Coverage,
        ends: &mut u64,
    ) -> Result<(), String> {
        self.audit(true)?;
        let open = self
            .saga
            .incidents()
            .iter()
            .position(|incident| incident.open);
        let Some(index) = open else {
            *ends += 1;
            return match self.saga.settled() {
                Some(_) => Ok(()),
                None => Err(self.fails("it rests, unsettled and without an incident")),
            };
        };
        let expected = self.saga.settled().unwrap_or(SagaState::Stuck);
        if self.saga.state(self.now) != expected {
            return Err(self.fails("it rests on an incident and is not stuck"));
        }
        self.now = self.now + PERSON_TAKES;
        self.world.advance(self.now);
        let number = index as u32 + 1;
        if tries_all {
            for decision in Decision::ALL {
                let mut other = self.clone();
                match other.resolve(number, *decision, coverage) {
                    Ok(()) => {
                        other.rest(coverage)?;
                        other.finish(false, coverage, ends)?;
                    }
                    Err(Ok(Refusal::Unfit(_))) => coverage.unfit += 1,
                    Err(Ok(refusal)) => return Err(self.fails(&refusal.to_string())),
                    Err(Err(failure)) => return Err(failure),
                }
            }
            return Ok(());
        }
        let leg = self.saga.incidents()[index].leg;
        let decided = &mut self.decisions
            [usize::from(leg.step) * 2 + usize::from(leg != LegId::action(leg.step))];
        *decided += 1;
        let decision = match *decided {
            3.. => Decision::Abandon,
            _ if self.world.has_effect(leg) => Decision::Done,
            _ => Decision::NotDone,
        };
        match self.resolve(number, decision, coverage) {
            Ok(()) => {}
            Err(Ok(refusal)) => return Err(self.fails(&refusal.to_string())),
            Err(Err(failure)) => return Err(failure),
        }
        self.rest(coverage)?;
        self.finish(false, coverage, ends)
    }

    fn resolve(
        &mut self,
        incident: u32,
        decision: Decision,
        coverage: &mut Coverage,
    ) -> Result<(), Result<Refusal, String>> {
        let input = Input::Resolve {
            incident,
            resolution: Resolution {
                decision,
                note: "seen".to_owned(),
                by: "ann".to_owned(),
                result: None,
                body: None,
            },
        };
        let event = self.saga.receive(self.now, input).map_err(Ok)?;
        let event = event.ok_or_else(|| Err(self.fails("a decision was ignored")))?;
        self.record(event, coverage).map_err(Err)
    }

    /// Goes on until only people can do something, or nothing is left to do.
    fn rest(&mut self, coverage: &mut Coverage) -> Result<(), String> {
        loop {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return Err(self.fails("it does not come to rest"));
            }
            let next = self.saga.decide(self.now);
            coverage.state(self.saga.state(self.now));
            if let Some(event) = next.record {
                self.record(event, coverage)?;
                continue;
            }
            if !next.tasks.is_empty() {
                for task in next.tasks {
                    self.begin(task, coverage)?;
                }
                continue;
            }
            if !self.flights.is_empty() {
                let place = if self.case.last_first {
                    self.flights.len() - 1
                } else {
                    0
                };
                self.land(place, coverage)?;
                continue;
            }
            let callback = self.world.next_callback();
            if let Some(at) = [next.wake_at, callback].into_iter().flatten().min() {
                if at <= self.now && callback.is_none_or(|callback| callback > self.now) {
                    return Err(self.fails("it wants to be woken now and has nothing to do"));
                }
                self.now = self.now.max(at);
                self.world.advance(self.now);
                if let Some((leg, outcome)) = self.world.callback(self.now) {
                    self.callback(leg, outcome, coverage)?;
                }
                continue;
            }
            self.told.push((self.now, self.saga.state(self.now)));
            return Ok(());
        }
    }

    fn begin(&mut self, task: Task, coverage: &mut Coverage) -> Result<(), String> {
        let leg = task.leg();
        // What happened at a boundary may have overtaken the decision.
        if self
            .saga
            .decide(self.now)
            .tasks
            .iter()
            .all(|due| *due != task)
        {
            return Ok(());
        }
        let request = Arc::clone(&self.stationery.request);
        let is_unmakeable = self.world.fate(leg) == super::case::Fate::Unmakeable;
        if is_unmakeable && matches!(task, Task::Attempt(_)) {
            let error = "the template fails".to_owned();
            return self
                .input(Input::Unmakeable { leg, error }, coverage)
                .map(drop);
        }
        let crashes = self.crashes;
        let is_check = matches!(task, Task::Check(_));
        let number = match task {
            Task::Attempt(_) => self.saga.attempts(leg) + 1,
            Task::Check(_) => self.saga.checks(leg) + 1,
        };
        self.record(
            match task {
                Task::Attempt(_) => Event::AttemptStarted {
                    leg,
                    attempt: number,
                    request,
                },
                Task::Check(_) => Event::CheckStarted {
                    leg,
                    check: number,
                    request,
                },
            },
            coverage,
        )?;
        if self.crashes != crashes {
            return Ok(());
        }
        self.sends.push((leg, number, is_check, self.now));
        self.flights.push(match task {
            Task::Attempt(_) => {
                let outcome = self.world.call(leg, number, self.now);
                Flight::Attempt(leg, number, outcome, self.now)
            }
            Task::Check(_) => Flight::Check(leg, number, self.world.ask(leg, self.now)),
        });
        self.pass_boundary(coverage)
    }

    fn land(&mut self, place: usize, coverage: &mut Coverage) -> Result<(), String> {
        let input = match self.flights.remove(place) {
            Flight::Attempt(leg, attempt, outcome, sent_at) => Input::Answer {
                leg,
                attempt,
                answer: self.stationery.answer(outcome),
                sent_at: Some(sent_at),
                retry_after: None,
                random: 0,
            },
            Flight::Check(leg, check, finding) => Input::Finding {
                leg,
                check,
                finding,
                answer: self.stationery.answer(Outcome::Done),
                random: 0,
            },
        };
        if matches!(self.case.chaos, Chaos::Echo(_)) {
            self.answered.push(input.clone());
        }
        self.input(input, coverage).map(drop)
    }

    pub(super) fn callback(
        &mut self,
        leg: LegId,
        outcome: Answered,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let input = Input::Callback {
            leg,
            outcome,
            result: self.stationery.result.clone(),
            random: 0,
        };
        match self.saga.receive(self.now, input) {
            Ok(Some(event)) => self.record(event, coverage),
            Ok(None) | Err(Refusal::NeverCalled) => Ok(()),
            Err(refusal) => Err(self.fails(&refusal.to_string())),
        }
    }

    /// Something from outside that must fit.
    pub(super) fn input(&mut self, input: Input, coverage: &mut Coverage) -> Result<bool, String> {
        match self.saga.receive(self.now, input) {
            Ok(Some(event)) => self.record(event, coverage).map(|()| true),
            Ok(None) => Ok(false),
            Err(refusal) => Err(self.fails(&refusal.to_string())),
        }
    }

    pub(super) fn record(&mut self, event: Event, coverage: &mut Coverage) -> Result<(), String> {
        let record = Record {
            seq: self.saga.seq() + 1,
            at: self.now,
            event,
        };
        coverage.event(&self.saga, &record.event);
        let applied = self.saga.apply(&record);
        coverage.steps(&self.saga, &record.event);
        self.records.push(record);
        if let Err(misfit) = applied {
            return Err(self.fails(&misfit.to_string()));
        }
        self.pass_boundary(coverage)
    }
}
