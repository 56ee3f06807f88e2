//! What becomes of a scope that is dropped before its end.

use std::sync::Arc;
use std::time::Duration;

use crate::driver::Driver;
use crate::events::Event;
use crate::hooks::Told;
use crate::mark::Cause;
use crate::open::{Open, Stage};
use crate::outcome::HookPhase;
use crate::outcome::Outcome;
use crate::rules::{Phase, Role};
use crate::unit::Unit;

impl<D: Driver> Drop for Open<D> {
    fn drop(&mut self) {
        if self.stage == Stage::Left {
            return;
        }
        self.frame.end();
        let unit = &self.frame.unit;
        match self.frame.role {
            Role::EmptyParticipant => {}
            Role::Participant => {
                let mark = self.frame.who.because(Cause::Dropped);
                unit.state().set_doom(mark, self.frame.under);
            }
            Role::Nested(savepoint) => unit.state().abandon(savepoint),
            Role::Owner | Role::Empty => end_in_background(Arc::clone(unit), self.stage),
        }
    }
}

/// Ends what was dropped: rolled back where its connection is in good order and there is a runtime to
/// do it in, and closed in every other case.
fn end_in_background<D: Driver>(unit: Arc<Unit<D>>, stage: Stage) {
    let outcome = match stage {
        Stage::Body | Stage::Left => Outcome::RolledBack,
        Stage::Ending(outcome) | Stage::Ended(outcome) => outcome,
    };
    let is_clean = unit.state().is_clean();
    unit.set_phase(Phase::Ended);
    // Where the gate is held, a statement of another task is at work: it closes the connection.
    let lease = unit.gate.try_lock().ok().and_then(|mut gate| gate.take());
    let Some(runtime) = unit.runtime.clone() else {
        drop(lease);
        unit.let_go();
        return;
    };
    runtime.spawn(async move {
        let told = Told {
            read_only: false,
            outcome,
        };
        if let Some(hooks) = &unit.hooks
            && stage == Stage::Body
        {
            let _logged = hooks.run(HookPhase::BeforeCompletion, told).await;
        }
        if lease.is_none() {
            // A statement that ended in that moment may have left it there: it is closed.
            drop(unit.gate.lock().await.take());
        }
        if let Some(mut lease) = lease {
            let mut rolled_back = is_clean && !unit.is_impatient();
            if rolled_back && unit.is_transaction() {
                let driver = &unit.shared.driver;
                rolled_back = match lease.connection() {
                    Ok(connection) => driver.roll_back(connection).await.is_ok(),
                    Err(_) => false,
                };
            }
            if rolled_back {
                lease.give_back();
            } else {
                drop(lease);
            }
        }
        unit.let_go();
        if unit.is_transaction() {
            unit.shared.tell(&Event::Ended {
                scope: unit.owner.scope(),
                outcome,
                after: Duration::ZERO,
            });
        }
        if let Some(hooks) = &unit.hooks {
            let _logged = hooks.run(HookPhase::AfterCompletion, told).await;
        }
    });
}
