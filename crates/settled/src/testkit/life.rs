//! One life of a coordinator: the real engine over a journal in memory, on one thread and in virtual
//! time, until it dies or nothing is left to do.
//!
//! It decides nothing: what goes wrong is the stage's, what is right the judge's.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use settled_journal::{Journal, Keeper, MemoryJournal, SagaFilter, SagaKey, SagaNo};
use settled_protocol::{SagaState, Span, Timestamp};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::calls::Open;
use super::probe::{At, Flag};
use super::stage::{DAWN, Stage};
use crate::definition::Submission;
use crate::engine::{
    AppendRefused, Command, Engine, Incoming, LoadKey, Outgoing, Reply, RunId, Settings,
};
use crate::function::Run;
use crate::observe::Unobserved;
use crate::participant::Answer;

/// How long a function that is run again may wait for something outside of its steps.
const PATIENCE: Span = Span::from_secs(30);

/// The longest that a saga may take, in virtual time.
const LIMIT: Span = Span::from_secs(400 * 24 * 60 * 60);

/// A life that does more than this has lost its way.
const MAX_ROUNDS: u32 = 200_000;

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The process died.
    Died,
    /// Nothing is left to do.
    Over,
    /// It does not come to an end.
    Endless,
}

/// Who asked for something.
pub(super) enum Asker {
    Client,
    Canceller,
    Apart(oneshot::Sender<Reply>),
}

/// A function under way.
struct Running {
    id: RunId,
    run: Run,
    flag: Arc<Flag>,
    missing_since: Option<Timestamp>,
}

