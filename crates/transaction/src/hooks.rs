//! Hooks: what is to happen with the end of a transaction.
//!
//! `before_commit` -> `before_completion` -> the database -> `after_commit` -> `after_completion`.
//! A hook that is registered during a phase takes part from the next one on.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;

use crate::error::{Error, Source};
use crate::outcome::{HookPhase, Outcome};

/// What a hook is at work on.
pub type HookFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Source>> + Send + 'a>>;

/// Something that takes part in the end of a transaction.
pub trait Hook: Send + Sync + 'static {
    /// Its place: ascending, those without one last, and otherwise as registered.
    fn order(&self) -> Option<i32> {
        None
    }

    /// Its transaction is set aside for another.
    fn suspend(&self) {}

    /// Its transaction is taken up again.
    fn resume(&self) {}

    /// A savepoint was made.
    fn savepoint(&self, number: u32) {
        let _ = number;
    }

    /// What was done since a savepoint was undone. A hook that was registered since then is gone by
    /// now, unless [`Settings::drop_hooks_with_savepoint`](crate::Settings) is off.
    fn savepoint_rolled_back(&self, number: u32) {
        let _ = number;
    }

    /// See [`HookPhase::BeforeCommit`].
    fn before_commit(&self, read_only: bool) -> HookFuture<'_> {
        let _ = read_only;
        nothing()
    }

    /// See [`HookPhase::BeforeCompletion`].
    fn before_completion(&self) -> HookFuture<'_> {
        nothing()
    }

    /// See [`HookPhase::AfterCommit`].
    fn after_commit(&self) -> HookFuture<'_> {
        nothing()
    }

    /// See [`HookPhase::AfterCompletion`].
    fn after_completion(&self, outcome: Outcome) -> HookFuture<'_> {
        let _ = outcome;
        nothing()
    }
}

fn nothing<'a>() -> HookFuture<'a> {
    Box::pin(async { Ok(()) })
}

/// The hooks of one transaction, or of one scope without.
pub(crate) struct Hooks(Mutex<List>);

struct List {
    entries: Vec<Entry>,
    /// Closed with the last phase: nothing can be registered any more.
    open: bool,
    /// They have been told that the end comes: a scope dropped meanwhile does not tell them again.
    completing: bool,
}

#[derive(Clone)]
struct Entry {
    hook: Arc<dyn Hook>,
    /// The savepoint that it was registered under.
    savepoint: Option<u32>,
}

impl Hooks {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(List {
            entries: Vec::new(),
            open: true,
            completing: false,
        }))
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(
        &self,
        hook: Arc<dyn Hook>,
        savepoint: Option<u32>,
    ) -> Result<(), Error> {
        let mut list = self.list();
        if !list.open {
            return Err(Error::Completed);
        }
        list.entries.push(Entry { hook, savepoint });
        Ok(())
    }

    /// Those registered by now, in their order.
    fn snapshot(&self) -> Vec<Arc<dyn Hook>> {
        let list = self.list();
        let mut hooks: Vec<_> = list
            .entries
            .iter()
            .map(|entry| Arc::clone(&entry.hook))
            .collect();
        drop(list);
        // Stable: as registered where the order does not tell.
        hooks.sort_by_key(|hook| hook.order().map_or((true, 0), |order| (false, order)));
        hooks
    }

    pub(crate) fn suspend(&self) {
        self.snapshot().iter().for_each(|hook| hook.suspend());
    }

    pub(crate) fn resume(&self) {
        self.snapshot().iter().for_each(|hook| hook.resume());
    }

    pub(crate) fn savepoint(&self, number: u32) {
        for hook in self.snapshot() {
            hook.savepoint(number);
        }
    }

    /// A savepoint is released: what was registered under it stands or falls with `outer`.
    pub(crate) fn released(&self, number: u32, outer: Option<u32>) {
        for entry in &mut self.list().entries {
            if entry.savepoint.is_some_and(|own| own >= number) {
                entry.savepoint = outer;
            }
        }
    }

    pub(crate) fn rolled_back_to(&self, number: u32, drop_those_within: bool) {
        if drop_those_within {
            self.list()
                .entries
                .retain(|entry| entry.savepoint.is_none_or(|own| own < number));
        }
        for hook in self.snapshot() {
            hook.savepoint_rolled_back(number);
        }
    }

    /// Runs one phase. The first error ends the phases in which an error counts.
    pub(crate) async fn run(&self, phase: HookPhase, told: Told) -> Result<(), Source> {
        let hooks = self.snapshot();
        if phase == HookPhase::BeforeCompletion
            && std::mem::replace(&mut self.list().completing, true)
        {
            return Ok(());
        }
        if phase == HookPhase::AfterCompletion {
            let mut list = self.list();
            list.open = false;
            list.entries.clear();
        }
        for hook in hooks {
            // Asked within, so that one that panics before it has a future is caught too.
            let work = async {
                match phase {
                    HookPhase::BeforeCommit => hook.before_commit(told.read_only).await,
                    HookPhase::BeforeCompletion => hook.before_completion().await,
                    HookPhase::AfterCommit => hook.after_commit().await,
                    HookPhase::AfterCompletion => hook.after_completion(told.outcome).await,
                }
            };
            let done = AssertUnwindSafe(work).catch_unwind().await;
            let done = done.unwrap_or_else(|_| Err("it panicked".into()));
            match (phase, done) {
                (_, Ok(())) => {}
                (HookPhase::BeforeCommit | HookPhase::AfterCommit, Err(error)) => {
                    return Err(error);
                }
                (_, Err(error)) => {
                    tracing::error!(%phase, %error, "a transaction's hook failed");
                }
            }
        }
        Ok(())
    }
}

/// What hooks are told.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    pub(crate) read_only: bool,
    pub(crate) outcome: Outcome,
}

/// A hook of one closure.
pub(crate) struct Closure<F> {
    work: Mutex<Option<F>>,
    phase: HookPhase,
    order: Option<i32>,
}

impl<F> Closure<F> {
    pub(crate) fn new(phase: HookPhase, order: Option<i32>, work: F) -> Self {
        Self {
            work: Mutex::new(Some(work)),
            phase,
            order,
        }
    }

    fn call<R>(&self, phase: HookPhase, outcome: Outcome) -> HookFuture<'_>
    where
        F: FnOnce(Outcome) -> R,
        R: Future<Output = Result<(), Source>> + Send + 'static,
    {
        if phase != self.phase {
            return nothing();
        }
        let work = self
            .work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match work {
            Some(work) => Box::pin(work(outcome)),
            None => nothing(),
        }
    }
}

impl<F, R> Hook for Closure<F>
where
    F: FnOnce(Outcome) -> R + Send + 'static,
    R: Future<Output = Result<(), Source>> + Send + 'static,
{
    fn order(&self) -> Option<i32> {
        self.order
    }

    fn before_commit(&self, _read_only: bool) -> HookFuture<'_> {
        self.call(HookPhase::BeforeCommit, Outcome::Unknown)
    }

    fn before_completion(&self) -> HookFuture<'_> {
        self.call(HookPhase::BeforeCompletion, Outcome::Unknown)
    }

    fn after_commit(&self) -> HookFuture<'_> {
        self.call(HookPhase::AfterCommit, Outcome::Committed)
    }

    fn after_completion(&self, outcome: Outcome) -> HookFuture<'_> {
        self.call(HookPhase::AfterCompletion, outcome)
    }
}
