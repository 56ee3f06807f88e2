//! Sagas whose steps a Rust function adds as it runs.
//!
//! The engine neither runs the function nor calls its closures: it says when a run is to be
//! launched, what it is to be told, and which closure is to be called, and takes in what the run
//! then wants. A run is memory and nothing else. When it is lost, the function is run again from
//! the record, which gives back what happened without calling anybody.
//!
//! A function is told of a step's end before that end is durable, so that the step and the one
//! after it share a commit. Nothing leaves and nobody else is told before then (R1, R2).

use std::collections::HashMap;
use std::sync::Arc;

use settled_journal::SagaNo;
use settled_protocol::{
    AnswerRecord, Event, Evidence, Finding, Input, Json, LegId, Outcome, RequestRecord, Span,
    StepEnd, StepIndex, StepPlan, Task, Timestamp,
};

use super::calls::{Calls, OpenCall, OpenCallKind};
use super::health;
use super::in_flight::{Consequence, InFlight};
pub use super::invocation::{CallEnd, Invocation};
use super::{CallId, Engine, Outgoing, copies};

/// How long a saga's events wait for its function to say what is next. One that computes for longer
/// keeps its next steps waiting, not its last result.
const HOLD: Span = Span::from_millis(20);

/// Names one run of a function; never used twice in the life of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// A function to run, from the record of what happened so far.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Whose.
    pub saga: SagaNo,
    /// Its name.
    pub run: RunId,
    /// The saga's id.
    pub id: Arc<str>,
    /// The name under which the function is registered.
    pub function: Arc<str>,
    /// The saga's input.
    pub input: Json,
    /// The steps on record, in the order in which they were added.
    pub steps: Vec<RecordedStep>,
    /// Only the closures are needed: the saga goes back, and nothing is added any more.
    pub rehearsal: bool,
}

/// A step on record, for a function that comes to it again.
#[derive(Clone, Debug)]
pub struct RecordedStep {
    /// Its place in the plan.
    pub step: StepIndex,
    /// How it is settled.
    pub plan: StepPlan,
    /// What its action was given.
    pub input: Json,
    /// How it ended, and its place in the order of ends.
    pub end: Option<(u32, StepEnd)>,
    /// The function took it back.
    pub withdrawn: bool,
    /// Nothing of it is left, as the function was told at this place in the order of ends.
    pub taken_back: Option<u32>,
}

/// What a run wants, each time that it can go no further by itself.
#[derive(Debug, Default)]
pub struct Yielded {
    /// The steps on record that the function has come to, and whom they call.
    pub known: Vec<(StepIndex, Arc<str>)>,
    /// Steps that are new, in order; the first one's place is the next free one.
    pub added: Vec<AddedStep>,
    /// Parts to be taken back alone: the steps of each.
    pub withdrawals: Vec<Vec<StepIndex>>,
    /// The run is over.
    pub end: Option<RunEnd>,
}

/// A step that a function has come to for the first time.
#[derive(Debug)]
pub struct AddedStep {
    /// How it is to be settled.
    pub plan: StepPlan,
    /// What its action is given.
    pub input: Json,
    /// Whom it calls.
    pub participant: Arc<str>,
}

/// How a run ended.
#[derive(Debug)]
pub enum RunEnd {
    /// With a result.
    Returned(Json),
    /// With an error: the saga goes back.
    Failed {
        /// The step whose failure it gave back, where it was one's.
        step: Option<StepIndex>,
        /// In words.
        message: String,
    },
    /// What is on record does not fit the code: a person must look.
    Mismatch {
        /// In words.
        error: String,
        /// The piece of the record that does not fit.
        stored: Option<Json>,
    },
}

/// A run as far as the engine knows it.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) stage: Stage,
    /// The closures that are there: of which step, and whom they call.
    known: HashMap<StepIndex, Arc<str>>,
    /// How many steps' ends the function was told of.
    told: u32,
    /// What is to be undone before the function goes on.
    withdrawals: Vec<Vec<StepIndex>>,
    /// Its function goes no further; its closures are still of use.
    stopped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It begins once everything so far is durable.
    Launching,
    /// It was launched or told something, and has not said yet what it wants.
    Busy,
    /// As before, and the saga's events wait for it no longer.
    Slow,
    /// It can go no further by itself.
    Waiting,
}

impl Run {
    fn new(id: RunId, told: u32) -> Self {
        Self {
            id,
            stage: Stage::Launching,
            known: HashMap::new(),
            told,
            withdrawals: Vec::new(),
            stopped: false,
        }
    }

