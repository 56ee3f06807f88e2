//! Programs of nested scopes: what they may contain, and how they are written down when one fails.
//!
//! `REQ{ w1 NES{ w2 fail }caught }`: `~` hides a statement's error from its scope, `@` goes by what is
//! around instead of the handle, `&` by the driver's own connection.

use std::fmt;
use std::sync::Arc;

use settled_transaction::{HookScopes, Propagation, Settings};

/// A program: what the manager is set to, and the outermost scope.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) settings: Settings,
    pub(crate) scope: Arc<Scope>,
}

/// One scope.
#[derive(Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each of them is a thing of its own"
)]
pub(crate) struct Scope {
    /// What it is called in the notes.
    pub(crate) number: u32,
    pub(crate) how: Propagation,
    /// Begun with the handle of the scope around it, and not by what is around.
    pub(crate) by_handle: bool,
    pub(crate) read_only: bool,
    pub(crate) deferred: bool,
    /// It asks for an isolation by name.
    pub(crate) isolation: bool,
    pub(crate) steps: Vec<Step>,
    /// Its body ends with an error of its own.
    pub(crate) fails: bool,
    /// Whoever is around it hides its error.
    pub(crate) caught: bool,
}

/// How a statement reaches the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Handle,
    Ambient,
    Raw,
}

/// One thing that a body does.
#[derive(Clone)]
pub(crate) enum Step {
    /// Writes the row of this number.
    Write { row: u32, by: By, hidden: bool },
    /// A statement that the database refuses.
    Bad { by: By, hidden: bool },
    /// Reads the rows there are.
    Read { ambient: bool },
    /// Marks the scope for rollback.
    Mark { ambient: bool },
    /// A scope within.
    Scope(Arc<Scope>),
    /// Registers a hook.
    Hook(Arc<Hook>),
    /// Makes a savepoint by hand.
    Savepoint,
    /// Goes back to one of those made so far.
    BackTo(usize),
    /// Releases one of those made so far.
    Release(usize),
}

/// A hook, and what it does in each phase.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) number: u32,
    pub(crate) order: Option<i32>,
    pub(crate) before_commit: Act,
    pub(crate) after_commit: Act,
    pub(crate) after_completion: Act,
}

/// What a hook does in one phase.
#[derive(Clone)]
pub(crate) enum Act {
    Nothing,
    Fail,
    /// Marks the scope that is around, where there is one.
    Mark,
    Scope(Arc<Scope>),
}

/// Gives rows, scopes and hooks their numbers, in the order of the text.
pub(crate) fn number(scope: Scope, next: &mut u32) -> Scope {
    let mut take = || {
        *next += 1;
        *next
    };
    let number_ = take();
    let steps = scope.steps.into_iter().map(|step| match step {
        Step::Write { by, hidden, .. } => {
            *next += 1;
            Step::Write {
                row: *next,
                by,
                hidden,
            }
        }
        Step::Scope(within) => Step::Scope(Arc::new(number(Scope::clone(&within), next))),
        Step::Hook(hook) => {
            *next += 1;
            let number_ = *next;
            let mut act = |act: &Act| match act {
                Act::Scope(within) => Act::Scope(Arc::new(number(Scope::clone(within), next))),
                other => other.clone(),
            };
            Step::Hook(Arc::new(Hook {
                number: number_,
                order: hook.order,
                before_commit: act(&hook.before_commit),
                after_commit: act(&hook.after_commit),
                after_completion: act(&hook.after_completion),
            }))
        }
        step => step,
    });
    let steps = steps.collect();
    Scope {
        number: number_,
        steps,
        ..scope
    }
}

/// Takes the reads out of a program in which a scope takes its lock late: whether SQLite lets it write
/// after a read hangs on whether others have changed the file meanwhile.
pub(crate) fn without_reads(scope: &Scope) -> Scope {
    let within = |scope: &Arc<Scope>| Arc::new(without_reads(scope));
    let act = |act: &Act| match act {
        Act::Scope(scope) => Act::Scope(within(scope)),
        other => other.clone(),
    };
    let steps = scope.steps.iter().filter_map(|step| match step {
        Step::Read { .. } => None,
        Step::Scope(scope) => Some(Step::Scope(within(scope))),
        Step::Hook(hook) => Some(Step::Hook(Arc::new(Hook {
            before_commit: act(&hook.before_commit),
            after_commit: act(&hook.after_commit),
            after_completion: act(&hook.after_completion),
            ..Hook::clone(hook)
        }))),
        step => Some(step.clone()),
    });
    Scope {
        steps: steps.collect(),
        ..scope.clone()
    }
}

