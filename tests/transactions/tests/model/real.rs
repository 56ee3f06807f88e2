//! The same program on the crate and a real database.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::future::BoxFuture;
use settled_transaction::{
    Error, Event, Hook as Hooked, HookFuture, Observer, Outcome, Propagation, Scope as Asked,
    Transactions, Tx,
};

use crate::backends::{Backend, On, Sql};
use crate::model::pick;
use crate::notes::{self, Flags, Kind, Notes};
use crate::program::{Act, By, Hook, Program, Scope, Step};

/// One run of a program.
struct Run<D: Backend> {
    manager: Transactions<D>,
    /// By what its rows are told from others'.
    program: i64,
    notes: Arc<Mutex<Notes>>,
    by_hand: Mutex<Vec<u32>>,
}

/// What a body returns.
#[derive(Debug)]
enum Failed {
    Body(u32),
    Transaction(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Transaction(error)
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", kind(self))
    }
}

impl std::error::Error for Failed {}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap()
}

fn kind(failed: &Failed) -> Kind {
    let error = match failed {
        Failed::Body(scope) => return Kind::Body(*scope),
        Failed::Transaction(error) => error,
    };
    match error {
        Error::NoTransaction => Kind::NoTransaction,
        Error::InTransaction => Kind::InTransaction,
        Error::NestedNotSupported => Kind::NestedNotSupported,
        Error::SuspensionNotSupported => Kind::SuspensionNotSupported,
        Error::IncompatibleIsolation { .. } => Kind::IncompatibleIsolation,
        Error::NestedIsolation { .. } => Kind::NestedIsolation,
        Error::IncompatibleReadOnly => Kind::IncompatibleReadOnly,
        Error::Doomed { .. } => Kind::Doomed,
        Error::CannotBegin { .. } => Kind::CannotBegin,
        Error::SingleWriter => Kind::SingleWriter,
        Error::NoHooks => Kind::NoHooks,
        Error::UnexpectedRollback { .. } => Kind::UnexpectedRollback,
        Error::Hook { phase, outcome, .. } => Kind::Hook(*phase, *outcome),
        Error::NoSavepoint { .. } => Kind::NoSavepoint,
        Error::Driver { .. } => Kind::Database,
        other => Kind::Other(other.to_string()),
    }
}

fn kinds<T: Clone>(result: &Result<T, Failed>) -> Result<T, Kind> {
    match result {
        Ok(value) => Ok(value.clone()),
        Err(failed) => Err(kind(failed)),
    }
}

/// Runs a program, and notes what happens.
pub(crate) async fn run<D: Backend>(pool: &D, program: &Program, number: i64) -> Notes {
    let notes = Arc::new(Mutex::new(Notes::new()));
    let observer = Noting(Arc::clone(&notes));
    let run = Arc::new(Run {
        manager: Transactions::observed(pool.clone(), program.settings.clone(), observer),
        program: number,
        notes,
        by_hand: Mutex::new(Vec::new()),
    });
    let _noted = scope(Arc::clone(&run), None, Arc::clone(&program.scope)).await;
    let suspended = run.manager.suspended_connections();
    if suspended > 0 {
        run.note(format!("{suspended} still set aside"));
    }
    let mut notes = lock(&run.notes);
    std::mem::take(&mut *notes)
}

struct Noting(Arc<Mutex<Notes>>);

impl Observer for Noting {
    fn observe(&self, event: &Event<'_>) {
        let note = match event {
            Event::Began { .. } => "began".to_owned(),
            Event::Ends { commit: true, .. } => "to be committed".to_owned(),
            Event::Ends { commit: false, .. } => "to be rolled back".to_owned(),
            Event::Ended { outcome, .. } => format!("ended {outcome:?}"),
            Event::SavepointMade { number } => format!("made {number}"),
            Event::SavepointReleased { number } => format!("released {number}"),
            Event::RolledBackTo { number } => format!("back to {number}"),
            Event::Begins { .. } => return,
            other => format!("{other:?}"),
        };
        lock(&self.0).push(note);
    }
}

