//! Prints the conformance table of local transactions, as it comes out on each database of this
//! machine. `--write` writes it into `docs/propagation-table.md`; anything else names the cases to run.

use std::process::ExitCode;

use settled_transaction_tests::document;
use settled_transaction_tests::run::{Report, Verdict, everywhere};
use settled_transaction_tests::table::{self, Section};

#[tokio::main]
async fn main() -> ExitCode {
    let mut only: Vec<String> = std::env::args().skip(1).collect();
    let before = only.len();
    only.retain(|argument| argument != "--write");
    let write = only.len() < before;
    match conform(&only, write).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::FAILURE
        }
    }
}

async fn conform(only: &[String], write: bool) -> Result<bool, String> {
    let table = table::read()?;
    let reports = everywhere(&table, only).await;
    print(&table, &reports, only);
    let failed: usize = reports.iter().map(|report| report.counts().1).sum();
    if write {
        document::write(&table, &reports)?;
    }
    Ok(failed == 0)
}

fn print(table: &[Section], reports: &[Report], only: &[String]) {
    let rows = table.iter().flat_map(|section| &section.rows);
    for (place, row) in rows.enumerate() {
        if !only.is_empty() && !only.contains(&row.case) {
            continue;
        }
        print!("{:>5}", row.case);
        for report in reports {
            let word = match report.verdicts.get(place) {
                Some(Verdict::Passed) => "passed",
                Some(Verdict::Failed(_)) => "FAILED",
                Some(Verdict::Skipped(_)) => "skipped",
                None => "-",
            };
            print!("  {word:<7}");
        }
        println!("  {}  {}", row.is, row.program);
        let mut said: Vec<(&str, Vec<&str>)> = Vec::new();
        for report in reports {
            let Some(Verdict::Failed(why) | Verdict::Skipped(why)) = report.verdicts.get(place)
            else {
                continue;
            };
            match said.iter_mut().find(|(known, _)| known == why) {
                Some((_, whose)) => whose.push(report.database),
                None => said.push((why, vec![report.database])),
            }
        }
        for (why, whose) in said {
            println!("         {}: {why}", whose.join(", "));
        }
    }
    println!();
    for report in reports {
        let (passed, failed, skipped) = report.counts();
        let database = report.database;
        println!("{database}: {passed} passed, {failed} failed, {skipped} skipped");
    }
}
