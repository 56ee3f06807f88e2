//! The disk gone wrong: a journal whose commits fail, lie, stall, or find no room.

use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use settled_journal::{
    Append, Appended, Change, CommitError, Journal, Misplaced, Opened, ReadError, SagaNo,
};
use settled_protocol::Timestamp;

use super::faults::{Fault, Faults};

/// The run's faults and luck, shared with what the engine's journal owns.
pub(super) type Luck = Arc<Mutex<(Faults, Rng)>>;

/// Asks the run's luck.
pub(super) fn strikes(luck: &Luck, fault: Fault) -> bool {
    let mut luck = luck.lock().unwrap_or_else(PoisonError::into_inner);
    let (faults, rng) = &mut *luck;
    faults.strikes(fault, rng)
}

/// A journal with bad luck.
pub(super) struct FaultyJournal {
    pub(super) journal: Box<dyn Journal>,
    pub(super) luck: Luck,
}

impl Journal for FaultyJournal {
    fn opened(&self) -> &Opened {
        self.journal.opened()
    }

    fn commit(
        &mut self,
        batch: &[Append],
    ) -> Result<Vec<Result<Appended, Misplaced>>, CommitError> {
        if strikes(&self.luck, Fault::DiskFull) {
            return Err(CommitError::Full("simulated".to_owned()));
        }
        if strikes(&self.luck, Fault::CommitLost) {
            return Err(CommitError::Unknown("simulated, not written".to_owned()));
        }
        let written = self.journal.commit(batch)?;
        if strikes(&self.luck, Fault::CommitLied) {
            return Err(CommitError::Unknown("simulated, written".to_owned()));
        }
        Ok(written)
    }

    fn reopen(&mut self) -> Result<(), CommitError> {
        if strikes(&self.luck, Fault::ReopenFailed) {
            return Err(CommitError::Unusable("simulated".to_owned()));
        }
        self.journal.reopen()
    }

    fn last_seq(&mut self, saga: SagaNo) -> Result<u32, ReadError> {
        self.journal.last_seq(saga)
    }

    fn prune(&mut self, before: Timestamp, limit: usize) -> Result<usize, CommitError> {
        self.journal.prune(before, limit)
    }

    fn change(&mut self, change: &Change) -> Result<bool, CommitError> {
        self.journal.change(change)
    }
}
