//! Compares the services' own books with the sagas, order by order and sum by sum.
//!
//! Believes nobody: not the coordinator that an order is settled, and not a balance that it is
//! right. What does not fit is named; nothing is mended.

mod finding;
mod ledger;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

pub(super) use self::finding::{Discrepancy, What};
pub(super) use self::ledger::{Calls, Entry, Ledger};
use super::coordinator::Saga;
use super::order::Order;
use super::shop::Kind;

/// Everything that the audit looks at.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    /// The orders that were to be placed.
    pub(super) orders: &'a [Order],
    /// The ids of those that the coordinator acknowledged.
    pub(super) acknowledged: &'a HashSet<String>,
    /// What the coordinator says became of them.
    pub(super) sagas: &'a HashMap<String, Saga>,
    /// What the services say.
    pub(super) books: &'a [(Kind, Ledger)],
}

/// What the audit found.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) completed: usize,
    pub(super) compensated: usize,
    pub(super) stuck: usize,
    /// Orders that are none of these.
    pub(super) open: usize,
    /// Effects by service.
    pub(super) effects: BTreeMap<Kind, Effects>,
    pub(super) discrepancies: Vec<Discrepancy>,
}

/// How often a service acted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    pub(super) done: usize,
    pub(super) undone: usize,
}

impl Verdict {
    /// Whether every order is settled and every book agrees.
    pub(super) fn balances(&self) -> bool {
        self.discrepancies.is_empty()
    }
}

/// One call that took effect: all entries of it.
type Operation<'a> = Vec<&'a Entry>;

/// The operations of one order at one service.
#[derive(Debug, Default)]
struct Trace<'a> {
    taken: Vec<Operation<'a>>,
    returned: Vec<Operation<'a>>,
}

/// Compares.
pub(super) fn audit(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for order in evidence.orders {
        settle_up(order, evidence, &mut verdict);
    }
    for (kind, ledger) in evidence.books {
        let mut service = Service {
            kind: *kind,
            verdict: &mut verdict,
        };
        service.examine(evidence, ledger);
    }
    verdict
}

/// Counts an order by what became of it.
fn settle_up(order: &Order, evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let mut report = |what| {
        verdict.discrepancies.push(Discrepancy {
            order: Some(order.id.clone()),
            service: None,
            what,
        });
    };
    let Some(saga) = evidence.sagas.get(&order.id) else {
        let lost = evidence.acknowledged.contains(&order.id);
        report(if lost { What::Lost } else { What::NotTaken });
        verdict.open += 1;
        return;
    };
    match saga.state.as_str() {
        "completed" => verdict.completed += 1,
        "compensated" => verdict.compensated += 1,
        state => {
            report(What::NotSettled(state.to_owned()));
            match state {
                "stuck" => verdict.stuck += 1,
                _ => verdict.open += 1,
            }
        }
    }
}

/// The examination of one service.
struct Service<'a> {
    kind: Kind,
    verdict: &'a mut Verdict,
}

