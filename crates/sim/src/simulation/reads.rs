//! Reading from the store: at once or late, with what was true when it was asked.

use settled::engine::LoadKey;
use settled_journal::{Keeper, ReadError, SagaKey};
use settled_protocol::Span;

use super::agenda::{Found, Happening, Question};
use super::faults::Fault;
use super::world::World;

impl World {
    pub(super) fn ask(&mut self, question: Question) {
        let life = self.life;
        if self.strikes(Fault::LateRead) {
            let found = self.look_up(question);
            let late = Span::from_millis(i64::from(self.rng.u32(1..5_000)));
            self.later(late, Happening::Found { life, found });
        } else {
            let soon = Span(i64::from(self.rng.u32(0..2_000)));
            self.later(soon, Happening::Read { life, question });
        }
    }

    pub(super) fn read(&mut self, life: u32, question: Question) {
        let found = self.look_up(question);
        self.happen(Happening::Found { life, found });
    }

    pub(super) fn look_up(&mut self, question: Question) -> Found {
        let failed = || ReadError::Store("simulated".to_owned());
        let fails = self.strikes(Fault::ReadFailed);
        let mut reader = self.disk.reader().map_err(|_| failed());
        match question {
            Question::Load(key) => {
                let wanted = match &key {
                    LoadKey::Id(id) => SagaKey::Id(id),
                    LoadKey::No(no) => SagaKey::No(*no),
                };
                let result = match &mut reader {
                    Ok(reader) if !fails => reader.load(wanted),
                    _ => Err(failed()),
                };
                Found::Saga {
                    result: result.map(|found| found.map(Box::new)),
                    key,
                }
            }
            Question::Due {
                after,
                until,
                limit,
            } => match &mut reader {
                Ok(reader) if !fails => Found::Due(reader.due(after, until, limit)),
                _ => Found::Due(Err(failed())),
            },
        }
    }
}