    /// Whether what it wants is not known yet.
    fn is_at_work(&self) -> bool {
        self.stage != Stage::Waiting
    }
}

impl<R> InFlight<R> {
    /// Whether the saga's events wait for its function to say what is next.
    pub(super) fn is_held(&self) -> bool {
        self.run
            .as_ref()
            .is_some_and(|run| run.stage == Stage::Busy)
    }

    /// Whether the function is the one to move the saga on: it runs, and waits for no step.
    pub(super) fn is_function_at_work(&self) -> bool {
        let Some(run) = &self.run else {
            return false;
        };
        if run.is_at_work() {
            return true;
        }
        let saga = &self.at.saga;
        let steps = 1..saga.plan().steps.len() as StepIndex;
        let waits_for = |step| saga.told(step).is_none() && !saga.is_withdrawn(step);
        saga.is_function_running()
            && run.withdrawals.is_empty()
            && !steps.into_iter().any(waits_for)
    }

    fn launch(&self, run: RunId) -> Launch {
        let at = &self.at;
        let plans = at.saga.plan().steps.iter().zip(0..).skip(1);
        let steps = plans.map(|(plan, step)| RecordedStep {
            step,
            plan: plan.clone(),
            input: at.saga.step_input(step).cloned().unwrap_or_else(Json::null),
            end: at.saga.told(step),
            withdrawn: at.saga.is_withdrawn(step),
            taken_back: at.saga.taken_back(step),
        });
        Launch {
            saga: at.no,
            run,
            id: Arc::clone(&at.id),
            function: at
                .definition
                .function()
                .map_or_else(|| "".into(), Arc::clone),
            input: at.input.clone(),
            steps: steps.collect(),
            rehearsal: !at.saga.is_function_running(),
        }
    }
}

/// Takes up one task of a saga that is a function.
///
/// # Errors
/// What is to be recorded instead, where the task cannot be done.
pub(super) fn start<R>(
    calls: &mut Calls,
    flight: &mut InFlight<R>,
    task: Task,
    now: Timestamp,
) -> Result<(), Box<Input>> {
    let leg = task.leg();
    if leg == LegId::FUNCTION {
        let name = flight.at.definition.function().map_or("", |name| name);
        let request = Arc::new(RequestRecord {
            method: "RUN".to_owned(),
            url: format!("fn://{name}"),
            headers: Vec::new(),
            body: None,
        });
        let attempt = flight.at.saga.attempts(leg) + 1;
        flight.record(
            now,
            Event::AttemptStarted {
                leg,
                attempt,
                request,
            },
        );
        set_up_run(calls, flight);
        return Ok(());
    }
    let Some(run) = &flight.run else {
        set_up_run(calls, flight);
        flight.in_line = true;
        return Ok(());
    };
    if run.is_at_work() {
        flight.in_line = true;
        return Ok(());
    }
    let Some(participant) = run.known.get(&leg.step).cloned() else {
        let name = &flight.at.saga.plan().steps[usize::from(leg.step)].name;
        let error = format!(
            "the function no longer comes to the step `{name}` that is on record; bring back the \
             code that has it and decide `retry`, or decide what became of the step"
        );
        return Err(Box::new(mismatch(flight, leg, error, None)));
    };
    let run = run.id;
    (calls.invoke(flight, task, run, &participant, now))
        .map_err(|error| Box::new(Input::Unmakeable { leg, error }))
}

/// Gets a run under way, once everything so far is durable.
pub(super) fn set_up_run<R>(calls: &mut Calls, flight: &mut InFlight<R>) {
    let id = RunId(calls.next_number());
    let launch = flight.launch(id);
    if let Some(old) = flight
        .run
        .replace(Run::new(id, flight.at.saga.told_count()))
    {
        flight.then.push(Consequence::Halt(old.id));
    }
    flight.then.push(Consequence::Launch(Box::new(launch)));
}

fn mismatch<R>(flight: &InFlight<R>, leg: LegId, error: String, stored: Option<Json>) -> Input {
    let answer = stored.map(|stored| AnswerRecord {
        outcome: Outcome::Done,
        status: None,
        headers: Vec::new(),
        body: Some(stored),
        error: None,
    });
    let evidence = Evidence {
        request: None,
        answer,
        error,
        attempts: flight.at.saga.attempts(leg),
    };
    Input::Mismatch { leg, evidence }
}

