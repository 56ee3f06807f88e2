//! Reading what is kept in memory, the plainest way there is.

use settled_protocol::Timestamp;

use super::{Incident, MemoryJournal};
use crate::audit::{AuditFilter, AuditRow};
use crate::change::Telling;
use crate::cursor::{self, SagaCursor};
use crate::entry::SagaNo;
use crate::incident::{Groups, IncidentFilter, IncidentGroup, IncidentRow, IncidentTally, Untold};
use crate::schedule::ScheduleRow;
use crate::store::{
    Due, DueCursor, DueSaga, Ended, Page, ReadError, Reader, SagaFilter, SagaKey, Snapshot,
    StoredSaga,
};

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
                        let input = new.input.as_str();
                        let seen = filter.seen.as_ref().map(|seen| seen.0(input));
                        let is_in = |place: &str| place.to_lowercase().contains(text);
                        is_in(&new.id)
                            || is_in(&new.name)
                            || is_in(input) && seen.is_none_or(|seen| is_in(&seen))
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
                    && filter.matches(row.columns())
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

    fn incident_groups(
        &mut self,
        filter: &IncidentFilter,
    ) -> Result<Vec<IncidentGroup>, ReadError> {
        let mut groups = Groups::default();
        for Incident { row, .. } in self.disk().incidents.values().rev() {
            let wanted = row.state == "open"
                && filter.saga.as_ref().is_none_or(|saga| *saga == row.saga)
                && filter.matches(row.columns());
            if wanted {
                groups.add(&row.id, &row.direction, row.opened_at, row.columns());
            }
        }
        Ok(groups.finish())
    }

    fn untold(
        &mut self,
        remind_before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Untold>, ReadError> {
        let disk = self.disk();
        let telling = |incident: &Incident| match (&*incident.row.state, incident.told) {
            ("open", None) => Some(Telling::Opened),
            ("resolved", Some(("open", _))) => Some(Telling::Resolved),
            ("open", Some((_, at))) if remind_before.is_some_and(|before| at < before) => {
                Some(Telling::Reminder)
            }
            _ => None,
        };
        let mut found: Vec<(bool, Untold)> = disk
            .incidents
            .values()
            .filter_map(|incident| {
                let telling = telling(incident)?;
                let untold = Untold {
                    incident: IncidentRow {
                        request: None,
                        response: None,
                        ..incident.row.clone()
                    },
                    telling,
                };
                Some((telling == Telling::Reminder, untold))
            })
            .collect();
        found.sort_by_key(|(last, _)| *last);
        found.truncate(limit);
        Ok(found.into_iter().map(|(_, untold)| untold).collect())
    }

    fn told_first(&mut self) -> Result<Option<Timestamp>, ReadError> {
        let disk = self.disk();
        let open = disk.incidents.values().filter(|it| it.row.state == "open");
        Ok(open.filter_map(|incident| Some(incident.told?.1)).min())
    }

    fn incident_tally(&mut self, since: Timestamp) -> Result<IncidentTally, ReadError> {
        let disk = self.disk();
        let rows = || disk.incidents.values().map(|incident| &incident.row);
        let resolved = |row: &&IncidentRow| row.resolved_at.is_some_and(|at| at >= since);
        Ok(IncidentTally {
            opened: rows().filter(|row| row.opened_at >= since).count() as u64,
            resolved: rows().filter(resolved).count() as u64,
        })
    }

    fn ended(&mut self, since: Timestamp, limit: usize) -> Result<Vec<Ended>, ReadError> {
        let disk = self.disk();
        let mut ended: Vec<Ended> = disk
            .sagas
            .values()
            .rev()
            .filter_map(|entry| {
                Some(Ended {
                    state: entry.row.state,
                    created_at: entry.new.created_at,
                    settled_at: entry.row.settled_at.filter(|at| *at >= since)?,
                })
            })
            .collect();
        ended.sort_by_key(|one| std::cmp::Reverse((one.settled_at, one.created_at)));
        ended.truncate(limit);
        Ok(ended)
    }

    fn audit(
        &mut self,
        filter: &AuditFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<AuditRow>, ReadError> {
        let disk = self.disk();
        let before = cursor.map(cursor::read_audit).transpose()?;
        let before = before.unwrap_or(i64::MAX);
        let limit = limit.max(1);
        let mut items: Vec<AuditRow> = disk
            .audit
            .iter()
            .rev()
            .filter(|row| row.no < before && filter.matches(&row.entry))
            .take(limit + 1)
            .cloned()
            .collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items
            .last()
            .filter(|_| more)
            .map(|row| cursor::write_audit(row.no));
        Ok(Page { items, next_cursor })
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
