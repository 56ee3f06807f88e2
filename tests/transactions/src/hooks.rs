//! Hooks and an observer that write down what they are told.

use std::sync::Arc;

use settled_transaction::{Event, Hook, HookFuture, HookPhase, Observer, Outcome};

use crate::databases::Base;
use crate::interpret::run;
use crate::program::Block;
use crate::recorded::Recorder;
use crate::world::{Failure, World};

/// Reads the name of a phase.
///
/// # Errors
/// Where it is none.
pub fn phase(name: &str) -> Result<HookPhase, Failure> {
    Ok(match name {
        "before_commit" => HookPhase::BeforeCommit,
        "before_completion" => HookPhase::BeforeCompletion,
        "after_commit" => HookPhase::AfterCommit,
        "after_completion" => HookPhase::AfterCompletion,
        _ => return Err(Failure::Wrong(format!("`{name}` is no phase"))),
    })
}

/// A hook that writes down what it is told, and runs a block in one of its phases.
pub(crate) struct Telling<D: Base> {
    pub(crate) name: String,
    pub(crate) order: Option<i32>,
    pub(crate) runs: Option<(HookPhase, Block)>,
    pub(crate) world: Arc<World<D>>,
}

impl<D: Base> Telling<D> {
    fn tell(&self, what: &str) {
        let name = &self.name;
        self.world.recorder.tell(format!("{name}.{what}"));
    }

    fn at(&self, phase: HookPhase, what: &str) -> HookFuture<'_> {
        self.tell(what);
        let block = match &self.runs {
            Some((when, block)) if *when == phase => Arc::clone(block),
            _ => return Box::pin(async { Ok(()) }),
        };
        Box::pin(async move {
            let within = self.world.manager.current();
            match run(Arc::clone(&self.world), block, within).await {
                Ok(_) => Ok(()),
                Err(failure) => {
                    self.tell(&format!("failed({})", failure.name()));
                    Err(failure.name().into())
                }
            }
        })
    }
}

impl<D: Base> Hook for Telling<D> {
    fn order(&self) -> Option<i32> {
        self.order
    }

    fn suspend(&self) {
        self.tell("suspend");
    }

    fn resume(&self) {
        self.tell("resume");
    }

    fn savepoint(&self, number: u32) {
        self.tell(&format!("savepoint({number})"));
    }

    fn savepoint_rolled_back(&self, number: u32) {
        self.tell(&format!("savepoint_rolled_back({number})"));
    }

    fn before_commit(&self, read_only: bool) -> HookFuture<'_> {
        let what = if read_only {
            "before_commit(ro)"
        } else {
            "before_commit"
        };
        self.at(HookPhase::BeforeCommit, what)
    }

    fn before_completion(&self) -> HookFuture<'_> {
        self.at(HookPhase::BeforeCompletion, "before_completion")
    }

    fn after_commit(&self) -> HookFuture<'_> {
        self.at(HookPhase::AfterCommit, "after_commit")
    }

    fn after_completion(&self, outcome: Outcome) -> HookFuture<'_> {
        let what = format!("after_completion({outcome:?})");
        self.at(HookPhase::AfterCompletion, &what)
    }
}

/// Writes down the manager's events.
pub(crate) struct Events(pub(crate) Arc<Recorder>);

impl Observer for Events {
    fn observe(&self, event: &Event<'_>) {
        let told = match event {
            Event::Begins { .. } => "begins".to_owned(),
            Event::Began { .. } => "began".to_owned(),
            Event::BeginFailed { .. } => "begin failed".to_owned(),
            Event::Ends { commit: true, .. } => "commits".to_owned(),
            Event::Ends { commit: false, .. } => "rolls back".to_owned(),
            Event::Ended { outcome, .. } => format!("ended({outcome:?})"),
            Event::SavepointMade { number } => format!("savepoint({number})"),
            Event::SavepointReleased { number } => format!("released({number})"),
            Event::RolledBackTo { number } => format!("rolled back to({number})"),
            Event::ConnectionClosed => "connection closed".to_owned(),
            _ => "something new".to_owned(),
        };
        self.0.tell(told);
    }
}
