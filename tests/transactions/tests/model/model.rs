//! The reference: what a program comes to, by the words of the semantics and nothing of the crate's own.
//!
//! Rows are numbers, a transaction is a list of rows that nobody else sees yet, and a savepoint is how
//! long that list was. Nothing waits here, and nothing is sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use settled_transaction::{HookPhase, HookScopes, Outcome, Propagation, Settings};

use crate::notes::{self, Flags, Kind, Notes};
use crate::program::{Act, By, Hook, Program, Scope, Step};

/// What the databases differ in.
#[derive(Clone, Copy)]
pub(crate) struct Database {
    /// One writer at a time, and who reads goes on seeing what he saw first (SQLite).
    pub(crate) single_writer: bool,
    /// A refused statement leaves a transaction that can only go back (PostgreSQL).
    pub(crate) aborts: bool,
}

/// What a program comes to.
pub(crate) fn expect(program: &Program, database: Database) -> Notes {
    let mut model = Model {
        database,
        settings: program.settings.clone(),
        committed: BTreeSet::new(),
        units: Vec::new(),
        frames: 0,
        by_hand: Vec::new(),
        notes: Vec::new(),
    };
    let _noted = model.scope(None, None, &program.scope);
    let rows = format!("rows: {:?}", model.committed);
    model.notes.push(rows);
    model.notes
}

struct Model {
    database: Database,
    settings: Settings,
    committed: BTreeSet<u32>,
    /// Every transaction, and every scope without, that there ever was.
    units: Vec<Unit>,
    frames: u32,
    /// The savepoints made by hand so far.
    by_hand: Vec<u32>,
    notes: Notes,
}

/// A transaction, or a scope without one.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each of them is a thing of its own"
)]
struct Unit {
    transaction: Option<Asked>,
    outer: Option<usize>,
    /// It holds a connection.
    holds: bool,
    /// It holds the one writer's lock, or may.
    locked: bool,
    /// The rows that nobody else sees yet.
    pending: Vec<u32>,
    /// What it saw first, where it goes on seeing that.
    snapshot: Option<BTreeSet<u32>>,
    savepoints: Vec<Savepoint>,
    last_savepoint: u32,
    /// The flag of the whole.
    doomed: bool,
    /// The database takes nothing but a rollback.
    aborted: bool,
    hooks: Option<Vec<Arc<Hook>>>,
}

#[derive(Clone, Copy)]
struct Asked {
    read_only: bool,
    isolation: bool,
}

struct Savepoint {
    number: u32,
    /// The scope that made it by hand; none where it is a scope's own.
    by_hand_of: Option<u32>,
    rows: usize,
    hooks: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Owner,
    Participant,
    Nested(u32),
    Empty,
    EmptyParticipant,
}

/// An open scope.
struct Frame {
    number: u32,
    unit: usize,
    role: Role,
    read_only: bool,
    /// The scope's own flag.
    marked: bool,
}

impl Model {
    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// How many connections do nothing because of a unit.
    fn set_aside(&self, unit: Option<usize>) -> u32 {
        unit.map_or(0, |unit| {
            let unit = &self.units[unit];
            u32::from(unit.holds) + self.set_aside(unit.outer)
        })
    }

    fn is_locked(&self, unit: Option<usize>) -> bool {
        unit.is_some_and(|unit| {
            let unit = &self.units[unit];
            unit.locked || self.is_locked(unit.outer)
        })
    }

    /// A whole scope, as whoever calls it sees it. `aside`: what is set aside where nothing is around.
    fn scope(
        &mut self,
        around: Option<&Frame>,
        aside: Option<usize>,
        scope: &Scope,
    ) -> Result<(), Kind> {
        let done = self.enter_and_leave(around, aside, scope);
        self.note(notes::told(&format!("{} told", scope.number), &done));
        done
    }

