//! The task beside the coordinator: sleeps until a schedule is due or somebody asks for something.
//!
//! Each schedule has one turn at a time, different ones have theirs side by side. Nothing is looked
//! at again and again: a due time, a saga that was waited for, or a command brings a turn about.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use settled_journal::ReadError;
use settled_protocol::{Json, Span, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinSet};

use super::ground::Ground;
use super::spec::Schedule;
use super::turn::Entry;
use crate::coordinator::SubmitError;
use crate::definition::Invalid;
use crate::snapshot::SagaSnapshot;

/// The most schedules that there may be.
pub(crate) const MOST_SCHEDULES: usize = 1_000;

/// How soon to ask again for the schedules that could not be read.
const READ_AGAIN: Span = Span::from_secs(1);

/// Why a schedule was not changed, or not triggered.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The name, the document or a parameter is malformed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no such schedule.
    #[error("there is no such schedule")]
    NotFound,
    /// There are too many.
    #[error("there are {MOST_SCHEDULES} schedules, and more are not taken; delete some")]
    TooMany,
    /// Its document was understood once, and is not by this build.
    #[error("the schedule's document cannot be read by this build; put it again")]
    Broken,
    /// A saga was started under this id with other content.
    #[error("id: a saga was triggered with this id already, with other content; use another id")]
    Conflict,
    /// It could not be recorded now, or it is not known whether it was; to ask for the same again
    /// does no harm.
    #[error("the schedule cannot be changed durably now: {0}")]
    Unavailable(String),
    /// The record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<SubmitError> for ScheduleError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Conflict => Self::Conflict,
            SubmitError::Unavailable(why) => Self::Unavailable(why),
            SubmitError::Read(error) => Self::Read(error),
        }
    }
}

/// A run out of turn.
#[derive(Debug)]
pub struct Triggered {
    /// Its saga as it stands, durably.
    pub saga: SagaSnapshot,
    /// Whether this call started it, rather than finding it there.
    pub new: bool,
}

/// What becomes of a wish.
type Answer<T> = oneshot::Sender<Result<T, ScheduleError>>;

/// Something that somebody wants of one schedule.
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) wish: Wish,
}

/// What somebody wants.
pub(crate) enum Wish {
    /// To have it as the document says; answered with whether it is a new one.
    Put {
        document: Json,
        schedule: Arc<Schedule>,
        reply: Answer<bool>,
    },
    /// To have it no more.
    Delete { reply: Answer<()> },
    /// A run out of turn.
    Trigger {
        id: Option<String>,
        reply: Answer<Triggered>,
    },
}

/// The schedules of one coordinator.
pub(crate) struct Scheduler<G> {
    ground: G,
    slots: HashMap<String, Slot>,
    turns: JoinSet<Entry>,
    /// Whose turn a task is.
    taking: HashMap<Id, String>,
    watches: JoinSet<String>,
}

/// One schedule.
#[derive(Default)]
struct Slot {
    /// None while a turn has it.
    entry: Option<Entry>,
    commands: VecDeque<Command>,
    /// Whether somebody waits for an earlier run to be settled.
    watched: bool,
}

impl<G: Ground> Scheduler<G> {
    pub(crate) fn new(ground: G) -> Self {
        Self {
            ground,
            slots: HashMap::new(),
            turns: JoinSet::new(),
            taking: HashMap::new(),
            watches: JoinSet::new(),
        }
    }

