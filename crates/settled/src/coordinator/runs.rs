//! Runs of functions as tasks of tokio's.
//!
//! A run is a task of its own, and so is each call of a closure: what users write there may take as
//! long as it likes and holds nobody up. What a run does is lost when the process ends, and nothing
//! is lost with it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use settled_journal::SagaNo;
use settled_protocol::{StepEnd, StepIndex};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep};

use super::driver::Message;
use crate::engine::{CallEnd, CallId, Incoming, Invocation, Launch, RunId, Yielded};
use crate::function::{Functions, Run, RunClosures};

/// How long a function that is run again may wait for something outside of its steps before it is
/// taken for another one than the saga was begun with.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same, for one that has come to a step that is not on record.
const IMPATIENCE: Duration = Duration::from_secs(2);

/// Every run that is under way.
pub(super) struct Runs {
    functions: Option<Arc<dyn Functions>>,
    inbox: mpsc::UnboundedSender<Message>,
    by_saga: HashMap<SagaNo, Running>,
}

struct Running {
    id: RunId,
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// What the task of a run and the coordinator share.
#[derive(Default)]
struct Shared {
    /// Set before the run says anything.
    closures: OnceLock<RunClosures>,
    stopped: AtomicBool,
}

impl Runs {
    pub(super) fn new(
        functions: Option<Arc<dyn Functions>>,
        inbox: mpsc::UnboundedSender<Message>,
    ) -> Self {
        Self {
            functions,
            inbox,
            by_saga: HashMap::new(),
        }
    }

    pub(super) fn launch(&mut self, launch: Box<Launch>) {
        let Some(functions) = self.functions.clone() else {
            return;
        };
        let (saga, id) = (launch.saga, launch.run);
        let shared = Arc::new(Shared::default());
        let (task, inbox) = (Arc::clone(&shared), self.inbox.clone());
        let say = move |yielded: Yielded| {
            let _ = inbox.send(Message::Engine(Incoming::Yielded {
                saga,
                run: id,
                yielded,
            }));
        };
        let task = tokio::spawn(async move {
            let run = functions.make(&launch);
            drop(launch);
            let _ = task.closures.set(run.closures());
            drive(run, &task, say).await;
        });
        let running = Running {
            id,
            shared,
            task: task.abort_handle(),
        };
        if let Some(old) = self.by_saga.insert(saga, running) {
            old.task.abort();
        }
    }

    pub(super) fn resume(&self, saga: SagaNo, run: RunId, told: Vec<(StepIndex, StepEnd)>) {
        if let Some(closures) = self.closures(saga, run) {
            closures.tell(told);
        }
    }

    /// Calls a closure, not after `until`: a process that was held up must not call late, as the
    /// answer to a check would be believed by then.
    pub(super) fn invoke(&self, call: CallId, invocation: Invocation, until: Instant) {
        let closures = self.closures(invocation.saga, invocation.run).cloned();
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            let end = match closures {
                _ if Instant::now() >= until => CallEnd::NotSent {
                    error: "the process was held up until its time limit had passed".to_owned(),
                    retry_after: None,
                },
                None => CallEnd::NotSent {
                    error: "its function is not running any more".to_owned(),
                    retry_after: None,
                },
                Some(closures) => {
                    let called = tokio::time::timeout_at(until, closures.call(&invocation));
                    called.await.unwrap_or_else(|_| {
                        CallEnd::Unknown(format!("no answer within {}", invocation.timeout))
                    })
                }
            };
            let _ = inbox.send(Message::Engine(Incoming::Finished { call, end }));
        });
    }

    pub(super) fn stop(&self, saga: SagaNo, run: RunId) {
        let Some(running) = self.by_saga.get(&saga).filter(|running| running.id == run) else {
            return;
        };
        running.shared.stopped.store(true, Ordering::Release);
        if let Some(closures) = running.shared.closures.get() {
            closures.tell(Vec::new());
        }
    }

    pub(super) fn halt(&mut self, saga: SagaNo, run: RunId) {
        if self
            .by_saga
            .get(&saga)
            .is_some_and(|running| running.id == run)
            && let Some(running) = self.by_saga.remove(&saga)
        {
            running.task.abort();
        }
    }

    fn closures(&self, saga: SagaNo, run: RunId) -> Option<&RunClosures> {
        let running = self
            .by_saga
            .get(&saga)
            .filter(|running| running.id == run)?;
        running.shared.closures.get()
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        for running in self.by_saga.values() {
            running.task.abort();
        }
    }
}

/// Polls a run for as long as its function can go on.
async fn drive(mut run: Run, shared: &Shared, say: impl Fn(Yielded)) {
    let mut patience: Option<Pin<Box<Sleep>>> = None;
    let go_on = |context: &mut Context<'_>| {
        if shared.stopped.load(Ordering::Acquire) {
            run.stop();
            return Poll::Ready(());
        }
        if let Some(yielded) = run.poll(context) {
            say(yielded);
        }
        if !run.is_alive() {
            return Poll::Ready(());
        }
        if run.missing().is_none() {
            patience = None;
            return Poll::Pending;
        }
        let limit = if run.is_elsewhere() {
            IMPATIENCE
        } else {
            PATIENCE
        };
        let sleep = patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if sleep.as_mut().poll(context).is_ready() {
            if let Some(yielded) = run.give_up() {
                say(yielded);
            }
            return Poll::Ready(());
        }
        Poll::Pending
    };
    poll_fn(go_on).await;
}
