//! Quick on a slow laptop, and light on the wire.

use settled_test_browser::{Page, Wire};

use crate::sagas::order;
use crate::world::{ADMIN, World, assert_quiet};

const MOST_BYTES: u64 = 100_000;
const MOST_MILLIS: f64 = 1_000.0;

/// Loads a page as for the first time, four times slower than this machine; gives the milliseconds
/// until all of it was there and its script had run, and what came over the wire.
pub(crate) fn measure(world: &World, page: &Page, path: &str) -> (f64, Wire) {
    page.go("about:blank").unwrap();
    page.ask("Network.clearBrowserCache", serde_json::json!({}))
        .unwrap();
    page.slow_down(4).unwrap();
    let mark = page.mark();
    page.go(&world.url(path)).unwrap();
    let took = page
        .eval("performance.getEntriesByType('navigation')[0].loadEventEnd || performance.now()");
    page.slow_down(1).unwrap();
    // The icon is asked for last.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let weight = page.weight(mark);
    (took.unwrap().as_f64().unwrap(), weight)
}

#[test]
fn the_list_of_incidents_is_there_within_a_second_on_a_slow_machine() {
    let test = "the_list_of_incidents_is_there_within_a_second_on_a_slow_machine";
    let Some(world) = World::start_alone(test) else {
        return;
    };
    for number in 0..60 {
        world.submit(&order(&world, &format!("order-{number:03}")));
    }
    for number in 0..60 {
        world.until(&format!("order-{number:03}"), "stuck");
    }
    let (_person, page) = world.person(ADMIN, "en", "/console/incidents");
    let mut best = f64::INFINITY;
    for _ in 0..4 {
        let (millis, weight) = measure(&world, &page, "/console/incidents");
        println!("{millis:.0} ms, {weight:?}");
        assert!(weight.bytes < MOST_BYTES, "{weight:?}");
        assert!(
            weight.answers >= 3 && weight.bytes > 10_000,
            "not all was counted: {weight:?}"
        );
        best = best.min(millis);
        if best < MOST_MILLIS / 2.0 {
            break;
        }
    }
    assert!(best < MOST_MILLIS, "{best} ms");
    assert_eq!(page.count("main tbody input[name=id]").unwrap(), 50);
    assert_quiet(&page, 0);
}
