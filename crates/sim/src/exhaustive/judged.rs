//! Hands what a run left behind to the auditor, and puts a failure into words.

use std::fmt::Write;

use super::case::Chaos;
use super::driver::Driver;
use crate::auditor::{self, Ack, LedgerEntry, Run, SagaEvidence, Send, Told};

impl Driver<'_> {
    pub(super) fn audit(&self, healed: bool) -> Result<(), String> {
        let liar = match self.case.chaos {
            Chaos::Lie(_, step, _, _) => vec![step],
            _ => Vec::new(),
        };
        let saga = "s";
        let run = Run {
            sagas: vec![SagaEvidence {
                id: saga,
                plan: &self.plan,
                records: &self.records,
                row: None,
                epochs: &[],
                liars: &liar,
            }],
            acks: self
                .told
                .iter()
                .map(|(at, state)| Ack {
                    saga,
                    at: *at,
                    told: Told::State(*state),
                })
                .collect(),
            sends: self
                .sends
                .iter()
                .map(|(leg, number, is_check, at)| Send {
                    saga,
                    leg: *leg,
                    number: *number,
                    is_check: *is_check,
                    at: *at,
                })
                .collect(),
            ledger: self
                .world
                .books
                .iter()
                .map(|line| LedgerEntry {
                    key: None,
                    saga,
                    leg: line.leg,
                    attempt: line.attempt,
                    at: line.at,
                    effect: line.effect,
                })
                .collect(),
            healed,
        };
        let found = auditor::audit(&run);
        if found.is_empty() {
            return Ok(());
        }
        let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
        Err(self.fails(&lines.join("\n")))
    }

    pub(super) fn fails(&self, why: &str) -> String {
        let mut text = format!("{why}\n{:?}\n", self.case);
        let skipped = self.records.len().saturating_sub(80);
        for record in &self.records[skipped..] {
            let _ = writeln!(
                text,
                "{:>4} {:>12} {:?}",
                record.seq, record.at.0, record.event
            );
        }
        for line in &self.world.books {
            let _ = writeln!(text, "     {line:?}");
        }
        text
    }
}
