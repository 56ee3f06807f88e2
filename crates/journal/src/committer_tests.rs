//! The committer over a journal that fails in every way that one may.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use settled_protocol::Timestamp;

use crate::change::Change;
use crate::support::{self, Known};
use crate::{
    Append, Appended, CommitCounts, CommitError, Committer, Fate, Journal, Keeper, MemoryJournal,
    Misplaced, Next, Opened, ReadError, Refused, SagaKey, SagaNo, ScheduleChange, Writer,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Full,
    Busy,
    /// It says that it does not know, and the batch is there.
    Written,
    /// It says that it does not know, and the batch is not there.
    Unwritten,
    Unusable,
}

/// A journal that does what the script says, then what the inner one does.
struct Flaky {
    inner: MemoryJournal,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    commits: VecDeque<Option<Fault>>,
    changes: VecDeque<Option<Fault>>,
    /// How many times it cannot be opened again.
    locked_out: u32,
    reopened: u32,
    batches: Vec<usize>,
    must_reopen: bool,
}

impl Journal for Flaky {
    fn opened(&self) -> &Opened {
        self.inner.opened()
    }

    fn commit(
        &mut self,
        batch: &[Append],
    ) -> Result<Vec<Result<Appended, Misplaced>>, CommitError> {
        let mut script = self.script.lock().unwrap();
        assert!(
            !script.must_reopen,
            "it was used again without being reopened"
        );
        script.batches.push(batch.len());
        let fault = script.commits.pop_front().flatten();
        let unknown = Err(CommitError::Unknown("fsync".to_owned()));
        match fault {
            None => self.inner.commit(batch),
            Some(Fault::Full) => Err(CommitError::Full("disk".to_owned())),
            Some(Fault::Busy) => Err(CommitError::Busy("locked".to_owned())),
            Some(Fault::Unusable) => Err(CommitError::Unusable("read-only".to_owned())),
            Some(Fault::Written) => {
                script.must_reopen = true;
                self.inner.commit(batch)?;
                unknown
            }
            Some(Fault::Unwritten) => {
                script.must_reopen = true;
                unknown
            }
        }
    }

    fn reopen(&mut self) -> Result<(), CommitError> {
        let mut script = self.script.lock().unwrap();
        script.reopened += 1;
        if script.locked_out > 0 {
            script.locked_out -= 1;
            return Err(CommitError::Unusable("cannot open".to_owned()));
        }
        script.must_reopen = false;
        self.inner.reopen()
    }

    fn last_seq(&mut self, saga: SagaNo) -> Result<u32, ReadError> {
        self.inner.last_seq(saga)
    }

    fn prune(&mut self, before: Timestamp, limit: usize) -> Result<usize, CommitError> {
        self.inner.prune(before, limit)
    }

    fn change(&mut self, change: &Change) -> Result<bool, CommitError> {
        let mut script = self.script.lock().unwrap();
        assert!(
            !script.must_reopen,
            "it was used again without being reopened"
        );
        match script.changes.pop_front().flatten() {
            None => self.inner.change(change),
            Some(Fault::Full) => Err(CommitError::Full("disk".to_owned())),
            Some(fault) => {
                script.must_reopen = true;
                if matches!(fault, Fault::Written) {
                    self.inner.change(change)?;
                }
                Err(CommitError::Unknown("fsync".to_owned()))
            }
        }
    }
}

struct Rig {
    committer: Committer<usize>,
    inner: MemoryJournal,
    script: Arc<Mutex<Script>>,
    random: Rng,
}

impl Rig {
    fn new(seed: u64, max_batch: usize, faults: &[Option<Fault>]) -> Self {
        let inner = MemoryJournal::new();
        let script = Arc::new(Mutex::new(Script {
            commits: faults.iter().copied().collect(),
            ..Script::default()
        }));
        let journal = Flaky {
            inner: inner.clone(),
            script: Arc::clone(&script),
        };
        Self {
            committer: Committer::with_max_batch(Box::new(journal), max_batch),
            inner,
            script,
            random: Rng::with_seed(seed),
        }
    }

    fn new_saga(&mut self, no: i64) -> Append {
        let plan = support::plans().remove(0);
        let mut append =
            support::new_saga(&mut self.random, SagaNo(no), format!("saga-{no}"), plan);
        append.row.as_mut().unwrap().settled_at = None;
        append
    }

