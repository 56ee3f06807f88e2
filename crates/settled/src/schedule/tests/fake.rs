//! A world for schedules to stand on: its clock is told, its journal fails when it is to, and the
//! power may go at any moment.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use settled_journal::{
    CommitError, Journal, MemoryJournal, ReadError, Reader, SagaNo, ScheduleChange, ScheduleRow,
};
use settled_protocol::{Saga, SagaState, Span, Timestamp};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::driver::{Command, ScheduleError, Scheduler, Triggered, Wish};
use super::super::ground::Ground;
use super::super::spec::Schedule;
use super::{at, document};
use crate::coordinator::{SubmitError, Submitted};
use crate::definition::{Definitions, Invalid, Submission};
use crate::fingerprint::fingerprint;
use crate::observe::Scheduled;
use crate::snapshot::SagaSnapshot;

/// What goes wrong with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is written.
    Full,
    /// It is written, and nobody can say so.
    Written,
    /// It is not written, and nobody can say so.
    Unwritten,
}

/// When the power goes: at the so many-th thing that is done to the world, before or after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PowerCut {
    pub(super) at: u32,
    pub(super) before: bool,
}

pub(super) struct World {
    pub(super) journal: MemoryJournal,
    /// The sagas that are there, with what they are and how they are.
    pub(super) sagas: BTreeMap<String, ([u8; 32], Result<SagaState, ()>)>,
    /// Which sagas were made, in order, and when.
    pub(super) made: Vec<(String, Timestamp)>,
    pub(super) told: Vec<(String, Scheduled, u64)>,
    pub(super) troubles: Vec<String>,
    /// What goes wrong with the next writes.
    pub(super) faults: VecDeque<Option<Fault>>,
    /// How many submissions are not taken.
    pub(super) turn_away: u32,
    /// In what state sagas are from the beginning.
    pub(super) born: SagaState,
    pub(super) power_cut: Option<PowerCut>,
    done: u32,
}

#[derive(Clone)]
pub(super) struct Fake {
    world: Arc<Mutex<World>>,
    changed: Arc<Notify>,
    definitions: Arc<Definitions>,
    began: (Timestamp, Instant),
}

impl Fake {
    pub(super) fn new(now: &str) -> Self {
        let world = World {
            journal: MemoryJournal::new(),
            sagas: BTreeMap::new(),
            made: Vec::new(),
            told: Vec::new(),
            troubles: Vec::new(),
            faults: VecDeque::new(),
            turn_away: 0,
            born: SagaState::Completed,
            power_cut: None,
            done: 0,
        };
        Self {
            world: Arc::new(Mutex::new(world)),
            changed: Arc::default(),
            definitions: Arc::default(),
            began: (at(now), Instant::now()),
        }
    }

    /// The same world at another time.
    pub(super) fn at(&self, now: &str) -> Self {
        Self {
            began: (at(now), Instant::now()),
            ..self.clone()
        }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(super) fn set(&self, saga: &str, state: Result<SagaState, ()>) {
        self.world().sagas.get_mut(saga).expect(saga).1 = state;
        self.changed.notify_waiters();
    }

    /// The ids of the sagas that were made, in order.
    pub(super) fn made(&self) -> Vec<String> {
        let world = self.world();
        world.made.iter().map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn row(&self, name: &str) -> ScheduleRow {
        let row = self.world().journal.schedule(name).unwrap();
        row.expect(name)
    }

    /// Does something to the world, unless the power goes.
    async fn touch<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let done = {
            let mut world = self.world();
            world.done += 1;
            let cut = world.power_cut.filter(|cut| cut.at == world.done);
            match cut {
                Some(PowerCut { before: true, .. }) => None,
                Some(_) => {
                    work(&mut world);
                    None
                }
                None => Some(work(&mut world)),
            }
        };
        match done {
            Some(done) => {
                tokio::task::yield_now().await;
                done
            }
            None => std::future::pending().await,
        }
    }
}

impl Ground for Fake {
    fn now(&self) -> Timestamp {
        self.began.0 + Span::from(self.began.1.elapsed())
    }

    async fn sleep_until(&self, at: Timestamp) {
        let (wall, origin) = self.began;
        tokio::time::sleep_until(origin + (at - wall).to_std()).await;
    }

    fn parse(&self, document: &[u8]) -> Result<Schedule, Invalid> {
        Schedule::parse(&self.definitions, document)
    }

    async fn rows(&self) -> Result<Vec<Result<ScheduleRow, ReadError>>, ReadError> {
        self.world().journal.schedules()
    }

    async fn row(&self, name: &str) -> Result<Option<ScheduleRow>, ReadError> {
        self.world().journal.schedule(name)
    }

