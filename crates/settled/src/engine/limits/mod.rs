//! How much may be asked of each participant, and who waits for it: calls at a time, calls per
//! second, a circuit breaker, and what the participant itself asks for by `Retry-After`.
//!
//! A call takes its slot before its intent is recorded, so that what waits for a slot is not in
//! doubt after a crash. Waiting is neither an event nor an attempt; whoever waits for long is
//! parked in the journal. Nothing here reads a clock, and nothing here fails a call.

mod breaker;
mod bucket;
mod entry;
mod line;
mod settings;
mod tally;
mod view;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use settled_journal::SagaNo;
use settled_protocol::{Span, Timestamp};

use self::breaker::Breaker;
use self::bucket::Bucket;
use self::entry::Entry;
use self::settings::LONGEST;

pub(crate) use self::breaker::CallHealth;
pub use self::settings::{BreakerLimits, Limits, LimitsError};
pub use self::view::{BreakerView, ParticipantView};

/// A participant: the index of its entry in [`Participants`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Participant(usize);

/// A call's leave to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) participant: Participant,
    /// It finds out whether the participant is back.
    probe: bool,
}

/// The answer to a saga that wants to call.
#[derive(Debug)]
pub(crate) enum Room {
    /// It may.
    Slot(Slot),
    /// It is called when its turn comes.
    InLine,
    /// Not before then; there is no need to stay in memory.
    At(Timestamp),
}

/// What became of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) health: CallHealth,
    /// For how long the participant asks to be left alone.
    pub(crate) hold: Option<Span>,
    /// How long the call took; none where it was never made.
    pub(crate) elapsed: Option<Span>,
    pub(crate) random: u64,
}

/// Every participant that was ever called, or has limits of its own.
#[derive(Debug)]
pub(crate) struct Participants {
    defaults: Limits,
    park_after: Span,
    most_standing: usize,
    by_name: HashMap<Box<str>, usize>,
    entries: Vec<Entry>,
    /// Participants to be looked at again, and when.
    alarms: Vec<(Participant, Timestamp)>,
}

impl Participants {
    /// `in_memory` is how many sagas there may be in memory.
    pub(crate) fn new(
        defaults: &Limits,
        own: &BTreeMap<String, Limits>,
        park_after: Span,
        in_memory: usize,
    ) -> Self {
        let mut participants = Self {
            defaults: defaults.clone().within_bounds(),
            park_after,
            // One participant must not keep those from memory that call others.
            most_standing: (in_memory / 4).max(1),
            by_name: HashMap::new(),
            entries: Vec::new(),
            alarms: Vec::new(),
        };
        for (name, limits) in own {
            participants.add(name, limits.clone().within_bounds());
        }
        participants
    }

    /// The participant of this name.
    pub(crate) fn participant(&mut self, name: &str) -> Participant {
        match self.by_name.get(name) {
            Some(index) => Participant(*index),
            None => self.add(name, self.defaults.clone()),
        }
    }

    fn add(&mut self, name: &str, limits: Limits) -> Participant {
        let index = self.entries.len();
        self.entries.push(Entry::new(name, limits));
        self.by_name.insert(name.into(), index);
        Participant(index)
    }

    /// Asks for a saga whether it may call. `known` is what it was told before, if it was told to
    /// come later.
    pub(crate) fn ask(
        &mut self,
        participant: Participant,
        saga: SagaNo,
        known: Option<Timestamp>,
        now: Timestamp,
    ) -> Room {
        let entry = &mut self.entries[participant.0];
        if entry.line.is_empty() && entry.called.is_none() && entry.room(now) > 0 {
            return Room::Slot(entry.take(participant, now));
        }
        entry.line.refresh(now);
        let called = entry.called == Some(saga);
        if called {
            entry.called = None;
        } else if entry.line.stands(saga) {
            return Room::InLine;
        }
        let place = entry.line.arrives(saga);
        let room = entry.room(now);
        // A place is kept for those that are on their way.
        let before = if called || place.is_some() {
            0
        } else {
            entry.line.expected()
        };
        let first = called || entry.line.is_first(place);
        if first && room as usize > before {
            return Room::Slot(entry.take(participant, now));
        }
        if place.is_none()
            && let Some(known) = known.filter(|known| *known > now)
        {
            return Room::At(known);
        }
        let place = place.or(called.then_some(now));
        let room = entry.wait(saga, place, now, self.park_after, self.most_standing);
        self.set_alarm(participant, now);
        room
    }

