//! Carries the engine's wishes to the world and the world's answers back.
//!
//! One task owns the engine. Journal appends of one round go to the writer together, so that what
//! waits is committed together; calls run as tasks of their own; questions to the journal run on
//! threads that may block.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use settled_journal::failpoint::failpoint;
use settled_journal::{Change, ChangeReply, Fate, ReadError, Refused, SagaKey, SagaNo, Writer};
use settled_protocol::{Record, Span, Timestamp};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::clock::Clock;
use super::handle::Coordinator;
use super::readers::Readers;
use super::runs::Runs;
use super::{CoordinatorSettings, OpenJournal, schedules};
use crate::callback::CallbackKey;
use crate::definition::Definitions;
use crate::engine::{AppendRefused, CallId, Engine, Incoming, LoadKey, Outgoing, Reply};
use crate::function::Functions;
use crate::observe::Observer;
use crate::participant::{Answer, HttpParticipants, Request};

/// The most messages taken in before the engine looks at the clock again.
const ROUND: usize = 512;

/// How many records a watcher may fall behind.
const WATCH_BACKLOG: usize = 1_024;

/// How often settled sagas past their time are removed, and how many at a time.
const PRUNE_EVERY: Duration = Duration::from_secs(1);
const PRUNE_PIECE: usize = 200;

/// How a coordinator is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// At work.
    Running,
    /// Letting what is under way end.
    Draining,
    /// Stopped as it was asked to.
    Stopped,
    /// Stopped because the journal failed.
    Failed(String),
}

impl Health {
    /// Whether nothing is driven any more.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Stopped | Self::Failed(_))
    }
}

/// How much is under way, for whoever measures.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) in_flight: AtomicUsize,
    pub(super) open_calls: AtomicUsize,
}

/// Something for the driver.
pub(super) enum Message {
    Engine(Incoming<oneshot::Sender<Reply>>),
    Written(Vec<(SagaNo, Fate)>),
    Drain { grace: Duration },
    Change { change: Change, reply: ChangeReply },
}

/// Records that became durable together.
pub(super) type Published = Arc<Vec<Record>>;

/// Who watches which saga.
#[derive(Clone, Default)]
pub(super) struct Watchers {
    by_saga: Arc<Mutex<HashMap<String, broadcast::Sender<Published>>>>,
}

impl Watchers {
    pub(super) fn subscribe(&self, saga: &str) -> broadcast::Receiver<Arc<Vec<Record>>> {
        let mut by_saga = self.by_saga.lock().unwrap_or_else(PoisonError::into_inner);
        by_saga.retain(|_, sender| sender.receiver_count() > 0);
        by_saga
            .entry(saga.to_owned())
            .or_insert_with(|| broadcast::channel(WATCH_BACKLOG).0)
            .subscribe()
    }

    fn publish(&self, saga: &str, records: Vec<Record>) {
        let by_saga = self.by_saga.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = by_saga.get(saga) {
            let _ = sender.send(Arc::new(records));
        }
    }
}

/// What a coordinator works with.
pub struct Work {
    /// Makes HTTP calls; without it those sagas wait that need them.
    pub participants: Option<HttpParticipants>,
    /// Runs the functions of this program.
    pub functions: Option<Arc<dyn Functions>>,
    /// Reads submissions; it knows the functions.
    pub definitions: Definitions,
}

impl Coordinator {
    /// Starts driving the sagas of a journal; what is unfinished there goes on at once. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// Where the system gives no thread for the journal's writer.
    pub fn start(
        journal: OpenJournal,
        participants: HttpParticipants,
        observer: Arc<dyn Observer>,
        settings: CoordinatorSettings,
    ) -> std::io::Result<Self> {
        let work = Work {
            participants: Some(participants),
            functions: None,
            definitions: Definitions::new(),
        };
        Self::start_with(journal, work, observer, settings)
    }