    fn enter_and_leave(
        &mut self,
        around: Option<&Frame>,
        aside: Option<usize>,
        scope: &Scope,
    ) -> Result<(), Kind> {
        let mut frame = self.enter(around, aside, scope)?;
        let suspended = match frame.role {
            Role::Owner | Role::Empty => around.map(|around| around.unit),
            _ => None,
        };
        let unit = &self.units[frame.unit];
        let flags = Flags {
            active: unit.transaction.is_some(),
            new: frame.role == Role::Owner,
            nested: matches!(frame.role, Role::Nested(_)),
            read_only: unit.transaction.is_some_and(|asked| asked.read_only),
        };
        let aside = self.set_aside(unit.outer);
        self.note(notes::entered(scope.number, flags, aside));
        let body = self.body(&mut frame, scope);
        let rollback_only = frame.marked || self.units[frame.unit].doomed;
        self.note(notes::body_ends(scope.number, rollback_only));
        let left = self.leave(&mut frame, body.is_ok());
        if let Some(suspended) = suspended {
            self.tell(suspended, "resume");
        }
        body.and(left)
    }

    fn enter(
        &mut self,
        around: Option<&Frame>,
        aside: Option<usize>,
        scope: &Scope,
    ) -> Result<Frame, Kind> {
        use Propagation::{
            Mandatory, Nested, Never, NotSupported, Required, RequiresNew, Supports,
        };
        let transaction = around.and_then(|around| self.units[around.unit].transaction);
        match (scope.how, transaction) {
            (Mandatory, None) => Err(Kind::NoTransaction),
            (Never, Some(_)) => Err(Kind::InTransaction),
            (Supports | NotSupported | Never, None) => Ok(match around {
                Some(around) => self.join(around, scope),
                None => self.empty(None, aside, scope),
            }),
            (RequiresNew | NotSupported, Some(_)) if !self.settings.suspension => {
                Err(Kind::SuspensionNotSupported)
            }
            (Required | Nested, None) | (RequiresNew, _) => self.begin(around, aside, scope),
            (NotSupported, Some(_)) => Ok(self.empty(around, aside, scope)),
            (Nested, Some(_)) if !self.settings.nested => Err(Kind::NestedNotSupported),
            (Nested, Some(_)) if scope.isolation => Err(Kind::NestedIsolation),
            (Nested, Some(_)) => {
                let unit = around.map_or(0, |around| around.unit);
                let number = self.savepoint(unit, None)?;
                Ok(self.frame(unit, Role::Nested(number), scope))
            }
            (Required | Supports | Mandatory, Some(asked)) => {
                if self.settings.validate_existing {
                    if scope.isolation && !asked.isolation {
                        return Err(Kind::IncompatibleIsolation);
                    }
                    if asked.read_only && !scope.read_only {
                        return Err(Kind::IncompatibleReadOnly);
                    }
                }
                around
                    .map(|around| self.join(around, scope))
                    .ok_or(Kind::NoTransaction)
            }
        }
    }

    fn frame(&mut self, unit: usize, role: Role, scope: &Scope) -> Frame {
        self.frames += 1;
        Frame {
            number: self.frames,
            unit,
            role,
            read_only: scope.read_only,
            marked: false,
        }
    }

    fn join(&mut self, around: &Frame, scope: &Scope) -> Frame {
        let is_transaction = self.units[around.unit].transaction.is_some();
        let role = if is_transaction {
            Role::Participant
        } else {
            Role::EmptyParticipant
        };
        self.frame(around.unit, role, scope)
    }

    fn unit(&mut self, transaction: Option<Asked>, outer: Option<usize>, has_hooks: bool) -> usize {
        self.units.push(Unit {
            transaction,
            outer,
            holds: transaction.is_some(),
            locked: false,
            pending: Vec::new(),
            snapshot: None,
            savepoints: Vec::new(),
            last_savepoint: 0,
            doomed: false,
            aborted: false,
            hooks: has_hooks.then(Vec::new),
        });
        self.units.len() - 1
    }

    fn begin(
        &mut self,
        around: Option<&Frame>,
        aside: Option<usize>,
        scope: &Scope,
    ) -> Result<Frame, Kind> {
        let outer = around.map(|around| around.unit).or(aside);
        if self.database.single_writer && !scope.read_only && self.is_locked(outer) {
            return Err(Kind::SingleWriter);
        }
        if let Some(around) = around {
            self.tell(around.unit, "suspend");
        }
        self.note("began");
        let asked = Asked {
            read_only: scope.read_only,
            isolation: scope.isolation,
        };
        let has_hooks = self.settings.hooks != HookScopes::Never;
        let unit = self.unit(Some(asked), outer, has_hooks);
        self.units[unit].locked = !scope.read_only && !scope.deferred;
        Ok(self.frame(unit, Role::Owner, scope))
    }