    /// A call is over, or was never made. True where those that stand in line have to ask again.
    pub(crate) fn end(&mut self, slot: Slot, ended: Ended, now: Timestamp) -> bool {
        let entry = &mut self.entries[slot.participant.0];
        entry.busy = entry.busy.saturating_sub(1);
        entry.moved_at = now;
        if ended.elapsed.is_some() {
            entry.tally.add(ended.health, ended.elapsed);
        }
        let was_down = entry.breaker.is_down();
        if let Some(limits) = &entry.limits.breaker {
            let Ended { health, random, .. } = ended;
            entry.breaker.ended(limits, slot.probe, health, now, random);
        }
        let mut closed = entry.breaker.is_down() && (slot.probe || !was_down);
        if let Some(hold) = ended.hold.filter(|hold| *hold > Span::ZERO) {
            let until = now + hold.min(LONGEST);
            closed |= entry.held_until.is_none_or(|held| held < until);
            entry.held_until = entry.held_until.max(Some(until));
        }
        closed && entry.line.standing() > 0
    }

    /// Calls the next that stands in line, where there is room. To be followed by
    /// [`Participants::turn_over`] when it has asked, or had no wish to.
    pub(crate) fn next(&mut self, participant: Participant, now: Timestamp) -> Option<SagaNo> {
        let entry = &mut self.entries[participant.0];
        if entry.line.standing() == 0 || entry.room(now) == 0 {
            return None;
        }
        entry.called = entry.line.next();
        entry.called
    }

    pub(crate) fn turn_over(&mut self, participant: Participant) {
        self.entries[participant.0].called = None;
    }

    /// Calls the next that is parked, where there is room and nobody stands in line.
    pub(crate) fn recall(&mut self, participant: Participant, now: Timestamp) -> Option<SagaNo> {
        let entry = &mut self.entries[participant.0];
        if entry.line.parked() == 0 {
            return None;
        }
        entry.line.refresh(now);
        if entry.line.standing() > 0 || entry.room(now) as usize <= entry.line.expected() {
            return None;
        }
        entry.line.recall(now)
    }

    /// Has those that stand in line ask again, in order.
    pub(crate) fn ask_all_again(
        &mut self,
        participant: Participant,
        now: Timestamp,
    ) -> Vec<SagaNo> {
        self.entries[participant.0].line.ask_all_again(now)
    }

    /// Sees to it that the participant is looked at when its room grows by itself.
    pub(crate) fn set_alarm(&mut self, participant: Participant, now: Timestamp) {
        let entry = &mut self.entries[participant.0];
        let Some(at) = entry.changes_at(now) else {
            return;
        };
        if entry.alarm_at.is_none_or(|set| set > at || set <= now) {
            entry.alarm_at = Some(at);
            self.alarms.push((participant, at));
        }
    }

    /// An alarm that is to be set now.
    pub(crate) fn next_alarm(&mut self) -> Option<(Participant, Timestamp)> {
        self.alarms.pop()
    }

    /// Changes a participant's limits, from now on and for those that wait.
    pub(crate) fn set_limits(&mut self, participant: Participant, limits: Limits, now: Timestamp) {
        let limits = limits.within_bounds();
        let entry = &mut self.entries[participant.0];
        if limits.max_per_second != entry.limits.max_per_second {
            entry.bucket = limits.max_per_second.map(|rate| match &entry.bucket {
                Some(bucket) => bucket.with_rate(rate, now),
                None => Bucket::new(rate),
            });
        }
        if limits.breaker != entry.limits.breaker {
            entry.breaker = Breaker::new();
        }
        entry.limits = limits;
        entry.moved_at = now;
    }

    /// Every participant, in the order of their names.
    pub(crate) fn view(&self, now: Timestamp) -> Vec<ParticipantView> {
        let mut all: Vec<_> = self.entries.iter().map(|entry| entry.view(now)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// One participant, where it is known.
    pub(crate) fn view_of(&self, name: &str, now: Timestamp) -> Option<ParticipantView> {
        let index = self.by_name.get(name)?;
        Some(self.entries[*index].view(now))
    }
}

/// The name of the participant that a URL calls: `host:port`, the host in lower case.
pub(crate) fn name_of(url: &http::Uri) -> Cow<'_, str> {
    let Some(authority) = url.authority() else {
        return Cow::Borrowed("");
    };
    let text = authority.as_str();
    let plain = !text
        .bytes()
        .any(|byte| byte.is_ascii_uppercase() || byte == b'@');
    if plain && authority.port().is_some() {
        return Cow::Borrowed(text);
    }
    let secure = url.scheme() == Some(&http::uri::Scheme::HTTPS);
    let port = authority
        .port_u16()
        .unwrap_or(if secure { 443 } else { 80 });
    Cow::Owned(format!("{}:{port}", authority.host().to_ascii_lowercase()))
}
