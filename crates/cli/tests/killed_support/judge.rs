//! Holds the journal against what participants and clients have noted, by the auditor.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use settled::definition::{Definition, Definitions};
use settled::journal::{IncidentFilter, Keeper, SagaFilter, SqliteJournal, StoredSaga};
use settled::protocol::{Event, LegId, SagaState, Span, Timestamp};
use settled_sim::auditor::{Ack, LedgerEntry, Run, SagaEvidence, Send, Told, audit};

use super::client::Office;

/// How far the clocks of two processes may be apart: each reads the wall once and goes on alone.
const SKEW: Span = Span::from_millis(50);

/// What came of it all.
#[derive(Debug)]
pub struct Verdict {
    /// What is wrong; nothing, if all is well.
    pub found: Vec<String>,
    /// How many sagas are in which state.
    pub ends: BTreeMap<SagaState, usize>,
    pub records: usize,
    pub acks: usize,
    pub arrivals: usize,
    pub effects: usize,
    /// Steps whose participant, or its machine, was too slow to keep its own time limit.
    pub late: usize,
    /// Calls whose answer was lost with the coordinator.
    pub lost_calls: usize,
}

impl Verdict {
    /// Fails the test where something is wrong.
    pub fn must_be_clean(&self, test: &str, seed: u64) {
        println!("{test}: {self}");
        let first: Vec<&String> = self.found.iter().take(20).collect();
        assert!(
            self.found.is_empty(),
            "{test}: {} findings; repeat with SETTLED_SEED={seed}: {first:#?}",
            self.found.len()
        );
        let few = self.late * 50 <= self.effects + 50;
        assert!(few, "{test}: the machine is too slow for this: {self}");
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} findings, sagas {:?}, {} records, {} acknowledgements, {} requests arrived, {} \
             effects, {} calls lost, {} too late",
            self.found.len(),
            self.ends,
            self.records,
            self.acks,
            self.arrivals,
            self.effects,
            self.lost_calls,
            self.late
        )
    }
}

/// A saga as it was found.
pub struct Stored {
    pub saga: StoredSaga,
    definition: Arc<Definition>,
    liars: Vec<u16>,
}

/// Judges; the journal must be nobody's at this moment.
pub fn judge(journal: &Path, office: &Office, healed: bool) -> Verdict {
    let mut found = Vec::new();
    let mut stored = read(journal, &mut found);
    let books = office.participant.books();
    let notes = office.book.notes();
    found.extend(notes.surprises.iter().cloned());
    found.extend(books.complaints.iter().cloned());
    let index: HashMap<String, usize> = stored
        .iter()
        .enumerate()
        .map(|(index, one)| (one.saga.id.clone(), index))
        .collect();
    let mut late = 0;
    for line in books.ledger.iter().filter(|line| line.effect) {
        let Some(one) = index.get(&line.call.saga).map(|at| &mut stored[*at]) else {
            continue;
        };
        let until = arrives_until(&one.saga, line.call.leg, line.call.number);
        if until.is_some_and(|until| line.at > until) {
            late += 1;
            one.liars.push(line.call.leg.step);
        }
    }
    // Of what was removed nothing can be said any more.
    let forgets = office.forgets.load(Ordering::SeqCst);
    let stays = |saga: &str| !forgets || index.contains_key(saga);
    let run = Run {
        sagas: stored
            .iter()
            .map(|one| SagaEvidence {
                id: &one.saga.id,
                plan: one.definition.plan(),
                records: &one.saga.records,
                row: Some(one.saga.state),
                epochs: &[],
                liars: &one.liars,
            })
            .collect(),
        acks: notes
            .heard
            .iter()
            .filter(|heard| stays(&heard.saga))
            .map(|heard| Ack {
                saga: &heard.saga,
                at: heard.at + SKEW,
                told: heard.told,
            })
            .collect(),
        sends: books
            .arrivals
            .iter()
            .filter(|arrival| stays(&arrival.call.saga))
            .map(|arrival| Send {
                saga: &arrival.call.saga,
                leg: arrival.call.leg,
                number: arrival.call.number,
                is_check: arrival.call.is_check,
                at: arrival.at + SKEW,
            })
            .collect(),
        ledger: books
            .ledger
            .iter()
            .map(|line| LedgerEntry {
                key: Some(&line.call.key),
                saga: &line.call.saga,
                leg: line.call.leg,
                attempt: line.call.number,
                at: line.at,
                effect: line.effect,
            })
            .collect(),
        healed,
    };
    found.extend(audit(&run).iter().map(ToString::to_string));
    // What arrived or took effect belongs to a saga on record.
    let known: HashSet<&str> = run.sagas.iter().map(|saga| saga.id).collect();
    for arrival in &books.arrivals {
        if !forgets && !known.contains(arrival.call.saga.as_str()) {
            found.push(format!(
                "{} was sent and is not on record",
                arrival.call.key
            ));
        }
    }
    Verdict {
        found,
        ends: stored.iter().fold(BTreeMap::new(), |mut ends, one| {
            *ends.entry(one.saga.state).or_default() += 1;
            ends
        }),
        records: stored.iter().map(|one| one.saga.records.len()).sum(),
        acks: notes.heard.len(),
        arrivals: books.arrivals.len(),
        effects: books.ledger.iter().filter(|line| line.effect).count(),
        late,
        lost_calls: stored.iter().map(|one| lost_calls(&one.saga)).sum(),
    }
}

