//! What the records prove of one direction of one step, attempt by attempt.
//!
//! The core keeps one doubt per leg; here each attempt has a standing of its own, so that the two
//! can only agree by both being right. Nothing here knows of other legs.

use settled_protocol::{Outcome, Timestamp};

/// What is proven of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its answer is awaited.
    InFlight,
    /// Accepted, and to be answered later.
    Pending,
    /// It may have taken effect, or may do so until then.
    May { until: Timestamp },
    /// It took effect.
    Happened,
    /// It took none.
    Not,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) started_at: Timestamp,
    pub(crate) standing: Standing,
    /// Its end is on record.
    pub(crate) ended: bool,
    pub(crate) arrives_until: Timestamp,
}

/// One direction of one step.
#[derive(Clone, Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own that records prove"
)]
pub(crate) struct LegProof {
    pub(crate) attempts: Vec<Attempt>,
    /// The check under way: its number and when it was put.
    pub(crate) check: Option<(u32, Timestamp)>,
    pub(crate) checks: u32,
    /// What a callback said while an answer was awaited.
    early: Option<bool>,
    /// A definite no was on record while nothing was in doubt.
    pub(crate) refused: bool,
    pub(crate) unmakeable: bool,
    /// A person accepted it as it is.
    pub(crate) abandoned: bool,
    /// A callback, a check or a person said that it is done.
    told_done: bool,
    /// A person said that it is not done, and it need not be.
    pub(crate) told_not_done: bool,
    /// A person said to call again, and that was not used yet.
    pub(crate) licence: bool,
    /// How many decisions were made on it, by whomever.
    pub(crate) decisions: u32,
    /// The first attempt that counts against limits and the key window.
    pub(crate) counts_from: usize,
    /// The open incident over it that is no contradiction.
    pub(crate) incident: Option<u32>,
    /// Evidence against what was settled, not put before a person yet.
    pub(crate) contradiction_due: bool,
    /// The place of its taking effect among the actions.
    pub(crate) finished: u32,
    /// The record of its last attempt's end.
    pub(crate) ended_seq: Option<u32>,
    /// The record that settled or last changed it.
    pub(crate) last_seq: u32,
}

impl LegProof {
    /// The attempt whose answer is awaited.
    pub(crate) fn in_flight(&self) -> Option<u32> {
        let last = self.attempts.last()?;
        (!last.ended).then_some(self.attempts.len() as u32)
    }

    pub(crate) fn has_call(&self) -> bool {
        self.check.is_some() || self.in_flight().is_some()
    }

    pub(crate) fn happened(&self) -> bool {
        self.told_done || self.any(|standing| standing == Standing::Happened)
    }

    /// An attempt of it may have taken effect, or may still do so.
    pub(crate) fn in_doubt(&self) -> bool {
        !self.happened()
            && self.any(|standing| !matches!(standing, Standing::Happened | Standing::Not))
    }

    /// In doubt, and not merely waiting for a callback.
    pub(crate) fn may_have_happened(&self) -> bool {
        let open = |standing| matches!(standing, Standing::May { .. } | Standing::InFlight);
        !self.happened() && self.any(open)
    }

    pub(crate) fn pending(&self) -> bool {
        !self.happened() && self.any(|standing| standing == Standing::Pending)
    }

    /// A definite no: nobody calls it again by themselves.
    pub(crate) fn is_no(&self) -> bool {
        (self.refused || self.unmakeable || self.told_not_done) && !self.happened()
    }

    /// Done, or accepted as it is.
    pub(crate) fn is_over(&self) -> bool {
        self.happened() || self.abandoned
    }

    /// Settled one way or the other, so that news can only contradict it.
    fn is_closed(&self) -> bool {
        self.is_over() || self.is_no()
    }

    fn any(&self, is: impl Fn(Standing) -> bool) -> bool {
        self.attempts.iter().any(|attempt| is(attempt.standing))
    }