/// A coordinator while it lives.
pub(super) struct Life<'a> {
    pub(super) stage: &'a mut Stage,
    pub(super) engine: Engine<Asker>,
    journal: MemoryJournal,
    runs: HashMap<SagaNo, Running>,
    pub(super) calls: Vec<Open>,
    born: Instant,
    base: Timestamp,
    submitted: bool,
    rounds: u32,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<'a> Life<'a> {
    /// A coordinator that starts now. Must be made within the runtime that it is polled in.
    pub(super) fn new(stage: &'a mut Stage) -> Self {
        let journal = stage.disk.open_again();
        let (next_saga, secret) = (journal.opened().next_saga, journal.opened().secret);
        let settings = Settings::default();
        let definitions = Arc::clone(&stage.definitions);
        Self {
            engine: Engine::new(
                settings,
                definitions,
                Arc::new(Unobserved),
                next_saga,
                secret,
                1,
            ),
            journal,
            runs: HashMap::new(),
            calls: Vec::new(),
            born: Instant::now(),
            base: stage.now,
            submitted: false,
            rounds: 0,
            sleep: None,
            stage,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.base + Span::from(self.born.elapsed())
    }

    /// Lives on as far as it goes.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Fate> {
        loop {
            let mut moved = self.submit();
            let now = self.now();
            self.stage.now = now;
            self.engine.tick(now);
            for wish in self.engine.take_outgoing() {
                moved = true;
                self.carry_out(wish);
                if self.stage.probe.is_dead() {
                    return Poll::Ready(Fate::Died);
                }
            }
            moved |= self.poll_runs(context.waker());
            moved |= self.poll_calls(context.waker());
            moved |= self.begin_late();
            moved |= self.begin_apart(context.waker());
            if self.stage.probe.is_dead() {
                return Poll::Ready(Fate::Died);
            }
            self.rounds += 1;
            if self.rounds > MAX_ROUNDS || self.now() > DAWN + LIMIT {
                return Poll::Ready(Fate::Endless);
            }
            if moved {
                continue;
            }
            if self.is_over() {
                return Poll::Ready(Fate::Over);
            }
            if self.rest(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Sleeps until something is due.
    fn rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let calls = self.calls.iter().map(|open| open.until);
        let late = self.stage.late.iter().map(|late| late.at);
        let patience = self.runs.values().filter_map(|run| run.missing_since);
        let due = calls
            .chain(late)
            .chain(patience.map(|since| since + PATIENCE))
            .chain(self.engine.wake_at())
            .chain([DAWN + LIMIT + Span(1_000)]);
        let at = due.min().unwrap_or(DAWN + LIMIT);
        // The runtime's clock counts milliseconds.
        let wait = Duration::from_micros(u64::try_from((at - self.base).0).unwrap_or_default());
        let until = self.born + wait;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(context)
    }

    /// The client asks until it is answered; somebody cancels when it is time.
    fn submit(&mut self) -> bool {
        let now = self.now();
        if self.stage.probe.take_cancel() {
            let command = Command::Cancel {
                by: "the kit".to_owned(),
            };
            let incoming = Incoming::Command {
                saga: self.stage.id.clone(),
                command,
                reply: Asker::Canceller,
            };
            self.engine.handle(now, incoming);
            return true;
        }
        if self.submitted || self.stage.acknowledged {
            return false;
        }
        self.submitted = true;
        let incoming = Incoming::Submit {
            submission: Box::new(self.stage.submission.clone()),
            id: self.stage.id.clone(),
            trace: None,
            wait_until: None,
            reply: Asker::Client,
        };
        self.engine.handle(now, incoming);
        true
    }

    fn carry_out(&mut self, wish: Outgoing<Asker>) {
        let now = self.now();
        match wish {
            Outgoing::Append(append) => {
                let kinds: Vec<&str> = (append.records.iter())
                    .map(|record| record.event.kind())
                    .collect();
                let what = kinds.join(", ");
                let probe = Arc::clone(&self.stage.probe);
                if probe.pass(At::BeforeAppend, || {
                    format!("before the journal held {what}")
                }) {
                    return;
                }
                let saga = append.saga;
                let written = self.journal.commit(&[append]);
                if probe.pass(At::AfterAppend, || format!("when the journal held {what}")) {
                    return;
                }
                let result = match written.map(|mut fates| fates.pop()) {
                    Ok(Some(Ok(appended))) => Ok(appended),
                    Ok(Some(Err(misplaced))) => Err(AppendRefused(misplaced.to_string())),
                    Ok(None) => Err(AppendRefused("nothing was written".to_owned())),
                    Err(error) => Err(AppendRefused(error.to_string())),
                };
                if let Err(AppendRefused(why)) = &result {
                    self.stage.complaints.push(why.clone());
                }
                self.engine.handle(now, Incoming::Appended { saga, result });
            }
            Outgoing::Send { call, .. } => {
                let answer = Answer::NotSent("the kit makes no HTTP calls".to_owned());
                self.engine.handle(now, Incoming::Answered { call, answer });
            }
            Outgoing::Launch(launch) => {
                let running = Running {
                    id: launch.run,
                    run: self.stage.functions.make(&launch),
                    flag: Flag::new(),
                    missing_since: None,
                };
                self.runs.insert(launch.saga, running);
            }
            Outgoing::Resume { saga, run, told } => {
                if let Some(running) = self.run(saga, run) {
                    running.run.closures().tell(told);
                    running.flag.set();
                }
            }
            Outgoing::Invoke { call, invocation } => self.invoke(call, invocation),
            Outgoing::Stop { saga, run } => {
                if let Some(running) = self.run(saga, run) {
                    running.run.stop();
                }
            }
            Outgoing::Halt { saga, run } => {
                if self.run(saga, run).is_some() {
                    self.runs.remove(&saga);
                }
            }
            Outgoing::Reply(asker, reply) => match (asker, reply) {
                (Asker::Client, Reply::Taken(_) | Reply::Known(_)) => {
                    self.stage.acknowledged = true;
                }
                (Asker::Client, other) => {
                    let what = format!("its start was answered by {other:?}");
                    self.stage.complaints.push(what);
                    self.stage.acknowledged = true;
                }
                (Asker::Canceller, _) => {}
                (Asker::Apart(sender), reply) => {
                    let _ = sender.send(reply);
                }
            },
            Outgoing::Load(key) => {
                let wanted = match &key {
                    LoadKey::Id(id) => SagaKey::Id(id),
                    LoadKey::No(no) => SagaKey::No(*no),
                };
                let result = self.stage.disk.reader();
                let result = result.and_then(|mut reader| reader.load(wanted));
                let result = result.map(|found| found.map(Box::new));
                self.engine.handle(now, Incoming::Loaded { key, result });
            }
            Outgoing::FindDue {
                after,
                until,
                limit,
            } => {
                let found = self.stage.disk.reader();
                let found = found.and_then(|mut reader| reader.due(after, until, limit));
                self.engine.handle(now, Incoming::DueFound(found));
            }
            Outgoing::Publish { .. } | Outgoing::Drained => {}
        }
    }

    fn run(&mut self, saga: SagaNo, id: RunId) -> Option<&mut Running> {
        self.runs.get_mut(&saga).filter(|running| running.id == id)
    }

    pub(super) fn closures(&self, saga: SagaNo, id: RunId) -> Option<crate::function::RunClosures> {
        let running = self.runs.get(&saga).filter(|running| running.id == id)?;
        Some(running.run.closures())
    }

    fn poll_runs(&mut self, waker: &Waker) -> bool {
        let now = self.now();
        let mut said = Vec::new();
        let mut numbers: Vec<SagaNo> = self.runs.keys().copied().collect();
        numbers.sort_unstable();
        for saga in numbers {
            let Some(running) = self.runs.get_mut(&saga) else {
                continue;
            };
            let is_up = running
                .missing_since
                .is_some_and(|since| now >= since + PATIENCE);
            let yielded = if is_up {
                running.missing_since = None;
                running.run.give_up()
            } else if running.flag.take(waker) {
                let own = Waker::from(Arc::clone(&running.flag));
                running.run.poll(&mut Context::from_waker(&own))
            } else {
                continue;
            };
            if self.stage.probe.is_dead() {
                return true;
            }
            if running.run.missing().is_none() {
                running.missing_since = None;
            } else {
                running.missing_since.get_or_insert(now);
            }
            said.extend(yielded.map(|yielded| (saga, running.id, yielded)));
        }
        let moved = !said.is_empty();
        for (saga, run, yielded) in said {
            self.engine
                .handle(now, Incoming::Yielded { saga, run, yielded });
        }
        moved
    }

    /// Starts the sagas that others want.
    fn begin_apart(&mut self, waker: &Waker) -> bool {
        let mut moved = false;
        while let Some(wanted) = self.stage.desk.next(waker) {
            moved = true;
            let now = self.now();
            let Some(definition) = self.stage.definitions.function(&wanted.function) else {
                continue;
            };
            let submission = Submission {
                id: Some(wanted.id.clone()),
                name: wanted.function,
                input: wanted.input,
                deadline: None,
                by: None,
                definition: Arc::clone(definition),
            };
            let incoming = Incoming::Submit {
                submission: Box::new(submission),
                id: wanted.id,
                trace: None,
                wait_until: Some(now + Span::from(wanted.timeout)),
                reply: Asker::Apart(wanted.reply),
            };
            self.engine.handle(now, incoming);
        }
        moved
    }

    /// Whether nothing is left to do but what people must.
    fn is_over(&self) -> bool {
        if !(self.stage.acknowledged && self.calls.is_empty() && self.stage.late.is_empty()) {
            return false;
        }
        let Ok(mut reader) = self.stage.disk.reader() else {
            return false;
        };
        let Ok(page) = reader.list(&SagaFilter::default(), None, 10_000) else {
            return false;
        };
        let mut sagas = page.items.into_iter().flatten();
        sagas.all(|saga| saga.state.is_settled() || saga.state == SagaState::Stuck)
    }
}
