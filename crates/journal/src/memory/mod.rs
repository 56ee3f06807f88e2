//! A journal in memory: the simplest truth about what a journal does, which the real stores are
//! compared with, and the disk of the simulator. It keeps nothing beyond the process.

mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use settled_protocol::{Event, Plan, Record, Timestamp};

use crate::audit::{AuditRow, audit_hash};
use crate::chain::chain_after;
use crate::change::Change;
use crate::encode::step_name;
use crate::entry::{Append, Appended, Misplaced, NewSaga, SagaNo, SagaRow};
use crate::incident::{IncidentRow, Opening, incident_id};
use crate::schedule::{ScheduleChange, ScheduleRow};
use crate::store::{CommitError, Journal, Keeper, Opened, ReadError, Reader, StoredSaga};

/// A journal in memory. Clones share what they hold: one may be the [`Journal`], others the
/// [`Keeper`]. A crash is to drop the clone that was written through; everything that was committed
/// stays with the others.
#[derive(Clone, Debug)]
pub struct MemoryJournal {
    opened: Opened,
    disk: Arc<Mutex<Disk>>,
}

#[derive(Clone, Debug, Default)]
struct Disk {
    sagas: BTreeMap<SagaNo, Arc<Entry>>,
    by_id: BTreeMap<String, SagaNo>,
    wake: BTreeSet<(Timestamp, SagaNo)>,
    incidents: BTreeMap<i64, Incident>,
    schedules: BTreeMap<String, ScheduleRow>,
    audit: Vec<AuditRow>,
    last_saga: i64,
    last_incident: i64,
}

#[derive(Clone, Debug)]
struct Entry {
    new: NewSaga,
    row: SagaRow,
    records: Vec<Record>,
    chain: u64,
}

