//! Judges incidents and what people decide about them (I11).

use settled_protocol::{Decision, IncidentKind, LegId, Resolution};

use super::history::History;
use super::violation::{Invariant, Violation};

impl History<'_> {
    pub(super) fn judge_incident(
        &self,
        incident: u32,
        id: LegId,
        kind: IncidentKind,
        found: &mut Vec<Violation>,
    ) {
        let proof = self.leg(id);
        let mut blame = |invariant, rule, what| self.blame(found, invariant, rule, what);
        if incident as usize != self.incidents.len() + 1 {
            blame(Invariant::I11, "R5", "incidents are not numbered in order");
        }
        let is_evident = match kind {
            // The code is not in evidence.
            IncidentKind::Mismatch => true,
            IncidentKind::Contradiction => proof.contradiction_due,
            IncidentKind::UnknownOutcome => proof.in_doubt(),
            IncidentKind::Refused => proof.refused,
            IncidentKind::Unmakeable => proof.unmakeable,
            IncidentKind::NotSent => {
                let is_refused = proof.refused && !proof.told_not_done;
                !proof.in_doubt() && !proof.happened() && !is_refused
            }
        };
        if !is_evident {
            blame(
                Invariant::I11,
                "R5",
                "an incident that the evidence does not bear out",
            );
        }
        if kind == IncidentKind::Contradiction {
            return;
        }
        if proof.incident.is_some() {
            blame(Invariant::I11, "R5", "two open incidents over one leg");
        }
        let is_run = kind == IncidentKind::Mismatch && id == LegId::FUNCTION;
        if proof.has_call() && !is_run {
            blame(
                Invariant::I11,
                "R5",
                "a person is asked while an answer is awaited",
            );
        }
        if proof.is_over() {
            blame(Invariant::I11, "R5", "a person is asked over what is done");
        }
    }

    pub(super) fn judge_decision(
        &self,
        incident: u32,
        id: LegId,
        resolution: &Resolution,
        found: &mut Vec<Violation>,
    ) {
        let known = (incident as usize)
            .checked_sub(1)
            .and_then(|index| self.incidents.get(index));
        if !known.is_some_and(|(leg, _, open)| *open && *leg == id) {
            self.blame(
                found,
                Invariant::I11,
                "R5",
                "a decision over no open incident",
            );
        }
        let says_why = resolution.decision != Decision::Abandon || !resolution.note.is_empty();
        if resolution.by.is_empty() || !says_why {
            self.blame(
                found,
                Invariant::I11,
                "R5",
                "a decision without a who and a why",
            );
        }
    }

    pub(super) fn decide(&mut self, incident: u32, id: LegId, resolution: &Resolution) {
        let index = (incident as usize).saturating_sub(1);
        let Some(entry) = self.incidents.get_mut(index) else {
            return;
        };
        entry.2 = false;
        let is_contradiction = entry.1 == IncidentKind::Contradiction;
        let must_be_done = self.must_be_done(id);
        let settled = self.settled.is_some();
        let proof = self.leg_mut(id);
        proof.decisions += 1;
        if !is_contradiction {
            proof.incident = None;
        }
        if settled {
            return;
        }
        match resolution.decision {
            Decision::Done => proof.witness_done(),
            Decision::NotDone => proof.witness_not_done(must_be_done),
            Decision::Retry => {
                proof.licence = true;
                proof.start_anew();
            }
            Decision::Abandon => proof.abandoned |= !is_contradiction,
        }
    }
}
