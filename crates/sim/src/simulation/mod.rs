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
mod runs;
mod script;
mod scripted;
mod store;
mod wire;
mod world;

use std::collections::BTreeMap;

use settled_journal::{Keeper, SagaFilter, StoredSaga};
use settled_protocol::{Event, IncidentKind, LegId, Plan, SagaState, StepPlan};

pub use self::faults::{Fault, Fired};
use self::runs::apart_of;
use self::world::{MANY, World};
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
    let Ok(page) = reader.list(&SagaFilter::default(), None, MANY) else {
        return text;
    };
    for saga in page.items.into_iter().flatten() {
        let _ = writeln!(text, "{} {}", saga.id, saga.input.as_str());
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

/// Every saga of a run, those that others started included.
fn stored(world: &World) -> Result<Vec<StoredSaga>, String> {
    let mut reader = world.disk.reader().map_err(|error| error.to_string())?;
    let page = reader.list(&SagaFilter::default(), None, MANY);
    let page = page.map_err(|error| error.to_string())?;
    let sagas: Result<Vec<StoredSaga>, _> = page.items.into_iter().collect();
    sagas.map_err(|error| error.to_string())
}

/// The plan of a saga with all the steps that its function added.
fn whole_plan(saga: &StoredSaga, plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for record in &saga.records {
        if let Event::StepAdded { plan: step, .. } = &record.event {
            plan.steps.push(StepPlan::clone(step));
        }
    }
    plan
}

/// What is wrong with what a run left behind.
fn judge(world: &World) -> Vec<String> {
    let mut found = world.surprises.clone();
    let sagas = match self::stored(world) {
        Ok(sagas) => sagas,
        Err(error) => return vec![error],
    };
    for order in &world.orders {
        if sagas.iter().all(|saga| saga.id != order.id) {
            found.push(format!("{}: never taken", order.id));
        }
    }
    let mut stored = Vec::new();
    for saga in sagas {
        match world.definitions.compile(saga.definition.as_str()) {
            Ok(definition) => {
                let plan = whole_plan(&saga, definition.plan());
                let apart = steps_apart(world, &saga, &plan, &mut found);
                stored.push((saga, plan, apart));
            }
            Err(error) => found.push(format!("{}: {error}", saga.id)),
        }
    }
    let run = Run {
        sagas: stored
            .iter()
            .map(|(saga, plan, apart)| SagaEvidence {
                id: &saga.id,
                plan,
                records: &saga.records,
                row: Some(saga.state),
                epochs: &[],
                // Whose participant is a saga; they are judged by that.
                liars: apart,
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
    for (saga, ..) in &stored {
        found.extend(mismatches(saga));
        if world.is_healed() && !saga.state.is_settled() {
            found.push(format!(
                "{}: still {} long after all faults were over",
                saga.id, saga.state
            ));
        }
    }
    found
}

/// A function that did not change never comes to other steps than those on record.
fn mismatches(saga: &StoredSaga) -> impl Iterator<Item = String> + '_ {
    saga.records
        .iter()
        .filter_map(|record| match &record.event {
            Event::IncidentOpened { kind, evidence, .. } if *kind == IncidentKind::Mismatch => {
                let error = &evidence.error;
                Some(format!("{} at {}: {error}", saga.id, record.seq))
            }
            _ => None,
        })
}

/// The steps that are sagas of their own. One that is done stands for a saga that completed, whatever
/// became of the one around it.
fn steps_apart(world: &World, saga: &StoredSaga, plan: &Plan, found: &mut Vec<String>) -> Vec<u16> {
    let mut steps = Vec::new();
    for (step, index) in plan.steps.iter().zip(0_u16..) {
        let Some(id) = apart_of(&saga.id, &step.name) else {
            continue;
        };
        steps.push(index);
        let leg = LegId::action(index);
        let is_done = saga.records.iter().any(|record| {
            matches!(&record.event, Event::AttemptEnded { leg: of, answer, .. }
                if *of == leg && answer.outcome == settled_protocol::Outcome::Done)
        });
        let own = world.disk.reader().ok();
        let own = own.and_then(|mut reader| reader.load(settled_journal::SagaKey::Id(&id)).ok());
        let state = own.flatten().map(|own| own.state);
        if is_done && state != Some(SagaState::Completed) {
            found.push(format!("{id}: its step is done, and it is {state:?}"));
        }
    }
    steps
}
