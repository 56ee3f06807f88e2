//! Participants that keep their word: what they say is what they did.
//!
//! Requests may be lost, late, or answered into the void; what took effect is in the books. A
//! participant honours the key where its step's policy says so, and else does again what it is told
//! again.

use std::collections::BTreeMap;

use settled_protocol::{Answered, Finding, LegId, OnUnknown, Outcome, Plan, Span, Timestamp};

/// One leg's participant.
#[derive(Default)]
struct Place {
    effect: bool,
    /// On its way: the attempt and when it arrives.
    late: Vec<(u32, Timestamp)>,
    /// Accepted: the attempt and until when it may be carried out.
    accepted: Option<(u32, Timestamp)>,
}

/// All participants, with their books: leg, attempt, when, whether it took effect.
pub(crate) struct World {
    plan: Plan,
    /// Legs that are refused whenever they get through, a bit each.
    refusals: u16,
    places: BTreeMap<LegId, Place>,
    pub(crate) books: Vec<(LegId, u32, Timestamp, bool)>,
}

impl World {
    pub(crate) fn new(plan: &Plan, refusals: u16) -> Self {
        Self {
            plan: plan.clone(),
            refusals,
            places: BTreeMap::new(),
            books: Vec::new(),
        }
    }

    fn refuses(&self, leg: LegId) -> bool {
        let bit = leg.step * 2 + u16::from(leg == LegId::compensation(leg.step));
        self.refusals >> (bit % 16) & 1 == 1
    }

    pub(crate) fn has_effect(&self, leg: LegId) -> bool {
        self.places.get(&leg).is_some_and(|place| place.effect)
    }

    fn execute(&mut self, leg: LegId, attempt: u32, at: Timestamp) -> bool {
        let honours = self.plan.steps[usize::from(leg.step)]
            .call(leg.direction)
            .is_some_and(|call| call.on_unknown == OnUnknown::Retry);
        let place = self.places.entry(leg).or_default();
        let repeats = honours && place.effect;
        let refuses = !repeats && self.refuses(leg);
        let effect = !repeats && !refuses;
        self.books.push((leg, attempt, at, effect));
        self.places.entry(leg).or_default().effect |= effect;
        !refuses
    }

    /// What was on its way arrives, and what was accepted too long ago is dropped.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        let mut arrived = Vec::new();
        for (leg, place) in &mut self.places {
            place.late.retain(|(attempt, at)| {
                let still = *at > now;
                if !still {
                    arrived.push((*leg, *attempt, *at));
                }
                still
            });
            place.accepted = place.accepted.filter(|(_, until)| *until > now);
        }
        for (leg, attempt, at) in arrived {
            self.execute(leg, attempt, at);
        }
    }

    /// A request leaves; what its caller gets to see.
    pub(crate) fn send(&mut self, leg: LegId, attempt: u32, now: Timestamp, coin: u8) -> Outcome {
        self.advance(now);
        let step = &self.plan.steps[usize::from(leg.step)];
        let call = step.call(leg.direction);
        let limit = call.map_or(Span::ZERO, |call| call.timeout);
        let until = Timestamp(now.0 + step.callback_timeout.0 - 1);
        let honours = call.is_some_and(|call| call.on_unknown == OnUnknown::Retry);
        let place = self.places.entry(leg).or_default();
        if place.accepted.is_some() && honours {
            return Outcome::Pending;
        }
        match coin % 8 {
            0 => Outcome::NotSent,
            1 => Outcome::Unknown,
            2 => {
                place.late.push((attempt, Timestamp(now.0 + limit.0 - 1)));
                Outcome::Unknown
            }
            3 => {
                self.execute(leg, attempt, now);
                Outcome::Unknown
            }
            4 if !place.effect => {
                place.accepted = Some((attempt, until));
                Outcome::Pending
            }
            _ if self.execute(leg, attempt, now) => Outcome::Done,
            _ => Outcome::Refused,
        }
    }

    /// A participant is asked.
    pub(crate) fn ask(&mut self, leg: LegId, now: Timestamp, coin: u8) -> Finding {
        self.advance(now);
        let place = self.places.entry(leg).or_default();
        match coin % 4 {
            0 => Finding::Inconclusive,
            _ if place.effect => Finding::Happened,
            _ if place.accepted.is_some() => Finding::Inconclusive,
            _ => Finding::DidNotHappen,
        }
    }

    /// An accepted call is carried out now, and answered.
    pub(crate) fn carry_out(&mut self, now: Timestamp) -> Option<(LegId, Answered)> {
        self.advance(now);
        let mut places = self.places.iter_mut();
        let (leg, attempt) =
            places.find_map(|(leg, place)| Some((*leg, place.accepted.take()?.0)))?;
        Some(if self.execute(leg, attempt, now) {
            (leg, Answered::Done)
        } else {
            (leg, Answered::Refused)
        })
    }

    /// A person looks: nothing is on its way or accepted any more.
    pub(crate) fn put_to_rest(&mut self, now: Timestamp) {
        self.advance(now);
        for place in self.places.values_mut() {
            place.accepted = None;
        }
    }
}
