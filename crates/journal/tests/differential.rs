//! The same random operations on the SQLite journal and on the plain model in memory: every answer
//! must be the same, and so must everything that can be read. Once with the journal in a file of its own,
//! and once within a database that somebody else writes to meanwhile.

#![allow(
    clippy::doc_markdown,
    clippy::unwrap_used,
    reason = "a test; SQLite is a name"
)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastrand::Rng;
use settled_journal::{
    Append, Appended, Change, DueCursor, IncidentFilter, Journal, Keeper, MemoryJournal, Misplaced,
    Reader, SagaFilter, SagaKey, SagaNo, ScheduleChange, Seen, SqliteJournal, Telling, Told,
    Untold,
};
use settled_protocol::{IncidentKind, SagaState, Timestamp};
use support::{Known, arbitrary};

/// How the journal is opened.
type Open = fn(&Path) -> SqliteJournal;

fn alone(path: &Path) -> SqliteJournal {
    SqliteJournal::open(path).unwrap()
}

/// With a table of the service's own beside it, which has grown a little each time.
fn within(path: &Path) -> SqliteJournal {
    let service = rusqlite::Connection::open(path).unwrap();
    service
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS event (mine TEXT); INSERT INTO event VALUES ('x');",
        )
        .unwrap();
    SqliteJournal::open_within(path).unwrap()
}

struct World {
    open: Open,
    random: Rng,
    folder: tempfile::TempDir,
    path: PathBuf,
    crashes: u32,
    sqlite: Option<SqliteJournal>,
    model: MemoryJournal,
    known: Vec<Known>,
    next: i64,
    ids: u32,
}