#[derive(Clone, Debug)]
struct Incident {
    saga: SagaNo,
    number: u32,
    row: IncidentRow,
    /// The state that was last told of, and when.
    told: Option<(&'static str, Timestamp)>,
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryJournal {
    /// An empty journal. Its secret is the same every time, so that a run can be repeated.
    #[must_use]
    pub fn new() -> Self {
        Self {
            opened: Opened {
                next_saga: SagaNo(1),
                secret: [0x5e; 32],
            },
            disk: Arc::default(),
        }
    }

    /// The same journal as a new process would open it.
    #[must_use]
    pub fn open_again(&self) -> Self {
        let mut again = self.clone();
        again.opened.next_saga = SagaNo(self.disk().last_saga + 1);
        again
    }

    /// A copy that nothing done to this one changes any more.
    #[must_use]
    pub fn fork(&self) -> Self {
        let disk = Arc::new(Mutex::new(self.disk().clone()));
        Self {
            disk,
            ..self.open_again()
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn commit(
        &mut self,
        batch: &[Append],
    ) -> Result<Vec<Result<Appended, Misplaced>>, CommitError> {
        let mut disk = self.disk();
        Ok(batch.iter().map(|append| disk.append(append)).collect())
    }

    fn reopen(&mut self) -> Result<(), CommitError> {
        *self = self.open_again();
        Ok(())
    }

    fn last_seq(&mut self, saga: SagaNo) -> Result<u32, ReadError> {
        Ok(self
            .disk()
            .sagas
            .get(&saga)
            .map_or(0, |entry| entry.last_seq()))
    }

    fn prune(&mut self, before: Timestamp, limit: usize) -> Result<usize, CommitError> {
        let mut disk = self.disk();
        let mut old: Vec<(Timestamp, Timestamp, SagaNo)> = disk
            .sagas
            .iter()
            .filter_map(|(no, entry)| {
                let settled_at = entry.row.settled_at.filter(|at| *at < before)?;
                let open = disk
                    .incidents
                    .values()
                    .any(|i| i.saga == *no && i.row.state == "open");
                (!open).then_some((settled_at, entry.new.created_at, *no))
            })
            .collect();
        old.sort_unstable();
        old.truncate(limit);
        for (_, _, no) in &old {
            if let Some(entry) = disk.sagas.remove(no) {
                disk.by_id.remove(&entry.new.id);
                if let Some(wake_at) = entry.row.wake_at {
                    disk.wake.remove(&(wake_at, *no));
                }
            }
            disk.incidents.retain(|_, incident| incident.saga != *no);
        }
        Ok(old.len())
    }

    fn change(&mut self, change: &Change) -> Result<bool, CommitError> {
        let disk = &mut *self.disk();
        Ok(match change {
            Change::Schedule(ScheduleChange::Put(row)) => disk
                .schedules
                .insert(row.name.clone(), ScheduleRow::clone(row))
                .is_some(),
            Change::Schedule(ScheduleChange::Remove(name)) => disk.schedules.remove(name).is_some(),
            Change::Audit(entries) => {
                let mut all_new = true;
                for entry in entries {
                    if disk.audit.iter().any(|known| known.entry.id == entry.id) {
                        all_new = false;
                        continue;
                    }
                    let before = disk.audit.last().map_or("", |last| &last.hash);
                    let hash = audit_hash(before, entry);
                    disk.audit.push(AuditRow {
                        no: disk.audit.len() as i64 + 1,
                        entry: entry.clone(),
                        hash,
                    });
                }
                all_new
            }
            Change::Told(told) => {
                let mut all = true;
                for told in told {
                    let mut incidents = disk.incidents.values_mut();
                    let incident = incidents.find(|incident| incident.row.id == told.incident);
                    all &= incident.is_some();
                    if let Some(incident) = incident {
                        incident.told = Some((told.telling.state(), told.at));
                    }
                }
                all
            }
        })
    }
}

impl Keeper for MemoryJournal {
    fn reader(&self) -> Result<Box<dyn Reader>, ReadError> {
        Ok(Box::new(self.clone()))
    }
}

impl Entry {
    fn last_seq(&self) -> u32 {
        self.records.last().map_or(0, |record| record.seq)
    }
}

impl Disk {
    fn append(&mut self, append: &Append) -> Result<Appended, Misplaced> {
        let no = append.saga;
        let misplaced = |why| Err(Misplaced { saga: no, why });
        if let Some(new) = &append.new {
            let Some(row) = append.row else {
                return misplaced("a new saga needs a row");
            };
            if append.chain != 0 || !follows(&append.records, 0) || append.records.is_empty() {
                return misplaced("a new saga's history begins with event 1");
            }
            if let Some(there) = self.by_id.get(&new.id) {
                let same = self.sagas[there].new.fingerprint == new.fingerprint;
                return Ok(Appended::Exists { saga: *there, same });
            }
            if self.sagas.contains_key(&no) {
                return misplaced("its number is taken");
            }
            self.by_id.insert(new.id.clone(), no);
            self.last_saga = self.last_saga.max(no.0);
            let new = NewSaga::clone(new);
            self.sagas.insert(
                no,
                Arc::new(Entry {
                    new,
                    row,
                    records: Vec::new(),
                    chain: 0,
                }),
            );
        }
        let Some(entry) = self.sagas.get_mut(&no) else {
            return misplaced("there is no such saga");
        };
        if !follows(&append.records, entry.last_seq()) || append.chain != entry.chain {
            return misplaced("its events do not continue the saga's history");
        }
        let entry = Arc::make_mut(entry);
        entry.chain = chain_after(append);
        entry.records.extend(append.records.iter().cloned());
        if let Some(wake_at) = entry.row.wake_at {
            self.wake.remove(&(wake_at, no));
        }
        entry.row = append.row.unwrap_or(entry.row);
        if let Some(wake_at) = entry.row.wake_at {
            self.wake.insert((wake_at, no));
        }
        let (chain, id, name) = (entry.chain, entry.new.id.clone(), entry.new.name.clone());
        for record in &append.records {
            self.project(no, &id, &name, &append.plan, record);
        }
        Ok(Appended::Stored { chain })
    }

    /// Keeps the incident table up with an event.
    fn project(&mut self, no: SagaNo, id: &str, name: &str, plan: &Plan, record: &Record) {
        match &record.event {
            Event::IncidentOpened {
                incident,
                leg,
                kind,
                evidence,
            } => {
                let id_of_incident = incident_id(id, *incident);
                if self
                    .incidents
                    .values()
                    .any(|known| known.row.id == id_of_incident)
                {
                    return;
                }
                let opening = Opening::new(*kind, evidence);
                self.last_incident += 1;
                let row = IncidentRow {
                    id: id_of_incident,
                    saga: id.to_owned(),
                    name: name.to_owned(),
                    step: step_name(plan, *leg).to_owned(),
                    direction: leg.direction.as_str().to_owned(),
                    kind: opening.kind.to_owned(),
                    participant: opening.participant,
                    request_url: opening.request_url,
                    request: opening.request,
                    response: opening.response,
                    error: opening.error,
                    attempts: opening.attempts,
                    opened_at: record.at,
                    state: "open".to_owned(),
                    decision: None,
                    note: None,
                    resolved_by: None,
                    resolved_at: None,
                };
                let incident = Incident {
                    saga: no,
                    number: *incident,
                    row,
                    told: None,
                };
                self.incidents.insert(self.last_incident, incident);
            }
            Event::IncidentResolved {
                incident,
                resolution,
                ..
            } => {
                let open = self.incidents.values_mut().find(|known| {
                    known.saga == no && known.number == *incident && known.row.state == "open"
                });
                if let Some(open) = open {
                    "resolved".clone_into(&mut open.row.state);
                    open.row.decision = Some(resolution.decision.as_str().to_owned());
                    open.row.note = Some(resolution.note.clone());
                    open.row.resolved_by = Some(resolution.by.clone());
                    open.row.resolved_at = Some(record.at);
                }
            }
            _ => {}
        }
    }

    fn stored(&self, no: SagaNo) -> Option<StoredSaga> {
        let entry = self.sagas.get(&no)?;
        Some(StoredSaga {
            no,
            id: entry.new.id.clone(),
            name: entry.new.name.clone(),
            input: entry.new.input.clone(),
            definition: entry.new.definition.clone(),
            submitted_by: entry.new.submitted_by.clone(),
            created_at: entry.new.created_at,
            deadline_at: entry.new.deadline_at,
            settled_at: entry.row.settled_at,
            state: entry.row.state,
            wake_at: entry.row.wake_at,
            records: entry.records.clone(),
            chain: entry.chain,
        })
    }
}

fn follows(records: &[Record], last: u32) -> bool {
    records
        .iter()
        .zip(1..)
        .all(|(record, n)| record.seq == last + n)
}
