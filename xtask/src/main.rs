//! The tasks of this repository: `cargo xtask test`, `cargo xtask sim`, `cargo xtask conformance`.
//!
//! Tasks run the same commands that a person would type, say each before they run it, and stop at
//! the first that fails.

mod apt;
mod browser;
mod readme;
mod run;
mod servers;
mod tally;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::Failed;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of this repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Formatting, lints, all tests, doc tests, and the commands that the README shows
    Test,
    /// Runs the seeded simulator over many seeds
    Sim {
        /// How many seeds
        #[arg(long, default_value_t = 20_000)]
        seeds: u64,
        /// The first seed
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Runs the conformance table of local transactions on every database, and prints it
    Conformance {
        /// Write docs/propagation-table.md
        #[arg(long)]
        write: bool,
        /// Only these cases
        cases: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test => test(),
        Task::Sim { seeds, from } => run::cargo(&[
            "run",
            "--release",
            "--package",
            "settled-sim",
            "--bin",
            "settled-sim",
            "--",
            "--seeds",
            &seeds.to_string(),
            "--from",
            &from.to_string(),
        ]),
        Task::Conformance { write, cases } => conformance(write, &cases),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{failed}");
            ExitCode::FAILURE
        }
    }
}

fn conformance(write: bool, cases: &[String]) -> Result<(), Failed> {
    servers::install();
    let mut args = vec![
        "run",
        "--quiet",
        "--package",
        "settled-transaction-tests",
        "--bin",
        "conformance",
        "--",
    ];
    if write {
        args.push("--write");
    }
    args.extend(cases.iter().map(String::as_str));
    run::cargo(&args)
}

fn test() -> Result<(), Failed> {
    run::cargo(&["fmt", "--all", "--check"])?;
    tidy::check()?;
    run::cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ])?;
    servers::install();
    browser::install();
    let tally = tally::tests()?;
    readme::run()?;
    tally.print();
    Ok(())
}
