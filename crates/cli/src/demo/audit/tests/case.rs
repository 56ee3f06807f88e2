//! Books and sagas that fit, made to be spoilt.

use std::collections::{HashMap, HashSet};

use crate::demo::audit::ledger::Balance;
use crate::demo::audit::*;
use crate::demo::coordinator::Step;

/// Two orders: the first is completed, the second was refused by the coupon service.
pub(super) struct Case {
    pub(super) orders: Vec<Order>,
    pub(super) acknowledged: HashSet<String>,
    pub(super) sagas: HashMap<String, Saga>,
    books: Vec<(Kind, Ledger)>,
}

impl Case {
    pub(super) fn sound() -> Self {
        let orders: Vec<_> = (1..=2).map(|n| Order::generate(1, n, 10)).collect();
        let mut case = Self {
            acknowledged: orders.iter().map(|order| order.id.clone()).collect(),
            sagas: HashMap::new(),
            books: Kind::ALL.map(|kind| (kind, opening(kind))).into(),
            orders,
        };
        case.say(0, "completed", ["done"; 4]);
        case.say(
            1,
            "compensated",
            ["compensated", "compensated", "compensated", "refused"],
        );
        for kind in Kind::ALL {
            case.take(0, kind);
        }
        for kind in [Kind::Stock, Kind::Points, Kind::Bonus] {
            case.take(1, kind);
            case.give_back(1, kind);
        }
        assert_eq!(case.found(), [], "the case itself is sound");
        case
    }

    pub(super) fn say(&mut self, order: usize, state: &str, steps: [&str; 4]) {
        let id = self.orders[order].id.clone();
        let steps = Kind::ALL
            .into_iter()
            .zip(steps)
            .map(|(kind, state)| Step {
                name: kind.name().to_owned(),
                state: state.to_owned(),
            })
            .collect();
        self.sagas.insert(
            id.clone(),
            Saga {
                id,
                state: state.to_owned(),
                steps,
            },
        );
    }

    pub(super) fn ledger(&mut self, kind: Kind) -> &mut Ledger {
        &mut self.books.iter_mut().find(|(of, _)| *of == kind).unwrap().1
    }

    pub(super) fn enter(&mut self, kind: Kind, entry: Entry) {
        let ledger = self.ledger(kind);
        let change = if entry.returned {
            entry.amount
        } else {
            -entry.amount
        };
        if let Some(balance) = ledger.balances.iter_mut().find(|b| b.item == entry.item) {
            balance.current += change;
        }
        ledger.entries.push(entry);
    }

    pub(super) fn take(&mut self, order: usize, kind: Kind) {
        let order = self.orders[order].clone();
        let operation = self
            .ledger(kind)
            .entries
            .last()
            .map_or(1, |last| last.operation + 1);
        for (line, (item, amount)) in order.wants(kind).into_iter().enumerate() {
            let entry = Entry {
                operation,
                key: format!("{}/{}/action", order.id, kind.name()),
                saga: order.id.clone(),
                returned: false,
                receipt: format!("{}-{operation}-{line}", kind.name()),
                item: item.to_owned(),
                amount,
            };
            self.enter(kind, entry);
        }
    }

    pub(super) fn give_back(&mut self, order: usize, kind: Kind) {
        let id = self.orders[order].id.clone();
        let last = self
            .ledger(kind)
            .entries
            .last()
            .map_or(0, |last| last.operation);
        let taken: Vec<_> = self
            .ledger(kind)
            .entries
            .iter()
            .filter(|entry| entry.saga == id && !entry.returned)
            .cloned()
            .collect();
        for entry in taken {
            let key = format!("{id}/{}/compensation", kind.name());
            self.enter(
                kind,
                Entry {
                    operation: last + 1,
                    key,
                    returned: true,
                    ..entry
                },
            );
        }
    }

    pub(super) fn found(&self) -> Vec<(Option<Kind>, What)> {
        self.verdict()
            .discrepancies
            .into_iter()
            .map(|d| (d.service, d.what))
            .collect()
    }

    pub(super) fn verdict(&self) -> Verdict {
        audit(&Evidence {
            orders: &self.orders,
            acknowledged: &self.acknowledged,
            sagas: &self.sagas,
            books: &self.books,
        })
    }
}

fn opening(kind: Kind) -> Ledger {
    let balances = kind
        .items(10)
        .into_iter()
        .map(|(item, initial)| Balance {
            item,
            initial,
            current: initial,
        })
        .collect();
    Ledger {
        balances,
        ..Ledger::default()
    }
}
