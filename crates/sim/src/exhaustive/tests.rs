//! Runs the whole set, and sees that it reached what it is meant to reach.

use std::collections::BTreeSet;
use std::thread;

use settled_protocol::{Direction, SagaState, StepState};

use super::{Family, Report, expected, run};

fn run_all() -> Report {
    let only = std::env::var("SETTLED_L0").ok();
    let only = only.as_deref().and_then(|text| text.split_once(':'));
    let parts = thread::available_parallelism().map_or(2, usize::from);
    let mut report = Report::default();
    for family in Family::ALL {
        let number = match only {
            Some((name, number)) if name == format!("{family:?}") => number.parse().ok(),
            Some(_) => continue,
            None => None,
        };
        let started = std::time::Instant::now();
        let mut sum = Report::default();
        thread::scope(|scope| {
            let own: Vec<_> = (0..parts)
                .map(|part| scope.spawn(move || run(family, part, parts, number)))
                .collect();
            for thread in own {
                sum.merge(thread.join().unwrap());
            }
        });
        println!(
            "{family:?}: {} runs, {} ends, {:?}",
            sum.runs,
            sum.ends,
            started.elapsed()
        );
        report.merge(sum);
    }
    report
}

#[test]
fn every_small_saga_ends_well() {
    let report = run_all();
    println!("{} runs, {} ends", report.runs, report.ends);
    if let Some(first) = report.failures.first() {
        panic!(
            "{} failed, the first of them:\n{first}",
            report.failures.len()
        );
    }
    if std::env::var_os("SETTLED_L0").is_some() {
        return;
    }
    let reached = |lines: Vec<String>| lines.into_iter().collect::<BTreeSet<_>>();
    let meant = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let transitions = report.coverage.transitions.keys();
    let transitions = transitions.map(|(state, kind, way)| format!("{state}: {kind} {way}"));
    compare(
        &reached(transitions.collect()),
        &meant(expected::TRANSITIONS),
    );
    let events = report.coverage.events.keys();
    let events = events.map(|(kind, way, says)| {
        let words = [*kind, way.map_or("", Direction::as_str), *says];
        words
            .map(|word| format!("{word} "))
            .concat()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    });
    compare(&reached(events.collect()), &meant(expected::EVENTS));
    let states: Vec<_> = report.coverage.states.keys().copied().collect();
    assert_eq!(states, SagaState::ALL);
    let states: Vec<_> = report.coverage.step_states.keys().copied().collect();
    assert_eq!(states, StepState::ALL);
    assert!(report.coverage.unfit > 0, "no decision was ever refused");
}

fn compare(reached: &BTreeSet<String>, meant: &BTreeSet<String>) {
    let missed: Vec<_> = meant.difference(reached).collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
    let unforeseen: Vec<_> = reached.difference(meant).collect();
    assert!(
        unforeseen.is_empty(),
        "reached, though not meant to be: {unforeseen:?}"
    );
}