    /// A saga that is stored, and its next append.
    fn running(&mut self, no: i64) -> (Known, Append) {
        let append = self.new_saga(no);
        let answer = self
            .inner
            .clone()
            .commit(std::slice::from_ref(&append))
            .unwrap()
            .remove(0);
        let Ok(Appended::Stored { chain }) = answer else {
            panic!("{answer:?}")
        };
        let mut known = Known {
            no: append.saga,
            id: format!("saga-{no}"),
            seq: 0,
            chain: 0,
            incidents: 0,
            plan: Arc::clone(&append.plan),
        };
        support::stored(&mut known, &append, chain);
        let next = loop {
            let next = support::next(&mut self.random, &known);
            if !next.records.is_empty() {
                break next;
            }
        };
        (known, next)
    }

    fn last_seq(&self, no: i64) -> u32 {
        self.inner.clone().last_seq(SagaNo(no)).unwrap()
    }
}

fn is_stored(fate: &Fate) -> bool {
    matches!(fate, Ok(Appended::Stored { .. }))
}

#[test]
fn without_room_new_sagas_are_turned_away_and_the_rest_waits_in_order() {
    let mut rig = Rig::new(
        1,
        128,
        &[Some(Fault::Full), Some(Fault::Full), Some(Fault::Full)],
    );
    let (_, next) = rig.running(1);
    let after = Append {
        chain: crate::chain_after(&next),
        records: Vec::new(),
        row: Some(support::row(&mut rig.random)),
        ..next.clone()
    };
    let new = rig.new_saga(2);
    let follower = Append {
        new: None,
        chain: 7,
        ..new.clone()
    };
    for (ticket, append) in [new, next, follower, after].into_iter().enumerate() {
        rig.committer.push(ticket, append);
    }
    let step = rig.committer.step();
    let tickets: Vec<usize> = step.answers.iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(tickets, [0, 2], "the new saga, and what was to follow it");
    assert!(
        step.answers
            .iter()
            .all(|(_, fate)| matches!(fate, Err(Refused::NotNow(_))))
    );
    assert_eq!(step.next, Next::Pause(Duration::from_millis(100)));

    // One that comes meanwhile need not wait to be told.
    let late = rig.new_saga(3);
    rig.committer.push(9, late);
    assert_eq!(rig.committer.turn_away().len(), 1);

    assert_eq!(
        rig.committer.step().next,
        Next::Pause(Duration::from_millis(200))
    );
    assert_eq!(
        rig.committer.step().next,
        Next::Pause(Duration::from_millis(400))
    );
    let mut answers = Vec::new();
    while !rig.committer.is_idle() {
        answers.extend(rig.committer.step().answers);
    }
    let tickets: Vec<usize> = answers.iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(tickets, [1, 3]);
    assert!(answers.iter().all(|(_, fate)| is_stored(fate)));
    assert_eq!((rig.last_seq(2), rig.last_seq(3)), (0, 0));

    // There is room again: the next one is taken.
    let new = rig.new_saga(4);
    rig.committer.push(10, new);
    assert!(is_stored(&rig.committer.step().answers[0].1));
}

#[test]
fn with_nothing_but_new_sagas_each_is_an_attempt_of_its_own() {
    let mut rig = Rig::new(2, 128, &[Some(Fault::Busy), None]);
    let first = rig.new_saga(1);
    rig.committer.push(0, first);
    let step = rig.committer.step();
    assert!(matches!(&step.answers[..], [(0, Err(Refused::NotNow(_)))]));
    assert_eq!(step.next, Next::Idle);
    let second = rig.new_saga(2);
    rig.committer.push(1, second);
    assert!(is_stored(&rig.committer.step().answers[0].1));
}