    fn empty(&mut self, around: Option<&Frame>, aside: Option<usize>, scope: &Scope) -> Frame {
        if let Some(around) = around {
            self.tell(around.unit, "suspend");
        }
        let outer = around.map(|around| around.unit).or(aside);
        let has_hooks = self.settings.hooks == HookScopes::Always;
        let unit = self.unit(None, outer, has_hooks);
        self.frame(unit, Role::Empty, scope)
    }

    fn body(&mut self, frame: &mut Frame, scope: &Scope) -> Result<(), Kind> {
        for step in &scope.steps {
            match step {
                Step::Write { row, by, hidden } => {
                    let done = self.statement(frame.unit, Some(*row), *by);
                    self.note(notes::told(&format!("w{row}"), &done));
                    if !hidden {
                        done?;
                    }
                }
                Step::Bad { by, hidden } => {
                    let done = self.statement(frame.unit, None, *by);
                    self.note(notes::told("bad", &done));
                    if !hidden {
                        done?;
                    }
                }
                Step::Read { .. } => {
                    let rows = self.read(frame.unit);
                    self.note(notes::told("read", &rows));
                    rows?;
                }
                Step::Mark { .. } => frame.marked = true,
                Step::Scope(within) => {
                    let done = self.scope(Some(frame), None, within);
                    if !within.caught {
                        done?;
                    }
                }
                Step::Hook(hook) => {
                    let done = match &mut self.units[frame.unit].hooks {
                        Some(hooks) => {
                            hooks.push(Arc::clone(hook));
                            Ok(())
                        }
                        None => Err(Kind::NoHooks),
                    };
                    self.note(notes::told(&format!("register {}", hook.number), &done));
                }
                Step::Savepoint => {
                    let made = self.savepoint(frame.unit, Some(frame.number));
                    self.note(notes::told("savepoint", &made));
                    self.by_hand.extend(made);
                }
                Step::BackTo(which) => {
                    if let Some(number) = pick(&self.by_hand, *which) {
                        let done = self.own(frame, number);
                        if done.is_ok() {
                            self.back_to(frame.unit, number);
                        }
                        self.note(notes::told(&format!("back to {number}"), &done));
                    }
                }
                Step::Release(which) => {
                    if let Some(number) = pick(&self.by_hand, *which) {
                        let mut done = self.own(frame, number);
                        if done.is_ok() && self.units[frame.unit].aborted {
                            done = Err(Kind::Database);
                        }
                        if done.is_ok() {
                            self.release(frame.unit, number);
                        }
                        self.note(notes::told(&format!("release {number}"), &done));
                    }
                }
            }
        }
        if scope.fails {
            return Err(Kind::Body(scope.number));
        }
        Ok(())
    }

    /// A statement that writes a row, or one that is refused.
    fn statement(&mut self, unit: usize, row: Option<u32>, by: By) -> Result<(), Kind> {
        let outer = self.units[unit].outer;
        let waits = self.database.single_writer && self.is_locked(outer);
        let at = &mut self.units[unit];
        let Some(asked) = at.transaction else {
            at.holds = true;
            if waits {
                return Err(match by {
                    By::Raw => Kind::Database,
                    _ => Kind::SingleWriter,
                });
            }
            self.committed.extend(row);
            return row.map(drop).ok_or(Kind::Database);
        };
        if at.aborted {
            return Err(Kind::Database);
        }
        if !asked.read_only {
            at.locked = true;
            if let Some(row) = row {
                at.pending.push(row);
                return Ok(());
            }
        }
        at.aborted = self.database.aborts;
        Err(Kind::Database)
    }

    fn read(&mut self, unit: usize) -> Result<BTreeSet<u32>, Kind> {
        let at = &mut self.units[unit];
        at.holds = true;
        if at.aborted {
            return Err(Kind::Database);
        }
        let keeps = self.database.single_writer && at.transaction.is_some() && !at.locked;
        let mut rows = if keeps {
            at.snapshot.get_or_insert(self.committed.clone()).clone()
        } else {
            self.committed.clone()
        };
        rows.extend(&at.pending);
        Ok(rows)
    }

