//! Operations within a business transaction: the start record comes first, and whatever happens after
//! it, the platform is called once and its result is recorded once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use settled::local::{self, LocalError, OperationError, OperationOptions, Outbox, OutboxOptions};
use settled::transaction::{Error, Transactions};
use settled::{Call, CallError, Operation, OperationPolicy, Operations, Settled};

use crate::each;
use crate::places::{Place, SqlxSqlite, books};

const NUMBER: &str = "shelve-1";

each!(
    the_result_commits_with_the_business_write,
    without_a_start_record_the_platform_is_not_called,
    what_a_rolled_back_business_leaves_is_asked_about,
    ended_before_the_call_it_is_made_by_the_coordinator,
    ended_after_the_call_it_is_not_made_again,
    a_refusal_leaves_nothing,
    an_unknown_outcome_is_asked_about_at_once,
    what_takes_too_long_is_taken_over_and_recorded_once,
    one_number_is_one_operation,
    of_two_outboxes_one_hands_it_over,
);

/// What the platform does next.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Fine,
    Refuses,
    /// It does it, and the answer is lost.
    Lost,
}

/// An outside platform that does what it is asked to once for each key.
#[derive(Clone)]
struct Platform(Arc<State>);

struct State {
    mood: Mutex<Mood>,
    done: Mutex<HashSet<String>>,
    calls: AtomicU32,
    questions: AtomicU32,
}

impl Platform {
    fn new(mood: Mood) -> Self {
        Self(Arc::new(State {
            mood: Mutex::new(mood),
            done: Mutex::default(),
            calls: AtomicU32::new(0),
            questions: AtomicU32::new(0),
        }))
    }

    fn be(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
    }

    fn shelve(&self, key: &str) -> Result<String, CallError> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let mood = *self.0.mood.lock().unwrap();
        if let Mood::Refuses = mood {
            return Err(CallError::refused("no room"));
        }
        let is_new = self.0.done.lock().unwrap().insert(key.to_owned());
        assert!(is_new, "{key} was made twice");
        match mood {
            Mood::Lost => Err(CallError::unknown("the answer was lost")),
            _ => Ok("shelf 7".to_owned()),
        }
    }

    fn calls(&self) -> u32 {
        self.0.calls.load(Ordering::SeqCst)
    }

    fn questions(&self) -> u32 {
        self.0.questions.load(Ordering::SeqCst)
    }
}

struct World<P: Place> {
    platform: Platform,
    books: Transactions<P::Pool>,
}

impl<P: Place> Clone for World<P> {
    fn clone(&self) -> Self {
        Self {
            platform: self.platform.clone(),
            books: self.books.clone(),
        }
    }
}

struct Shelve;

impl<P: Place> Operation<World<P>> for Shelve {
    type Input = String;
    type Output = String;

    async fn call(&self, call: Call<World<P>>, _: String) -> Result<String, CallError> {
        call.state().platform.shelve(call.key())
    }

    async fn ask(&self, call: Call<World<P>>, _: String) -> Result<Option<String>, CallError> {
        let state = &call.state().platform.0;
        state.questions.fetch_add(1, Ordering::SeqCst);
        let is_done = state.done.lock().unwrap().contains(call.key());
        Ok(is_done.then(|| "shelf 7".to_owned()))
    }

    async fn record(
        &self,
        call: Call<World<P>>,
        goods: String,
        shelf: String,
    ) -> Result<(), CallError> {
        let books = &call.state().books;
        let recorded = local::once(books, call.key(), async |tx| {
            let what = format!("{goods} on {shelf} by the coordinator");
            P::write(tx, &what).await.map_err(CallError::not_sent)
        });
        recorded.await.map_err(CallError::not_sent)
    }

    fn policy(&self) -> OperationPolicy {
        OperationPolicy {
            timeout: Duration::from_millis(300),
            ..OperationPolicy::default()
        }
    }
}

/// A service with all of it.
struct Service<P: Place> {
    place: P,
    platform: Platform,
    books: Transactions<P::Pool>,
    operations: Operations<P::Pool>,
    settled: Settled,
    _outbox: Outbox,
    _folder: tempfile::TempDir,
}

/// How long a start record is held: for as long as no test needs, or for a second.
const LONG: Duration = Duration::from_mins(10);
const SHORT: Duration = Duration::from_millis(700);

async fn service<P: Place>(place: P, mood: Mood, grace: Duration) -> Service<P> {
    let pool = place.pool(6).await;
    let (books, platform) = (books(&pool), Platform::new(mood));
    let folder = tempfile::tempdir().unwrap();
    let world = World::<P> {
        platform: platform.clone(),
        books: books.clone(),
    };
    let settled = Settled::with_state(world)
        .journal(folder.path().join("settled.db"))
        .operation("shelve", Shelve)
        .start()
        .unwrap();
    let options = OutboxOptions {
        sweep: Duration::from_millis(50),
        ..OutboxOptions::default()
    };
    let outbox = settled.outbox(pool, options);
    let limit = if grace == LONG { 10_000 } else { 300 };
    let options = OperationOptions {
        limit: Duration::from_millis(limit),
        grace,
    };
    Service {
        operations: settled.operations(&books, &outbox, options),
        place,
        platform,
        books,
        settled,
        _outbox: outbox,
        _folder: folder,
    }
}

