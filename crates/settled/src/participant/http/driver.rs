//! Running a connection from within the future that uses it, without waking that future in vain.
//!
//! The two halves of a connection wake each other. Where both are polled by one task, each such
//! wake-up would schedule the very task that is just running, which costs another worker's sleep
//! for every call. So the wake-ups pass through a relay, which forwards only those that come while
//! nobody is looking. None is ever lost: at worst one is forwarded that was not needed.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::Connection;
use hyper_util::rt::TokioIo;

use super::wire::Wire;

/// The reading and writing half of a connection; never run again once it is over.
#[derive(Debug)]
pub(super) struct Driver {
    connection: Connection<TokioIo<Wire>, Full<Bytes>>,
    over: bool,
    relay: Arc<Relay>,
    waker: Waker,
}

impl Driver {
    pub(super) fn new(connection: Connection<TokioIo<Wire>, Full<Bytes>>) -> Self {
        let relay = Arc::new(Relay {
            task: Mutex::new(Waker::noop().clone()),
            looking: AtomicBool::new(false),
            woken: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&relay));
        Self {
            connection,
            over: false,
            relay,
            waker,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Asks for what the connection is expected to bring, running it as far as it gets.
    ///
    /// `ask` must be answered by the connection alone: it is given a context that wakes nobody.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut ask: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let mut asleep = Context::from_waker(Waker::noop());
        self.relay.begin(cx.waker());
        let mut answer = ask(&mut asleep);
        if answer.is_pending() {
            self.run();
            answer = ask(&mut asleep);
        }
        if self.relay.end() && answer.is_pending() {
            cx.waker().wake_by_ref();
        }
        answer
    }

    /// Runs the connection as far as it gets, for nobody in particular.
    pub(super) fn run_idle(&mut self) {
        self.relay.begin(Waker::noop());
        self.run();
        self.relay.end();
    }

    /// How the connection ended, if it did, is told to the one who waits for an answer.
    fn run(&mut self) {
        if !self.over {
            let mut cx = Context::from_waker(&self.waker);
            self.over = Pin::new(&mut self.connection).poll(&mut cx).is_ready();
        }
    }
}

/// Forwards wake-ups to the task that uses the connection, unless it is already looking.
#[derive(Debug)]
struct Relay {
    task: Mutex<Waker>,
    looking: AtomicBool,
    woken: AtomicBool,
}

impl Relay {
    fn begin(&self, task: &Waker) {
        self.task().clone_from(task);
        self.woken.store(false, SeqCst);
        self.looking.store(true, SeqCst);
    }

    /// Whether a wake-up was held back since it began.
    fn end(&self) -> bool {
        self.looking.store(false, SeqCst);
        self.woken.swap(false, SeqCst)
    }

    fn task(&self) -> MutexGuard<'_, Waker> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Said first and asked second, the other way round than in `end`: one of the two sees the
        // other.
        self.woken.store(true, SeqCst);
        if !self.looking.load(SeqCst) {
            let task = self.task().clone();
            task.wake();
        }
    }
}