    /// As [`Coordinator::start`], with whatever there is to work with.
    ///
    /// # Errors
    /// As [`Coordinator::start`].
    pub fn start_with(
        journal: OpenJournal,
        work: Work,
        observer: Arc<dyn Observer>,
        settings: CoordinatorSettings,
    ) -> std::io::Result<Self> {
        let clock = Clock::start();
        let definitions = Arc::new(work.definitions);
        let (next_saga, secret) = {
            let opened = journal.writer.opened();
            (opened.next_saga, opened.secret)
        };
        let (inbox, messages) = mpsc::unbounded_channel();
        let (health_sender, health) = watch::channel(Health::Running);
        let results = inbox.clone();
        let deliver = move |written| {
            let _ = results.send(Message::Written(written));
        };
        let writer = Writer::spawn(journal.writer, Box::new(deliver))?;
        let stats = Arc::clone(writer.stats());
        let engine = Engine::new(
            settings.engine.clone(),
            Arc::clone(&definitions),
            Arc::clone(&observer),
            next_saga,
            secret,
            fastrand::u64(..),
        );
        let readers = Readers::new(journal.keeper, settings.readers);
        let watchers = Watchers::default();
        let load = Arc::new(Load::default());
        let driver = Driver {
            engine,
            clock,
            participants: work.participants,
            runs: Runs::new(work.functions, inbox.clone()),
            writer,
            load: Arc::clone(&load),
            readers: readers.clone(),
            watchers: watchers.clone(),
            inbox: inbox.clone(),
            health: health_sender,
            keep_settled: settings.keep_settled,
            deadline: None,
            taken_in_at: clock.now(),
        };
        failpoint("start");
        tokio::spawn(driver.run(messages));
        let (schedules, wishes) = mpsc::unbounded_channel();
        let coordinator = Self {
            inbox,
            definitions,
            readers,
            callbacks: CallbackKey::new(secret),
            clock,
            watchers,
            health,
            stats,
            load,
            default_limits: Arc::new(settings.engine.limits),
            mask: settings.engine.mask,
            schedules,
        };
        schedules::start(coordinator.clone(), observer, wishes);
        Ok(coordinator)
    }
}

struct Driver {
    engine: Engine<oneshot::Sender<Reply>>,
    clock: Clock,
    participants: Option<HttpParticipants>,
    runs: Runs,
    writer: Writer<SagaNo>,
    load: Arc<Load>,
    readers: Readers,
    watchers: Watchers,
    inbox: mpsc::UnboundedSender<Message>,
    health: watch::Sender<Health>,
    keep_settled: Option<Span>,
    /// When to stop although calls are still under way.
    deadline: Option<Instant>,
    /// The moment that the engine holds for the present one.
    taken_in_at: Timestamp,
}

/// Whether to go on.
enum Course {
    On,
    End(Health),
}

