//! The whole conformance table, on every database of this machine.
#![allow(clippy::unwrap_used, reason = "a test")]

use settled_test_servers::skip;
use settled_transaction_tests::run::{Verdict, everywhere};
use settled_transaction_tests::{document, table};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_on_every_database() {
    let table = table::read().unwrap();
    let reports = everywhere(&table, &[]).await;
    let rows: Vec<_> = table.iter().flat_map(|section| &section.rows).collect();
    let mut wrong = Vec::new();
    let mut missing = Vec::new();
    for report in &reports {
        let (passed, failed, skipped) = report.counts();
        println!(
            "{}: {passed} passed, {failed} failed, {skipped} skipped",
            report.database
        );
        if passed + failed == 0 {
            missing.push(report.database);
        }
        for (row, verdict) in rows.iter().zip(&report.verdicts) {
            if let Verdict::Failed(why) = verdict {
                wrong.push(format!("{} {}: {why}", report.database, row.case));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if !missing.is_empty() {
        let reason = format!("run on all but {}", missing.join(", "));
        skip("every_row_on_every_database", &reason);
    }
}

#[test]
fn every_row_can_be_read_and_stands_once() {
    let table = table::read().unwrap();
    let mut seen = std::collections::HashSet::new();
    for row in table.iter().flat_map(|section| &section.rows) {
        assert!(seen.insert(&row.case), "{} stands twice", row.case);
        let case = &row.case;
        assert_eq!(row.not_here.is_some(), row.program.is_empty(), "{case}");
        row.block()
            .unwrap_or_else(|wrong| panic!("{case}: {wrong}"));
        row.settings
            .settings()
            .unwrap_or_else(|wrong| panic!("{case}: {wrong}"));
        row.settings
            .faults()
            .unwrap_or_else(|wrong| panic!("{case}: {wrong}"));
        for (database, expect) in row.differs() {
            let said = expect.skip.is_some() || expect.why.is_some();
            assert!(said, "{case}: no reason why {database} differs");
        }
    }
}

#[test]
fn the_document_shows_the_table() {
    let table = table::read().unwrap();
    let text = document::read().unwrap();
    for line in document::fixed(&table) {
        assert!(
            text.contains(&line),
            "docs/propagation-table.md lacks the line below: run `cargo xtask conformance --write`\n{line}"
        );
    }
}
