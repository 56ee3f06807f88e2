//! What words do on a connection: through the gate that adapters of drivers use, and through `with`.

use std::fmt::Write as _;

use settled_transaction::{Error, Saw, Tx};

use crate::databases::Base;
use crate::recorded::{Connection, Recorded};
use crate::world::Failure;

/// Sends a statement as an adapter of a driver does, and says what it has shown.
pub(crate) async fn send<D: Base>(
    tx: &Tx<Recorded<D>>,
    sql: String,
    writes: bool,
    unseen: bool,
) -> Result<Vec<String>, Failure> {
    let mut statement = tx.statement().await?;
    if writes {
        statement.writes();
    }
    let limit = statement.limit();
    let sent = D::send(&mut statement.connection()?.base, sql);
    match limit.run(sent).await {
        Ok(Ok(rows)) => {
            let saw = if unseen { Saw::Unseen } else { Saw::Nothing };
            statement.finish(saw).await;
            Ok(rows)
        }
        Ok(Err(said)) => {
            let single_writer = statement.is_impatient() && D::is_for_the_writer(&said);
            let words = said.words.clone();
            let saw = if D::ends(&said) {
                Saw::Ended(words)
            } else {
                Saw::Failed(words)
            };
            statement.finish(saw).await;
            Err(if single_writer {
                Error::SingleWriter.into()
            } else {
                Failure::Said(said)
            })
        }
        Err(error) => {
            statement.timed_out();
            Err(error.into())
        }
    }
}

/// Writes.
pub(crate) async fn write<D: Base>(tx: &Tx<Recorded<D>>, sql: String) -> Result<(), Failure> {
    send(tx, sql, true, false).await.map(drop)
}

/// Writes on the connection itself.
pub(crate) async fn raw<D: Base>(tx: &Tx<Recorded<D>>, sql: String) -> Result<(), Failure> {
    tx.with(async |connection: &mut Connection<D::Connection>| {
        let sent = D::send(&mut connection.base, sql).await;
        sent.map(drop).map_err(Failure::Said)
    })
    .await
}

/// Has a statement fail on the connection itself, and hides that.
pub(crate) async fn hidden<D: Base>(tx: &Tx<Recorded<D>>) -> Result<(), Failure> {
    let sql = ask::<D>("broken")?;
    tx.with(async |connection: &mut Connection<D::Connection>| {
        let _hidden = D::send(&mut connection.base, sql).await;
        Ok(())
    })
    .await
}

/// A statement that each database has in its own words.
pub(crate) fn ask<D: Base>(name: &str) -> Result<String, Failure> {
    let found = D::sql(name).map(ToOwned::to_owned);
    found.ok_or_else(|| Failure::Wrong(format!("this database has no words for `{name}`")))
}

/// What a scope says of itself.
pub(crate) fn look<D: Base>(tx: &Tx<Recorded<D>>) -> String {
    let mut looks = String::from(if tx.is_active() { "active" } else { "empty" });
    for (is, what) in [
        (tx.is_new(), " new"),
        (tx.is_nested(), " nested"),
        (tx.is_read_only(), " ro"),
        (tx.is_rollback_only(), " marked"),
    ] {
        looks += if is { what } else { "" };
    }
    if let Some(isolation) = tx.isolation() {
        // Writing to a text cannot fail.
        let _ = write!(looks, " {}", isolation.as_sql().to_ascii_lowercase());
    }
    if let Some(name) = tx.name() {
        let _ = write!(looks, " `{name}`");
    }
    looks
}
