//! Exactly once: the work and its record in one transaction, whatever becomes of the commit's answer.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use settled_protocol::Json;
use settled_transaction::{Outcome, Transactions, Tx};

use super::error::{LocalError, OnceError};
use super::row::check_key;
use super::sql;
use super::traits::LocalPool;

/// How often, and how patiently, an unanswered commit is looked into: for about three seconds.
const LOOKS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How many records one statement removes: few enough to hold nobody up.
const PRUNE: u32 = 500;

/// Runs `work` in a transaction and records its result under `key`, both or neither; where there is
/// a result already, gives that one and runs nothing.
///
/// `key` is the call's idempotency key, `<saga>/<step>/<direction>`. Two attempts that race both run
/// `work`, but only one of them commits; both get the same result.
///
/// Within a transaction of `books` that is around it, it joins that one (REQUIRED): what it did and its
/// record then commit with the whole.
///
/// An error of `work` rolls everything back and records nothing: a refusal that is to be remembered
/// must be part of `T`.
///
/// Cancel-safe in the sense that nothing is left half done: dropped before its end, either all of it
/// is committed or nothing is, which a second call with the same key finds out.
///
/// # Errors
/// [`OnceError::Work`] and [`OnceError::Local`] say that nothing was committed,
/// [`OnceError::Unknown`] that this could not be found out.
pub async fn once<P, T, E, F>(
    books: &Transactions<P>,
    key: &str,
    work: F,
) -> Result<T, OnceError<E>>
where
    P: LocalPool,
    T: Serialize + DeserializeOwned,
    F: AsyncFnOnce(&Tx<P>) -> Result<T, E>,
{
    check_key(key)?;
    let joins = books.current().is_some_and(|around| around.is_active());
    let mut written = None;
    let scope = books.required().name("once");
    let done = scope
        .run(async |tx| {
            if let Some(recorded) = P::recorded(tx, key).await? {
                return Ok(Done::Before(recorded));
            }
            let result = work(tx).await.map_err(Failed::Work)?;
            let text = write(key, &result)?;
            P::record(tx, key, &text).await?;
            written = Some(text);
            Ok(Done::Now(result))
        })
        .await;
    let error = match done {
        Ok(Done::Now(result)) => return Ok(result),
        Ok(Done::Before(recorded)) => return Ok(read(key, &recorded)?),
        Err(Failed::Work(error)) => return Err(OnceError::Work(error)),
        Err(Failed::Local(error)) => error,
    };
    match (&error, written) {
        // The other's result is the one that counts; it is committed, or this had waited.
        (LocalError::AlreadyRecorded { .. }, _) if !joins => match look(books, key).await? {
            Some(recorded) => Ok(read(key, &recorded)?),
            None => Err(error.into()),
        },
        (LocalError::Transaction(transaction), Some(text))
            if transaction.outcome() == Some(Outcome::Unknown) =>
        {
            match find_out(books, key, &text).await {
                // The record says what it was: it may be that of an attempt that came after.
                Ok(true) => match look(books, key).await? {
                    Some(recorded) => Ok(read(key, &recorded)?),
                    None => Ok(read(key, &text)?),
                },
                Ok(false) => Err(error.into()),
                Err(why) => Err(OnceError::Unknown {
                    key: key.to_owned(),
                    why: format!("{error}; then {why}"),
                }),
            }
        }
        _ => Err(error.into()),
    }
}

/// Whether the work was done now, or is on record.
enum Done<T> {
    Now(T),
    Before(Json),
}

enum Failed<E> {
    Work(E),
    Local(LocalError),
}

impl<E> From<settled_transaction::Error> for Failed<E> {
    fn from(error: settled_transaction::Error) -> Self {
        Self::Local(error.into())
    }
}

impl<E> From<LocalError> for Failed<E> {
    fn from(error: LocalError) -> Self {
        Self::Local(error)
    }
}

/// Makes the tables where they are missing. It may be called at every start, by many at a time.
///
/// # Errors
/// [`LocalError::Newer`] where a newer version has made them.
pub async fn create_tables<P: LocalPool>(pool: &P) -> Result<(), LocalError> {
    let mut tries = 3;
    loop {
        match pool.tables().await? {
            Some(found) if found > sql::VERSION => {
                return Err(LocalError::Newer {
                    found,
                    known: sql::VERSION,
                });
            }
            Some(_) => return Ok(()),
            None => {}
        }
        match pool.make_tables().await {
            Ok(()) => return Ok(()),
            // Somebody else is making them: not every database lets two do that at a time.
            Err(_) if tries > 0 => {
                tries -= 1;
                tokio::time::sleep(FIRST_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Removes the records that are older than `older_than` by the database's clock, a few at a time, and
/// returns how many there were.
///
/// A record is what keeps a call from running twice. So `older_than` must be longer than a saga of
/// this service can take to be settled, a person's part in it included: weeks rather than hours.
///
/// Cancel-safe: what was removed is removed.
///
/// # Errors
/// What the driver says.
pub async fn prune<P: LocalPool>(pool: &P, older_than: Duration) -> Result<u64, LocalError> {
    let mut removed = 0;
    loop {
        let piece = pool.prune(older_than, PRUNE).await?;
        removed += piece;
        if piece < u64::from(PRUNE) {
            return Ok(removed);
        }
        tokio::task::yield_now().await;
    }
}

pub(super) fn write<T: Serialize>(key: &str, result: &T) -> Result<Json, LocalError> {
    let text = serde_json::to_string(result).map_err(|source| LocalError::Result {
        key: key.to_owned(),
        source,
    })?;
    Ok(Json::from_valid(text))
}

pub(super) fn read<T: DeserializeOwned>(key: &str, recorded: &Json) -> Result<T, LocalError> {
    serde_json::from_str(recorded.as_str()).map_err(|source| LocalError::Result {
        key: key.to_owned(),
        source,
    })
}

/// Reads a record in a transaction of its own.
pub(super) async fn look<P: LocalPool>(
    books: &Transactions<P>,
    key: &str,
) -> Result<Option<Json>, LocalError> {
    let scope = books.requires_new().name("look");
    scope.run(async |tx| P::recorded(tx, key).await).await
}

/// Whether a commit without an answer has happened.
async fn find_out<P: LocalPool>(
    books: &Transactions<P>,
    key: &str,
    text: &Json,
) -> Result<bool, LocalError> {
    let mut pause = FIRST_PAUSE;
    let mut looks = 1;
    loop {
        match claim(books, key, text).await {
            Ok(claimed) => return Ok(!claimed),
            Err(error) if looks == LOOKS => return Err(error),
            Err(_) => {}
        }
        looks += 1;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Tries to record the key as if it were free. To read would not do: the transaction in question may
/// still be open at the server, and commit a moment later. To write the same key waits for its end.
///
/// The attempt is taken back and committed. SQLite may hold pages of a commit that failed, and take
/// them for written when the file is opened anew; they are overwritten by the next commit.
async fn claim<P: LocalPool>(
    books: &Transactions<P>,
    key: &str,
    text: &Json,
) -> Result<bool, LocalError> {
    let scope = books.requires_new().name("find out");
    let claimed = scope.run(async |tx| {
        P::record(tx, key, text).await?;
        P::unrecord(tx, key).await?;
        Ok(())
    });
    match claimed.await {
        Ok(()) => Ok(true),
        Err(LocalError::AlreadyRecorded { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