/// What the end of a closure's call means to its saga, in order.
fn read<R>(flight: &InFlight<R>, open: &OpenCall, end: CallEnd, random: u64) -> Vec<Input> {
    let leg = open.leg;
    let record = |outcome, body, error| AnswerRecord {
        outcome,
        status: None,
        headers: Vec::new(),
        body,
        error,
    };
    let attempt = match open.kind {
        OpenCallKind::Check(check) => {
            let (finding, answer) = match end {
                CallEnd::Found(Some(result)) => {
                    (Finding::Happened, record(Outcome::Done, Some(result), None))
                }
                CallEnd::Found(None) => (Finding::DidNotHappen, record(Outcome::Done, None, None)),
                CallEnd::Refused(error)
                | CallEnd::Unknown(error)
                | CallEnd::Broken(error)
                | CallEnd::NotSent { error, .. }
                | CallEnd::Mismatch { error, .. } => (
                    Finding::Inconclusive,
                    record(Outcome::Unknown, None, Some(error)),
                ),
                CallEnd::Done(_) | CallEnd::Pending => {
                    let error = "the check gave no answer".to_owned();
                    (
                        Finding::Inconclusive,
                        record(Outcome::Unknown, None, Some(error)),
                    )
                }
            };
            return vec![Input::Finding {
                leg,
                check,
                finding,
                answer,
                random,
            }];
        }
        OpenCallKind::Attempt(attempt) => attempt,
    };
    let ended = |answer, retry_after| Input::Answer {
        leg,
        attempt,
        answer,
        sent_at: open.sent_at,
        retry_after,
        random,
    };
    let not_sent = |error: &str| record(Outcome::NotSent, None, Some(error.to_owned()));
    match end {
        CallEnd::Done(result) => vec![ended(record(Outcome::Done, Some(result), None), None)],
        CallEnd::Found(_) => vec![ended(record(Outcome::Done, None, None), None)],
        CallEnd::Refused(error) => vec![ended(record(Outcome::Refused, None, Some(error)), None)],
        CallEnd::Unknown(error) => vec![ended(record(Outcome::Unknown, None, Some(error)), None)],
        CallEnd::Pending => vec![ended(record(Outcome::Pending, None, None), None)],
        CallEnd::NotSent { error, retry_after } => vec![ended(not_sent(&error), retry_after)],
        CallEnd::Broken(error) => vec![
            ended(not_sent(&error), None),
            Input::Unmakeable { leg, error },
        ],
        CallEnd::Mismatch { error, stored } => vec![
            ended(not_sent(&error), None),
            mismatch(flight, leg, error, Some(stored)),
        ],
    }
}

impl<R> Engine<R> {
    /// A run says what it wants.
    pub(super) fn yielded(&mut self, now: Timestamp, no: SagaNo, id: RunId, yielded: Yielded) {
        let Some(flight) = self.sagas.get_mut(&no) else {
            return;
        };
        let Some(run) = flight.run.as_mut().filter(|run| run.id == id) else {
            return;
        };
        run.stage = Stage::Waiting;
        run.known.extend(yielded.known);
        for added in yielded.added {
            let place = flight.at.saga.plan().steps.len() as StepIndex;
            let input = Input::AddStep {
                plan: added.plan,
                input: added.input,
            };
            // Where it is refused the saga goes back already, and nothing new is begun.
            if let Ok(Some(event)) = flight.at.saga.receive(now, input) {
                flight.record(now, event);
                if let Some(run) = &mut flight.run {
                    run.known.insert(place, added.participant);
                }
            }
        }
        for withdrawal in yielded.withdrawals {
            let steps = withdrawal.clone();
            if let Ok(event) = flight.at.saga.receive(now, Input::Withdraw { steps }) {
                if let Some(event) = event {
                    flight.record(now, event);
                }
                if let Some(run) = &mut flight.run {
                    run.withdrawals.push(withdrawal);
                }
            }
        }
        if let Some(end) = yielded.end {
            let input = end_of_run(flight, end);
            if let Ok(Some(event)) = flight.at.saga.receive(now, input) {
                if let Event::IncidentOpened { leg, kind, .. } = &event {
                    self.observer.incident(&flight.at, *leg, *kind);
                }
                flight.record(now, copies::evidence(&self.settings.mask, event));
            }
        }
        self.advance(now, no);
    }

