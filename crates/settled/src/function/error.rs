//! How steps and functions fail.

use std::error::Error;
use std::fmt;

use settled_protocol::StepEnd;

/// Why a step did not take effect. Give it back with `?` and the saga goes back with this step's
/// failure as its reason; or handle it and go on another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepError {
    step: String,
    kind: StepErrorKind,
    message: String,
}

/// In which way a step did not take effect. All of them are certain: an outcome that nobody knows
/// never comes back as an error, it is settled first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepErrorKind {
    /// A definite business no.
    Refused,
    /// It never got through, as often as its policy allows.
    NotSent,
    /// It cannot be called, and trying again would be of no use.
    Broken,
    /// A person accepted it as it is.
    Abandoned,
}

impl StepError {
    pub(super) fn broken(step: &str, message: impl Into<String>) -> Self {
        Self {
            step: step.to_owned(),
            kind: StepErrorKind::Broken,
            message: message.into(),
        }
    }

    /// The error of a step that ended without effect.
    pub(super) fn of(step: &str, end: StepEnd) -> Self {
        let (kind, message) = match end {
            StepEnd::Refused(message) => (StepErrorKind::Refused, message),
            StepEnd::NotSent(message) => (StepErrorKind::NotSent, message),
            StepEnd::Broken(message) => (StepErrorKind::Broken, message),
            StepEnd::Abandoned => (
                StepErrorKind::Abandoned,
                "a person accepted it as it is".to_owned(),
            ),
            StepEnd::Done(_) | StepEnd::TakenBack => {
                (StepErrorKind::Broken, "it was done".to_owned())
            }
        };
        Self {
            step: step.to_owned(),
            kind,
            message,
        }
    }

    /// The step's name.
    pub fn step(&self) -> &str {
        &self.step
    }

    /// In which way it failed.
    pub fn kind(&self) -> StepErrorKind {
        self.kind
    }

    /// What its action said, without the step's name.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether it was a definite business no.
    pub fn is_refused(&self) -> bool {
        self.kind == StepErrorKind::Refused
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.kind {
            StepErrorKind::Refused => "refused",
            StepErrorKind::NotSent => "never got through",
            StepErrorKind::Broken => "cannot be called",
            StepErrorKind::Abandoned => "abandoned",
        };
        write!(f, "step `{}`: {way}: {}", self.step, self.message)
    }
}

impl Error for StepError {}

/// Why a saga's function gives up: the saga goes back. Any error becomes one by `?`; where a
/// [`StepError`] is at its root, that step's failure is the saga's reason.
///
/// Like other types that any error can be turned into, it is itself no [`Error`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    step: Option<String>,
}

impl Failure {
    /// A failure in words.
    pub fn new(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            step: None,
        }
    }

    /// In words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The step whose failure it is, where it is one's.
    pub fn step(&self) -> Option<&str> {
        self.step.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut step = None;
        let mut next: Option<&(dyn Error + 'static)> = Some(&error);
        let mut is_root = true;
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<StepError>() {
                step = Some(error.step.clone());
            }
            if !is_root {
                let cause = error.to_string();
                // Many errors say their cause themselves.
                if !message.contains(&cause) {
                    message.push_str(": ");
                    message.push_str(&cause);
                }
            }
            is_root = false;
            next = error.source();
        }
        Self { message, step }
    }
}
