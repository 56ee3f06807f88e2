//! The functions of the simulated program at work: launched, polled when their time comes, and their
//! closures' calls carried over the wire.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use settled::engine::{CallEnd, CallId, Incoming, Invocation, Launch, Reply, RunId};
use settled::function::{Functions, Run, RunClosures};
use settled::participant::Answer;
use settled_journal::SagaNo;
use settled_protocol::{Json, LegId, SagaState, Span, StepEnd, StepIndex};

use super::agenda::Happening;
use super::faults::Fault;
use super::participant::Call;
use super::wire::{ApartEnd, Asked};
use super::world::{Asker, World};

/// What the coordinator has of functions while it lives.
#[derive(Default)]
pub(super) struct Runs {
    running: BTreeMap<SagaNo, (RunId, Run)>,
    calls: BTreeMap<CallId, Open>,
}

/// A closure's call under way.
struct Open {
    invocation: Invocation,
    future: std::pin::Pin<Box<dyn Future<Output = CallEnd> + Send>>,
    /// Where its answer is awaited.
    slot: Option<u64>,
}

impl Runs {
    fn closures(&self, saga: SagaNo, run: RunId) -> Option<RunClosures> {
        let (_, run) = self.running.get(&saga).filter(|(id, _)| *id == run)?;
        Some(run.closures())
    }

    pub(super) fn has_call(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }
}

impl World {
    pub(super) fn launch(&mut self, launch: &Launch) {
        self.note(&format!("launch {} {}", launch.saga.0, launch.steps.len()));
        let run = self.registry.make(launch);
        if let Some(coordinator) = &mut self.coordinator {
            let runs = &mut coordinator.runs;
            runs.running.insert(launch.saga, (launch.run, run));
        }
        self.poll_later(launch.saga);
    }

    pub(super) fn resume(&mut self, saga: SagaNo, run: RunId, told: Vec<(StepIndex, StepEnd)>) {
        let closures = (self.coordinator.as_ref())
            .and_then(|coordinator| coordinator.runs.closures(saga, run));
        if let Some(closures) = closures {
            closures.tell(told);
            self.poll_later(saga);
        }
    }

    pub(super) fn stop(&mut self, saga: SagaNo, run: RunId, forget: bool) {
        let Some(coordinator) = &mut self.coordinator else {
            return;
        };
        let running = &mut coordinator.runs.running;
        let Some((_, known)) = running.get_mut(&saga).filter(|(id, _)| *id == run) else {
            return;
        };
        known.stop();
        if forget {
            running.remove(&saga);
        }
    }

    /// The function's turn comes soon, or takes longer than anybody waits for it.
    fn poll_later(&mut self, saga: SagaNo) {
        let wait = if self.strikes(Fault::SlowFunction) {
            Span::from_millis(i64::from(self.rng.u32(10..3_000)))
        } else {
            Span(i64::from(self.rng.u32(0..2_000)))
        };
        let life = self.life;
        self.later(wait, Happening::Poll { life, saga });
    }

    pub(super) fn poll_run(&mut self, life: u32, saga: SagaNo) {
        if life != self.life {
            return;
        }
        let Some(coordinator) = &mut self.coordinator else {
            return;
        };
        let Some((run, function)) = coordinator.runs.running.get_mut(&saga) else {
            return;
        };
        let run = *run;
        let yielded = function.poll(&mut Context::from_waker(Waker::noop()));
        for asked in self.wire.take_asked() {
            match asked {
                Asked::Pause { slot, millis } => {
                    let wait = Span::from_millis(i64::from(millis));
                    self.later(wait, Happening::Ring { life, slot, saga });
                }
                other => self
                    .surprises
                    .push(format!("a function asks for {other:?}")),
            }
        }
        if self.wire.take_death() {
            return self.crash();
        }
        if let Some(yielded) = yielded {
            self.note(&format!("yield {} {}", saga.0, yielded.added.len()));
            self.tell(life, Incoming::Yielded { saga, run, yielded });
        }
    }

    pub(super) fn ring(&mut self, life: u32, slot: u64, saga: SagaNo) {
        if life == self.life {
            self.wire.ring(slot);
            self.poll_run(life, saga);
        }
    }

    pub(super) fn invoke(&mut self, call: CallId, invocation: Invocation) {
        if self.strikes(Fault::CrashInCall) {
            return self.crash();
        }
        let life = self.life;
        let Some(coordinator) = &mut self.coordinator else {
            return;
        };
        let runs = &mut coordinator.runs;
        let Some(closures) = runs.closures(invocation.saga, invocation.run) else {
            let end = CallEnd::NotSent {
                error: "its function is not running any more".to_owned(),
                retry_after: None,
            };
            return self.tell(life, Incoming::Finished { call, end });
        };
        let open = Open {
            future: closures.call(&invocation),
            invocation,
            slot: None,
        };
        runs.calls.insert(call, open);
        self.poll_call(call);
    }