    /// A closure's call is over.
    pub(super) fn finished(&mut self, now: Timestamp, call: CallId, end: CallEnd) {
        let Some(open) = self.calls.end(call) else {
            return;
        };
        let must_ask_again = self.calls.release(&open, health::of_closure(&end), now);
        if let Some(flight) = self.sagas.get_mut(&open.saga) {
            flight.calls -= 1;
            let elapsed = open.sent_at.map_or(Span::ZERO, |sent_at| now - sent_at);
            let random = self.calls.random();
            for input in read(flight, &open, end, random) {
                if let Ok(Some(event)) = flight.at.saga.receive(now, input) {
                    match &event {
                        Event::IncidentOpened { leg, kind, .. } => {
                            self.observer.incident(&flight.at, *leg, *kind);
                        }
                        event => self.observer.answered(&flight.at, event, elapsed),
                    }
                    flight.record(now, copies::evidence(&self.settings.mask, event));
                }
            }
            self.advance(now, open.saga);
        }
        self.serve_line(now, open.slot.participant, must_ask_again);
    }

    /// Keeps the run of a saga in step with what became known of it.
    pub(super) fn drive_run(&mut self, now: Timestamp, no: SagaNo) {
        let Some(flight) = self.sagas.get_mut(&no) else {
            return;
        };
        if flight.run.is_none() {
            if flight.at.saga.is_function_running() && !self.draining {
                set_up_run(&mut self.calls, flight);
            }
            return;
        }
        let (at, Some(run)) = (&flight.at, &mut flight.run) else {
            return;
        };
        if !at.saga.is_function_running() {
            // Not before it has come to everything on record: its closures are needed to go back.
            if !run.stopped && !run.is_at_work() {
                run.stopped = true;
                self.out.push(Outgoing::Stop {
                    saga: no,
                    run: run.id,
                });
            }
            return;
        }
        if run.is_at_work() {
            return;
        }
        let steps = 1..at.saga.plan().steps.len() as StepIndex;
        let taken_back = |step| Some((at.saga.taken_back(step)?, step, StepEnd::TakenBack));
        let ended = |step| at.saga.told(step).map(|(place, end)| (place, step, end));
        let mut told: Vec<(u32, StepIndex, StepEnd)> = steps
            .flat_map(|step| [ended(step), taken_back(step)])
            .flatten()
            .filter(|(place, _, _)| *place > run.told)
            .collect();
        told.sort_by_key(|(place, _, _)| *place);
        run.withdrawals.retain(|withdrawal| {
            let mut steps = withdrawal.iter();
            !steps.all(|step| at.saga.taken_back(*step).is_some())
        });
        if told.is_empty() {
            return;
        }
        run.told = at.saga.told_count();
        run.stage = Stage::Busy;
        self.out.push(Outgoing::Resume {
            saga: no,
            run: run.id,
            told: told.into_iter().map(|(_, step, end)| (step, end)).collect(),
        });
        self.held.push_back((now + HOLD, no, run.id));
    }

    /// A run begins, everything before it being durable.
    pub(super) fn launched(&mut self, now: Timestamp, launch: Box<Launch>) {
        let flight = self.sagas.get_mut(&launch.saga);
        let run = flight.and_then(|flight| flight.run.as_mut());
        let Some(run) = run.filter(|run| run.id == launch.run) else {
            return;
        };
        run.stage = Stage::Busy;
        self.held.push_back((now + HOLD, launch.saga, launch.run));
        self.out.push(Outgoing::Launch(launch));
    }

    /// The saga goes out of memory: so does its run.
    pub(super) fn halt(&mut self, no: SagaNo, run: Option<Run>) {
        if let Some(run) = run.filter(|run| run.stage != Stage::Launching) {
            self.out.push(Outgoing::Halt {
                saga: no,
                run: run.id,
            });
        }
    }

    /// Lets go what has waited for long enough for its function.
    pub(super) fn release_held(&mut self, now: Timestamp) {
        while let Some((_, no, id)) = self.held.front().copied().filter(|(at, _, _)| *at <= now) {
            self.held.pop_front();
            let run = self
                .sagas
                .get_mut(&no)
                .and_then(|flight| flight.run.as_mut());
            let Some(run) = run.filter(|run| run.id == id && run.stage == Stage::Busy) else {
                continue;
            };
            run.stage = Stage::Slow;
            self.flush(now, no);
        }
    }
}

fn end_of_run<R>(flight: &InFlight<R>, end: RunEnd) -> Input {
    let answer = |outcome, body, error| AnswerRecord {
        outcome,
        status: None,
        headers: Vec::new(),
        body,
        error,
    };
    match end {
        RunEnd::Returned(result) => Input::Returned {
            step: None,
            answer: answer(Outcome::Done, Some(result), None),
        },
        RunEnd::Failed { step, message } => Input::Returned {
            step,
            answer: answer(Outcome::Refused, None, Some(message)),
        },
        RunEnd::Mismatch { error, stored } => mismatch(flight, LegId::FUNCTION, error, stored),
    }
}
