//! `settled audit`: who asked for which change, and whether the record of it is whole.

use clap::Args;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use settled::journal::{AuditEntry, audit_hash};
use settled::protocol::Timestamp;

use super::{Common, query};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{self, Format, Table, Tint};
use crate::values;

/// The most that a page holds.
const PAGE: usize = 500;

/// Lists who asked for which change, newest first; needs a token of the role admin.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    common: Common,
    /// By the bearer of the token with this name
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// What was asked for, such as incident.resolve, or what that begins with, such as incident
    #[arg(long, value_name = "WORD")]
    action: Option<String>,
    /// What it was about: an id or a name
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// At or after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value = "50", value_parser = values::at_least_one)]
    limit: usize,
    /// Read the whole log instead, and find out whether each entry's hash follows from it and the
    /// one before
    #[arg(long, conflicts_with_all = ["who", "action", "target", "since", "until", "limit"])]
    verify: bool,
}

/// An entry, as far as it is shown or hashed.
#[derive(Deserialize)]
struct Entry {
    no: i64,
    id: String,
    at: String,
    who: String,
    roles: String,
    action: String,
    target: Option<String>,
    status: u16,
    remote: Option<String>,
    detail: Option<String>,
    hash: String,
}

#[derive(Deserialize)]
struct Page {
    entries: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

pub(super) async fn run(args: AuditArgs) -> Result<Exit, CliError> {
    let most = if args.verify { usize::MAX } else { args.limit };
    let (entries, cursor) = pages(&args, most).await?;
    if args.verify {
        return verify(&args.common, &entries);
    }
    match args.common.format {
        Format::Json => {
            let items: Vec<&str> = entries.iter().map(|raw| raw.get()).collect();
            let items = items.join(",");
            let cursor = json!(cursor);
            output::print_json(&format!(
                r#"{{"entries":[{items}],"next_cursor":{cursor}}}"#
            ))?;
        }
        Format::Text => {
            output::print(&table(&read(&entries)))?;
            if cursor.is_some() {
                output::say("there are more; ask for more with --limit N");
            }
        }
    }
    Ok(Exit::Success)
}

async fn pages(
    args: &AuditArgs,
    most: usize,
) -> Result<(Vec<Box<RawValue>>, Option<String>), CliError> {
    let server = args.common.server()?;
    let (mut entries, mut cursor): (Vec<Box<RawValue>>, Option<String>) = (Vec::new(), None);
    loop {
        let page = query([
            ("who", args.who.clone()),
            ("action", args.action.clone()),
            ("target", args.target.clone()),
            ("since", args.since.clone()),
            ("until", args.until.clone()),
            ("limit", Some((most - entries.len()).min(PAGE).to_string())),
            ("cursor", cursor.take()),
        ]);
        let reply = server.get(&format!("/v1/audit?{page}")).await?;
        let page: Page = server.read(&reply)?;
        entries.extend(page.entries);
        cursor = page.next_cursor;
        if cursor.is_none() || entries.len() >= most {
            return Ok((entries, cursor));
        }
    }
}

fn read(entries: &[Box<RawValue>]) -> Vec<Entry> {
    let entries = entries.iter();
    entries
        .filter_map(|raw| serde_json::from_str(raw.get()).ok())
        .collect()
}

fn table(entries: &[Entry]) -> String {
    let mut table = Table::new(&[
        "at", "who", "roles", "action", "target", "status", "from", "detail",
    ]);
    for entry in entries {
        let tint = if entry.status < 400 {
            Tint::Plain
        } else {
            Tint::Bad
        };
        table.row([
            (Tint::Dim, output::to_the_second(&entry.at)),
            (Tint::Plain, &*entry.who),
            (Tint::Dim, &*entry.roles),
            (Tint::Plain, &*entry.action),
            (Tint::Plain, entry.target.as_deref().unwrap_or_default()),
            (tint, &entry.status.to_string()),
            (Tint::Dim, entry.remote.as_deref().unwrap_or_default()),
            (Tint::Plain, entry.detail.as_deref().unwrap_or_default()),
        ]);
    }
    table.render("")
}

/// Follows the hashes from the oldest entry to the newest.
fn verify(common: &Common, raw: &[Box<RawValue>]) -> Result<Exit, CliError> {
    let mut entries = read(raw);
    entries.reverse();
    let broken = first_broken(&entries);
    let (count, is_whole) = (
        entries.len(),
        broken.is_none() && entries.len() == raw.len(),
    );
    let last = entries.last().map(|last| last.hash.clone());
    match common.format {
        Format::Json => {
            let told = json!({"entries": count, "whole": is_whole, "broken_at": broken, "last_hash": last});
            output::print_json(&told.to_string())?;
        }
        Format::Text => output::print(&match broken {
            Some(no) => format!(
                "broken: entry {no} does not follow from the one before; it, or that one, is not what \
                 was written\n"
            ),
            None => format!(
                "whole: {count} entries, each follows from the one before; the last hash is {}\n\
                 Write it down elsewhere: with it nobody can shorten the log unseen.\n",
                last.as_deref().unwrap_or("(none)")
            ),
        })?,
    }
    Ok(if is_whole {
        Exit::Success
    } else {
        Exit::Failure
    })
}

/// The number of the first entry whose hash is not what it should be.
fn first_broken(entries: &[Entry]) -> Option<i64> {
    let mut before = "";
    for entry in entries {
        if hash(before, entry).as_deref() != Some(&*entry.hash) {
            return Some(entry.no);
        }
        before = &entry.hash;
    }
    None
}

fn hash(before: &str, entry: &Entry) -> Option<String> {
    let at: jiff::Timestamp = entry.at.parse().ok()?;
    let entry = AuditEntry {
        id: entry.id.clone(),
        at: Timestamp(at.as_microsecond()),
        who: entry.who.clone(),
        roles: entry.roles.clone(),
        action: entry.action.clone(),
        target: entry.target.clone(),
        status: entry.status,
        remote: entry.remote.clone(),
        detail: entry.detail.clone(),
    };
    Some(audit_hash(before, &entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for no in 1..=3 {
            let mut entry = Entry {
                no,
                id: no.to_string(),
                at: "2026-11-21T08:00:00.000001Z".to_owned(),
                who: "ann".to_owned(),
                roles: "operate".to_owned(),
                action: "saga.cancel".to_owned(),
                target: Some("order-1".to_owned()),
                status: 202,
                remote: None,
                detail: None,
                hash: String::new(),
            };
            let before = entries.last().map_or("", |last| &last.hash);
            entry.hash = hash(before, &entry).unwrap();
            entries.push(entry);
        }
        entries
    }

    #[test]
    fn what_was_changed_or_taken_out_shows() {
        assert_eq!(first_broken(&chain()), None);
        let mut changed = chain();
        changed[1].who = "bob".to_owned();
        assert_eq!(first_broken(&changed), Some(2));
        let mut shorter = chain();
        shorter.remove(1);
        assert_eq!(first_broken(&shorter), Some(3));
        let mut nonsense = chain();
        nonsense[0].at = "yesterday".to_owned();
        assert_eq!(first_broken(&nonsense), Some(1));
    }
}
