//! What a program is seen to do, noted in the same words by the crate's run and by the model's.

use settled_transaction::{HookPhase, Outcome};

/// What happened, in its order.
pub(crate) type Notes = Vec<String>;

/// What a caller gets instead of a value, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The body of this scope failed.
    Body(u32),
    NoTransaction,
    InTransaction,
    NestedNotSupported,
    SuspensionNotSupported,
    IncompatibleIsolation,
    NestedIsolation,
    IncompatibleReadOnly,
    Doomed,
    CannotBegin,
    SingleWriter,
    NoHooks,
    UnexpectedRollback,
    Hook(HookPhase, Outcome),
    NoSavepoint,
    /// The database refused a statement.
    Database,
    /// What no program here should ever be told.
    Other(String),
}

/// What a handle says of its scope.
#[derive(Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each of them is a thing of its own"
)]
pub(crate) struct Flags {
    pub(crate) active: bool,
    pub(crate) new: bool,
    pub(crate) nested: bool,
    pub(crate) read_only: bool,
}

pub(crate) fn entered(scope: u32, flags: Flags, set_aside: u32) -> String {
    let mut note = format!("{scope} entered");
    for (is_said, text) in [
        (flags.active, " active"),
        (flags.new, " new"),
        (flags.nested, " nested"),
        (flags.read_only, " read-only"),
    ] {
        if is_said {
            note += text;
        }
    }
    note + &format!(", {set_aside} set aside")
}

pub(crate) fn body_ends(scope: u32, rollback_only: bool) -> String {
    let is = if rollback_only { " rollback-only" } else { "" };
    format!("{scope} body ends{is}")
}

pub(crate) fn told<T: std::fmt::Debug>(what: &str, told: &Result<T, Kind>) -> String {
    match told {
        Ok(value) => format!("{what}: {value:?}"),
        Err(kind) => format!("{what}: {kind:?}"),
    }
}

pub(crate) fn hook(number: u32, told: &str) -> String {
    format!("hook {number}: {told}")
}