impl Driver {
    async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>) {
        let mut round = Vec::with_capacity(ROUND);
        let mut prune = tokio::time::interval(PRUNE_EVERY);
        prune.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let end = loop {
            let now = self.clock.now();
            self.engine.tick(now);
            if let Course::End(health) = self.carry_out() {
                break health;
            }
            let wake_at = self.engine.wake_at().map(|at| self.clock.instant(at));
            let wake_at = [wake_at, self.deadline].into_iter().flatten().min();
            tokio::select! {
                biased;
                taken = messages.recv_many(&mut round, ROUND) => {
                    if taken == 0 {
                        break Health::Stopped;
                    }
                }
                () = sleep_until(wake_at) => {}
                _ = prune.tick(), if self.keep_settled.is_some() => self.prune(),
            }
            if self
                .deadline
                .is_some_and(|deadline| deadline <= Instant::now())
            {
                break Health::Stopped;
            }
            let now = self.clock.now();
            if let Course::End(health) = self.take_in(now, &mut round) {
                break health;
            }
        };
        failpoint("drained");
        // The writer ends what it has before it goes; nothing acts on that any more.
        let writer = self.writer;
        let _ = tokio::task::spawn_blocking(move || writer.close()).await;
        let _ = self.health.send(end);
    }

    fn take_in(&mut self, now: Timestamp, round: &mut Vec<Message>) -> Course {
        self.taken_in_at = now;
        for message in round.drain(..) {
            match message {
                Message::Engine(incoming) => {
                    pass(&incoming);
                    self.engine.handle(now, incoming);
                }
                Message::Drain { grace } => {
                    failpoint("draining");
                    self.deadline = Some(Instant::now() + grace);
                    self.health.send_replace(Health::Draining);
                    self.engine.handle(now, Incoming::Drain);
                }
                Message::Change { change, reply } => self.writer.change(change, reply),
                Message::Written(written) => {
                    failpoint("written");
                    for (saga, result) in written {
                        if let Err(dead @ Refused::Dead(_)) = &result {
                            return Course::End(Health::Failed(dead.to_string()));
                        }
                        let result = result.map_err(|refused| AppendRefused(refused.to_string()));
                        self.engine.handle(now, Incoming::Appended { saga, result });
                    }
                }
            }
        }
        Course::On
    }

    fn carry_out(&mut self) -> Course {
        let mut appends = Vec::new();
        for outgoing in self.engine.take_outgoing() {
            match outgoing {
                Outgoing::Append(append) => appends.push((append.saga, append)),
                Outgoing::Send { call, request } => self.send(call, request),
                Outgoing::Launch(launch) => self.runs.launch(launch),
                Outgoing::Resume { saga, run, told } => self.runs.resume(saga, run, told),
                Outgoing::Invoke { call, invocation } => {
                    let until = self.clock.instant(self.taken_in_at + invocation.timeout);
                    self.runs.invoke(call, invocation, until);
                }
                Outgoing::Stop { saga, run } => self.runs.stop(saga, run),
                Outgoing::Halt { saga, run } => self.runs.halt(saga, run),
                Outgoing::Reply(reply, answer) => {
                    failpoint("before-reply");
                    let _ = reply.send(answer);
                    failpoint("after-reply");
                }
                Outgoing::Publish { saga, records } => self.watchers.publish(&saga, records),
                Outgoing::Load(key) => self.load(key),
                Outgoing::FindDue {
                    after,
                    until,
                    limit,
                } => {
                    self.ask(
                        move |reader| reader.due(after, until, limit),
                        Incoming::DueFound,
                    );
                }
                Outgoing::Drained => return Course::End(Health::Stopped),
            }
        }
        if !appends.is_empty() {
            failpoint("before-append");
        }
        self.writer.submit(appends);
        self.load
            .in_flight
            .store(self.engine.in_flight(), Ordering::Relaxed);
        self.load
            .open_calls
            .store(self.engine.open_calls(), Ordering::Relaxed);
        Course::On
    }

    fn send(&self, call: CallId, request: Request) {
        let (participants, inbox) = (self.participants.clone(), self.inbox.clone());
        // From the moment that the engine has noted: a process that was held up since then must not
        // send late, as the answer to a check would be believed by then.
        let until = self.clock.instant(self.taken_in_at + request.timeout);
        tokio::spawn(async move {
            failpoint("before-send");
            let answer = match participants {
                Some(participants) => participants.send_until(request, until).await,
                None => Answer::NotSent("this program makes no HTTP calls".to_owned()),
            };
            failpoint("answered");
            let _ = inbox.send(Message::Engine(Incoming::Answered { call, answer }));
        });
    }

    fn load(&self, key: LoadKey) {
        failpoint("before-load");
        let wanted = key.clone();
        self.ask(
            move |reader| {
                let key = match &wanted {
                    LoadKey::Id(id) => SagaKey::Id(id),
                    LoadKey::No(no) => SagaKey::No(*no),
                };
                Ok(reader.load(key)?.map(Box::new))
            },
            move |result| Incoming::Loaded { key, result },
        );
    }

    fn ask<T, Q, I>(&self, question: Q, incoming: I)
    where
        T: Send + 'static,
        Q: FnOnce(&mut dyn settled_journal::Reader) -> Result<T, ReadError> + Send + 'static,
        I: FnOnce(Result<T, ReadError>) -> Incoming<oneshot::Sender<Reply>> + Send + 'static,
    {
        let (readers, inbox) = (self.readers.clone(), self.inbox.clone());
        tokio::spawn(async move {
            let answer = readers.ask(question).await;
            let _ = inbox.send(Message::Engine(incoming(answer)));
        });
    }

    fn prune(&self) {
        if let Some(keep) = self.keep_settled {
            let before = self.clock.now() - keep;
            self.writer.prune(before, PRUNE_PIECE, Box::new(|_| ()));
        }
    }
}

/// Passes the failpoint of what comes in, where it has one.
fn pass<R>(incoming: &Incoming<R>) {
    match incoming {
        Incoming::Answered { .. } => failpoint("answer-taken"),
        Incoming::Loaded { .. } => failpoint("loaded"),
        Incoming::DueFound(_) => failpoint("due-found"),
        _ => {}
    }
}

/// Sleeps until then, or for ever.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
