//! A few journal readers, for questions that must not hold up the driving of sagas.

use std::sync::{Arc, Mutex, PoisonError};

use settled_journal::{Keeper, ReadError, Reader};
use tokio::sync::Semaphore;

/// Hands out readers, opens them when first needed, and never more than a set number.
#[derive(Clone)]
pub(super) struct Readers {
    keeper: Arc<dyn Keeper>,
    idle: Arc<Mutex<Vec<Box<dyn Reader>>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(keeper: Arc<dyn Keeper>, limit: usize) -> Self {
        Self {
            keeper,
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(limit.max(1))),
        }
    }

    /// Asks a question on a thread that may block. A question that was begun is read to its end
    /// also when nobody waits for the answer any more.
    ///
    /// # Errors
    /// What the question gives, and [`ReadError::Store`] where no reader can be had.
    pub(super) async fn ask<T, Q>(&self, question: Q) -> Result<T, ReadError>
    where
        T: Send + 'static,
        Q: FnOnce(&mut dyn Reader) -> Result<T, ReadError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| ReadError::Store("the coordinator has stopped".to_owned()))?;
        let (keeper, idle) = (Arc::clone(&self.keeper), Arc::clone(&self.idle));
        let asked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let reader = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut reader = match reader {
                Some(reader) => reader,
                None => keeper.reader()?,
            };
            let answer = question(reader.as_mut());
            // A reader that failed may be broken for good; the next question opens another.
            if !matches!(answer, Err(ReadError::Store(_))) {
                idle.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(reader);
            }
            answer
        });
        match asked.await {
            Ok(answer) => answer,
            Err(_) => Err(ReadError::Store("the question was interrupted".to_owned())),
        }
    }
}
