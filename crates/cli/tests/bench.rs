//! `settled bench`: what it reports, and that nothing is left behind. How fast it is, is not asked here.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "this is a test")]

mod support;

use serde_json::Value;
use support::run;

fn measured(more: &[&str]) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [
        "bench",
        "--sagas",
        "60",
        "--rounds",
        "2",
        "--concurrency",
        "8",
    ];
    let arguments = [&arguments, more, &["--format", "json"]].concat();
    let (status, out, err) = run(directory.path(), &arguments);
    assert_eq!((status, err.as_str()), (0, ""), "{more:?}");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "{more:?}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn sagas_are_measured_beside_the_same_calls_made_bare() {
    for more in [
        &["--steps", "4", "--fail-percent", "50"][..],
        &["--steps", "1", "--http"],
    ] {
        let report = measured(more);
        for field in [
            "sagas_per_s",
            "p50_ms",
            "p99_ms",
            "bare_sagas_per_s",
            "ratio",
            "cpu_s_per_1000",
            "peak_rss_mib",
        ] {
            assert!(report[field].is_number(), "{field}: {report}");
        }
        assert!(report["sagas_per_s"].as_f64().unwrap() > 0.0);
        assert_eq!(report["sagas"], 60);
    }
}

#[test]
fn what_waits_and_what_is_settled_is_measured_too() {
    let report = measured(&["--history", "50"]);
    assert!(report["ratio"].as_f64().unwrap() > 0.0, "{report}");
    let report = measured(&["--parked", "50"]);
    assert_eq!(report["parked"], 50);
    assert!(report["ready_ms"].as_f64().unwrap() > 0.0, "{report}");
}