    /// Runs what is due until `stop`, which ends whatever is under way: it is done again at the next
    /// start.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        stop: impl Future<Output = ()>,
    ) {
        tokio::select! {
            () = stop => {}
            () = self.attend(&mut commands) => {}
        }
    }

    async fn attend(&mut self, commands: &mut mpsc::UnboundedReceiver<Command>) {
        self.read_all().await;
        loop {
            let wake_at = self.begin_due();
            let ground = self.ground.clone();
            let alarm = async move {
                match wake_at {
                    Some(at) => ground.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.take(command),
                    None => return,
                },
                Some(ended) = self.turns.join_next_with_id() => self.turn_ended(ended),
                Some(Ok(name)) = self.watches.join_next() => {
                    if let Some(slot) = self.slots.get_mut(&name) {
                        slot.watched = false;
                    }
                    self.begin(&name, None);
                }
                () = alarm => {}
            }
        }
    }

    /// Learns which schedules there are. Until that is known nothing can be said about any.
    async fn read_all(&mut self) {
        let rows = loop {
            match self.ground.rows().await {
                Ok(rows) => break rows,
                Err(error) => self.ground.trouble(&format!("the schedules: {error}")),
            }
            self.ground
                .sleep_until(self.ground.now() + READ_AGAIN)
                .await;
        };
        for row in rows {
            let entry = match row {
                Ok(row) => Entry::known(&self.ground, row),
                Err(error) => {
                    self.ground.trouble(&error.to_string());
                    continue;
                }
            };
            let slot = self.slots.entry(entry.name.clone()).or_default();
            slot.entry = Some(entry);
        }
    }

    /// Begins the turns whose time has come, and says when the next one is.
    fn begin_due(&mut self) -> Option<Timestamp> {
        let now = self.ground.now();
        let mut due = Vec::new();
        let mut next: Option<Timestamp> = None;
        for (name, slot) in &self.slots {
            match slot.entry.as_ref().and_then(Entry::wake_at) {
                Some(at) if at <= now => due.push(name.clone()),
                Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
                None => {}
            }
        }
        for name in due {
            self.begin(&name, None);
        }
        next
    }

    fn take(&mut self, command: Command) {
        let room = self.slots.len() < MOST_SCHEDULES || self.slots.contains_key(&command.name);
        if let (false, Wish::Put { .. }) = (room, &command.wish) {
            if let Wish::Put { reply, .. } = command.wish {
                let _ = reply.send(Err(ScheduleError::TooMany));
            }
            return;
        }
        let name = command.name.clone();
        let slot = self.slots.entry(name.clone()).or_insert_with(|| Slot {
            entry: Some(Entry::unknown(name.clone())),
            ..Slot::default()
        });
        slot.commands.push_back(command);
        if let Some(command) = slot.entry.is_some().then(|| slot.commands.pop_front()) {
            self.begin(&name, command);
        }
    }

    /// Gives a schedule its turn, unless it has it already.
    fn begin(&mut self, name: &str, command: Option<Command>) {
        let Some(slot) = self.slots.get_mut(name) else {
            return;
        };
        let Some(entry) = slot.entry.take() else {
            return;
        };
        let ground = self.ground.clone();
        let turn = self
            .turns
            .spawn(async move { entry.turn(&ground, command).await });
        self.taking.insert(turn.id(), name.to_owned());
    }

    fn turn_ended(&mut self, ended: Result<(Id, Entry), tokio::task::JoinError>) {
        let entry = match ended {
            Ok((id, entry)) => {
                self.taking.remove(&id);
                entry
            }
            Err(error) => {
                // What is on record is read anew.
                let Some(name) = self.taking.remove(&error.id()) else {
                    return;
                };
                self.ground.trouble(&format!(
                    "schedule {name}: a turn broke off, which is a bug"
                ));
                Entry::unknown(name)
            }
        };
        let Some(slot) = self.slots.get_mut(&entry.name) else {
            return;
        };
        let name = entry.name.clone();
        if let Some(saga) = entry.waits_for.clone().filter(|_| !slot.watched) {
            slot.watched = true;
            let (ground, name) = (self.ground.clone(), name.clone());
            self.watches.spawn(async move {
                ground.settled(&saga).await;
                name
            });
        }
        if let Some(command) = slot.commands.pop_front() {
            slot.entry = Some(entry);
            self.begin(&name, Some(command));
        } else if entry.is_there() {
            slot.entry = Some(entry);
        } else {
            self.slots.remove(&name);
        }
    }
}
