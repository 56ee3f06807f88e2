//! The participants of one case: what reaches them, what takes effect there, and what they say.
//!
//! They keep their own books and know nothing of the coordinator's.

use settled_protocol::{Answered, Direction, Finding, LegId, Outcome, Timestamp};

use super::case::{CALLBACK_AFTER, Case, Fate, MOST, Policy, TIMEOUT};

/// A line of a participant's books.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) leg: LegId,
    pub(crate) attempt: u32,
    pub(crate) at: Timestamp,
    pub(crate) effect: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// How many requests arrived or would have.
    calls: u32,
    effect: bool,
    /// A request on its way: its attempt, and when it arrives.
    late: Option<(u32, Timestamp)>,
    /// A callback to come.
    callback: Option<(Answered, Timestamp)>,
    /// The attempt that was accepted.
    accepted: u32,
}

/// All participants of a case.
#[derive(Clone, Debug)]
pub(crate) struct World {
    actions: [Fate; MOST],
    compensations: [Fate; MOST],
    honours_key: bool,
    places: [[Place; 2]; MOST],
    pub(crate) books: Vec<Line>,
}

impl World {
    pub(crate) fn new(case: &Case) -> Self {
        Self {
            actions: case.actions,
            compensations: case.compensations,
            honours_key: matches!(case.policy, Policy::Retry | Policy::RetryThenCheck),
            places: Default::default(),
            books: Vec::new(),
        }
    }

    pub(crate) fn fate(&self, leg: LegId) -> Fate {
        match leg.direction {
            Direction::Action => self.actions[usize::from(leg.step)],
            Direction::Compensation => self.compensations[usize::from(leg.step)],
        }
    }

    fn place(&mut self, leg: LegId) -> &mut Place {
        &mut self.places[usize::from(leg.step)]
            [usize::from(leg.direction == Direction::Compensation)]
    }

    /// Whether the leg took effect.
    pub(crate) fn has_effect(&self, leg: LegId) -> bool {
        self.places[usize::from(leg.step)][usize::from(leg.direction == Direction::Compensation)]
            .effect
    }

    fn execute(&mut self, leg: LegId, attempt: u32, at: Timestamp) {
        let honours_key = self.honours_key;
        let place = self.place(leg);
        let effect = !(place.effect && honours_key);
        place.effect = true;
        self.books.push(Line {
            leg,
            attempt,
            at,
            effect,
        });
    }

    fn note(&mut self, leg: LegId, attempt: u32, at: Timestamp) {
        self.books.push(Line {
            leg,
            attempt,
            at,
            effect: false,
        });
    }

    /// Time passes: what was on its way arrives.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        for leg in legs() {
            if let Some((attempt, at)) = self.place(leg).late
                && at <= now
            {
                self.place(leg).late = None;
                self.execute(leg, attempt, at);
            }
        }
    }

    /// A request leaves for a participant; the outcome that the caller sees.
    pub(crate) fn call(&mut self, leg: LegId, attempt: u32, now: Timestamp) -> Outcome {
        self.advance(now);
        let fate = self.fate(leg);
        let honours_key = self.honours_key;
        let place = self.place(leg);
        place.calls += 1;
        let is_first = place.calls == 1;
        let repeats = place.effect && honours_key;
        match fate {
            Fate::NotSent => Outcome::NotSent,
            Fate::NotSentOnce if is_first => Outcome::NotSent,
            Fate::Refused => {
                self.note(leg, attempt, now);
                Outcome::Refused
            }
            Fate::SilentDone => {
                self.execute(leg, attempt, now);
                Outcome::Unknown
            }
            Fate::SilentNot => Outcome::Unknown,
            Fate::LostReply | Fate::LostReplyThenNo if is_first => {
                self.execute(leg, attempt, now);
                Outcome::Unknown
            }
            Fate::LostReplyThenNo if !honours_key => {
                self.note(leg, attempt, now);
                Outcome::Refused
            }
            Fate::LostRequest if is_first => Outcome::Unknown,
            Fate::Late if is_first => {
                place.late = Some((attempt, Timestamp(now.0 + TIMEOUT.0 - 1)));
                Outcome::Unknown
            }
            Fate::Accepted | Fate::AcceptedThenNo if !repeats => {
                let answer = match fate {
                    Fate::Accepted => Answered::Done,
                    _ => Answered::Refused,
                };
                if place.callback.is_none() {
                    place.accepted = attempt;
                    place.callback = Some((answer, now + CALLBACK_AFTER));
                }
                Outcome::Pending
            }
            Fate::AcceptedForEver => Outcome::Pending,
            Fate::AcceptedDropped if is_first => Outcome::Pending,
            _ => {
                self.execute(leg, attempt, now);
                Outcome::Done
            }
        }
    }

    /// A participant is asked.
    pub(crate) fn ask(&mut self, leg: LegId, now: Timestamp) -> Finding {
        self.advance(now);
        let fate = self.fate(leg);
        let place = self.place(leg);
        match fate {
            Fate::SilentDone | Fate::SilentNot | Fate::AcceptedForEver => Finding::Inconclusive,
            _ if place.effect => Finding::Happened,
            // It is still at it.
            _ if place.callback.is_some() => Finding::Inconclusive,
            _ => Finding::DidNotHappen,
        }
    }

    /// When the next callback comes.
    pub(crate) fn next_callback(&self) -> Option<Timestamp> {
        let places = self.places.iter().flatten();
        places.filter_map(|place| Some(place.callback?.1)).min()
    }

    /// A callback that is due.
    pub(crate) fn callback(&mut self, now: Timestamp) -> Option<(LegId, Answered)> {
        legs().find_map(|leg| {
            let place = self.place(leg);
            let (answer, at) = place.callback.filter(|(_, at)| *at <= now)?;
            place.callback = None;
            let attempt = place.accepted;
            match answer {
                Answered::Done => self.execute(leg, attempt, at),
                Answered::Refused => self.note(leg, attempt, at),
            }
            Some((leg, answer))
        })
    }

    /// What a participant could truthfully say of a leg by now, if anything definite.
    pub(crate) fn truth(&self, leg: LegId) -> Option<Answered> {
        let calls = self.places[usize::from(leg.step)]
            [usize::from(leg.direction == Direction::Compensation)]
        .calls;
        match self.fate(leg) {
            _ if calls == 0 => None,
            _ if self.has_effect(leg) => Some(Answered::Done),
            Fate::Refused => Some(Answered::Refused),
            _ => None,
        }
    }
}

/// Every leg that a case can have.
pub(crate) fn legs() -> impl Iterator<Item = LegId> {
    (0..MOST as u16).flat_map(|step| [LegId::action(step), LegId::compensation(step)])
}
