//! What goes wrong at a boundary of a run: stops, cancellations, repeated and false answers.

use std::sync::Arc;

use settled_protocol::{Input, LegId, Refusal, Saga};

use super::case::Chaos;
use super::coverage::Coverage;
use super::driver::Driver;
use super::world::legs;

impl Driver<'_> {
    pub(super) fn pass_boundary(&mut self, coverage: &mut Coverage) -> Result<(), String> {
        let here = self.boundary;
        self.boundary += 1;
        match self.case.chaos {
            Chaos::Crash(at) if at == here => self.crash(coverage),
            Chaos::CrashTwice(at, later) if at == here || at + later == here => {
                self.crash(coverage)
            }
            Chaos::Cancel(at) if at == here => {
                let by = "ann".to_owned();
                match self.saga.receive(self.now, Input::Cancel { by }) {
                    Ok(Some(event)) => self.record(event, coverage),
                    Ok(None) | Err(Refusal::PastPivot | Refusal::Settled) => Ok(()),
                    Err(refusal) => Err(self.fails(&refusal.to_string())),
                }
            }
            Chaos::Echo(at) if at == here => self.echo(coverage),
            Chaos::Lie(at, step, back, outcome) if at == here => {
                let leg = if back {
                    LegId::compensation(step)
                } else {
                    LegId::action(step)
                };
                self.callback(leg, outcome, coverage)
            }
            _ => Ok(()),
        }
    }

    /// The coordinator stops; another starts from the journal.
    fn crash(&mut self, coverage: &mut Coverage) -> Result<(), String> {
        self.crashes += 1;
        self.flights.clear();
        let mut saga = Saga::new(Arc::clone(&self.plan));
        for record in &self.records {
            if let Err(misfit) = saga.apply(record) {
                return Err(self.fails(&format!("not recovered: {misfit}")));
            }
        }
        if saga != self.saga {
            return Err(self.fails("the fold of its records is another state"));
        }
        self.saga = saga;
        let crashes = self.crashes;
        for input in self.saga.lost_calls(0) {
            // A second stop on the way has started this anew.
            if self.crashes == crashes {
                self.input(input, coverage)?;
            }
        }
        Ok(())
    }

    /// Everything is said twice.
    fn echo(&mut self, coverage: &mut Coverage) -> Result<(), String> {
        for input in self.answered.clone() {
            if self.saga.receive(self.now, input) != Err(Refusal::Stale) {
                return Err(self.fails("an answer was taken twice"));
            }
        }
        let steps = self.plan.steps.len();
        for leg in legs().filter(|leg| usize::from(leg.step) < steps) {
            for _ in 0..2 {
                if let Some(truth) = self.world.truth(leg) {
                    self.callback(leg, truth, coverage)?;
                }
            }
        }
        Ok(())
    }
}
