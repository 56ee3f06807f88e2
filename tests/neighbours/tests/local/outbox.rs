//! A saga that is put into the outbox is submitted if and only if the transaction commits: at once,
//! in order, and as often as it takes.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use settled::local::{
    LocalError, LocalTransaction, Outbox, OutboxHandle, OutboxOptions, OutboxRow, OutboxStore,
    Position, SubmitError, Waiting,
};
use settled::protocol::Json;

use crate::each;
use crate::places::{Place, begin};

each!(
    after_the_commit_it_is_submitted_at_once,
    a_token_dropped_before_the_commit_wakes_it_too,
    after_a_rollback_nothing_is_submitted,
    what_another_process_wrote_is_found_in_order,
    what_was_not_removed_is_submitted_again,
    what_is_refused_is_set_aside_and_holds_nobody_up,
    what_cannot_be_taken_now_is_not_overtaken,
    two_readers_miss_nothing,
    a_panic_does_not_end_it,
);

/// So long that no test waits for it.
const NEVER: Duration = Duration::from_mins(10);

type Seen = Arc<Mutex<Vec<String>>>;

fn options(sweep: Duration) -> OutboxOptions {
    OutboxOptions { sweep, batch: 3 }
}

fn row(id: impl Into<String>) -> OutboxRow {
    let id = id.into();
    OutboxRow {
        document: Json::parse(&format!(
            r#"{{"name": "order", "input": {{"no": "{id}"}}}}"#
        ))
        .unwrap(),
        id,
    }
}

/// Notes the ids that it is given.
fn noting(
    seen: &Seen,
) -> impl Fn(OutboxRow) -> std::future::Ready<Result<(), SubmitError>> + use<> {
    let seen = Arc::clone(seen);
    move |submitted| {
        assert_eq!(submitted, row(submitted.id.clone()));
        seen.lock().unwrap().push(submitted.id);
        std::future::ready(Ok(()))
    }
}

