//! What a scope asks for, and what a whole manager is set to.

use std::borrow::Cow;
use std::time::Duration;

use crate::propagation::Propagation;

/// How much of other transactions one sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// What others have not committed too. PostgreSQL takes it for [`Isolation::ReadCommitted`].
    ReadUncommitted,
    /// What others had committed before the statement.
    ReadCommitted,
    /// What others had committed before the first statement.
    RepeatableRead,
    /// As if the transactions had run one after the other.
    Serializable,
}

impl Isolation {
    /// The words of SQL.
    pub const fn as_sql(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "READ UNCOMMITTED",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

/// What a scope asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// How it relates to what is around it.
    pub propagation: Propagation,
    /// The isolation; none leaves the database's own.
    pub isolation: Option<Isolation>,
    /// Whether writing is refused by the database.
    pub read_only: bool,
    /// How long the transaction may take, from its beginning up to its commit; none for the manager's
    /// [`Settings::default_timeout`].
    pub timeout: Option<Duration>,
    /// What it is called in errors and events.
    pub name: Option<Cow<'static, str>>,
    /// SQLite only: take no lock at the beginning, but the write lock at the first write. Reading first
    /// and writing then may find the lock taken, or what was read changed, and fail at once.
    pub deferred: bool,
}

/// When a scope has hooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookScopes {
    /// Always: without a transaction they run at the scope's end.
    #[default]
    Always,
    /// Only within a transaction.
    InTransactions,
    /// Never: to register one is an error.
    Never,
}

/// What a manager is set to. The defaults are the strict ones.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches, each of which stands alone"
)]
pub struct Settings {
    /// When a scope has hooks.
    pub hooks: HookScopes,
    /// Whether [`Propagation::Nested`] may make savepoints.
    pub nested: bool,
    /// Whether a transaction can be set aside for another ([`Propagation::RequiresNew`],
    /// [`Propagation::NotSupported`]).
    pub suspension: bool,
    /// Whether what joins must fit the isolation and read-only of what it joins.
    pub validate_existing: bool,
    /// Whether the failure of what joined dooms the whole. A mark always does.
    pub doom_on_participation_failure: bool,
    /// Whether a doomed transaction is told of at the first boundary that notices, rather than by the
    /// scope that began it.
    pub fail_early: bool,
    /// Whether a failed commit is followed by a rollback.
    pub roll_back_on_commit_failure: bool,
    /// Whether a commit after the time limit is refused, and not only a statement.
    pub timeout_at_commit: bool,
    /// Whether hooks go with the savepoint that they were registered under.
    pub drop_hooks_with_savepoint: bool,
    /// The time limit of scopes that name none.
    pub default_timeout: Option<Duration>,
    /// How many connections are kept for scopes that have set another aside, and would else wait for
    /// each other for ever. With none, such a scope takes a connection that is free or fails at once.
    pub reserve: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hooks: HookScopes::Always,
            nested: true,
            suspension: true,
            validate_existing: true,
            doom_on_participation_failure: true,
            fail_early: false,
            roll_back_on_commit_failure: false,
            timeout_at_commit: true,
            drop_hooks_with_savepoint: true,
            default_timeout: None,
            reserve: 0,
        }
    }
}
