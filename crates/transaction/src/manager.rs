//! The manager: one pool's transactions.

use std::fmt;
use std::sync::Arc;

use crate::ambient;
use crate::definition::{Definition, Settings};
use crate::driver::Driver;
use crate::events::Observer;
use crate::frame::Place;
use crate::propagation::Propagation;
use crate::scope::Scope;
use crate::shared::Shared;
use crate::tx::Tx;

/// The transactions of one pool.
///
/// Cheap to clone; clones are the same manager. Two managers of one pool do not see each other's
/// transactions, and do not count each other's connections: make one, and pass it around.
pub struct Transactions<D: Driver>(pub(crate) Arc<Shared<D>>);

impl<D: Driver> Transactions<D> {
    /// The transactions of a pool, with the default settings.
    pub fn new(pool: D) -> Self {
        Self::with_settings(pool, Settings::default())
    }

    /// The transactions of a pool.
    pub fn with_settings(pool: D, settings: Settings) -> Self {
        Self::build(pool, settings, None)
    }

    /// The transactions of a pool, with somebody who hears of them.
    pub fn observed(pool: D, settings: Settings, observer: impl Observer) -> Self {
        Self::build(pool, settings, Some(Box::new(observer)))
    }

    fn build(pool: D, settings: Settings, observer: Option<Box<dyn Observer>>) -> Self {
        Self(Arc::new(Shared::new(pool, settings, observer)))
    }

    /// The pool.
    pub fn pool(&self) -> &D {
        &self.0.driver
    }

    /// What it is set to.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// How many connections are held by transactions that are set aside for others: each is a
    /// connection that does nothing.
    pub fn suspended_connections(&self) -> u32 {
        self.0.counts.suspended()
    }

    /// The transaction, or scope without one, that is around here. None outside of any, and in a task
    /// that was spawned: pass it one on purpose.
    pub fn current(&self) -> Option<Tx<D>> {
        self.ambient()?.frame.clone().map(Tx)
    }

    pub(crate) fn ambient(&self) -> Option<Arc<Place<D>>> {
        ambient::current(self.0.id())
    }

    /// A scope within what is around here.
    pub fn scope(&self) -> Scope<D> {
        Scope::new(self.clone(), self.ambient(), Definition::default())
    }

    fn with(&self, propagation: Propagation) -> Scope<D> {
        self.scope().propagation(propagation)
    }

    /// A scope that joins a transaction, or begins one: [`Propagation::Required`].
    pub fn required(&self) -> Scope<D> {
        self.with(Propagation::Required)
    }

    /// A scope with or without a transaction: [`Propagation::Supports`].
    pub fn supports(&self) -> Scope<D> {
        self.with(Propagation::Supports)
    }

    /// A scope that joins a transaction: [`Propagation::Mandatory`].
    pub fn mandatory(&self) -> Scope<D> {
        self.with(Propagation::Mandatory)
    }

    /// A scope with a transaction of its own: [`Propagation::RequiresNew`].
    pub fn requires_new(&self) -> Scope<D> {
        self.with(Propagation::RequiresNew)
    }

    /// A scope without a transaction: [`Propagation::NotSupported`].
    pub fn not_supported(&self) -> Scope<D> {
        self.with(Propagation::NotSupported)
    }

    /// A scope that is not within a transaction: [`Propagation::Never`].
    pub fn never(&self) -> Scope<D> {
        self.with(Propagation::Never)
    }

    /// A scope that can be undone alone: [`Propagation::Nested`].
    pub fn nested(&self) -> Scope<D> {
        self.with(Propagation::Nested)
    }
}

impl<D: Driver> Clone for Transactions<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Driver> fmt::Debug for Transactions<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transactions")
            .field("database", &self.0.driver.traits().name)
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}