impl World {
    fn new(seed: u64, open: Open) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let sqlite = open(&path);
        Self {
            open,
            random: Rng::with_seed(seed),
            folder,
            path,
            crashes: 0,
            sqlite: Some(sqlite),
            model: MemoryJournal::new(),
            known: Vec::new(),
            next: 1,
            ids: 0,
        }
    }

    fn sqlite(&mut self) -> &mut SqliteJournal {
        self.sqlite.as_mut().unwrap()
    }

    fn readers(&self) -> (Box<dyn Reader>, Box<dyn Reader>) {
        let sqlite = self.sqlite.as_ref().unwrap().keeper().reader().unwrap();
        (sqlite, self.model.reader().unwrap())
    }

    fn commit(&mut self) {
        let plans = support::plans();
        let mut batch: Vec<Append> = Vec::new();
        for _ in 0..self.random.usize(1..8) {
            let random = &mut self.random;
            let index = random.usize(..self.known.len().max(1));
            let known = self.known.get(index).filter(|known| {
                // One append of a saga at a time, as the engine does it.
                batch.iter().all(|append| append.saga != known.no)
            });
            let append = match (random.u8(0..10), known) {
                (0..=5, Some(known)) => support::next(random, known),
                (6, Some(known)) => {
                    let mut append = support::next(random, known);
                    match random.u8(0..4) {
                        0 => append.chain ^= 1,
                        1 => append.saga = SagaNo(1_000_000),
                        2 => {
                            for record in &mut append.records {
                                record.seq += 1;
                            }
                        }
                        _ => {
                            for record in &mut append.records {
                                record.seq -= 1;
                            }
                        }
                    }
                    append
                }
                (7, _) => {
                    // An id that may be there, in the same batch or from before.
                    let id = format!("saga-{}", random.u32(0..=self.ids));
                    let plan = plans[random.usize(..plans.len())].clone();
                    self.next += 1;
                    support::new_saga(random, SagaNo(self.next), id, plan)
                }
                _ => {
                    self.ids += 1;
                    self.next += 1;
                    let plan = plans[random.usize(..plans.len())].clone();
                    let mut append = support::new_saga(
                        random,
                        SagaNo(self.next),
                        format!("saga-{}", self.ids),
                        plan,
                    );
                    if random.u8(0..20) == 0 {
                        append.row = None;
                    }
                    if random.u8(0..20) == 0 {
                        append.saga = SagaNo(random.i64(1..=self.next));
                    }
                    append
                }
            };
            batch.push(append);
        }
        let answers = self.sqlite().commit(&batch).unwrap();
        let expected = self.model.commit(&batch).unwrap();
        assert_eq!(answers, expected);
        self.count(&batch, &answers);
    }

    fn count(&mut self, batch: &[Append], answers: &[Result<Appended, Misplaced>]) {
        for (append, answer) in batch.iter().zip(answers) {
            let Ok(Appended::Stored { chain }) = answer else {
                continue;
            };
            if let Some(new) = &append.new {
                self.known.push(Known {
                    no: append.saga,
                    id: new.id.clone(),
                    seq: 0,
                    chain: 0,
                    incidents: 0,
                    plan: Arc::clone(&append.plan),
                });
            }
            let known = self
                .known
                .iter_mut()
                .find(|known| known.no == append.saga)
                .unwrap();
            support::stored(known, append, *chain);
        }
    }

    fn prune(&mut self) {
        let before = Timestamp(arbitrary::EPOCH + self.random.i64(0..50) * 1_000_000);
        let limit = self.random.usize(0..4);
        let pruned = self.sqlite().prune(before, limit).unwrap();
        assert_eq!(pruned, self.model.prune(before, limit).unwrap());
        let mut reader = self.model.reader().unwrap();
        self.known
            .retain(|known| reader.load(SagaKey::No(known.no)).unwrap().is_some());
    }

    fn change_schedule(&mut self) {
        let random = &mut self.random;
        let name = support::schedule_name(random);
        let change = match random.u8(0..4) {
            0 => ScheduleChange::Remove(name),
            _ => ScheduleChange::Put(Box::new(support::schedule(random, name))),
        };
        let changed = self.sqlite().change(&change.clone().into()).unwrap();
        assert_eq!(changed, self.model.change(&change.clone().into()).unwrap());
    }

    fn tell(&mut self) {
        let (mut sqlite, mut model) = self.readers();
        let random = &mut self.random;
        let before = arbitrary::maybe(random, arbitrary::time);
        let limit = random.usize(0..9);
        let untold = sqlite.untold(before, limit).unwrap();
        assert_eq!(
            untold,
            model.untold(before, limit).unwrap(),
            "{before:?} {limit}"
        );
        let first = sqlite.told_first().unwrap();
        assert_eq!(first, model.told_first().unwrap());
        let mut told = Vec::new();
        for Untold { incident, telling } in untold {
            if random.bool() {
                told.push(Told {
                    incident: incident.id,
                    telling,
                    at: arbitrary::time(random),
                });
            }
        }
        let all = random.bool();
        if !all {
            told.push(Told {
                incident: "nobody~1".to_owned(),
                telling: Telling::Opened,
                at: arbitrary::time(random),
            });
        }
        let told = Change::Told(told);
        assert_eq!(self.sqlite.as_mut().unwrap().change(&told).unwrap(), all);
        assert_eq!(self.model.change(&told).unwrap(), all);
    }

    fn write_audit(&mut self) {
        let entries = support::audit(&mut self.random);
        let change = Change::Audit(entries);
        let all_new = self.sqlite().change(&change).unwrap();
        assert_eq!(all_new, self.model.change(&change).unwrap());
    }

    fn compare_audit(&mut self) {
        let (mut sqlite, mut model) = self.readers();
        let random = &mut self.random;
        let filter = support::audit_filter(random);
        let limit = random.usize(0..9);
        let mut cursor: Option<String> = None;
        loop {
            let page = sqlite.audit(&filter, cursor.as_deref(), limit).unwrap();
            let expected = model.audit(&filter, cursor.as_deref(), limit).unwrap();
            assert_eq!(page.items, expected.items, "{filter:?} after {cursor:?}");
            if expected.next_cursor.is_none() {
                break;
            }
            cursor = expected.next_cursor;
        }
    }

    fn compare_schedules(&mut self) {
        let (mut sqlite, mut model) = self.readers();
        assert_eq!(sqlite.schedules().unwrap(), model.schedules().unwrap());
        let name = support::schedule_name(&mut self.random);
        let row = sqlite.schedule(&name).unwrap();
        assert_eq!(row, model.schedule(&name).unwrap());
    }

    fn reopen(&mut self) {
        match self.random.u8(0..3) {
            0 => self.sqlite().reopen().unwrap(),
            1 => {
                self.sqlite = None;
                self.sqlite = Some((self.open)(&self.path));
            }
            _ => {
                // As after a power cut: what the files hold now, and nobody closed them.
                self.crashes += 1;
                let copy = self
                    .folder
                    .path()
                    .join(format!("crash-{}.db", self.crashes));
                std::fs::copy(&self.path, &copy).unwrap();
                let wal = |path: &Path| format!("{}-wal", path.display());
                if Path::new(&wal(&self.path)).exists() {
                    std::fs::copy(wal(&self.path), wal(&copy)).unwrap();
                }
                self.sqlite = Some((self.open)(&copy));
                self.path = copy;
            }
        }
        self.model.reopen().unwrap();
        let next_saga = self.sqlite().opened().next_saga;
        assert_eq!(next_saga, self.model.opened().next_saga);
    }

    fn compare_searches(&mut self) {
        let (mut sqlite, mut model) = self.readers();
        let random = &mut self.random;
        let time = |random: &mut Rng| Timestamp(arbitrary::EPOCH + random.i64(0..30) * 1_000_000);
        let texts = [
            "saga-1", "SAGA", "äö", "日本", "sku", "zzz", "", "ORDER", "\"", "İ",
        ];
        let filter = SagaFilter {
            state: arbitrary::maybe(random, |r| SagaState::ALL[r.usize(..5)]),
            name: arbitrary::maybe(random, |_| "Refund".to_owned()),
            since: arbitrary::maybe(random, time),
            until: arbitrary::maybe(random, time),
            text: arbitrary::maybe(random, |r| texts[r.usize(..texts.len())].to_owned()),
            seen: arbitrary::maybe(random, |_| {
                Seen(Arc::new(|input: &str| input.replace("sku", "")))
            }),
        };
        let limit = random.usize(1..30);
        let mut cursor: Option<String> = None;
        loop {
            let mut page = sqlite.list(&filter, cursor.as_deref(), limit).unwrap();
            // A page that took long ends early, where the machine is busy.
            while let Some(next) = page.next_cursor.take_if(|_| page.items.len() < limit) {
                let rest = limit - page.items.len();
                let rest = sqlite.list(&filter, Some(&next), rest).unwrap();
                page.items.extend(rest.items);
                page.next_cursor = rest.next_cursor;
            }
            let expected = model.list(&filter, cursor.as_deref(), limit).unwrap();
            assert_eq!(page.items, expected.items, "{filter:?} after {cursor:?}");
            if page.next_cursor.is_none() || expected.next_cursor.is_none() {
                // The model knows that nothing more matches; SQLite may have to look.
                if let Some(next) = page.next_cursor {
                    let rest = sqlite.list(&filter, Some(&next), limit).unwrap();
                    assert_eq!(rest.items, Vec::new(), "{filter:?}");
                }
                assert_eq!(expected.next_cursor, None);
                break;
            }
            cursor = expected.next_cursor;
        }
        let filter = IncidentFilter {
            open: arbitrary::maybe(random, Rng::bool),
            saga: arbitrary::maybe(random, |r| format!("saga-{}", r.u32(0..20))),
            name: arbitrary::maybe(random, |_| "Refund".to_owned()),
            step: arbitrary::maybe(random, |_| "stock".to_owned()),
            kind: arbitrary::maybe(random, |r| {
                IncidentKind::ALL[r.usize(..3)].as_str().to_owned()
            }),
            participant: arbitrary::maybe(random, |_| "pay.example".to_owned()),
            fault: None,
            seen: None,
        };
        let groups = sqlite.incident_groups(&filter).unwrap();
        assert_eq!(
            groups,
            model.incident_groups(&filter).unwrap(),
            "{filter:?}"
        );
        let filter = IncidentFilter {
            fault: groups
                .first()
                .filter(|_| random.bool())
                .map(|group| group.fault.clone()),
            ..filter
        };
        // Each goes on by its own cursor: after a removal they may number incidents differently.
        let (mut cursor, mut expected_cursor): (Option<String>, Option<String>) = (None, None);
        loop {
            let page = sqlite.incidents(&filter, cursor.as_deref(), limit).unwrap();
            let expected = model
                .incidents(&filter, expected_cursor.as_deref(), limit)
                .unwrap();
            assert_eq!(page.items, expected.items, "{filter:?}");
            for item in &page.items {
                assert_eq!(sqlite.incident(&item.id).unwrap().as_ref(), Some(item));
            }
            if expected.next_cursor.is_none() {
                break;
            }
            (cursor, expected_cursor) = (page.next_cursor, expected.next_cursor);
        }
        let now = Timestamp(arbitrary::EPOCH + random.i64(-1..21) * 1_000_000);
        assert_eq!(
            sqlite.incident_tally(now).unwrap(),
            model.incident_tally(now).unwrap()
        );
        let few = random.usize(0..9);
        assert_eq!(
            sqlite.ended(now, few).unwrap(),
            model.ended(now, few).unwrap()
        );
        assert_eq!(sqlite.snapshot(now).unwrap(), model.snapshot(now).unwrap());
        let limit = random.usize(0..6);
        let mut after: Option<DueCursor> = None;
        loop {
            let due = sqlite.due(after, now, limit).unwrap();
            assert_eq!(
                due,
                model.due(after, now, limit).unwrap(),
                "after {after:?} until {now:?}"
            );
            let Some(last) = due.sagas.last() else { break };
            after = Some(DueCursor {
                wake_at: last.wake_at,
                saga: last.saga,
            });
        }
    }

    fn compare_sagas(&mut self) {
        let (mut sqlite, mut model) = self.readers();
        for no in 0..=self.next {
            let no = SagaNo(no);
            let saga = model.load(SagaKey::No(no)).unwrap();
            assert_eq!(sqlite.load(SagaKey::No(no)).unwrap(), saga);
            if let Some(saga) = saga {
                assert_eq!(sqlite.load(SagaKey::Id(&saga.id)).unwrap(), Some(saga));
            }
            assert_eq!(
                self.sqlite().last_seq(no).unwrap(),
                self.model.last_seq(no).unwrap()
            );
        }
    }
}