impl<D: Backend> Run<D> {
    fn note(&self, note: impl Into<String>) {
        lock(&self.notes).push(note.into());
    }

    /// A scope before it is entered, by the word for it.
    fn ask(&self, own: Option<&Tx<D>>, scope: &Scope) -> Asked<D> {
        let manager = &self.manager;
        let mut asked = match (own.filter(|_| scope.by_handle), scope.how) {
            (Some(tx), Propagation::Required) => tx.required(),
            (Some(tx), Propagation::RequiresNew) => tx.requires_new(),
            (Some(tx), Propagation::NotSupported) => tx.not_supported(),
            (Some(tx), Propagation::Nested) => tx.nested(),
            (Some(tx), how) => tx.scope().propagation(how),
            (None, Propagation::Required) => manager.required(),
            (None, Propagation::Supports) => manager.supports(),
            (None, Propagation::Mandatory) => manager.mandatory(),
            (None, Propagation::RequiresNew) => manager.requires_new(),
            (None, Propagation::NotSupported) => manager.not_supported(),
            (None, Propagation::Never) => manager.never(),
            (None, Propagation::Nested) => manager.nested(),
        };
        if scope.read_only {
            asked = asked.read_only();
        }
        if scope.deferred {
            asked = asked.deferred();
        }
        if scope.isolation {
            asked = asked.isolation(D::ISOLATION);
        }
        asked
    }

    async fn send(&self, tx: &Tx<D>, by: By, sql: Sql) -> Result<(), Failed> {
        let on = match by {
            By::Handle => On::Handle(tx),
            By::Ambient => On::Ambient(&self.manager),
            By::Raw => On::Raw(tx),
        };
        D::send(on, sql, self.program)
            .await
            .map_err(Failed::Transaction)
    }
}

/// A whole scope, as whoever calls it sees it.
fn scope<D: Backend>(
    run: Arc<Run<D>>,
    own: Option<Tx<D>>,
    scope: Arc<Scope>,
) -> BoxFuture<'static, Result<(), Failed>> {
    Box::pin(async move {
        let asked = run.ask(own.as_ref(), &scope);
        let done = asked
            .run(async |tx| {
                let flags = Flags {
                    active: tx.is_active(),
                    new: tx.is_new(),
                    nested: tx.is_nested(),
                    read_only: tx.is_read_only(),
                };
                let aside = run.manager.suspended_connections();
                run.note(notes::entered(scope.number, flags, aside));
                let done = body(Arc::clone(&run), tx.clone(), Arc::clone(&scope)).await;
                run.note(notes::body_ends(scope.number, tx.is_rollback_only()));
                done
            })
            .await;
        run.note(notes::told(
            &format!("{} told", scope.number),
            &kinds(&done),
        ));
        done
    })
}