    /// A participant's answer to a closure.
    pub(super) fn answer_closure(&mut self, call: CallId, answer: Answer) {
        let Some(coordinator) = &self.coordinator else {
            return;
        };
        if let Some(slot) = coordinator.runs.calls.get(&call).and_then(|open| open.slot) {
            self.wire.answer(slot, answer);
            self.poll_call(call);
        }
    }

    fn poll_call(&mut self, call: CallId) {
        let life = self.life;
        let Some(coordinator) = &mut self.coordinator else {
            return;
        };
        let Some(open) = coordinator.runs.calls.get_mut(&call) else {
            return;
        };
        let polled = open
            .future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        let invocation = open.invocation.clone();
        if let Poll::Ready(end) = polled {
            coordinator.runs.calls.remove(&call);
            if self.strikes(Fault::CrashInCall) {
                return self.crash();
            }
            return self.tell(life, Incoming::Finished { call, end });
        }
        for asked in self.wire.take_asked() {
            let slot = match &asked {
                Asked::Call { slot, .. } | Asked::Apart { slot, .. } => *slot,
                Asked::Pause { .. } => continue,
            };
            if let Some(open) =
                (self.coordinator.as_mut()).and_then(|alive| alive.runs.calls.get_mut(&call))
            {
                open.slot = Some(slot);
            }
            self.carry(call, slot, asked, &invocation);
        }
    }

    /// Carries what a closure asks for to whom it is for.
    fn carry(&mut self, call: CallId, slot: u64, asked: Asked, invocation: &Invocation) {
        match asked {
            Asked::Call {
                kind, key, body, ..
            } => {
                if key != invocation.key {
                    self.surprises
                        .push(format!("{} was given the key {key}", invocation.key));
                }
                let Some((saga, _)) = key.split_once('/') else {
                    return;
                };
                let what = Call {
                    kind,
                    saga: saga.to_owned(),
                    leg: invocation.leg,
                    number: invocation.attempt,
                    is_check: invocation.is_check,
                    body,
                    timeout: invocation.timeout,
                    key,
                };
                self.send_call(call, what);
            }
            Asked::Apart {
                function,
                id,
                input,
                timeout,
                ..
            } => self.start_apart(call, slot, &function, id, input, timeout.into()),
            Asked::Pause { .. } => {}
        }
    }

    fn start_apart(
        &mut self,
        call: CallId,
        slot: u64,
        function: &str,
        id: String,
        input: Json,
        timeout: Span,
    ) {
        let Some(definition) = self.definitions.function(function).cloned() else {
            return self.surprises.push(format!("no function {function}"));
        };
        self.note(&format!("apart {id}"));
        let submission = settled::definition::Submission {
            id: Some(id.clone()),
            name: function.to_owned(),
            input,
            deadline: None,
            by: None,
            definition,
        };
        let reply = self.asker(Asker::Apart { call, slot });
        let wait_until = Some(self.now + timeout);
        let incoming = Incoming::Submit {
            submission: Box::new(submission),
            id,
            trace: None,
            wait_until,
            reply,
        };
        self.tell(self.life, incoming);
    }

    /// What a closure hears of a saga that it started.
    pub(super) fn hear_apart(&mut self, call: CallId, slot: u64, reply: Reply) {
        let end = match reply {
            Reply::Ended { saga, .. } => match saga.saga.settled() {
                Some(SagaState::Completed) => {
                    let result = saga.saga.result(LegId::FUNCTION.step);
                    ApartEnd::Completed(result.cloned().unwrap_or_else(Json::null))
                }
                Some(_) => {
                    let reason = saga.saga.reason();
                    ApartEnd::Compensated(reason.map_or_else(String::new, |r| r.message.clone()))
                }
                None => ApartEnd::Unknown,
            },
            Reply::Conflict => {
                self.surprises
                    .push("a saga of its own is in conflict with itself".to_owned());
                ApartEnd::Conflict
            }
            _ => ApartEnd::Unknown,
        };
        self.wire.answer_apart(slot, end);
        self.poll_call(call);
    }
}

/// The saga of its own that a step started, where that is what the step is.
pub(super) fn apart_of(saga: &str, step: &str) -> Option<String> {
    // Within parts the name has dots of its own.
    let name = step.rsplit('.').next()?;
    name.starts_with('p').then(|| format!("{saga}.{step}"))
}