/// Which sagas were acknowledged so far.
pub fn accepted(office: &Office) -> HashSet<String> {
    let notes = office.book.notes();
    let heard = notes.heard.iter();
    heard
        .filter(|heard| heard.told == Told::Accepted)
        .map(|heard| heard.saga.clone())
        .collect()
}

/// Every saga with its history, checked against holes and its hashes on the way (I13).
pub fn read(path: &Path, found: &mut Vec<String>) -> Vec<Stored> {
    whole(path, found);
    let definitions = Definitions::new();
    let journal = SqliteJournal::open(path).unwrap();
    let mut reader = journal.keeper().reader().unwrap();
    let (mut stored, mut cursor) = (Vec::new(), None);
    loop {
        let page = reader
            .list(&SagaFilter::default(), cursor.as_deref(), 500)
            .unwrap();
        for item in page.items {
            match item {
                Ok(saga) => match definitions.compile(saga.definition.as_str()) {
                    Ok(definition) => stored.push(Stored {
                        saga,
                        definition,
                        liars: Vec::new(),
                    }),
                    Err(error) => found.push(format!("{}: {error}", saga.id)),
                },
                Err(error) => found.push(error.to_string()),
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    for one in &stored {
        let filter = IncidentFilter {
            open: Some(true),
            saga: Some(one.saga.id.clone()),
            ..IncidentFilter::default()
        };
        let open = reader.incidents(&filter, None, 100).unwrap().items.len();
        if one.saga.state == SagaState::Stuck && open == 0 {
            found.push(format!("{}: stuck without an incident", one.saga.id));
        }
    }
    stored
}

/// The file itself is in order, and nothing in it is left over from something else.
fn whole(path: &Path, found: &mut Vec<String>) {
    let connection = Connection::open(path).unwrap();
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    if check != "ok" {
        found.push(format!("integrity_check: {check}"));
    }
    for (what, query) in [
        (
            "events without a saga",
            "SELECT count(*) FROM event WHERE saga NOT IN (SELECT no FROM saga)",
        ),
        (
            "sagas without events",
            "SELECT count(*) FROM saga WHERE no NOT IN (SELECT saga FROM event)",
        ),
        (
            "incidents without a saga",
            "SELECT count(*) FROM incident WHERE saga_no NOT IN (SELECT no FROM saga)",
        ),
    ] {
        let count: i64 = connection.query_row(query, [], |row| row.get(0)).unwrap();
        if count > 0 {
            found.push(format!("{count} {what}"));
        }
    }
}

/// Until when an attempt may arrive, by the journal; none while it is under way.
fn arrives_until(saga: &StoredSaga, of: LegId, number: u32) -> Option<Timestamp> {
    saga.records.iter().find_map(|record| match &record.event {
        Event::AttemptEnded {
            leg,
            attempt,
            arrives_until,
            ..
        } if *leg == of && *attempt == number => Some(*arrives_until),
        _ => None,
    })
}

fn lost_calls(saga: &StoredSaga) -> usize {
    let lost = |event: &Event| match event {
        Event::AttemptEnded { answer, .. } | Event::CheckEnded { answer, .. } => answer
            .error
            .as_deref()
            .is_some_and(|error| error.starts_with("the coordinator stopped")),
        _ => false,
    };
    let records = saga.records.iter();
    records.filter(|record| lost(&record.event)).count()
}
