//! The points at which the process may die: counted as they are passed, so that each can be hit.
//!
//! It decides nothing but whether this is the point.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// What kind of point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    BeforeAppend,
    AfterAppend,
    BeforeCall,
    InCall,
    AfterCall,
    Function,
}

/// A point that was passed.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) at: At,
    pub(super) what: String,
}

/// Counts points, and says which one is the last of a life.
#[derive(Default)]
pub(super) struct Probe {
    state: Mutex<State>,
}

#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct State {
    passed: u64,
    crashes: Vec<u64>,
    cancels: Vec<u64>,
    keeps: bool,
    points: Vec<Point>,
    struck: Vec<(u64, String)>,
    is_dead: bool,
    is_cancelled: bool,
    is_over: bool,
}

impl Probe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to strike, and whether to keep what was passed.
    pub(super) fn set(&self, crashes: Vec<u64>, cancels: Vec<u64>, keeps: bool) {
        let mut state = self.lock();
        (state.crashes, state.cancels, state.keeps) = (crashes, cancels, keeps);
    }

    /// Passes a point; true where the process dies here (or is dead already).
    pub(super) fn pass(&self, at: At, what: impl FnOnce() -> String) -> bool {
        let mut state = self.lock();
        if state.is_dead || state.is_over {
            return state.is_dead;
        }
        let number = state.passed;
        state.passed += 1;
        state.is_dead = state.crashes.contains(&number);
        let is_cancel = state.cancels.contains(&number);
        state.is_cancelled |= is_cancel;
        if state.keeps || state.is_dead || is_cancel {
            let what = what();
            if state.is_dead || is_cancel {
                state.struck.push((number, what.clone()));
            }
            if state.keeps {
                state.points.push(Point { at, what });
            }
        }
        state.is_dead
    }

    pub(super) fn is_dead(&self) -> bool {
        self.lock().is_dead
    }

    /// Whether to cancel now; says so once.
    pub(super) fn take_cancel(&self) -> bool {
        std::mem::take(&mut self.lock().is_cancelled)
    }

    /// A new life begins.
    pub(super) fn revive(&self) {
        self.lock().is_dead = false;
    }

    /// Nothing strikes any more.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
    }

    /// Every point that was passed, where they were kept.
    pub(super) fn take_points(&self) -> Vec<Point> {
        std::mem::take(&mut self.lock().points)
    }

    /// The points that were struck.
    pub(super) fn struck(&self) -> Vec<(u64, String)> {
        self.lock().struck.clone()
    }
}

/// A user's function, each poll of which ends at a point.
pub(super) struct Watched<F> {
    pub(super) future: Pin<Box<F>>,
    pub(super) probe: Arc<Probe>,
    pub(super) name: Arc<str>,
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.probe.is_dead() {
            return Poll::Pending;
        }
        let polled = self.future.as_mut().poll(context);
        let name = Arc::clone(&self.name);
        let is_over = polled.is_ready();
        let what = || {
            if is_over {
                format!("when the function `{name}` returned, unheard")
            } else {
                format!("at an await of the function `{name}`")
            }
        };
        if self.probe.pass(At::Function, what) {
            return Poll::Pending;
        }
        polled
    }
}

/// Says whether something wants to be polled, and wakes the one who polls.
pub(super) struct Flag {
    is_set: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Flag {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            is_set: AtomicBool::new(true),
            outer: Mutex::new(None),
        })
    }

    /// Whether it was set; it is not any more. From now on `outer` is woken.
    pub(super) fn take(&self, outer: &Waker) -> bool {
        let mut known = self.outer.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(outer.clone());
        drop(known);
        self.is_set.swap(false, Ordering::AcqRel)
    }

    pub(super) fn set(&self) {
        self.is_set.store(true, Ordering::Release);
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set();
        let outer = self.outer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outer) = &*outer {
            outer.wake_by_ref();
        }
    }
}
