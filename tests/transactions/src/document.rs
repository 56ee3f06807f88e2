//! The table as a document for people: `docs/propagation-table.md`.
//!
//! What each row is and expects does not change from one machine to another, and is compared by a
//! test; what became of it is as of the last time that it was written.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::run::{Report, Verdict};
use crate::table::{Expect, Row, Section};

const TITLE: &str = "\
# The seven propagation behaviours, case by case

What `settled-transaction` does in each case, run on real databases: `cargo xtask conformance` runs the
table and prints it, `cargo xtask conformance --write` writes this file. The rows are
[`tests/transactions/table.yaml`](../tests/transactions/table.yaml).

## How to read it

`REQ` is REQUIRED, `SUP` SUPPORTS, `MAN` MANDATORY, `NEW` REQUIRES_NEW, `NOT` NOT_SUPPORTED, `NEV` NEVER and
`NES` NESTED. `w(a)` writes the row a, `r(a)` looks for it, `fail` ends the body with an error, `mark` marks
its scope for rollback, and `caught` swallows the result of what stands before it, which is told. `look` tells
what a scope says of itself. `hook(h)` registers a hook that tells everything that it hears, `listen(h, …)`
a closure for one phase. `join` and `tasks` run several things at one time, up to where they `meet`; `dropped`
runs something as far as its `stop` and drops it there. The other words are in
[`program.rs`](../tests/transactions/src/program.rs) and
[`interpret.rs`](../tests/transactions/src/interpret.rs).

Sent to the database: `B` begin, `C` commit, `R` rollback, `S1` savepoint, `T1` rollback to it, `L1` its
release, `X` a connection closed instead of given back. `2:` is the second connection that is held at that
moment, `o:` another pool's. `!` is an error; `C?` is a commit before which the database, when asked, said
that there is nothing to commit. `k` is how many connections are held at one time. Below a program stand its
settings, and what is made to fail: `commit 1 lost` is a first commit that is sent, and whose answer is lost.

What the caller gets is the name of the error: `Failed` is the body's own, `Database` what the database
answers to a statement, and everything else an error of the crate.

Every row is run twice: with scopes that find what is around them, and with scopes that are handed it and
left by hand. After every row no connection may be held or set aside, and no row may take four seconds:
nothing waits until a lock's or a pool's patience ends.
";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/propagation-table.md")
}

/// What is written, without what became of it: each line of it is in the document.
pub fn fixed(table: &[Section]) -> Vec<String> {
    let mut lines: Vec<String> = TITLE.lines().map(ToOwned::to_owned).collect();
    for section in table {
        lines.push(heading(section));
        lines.extend(section.rows.iter().filter(|row| is_here(row)).map(cells));
        lines.extend(section.rows.iter().flat_map(notes));
    }
    lines.extend(absent(table));
    lines
}

/// The document as it is.
///
/// # Errors
/// Where it cannot be read.
pub fn read() -> Result<String, String> {
    std::fs::read_to_string(path()).map_err(|error| format!("{}: {error}", path().display()))
}

/// Writes the document.
///
/// # Errors
/// Where it cannot be written.
pub fn write(table: &[Section], reports: &[Report]) -> Result<(), String> {
    std::fs::write(path(), text(table, reports))
        .map_err(|error| format!("{}: {error}", path().display()))
}

fn is_here(row: &Row) -> bool {
    row.not_here.is_none()
}

fn heading(section: &Section) -> String {
    format!("## {}. {}", section.section, section.title)
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{}`", escaped(text))
    }
}

fn expectation(expect: &Expect) -> String {
    if let Some(why) = &expect.skip {
        return format!("not run: {why}");
    }
    let mut shown = code(&expect.ret);
    for (what, text) in [
        ("rows", &expect.rows),
        ("sent", &expect.ops),
        ("told", &expect.told),
    ] {
        if text == "*" {
            let _ = write!(shown, "; {what} in any order");
        } else if !text.is_empty() {
            let _ = write!(shown, "; {what} {}", code(text));
        }
    }
    let _ = write!(shown, "; k={}", expect.k);
    shown
}

/// The cells of a row that are the same everywhere.
fn cells(row: &Row) -> String {
    let set = row.settings.shown();
    let set = if set.is_empty() {
        set
    } else {
        format!("<br>{}", escaped(&set))
    };
    let differs = if row.deviates.is_some() { "\\*" } else { "" };
    format!(
        "| {}{differs} | {} | {}{set} | {} |",
        row.case,
        escaped(&row.is),
        code(&row.program),
        expectation(&row.expect),
    )
}

/// What is to be said of a row below its table.
fn notes(row: &Row) -> Vec<String> {
    let mut notes = Vec::new();
    if row.not_here.is_some() {
        return notes;
    }
    if let Some(why) = &row.deviates {
        notes.push(format!("- {} differs from Spring: {why}", row.case));
    }
    for (database, expect) in row.differs() {
        let why = expect.why.clone().unwrap_or_default();
        notes.push(match &expect.skip {
            Some(skip) => format!("- {} is not run on {database}: {skip}", row.case),
            None => format!(
                "- {} on {database}: {}. {why}",
                row.case,
                expectation(expect)
            ),
        });
    }
    notes
}

fn absent(table: &[Section]) -> Vec<String> {
    let mut lines = vec!["## What is not here".to_owned()];
    for row in table.iter().flat_map(|section| &section.rows) {
        if let Some(why) = &row.not_here {
            lines.push(format!("- {} ({}): {why}", row.case, row.is));
        }
    }
    lines
}

fn text(table: &[Section], reports: &[Report]) -> String {
    let mut text = TITLE.to_owned();
    // Writing to a text cannot fail.
    let _ = write!(
        text,
        "\n## The counts\n\n| Database | Passed | Failed | Skipped |\n|---|---|---|---|\n"
    );
    for report in reports {
        let (passed, failed, skipped) = report.counts();
        let database = report.database;
        let _ = writeln!(text, "| {database} | {passed} | {failed} | {skipped} |");
    }
    let mut place = 0;
    for section in table {
        let names: Vec<_> = reports.iter().map(|report| report.database).collect();
        let _ = write!(
            text,
            "\n{}\n\n| Case | What | Program | Expected | {} |\n|---|---|---|---|{}\n",
            heading(section),
            names.join(" | "),
            "---|".repeat(names.len())
        );
        for row in &section.rows {
            if is_here(row) {
                let words = reports
                    .iter()
                    .map(|report| word(report.verdicts.get(place)));
                let words: Vec<_> = words.collect();
                let _ = writeln!(text, "{} {} |", cells(row), words.join(" | "));
            }
            place += 1;
        }
        let notes: Vec<_> = section.rows.iter().flat_map(notes).collect();
        if !notes.is_empty() {
            let _ = write!(text, "\n{}\n", notes.join("\n"));
        }
    }
    let absent = absent(table);
    let (heading, rest) = absent
        .split_first()
        .map_or(("", &absent[..]), |(first, rest)| (first, rest));
    let _ = write!(text, "\n{heading}\n\n{}\n", rest.join("\n"));
    text
}

fn word(verdict: Option<&Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Passed) => "passed",
        Some(Verdict::Failed(_)) => "FAILED",
        Some(Verdict::Skipped(_)) => "skipped",
        None => "",
    }
}
