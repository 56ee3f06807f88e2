//! One saga that is being driven: its state, what of it is not durable yet, and what follows once
//! it is.

use std::sync::Arc;

use settled_journal::{Append, NewSaga, SagaRow};
use settled_protocol::{Event, Record, SagaState, Timestamp};

use super::functions::{Invocation, Launch, Run, RunId};
use super::limits::Participant;
use super::message::{CallId, Command, Reply};
use crate::participant::Request;
use crate::snapshot::SagaSnapshot;
use crate::trace;

/// One saga in memory.
pub(super) struct InFlight<R> {
    /// Its state, with every event applied, durable or not.
    pub(super) at: SagaSnapshot,
    /// The W3C trace id that its requests carry.
    pub(super) trace: Box<str>,
    /// Whether its submission is durable.
    pub(super) durable: bool,
    /// What the journal is to keep of the submission, until that is on its way.
    pub(super) new: Option<Box<NewSaga>>,
    /// There was no room for it: once it is durable it waits in the journal.
    pub(super) backlogged: bool,
    /// The chain hash of the last durable record.
    pub(super) chain: u64,
    /// The row as last written, or being written.
    pub(super) row: SagaRow,
    /// Events that no append carries yet.
    pub(super) unsaved: Vec<Record>,
    /// What follows once they are durable.
    pub(super) then: Vec<Consequence<R>>,
    /// What follows once the append that is under way is durable; none is under way without it.
    pub(super) saving: Option<Saving<R>>,
    /// How many calls are under way.
    pub(super) calls: u32,
    /// A task waits for a slot at its participant.
    pub(super) in_line: bool,
    /// Where it was told to come later, and when; few at a time.
    pub(super) places: Vec<(Participant, Timestamp)>,
    /// The next moment at which the core wants to be asked again, or a participant may have room.
    pub(super) wake_at: Option<Timestamp>,
    /// The earliest timer that is set for this saga.
    pub(super) timer_at: Option<Timestamp>,
    /// The run of the saga's function, where it is one and needs to run.
    pub(super) run: Option<Run>,
    /// Commands that came before the submission was durable.
    pub(super) early: Vec<(Command, R)>,
}

/// An append that is under way.
pub(super) struct Saving<R> {
    pub(super) then: Vec<Consequence<R>>,
    /// Kept for those who watch.
    pub(super) records: Vec<Record>,
}

/// What may happen only after the events before it are durable (R1, R2).
pub(super) enum Consequence<R> {
    /// Send a request.
    Send { call: CallId, request: Request },
    /// Call a closure.
    Invoke {
        call: CallId,
        invocation: Invocation,
    },
    /// Run the saga's function.
    Launch(Box<Launch>),
    /// Forget an earlier run of it.
    Halt(RunId),
    /// Answer somebody.
    Reply(R, Reply),
    /// Answer a submission with the saga as it then stands, or let it wait for the end.
    Taken {
        reply: R,
        wait_until: Option<Timestamp>,
    },
}

impl<R> InFlight<R> {
    pub(super) fn new(at: SagaSnapshot, chain: u64, row: SagaRow) -> Self {
        let trace = at
            .saga
            .trace()
            .map_or_else(|| trace::own_trace(&at.id), Box::from);
        Self {
            at,
            trace,
            durable: false,
            new: None,
            backlogged: false,
            chain,
            row,
            unsaved: Vec::new(),
            then: Vec::new(),
            saving: None,
            calls: 0,
            in_line: false,
            places: Vec::new(),
            wake_at: None,
            timer_at: None,
            run: None,
            early: Vec::new(),
        }
    }

    /// The saga's state. One whose function is at work is not stuck, whatever else waits for a
    /// person.
    pub(super) fn state(&self, now: Timestamp) -> SagaState {
        match self.at.saga.state(now) {
            SagaState::Stuck if self.is_function_at_work() => SagaState::Running,
            state => state,
        }
    }

    /// Applies an event and keeps it for the next append. The core made it for this very state, so
    /// it fits.
    pub(super) fn record(&mut self, now: Timestamp, event: Event) {
        let record = Record {
            seq: self.at.saga.seq() + 1,
            at: now,
            event,
        };
        let applied = self.at.saga.apply(&record);
        debug_assert!(applied.is_ok(), "{applied:?} in {}", self.at.id);
        if applied.is_ok() {
            self.unsaved.push(record);
        }
    }

    /// When a participant will have room, as it was last said.
    pub(super) fn place_at(&self, participant: Participant) -> Option<Timestamp> {
        let mut places = self.places.iter();
        places
            .find(|(at, _)| *at == participant)
            .map(|(_, place)| *place)
    }

    /// The timer to set now, if the one that is set does not do.
    pub(super) fn new_timer(&mut self) -> Option<Timestamp> {
        let at = self.wake_at?;
        if self.timer_at.is_some_and(|set| set <= at) {
            return None;
        }
        self.timer_at = Some(at);
        Some(at)
    }

    /// Whether everything that happened is durable.
    pub(super) fn is_saved(&self) -> bool {
        self.saving.is_none() && self.unsaved.is_empty()
    }

    /// Whether only time or somebody outside can move the saga on.
    pub(super) fn is_idle(&self) -> bool {
        self.calls == 0 && !self.in_line && !self.is_function_at_work()
    }

    /// What the row must say once everything so far is durable: a moment to come for a saga that is
    /// to be forgotten until then, one in the past for a saga that a restart must take up.
    fn next_row(&self, now: Timestamp, park_after: Timestamp) -> SagaRow {
        let state = self.state(now);
        let wake_at = if state.is_settled() {
            None
        } else if !self.backlogged
            && self.is_idle()
            && self.wake_at.is_none_or(|wake_at| wake_at > park_after)
        {
            self.wake_at
        } else {
            Some(self.row.wake_at.map_or(now, |wake_at| wake_at.min(now)))
        };
        SagaRow {
            state,
            wake_at,
            settled_at: self.at.saga.settled_at(),
        }
    }

    /// The next append, where there is anything to write and none is under way.
    pub(super) fn take_append(
        &mut self,
        now: Timestamp,
        park_after: Timestamp,
        watched: bool,
    ) -> Option<Append> {
        if self.saving.is_some() {
            return None;
        }
        let row = self.next_row(now, park_after);
        if self.unsaved.is_empty() && row == self.row {
            return None;
        }
        let new = self.new.take();
        let changed = row != self.row || new.is_some();
        self.row = row;
        let records = std::mem::take(&mut self.unsaved);
        self.saving = Some(Saving {
            then: std::mem::take(&mut self.then),
            records: if watched { records.clone() } else { Vec::new() },
        });
        Some(Append {
            saga: self.at.no,
            plan: Arc::clone(self.at.saga.plan()),
            new,
            records,
            chain: self.chain,
            row: changed.then_some(row),
        })
    }
}
