//! The power goes at any moment: each due time is run once all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use settled_journal::{
    Append, Appended, Change, CommitError, Journal, Misplaced, Opened, ReadError, SagaFilter,
    SagaNo, SqliteJournal,
};
use settled_protocol::Timestamp;

use super::document;
use super::fake::{Fake, PowerCut, Rig};
use crate::coordinator::{Coordinator, CoordinatorSettings, OpenJournal};
use crate::observe::Unobserved;
use crate::participant::{HttpParticipants, HttpSettings};

/// At each thing that is done to the world, before it and after it, for each policy.
#[tokio::test(start_paused = true)]
async fn wherever_it_is_cut_off_each_due_time_is_run_once() {
    for members in [
        r#""every": "1h""#,
        r#""every": "1h", "missed": "once", "overlap": "queue""#,
        r#""cron": "0 * * * *", "overlap": "queue""#,
    ] {
        let mut cuts = 0;
        for step in 2..=10 {
            for before in [true, false] {
                let label = format!("{members} at {step}, before: {before}");
                let fake = Fake::new("2026-11-21T12:00:00Z");
                let power_cut = Some(PowerCut { at: step, before });
                fake.world().power_cut = power_cut;
                let rig = Rig::start(&fake);
                rig.put("s", members).await.unwrap();
                rig.until("2026-11-21T13:00:30Z").await;
                rig.until("2026-11-21T14:00:30Z").await;
                let torn = fake.made().len() < 2 || fake.row("s").runs < 2;
                cuts += u32::from(torn);
                fake.world().power_cut = None;
                rig.stop().await;
                // Whatever it was at, it is found where it was left.
                let rig = Rig::start(&fake.at("2026-11-21T14:00:40Z"));
                rig.until("2026-11-21T15:00:30Z").await;
                let mut made = fake.made();
                let last = made.pop();
                assert_eq!(last.as_deref(), Some("s.20261121T150000Z"), "{label}");
                let row = fake.row("s");
                let mut once = made.clone();
                once.dedup();
                assert_eq!(made, once, "{label}: nothing is doubled");
                assert!(made.len() <= 2 && !made.is_empty(), "{label}: {made:?}");
                // What was not run was missed, or came upon what was still to be submitted.
                let accounted = row.runs + row.missed + row.overlapped;
                assert_eq!(accounted, 3, "{label}: {row:?}");
                assert_eq!(row.runs, made.len() as u64 + 1, "{label}");
                assert_eq!(row.waiting_due_at, None, "{label}");
            }
        }
        assert!(cuts >= 8, "{members}: {cuts} cuts were felt");
    }
}

/// A journal whose power goes at the so many-th change of its schedules.
struct Mortal {
    inner: SqliteJournal,
    left: Arc<AtomicU32>,
}

impl Mortal {
    fn live(&self) -> Result<(), CommitError> {
        match self.left.load(Ordering::SeqCst) {
            0 => Err(CommitError::Unusable("the power is gone".to_owned())),
            _ => Ok(()),
        }
    }
}

impl Journal for Mortal {
    fn opened(&self) -> &Opened {
        self.inner.opened()
    }

    fn commit(
        &mut self,
        batch: &[Append],
    ) -> Result<Vec<Result<Appended, Misplaced>>, CommitError> {
        self.live()?;
        self.inner.commit(batch)
    }

    fn reopen(&mut self) -> Result<(), CommitError> {
        self.live()?;
        self.inner.reopen()
    }

    fn last_seq(&mut self, saga: SagaNo) -> Result<u32, ReadError> {
        self.inner.last_seq(saga)
    }

    fn prune(&mut self, before: Timestamp, limit: usize) -> Result<usize, CommitError> {
        self.live()?;
        self.inner.prune(before, limit)
    }

    fn change(&mut self, change: &Change) -> Result<bool, CommitError> {
        self.live()?;
        self.left.fetch_sub(1, Ordering::SeqCst);
        self.live()?;
        self.inner.change(change)
    }
}

async fn start(path: &std::path::Path, left: u32) -> Coordinator {
    let journal = loop {
        // The one before gives its lock up when its writer has ended.
        match SqliteJournal::open(path) {
            Ok(journal) => break journal,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let keeper = Arc::new(journal.keeper());
    let journal = OpenJournal {
        writer: Box::new(Mortal {
            inner: journal,
            left: Arc::new(AtomicU32::new(left)),
        }),
        keeper,
    };
    let participants = HttpParticipants::new(HttpSettings::default()).unwrap();
    let settings = CoordinatorSettings::default();
    Coordinator::start(journal, participants, Arc::new(Unobserved), settings).unwrap()
}

async fn runs(coordinator: &Coordinator) -> Vec<String> {
    let page = coordinator.sagas(SagaFilter::default(), None, 100).await;
    let sagas = page.unwrap().items.into_iter();
    sagas.map(|saga| saga.unwrap().id.to_string()).collect()
}

/// The whole of it, on a real journal: put, decided and submitted, and then the power goes before
/// the row can say so.
#[tokio::test]
async fn a_run_that_was_submitted_and_not_noted_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    // The third change is the one that says that the run was submitted.
    let coordinator = start(&path, 3).await;
    let text = document(r#""every": "1s", "overlap": "skip""#);
    let (view, new) = coordinator
        .put_schedule("tick", text.as_bytes())
        .await
        .unwrap();
    assert!(new && view.row.runs == 0);
    let first = view.row.next_due_at.unwrap();
    let waiting = async {
        while runs(&coordinator).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap();
    coordinator.drain(Duration::ZERO).await;
    let torn = coordinator.schedule("tick").await.unwrap().unwrap().row;
    assert_eq!((torn.runs, torn.last_due_at), (0, None));
    assert_eq!(torn.waiting_due_at, Some(first));
    let made = runs(&coordinator).await;
    assert_eq!(made.len(), 1);
    drop(coordinator);

    let coordinator = start(&path, 1_000_000).await;
    let noted = async {
        loop {
            let view = coordinator.schedule("tick").await.unwrap().unwrap();
            if view.row.waiting_due_at.is_none() && view.row.runs > 0 {
                break view;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let view = tokio::time::timeout(Duration::from_secs(10), noted)
        .await
        .unwrap();
    assert_eq!((view.row.runs, view.row.last_due_at), (1, Some(first)));
    assert_eq!(view.row.last_saga.as_ref(), made.first());
    // Nobody answers where it calls, so that the run is under way and later ones are left out.
    let state = view.last_run.unwrap().state;
    assert!(state.is_some_and(|state| !state.is_settled()), "{state:?}");
    assert_eq!(runs(&coordinator).await, made);
    let triggered = coordinator.trigger_schedule("tick", Some("now")).await;
    assert_eq!(&*triggered.unwrap().saga.id, "tick.trigger.now");
    // A coordinator that drains starts no runs.
    coordinator
        .put_schedule("tock", text.as_bytes())
        .await
        .unwrap();
    coordinator.drain(Duration::ZERO).await;
    let ended = runs(&coordinator).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(runs(&coordinator).await, ended);
    let put = coordinator.put_schedule("late", text.as_bytes()).await;
    assert!(put.is_err());
}