impl<P: Place> Service<P> {
    /// The business action: the operation, and a write that goes with its result.
    async fn sell(&self, then: Result<(), &'static str>) -> Result<String, Error> {
        // Deferred for SQLite, whose start record must come before the first write.
        let scope = self.books.required().deferred();
        scope
            .run(async |tx| {
                let operation = self.operations.start("shelve", "lamp").number(NUMBER);
                let called = operation.perform(async |key| self.platform.shelve(key));
                let shelf = called.await?;
                let written = P::write(tx, &format!("lamp on {shelf}")).await;
                written.map_err(failed)?;
                then.map_err(|why| failed(why.into()))?;
                Ok(shelf)
            })
            .await
    }

    async fn until_recorded(&self) -> Vec<String> {
        let began = Instant::now();
        loop {
            let rows = self.place.business().await;
            if !rows.is_empty() {
                return rows;
            }
            assert!(began.elapsed() < Duration::from_secs(15), "not recorded");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn outbox_is_empty(&self) -> bool {
        let rows = self.place.select("SELECT id FROM settled_outbox").await;
        rows.is_empty()
    }

    async fn end(self) {
        self.settled.shutdown(Duration::from_secs(5)).await;
    }
}

fn failed(why: crate::places::Failure) -> Error {
    Error::Driver {
        source: why,
        retryable: false,
    }
}

/// The operation's error that the transaction's carries.
fn operation(error: &Error) -> &OperationError {
    let Error::Driver { source, .. } = error else {
        panic!("{error:?}");
    };
    source.downcast_ref().unwrap()
}

const BY_COORDINATOR: [&str; 1] = ["lamp on shelf 7 by the coordinator"];

async fn the_result_commits_with_the_business_write<P: Place>(place: P) {
    let service = service(place, Mood::Fine, LONG).await;
    assert_eq!(service.sell(Ok(())).await.unwrap(), "shelf 7");
    assert_eq!(service.place.business().await, ["lamp on shelf 7"]);
    assert!(service.outbox_is_empty().await);
    assert_eq!(service.platform.questions(), 0);
    // Outside of a transaction each of the three is one of its own. Nobody acts on a call that is under
    // way, however often the outbox looks.
    let alone = service
        .operations
        .start("shelve", "chair")
        .number("shelve-2");
    let done: String = alone
        .perform(async |key| {
            tokio::time::sleep(Duration::from_millis(250)).await;
            service.platform.shelve(key)
        })
        .await
        .unwrap();
    assert_eq!(done, "shelf 7");
    assert!(service.outbox_is_empty().await);
    service.end().await;
}

async fn without_a_start_record_the_platform_is_not_called<P: Place>(place: P) {
    let service = service(place, Mood::Fine, LONG).await;
    let pool = service.books.pool().clone();
    P::write_alone(&pool, "DROP TABLE settled_outbox").await;
    let error = service.sell(Ok(())).await.unwrap_err();
    assert!(
        matches!(
            operation(&error),
            OperationError::Local {
                source: LocalError::NoTables(_),
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(service.platform.calls(), 0);
    assert!(service.place.business().await.is_empty());
    service.end().await;
}

async fn what_a_rolled_back_business_leaves_is_asked_about<P: Place>(place: P) {
    let service = service(place, Mood::Fine, SHORT).await;
    let error = service.sell(Err("changed my mind")).await.unwrap_err();
    assert_eq!(error.to_string(), "changed my mind");
    assert!(service.place.business().await.is_empty());
    // Nobody acts on it while its call may still be under way.
    assert_eq!(service.platform.questions(), 0);
    assert!(!service.outbox_is_empty().await);
    assert_eq!(service.until_recorded().await, BY_COORDINATOR);
    assert_eq!(service.platform.calls(), 1);
    assert!(service.platform.questions() > 0);
    service.end().await;
}

/// Begins the operation and is dropped within the call.
async fn cut_off<P: Place>(service: &Service<P>, before_it_is_made: bool) {
    let scope = service.books.required().deferred();
    let sold = scope.run(async |_| {
        let operation = service.operations.start("shelve", "lamp").number(NUMBER);
        let called = operation.perform(async |key| {
            if !before_it_is_made {
                service.platform.shelve(key)?;
            }
            std::future::pending::<Result<String, CallError>>().await
        });
        called.await?;
        Ok::<_, Error>(())
    });
    let cut = tokio::time::timeout(Duration::from_millis(200), sold).await;
    assert!(cut.is_err(), "{cut:?}");
}

async fn ended_before_the_call_it_is_made_by_the_coordinator<P: Place>(place: P) {
    let service = service(place, Mood::Fine, SHORT).await;
    cut_off(&service, true).await;
    assert_eq!(service.platform.calls(), 0);
    assert_eq!(service.until_recorded().await, BY_COORDINATOR);
    assert_eq!(service.platform.calls(), 1);
    service.end().await;
}

async fn ended_after_the_call_it_is_not_made_again<P: Place>(place: P) {
    let service = service(place, Mood::Fine, SHORT).await;
    cut_off(&service, false).await;
    assert_eq!(service.until_recorded().await, BY_COORDINATOR);
    assert_eq!(service.platform.calls(), 1);
    service.end().await;
}

async fn a_refusal_leaves_nothing<P: Place>(place: P) {
    let service = service(place, Mood::Refuses, LONG).await;
    for _ in 0..2 {
        let error = service.sell(Ok(())).await.unwrap_err();
        let OperationError::Call { error, .. } = operation(&error) else {
            panic!("{error}");
        };
        assert_eq!(error.message(), "no room");
        assert!(service.outbox_is_empty().await);
        let records = service.place.select("SELECT result FROM settled_record");
        assert!(records.await.is_empty());
    }
    // It is as if it had not been begun: the same number may be made.
    service.platform.be(Mood::Fine);
    assert_eq!(service.sell(Ok(())).await.unwrap(), "shelf 7");
    assert_eq!(service.place.business().await, ["lamp on shelf 7"]);
    service.end().await;
}

async fn an_unknown_outcome_is_asked_about_at_once<P: Place>(place: P) {
    let service = service(place, Mood::Lost, LONG).await;
    let error = service.sell(Ok(())).await.unwrap_err();
    assert!(
        matches!(operation(&error), OperationError::Unknown { .. }),
        "{error}"
    );
    service.platform.be(Mood::Fine);
    assert_eq!(service.until_recorded().await, BY_COORDINATOR);
    assert_eq!(service.platform.calls(), 1);
    let again = service.sell(Ok(())).await.unwrap_err();
    assert!(
        matches!(operation(&again), OperationError::UnderWay { .. }),
        "{again}"
    );
    service.end().await;
}

async fn what_takes_too_long_is_taken_over_and_recorded_once<P: Place>(place: P) {
    let service = service(place, Mood::Fine, SHORT).await;
    let operation_ = service.operations.start("shelve", "lamp").number(NUMBER);
    let done: Result<String, _> = operation_
        .perform(async |key| {
            // The call is quick, but the thread was held up for longer than the grace.
            let shelf = service.platform.shelve(key);
            let taken = async || !service.place.business().await.is_empty();
            let began = Instant::now();
            tokio::task::block_in_place(|| {
                let runtime = tokio::runtime::Handle::current();
                while !runtime.block_on(taken()) {
                    assert!(began.elapsed() < Duration::from_secs(15), "not taken over");
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            shelf
        })
        .await;
    let error = done.unwrap_err();
    assert!(matches!(error, OperationError::TakenOver { .. }), "{error}");
    assert_eq!(service.place.business().await, BY_COORDINATOR);
    assert_eq!(service.platform.calls(), 1);
    service.end().await;
}

async fn one_number_is_one_operation<P: Place>(place: P) {
    let service = service(place, Mood::Fine, LONG).await;
    let one = service.operations.start("shelve", "lamp").number(NUMBER);
    let done: String = one
        .perform(async |key| {
            let other = service.operations.start("shelve", "lamp").number(NUMBER);
            let again: Result<String, _> = other.perform(async |_| panic!("it is under way")).await;
            let error = again.unwrap_err();
            assert!(matches!(error, OperationError::UnderWay { .. }), "{error}");
            service.platform.shelve(key)
        })
        .await
        .unwrap();
    let again = service.operations.start("shelve", "lamp").number(NUMBER);
    let again: String = again
        .perform(async |_| panic!("it was made"))
        .await
        .unwrap();
    assert_eq!(again, done);
    service.end().await;
}

async fn of_two_outboxes_one_hands_it_over<P: Place>(place: P) {
    let service = service(place, Mood::Lost, SHORT).await;
    let options = OutboxOptions {
        sweep: Duration::from_millis(10),
        ..OutboxOptions::default()
    };
    let _other = service
        .settled
        .outbox(service.books.pool().clone(), options);
    service.sell(Ok(())).await.unwrap_err();
    assert_eq!(service.until_recorded().await, BY_COORDINATOR);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(service.place.business().await, BY_COORDINATOR);
    assert_eq!(service.platform.calls(), 1);
    service.end().await;
}

#[test]
fn on_sqlite_the_start_record_comes_before_the_first_write() {
    crate::places::run("operations.sqlite", async |place: SqlxSqlite| {
        let service = service(place, Mood::Fine, LONG).await;
        let sold = service
            .books
            .required()
            .run(async |tx| {
                SqlxSqlite::write(tx, "first").await.map_err(failed)?;
                let operation = service.operations.start("shelve", "lamp").number(NUMBER);
                let called = operation.perform(async |key| service.platform.shelve(key));
                Ok::<String, Error>(called.await?)
            })
            .await;
        let error = sold.unwrap_err();
        let OperationError::Local {
            source: LocalError::Transaction(Error::SingleWriter),
            ..
        } = operation(&error)
        else {
            panic!("{error:?}");
        };
        assert_eq!(service.platform.calls(), 0);
        assert!(service.place.business().await.is_empty());
        service.end().await;
    });
}
