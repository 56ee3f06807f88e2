//! One scope while it is open, and the place that it makes for what runs within it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::driver::Driver;
use crate::error::Error;
use crate::mark::Mark;
use crate::rules::{Around, Role};
use crate::unit::Unit;

/// One scope.
pub(crate) struct Frame<D: Driver> {
    pub(crate) unit: Arc<Unit<D>>,
    /// Its number among the scopes of the unit.
    pub(crate) number: u32,
    pub(crate) role: Role,
    /// The innermost savepoint that it runs under.
    pub(crate) savepoint: Option<u32>,
    /// The innermost savepoint, also of those made by hand, when it was entered.
    pub(crate) under: Option<u32>,
    /// Which scope it is, and where it was begun.
    pub(crate) who: Mark,
    pub(crate) read_only: bool,
    /// Its own rollback flag.
    marked: Mutex<Option<Mark>>,
    ended: AtomicBool,
}

impl<D: Driver> Frame<D> {
    pub(crate) fn new(
        unit: Arc<Unit<D>>,
        role: Role,
        savepoint: Option<u32>,
        who: Mark,
        read_only: bool,
    ) -> Self {
        let number = unit.state().enter();
        let under = unit.state().under(savepoint);
        Self {
            unit,
            number,
            role,
            savepoint,
            under,
            who,
            read_only,
            marked: Mutex::new(None),
            ended: AtomicBool::new(false),
        }
    }

    pub(crate) fn marked(&self) -> Option<Mark> {
        let marked = self.marked.lock();
        marked.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn mark(&self, mark: Mark) {
        let marked = self.marked.lock();
        marked
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(mark);
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.ended.load(Ordering::Acquire) {
            return Err(Error::Completed);
        }
        Ok(())
    }

    /// That no savepoint stands between this scope and its connection.
    pub(crate) fn check_innermost(&self) -> Result<(), Error> {
        if self.unit.state().standing() != self.savepoint {
            return Err(Error::NestedOpen);
        }
        Ok(())
    }
}

/// Where something runs: within a scope, or after the end of one, while another may be set aside.
pub(crate) struct Place<D: Driver> {
    pub(crate) frame: Option<Arc<Frame<D>>>,
    /// What is set aside where there is no scope.
    pub(crate) set_aside: Option<Arc<Unit<D>>>,
}

impl<D: Driver> Place<D> {
    pub(crate) fn nowhere() -> Self {
        Self {
            frame: None,
            set_aside: None,
        }
    }

    pub(crate) fn within(frame: &Arc<Frame<D>>) -> Self {
        Self {
            frame: Some(Arc::clone(frame)),
            set_aside: None,
        }
    }

    pub(crate) fn after(unit: &Unit<D>) -> Self {
        Self {
            frame: None,
            set_aside: unit.outer.clone(),
        }
    }

    pub(crate) fn around(&self) -> Around {
        self.frame
            .as_ref()
            .map_or(Around::Nothing, |frame| frame.unit.around())
    }
}

impl<D: Driver> Clone for Place<D> {
    fn clone(&self) -> Self {
        Self {
            frame: self.frame.clone(),
            set_aside: self.set_aside.clone(),
        }
    }
}