#[test]
fn a_commit_in_doubt_is_looked_up_and_only_what_is_missing_is_written_again() {
    for fault in [Fault::Written, Fault::Unwritten] {
        let mut rig = Rig::new(3, 128, &[Some(fault)]);
        let (known, next) = rig.running(1);
        let new = rig.new_saga(2);
        let duplicate = Append {
            saga: SagaNo(3),
            ..new.clone()
        };
        // Only the row changes, and then once more: the later one must stay.
        let earlier = support::row(&mut rig.random);
        let early = Append {
            records: Vec::new(),
            row: Some(earlier),
            chain: known.chain,
            ..next.clone()
        };
        let later = support::row(&mut rig.random);
        let next = Append {
            row: Some(later),
            ..next
        };
        let expected_chain = crate::chain_after(&next);
        for (ticket, append) in [early, next, new, duplicate].into_iter().enumerate() {
            rig.committer.push(ticket, append);
        }
        let mut answers = BTreeMap::new();
        while !rig.committer.is_idle() {
            answers.extend(rig.committer.step().answers);
        }
        assert_eq!(rig.script.lock().unwrap().reopened, 1);
        assert_eq!(
            answers[&0],
            Ok(Appended::Stored { chain: known.chain }),
            "{fault:?}"
        );
        assert_eq!(
            answers[&1],
            Ok(Appended::Stored {
                chain: expected_chain
            }),
            "{fault:?}"
        );
        assert!(is_stored(&answers[&2]), "{fault:?}");
        assert_eq!(
            answers[&3],
            Ok(Appended::Exists {
                saga: SagaNo(2),
                same: true
            })
        );
        let mut reader = rig.inner.reader().unwrap();
        let saga = reader.load(SagaKey::No(SagaNo(1))).unwrap().unwrap();
        assert_eq!(
            (saga.state, saga.wake_at),
            (later.state, later.wake_at),
            "{fault:?}"
        );
    }
}

#[test]
fn doubt_upon_doubt_ends_it_and_so_does_a_journal_that_cannot_be_opened() {
    let twice = [Some(Fault::Unwritten), Some(Fault::Unwritten)];
    let mut rig = Rig::new(4, 128, &twice);
    let new = rig.new_saga(1);
    rig.committer.push(0, new);
    let mut answers = Vec::new();
    while !rig.committer.is_idle() {
        answers.extend(rig.committer.step().answers);
    }
    assert!(
        matches!(&answers[..], [(0, Err(Refused::Dead(_)))]),
        "{answers:?}"
    );
    let later = rig.new_saga(2);
    rig.committer.push(1, later);
    assert!(matches!(
        &rig.committer.step().answers[..],
        [(1, Err(Refused::Dead(_)))]
    ));
    assert!(rig.committer.is_dead());

    let mut rig = Rig::new(5, 128, &[Some(Fault::Written)]);
    rig.script.lock().unwrap().locked_out = 4;
    let new = rig.new_saga(1);
    rig.committer.push(0, new);
    let mut pauses = 0;
    let mut answers = Vec::new();
    while !rig.committer.is_idle() {
        let step = rig.committer.step();
        pauses += u32::from(matches!(step.next, Next::Pause(_)));
        answers.extend(step.answers);
    }
    assert_eq!(pauses, 4);
    assert!(
        is_stored(&answers[0].1),
        "the fifth time it could be opened"
    );

    for fault in [Fault::Unusable, Fault::Unwritten] {
        let mut rig = Rig::new(6, 128, &[Some(fault)]);
        rig.script.lock().unwrap().locked_out = u32::MAX;
        let new = rig.new_saga(1);
        rig.committer.push(0, new);
        while !rig.committer.is_idle() {
            rig.committer.step();
        }
        assert!(rig.committer.is_dead(), "{fault:?}");
    }
}

#[test]
fn events_that_were_acknowledged_and_are_gone_end_it() {
    let mut rig = Rig::new(7, 128, &[Some(Fault::Unwritten)]);
    let (_, mut next) = rig.running(1);
    for record in &mut next.records {
        record.seq += 1;
    }
    rig.committer.push(0, next);
    rig.committer.step();
    rig.committer.step();
    assert!(rig.committer.is_dead());
}

