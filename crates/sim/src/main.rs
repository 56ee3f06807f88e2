//! Runs the seeded simulator over many seeds and says what it found.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use settled_sim::simulation::{self, Fault, Fired, Report};

/// One seed in so many runs twice: both must do the same.
const TWICE_EVERY: u64 = 50;

#[derive(Parser)]
#[command(about = "Runs the engine in a seeded world gone wrong")]
struct Cli {
    /// How many seeds
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Shows every saga's history
    #[arg(long)]
    explain: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.explain {
        for seed in cli.from..cli.from.saturating_add(cli.seeds) {
            println!("{}", simulation::explain(seed));
        }
    }
    let began = Instant::now();
    let seeds = cli.from..cli.from.saturating_add(cli.seeds);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let runs = std::thread::scope(|scope| {
        let runners: Vec<_> = (0..threads)
            .map(|lane| {
                let seeds = seeds.clone();
                scope.spawn(move || {
                    seeds
                        .skip(lane as usize)
                        .step_by(threads as usize)
                        .map(run)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        runners
            .into_iter()
            .flat_map(|runner| runner.join().unwrap_or_default())
            .collect::<Vec<_>>()
    });
    let mut fired = Fired::new();
    let mut ends = BTreeMap::new();
    let (mut sends, mut happenings, mut failed) = (0, 0, 0);
    for report in &runs {
        for (fault, count) in &report.fired {
            *fired.entry(*fault).or_default() += count;
        }
        for (state, count) in &report.ends {
            *ends.entry(*state).or_insert(0) += count;
        }
        sends += report.sends;
        happenings += report.happenings;
        if !report.violations.is_empty() {
            failed += 1;
            println!(
                "seed {} failed; again: cargo xtask sim --seeds 1 --from {}",
                report.seed, report.seed
            );
            for violation in &report.violations {
                println!("  {violation}");
            }
        }
    }
    println!(
        "{} seeds in {:.1} s: {happenings} happenings, {sends} requests",
        runs.len(),
        began.elapsed().as_secs_f64()
    );
    for (state, count) in ends {
        println!("  {state:<24} {count}");
    }
    for fault in Fault::ALL {
        println!(
            "  {:<24} {}",
            format!("{fault:?}"),
            fired.get(&fault).copied().unwrap_or(0)
        );
    }
    println!("{} passed, {failed} failed", runs.len() as u64 - failed);
    if failed == 0 && runs.len() as u64 == cli.seeds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run(seed: u64) -> Report {
    let mut report = simulation::run(seed);
    if seed.is_multiple_of(TWICE_EVERY) && simulation::run(seed).trace != report.trace {
        report
            .violations
            .push("the same seed did something else the second time".to_owned());
    }
    report
}
