//! What all scopes of one manager share.

use std::sync::Arc;

use crate::counts::Counts;
use crate::definition::Settings;
use crate::driver::Driver;
use crate::events::{Event, Observer};

pub(crate) struct Shared<D: Driver> {
    pub(crate) driver: D,
    pub(crate) settings: Settings,
    pub(crate) counts: Counts,
    observer: Option<Box<dyn Observer>>,
}

impl<D: Driver> Shared<D> {
    pub(crate) fn new(driver: D, settings: Settings, observer: Option<Box<dyn Observer>>) -> Self {
        let counts = Counts::new(driver.size(), settings.reserve);
        Self {
            driver,
            settings,
            counts,
            observer,
        }
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer {
            observer.observe(event);
        }
    }

    /// By what the manager's own scopes are known among those around.
    pub(crate) fn id(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }
}