/// Whether a scope of the program takes its lock late.
pub(crate) fn is_deferred(scope: &Scope) -> bool {
    let act = |act: &Act| matches!(act, Act::Scope(scope) if is_deferred(scope));
    scope.deferred
        || scope.steps.iter().any(|step| match step {
            Step::Scope(scope) => is_deferred(scope),
            Step::Hook(hook) => [
                &hook.before_commit,
                &hook.after_commit,
                &hook.after_completion,
            ]
            .into_iter()
            .any(act),
            _ => false,
        })
}

pub(crate) fn short(how: Propagation) -> &'static str {
    match how {
        Propagation::Required => "REQ",
        Propagation::Supports => "SUP",
        Propagation::Mandatory => "MAN",
        Propagation::RequiresNew => "NEW",
        Propagation::NotSupported => "NOT",
        Propagation::Never => "NEV",
        Propagation::Nested => "NES",
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings {
            hooks,
            nested,
            suspension,
            validate_existing,
            doom_on_participation_failure,
            fail_early,
            drop_hooks_with_savepoint,
            ..
        } = self.settings;
        for (is_said, text) in [
            (!nested, "no-nested "),
            (!suspension, "no-suspension "),
            (!validate_existing, "no-validation "),
            (!doom_on_participation_failure, "no-doom "),
            (fail_early, "fail-early "),
            (!drop_hooks_with_savepoint, "keep-hooks "),
            (
                hooks == HookScopes::InTransactions,
                "hooks-in-transactions ",
            ),
            (hooks == HookScopes::Never, "no-hooks "),
        ] {
            if is_said {
                f.write_str(text)?;
            }
        }
        write!(f, "{:?}", self.scope)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(short(self.how))?;
        if !self.by_handle {
            f.write_str("@")?;
        }
        for (is_said, text) in [
            (self.read_only, "(ro)"),
            (self.deferred, "(deferred)"),
            (self.isolation, "(isolation)"),
        ] {
            if is_said {
                f.write_str(text)?;
            }
        }
        f.write_str("{ ")?;
        for step in &self.steps {
            write!(f, "{step:?} ")?;
        }
        f.write_str(if self.fails { "fail }" } else { "}" })?;
        f.write_str(if self.caught { "caught" } else { "" })
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = |by: By| match by {
            By::Handle => "",
            By::Ambient => "@",
            By::Raw => "&",
        };
        let hides = |hidden: bool| if hidden { "~" } else { "" };
        let around = |ambient: bool| if ambient { "@" } else { "" };
        match self {
            Self::Write {
                row,
                by: way,
                hidden,
            } => write!(f, "w{row}{}{}", by(*way), hides(*hidden)),
            Self::Bad { by: way, hidden } => write!(f, "bad{}{}", by(*way), hides(*hidden)),
            Self::Read { ambient } => write!(f, "read{}", around(*ambient)),
            Self::Mark { ambient } => write!(f, "mark{}", around(*ambient)),
            Self::Scope(scope) => write!(f, "{scope:?}"),
            Self::Hook(hook) => write!(f, "{hook:?}"),
            Self::Savepoint => f.write_str("savepoint"),
            Self::BackTo(which) => write!(f, "back-to({which})"),
            Self::Release(which) => write!(f, "release({which})"),
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hook{}(", self.number)?;
        if let Some(order) = self.order {
            write!(f, "order {order} ")?;
        }
        for (phase, act) in [
            ("before-commit", &self.before_commit),
            ("after-commit", &self.after_commit),
            ("after-completion", &self.after_completion),
        ] {
            if !matches!(act, Act::Nothing) {
                write!(f, "{phase}: {act:?} ")?;
            }
        }
        f.write_str(")")
    }
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Fail => f.write_str("fail"),
            Self::Mark => f.write_str("mark"),
            Self::Scope(scope) => write!(f, "{scope:?}"),
        }
    }
}