fn body<D: Backend>(
    run: Arc<Run<D>>,
    tx: Tx<D>,
    around: Arc<Scope>,
) -> BoxFuture<'static, Result<(), Failed>> {
    Box::pin(async move {
        for step in &around.steps {
            match step {
                Step::Write { row, by, hidden } => {
                    let done = run.send(&tx, *by, Sql::Write(*row)).await;
                    run.note(notes::told(&format!("w{row}"), &kinds(&done)));
                    if !hidden {
                        done?;
                    }
                }
                Step::Bad { by, hidden } => {
                    let done = run.send(&tx, *by, Sql::Bad).await;
                    run.note(notes::told("bad", &kinds(&done)));
                    if !hidden {
                        done?;
                    }
                }
                Step::Read { ambient } => {
                    let on = if *ambient {
                        On::Ambient(&run.manager)
                    } else {
                        On::Handle(&tx)
                    };
                    let rows = D::read(on, run.program).await;
                    let rows: Result<BTreeSet<u32>, _> = rows.map_err(Failed::Transaction);
                    run.note(notes::told("read", &kinds(&rows)));
                    rows?;
                }
                Step::Mark { ambient: true } => match run.manager.current() {
                    Some(tx) => tx.mark_rollback_only()?,
                    None => run.note("nothing around"),
                },
                Step::Mark { ambient: false } => tx.mark_rollback_only()?,
                Step::Scope(within) => {
                    let own = Some(tx.clone());
                    let done = scope(Arc::clone(&run), own, Arc::clone(within)).await;
                    if !within.caught {
                        done?;
                    }
                }
                Step::Hook(hook) => {
                    let done = tx.register(Probe {
                        run: Arc::clone(&run),
                        hook: Arc::clone(hook),
                    });
                    let done = done.map_err(Failed::Transaction);
                    run.note(notes::told(
                        &format!("register {}", hook.number),
                        &kinds(&done),
                    ));
                }
                Step::Savepoint => {
                    let made = tx.savepoint().await.map_err(Failed::Transaction);
                    run.note(notes::told("savepoint", &kinds(&made)));
                    lock(&run.by_hand).extend(made.ok());
                }
                Step::BackTo(which) => {
                    let picked = pick(&lock(&run.by_hand), *which);
                    if let Some(number) = picked {
                        let done = tx.roll_back_to(number).await.map_err(Failed::Transaction);
                        run.note(notes::told(&format!("back to {number}"), &kinds(&done)));
                    }
                }
                Step::Release(which) => {
                    let picked = pick(&lock(&run.by_hand), *which);
                    if let Some(number) = picked {
                        let done = tx.release(number).await.map_err(Failed::Transaction);
                        run.note(notes::told(&format!("release {number}"), &kinds(&done)));
                    }
                }
            }
        }
        if around.fails {
            return Err(Failed::Body(around.number));
        }
        Ok(())
    })
}

/// A hook that notes everything that it is told.
struct Probe<D: Backend> {
    run: Arc<Run<D>>,
    hook: Arc<Hook>,
}

impl<D: Backend> Probe<D> {
    fn note(&self, what: &str) {
        self.run.note(notes::hook(self.hook.number, what));
    }

    fn act(&self, act: &Act) -> HookFuture<'static> {
        match act {
            Act::Nothing => Box::pin(async { Ok(()) }),
            Act::Fail => Box::pin(async { Err("as the program says".into()) }),
            Act::Mark => {
                let manager = self.run.manager.clone();
                Box::pin(async move {
                    if let Some(tx) = manager.current() {
                        tx.mark_rollback_only()?;
                    }
                    Ok(())
                })
            }
            Act::Scope(within) => {
                let caught = within.caught;
                let work = scope(Arc::clone(&self.run), None, Arc::clone(within));
                Box::pin(async move {
                    match work.await {
                        Err(failed) if !caught => Err(failed.into()),
                        _ => Ok(()),
                    }
                })
            }
        }
    }
}

impl<D: Backend> Hooked for Probe<D> {
    fn order(&self) -> Option<i32> {
        self.hook.order
    }

    fn suspend(&self) {
        self.note("suspend");
    }

    fn resume(&self) {
        self.note("resume");
    }

    fn savepoint(&self, number: u32) {
        self.note(&format!("savepoint {number}"));
    }

    fn savepoint_rolled_back(&self, number: u32) {
        self.note(&format!("back to {number}"));
    }

    fn before_commit(&self, read_only: bool) -> HookFuture<'_> {
        self.note(&format!("before commit, read-only {read_only}"));
        self.act(&self.hook.before_commit)
    }

    fn before_completion(&self) -> HookFuture<'_> {
        self.note("before completion");
        self.act(&Act::Nothing)
    }

    fn after_commit(&self) -> HookFuture<'_> {
        self.note("after commit");
        self.act(&self.hook.after_commit)
    }

    fn after_completion(&self, outcome: Outcome) -> HookFuture<'_> {
        self.note(&format!("after completion {outcome:?}"));
        self.act(&self.hook.after_completion)
    }
}
