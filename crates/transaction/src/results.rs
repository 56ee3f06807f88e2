//! Rollback rules: which results of a body commit, and which roll back.
//!
//! Without a rule, `Ok` commits and `Err` rolls back. There is no inheritance between types to go by:
//! the first rule that says something counts, in the order in which they were given.

/// The two types of a result, for the attribute, which knows the whole type only.
#[doc(hidden)]
pub trait Returned {
    /// The value's.
    type Value;
    /// The error's.
    type Error;
}

impl<T, E> Returned for Result<T, E> {
    type Value = T;
    type Error = E;
}

/// What a rule says of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Commit.
    Commit,
    /// Roll back.
    RollBack,
}

/// Rules of one scope.
pub trait Rules<T, E> {
    /// What they say, none where they say nothing.
    fn judge(&self, result: &Result<T, E>) -> Option<Verdict>;
}

/// No rules.
impl<T, E> Rules<T, E> for () {
    fn judge(&self, _result: &Result<T, E>) -> Option<Verdict> {
        None
    }
}

/// First one, then the other.
#[derive(Clone, Debug)]
pub struct Then<A, B>(pub(crate) A, pub(crate) B);

impl<T, E, A: Rules<T, E>, B: Rules<T, E>> Rules<T, E> for Then<A, B> {
    fn judge(&self, result: &Result<T, E>) -> Option<Verdict> {
        self.0.judge(result).or_else(|| self.1.judge(result))
    }
}

/// Errors of which something holds.
#[derive(Clone, Debug)]
pub struct OnError<F>(pub(crate) F, pub(crate) Verdict);

impl<T, E, F: Fn(&E) -> bool> Rules<T, E> for OnError<F> {
    fn judge(&self, result: &Result<T, E>) -> Option<Verdict> {
        let error = result.as_ref().err()?;
        (self.0)(error).then_some(self.1)
    }
}

/// Values of which something holds.
#[derive(Clone, Debug)]
pub struct OnValue<F>(pub(crate) F);

impl<T, E, F: Fn(&T) -> bool> Rules<T, E> for OnValue<F> {
    fn judge(&self, result: &Result<T, E>) -> Option<Verdict> {
        let value = result.as_ref().ok()?;
        (self.0)(value).then_some(Verdict::RollBack)
    }
}

pub(crate) fn commits<T, E>(rules: &impl Rules<T, E>, result: &Result<T, E>) -> bool {
    match rules.judge(result) {
        Some(verdict) => verdict == Verdict::Commit,
        None => result.is_ok(),
    }
}
