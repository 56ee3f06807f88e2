//! L1: the real engine and the real group commit in a seeded world, one thread, virtual time.
//!
//! A seed decides everything: the sagas, which faults there are and how often, who crashes when, who
//! answers late. First there is chaos, then quiet, in which everything must come to an end. The
//! auditor judges what is left: the journal, the participants' books, what clients were told.

mod agenda;
mod clients;
mod document;
mod faults;
mod lives;
mod participant;
mod people;
mod reads;
mod store;
mod world;

use std::collections::BTreeMap;

use settled::definition::Definitions;
use settled_journal::{Keeper, SagaKey};
use settled_protocol::SagaState;

pub use self::faults::{Fault, Fired};
use self::world::World;
use crate::auditor::{Ack, LedgerEntry, Run, SagaEvidence, Send, audit};

/// What came of one seed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was wrong; nothing, if all is well.
    pub violations: Vec<String>,
    /// How often each class of fault fired.
    pub fired: Fired,
    /// How many sagas came to which end.
    pub ends: BTreeMap<SagaState, u64>,
    /// How many requests left.
    pub sends: u64,
    /// How many things happened.
    pub happenings: u64,
    /// A digest of everything that the engine did.
    pub trace: u64,
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64) -> Report {
    let mut world = World::new(seed);
    world.run();
    let mut ends = BTreeMap::new();
    for state in world.states() {
        *ends.entry(state).or_default() += 1;
    }
    Report {
        seed,
        violations: judge(&world),
        fired: world.fired(),
        ends,
        sends: world.sent.len() as u64,
        happenings: world.happenings,
        trace: world.trace,
    }
}

/// The histories of one run's sagas, for whoever looks for a mistake.
#[must_use]
pub fn explain(seed: u64) -> String {
    use std::fmt::Write as _;
    let mut world = World::new(seed);
    world.run();
    let mut text = String::new();
    let Ok(mut reader) = world.disk.reader() else {
        return text;
    };
    for order in &world.orders {
        let Ok(Some(saga)) = reader.load(SagaKey::Id(&order.id)) else {
            continue;
        };
        let _ = writeln!(text, "{} {} wakes {:?}", saga.id, saga.state, saga.wake_at);
        let _ = writeln!(text, "  {}", saga.definition.as_str());
        for record in &saga.records {
            let since = (record.at - saga.created_at).0 / 1_000;
            let _ = writeln!(
                text,
                "  {:>3} {since:>8} ms  {:?}",
                record.seq, record.event
            );
        }
    }
    let _ = writeln!(text, "ended at {:?} with {}", world.now, world.engine());
    text
}

/// What is wrong with what a run left behind.
fn judge(world: &World) -> Vec<String> {
    let mut found = world.surprises.clone();
    let definitions = Definitions::new();
    let mut stored = Vec::new();
    let Ok(mut reader) = world.disk.reader() else {
        return vec!["no reader".to_owned()];
    };
    for order in &world.orders {
        match reader.load(SagaKey::Id(&order.id)) {
            Ok(Some(saga)) => match definitions.compile(saga.definition.as_str()) {
                Ok(definition) => stored.push((saga, definition)),
                Err(error) => found.push(format!("{}: {error}", order.id)),
            },
            Ok(None) => found.push(format!("{}: never taken", order.id)),
            Err(error) => found.push(error.to_string()),
        }
    }
    let run = Run {
        sagas: stored
            .iter()
            .map(|(saga, definition)| SagaEvidence {
                id: &saga.id,
                plan: definition.plan(),
                records: &saga.records,
                row: Some(saga.state),
                epochs: &[],
                liars: &[],
            })
            .collect(),
        acks: world
            .heard
            .iter()
            .map(|heard| Ack {
                saga: &heard.saga,
                at: heard.at,
                told: heard.told,
            })
            .collect(),
        sends: world
            .sent
            .iter()
            .map(|sent| Send {
                saga: &sent.saga,
                leg: sent.leg,
                number: sent.number,
                is_check: sent.is_check,
                at: sent.at,
            })
            .collect(),
        ledger: world
            .ledger()
            .iter()
            .map(|entry| LedgerEntry {
                key: Some(&entry.key),
                saga: &entry.saga,
                leg: entry.leg,
                attempt: entry.attempt,
                at: entry.at,
                effect: entry.effect,
            })
            .collect(),
        healed: world.is_healed(),
    };
    found.extend(audit(&run).iter().map(ToString::to_string));
    for (saga, _) in &stored {
        if world.is_healed() && !saga.state.is_settled() {
            found.push(format!(
                "{}: still {} long after all faults were over",
                saga.id, saga.state
            ));
        }
    }
    found
}