impl Service<'_> {
    fn examine(&mut self, evidence: &Evidence<'_>, ledger: &Ledger) {
        let mut traces = self.trace(ledger);
        for order in evidence.orders {
            let trace = traces.remove(order.id.as_str()).unwrap_or_default();
            if let Some(saga) = evidence.sagas.get(&order.id) {
                self.compare(order, saga, &trace);
            }
        }
        let mut strays: Vec<_> = traces.into_keys().collect();
        strays.sort_unstable();
        for id in strays {
            self.report(id, What::Stray);
        }
        self.weigh(ledger);
    }

    /// Sorts the entries by order and operation, and counts what was done.
    fn trace<'l>(&mut self, ledger: &'l Ledger) -> HashMap<&'l str, Trace<'l>> {
        let mut traces: HashMap<&str, Trace<'_>> = HashMap::new();
        let mut effects = Effects::default();
        // The entries of one operation stand together: they were made in one transaction.
        for entries in ledger.entries.chunk_by(|a, b| a.operation == b.operation) {
            let trace = traces.entry(&entries[0].saga).or_default();
            let operation = entries.iter().collect();
            if entries[0].returned {
                effects.undone += 1;
                trace.returned.push(operation);
            } else {
                effects.done += 1;
                trace.taken.push(operation);
            }
        }
        self.verdict.effects.insert(self.kind, effects);
        traces
    }

    /// One order at this service.
    fn compare(&mut self, order: &Order, saga: &Saga, trace: &Trace<'_>) {
        self.check_keys(order, trace);
        self.check_step(order, saga, trace);
        if trace.taken.len() > 1 {
            self.report(&order.id, What::TakenAgain(trace.taken.len()));
        }
        if let [taken] = &trace.taken[..] {
            self.check_amounts(order, taken);
        }
        match saga.state.as_str() {
            "completed" => self.check_kept(order, trace),
            "compensated" => self.check_undone(order, trace),
            // Not settled, which is said already: what is still to come cannot be judged.
            _ => {}
        }
    }

    fn check_keys(&mut self, order: &Order, trace: &Trace<'_>) {
        let wrong = |operations: &[Operation<'_>], direction| {
            let key = format!("{}/{}/{direction}", order.id, self.kind.name());
            operations
                .iter()
                .flatten()
                .find(|entry| entry.key != key)
                .map(|e| e.key.clone())
        };
        let found =
            wrong(&trace.taken, "action").or_else(|| wrong(&trace.returned, "compensation"));
        if let Some(key) = found {
            self.report(&order.id, What::WrongKey(key));
        }
    }

    /// A step that was refused or never sent has no effect.
    fn check_step(&mut self, order: &Order, saga: &Saga, trace: &Trace<'_>) {
        let step = saga.steps.iter().find(|step| step.name == self.kind.name());
        if let Some(step) = step
            && matches!(
                step.state.as_str(),
                "refused" | "not_sent" | "skipped" | "waiting"
            )
            && !trace.taken.is_empty()
        {
            self.report(&order.id, What::EffectOf(step.state.clone()));
        }
    }

    fn check_amounts(&mut self, order: &Order, taken: &Operation<'_>) {
        let mut got: Vec<_> = taken.iter().map(|e| (e.item.as_str(), e.amount)).collect();
        got.sort_unstable();
        let ordered = order.wants(self.kind);
        if got != ordered {
            let (ordered, taken) = (in_words(&ordered), in_words(&got));
            self.report(&order.id, What::TakenWrongly { ordered, taken });
        }
    }

    fn check_kept(&mut self, order: &Order, trace: &Trace<'_>) {
        if trace.taken.is_empty() {
            self.report(&order.id, What::NeverTaken);
        }
        if !trace.returned.is_empty() {
            self.report(&order.id, What::Returned);
        }
    }

    fn check_undone(&mut self, order: &Order, trace: &Trace<'_>) {
        let (taken, returned) = (trace.taken.len(), trace.returned.len());
        if returned < taken {
            self.report(&order.id, What::NotReturned);
        }
        if returned > taken {
            self.report(&order.id, What::ReturnedAgain { taken, returned });
        }
        if let ([taken], [returned]) = (&trace.taken[..], &trace.returned[..]) {
            self.check_return(order, taken, returned);
        }
    }

    fn check_return(&mut self, order: &Order, taken: &Operation<'_>, returned: &Operation<'_>) {
        if returned[0].operation < taken[0].operation {
            self.report(&order.id, What::ReturnedBefore);
        }
        let (taken, returned) = (receipts(taken), receipts(returned));
        if taken != returned {
            let (taken, returned) = (taken.join(", "), returned.join(", "));
            self.report(&order.id, What::ReturnedWrongly { taken, returned });
        }
    }

    /// Every balance must follow from the ledger.
    fn weigh(&mut self, ledger: &Ledger) {
        let mut moved: BTreeMap<&str, i64> = BTreeMap::new();
        for entry in &ledger.entries {
            let change = if entry.returned {
                entry.amount
            } else {
                -entry.amount
            };
            *moved.entry(&entry.item).or_default() += change;
        }
        for balance in &ledger.balances {
            let expected = balance.initial + moved.remove(balance.item.as_str()).unwrap_or(0);
            if expected != balance.current {
                let (item, found) = (balance.item.clone(), balance.current);
                self.note(
                    None,
                    What::Balance {
                        item,
                        expected,
                        found,
                    },
                );
            }
        }
        for item in moved.into_keys() {
            self.note(None, What::UnknownItem(item.to_owned()));
        }
    }

    fn report(&mut self, order: &str, what: What) {
        self.note(Some(order.to_owned()), what);
    }

    fn note(&mut self, order: Option<String>, what: What) {
        let service = Some(self.kind);
        self.verdict.discrepancies.push(Discrepancy {
            order,
            service,
            what,
        });
    }
}

/// What an operation moved, under which receipts, in an order that can be compared.
fn receipts(operation: &Operation<'_>) -> Vec<String> {
    let mut lines: Vec<_> = operation
        .iter()
        .map(|e| format!("{} of {} ({})", e.amount, e.item, e.receipt))
        .collect();
    lines.sort_unstable();
    lines
}

fn in_words(lines: &[(&str, i64)]) -> String {
    let lines: Vec<_> = lines
        .iter()
        .map(|(item, amount)| format!("{amount} of {item}"))
        .collect();
    lines.join(", ")
}
