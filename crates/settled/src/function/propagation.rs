//! What a call within a saga has to do with the saga around it: the seven ways that local
//! transactions know, said of sagas.

/// How a saga that is called relates to the one that it is called from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// Joins the saga around it; outside of one, begins one. What joins can only fail together with
    /// the whole: its failure fails the saga, also where it is handled.
    #[default]
    Required,
    /// Joins the saga around it; outside of one, runs without: each step is called once, and nothing
    /// is recorded or compensated.
    Supports,
    /// Joins the saga around it; outside of one it is an error.
    Mandatory,
    /// Begins a saga of its own, whatever is around it, and is independent of that: what it did stays
    /// done when the saga around it goes back.
    RequiresNew,
    /// Runs without a saga, whatever is around it: each step is called once, and nothing of it is
    /// compensated. The saga around it records it as one step, and puts an unknown outcome before a
    /// person.
    NotSupported,
    /// Runs without a saga; within one it is an error.
    Never,
    /// A part of the saga around it that can be undone alone: when it fails its steps are undone
    /// before the saga goes on, and when the saga goes back they go back with it. Outside of one,
    /// begins one.
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
