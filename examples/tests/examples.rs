//! Runs the examples as a person would, and holds what they say against what they are to show.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The example beside this test: `cargo test` builds them all.
fn run(name: &str) -> String {
    let test = std::env::current_exe().expect("a test has a path");
    let folder: PathBuf = test
        .ancestors()
        .nth(2)
        .expect("a test is in target/…/deps")
        .join("examples");
    let path = folder
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        path.exists(),
        "build the examples first: cargo build -p settled-examples --examples"
    );
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(path)
        .output()
        .expect("an example can be started");
    let said = String::from_utf8(stdout).expect("examples speak UTF-8");
    assert!(
        status.success(),
        "{name}: {status}\n{said}\n{}",
        String::from_utf8_lossy(&stderr)
    );
    said
}

/// That these lines are said, in this order.
fn says(said: &str, lines: &[&str]) {
    let mut rest = said.lines();
    for line in lines {
        assert!(
            rest.any(|found| found.contains(line)),
            "no {line:?} in\n{said}"
        );
    }
}

#[test]
fn order() {
    says(
        &run("order"),
        &[
            "order-1001: 2 tea and 1 bag are on their way",
            "order-1002: the coupon SPRING is used",
            r#"compensated  called 1, undone in 1  [{"sku":"tea","quantity":2},{"sku":"bag","quantity":2}]"#,
            "coupon refused",
            "holds: every service has back what it gave",
        ],
    );
}

#[test]
fn shelve() {
    let said = run("shelve");
    says(
        &said,
        &[
            "call the platform: put the mug on the shelf",
            "the shop is gone",
            "ask the platform: is the mug on the shelf? yes",
            "record: the mug is on the shelf as listing-3",
            "ask the platform: is the tray on the shelf? no",
            "call the platform: put the tray on the shelf",
            "holds: the shop's own database knows of four",
        ],
    );
    let calls = said.matches("call the platform: put the mug on the shelf");
    assert_eq!(calls.count(), 1, "{said}");
}

#[test]
fn ticket() {
    says(
        &run("ticket"),
        &[
            r#"aborted when buyer-4 has come to "charged""#,
            "buyer-7: sold out",
            "0 seats left, 5 tickets issued, 5 charges",
            "holds: there are as many charges as tickets",
        ],
    );
}

#[test]
fn axum_service() {
    says(
        &run("axum-service"),
        &[
            "holds: an order that ends soon is answered with its end",
            "the service is asked to end with order-2 under way",
            "holds: order-2 went on by itself",
            "holds: five of ten are sent, nothing twice",
        ],
    );
}
