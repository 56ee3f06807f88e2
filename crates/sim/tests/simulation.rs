//! L1 in the default run: some thousands of seeds, the bank of seeds that once failed, and proof
//! that the simulator itself can be trusted.

use settled_sim::simulation::{self, Fault, Fired};

/// How many seeds the default run takes. `cargo xtask sim` takes more.
const SEEDS: u64 = 3_000;

/// Seeds that found a bug once; see `docs/reliability.md` for which.
const BANK: [u64; 13] = [
    35, 325, 1_034, 1_045, 2_240, 2_309, 2_385, 2_566, 3_883, // of functions:
    598, 692, 10_942, 234_952,
];

fn check(seed: u64) -> simulation::Report {
    let report = simulation::run(seed);
    assert!(
        report.violations.is_empty(),
        "seed {seed}; again: cargo xtask sim --seeds 1 --from {seed}\n  {}",
        report.violations.join("\n  ")
    );
    report
}

#[test]
fn every_call_ends_settled_whatever_goes_wrong() {
    let mut fired = Fired::new();
    for seed in 0..SEEDS {
        for (fault, count) in check(seed).fired {
            *fired.entry(fault).or_default() += count;
        }
    }
    // A class of fault that never fires proves nothing.
    for fault in Fault::ALL {
        assert!(
            fired.get(&fault).is_some_and(|count| *count > 0),
            "{fault:?} never fired"
        );
    }
}

#[test]
fn seeds_that_failed_once_do_not_fail_again() {
    for seed in BANK {
        check(seed);
    }
}

#[test]
fn the_same_seed_does_the_same() {
    for seed in 0..100 {
        assert_eq!(
            simulation::run(seed).trace,
            simulation::run(seed).trace,
            "seed {seed}"
        );
    }
}
