//! Every small saga there is, with everything that can happen to it, driven to every end.
//!
//! This is the cheapest layer of the rig: the pure core, a list for a journal, and time that jumps.
//! It has no engine, no store and no seed: what it runs is a fixed set, and a failing case is
//! printed whole. `SETTLED_L0=<family>:<case>` runs one case with all of its chaos again.

mod case;
mod chaos;
mod coverage;
mod driver;
#[cfg(test)]
mod expected;
mod families;
mod judged;
mod stationery;
#[cfg(test)]
mod tests;
mod world;

pub use case::{Case, Chaos, Fate, Policy, Shape};
pub use coverage::Coverage;
pub use families::Family;

use driver::Driver;
use stationery::Stationery;

/// What a part of the set came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many cases were run, chaos included.
    pub runs: u64,
    /// How many ends they were driven to: one each, and more where people decide.
    pub ends: u64,
    /// What was reached.
    pub coverage: Coverage,
    /// The first failures, each with how to run it again.
    pub failures: Vec<String>,
}

impl Report {
    /// Adds what another thread did.
    pub fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.ends += other.ends;
        self.coverage.merge(&other.coverage);
        self.failures.extend(other.failures);
    }
}

/// Runs the cases of a family whose number is `part` modulo `parts`, or only number `only`.
#[must_use]
pub fn run(family: Family, part: usize, parts: usize, only: Option<usize>) -> Report {
    let stationery = Stationery::new();
    let mut report = Report::default();
    for (number, case) in family.cases().iter().enumerate() {
        if number % parts != part || only.is_some_and(|only| only != number) {
            continue;
        }
        let Some(boundaries) = report.take(family, number, case, &stationery) else {
            continue;
        };
        for chaos in family.chaos(case, boundaries) {
            let case = Case { chaos, ..*case };
            report.take(family, number, &case, &stationery);
        }
        if report.failures.len() >= 3 {
            break;
        }
    }
    report
}

impl Report {
    fn take(
        &mut self,
        family: Family,
        number: usize,
        case: &Case,
        stationery: &Stationery,
    ) -> Option<u32> {
        self.runs += 1;
        match Driver::new(case, stationery).run(&mut self.coverage) {
            Ok(ended) => {
                self.ends += ended.ends;
                Some(ended.boundaries)
            }
            Err(failure) => {
                let replay =
                    format!("SETTLED_L0={family:?}:{number} cargo test -p settled-sim exhaustive");
                self.failures.push(format!("{replay}\n{failure}"));
                None
            }
        }
    }
}
