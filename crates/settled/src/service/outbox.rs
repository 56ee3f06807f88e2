//! Sagas that are started by a business write: put into the service's own database in its own
//! transaction, and run if and only if that commits.

use settled_protocol::Json;

use super::Settled;
use super::start::{Start, StartError};
use crate::coordinator::{Coordinator, SubmitError};
use crate::local::{self, Outbox, OutboxOptions, OutboxRow, OutboxStore};

impl Settled {
    /// Reads the outbox of the service's own database, and starts what it holds. Keep what this
    /// gives: when it is dropped, nothing is read any more.
    ///
    /// ```no_run
    /// # #[cfg(feature = "sqlx-sqlite")]
    /// # async fn example(settled: settled::Settled, pool: sqlx::SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
    /// use settled::local::{self, OutboxOptions};
    ///
    /// local::create_tables(&pool).await?;
    /// let outbox = settled.outbox(pool.clone(), OutboxOptions::default());
    ///
    /// let mut tx = pool.begin().await?;
    /// // … the business write …
    /// let row = settled.start("create-order", &"order").id("order-1001").row()?;
    /// let pending = outbox.handle().enqueue(&mut tx, &row).await?;
    /// tx.commit().await?;
    /// pending.committed();
    /// # Ok(()) }
    /// ```
    pub fn outbox(&self, store: impl OutboxStore, options: OutboxOptions) -> Outbox {
        let coordinator = self.coordinator().clone();
        let submit = move |row: OutboxRow| {
            let coordinator = coordinator.clone();
            async move { submit(&coordinator, &row).await }
        };
        Outbox::start(store, submit, options)
    }
}

impl Start {
    /// The saga as a row of the service's outbox, to be put there in its own transaction.
    ///
    /// # Errors
    /// As for starting it: no such function, or an id or input that is not one.
    pub fn row(mut self) -> Result<OutboxRow, StartError> {
        let id = self.own_id();
        let document = self.document(&id)?;
        Ok(OutboxRow {
            id,
            document: Json::from_valid(document),
        })
    }
}

async fn submit(coordinator: &Coordinator, row: &OutboxRow) -> Result<(), local::SubmitError> {
    let refused = |why: String| local::SubmitError::Refused(why);
    let mut submission = coordinator
        .definitions()
        .parse(row.document.as_str().as_bytes())
        .map_err(|invalid| refused(invalid.to_string()))?;
    submission.id = Some(row.id.clone());
    match coordinator.submit(submission, None, None).await {
        // One that is there and cannot be read was taken all the same.
        Ok(_) | Err(SubmitError::Read(_)) => Ok(()),
        Err(conflict @ SubmitError::Conflict) => Err(refused(conflict.to_string())),
        Err(later @ SubmitError::Unavailable(_)) => {
            Err(local::SubmitError::NotNow(later.to_string()))
        }
    }
}
