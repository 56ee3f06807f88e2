//! The audit log: who asked for which change, when, and what became of it.
//!
//! Rows are only ever added. Each carries a hash over itself and the row before it, so that a row
//! that was changed or taken out of the middle shows. Who may ask for what is for others to know.

use std::fmt::Write;

use settled_protocol::Timestamp;
use sha2::{Digest, Sha256};

use crate::time_text::TimeText;

/// One call that changed something, or would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Unlike every other: an entry that is there already is not written again.
    pub id: String,
    /// When it was answered.
    pub at: Timestamp,
    /// Whose token it was, or who nobody knows.
    pub who: String,
    /// What the token allows, with commas between; empty where no token was needed.
    pub roles: String,
    /// What was asked for, such as `incident.resolve`.
    pub action: String,
    /// What it was about: the id of an incident or a saga, or a name.
    pub target: Option<String>,
    /// The HTTP status of the answer.
    pub status: u16,
    /// From which address.
    pub remote: Option<String>,
    /// What was asked for in particular, in a few words without payloads.
    pub detail: Option<String>,
}

/// An entry on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// 1, 2, 3, … in the order in which they were written.
    pub no: i64,
    /// What was asked for.
    pub entry: AuditEntry,
    /// The hash of this row, from its entry and the row before: see [`audit_hash`].
    pub hash: String,
}

/// Which entries to list; a field that is `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// By whom.
    pub who: Option<String>,
    /// What was asked for, or what that begins with, such as `incident`.
    pub action: Option<String>,
    /// What it was about.
    pub target: Option<String>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether an entry is one of those that are looked for.
    #[must_use]
    pub fn matches(&self, entry: &AuditEntry) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        is(&self.who, &entry.who)
            && is(&self.target, entry.target.as_deref().unwrap_or_default())
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
            && self.action.as_deref().is_none_or(|wanted| {
                let rest = entry.action.strip_prefix(wanted);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
    }
}

/// The hash of an entry's row: SHA-256, in hexadecimal digits, over the hash of the row before it
/// (empty for the first one) and over each field with its length before it.
#[must_use]
pub fn audit_hash(before: &str, entry: &AuditEntry) -> String {
    let at = TimeText::new(entry.at);
    let status = entry.status.to_string();
    let mut hasher = Sha256::new();
    for field in [
        Some(before),
        Some(&entry.id),
        Some(at.as_str()),
        Some(&entry.who),
        Some(&entry.roles),
        Some(&entry.action),
        entry.target.as_deref(),
        Some(&status),
        entry.remote.as_deref(),
        entry.detail.as_deref(),
    ] {
        match field {
            None => hasher.update(b"-"),
            Some(text) => {
                hasher.update(format!("{}:", text.len()).as_bytes());
                hasher.update(text.as_bytes());
            }
        }
    }
    let digest: [u8; 32] = hasher.finalize().into();
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> AuditEntry {
        AuditEntry {
            id: "1".to_owned(),
            at: Timestamp(1_000_000),
            who: "ann".to_owned(),
            roles: "operate".to_owned(),
            action: "incident.resolve".to_owned(),
            target: Some("order-1~1".to_owned()),
            status: 200,
            remote: None,
            detail: Some("retry".to_owned()),
        }
    }

    #[test]
    fn every_field_counts_in_the_hash() {
        let hash = audit_hash("", &entry());
        assert_eq!(hash.len(), 64);
        assert_eq!(hash, audit_hash("", &entry()));
        let changes: [fn(&mut AuditEntry); 9] = [
            |entry| entry.id.push('x'),
            |entry| entry.at = Timestamp(2_000_000),
            |entry| entry.who.push('x'),
            |entry| entry.roles.push('x'),
            |entry| entry.action.push('x'),
            |entry| entry.target = None,
            |entry| entry.status = 409,
            |entry| entry.remote = Some(String::new()),
            |entry| entry.detail = Some("retr".to_owned()),
        ];
        for change in changes {
            let mut other = entry();
            change(&mut other);
            assert_ne!(audit_hash("", &other), hash, "{other:?}");
        }
        assert_ne!(audit_hash(&hash, &entry()), hash);
    }

    #[test]
    fn an_action_is_found_by_its_whole_words() {
        let wanted = |action: &str| AuditFilter {
            action: Some(action.to_owned()),
            ..AuditFilter::default()
        };
        assert!(wanted("incident").matches(&entry()));
        assert!(wanted("incident.resolve").matches(&entry()));
        assert!(!wanted("inc").matches(&entry()));
        assert!(!wanted("incident.resolve.many").matches(&entry()));
    }
}
