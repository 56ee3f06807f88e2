//! The audit log as it is shown.

use serde::Serialize;
use settled::journal::AuditRow;
use utoipa::ToSchema;

use super::Time;

/// Somebody asked for a change.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct AuditEntryView<'a> {
    /// 1, 2, 3, … in the order in which they were written.
    no: i64,
    /// Unlike every other.
    id: &'a str,
    /// When it was answered.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Whose token it was.
    who: &'a str,
    /// What the token allows, with commas between; empty where no token was needed.
    roles: &'a str,
    /// What was asked for.
    #[schema(example = "incident.resolve")]
    action: &'a str,
    /// What it was about.
    #[schema(required)]
    target: Option<&'a str>,
    /// The HTTP status of the answer.
    status: u16,
    /// From which address.
    #[schema(required)]
    remote: Option<&'a str>,
    /// What was asked for in particular.
    #[schema(required)]
    detail: Option<&'a str>,
    /// SHA-256 over this entry and the hash of the one before it.
    hash: &'a str,
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = Audit)]
pub(crate) struct AuditView<'a> {
    /// Newest first.
    entries: Vec<AuditEntryView<'a>>,
    /// Where to go on; null at the end.
    #[schema(required)]
    next_cursor: Option<&'a str>,
}

impl<'a> AuditView<'a> {
    pub(crate) fn new(rows: &'a [AuditRow], next_cursor: Option<&'a str>) -> Self {
        let entries = rows.iter().map(AuditEntryView::new).collect();
        Self {
            entries,
            next_cursor,
        }
    }
}

impl<'a> AuditEntryView<'a> {
    fn new(row: &'a AuditRow) -> Self {
        let entry = &row.entry;
        Self {
            no: row.no,
            id: &entry.id,
            at: Time(entry.at),
            who: &entry.who,
            roles: &entry.roles,
            action: &entry.action,
            target: entry.target.as_deref(),
            status: entry.status,
            remote: entry.remote.as_deref(),
            detail: entry.detail.as_deref(),
            hash: &row.hash,
        }
    }
}
