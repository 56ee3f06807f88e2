//! The audit log: who asked for which change. It shows, and changes nothing; only whoever may see all
//! may see it.

mod words;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use settled::journal::{AuditFilter, AuditRow, audit_hash};
use settled::protocol::Timestamp;

use self::words::Words;
use super::form::Form;
use super::link::Link;
use super::page::{Page, Place, render};
use super::visitor::Visitor;
use super::words::Common;
use super::{Console, problem, shape};

const PAGE: usize = 100;

/// How much of a hash is shown; the whole one is in its title.
const SHORT: usize = 10;

/// What was asked for in the address.
struct Asked<'a> {
    who: &'a str,
    action: &'a str,
    target: &'a str,
    since: &'a str,
    cursor: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn read(form: &'a Form) -> Self {
        let text = |name| form.text(name).unwrap_or_default().trim();
        Self {
            who: text("who"),
            action: text("action"),
            target: text("target"),
            since: text("since"),
            cursor: form.text("cursor"),
        }
    }

    /// None where the time is none.
    fn filter(&self) -> Option<AuditFilter> {
        let wanted = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let since = match self.since {
            "" => None,
            text => Some(moment(text)?),
        };
        Some(AuditFilter {
            who: wanted(self.who),
            action: wanted(self.action),
            target: wanted(self.target),
            since,
            until: None,
        })
    }

    fn is_narrow(&self) -> bool {
        [self.who, self.action, self.target, self.since]
            .iter()
            .any(|text| !text.is_empty())
    }

    /// The field for the time: a browser's own shows nothing but what it wrote itself.
    fn since_kind(&self) -> &'static str {
        let own = self.since.parse::<jiff::civil::DateTime>().is_ok();
        if self.since.is_empty() || (own && self.since.contains('T')) {
            "datetime-local"
        } else {
            "text"
        }
    }

    /// The address of the same list, from a cursor on.
    fn link(&self, cursor: &str) -> String {
        Link::to("audit")
            .field("who", self.who)
            .field("action", self.action)
            .field("target", self.target)
            .field("since", self.since)
            .field("cursor", cursor)
            .text()
    }
}

/// A moment as browsers write it, in UTC; or with its offset.
fn moment(text: &str) -> Option<Timestamp> {
    let written = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let in_utc = |text: &str| {
        let time: jiff::civil::DateTime = text.parse().ok()?;
        time.to_zoned(jiff::tz::TimeZone::UTC).ok()
    };
    let at = written(text).or_else(|| in_utc(text).map(|time| time.timestamp()))?;
    Some(Timestamp(at.as_microsecond()))
}

struct Row<'a> {
    of: &'a AuditRow,
    /// The page of what it was about.
    link: Option<String>,
    short: &'a str,
    well: bool,
}

#[derive(Template)]
#[template(path = "console/audit.html")]
struct AuditPage<'a> {
    page: Page<'a>,
    common: &'static Common,
    words: &'static Words,
    asked: &'a Asked<'a>,
    wrong: Option<&'static str>,
    rows: Vec<Row<'a>>,
    next: Option<String>,
    chain: Chain,
}

pub(super) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Response {
    let common = visitor.words();
    if !visitor.may_see_all() {
        return problem::of(&visitor, StatusCode::FORBIDDEN, common.may_not_see);
    }
    let words = Words::of(visitor.language);
    let form = Form::read(query.as_deref().unwrap_or_default());
    let asked = Asked::read(&form);
    let filter = asked.filter();
    let wrong = filter.is_none().then_some(words.since_wrong);
    let (items, next_cursor) = match filter {
        None => (Vec::new(), None),
        Some(filter) => {
            let cursor = asked.cursor.map(str::to_owned);
            match console.coordinator().audit(filter, cursor, PAGE).await {
                Ok(found) => (found.items, found.next_cursor),
                Err(error) => return problem::unreadable(&visitor, error),
            }
        }
    };
    let page = Page::new(&console, &visitor, Place::Audit, common.audit).await;
    let shown = AuditPage {
        page: match asked.cursor {
            None => page.live(),
            Some(_) => page,
        },
        common,
        words,
        asked: &asked,
        wrong,
        chain: Chain::of(&items),
        rows: items.iter().map(row).collect(),
        next: next_cursor.map(|cursor| asked.link(&cursor)),
    };
    let status = wrong.map_or(StatusCode::OK, |_| StatusCode::BAD_REQUEST);
    render(status, &shown)
}

fn row(of: &AuditRow) -> Row<'_> {
    let entry = &of.entry;
    let link = entry.target.as_deref().and_then(|target| {
        let page = match entry.action.split('.').next()? {
            "saga" => "sagas",
            "incident" => "incidents",
            "schedule" => "schedules",
            _ => return None,
        };
        Some(Link::to(page).part(target).text())
    });
    Row {
        of,
        link,
        short: of.hash.get(..SHORT).unwrap_or(&of.hash),
        well: entry.status < 400,
    }
}

/// How entries follow from one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Chain {
    /// How many stand next to the one before them, so that it can be seen.
    seen: u64,
    /// How many of those follow from it.
    whole: u64,
}

impl Chain {
    /// Of entries, newest first.
    fn of(rows: &[AuditRow]) -> Self {
        let mut chain = Self::default();
        for pair in rows.windows(2) {
            if let [row, before] = pair
                && row.no == before.no + 1
            {
                chain.seen += 1;
                chain.whole += u64::from(audit_hash(&before.hash, &row.entry) == row.hash);
            }
        }
        chain
    }
}

#[cfg(test)]
mod tests {
    use settled::journal::AuditEntry;

    use super::*;

    #[test]
    fn a_time_is_read_as_browsers_write_it() {
        let expected = Some(Timestamp(1_767_225_600_000_000));
        for text in [
            "2026-01-01T00:00",
            "2026-01-01T00:00:00Z",
            "2026-01-01T08:00:00+08:00",
            "2026-01-01",
        ] {
            assert_eq!(moment(text), expected, "{text}");
        }
        for text in ["yesterday", "2026-13-01T00:00", "9999999-01-01"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn an_entry_that_was_changed_does_not_follow() {
        let mut before = String::new();
        let mut rows = Vec::new();
        for no in 1..=4 {
            let entry = AuditEntry {
                id: no.to_string(),
                at: Timestamp(no),
                who: "boss".to_owned(),
                roles: "admin".to_owned(),
                action: "saga.cancel".to_owned(),
                target: None,
                status: 200,
                remote: None,
                detail: None,
            };
            before = audit_hash(&before, &entry);
            rows.insert(
                0,
                AuditRow {
                    no,
                    entry,
                    hash: before.clone(),
                },
            );
        }
        assert_eq!(Chain::of(&rows), Chain { seen: 3, whole: 3 });
        rows[1].entry.who = "nobody".to_owned();
        assert_eq!(Chain::of(&rows), Chain { seen: 3, whole: 2 });
        rows.remove(1);
        assert_eq!(Chain::of(&rows), Chain { seen: 1, whole: 1 });
        assert_eq!(Chain::of(&[]), Chain::default());
    }
}
