//! The engine alone, in virtual time, with a journal in memory and participants that do as they are
//! told.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use bytes::Bytes;
use settled::definition::Definitions;
use settled::engine::{
    CallId, Engine, Incoming, Limits, LoadKey, Outgoing, ParticipantView, Reply, Settings,
};
use settled::journal::{Journal, Keeper, MemoryJournal, SagaKey};
use settled::observe::Unobserved;
use settled::participant::{Answer, Response};
use settled::protocol::{Json, SagaState, Span, Timestamp};

/// How a participant behaves from now on.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// 200, after so long.
    Answer(Span),
    /// No connection.
    Nothing,
    /// 429 with this `Retry-After` in seconds.
    Later(u32),
    /// 409.
    Refuse,
}

pub(crate) const DAWN: Timestamp = Timestamp(1_700_000_000_000_000);

pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) engine: Engine<u64>,
    journal: MemoryJournal,
    does: BTreeMap<String, Does>,
    coming: BinaryHeap<Reverse<(Timestamp, u64)>>,
    answers: BTreeMap<u64, (CallId, Answer)>,
    replies: BTreeMap<u64, Reply>,
    /// When which participant was called, and for which saga.
    pub(crate) calls: Vec<(Timestamp, String, String)>,
    pub(crate) under_way: BTreeMap<String, u32>,
    pub(crate) most_under_way: u32,
    pub(crate) most_in_memory: usize,
    pub(crate) loads: usize,
    pub(crate) events: usize,
    numbers: u64,
    of: BTreeMap<u64, String>,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        let journal = MemoryJournal::new();
        let opened = journal.opened();
        let engine = Engine::new(
            settings,
            Arc::new(Definitions::new()),
            Arc::new(Unobserved),
            opened.next_saga,
            opened.secret,
            7,
        );
        Self {
            now: DAWN,
            engine,
            journal,
            does: BTreeMap::new(),
            coming: BinaryHeap::new(),
            answers: BTreeMap::new(),
            replies: BTreeMap::new(),
            calls: Vec::new(),
            under_way: BTreeMap::new(),
            most_under_way: 0,
            most_in_memory: 0,
            loads: 0,
            events: 0,
            numbers: 0,
            of: BTreeMap::new(),
        }
    }

    pub(crate) fn does(&mut self, participant: &str, does: Does) {
        self.does.insert(participant.to_owned(), does);
    }

    pub(crate) fn submit(&mut self, id: &str, participant: &str) {
        let text = format!(
            r#"{{"id": "{id}", "steps": [{{"name": "s", "action": {{"url": "http://{participant}/"}},
                "retry": {{"max_attempts": 1000, "first_delay": "1ms", "max_delay": "1ms"}}}}]}}"#
        );
        let submission = Definitions::new().parse(text.as_bytes()).unwrap();
        self.numbers += 1;
        let incoming = Incoming::Submit {
            submission: Box::new(submission),
            id: id.to_owned(),
            trace: None,
            wait_until: None,
            reply: self.numbers,
        };
        self.engine.handle(self.now, incoming);
        self.carry_out();
    }

    pub(crate) fn set(&mut self, participant: &str, limits: Limits) {
        self.numbers += 1;
        let incoming = Incoming::SetLimits {
            participant: participant.to_owned(),
            limits,
            reply: self.numbers,
        };
        self.engine.handle(self.now, incoming);
        self.carry_out();
    }

    pub(crate) fn view(&mut self, participant: &str) -> ParticipantView {
        self.numbers += 1;
        let reply = self.numbers;
        let name = Some(participant.to_owned());
        self.engine
            .handle(self.now, Incoming::Participants { name, reply });
        self.carry_out();
        match self.replies.remove(&reply) {
            Some(Reply::Participants(mut views)) => views.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, span: Span) {
        let until = self.now + span;
        for _ in 0..3_000_000 {
            let answer = self.coming.peek().map(|Reverse((at, _))| *at);
            let wake = self.engine.wake_at().map(|at| at.max(self.now + Span(1)));
            let next = [answer, wake].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            while let Some(Reverse((at, number))) = self.coming.peek().copied() {
                if at > self.now {
                    break;
                }
                self.coming.pop();
                if let Some(participant) = self.of.remove(&number) {
                    *self.under_way.entry(participant).or_default() -= 1;
                }
                let (call, answer) = self.answers.remove(&number).unwrap();
                self.engine
                    .handle(self.now, Incoming::Answered { call, answer });
            }
            self.carry_out();
        }
        panic!("the engine turns in circles at {:?}", self.now);
    }

    fn carry_out(&mut self) {
        loop {
            self.engine.tick(self.now);
            self.most_in_memory = self.most_in_memory.max(self.engine.in_flight());
            let wishes = self.engine.take_outgoing();
            if wishes.is_empty() {
                return;
            }
            for wish in wishes {
                self.do_it(wish);
            }
        }
    }

    fn do_it(&mut self, wish: Outgoing<u64>) {
        let now = self.now;
        match wish {
            Outgoing::Append(append) => {
                self.events += append.records.len();
                let saga = append.saga;
                let fate = self.journal.commit(&[append]).unwrap().remove(0);
                let result = Ok(fate.unwrap());
                self.engine.handle(now, Incoming::Appended { saga, result });
            }
            Outgoing::Load(key) => {
                self.loads += 1;
                let wanted = match &key {
                    LoadKey::Id(id) => SagaKey::Id(id),
                    LoadKey::No(no) => SagaKey::No(*no),
                };
                let found = self.journal.reader().unwrap().load(wanted);
                let result = found.map(|found| found.map(Box::new));
                self.engine.handle(now, Incoming::Loaded { key, result });
            }
            Outgoing::FindDue {
                after,
                until,
                limit,
            } => {
                let found = self.journal.reader().unwrap().due(after, until, limit);
                self.engine.handle(now, Incoming::DueFound(found));
            }
            Outgoing::Send { call, request } => {
                let participant = request.url.authority().unwrap().to_string();
                let saga = request.headers.iter();
                let saga = saga.clone().find(|(name, _)| name == "settled-saga");
                let saga = saga.unwrap().1.to_str().unwrap().to_owned();
                self.calls.push((now, participant.clone(), saga));
                let under_way = self.under_way.entry(participant.clone()).or_default();
                *under_way += 1;
                self.most_under_way = self.most_under_way.max(*under_way);
                let does = self.does.get(&participant);
                let (after, answer) = answer(does.unwrap_or(&Does::Answer(Span(1_000))));
                self.numbers += 1;
                self.of.insert(self.numbers, participant);
                self.answers.insert(self.numbers, (call, answer));
                self.coming.push(Reverse((now + after, self.numbers)));
            }
            Outgoing::Reply(asker, reply) => {
                self.replies.insert(asker, reply);
            }
            _ => {}
        }
    }

    /// How many sagas are in this state.
    pub(crate) fn in_state(&self, ids: impl Iterator<Item = String>, state: SagaState) -> usize {
        let mut reader = self.journal.reader().unwrap();
        ids.filter(|id| {
            let found = reader.load(SagaKey::Id(id)).unwrap().unwrap();
            found.state == state
        })
        .count()
    }

    /// How many events a saga has.
    pub(crate) fn records(&self, id: &str) -> usize {
        let mut reader = self.journal.reader().unwrap();
        reader.load(SagaKey::Id(id)).unwrap().unwrap().records.len()
    }
}

fn answer(does: &Does) -> (Span, Answer) {
    let responded = |status, headers| {
        Answer::Responded(Response {
            status,
            headers,
            body: Bytes::from(Json::null().as_str().to_owned()),
        })
    };
    match does {
        Does::Answer(after) => (*after, responded(200, Vec::new())),
        Does::Nothing => (Span(500), Answer::NotSent("connection refused".to_owned())),
        Does::Later(seconds) => {
            let header = ("retry-after".to_owned(), seconds.to_string());
            (Span(500), responded(429, vec![header]))
        }
        Does::Refuse => (Span(500), responded(409, Vec::new())),
    }
}
