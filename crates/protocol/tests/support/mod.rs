//! One saga on a bench: its records kept by hand, its clock turned by hand.
//!
//! The bench does what an engine must do (record before acting, decide again after every event,
//! fold the records anew after a stop) and nothing of what a participant or a person does.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a bench that breaks is a failed test")]

pub(crate) mod arbitrary;
pub(crate) mod plans;
pub(crate) mod world;

use std::sync::Arc;

use settled_protocol::{
    AnswerRecord, Answered, Decision, Direction, Event, Finding, Input, Json, LegId, Next, Outcome,
    Plan, Record, Refusal, RequestRecord, Resolution, Saga, Span, Task, Timestamp,
};

/// A saga with its history and its clock.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) plan: Arc<Plan>,
    pub(crate) saga: Saga,
    pub(crate) records: Vec<Record>,
    pub(crate) now: Timestamp,
}

impl Bench {
    /// A saga that was just submitted.
    pub(crate) fn new(plan: Plan, deadline: Option<Span>) -> Self {
        let plan = Arc::new(plan);
        let now = Timestamp(1_000_000_000);
        let mut bench = Self {
            saga: Saga::new(Arc::clone(&plan)),
            plan,
            records: Vec::new(),
            now,
        };
        bench.record(Event::Submitted {
            deadline_at: deadline.map(|after| now + after),
            trace: None,
        });
        bench
    }

    /// Puts an event on record; it must fit.
    pub(crate) fn record(&mut self, event: Event) {
        let record = Record {
            seq: self.saga.seq() + 1,
            at: self.now,
            event,
        };
        if let Err(misfit) = self.saga.apply(&record) {
            panic!("{misfit}\n{}", self.history());
        }
        self.records.push(record);
    }

    /// Hands something from outside to the saga; whether it became an event.
    pub(crate) fn input(&mut self, input: Input) -> Result<bool, Refusal> {
        let event = self.saga.receive(self.now, input)?;
        let news = event.is_some();
        if let Some(event) = event {
            self.record(event);
        }
        Ok(news)
    }

    /// Records decisions until none is left, and returns what is next.
    pub(crate) fn next(&mut self) -> Next {
        for _ in 0..200 {
            let next = self.saga.decide(self.now);
            match next.record {
                Some(event) => self.record(event),
                None => return next,
            }
        }
        panic!("it never stops deciding\n{}", self.history());
    }

    /// The tasks that are due now.
    pub(crate) fn tasks(&mut self) -> Vec<Task> {
        self.next().tasks
    }

    /// Records the intent of a task; the number of its attempt or check.
    pub(crate) fn begin(&mut self, task: Task) -> u32 {
        let leg = task.leg();
        let request = Arc::new(request(leg));
        let number;
        self.record(match task {
            Task::Attempt(_) => {
                number = self.saga.attempts(leg) + 1;
                Event::AttemptStarted {
                    leg,
                    attempt: number,
                    request,
                }
            }
            Task::Check(_) => {
                number = self.saga.checks(leg) + 1;
                Event::CheckStarted {
                    leg,
                    check: number,
                    request,
                }
            }
        });
        number
    }

    /// The answer to a leg's last attempt.
    pub(crate) fn answer(&mut self, leg: LegId, outcome: Outcome) {
        let input = Input::Answer {
            leg,
            attempt: self.saga.attempts(leg),
            answer: answer(outcome),
            sent_at: Some(self.now),
            retry_after: None,
            random: 0,
        };
        self.input(input).unwrap();
    }

    /// The answer to a leg's last check.
    pub(crate) fn find(&mut self, leg: LegId, finding: Finding) {
        let input = Input::Finding {
            leg,
            check: self.saga.checks(leg),
            finding,
            answer: answer(Outcome::Done),
            random: 0,
        };
        self.input(input).unwrap();
    }

    /// Makes one call that must be due: an attempt that is answered so.
    pub(crate) fn call(&mut self, leg: LegId, outcome: Outcome) {
        self.due(Task::Attempt(leg));
        self.begin(Task::Attempt(leg));
        self.answer(leg, outcome);
    }

    /// Asks a question that must be due, with this finding.
    pub(crate) fn check(&mut self, leg: LegId, finding: Finding) {
        self.due(Task::Check(leg));
        self.begin(Task::Check(leg));
        self.find(leg, finding);
    }

    /// Lets time pass until the task is due; it must be the next thing to wait for.
    fn due(&mut self, task: Task) {
        for _ in 0..4 {
            let next = self.next();
            if next.tasks.contains(&task) {
                return;
            }
            match next.wake_at {
                Some(at) if at > self.now => self.now = at,
                _ => break,
            }
        }
        panic!("{task:?} is not due\n{}", self.history());
    }

    /// The participant's later answer; whether it became an event.
    pub(crate) fn callback(&mut self, leg: LegId, outcome: Answered) -> bool {
        self.input(Input::Callback {
            leg,
            outcome,
            result: Json::from_valid("{}"),
            random: 0,
        })
        .unwrap()
    }

    /// A person's decision.
    pub(crate) fn resolve(&mut self, incident: u32, decision: Decision) -> Result<bool, Refusal> {
        self.input(Input::Resolve {
            incident,
            resolution: Resolution {
                decision,
                note: "seen".to_owned(),
                by: "ann".to_owned(),
                result: None,
                body: None,
            },
        })
    }

    /// Somebody asks for compensation.
    pub(crate) fn cancel(&mut self) {
        self.input(Input::Cancel {
            by: "ann".to_owned(),
        })
        .unwrap();
    }

    /// The coordinator stops and starts again from the records.
    pub(crate) fn restart(&mut self) {
        self.saga = replay(&self.plan, &self.records);
        for input in self.saga.lost_calls(0) {
            self.input(input).unwrap();
        }
    }

    /// How many incidents are open.
    pub(crate) fn open_incidents(&self) -> usize {
        self.saga
            .incidents()
            .iter()
            .filter(|incident| incident.open)
            .count()
    }

    /// The records, a line each.
    pub(crate) fn history(&self) -> String {
        let lines: Vec<_> = self
            .records
            .iter()
            .map(|record| format!("{:>4} {:>12} {:?}", record.seq, record.at.0, record.event))
            .collect();
        format!("plan: {:#?}\n{}", self.plan, lines.join("\n"))
    }
}

/// The fold of the records, from nothing.
pub(crate) fn replay(plan: &Arc<Plan>, records: &[Record]) -> Saga {
    let mut saga = Saga::new(Arc::clone(plan));
    for record in records {
        saga.apply(record).unwrap();
    }
    saga
}

pub(crate) fn action(step: u16) -> LegId {
    LegId::action(step)
}

pub(crate) fn compensation(step: u16) -> LegId {
    LegId::compensation(step)
}

pub(crate) fn request(leg: LegId) -> RequestRecord {
    RequestRecord {
        method: "POST".to_owned(),
        url: format!("http://p/{}/{}", leg.step, leg.direction),
        headers: Vec::new(),
        body: None,
    }
}

pub(crate) fn answer(outcome: Outcome) -> AnswerRecord {
    let error = (outcome != Outcome::Done).then(|| format!("it was {outcome}"));
    AnswerRecord {
        outcome,
        status: None,
        headers: Vec::new(),
        body: Some(Json::from_valid("{}")),
        error,
    }
}

pub(crate) fn is_forward(leg: LegId) -> bool {
    leg.direction == Direction::Action
}
