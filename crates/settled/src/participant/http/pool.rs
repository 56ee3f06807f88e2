//! The connections that are open and not in use, by host.
//!
//! A connection is in here or in exactly one call, never both; HTTP/2, which is made to be shared,
//! excepted. Connections are taken out newest first, so that those no longer needed grow old and
//! are closed. Nothing is opened or waited for here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::http1::Http1;
use super::http2::Http2;
use super::target::Target;

/// A connection to send one request on.
#[derive(Debug)]
pub(super) enum Line {
    Http1(Box<Http1>),
    Http2(Http2),
}

/// Held while connecting to a host that may turn out to speak HTTP/2, so that many calls at once
/// open one connection and not many.
pub(super) type Turn = Arc<tokio::sync::Mutex<()>>;

/// The idle connections of one coordinator.
#[derive(Debug)]
pub(super) struct Pool {
    shelves: Mutex<Shelves>,
    idle_timeout: Duration,
    max_idle_per_host: usize,
}

#[derive(Debug, Default)]
struct Shelves {
    http: HashMap<Box<str>, Shelf>,
    https: HashMap<Box<str>, Shelf>,
    swept: bool,
}

/// What is known and kept of one host.
#[derive(Debug, Default)]
struct Shelf {
    idle: Vec<Idle<Box<Http1>>>,
    shared: Option<Idle<Http2>>,
    turn: Turn,
    only_http1: bool,
}

#[derive(Debug)]
struct Idle<T> {
    connection: T,
    until: Instant,
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration, max_idle_per_host: usize) -> Arc<Self> {
        Arc::new(Self {
            shelves: Mutex::default(),
            idle_timeout,
            max_idle_per_host,
        })
    }

    /// A connection to the host that seems to be alive.
    pub(super) fn take(&self, target: &Target<'_>) -> Option<Line> {
        let now = Instant::now();
        // Those found dead are closed here, outside the lock.
        while let Some((line, until)) = self.pop(target, now + self.idle_timeout) {
            match line {
                Line::Http1(mut connection) => {
                    if until > now && connection.is_alive() {
                        return Some(Line::Http1(connection));
                    }
                }
                line @ Line::Http2(_) => return Some(line),
            }
        }
        None
    }

    fn pop(&self, target: &Target<'_>, until: Instant) -> Option<(Line, Instant)> {
        let mut shelves = self.lock();
        let shelf = shelves.side(target).get_mut(target.authority())?;
        if let Some(shared) = &mut shelf.shared {
            if shared.connection.is_alive() {
                shared.until = until;
                return Some((Line::Http2(shared.connection.clone()), until));
            }
            shelf.shared = None;
        }
        shelf
            .idle
            .pop()
            .map(|idle| (Line::Http1(idle.connection), idle.until))
    }

    /// Keeps a connection for the next call, or closes it.
    pub(super) fn put(self: &Arc<Self>, target: &Target<'_>, line: Line) {
        let Line::Http1(connection) = line else {
            return;
        };
        let Some(keep) = connection.keep_for(self.idle_timeout) else {
            return;
        };
        let idle = Idle {
            connection,
            until: Instant::now() + keep,
        };
        let mut shelves = self.lock();
        let surplus = shelves.with_shelf(target, |shelf| {
            if shelf.idle.len() < self.max_idle_per_host {
                shelf.idle.push(idle);
                None
            } else {
                Some(idle)
            }
        });
        self.see_to_sweeping(&mut shelves);
        // Closing takes a while; others need not wait for it.
        drop(shelves);
        drop(surplus);
    }

    /// Lets other calls share a new HTTP/2 connection.
    pub(super) fn share(self: &Arc<Self>, target: &Target<'_>, connection: &Http2) {
        let until = Instant::now() + self.idle_timeout;
        let mut shelves = self.lock();
        let shared = Idle {
            connection: connection.clone(),
            until,
        };
        shelves.with_shelf(target, |shelf| shelf.shared = Some(shared));
        self.see_to_sweeping(&mut shelves);
    }

    /// Remembers that the host does not speak HTTP/2, so that no call waits for another.
    pub(super) fn mark_http1(self: &Arc<Self>, target: &Target<'_>) {
        let mut shelves = self.lock();
        shelves.with_shelf(target, |shelf| shelf.only_http1 = true);
        self.see_to_sweeping(&mut shelves);
    }

    /// What to hold while connecting, if connections to the host may turn out to be shared.
    pub(super) fn turn(self: &Arc<Self>, target: &Target<'_>) -> Option<Turn> {
        if !target.is_https() {
            return None;
        }
        let mut shelves = self.lock();
        self.see_to_sweeping(&mut shelves);
        shelves.with_shelf(target, |shelf| {
            (!shelf.only_http1).then(|| Arc::clone(&shelf.turn))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see_to_sweeping(self: &Arc<Self>, shelves: &mut Shelves) {
        if !shelves.swept {
            shelves.swept = true;
            tokio::spawn(sweep(Sweeper(Arc::downgrade(self)), self.idle_timeout));
        }
    }

    /// Closes what has been idle for too long; whether anything is left to sweep.
    fn clean(&self) -> bool {
        let now = Instant::now();
        let mut closed = Vec::new();
        let mut shelves = self.lock();
        let Shelves { http, https, .. } = &mut *shelves;
        for side in [http, https] {
            side.retain(|_, shelf| shelf.clean(now, &mut closed));
        }
        let left = !shelves.http.is_empty() || !shelves.https.is_empty();
        shelves.swept = left;
        drop(shelves);
        drop(closed);
        left
    }
}

impl Shelves {
    fn side(&mut self, target: &Target<'_>) -> &mut HashMap<Box<str>, Shelf> {
        if target.is_https() {
            &mut self.https
        } else {
            &mut self.http
        }
    }

    /// Works on the host's shelf; only a new one costs a copy of the name.
    fn with_shelf<R>(&mut self, target: &Target<'_>, work: impl FnOnce(&mut Shelf) -> R) -> R {
        let side = self.side(target);
        if let Some(shelf) = side.get_mut(target.authority()) {
            return work(shelf);
        }
        work(side.entry(target.authority().into()).or_default())
    }
}

impl Shelf {
    /// Moves what is too old to `closed`; whether the shelf is still of use.
    fn clean(&mut self, now: Instant, closed: &mut Vec<Line>) -> bool {
        let old = self.idle.extract_if(.., |idle| idle.until <= now);
        closed.extend(old.map(|idle| Line::Http1(idle.connection)));
        if self
            .shared
            .as_ref()
            .is_some_and(|shared| shared.until <= now)
        {
            closed.extend(
                self.shared
                    .take()
                    .map(|shared| Line::Http2(shared.connection)),
            );
        }
        !self.idle.is_empty() || self.shared.is_some() || Arc::strong_count(&self.turn) > 1
    }
}

/// Says that the pool is no longer swept when the task ends, even if its runtime was shut down.
struct Sweeper(Weak<Pool>);

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.lock().swept = false;
        }
    }
}

/// Sweeps until there is nothing left to sweep, or no pool.
async fn sweep(mut sweeper: Sweeper, idle_timeout: Duration) {
    let pause = (idle_timeout / 2).clamp(Duration::from_millis(5), Duration::from_mins(1));
    loop {
        tokio::time::sleep(pause).await;
        if !sweeper.0.upgrade().is_some_and(|pool| pool.clean()) {
            // Already said, under the lock; by now another may have begun.
            sweeper.0 = Weak::new();
            return;
        }
    }
}
