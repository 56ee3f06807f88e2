//! What makes two submissions the same one (R8).

use settled_protocol::Json;
use sha2::{Digest, Sha256};

use crate::definition::Submission;

/// SHA-256 over everything that a submission means: its name, deadline, steps and input. How it was
/// written down (white space, the order of keys) makes no difference.
pub(crate) fn fingerprint(submission: &Submission) -> [u8; 32] {
    let deadline = submission.deadline.map_or(-1, |deadline| deadline.0);
    let mut hash = Sha256::new();
    hash.update(submission.name.as_bytes());
    hash.update([0]);
    hash.update(deadline.to_le_bytes());
    hash.update(submission.definition.digest());
    hash.update(canonical(&submission.input).as_bytes());
    hash.finalize().into()
}

/// The same text for the same value.
fn canonical(json: &Json) -> String {
    json.to_value().to_string()
}