/// Whatever fails and however often: each append is answered once, a saga's in order, and the
/// journal holds exactly what was acknowledged.
#[test]
fn nothing_is_lost_doubled_or_overtaken() {
    for seed in 0..300 {
        let mut random = Rng::with_seed(seed);
        let mut faults = Vec::new();
        for _ in 0..40 {
            let fault = [
                None,
                Some(Fault::Full),
                Some(Fault::Busy),
                Some(Fault::Written),
                Some(Fault::Unwritten),
            ][random.usize(..5)];
            faults.push(fault);
            if matches!(fault, Some(Fault::Written | Fault::Unwritten)) {
                // Twice in a row is another test.
                faults.push(None);
            }
        }
        let mut rig = Rig::new(seed, random.usize(1..12), &faults);
        let mut running: BTreeMap<i64, Known> = BTreeMap::new();
        let mut waiting: BTreeMap<usize, Append> = BTreeMap::new();
        let mut ticket = 0;
        for no in 1..=60_i64 {
            let append = rig.new_saga(no);
            ticket += 1;
            waiting.insert(ticket, append.clone());
            rig.committer.push(ticket, append);
            // Those that are stored and have nothing on its way go on.
            let idle: Vec<i64> = running.keys().copied().filter(|_| random.bool()).collect();
            for no in idle {
                let append = support::next(&mut rig.random, &running.remove(&no).unwrap());
                ticket += 1;
                waiting.insert(ticket, append.clone());
                rig.committer.push(ticket, append);
            }
            let last = no == 60;
            for _ in 0..if last { 2_000 } else { random.usize(0..3) } {
                let step = rig.committer.step();
                for (ticket, fate) in step.answers {
                    let append = waiting.remove(&ticket).expect("it is answered once");
                    match fate {
                        Ok(Appended::Stored { chain }) => {
                            let mut known = Known {
                                no: append.saga,
                                id: String::new(),
                                seq: append.records.first().map_or(0, |r| r.seq - 1),
                                chain: 0,
                                incidents: 0,
                                plan: Arc::clone(&append.plan),
                            };
                            support::stored(&mut known, &append, chain);
                            if append.records.is_empty() {
                                known.seq = rig.last_seq(append.saga.0);
                            }
                            assert_eq!(known.seq, rig.last_seq(append.saga.0), "seed {seed}");
                            running.insert(append.saga.0, known);
                        }
                        Err(Refused::NotNow(_)) => {
                            assert!(append.new.is_some(), "seed {seed}: only new ones");
                            assert_eq!(rig.last_seq(append.saga.0), 0, "seed {seed}");
                        }
                        other => panic!("seed {seed}: {other:?}"),
                    }
                }
            }
        }
        assert!(
            waiting.is_empty(),
            "seed {seed}: {} not answered",
            waiting.len()
        );
        assert!(rig.committer.is_idle());
    }
}

#[test]
fn the_writer_answers_everything_before_it_ends() {
    let mut rig = Rig::new(8, 128, &[Some(Fault::Unwritten)]);
    let journal = Flaky {
        inner: rig.inner.clone(),
        script: Arc::clone(&rig.script),
    };
    let answers = Arc::new(Mutex::new(Vec::new()));
    let deliver = {
        let answers = Arc::clone(&answers);
        move |fates: Vec<(i64, Fate)>| answers.lock().unwrap().extend(fates)
    };
    let writer = Writer::spawn(Box::new(journal), Box::new(deliver)).unwrap();
    for no in 1..=300 {
        let append = rig.new_saga(no);
        writer.submit(vec![(no, append)]);
    }
    let pruned = Arc::new(Mutex::new(None));
    let reply = {
        let pruned = Arc::clone(&pruned);
        Box::new(move |result| *pruned.lock().unwrap() = Some(result))
    };
    writer.prune(Timestamp(0), 10, reply);
    let stats = Arc::clone(writer.stats());
    writer.close();
    let answers = answers.lock().unwrap();
    let tickets: Vec<i64> = answers.iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(tickets, (1..=300).collect::<Vec<_>>());
    assert!(answers.iter().all(|(_, fate)| is_stored(fate)));
    assert_eq!(*pruned.lock().unwrap(), Some(Ok(0)));
    let CommitCounts {
        appends,
        commits,
        refused,
        failures,
        ..
    } = stats.counts();
    assert_eq!(
        (appends, refused, failures),
        (300, 0, 2),
        "in doubt, then looked up"
    );
    assert!(commits <= 300);
}

#[test]
fn a_writer_that_is_closed_without_room_does_not_hang() {
    let faults = vec![Some(Fault::Full); 1_000];
    let mut rig = Rig::new(9, 128, &faults);
    let (_, next) = rig.running(1);
    let journal = Flaky {
        inner: rig.inner.clone(),
        script: Arc::clone(&rig.script),
    };
    let (send, receive) = std::sync::mpsc::channel();
    let deliver = move |fates: Vec<(i64, Fate)>| send.send(fates).unwrap();
    let writer = Writer::spawn(Box::new(journal), Box::new(deliver)).unwrap();
    writer.submit(vec![(1, next)]);
    let new = rig.new_saga(2);
    writer.submit(vec![(2, new)]);
    let first = receive.recv().unwrap();
    assert!(
        matches!(&first[..], [(2, Err(Refused::NotNow(_)))]),
        "{first:?}"
    );
    writer.close();
    let last = receive.recv().unwrap();
    assert!(
        matches!(&last[..], [(1, Err(Refused::Dead(_)))]),
        "{last:?}"
    );
}