    pub(crate) fn begin(&mut self, at: Timestamp) {
        self.refused = false;
        self.unmakeable = false;
        self.licence = false;
        self.attempts.push(Attempt {
            started_at: at,
            standing: Standing::InFlight,
            ended: false,
            arrives_until: at,
        });
    }

    pub(crate) fn end(
        &mut self,
        outcome: Outcome,
        at: Timestamp,
        until: Timestamp,
        honours_key: bool,
    ) {
        let early = self.early.take();
        let speaks_for_all = honours_key || self.attempts.len() == 1;
        let Some(last) = self.attempts.last_mut() else {
            return;
        };
        last.ended = true;
        last.arrives_until = until;
        last.standing = match (outcome, early) {
            (Outcome::Done, _) => Standing::Happened,
            // Both yes and no: nobody knows.
            (Outcome::Refused, Some(true)) => Standing::May { until: at },
            (Outcome::Refused | Outcome::NotSent, _) => Standing::Not,
            (Outcome::Pending, _) => Standing::Pending,
            (Outcome::Unknown, _) => Standing::May { until },
        };
        match early {
            Some(true) if outcome != Outcome::Refused => self.told_done = true,
            Some(false) if outcome == Outcome::Done => self.contradiction_due |= speaks_for_all,
            Some(false) => self.no(speaks_for_all),
            None if outcome == Outcome::Refused => self.no(honours_key),
            Some(true) | None => {}
        }
    }

    /// The participant's later answer. It does not say which attempt it answers.
    pub(crate) fn callback(&mut self, yes: bool, honours_key: bool) {
        let speaks_for_all = honours_key || self.attempts.len() == 1;
        if self.is_closed() {
            self.contradiction_due |= yes != self.happened() || self.abandoned;
        } else if self.in_flight().is_some() {
            self.early.get_or_insert(yes);
        } else if yes {
            self.told_done = true;
        } else if self.incident.is_none() {
            if !speaks_for_all {
                self.drop_pending();
            }
            self.no(speaks_for_all);
        }
    }

    fn no(&mut self, speaks_for_all: bool) {
        if speaks_for_all {
            self.clear();
        }
        self.refused = !self.in_doubt();
    }

    fn drop_pending(&mut self) {
        for attempt in &mut self.attempts {
            if attempt.standing == Standing::Pending {
                attempt.standing = Standing::Not;
            }
        }
    }

    /// None of the attempts took effect.
    fn clear(&mut self) {
        for attempt in &mut self.attempts {
            attempt.standing = Standing::Not;
        }
    }

    /// The participant was asked and knew of the effect.
    pub(crate) fn yes_by_check(&mut self) {
        if self.is_no() {
            self.contradiction_due = true;
        } else if !self.abandoned {
            self.told_done = true;
        }
    }

    /// The participant was asked and knew of no effect: that proves something only of attempts
    /// that could not arrive any more.
    pub(crate) fn no_by_check(&mut self, asked_at: Timestamp) {
        for attempt in &mut self.attempts {
            if matches!(attempt.standing, Standing::May { until } if until <= asked_at) {
                attempt.standing = Standing::Not;
            }
        }
    }

    /// The callback did not come in time.
    pub(crate) fn overdue(&mut self, at: Timestamp) {
        for attempt in &mut self.attempts {
            if attempt.standing == Standing::Pending {
                attempt.standing = Standing::May { until: at };
            }
        }
    }

    /// A person saw it done.
    pub(crate) fn witness_done(&mut self) {
        self.told_done = true;
        self.refused = false;
        self.told_not_done = false;
        self.abandoned = false;
    }

    /// A person saw it not done; what must be done all the same starts anew.
    pub(crate) fn witness_not_done(&mut self, must_be_done: bool) {
        self.clear();
        self.abandoned = false;
        self.told_done = false;
        self.told_not_done = !must_be_done;
        if must_be_done {
            self.start_anew();
        }
    }

    /// A person said to go on: limits and the key window count from here.
    pub(crate) fn start_anew(&mut self) {
        self.refused = false;
        self.unmakeable = false;
        self.told_not_done = false;
        self.counts_from = self.attempts.len();
    }
}