    async fn change(&self, change: ScheduleChange) -> Result<bool, CommitError> {
        self.touch(|world| match world.faults.pop_front().flatten() {
            None => world.journal.change(&change.clone().into()),
            Some(Fault::Full) => Err(CommitError::Full("no room".to_owned())),
            Some(fault) => {
                if fault == Fault::Written {
                    world.journal.change(&change.clone().into())?;
                }
                Err(CommitError::Unknown("fsync".to_owned()))
            }
        })
        .await
    }

    async fn saga_state(&self, saga: &str) -> Result<Option<SagaState>, ReadError> {
        match self.world().sagas.get(saga) {
            None => Ok(None),
            Some((_, Ok(state))) => Ok(Some(*state)),
            Some((_, Err(()))) => Err(ReadError::Damaged {
                saga: saga.to_owned(),
                seq: 1,
                what: "torn".to_owned(),
            }),
        }
    }

    async fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        let now = self.now();
        self.touch(|world| {
            let id = submission.id.clone().unwrap();
            if world.turn_away > 0 {
                world.turn_away -= 1;
                return Err(SubmitError::Unavailable("no room".to_owned()));
            }
            let print = fingerprint(&submission);
            let new = match world.sagas.get(&id) {
                Some((there, _)) if *there != print => return Err(SubmitError::Conflict),
                Some(_) => false,
                None => {
                    let born = world.born;
                    world.sagas.insert(id.clone(), (print, Ok(born)));
                    world.made.push((id.clone(), now));
                    true
                }
            };
            let plan = Arc::clone(submission.definition.plan());
            let saga = SagaSnapshot {
                no: SagaNo(1),
                id: id.into(),
                name: submission.name.into(),
                input: submission.input,
                submitted_by: None,
                created_at: now,
                definition: submission.definition,
                saga: Saga::new(plan),
            };
            Ok(Submitted {
                saga,
                new,
                still_running: false,
            })
        })
        .await
    }

    async fn settled(&self, saga: &str) {
        loop {
            let changed = self.changed.notified();
            let state = self.saga_state(saga).await;
            if matches!(state, Ok(state) if state.is_none_or(SagaState::is_settled)) {
                return;
            }
            changed.await;
        }
    }

    fn tell(&self, schedule: &str, what: Scheduled, count: u64) {
        self.world().told.push((schedule.to_owned(), what, count));
    }

    fn trouble(&self, what: &str) {
        self.world().troubles.push(what.to_owned());
    }
}

/// The task at work on a world.
pub(super) struct Rig {
    pub(super) fake: Fake,
    commands: mpsc::UnboundedSender<Command>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Rig {
    pub(super) fn start(fake: &Fake) -> Self {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let scheduler = Scheduler::new(fake.clone());
        let task = tokio::spawn(scheduler.run(inbox, async {
            let _ = stopped.await;
        }));
        Self {
            fake: fake.clone(),
            commands,
            stop: Some(stop),
            task,
        }
    }

    /// Ends it, whatever it is at.
    pub(super) async fn stop(mut self) -> Fake {
        drop(self.stop.take());
        let ended = tokio::time::timeout(std::time::Duration::from_mins(1), self.task).await;
        ended.expect("it ends when it is told to").unwrap();
        self.fake
    }

    /// Lets it come to rest, at a time.
    pub(super) async fn until(&self, time: &str) {
        let fake = &self.fake;
        fake.sleep_until(at(time)).await;
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }

    pub(super) async fn put(&self, name: &str, members: &str) -> Result<bool, ScheduleError> {
        self.put_text(name, &document(members)).await
    }

    pub(super) async fn put_text(&self, name: &str, text: &str) -> Result<bool, ScheduleError> {
        let schedule = Arc::new(self.fake.parse(text.as_bytes())?);
        let document = settled_protocol::Json::parse(text).unwrap();
        self.wish(name, |reply| Wish::Put {
            document,
            schedule,
            reply,
        })
        .await
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), ScheduleError> {
        self.wish(name, |reply| Wish::Delete { reply }).await
    }

    pub(super) async fn trigger(
        &self,
        name: &str,
        id: Option<&str>,
    ) -> Result<Triggered, ScheduleError> {
        let id = id.map(str::to_owned);
        self.wish(name, |reply| Wish::Trigger { id, reply }).await
    }

    async fn wish<T>(
        &self,
        name: &str,
        wish: impl FnOnce(oneshot::Sender<Result<T, ScheduleError>>) -> Wish,
    ) -> Result<T, ScheduleError> {
        let (reply, answer) = oneshot::channel();
        let command = Command {
            name: name.to_owned(),
            wish: wish(reply),
        };
        assert!(self.commands.send(command).is_ok(), "it is at work");
        answer.await.unwrap()
    }
}
