//! A journal in memory: the simplest truth about what a journal does, which the real stores are
//! compared with, and the disk of the simulator. It keeps nothing beyond the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use settled_protocol::{Event, Plan, Record, Timestamp};

use crate::chain::chain_after;
use crate::cursor::{self, SagaCursor};
use crate::encode::step_name;
use crate::entry::{Append, Appended, Misplaced, NewSaga, SagaNo, SagaRow};
use crate::incident::{Opening, incident_id, is_participant};
use crate::schedule::{ScheduleChange, ScheduleRow};
use crate::store::{
    CommitError, Due, DueCursor, DueSaga, IncidentFilter, IncidentRow, Journal, Keeper, Opened,
    Page, ReadError, Reader, SagaFilter, SagaKey, Snapshot, StoredSaga,
};

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

    fn change_schedule(&mut self, change: &ScheduleChange) -> Result<bool, CommitError> {
        let schedules = &mut self.disk().schedules;
        let before = match change {
            ScheduleChange::Put(row) => schedules.insert(row.name.clone(), ScheduleRow::clone(row)),
            ScheduleChange::Remove(name) => schedules.remove(name),
        };
        Ok(before.is_some())
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

impl Reader for MemoryJournal {
    fn load(&mut self, key: SagaKey<'_>) -> Result<Option<StoredSaga>, ReadError> {
        let disk = self.disk();
        let no = match key {
            SagaKey::Id(id) => disk.by_id.get(id).copied(),
            SagaKey::No(no) => Some(no),
        };
        Ok(no.and_then(|no| disk.stored(no)))
    }

    fn due(
        &mut self,
        after: Option<DueCursor>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Due, ReadError> {
        let disk = self.disk();
        let after = after.map_or((Timestamp(i64::MIN), SagaNo(i64::MIN)), |c| {
            (c.wake_at, c.saga)
        });
        let sagas: Vec<DueSaga> = disk
            .wake
            .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded))
            .take_while(|(wake_at, _)| *wake_at <= until)
            .take(limit)
            .map(|(wake_at, saga)| DueSaga {
                saga: *saga,
                wake_at: *wake_at,
            })
            .collect();
        let later = disk.wake.range((
            std::ops::Bound::Excluded((until, SagaNo(i64::MAX))),
            std::ops::Bound::Unbounded,
        ));
        let next = if sagas.len() < limit {
            later.map(|(at, _)| *at).next()
        } else {
            None
        };
        Ok(Due { sagas, next })
    }

    fn list(
        &mut self,
        filter: &SagaFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Result<StoredSaga, ReadError>>, ReadError> {
        let disk = self.disk();
        let cursor = cursor.map(SagaCursor::read).transpose()?;
        let text = filter.text.as_ref().map(|text| text.to_lowercase());
        let mut places: Vec<SagaCursor> = disk
            .sagas
            .iter()
            .filter(|(_, entry)| {
                let new = &entry.new;
                filter.state.is_none_or(|state| state == entry.row.state)
                    && filter.name.as_ref().is_none_or(|name| *name == new.name)
                    && filter.since.is_none_or(|since| new.created_at >= since)
                    && filter.until.is_none_or(|until| new.created_at < until)
                    && text.as_ref().is_none_or(|text| {
                        [new.id.as_str(), &new.name, new.input.as_str()]
                            .iter()
                            .any(|place| place.to_lowercase().contains(text))
                    })
            })
            .map(|(no, entry)| SagaCursor {
                created_at: entry.new.created_at,
                saga: *no,
            })
            .filter(|place| cursor.is_none_or(|cursor| *place < cursor))
            .collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        let limit = limit.max(1);
        let more = places.len() > limit;
        places.truncate(limit);
        Ok(Page {
            items: places
                .iter()
                .filter_map(|place| disk.stored(place.saga))
                .map(Ok)
                .collect(),
            next_cursor: places.last().filter(|_| more).map(|place| place.write()),
        })
    }

    fn incidents(
        &mut self,
        filter: &IncidentFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<IncidentRow>, ReadError> {
        let disk = self.disk();
        let before = cursor
            .map(cursor::read_incident)
            .transpose()?
            .unwrap_or(i64::MAX);
        let limit = limit.max(1);
        let mut found: Vec<(i64, IncidentRow)> = disk
            .incidents
            .range(..before)
            .rev()
            .map(|(no, incident)| (*no, &incident.row))
            .filter(|(_, row)| {
                filter.open.is_none_or(|open| open == (row.state == "open"))
                    && filter.saga.as_ref().is_none_or(|saga| *saga == row.saga)
                    && filter.step.as_ref().is_none_or(|step| *step == row.step)
                    && filter
                        .participant
                        .as_ref()
                        .is_none_or(|wanted| is_participant(row.participant.as_deref(), wanted))
            })
            .take(limit + 1)
            .map(|(no, row)| (no, row.clone()))
            .collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next_cursor = found
            .last()
            .filter(|_| more)
            .map(|(no, _)| cursor::write_incident(*no));
        Ok(Page {
            items: found.into_iter().map(|(_, row)| row).collect(),
            next_cursor,
        })
    }

    fn incident(&mut self, id: &str) -> Result<Option<IncidentRow>, ReadError> {
        let disk = self.disk();
        Ok(disk
            .incidents
            .values()
            .map(|incident| &incident.row)
            .find(|row| row.id == id)
            .cloned())
    }

    fn snapshot(&mut self, now: Timestamp) -> Result<Snapshot, ReadError> {
        let disk = self.disk();
        let due = disk
            .wake
            .iter()
            .filter(|(wake_at, _)| *wake_at <= now)
            .count();
        let unsettled = disk
            .sagas
            .values()
            .filter(|entry| entry.row.settled_at.is_none());
        let open = disk
            .incidents
            .values()
            .filter(|incident| incident.row.state == "open");
        Ok(Snapshot {
            due: due as u64,
            parked: (disk.wake.len() - due) as u64,
            oldest_unsettled: unsettled.map(|entry| entry.new.created_at).min(),
            open_incidents: open.count() as u64,
        })
    }

    fn schedules(&mut self) -> Result<Vec<Result<ScheduleRow, ReadError>>, ReadError> {
        Ok(self.disk().schedules.values().cloned().map(Ok).collect())
    }

    fn schedule(&mut self, name: &str) -> Result<Option<ScheduleRow>, ReadError> {
        Ok(self.disk().schedules.get(name).cloned())
    }
}