fn run(seed: u64, rounds: u32, open: Open) {
    let mut world = World::new(seed, open);
    for round in 0..rounds {
        match world.random.u8(0..40) {
            0 => world.prune(),
            1 => world.reopen(),
            2..=5 => world.compare_searches(),
            6 => world.compare_sagas(),
            7..=8 => world.change_schedule(),
            9 => world.compare_schedules(),
            10 => world.tell(),
            11 => world.write_audit(),
            12 => world.compare_audit(),
            _ => world.commit(),
        }
        if round == rounds / 2 {
            // Definitions that nobody uses any more are gone with their sagas.
            let later = Timestamp(i64::MAX);
            while world.sqlite().prune(later, 1_000).unwrap() > 0 {}
            while world.model.prune(later, 1_000).unwrap() > 0 {}
            world.prune();
        }
    }
    world.compare_sagas();
    world.compare_searches();
    world.compare_schedules();
    world.compare_audit();
}

#[test]
fn sqlite_answers_as_the_model_does() {
    for seed in 0..8 {
        println!("seed {seed}");
        run(seed, 500, alone);
    }
}

#[test]
fn within_somebody_elses_database_it_answers_the_same() {
    for seed in 100..104 {
        println!("seed {seed}");
        run(seed, 500, within);
    }
}
