//! Incidents that are alike: what a person would settle in one go.

use std::collections::HashMap;

use settled_protocol::Timestamp;

use super::row::{IncidentColumns, IncidentRow};

/// Open incidents that are alike: what a person would settle in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentGroup {
    /// Whose request it was.
    pub participant: Option<String>,
    /// The kind of saga.
    pub name: String,
    /// The step's name.
    pub step: String,
    /// `action` or `compensation`.
    pub direction: String,
    /// Why a person is needed.
    pub kind: String,
    /// What went wrong, without what differs from saga to saga: see [`fault`].
    pub fault: String,
    /// How many there are.
    pub count: u64,
    /// When the first of them was opened.
    pub oldest_at: Timestamp,
    /// When the last of them was opened.
    pub newest_at: Timestamp,
    /// The id of the last of them.
    pub example: String,
}

/// The longest word with digits in it that is kept as it is: an HTTP status tells something.
const KEPT_DIGITS: usize = 3;

/// What an error says, without what differs from one saga to the next: each longer word with a digit
/// in it becomes `#`.
#[must_use]
pub fn fault(error: &str) -> String {
    let in_word = |sign: char| sign.is_ascii_alphanumeric() || "_-".contains(sign);
    let mut text = String::with_capacity(error.len());
    let mut rest = error;
    while !rest.is_empty() {
        let word = rest.find(|sign| !in_word(sign)).unwrap_or(rest.len());
        let (found, after) = rest.split_at(word);
        if found.len() > KEPT_DIGITS && found.bytes().any(|byte| byte.is_ascii_digit()) {
            text.push('#');
        } else {
            text.push_str(found);
        }
        let between = after.find(in_word).unwrap_or(after.len());
        let (found, after) = after.split_at(between);
        text.push_str(found);
        rest = after;
    }
    text
}

/// Puts incidents together that are alike.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    places: HashMap<[String; 6], usize>,
    groups: Vec<IncidentGroup>,
}

impl Groups {
    /// Takes an incident in; those that were opened last come first.
    pub(crate) fn add(
        &mut self,
        id: &str,
        direction: &str,
        opened_at: Timestamp,
        of: IncidentColumns<'_>,
    ) {
        let text = |column: Option<&str>| column.unwrap_or_default().to_owned();
        let fault = fault(of.error.unwrap_or_default());
        let key = [
            text(of.participant),
            text(of.name),
            text(of.step),
            direction.to_owned(),
            text(of.kind),
            fault,
        ];
        if let Some(group) = self
            .places
            .get(&key)
            .and_then(|at| self.groups.get_mut(*at))
        {
            group.count += 1;
            group.oldest_at = group.oldest_at.min(opened_at);
            group.newest_at = group.newest_at.max(opened_at);
            return;
        }
        self.places.insert(key.clone(), self.groups.len());
        let [_, name, step, direction, kind, fault] = key;
        self.groups.push(IncidentGroup {
            participant: of.participant.map(str::to_owned),
            name,
            step,
            direction,
            kind,
            fault,
            count: 1,
            oldest_at: opened_at,
            newest_at: opened_at,
            example: id.to_owned(),
        });
    }

    /// The groups, the largest first; of those alike the one that has waited longest.
    pub(crate) fn finish(self) -> Vec<IncidentGroup> {
        let mut groups = self.groups;
        groups.sort_by(|a, b| {
            (b.count, a.oldest_at, &a.example).cmp(&(a.count, b.oldest_at, &b.example))
        });
        groups
    }
}

/// Incidents put together that are alike, as [`crate::Reader::incident_groups`] does it; those that
/// were opened last come first.
pub fn alike<'a>(rows: impl IntoIterator<Item = &'a IncidentRow>) -> Vec<IncidentGroup> {
    let mut groups = Groups::default();
    for row in rows {
        groups.add(&row.id, &row.direction, row.opened_at, row.columns());
    }
    groups.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_an_error_without_what_differs() {
        for (error, expected) in [
            ("HTTP 503 from order-1001", "HTTP 503 from #"),
            ("no route to 10.0.0.1:8080", "no route to 10.0.0.1:#"),
            ("the key 0193-aaf2 is gone", "the key # is gone"),
            ("nothing special", "nothing special"),
            ("日本 1234", "日本 #"),
            ("", ""),
        ] {
            assert_eq!(fault(error), expected);
            assert_eq!(fault(&fault(error)), expected, "once is enough");
        }
    }
}