#[test]
fn a_journal_that_breaks_off_is_answered_for() {
    struct Broken(Opened);
    impl Journal for Broken {
        fn opened(&self) -> &Opened {
            &self.0
        }
        fn commit(
            &mut self,
            _: &[Append],
        ) -> Result<Vec<Result<Appended, Misplaced>>, CommitError> {
            panic!("as planned")
        }
        fn reopen(&mut self) -> Result<(), CommitError> {
            Ok(())
        }
        fn last_seq(&mut self, _: SagaNo) -> Result<u32, ReadError> {
            Ok(0)
        }
        fn prune(&mut self, _: Timestamp, _: usize) -> Result<usize, CommitError> {
            Ok(0)
        }
        fn change(&mut self, _: &Change) -> Result<bool, CommitError> {
            Ok(false)
        }
    }
    let mut rig = Rig::new(10, 128, &[]);
    let (send, receive) = std::sync::mpsc::channel();
    let deliver = move |fates: Vec<(i64, Fate)>| send.send(fates).unwrap();
    let opened = Opened {
        next_saga: SagaNo(1),
        secret: [0; 32],
    };
    let writer = Writer::spawn(Box::new(Broken(opened)), Box::new(deliver)).unwrap();
    for no in 1..3 {
        let append = rig.new_saga(no);
        writer.submit(vec![(no, append)]);
        let fates = receive.recv().unwrap();
        assert!(
            matches!(&fates[..], [(_, Err(Refused::Dead(_)))]),
            "{fates:?}"
        );
    }
}

#[test]
fn a_change_of_the_schedules_has_the_same_discipline() {
    let mut rig = Rig::new(11, 128, &[]);
    rig.script.lock().unwrap().changes = [
        Some(Fault::Written),
        None,
        Some(Fault::Unwritten),
        None,
        Some(Fault::Full),
    ]
    .into();
    let remove = ScheduleChange::Remove("a".to_owned());
    let mut random = Rng::with_seed(11);
    let row = support::schedule(&mut random, "a".to_owned());
    let put = ScheduleChange::Put(Box::new(row));
    for (change, found) in [(&put, true), (&remove, true)] {
        let doubt = rig.committer.change(&change.clone().into()).unwrap_err();
        assert!(matches!(doubt, CommitError::Unknown(_)), "{doubt}");
        assert!(!rig.committer.is_idle(), "it is to be opened anew");
        let again = rig.committer.change(&change.clone().into()).unwrap_err();
        assert!(matches!(again, CommitError::Unknown(_)), "not before that");
        rig.committer.step();
        assert!(rig.committer.is_idle());
        assert_eq!(rig.committer.change(&change.clone().into()), Ok(found));
    }
    assert_eq!(rig.script.lock().unwrap().reopened, 2);
    let full = rig.committer.change(&put.clone().into()).unwrap_err();
    assert!(matches!(full, CommitError::Full(_)), "{full}");
    assert_eq!(rig.committer.change(&put.clone().into()), Ok(false));
}

#[test]
fn the_writer_answers_for_changes_of_the_schedules_until_it_is_closed() {
    let mut rig = Rig::new(12, 128, &[]);
    let mut random = Rng::with_seed(12);
    let put = ScheduleChange::Put(Box::new(support::schedule(&mut random, "a".to_owned())));
    let flaky = Flaky {
        inner: rig.inner.clone(),
        script: Arc::clone(&rig.script),
    };
    let (send, receive) = std::sync::mpsc::channel();
    let deliver = move |fates: Vec<(i64, Fate)>| send.send(fates).unwrap();
    let writer = Writer::spawn(Box::new(flaky), Box::new(deliver)).unwrap();
    let append = rig.new_saga(1);
    writer.submit(vec![(1, append)]);
    receive.recv().unwrap();
    let (reply, answers) = std::sync::mpsc::channel();
    for _ in 0..2 {
        let reply = reply.clone();
        let answer = Box::new(move |changed| reply.send(changed).unwrap());
        writer.change(put.clone().into(), answer);
    }
    assert_eq!(answers.recv().unwrap(), Ok(false));
    assert_eq!(answers.recv().unwrap(), Ok(true));
    let change = ScheduleChange::Remove("a".to_owned());
    let answer = Box::new(move |changed| reply.send(changed).unwrap());
    writer.change(change.into(), answer);
    writer.close();
    assert_eq!(
        answers.recv().unwrap(),
        Ok(true),
        "what was asked for is answered"
    );
}
