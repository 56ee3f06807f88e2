//! How what is begun relates to what is around it: one word for local transactions and for sagas.

/// How a scope relates to the one that is around it.
///
/// The same seven for a local transaction within another and for a saga within another. For sagas:
/// to join is to be undone together, a transaction of its own is a saga of its own, and a savepoint is
/// a part that can be undone alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// Joins what is around it; where there is nothing, begins. What joins can only fail together with
    /// the whole: its failure fails the whole, also where it is handled.
    #[default]
    Required,
    /// Joins what is around it; where there is nothing, runs without. For a saga: each step is called
    /// once, and nothing is recorded or compensated.
    Supports,
    /// Joins what is around it; where there is nothing it is an error.
    Mandatory,
    /// Begins one of its own, whatever is around it, and is independent of that: what it did stays
    /// done when what is around it goes back.
    RequiresNew,
    /// Runs without, whatever is around it. For a saga: each step is called once, and nothing of it is
    /// compensated; the saga around it records it as one step, and puts an unknown outcome before a
    /// person.
    NotSupported,
    /// Runs without; where there is something around it, it is an error.
    Never,
    /// A part of what is around it that can be undone alone: a savepoint, or for a saga steps that are
    /// undone before the saga goes on. When what is around it goes back it goes back too. Where there
    /// is nothing, begins.
    Nested,
}

impl Propagation {
    /// Every way.
    pub const ALL: [Self; 7] = [
        Self::Required,
        Self::Supports,
        Self::Mandatory,
        Self::RequiresNew,
        Self::NotSupported,
        Self::Never,
        Self::Nested,
    ];
}