    fn savepoint(&mut self, unit: usize, by_hand_of: Option<u32>) -> Result<u32, Kind> {
        let at = &mut self.units[unit];
        if at.transaction.is_none() {
            return Err(Kind::NoTransaction);
        }
        if at.doomed {
            return Err(Kind::Doomed);
        }
        at.last_savepoint += 1;
        if at.aborted {
            return Err(Kind::CannotBegin);
        }
        let number = at.last_savepoint;
        at.savepoints.push(Savepoint {
            number,
            by_hand_of,
            rows: at.pending.len(),
            hooks: at.hooks.as_ref().map_or(0, Vec::len),
        });
        self.tell(unit, &format!("savepoint {number}"));
        self.note(format!("made {number}"));
        Ok(number)
    }

    /// Whether a savepoint is open that this scope has made by hand.
    fn own(&self, frame: &Frame, number: u32) -> Result<(), Kind> {
        let mut savepoints = self.units[frame.unit].savepoints.iter();
        let found =
            |open: &Savepoint| open.number == number && open.by_hand_of == Some(frame.number);
        savepoints.any(found).then_some(()).ok_or(Kind::NoSavepoint)
    }

    /// Undoes all that was done since a savepoint: rows, the flag of the whole, hooks.
    fn back_to(&mut self, unit: usize, number: u32) {
        let at = &mut self.units[unit];
        at.savepoints.retain(|open| open.number <= number);
        if let Some(savepoint) = at.savepoints.last() {
            at.pending.truncate(savepoint.rows);
            if self.settings.drop_hooks_with_savepoint
                && let Some(hooks) = &mut at.hooks
            {
                hooks.truncate(savepoint.hooks);
            }
        }
        at.doomed = false;
        at.aborted = false;
        self.tell(unit, &format!("back to {number}"));
        self.note(format!("back to {number}"));
    }

    fn release(&mut self, unit: usize, number: u32) {
        let at = &mut self.units[unit];
        at.savepoints.retain(|open| open.number < number);
        self.note(format!("released {number}"));
    }

    fn leave(&mut self, frame: &mut Frame, succeeded: bool) -> Result<(), Kind> {
        let at = &mut self.units[frame.unit];
        let unexpected = succeeded && !frame.marked && at.doomed;
        let told = if unexpected {
            Err(Kind::UnexpectedRollback)
        } else {
            Ok(())
        };
        match frame.role {
            Role::EmptyParticipant => Ok(()),
            Role::Participant => {
                let dooms = !succeeded && self.settings.doom_on_participation_failure;
                at.doomed |= frame.marked || dooms;
                if self.settings.fail_early {
                    told
                } else {
                    Ok(())
                }
            }
            Role::Nested(number) => {
                if succeeded && !frame.marked && !at.doomed && !at.aborted {
                    self.release(frame.unit, number);
                    return Ok(());
                }
                // A hidden refusal is as good as a participant's failure: who did not ask is told.
                let hidden = succeeded && !frame.marked && at.aborted;
                self.back_to(frame.unit, number);
                self.release(frame.unit, number);
                if hidden {
                    return Err(Kind::UnexpectedRollback);
                }
                told
            }
            Role::Empty => self.leave_empty(frame, succeeded),
            Role::Owner if !succeeded || frame.marked || at.doomed => self.roll_back(frame, told),
            Role::Owner => self.commit(frame),
        }
    }

    fn leave_empty(&mut self, frame: &mut Frame, succeeded: bool) -> Result<(), Kind> {
        let mut told = Ok(());
        if succeeded && !frame.marked {
            told = self.phase(frame, HookPhase::BeforeCommit, Outcome::RolledBack);
        }
        let is_kept = succeeded && !frame.marked && told.is_ok();
        let outcome = if is_kept {
            Outcome::Committed
        } else {
            Outcome::RolledBack
        };
        let _logged = self.phase(frame, HookPhase::BeforeCompletion, outcome);
        self.units[frame.unit].holds = false;
        told.and(self.after(frame, outcome))
    }

