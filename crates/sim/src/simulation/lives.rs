//! The coordinator's lives: it starts, commits, and dies, with what it holds in memory.

use std::sync::Arc;

use settled::engine::{AppendRefused, Engine, Incoming};
use settled::observe::Unobserved;
use settled_journal::{Committer, Journal, Next, Refused};
use settled_protocol::Span;

use super::agenda::Happening;
use super::faults::Fault;
use super::runs::Runs;
use super::store::FaultyJournal;
use super::world::{Asker, Coordinator, World};

impl World {
    pub(super) fn start(&mut self) {
        if self.coordinator.is_some() {
            return;
        }
        self.life += 1;
        let opened = self.disk.open_again();
        let journal = FaultyJournal {
            journal: Box::new(opened),
            luck: Arc::clone(&self.luck),
        };
        let (next_saga, secret) = (journal.opened().next_saga, journal.opened().secret);
        let engine = Engine::new(
            self.settings.clone(),
            Arc::clone(&self.definitions),
            Arc::new(Unobserved),
            next_saga,
            secret,
            self.rng.u64(..),
        );
        let committer = Committer::with_max_batch(Box::new(journal), self.rng.usize(1..8));
        self.coordinator = Some(Coordinator {
            engine,
            committer,
            commit_is_due: false,
            runs: Runs::default(),
        });
    }

    /// The coordinator is gone, and everything in its memory. Its requests are still on their way.
    pub(super) fn crash(&mut self) {
        self.note("crash");
        self.coordinator = None;
        self.tick_at = None;
        let rest = Span::from_millis(i64::from(self.rng.u32(0..3_000)));
        self.later(rest, Happening::Start);
        // Nobody who asked was answered; clients ask again.
        for (_, asker) in std::mem::take(&mut self.askers) {
            if let Asker::Client {
                order,
                other: false,
            } = asker
            {
                self.later(rest, Happening::Submit(order));
            }
        }
    }

    pub(super) fn commit(&mut self, life: u32) {
        if life != self.life {
            return;
        }
        let Some(coordinator) = &mut self.coordinator else {
            return;
        };
        let step = coordinator.committer.step();
        let again = match step.next {
            Next::Idle => None,
            Next::Now => Some(Span::from_millis(1)),
            Next::Pause(pause) => Some(Span::from(pause)),
        };
        coordinator.commit_is_due = again.is_some();
        if let Some(again) = again {
            self.later(again, Happening::Commit { life });
        }
        // Between the commit and its consequences.
        if self.strikes(Fault::Crash) {
            return self.crash();
        }
        for (saga, fate) in step.answers {
            if let Err(Refused::Dead(_)) = fate {
                return self.crash();
            }
            if let Err(Refused::Misplaced(why)) = &fate {
                self.surprises.push(why.to_string());
            }
            let result = fate.map_err(|refused| AppendRefused(refused.to_string()));
            self.tell(life, Incoming::Appended { saga, result });
        }
    }
}
