//! The protocol: a question and its answer, and what the browser tells unasked.
//!
//! Messages are JSON with a zero byte after each. One thread reads; whoever asks waits for its own
//! answer, and for no longer than [`LIMIT`].

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long an answer may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// What the browser could not do, in its words.
#[derive(Clone, Debug)]
pub struct Failed(pub String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// Something that happened in a page.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) method: String,
    pub(crate) params: Value,
}

/// The browser's end of the pipe.
pub(crate) struct Wire {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    told: Condvar,
}

struct State {
    out: Box<dyn Write + Send>,
    last: u64,
    waiting: HashMap<u64, Sender<Value>>,
    /// By session.
    events: HashMap<String, Vec<Event>>,
    over: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send(&mut self, session: Option<&str>, method: &str, params: &Value) -> Option<u64> {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let sent = self.out.write_all(&bytes).and_then(|()| self.out.flush());
        sent.ok().map(|()| self.last)
    }

    fn receive(&mut self, mut message: Value) {
        if let Some(id) = message["id"].as_u64() {
            if let Some(waiting) = self.waiting.remove(&id) {
                let _ = waiting.send(message);
            }
            return;
        }
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        let session = message["sessionId"].as_str().unwrap_or_default().to_owned();
        // A page stands still until its dialog is answered.
        if method == "Page.javascriptDialogOpening" {
            let params = json!({"accept": true});
            self.send(Some(&session), "Page.handleJavaScriptDialog", &params);
        }
        let params = message["params"].take();
        let events = self.events.entry(session).or_default();
        events.push(Event { method, params });
    }
}

impl Wire {
    pub(crate) fn new(
        from: impl Read + Send + 'static,
        out: impl Write + Send + 'static,
    ) -> Result<Self, Failed> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                out: Box::new(out),
                last: 0,
                waiting: HashMap::new(),
                events: HashMap::new(),
                over: false,
            }),
            told: Condvar::new(),
        });
        let reading = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("browser".to_owned())
            .spawn(move || read(from, &reading))
            .map_err(|error| Failed(error.to_string()))?;
        Ok(Self { shared })
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<Value, Failed> {
        let answer = self.begin(session, method, &params)?;
        let mut answer = answer
            .recv_timeout(LIMIT)
            .map_err(|_| Failed(format!("the browser does not answer: {method}")))?;
        match answer.get("error") {
            Some(error) => Err(Failed(format!("{method}: {error}"))),
            None => Ok(answer["result"].take()),
        }
    }

    fn begin(
        &self,
        session: Option<&str>,
        method: &str,
        params: &Value,
    ) -> Result<Receiver<Value>, Failed> {
        let (sender, receiver) = channel();
        let mut state = self.shared.state();
        let gone = || Failed(format!("the browser is gone: {method}"));
        if state.over {
            return Err(gone());
        }
        let id = state.send(session, method, params).ok_or_else(gone)?;
        state.waiting.insert(id, sender);
        Ok(receiver)
    }

    /// How many events a session has had so far.
    pub(crate) fn mark(&self, session: &str) -> usize {
        self.shared.state().events.get(session).map_or(0, Vec::len)
    }

    /// The events of a session since a mark.
    pub(crate) fn since(&self, session: &str, mark: usize) -> Vec<Event> {
        let state = self.shared.state();
        let events = state.events.get(session).and_then(|all| all.get(mark..));
        events.unwrap_or_default().to_vec()
    }

    /// Waits for an event after a mark; false where it does not come in time.
    pub(crate) fn wait(&self, session: &str, mark: usize, method: &str, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.shared.state();
        loop {
            let events = state.events.get(session).and_then(|all| all.get(mark..));
            if events.is_some_and(|all| all.iter().any(|event| event.method == method)) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || state.over {
                return false;
            }
            state = match self.shared.told.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Nobody will ask for these any more.
    pub(crate) fn forget(&self, session: &str) {
        self.shared.state().events.remove(session);
    }
}

fn read(from: impl Read, shared: &Shared) {
    let mut from = BufReader::new(from);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = from.read_until(0, &mut bytes).unwrap_or(0);
        if bytes.pop() != Some(0) || read == 0 {
            break;
        }
        if let Ok(message) = serde_json::from_slice(&bytes) {
            shared.state().receive(message);
            shared.told.notify_all();
        }
    }
    let mut state = shared.state();
    state.over = true;
    // Dropped senders wake those who wait.
    state.waiting.clear();
    drop(state);
    shared.told.notify_all();
}