    fn commit(&mut self, frame: &mut Frame) -> Result<(), Kind> {
        let told = self.phase(frame, HookPhase::BeforeCommit, Outcome::RolledBack);
        if told.is_err() {
            return self.roll_back(frame, told);
        }
        let doomed = self.units[frame.unit].doomed;
        if frame.marked {
            return self.roll_back(frame, Ok(()));
        }
        if doomed {
            return self.roll_back(frame, Err(Kind::UnexpectedRollback));
        }
        let _logged = self.phase(frame, HookPhase::BeforeCompletion, Outcome::Committed);
        self.note("to be committed");
        let at = &mut self.units[frame.unit];
        let aborted = at.aborted;
        let pending = std::mem::take(&mut at.pending);
        self.end(frame.unit);
        let (outcome, told) = if aborted {
            (Outcome::RolledBack, Err(Kind::UnexpectedRollback))
        } else {
            self.committed.extend(pending);
            (Outcome::Committed, Ok(()))
        };
        self.note(format!("ended {outcome:?}"));
        told.and(self.after(frame, outcome))
    }

    fn roll_back(&mut self, frame: &mut Frame, told: Result<(), Kind>) -> Result<(), Kind> {
        let _logged = self.phase(frame, HookPhase::BeforeCompletion, Outcome::RolledBack);
        self.note("to be rolled back");
        self.end(frame.unit);
        self.note(format!("ended {:?}", Outcome::RolledBack));
        told.and(self.after(frame, Outcome::RolledBack))
    }

    fn end(&mut self, unit: usize) {
        let at = &mut self.units[unit];
        at.pending.clear();
        at.holds = false;
        at.locked = false;
    }

    fn after(&mut self, frame: &mut Frame, outcome: Outcome) -> Result<(), Kind> {
        let mut told = Ok(());
        if outcome == Outcome::Committed {
            told = self.phase(frame, HookPhase::AfterCommit, outcome);
        }
        let _logged = self.phase(frame, HookPhase::AfterCompletion, outcome);
        told
    }

    /// Those registered by now: by order, then those without, then as registered.
    fn hooks(&self, unit: usize) -> Vec<Arc<Hook>> {
        let hooks = self.units[unit].hooks.iter().flatten();
        let ordered = |hook: &&Arc<Hook>| hook.order.is_some();
        let (mut first, last): (Vec<_>, Vec<_>) = hooks.partition(ordered);
        first.sort_by_key(|hook| hook.order);
        first.into_iter().chain(last).cloned().collect()
    }

    fn tell(&mut self, unit: usize, what: &str) {
        for hook in self.hooks(unit) {
            self.note(notes::hook(hook.number, what));
        }
    }

    fn phase(&mut self, frame: &mut Frame, phase: HookPhase, outcome: Outcome) -> Result<(), Kind> {
        let hooks = self.hooks(frame.unit);
        let outer = self.units[frame.unit].outer;
        for hook in hooks {
            let (what, act) = match phase {
                HookPhase::BeforeCommit => (
                    format!("before commit, read-only {}", frame.read_only),
                    &hook.before_commit,
                ),
                HookPhase::BeforeCompletion => ("before completion".to_owned(), &Act::Nothing),
                HookPhase::AfterCommit => ("after commit".to_owned(), &hook.after_commit),
                HookPhase::AfterCompletion => (
                    format!("after completion {outcome:?}"),
                    &hook.after_completion,
                ),
            };
            self.note(notes::hook(hook.number, &what));
            let is_within = phase == HookPhase::BeforeCommit;
            let failed = match act {
                Act::Nothing => false,
                Act::Fail => true,
                Act::Mark => {
                    frame.marked |= is_within;
                    false
                }
                Act::Scope(scope) => {
                    let around = is_within.then_some(&*frame);
                    let aside = if is_within { None } else { outer };
                    self.scope(around, aside, scope).is_err() && !scope.caught
                }
            };
            if failed && matches!(phase, HookPhase::BeforeCommit | HookPhase::AfterCommit) {
                return Err(Kind::Hook(phase, outcome));
            }
        }
        Ok(())
    }
}

/// One of those made so far.
pub(crate) fn pick(made: &[u32], which: usize) -> Option<u32> {
    made.get(which.checked_rem(made.len())?).copied()
}