fn seen(seen: &Seen) -> Vec<String> {
    seen.lock().unwrap().clone()
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is().await {
        assert!(began.elapsed() < Duration::from_secs(10), "not {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    began.elapsed()
}

/// As a process does that has no outbox itself.
async fn enqueue<P: Place>(pool: &P::Pool, rows: &[OutboxRow]) {
    let begun = begin(pool).await;
    let mut tx = begun.tx().clone();
    for row in rows {
        tx.enqueue(row).await.unwrap();
    }
    begun.commit().await.unwrap();
}

async fn left<P: Place>(place: &P) -> usize {
    let rows = place.select("SELECT id FROM settled_outbox WHERE error IS NULL");
    rows.await.len()
}

async fn after_the_commit_it_is_submitted_at_once<P: Place>(place: P) {
    let (pool, ids) = (place.pool(3).await, Seen::default());
    enqueue::<P>(&pool, &[row("first")]).await;
    let outbox = Outbox::start(pool.clone(), noting(&ids), options(NEVER));
    until("started", async || !seen(&ids).is_empty()).await;
    let handle: OutboxHandle = outbox.handle();
    let mut times = Vec::new();
    for no in 0..20 {
        let begun = begin(&pool).await;
        let mut tx = begun.tx().clone();
        let id = format!("order-{no}");
        let token = handle.enqueue(&mut tx, &row(&id)).await.unwrap();
        P::write(&tx, &id).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(!seen(&ids).contains(&id), "before the commit");
        begun.commit().await.unwrap();
        token.committed();
        times.push(until("submitted", async || seen(&ids).contains(&id)).await);
    }
    times.sort();
    println!(
        "from commit to submission: median {:?}, most {:?}",
        times[10], times[19]
    );
    assert!(times[10] < Duration::from_millis(100), "{times:?}");
    until("removed", async || left(&place).await == 0).await;
    outbox.stop().await;
}

async fn a_token_dropped_before_the_commit_wakes_it_too<P: Place>(place: P) {
    let (pool, ids) = (place.pool(3).await, Seen::default());
    let outbox = Outbox::start(pool.clone(), noting(&ids), options(NEVER));
    let begun = begin(&pool).await;
    let mut tx = begun.tx().clone();
    drop(
        outbox
            .handle()
            .enqueue(&mut tx, &row("order-1"))
            .await
            .unwrap(),
    );
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(seen(&ids).len(), 0);
    begun.commit().await.unwrap();
    let took = until("submitted", async || seen(&ids).len() == 1).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
}

async fn after_a_rollback_nothing_is_submitted<P: Place>(place: P) {
    let (pool, ids) = (place.pool(3).await, Seen::default());
    let outbox = Outbox::start(
        pool.clone(),
        noting(&ids),
        options(Duration::from_millis(20)),
    );
    for round in 0..3 {
        let begun = begin(&pool).await;
        let mut tx = begun.tx().clone();
        let token = outbox
            .handle()
            .enqueue(&mut tx, &row("order-1"))
            .await
            .unwrap();
        match round {
            0 => drop(begun),
            1 => begun.roll_back().await.unwrap(),
            _ => {
                drop(begun);
                token.rolled_back();
                continue;
            }
        }
        drop(token);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(seen(&ids).len(), 0);
    assert_eq!(place.select("SELECT id FROM settled_outbox").await.len(), 0);
}

async fn what_another_process_wrote_is_found_in_order<P: Place>(place: P) {
    let (pool, ids) = (place.pool(3).await, Seen::default());
    let rows: Vec<OutboxRow> = (0..20).map(|no| row(format!("order-{no}"))).collect();
    enqueue::<P>(&pool, &rows[..10]).await;
    let outbox = Outbox::start(
        pool.clone(),
        noting(&ids),
        options(Duration::from_millis(30)),
    );
    until("found at the start", async || seen(&ids).len() == 10).await;
    for row in &rows[10..] {
        enqueue::<P>(&pool, std::slice::from_ref(row)).await;
    }
    until("found by the sweep", async || seen(&ids).len() == 20).await;
    outbox.stop().await;
    let expected: Vec<String> = rows.into_iter().map(|row| row.id).collect();
    assert_eq!(seen(&ids), expected);
    assert_eq!(left(&place).await, 0);
}

/// Ends, as its process would, between a submission and the removal of its row.
#[derive(Clone)]
struct Ending<S>(S);

impl<S: OutboxStore> OutboxStore for Ending<S> {
    fn waiting(
        &self,
        after: Position,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Waiting>, LocalError>> + Send {
        self.0.waiting(after, limit)
    }

    fn claim(&self, position: Position) -> impl Future<Output = Result<bool, LocalError>> + Send {
        self.0.claim(position)
    }

    fn remove(&self, _: Position) -> impl Future<Output = Result<(), LocalError>> + Send {
        std::future::pending()
    }

    fn set_aside(
        &self,
        position: Position,
        why: &str,
    ) -> impl Future<Output = Result<(), LocalError>> + Send {
        self.0.set_aside(position, why)
    }
}

async fn what_was_not_removed_is_submitted_again<P: Place>(place: P) {
    let (pool, ids) = (place.pool(3).await, Seen::default());
    enqueue::<P>(&pool, &[row("order-1"), row("order-2")]).await;
    let ending = Outbox::start(Ending(pool.clone()), noting(&ids), options(NEVER));
    until("submitted", async || seen(&ids).len() == 1).await;
    drop(ending);
    assert_eq!(left(&place).await, 2);
    let outbox = Outbox::start(pool.clone(), noting(&ids), options(NEVER));
    until("submitted again", async || seen(&ids).len() == 3).await;
    outbox.stop().await;
    assert_eq!(seen(&ids), ["order-1", "order-1", "order-2"]);
}

async fn what_is_refused_is_set_aside_and_holds_nobody_up<P: Place>(place: P) {
    let (pool, ids) = (place.pool(3).await, Seen::default());
    let rows: Vec<OutboxRow> = (0..7).map(|no| row(format!("order-{no}"))).collect();
    enqueue::<P>(&pool, &rows).await;
    // What a person's hand may do.
    let broken = "UPDATE settled_outbox SET document = '{' WHERE id = 'order-5'";
    P::write_alone(&pool, broken).await;
    let noting = noting(&ids);
    let submit = move |row: OutboxRow| {
        let refused = row.id == "order-2";
        let done = noting(row);
        async move {
            if refused {
                return Err(SubmitError::Refused(
                    "there is another 'order-2'".to_owned(),
                ));
            }
            done.await
        }
    };
    let outbox = Outbox::start(pool.clone(), submit, options(Duration::from_millis(20)));
    until("all but two are done", async || left(&place).await == 0).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    outbox.stop().await;
    let expected = [0, 1, 2, 3, 4, 6].map(|no| format!("order-{no}"));
    assert_eq!(seen(&ids), expected, "what is set aside is not tried again");
    let errors = place
        .select("SELECT error FROM settled_outbox ORDER BY position")
        .await;
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0], "there is another 'order-2'");
    assert!(errors[1].contains("not JSON"), "{errors:?}");
}

async fn what_cannot_be_taken_now_is_not_overtaken<P: Place>(place: P) {
    let (pool, ids) = (place.pool(3).await, Seen::default());
    let rows: Vec<OutboxRow> = (0..5).map(|no| row(format!("order-{no}"))).collect();
    enqueue::<P>(&pool, &rows).await;
    let (noting, tries) = (noting(&ids), Mutex::new(0));
    let submit = move |row: OutboxRow| {
        let mut tries = tries.lock().unwrap();
        *tries += 1;
        let done = if row.id == "order-1" && *tries < 5 {
            Err(SubmitError::NotNow("the journal is full".to_owned()))
        } else {
            Ok(noting(row))
        };
        async move { done?.await }
    };
    let outbox = Outbox::start(pool.clone(), submit, options(Duration::from_millis(10)));
    until("done", async || left(&place).await == 0).await;
    outbox.stop().await;
    let expected: Vec<String> = rows.into_iter().map(|row| row.id).collect();
    assert_eq!(seen(&ids), expected);
}

async fn two_readers_miss_nothing<P: Place>(place: P) {
    let (pool, ids) = (place.pool(4).await, Seen::default());
    let sweep = Duration::from_millis(5);
    let outboxes = [
        Outbox::start(pool.clone(), noting(&ids), options(sweep)),
        Outbox::start(pool.clone(), noting(&ids), options(sweep)),
    ];
    for no in 0..30 {
        enqueue::<P>(&pool, &[row(format!("order-{no}"))]).await;
    }
    until("done", async || left(&place).await == 0).await;
    for outbox in outboxes {
        outbox.stop().await;
    }
    let mut ids = seen(&ids);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30);
}

async fn a_panic_does_not_end_it<P: Place>(place: P) {
    let (pool, ids) = (place.pool(3).await, Seen::default());
    enqueue::<P>(&pool, &[row("order-1")]).await;
    let (noting, first) = (noting(&ids), Mutex::new(true));
    let submit = move |row: OutboxRow| {
        let first = std::mem::take(&mut *first.lock().unwrap());
        let done = noting(row);
        async move {
            assert!(!first, "a bug in the caller's code");
            done.await
        }
    };
    let outbox = Outbox::start(pool.clone(), submit, options(Duration::from_millis(10)));
    until("done", async || left(&place).await == 0).await;
    outbox.stop().await;
    assert_eq!(seen(&ids).len(), 2);
}
