//! Judges the start of a call: whether it may be made at all, and now (R1 to R4).

use settled_protocol::{CompensateOrder, Direction, LegId, Record};

use super::history::History;
use super::violation::{Invariant, Violation};

impl History<'_> {
    pub(super) fn judge_attempt(
        &self,
        id: LegId,
        attempt: u32,
        record: &Record,
        found: &mut Vec<Violation>,
    ) {
        let (proof, plan) = (self.leg(id), self.step(id));
        let mut blame = |invariant, rule, what| self.blame(found, invariant, rule, what);
        if proof.has_call() || attempt as usize != proof.attempts.len() + 1 {
            blame(Invariant::I2, "R1", "an attempt out of turn");
        }
        if proof.happened() {
            blame(Invariant::I3, "R4", "called again though it took effect");
        }
        if proof.is_no() || proof.abandoned {
            blame(Invariant::I8, "R4", "called again though it was settled");
        }
        if proof.incident.is_some() {
            blame(Invariant::I11, "R5", "called while it is before a person");
        }
        let counted = &proof.attempts[proof.counts_from.min(proof.attempts.len())..];
        let limit = plan.call(id.direction).map(|call| call.retry.max_attempts);
        if limit.is_some_and(|limit| counted.len() >= limit as usize) {
            blame(
                Invariant::I8,
                "R4",
                "called more often than its policy allows",
            );
        }
        if proof.in_doubt() && !proof.licence {
            let window_over = plan.key_window.is_some_and(|window| {
                counted
                    .first()
                    .is_some_and(|first| record.at > first.started_at + window)
            });
            if !self.honours_key(id) {
                blame(
                    Invariant::I3,
                    "R4",
                    "called again while in doubt, and the key is not honoured",
                );
            } else if proof.pending() {
                blame(
                    Invariant::I3,
                    "R4",
                    "called again while its answer is still to come",
                );
            } else if window_over {
                blame(
                    Invariant::I3,
                    "R4",
                    "called again after the key was forgotten",
                );
            }
        }
        match id.direction {
            Direction::Action => self.judge_action(id, found),
            Direction::Compensation => self.judge_compensation(id, found),
        }
    }

    fn judge_action(&self, id: LegId, found: &mut Vec<Violation>) {
        let (proof, past_pivot) = (self.leg(id), self.is_past_pivot());
        if self.function.is_withdrawn(id.step) && !proof.in_doubt() {
            self.blame(
                found,
                Invariant::I5,
                "R3",
                "a step is started that was taken back",
            );
        }
        // One that was started may be called again to find out, whatever became of its needs.
        let needs = if proof.attempts.is_empty() {
            &self.step(id).needs[..]
        } else {
            &[]
        };
        for need in needs {
            let need = self.leg(LegId::action(*need));
            let done = need.happened() && !need.abandoned;
            if !(done || past_pivot && need.abandoned) {
                self.blame(
                    found,
                    Invariant::I2,
                    "R2",
                    "started before what it needs was done",
                );
            }
        }
        if self.turned && !proof.in_doubt() {
            self.blame(
                found,
                Invariant::I5,
                "R3",
                "a step is started on the way back",
            );
        }
        let failing = !self.failures.is_empty() || self.cancelled_seq.is_some();
        if failing && !past_pivot && !proof.in_doubt() && proof.decisions == 0 {
            self.blame(
                found,
                Invariant::I5,
                "R3",
                "a step is started though the saga has failed",
            );
        }
    }

    fn judge_compensation(&self, id: LegId, found: &mut Vec<Violation>) {
        let mut blame = |invariant, rule, what| self.blame(found, invariant, rule, what);
        let action = self.leg(LegId::action(id.step));
        if !self.turned && !self.function.is_withdrawn(id.step) {
            blame(Invariant::I5, "R3", "compensated on the way forward");
        }
        if !self.leg(id).attempts.is_empty() {
            return;
        }
        let in_doubt_allowed = action.may_have_happened() && self.step(id).compensate_unknown;
        if action.abandoned || !(action.happened() || in_doubt_allowed) {
            blame(Invariant::I5, "R3", "compensated though it did not happen");
        }
        if action.in_flight().is_some() {
            blame(
                Invariant::I5,
                "R3",
                "compensated while its action is under way",
            );
        }
        if self.plan.compensate == CompensateOrder::Parallel {
            return;
        }
        let own_place = if action.finished == 0 {
            u32::MAX
        } else {
            action.finished
        };
        for (index, [other, back]) in self.legs.iter().enumerate() {
            let other_id = LegId::action(index as u16);
            // On the way forward only what was taken back goes back.
            let goes_back = self.turned || self.function.is_withdrawn(other_id.step);
            if other_id.step == id.step || !goes_back {
                continue;
            }
            let can_undo = self.step(other_id).compensation.is_some();
            let untried = back.attempts.is_empty() && !back.unmakeable;
            let back_id = LegId::compensation(other_id.step);
            let mut incidents = self.incidents.iter();
            let is_with_a_person = incidents.any(|(leg, _, open)| *open && *leg == back_id);
            let waits = !is_with_a_person && !back.is_over();
            if can_undo && waits && untried && other.finished > own_place && !other.abandoned {
                blame(
                    Invariant::I5,
                    "R3",
                    "compensated before a step that finished later",
                );
            }
            if can_undo && waits && !untried && back.decisions == 0 && !other.is_no() {
                blame(
                    Invariant::I5,
                    "R3",
                    "compensated beside another, though in reverse order",
                );
            }
            // One that was accepted may take days to be answered: nobody waits for that.
            let can_be_found_out = other.may_have_happened()
                && !other.pending()
                && other.incident.is_none()
                && !other.abandoned
                && !(self.step(other_id).compensate_unknown && can_undo && !other.has_call());
            if can_be_found_out {
                blame(
                    Invariant::I5,
                    "R3",
                    "compensated while a later step is in doubt",
                );
            }
        }
    }
}
