//! What is said when a submission or a request cannot be used.
//!
//! These texts go to people: each names the field and what was expected of it. They never carry the
//! whole document, only the small piece that is wrong.

use thiserror::Error;

/// A document that is refused at submission.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{}{message}", .field, if .field.is_empty() { "" } else { ": " })]
pub struct Invalid {
    /// Where, as a path into the document: `steps[1].retry.factor`; empty for the document as a
    /// whole.
    pub field: String,
    /// What was expected there, and what was found.
    pub message: String,
}

impl Invalid {
    /// A refusal of the field at `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// A request that cannot be made from its template and the values of its saga.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct Unmakeable {
    /// Which template, as a path into the definition: `steps[1].action.body.items[0]`.
    pub field: String,
    /// Why it fails on these values.
    pub message: String,
}

impl Unmakeable {
    /// A failure of the template at `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}
