//! By keyboard alone: nothing needs a mouse, and one sees where one is.

use serde_json::json;
use settled_test_browser::{Key, Page};

use crate::sagas::{order, stuck};
use crate::world::{OPERATE, World, assert_quiet};

/// Presses Tab until something is reached; all on the way must be seen to have the focus.
pub(crate) fn tab_to(page: &Page, selector: &str) {
    for _ in 0..80 {
        page.press(Key::Tab).unwrap();
        assert_focus_is_seen(page);
        let reached = format!("document.activeElement.matches({})", json!(selector));
        if page.eval(&reached).unwrap() == true {
            return;
        }
    }
    panic!("{selector} is not reached by the keyboard");
}

/// What has the focus is in sight, not below something else, and has an outline.
fn assert_focus_is_seen(page: &Page) {
    let seen = page
        .eval(
            "(() => {
                const one = document.activeElement;
                if (one === document.body) return {ok: true};
                const box = one.getBoundingClientRect();
                const style = getComputedStyle(one);
                const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
                const inside = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
                const hit = document.elementFromPoint(
                    Math.min(Math.max(box.left + Math.min(box.width, innerWidth) / 2, 1), innerWidth - 1),
                    Math.min(Math.max(box.top + box.height / 2, 1), innerHeight - 1));
                const covered = hit && !one.contains(hit) && !hit.contains(one);
                return {
                    ok: outlined && inside && !covered,
                    outlined, inside, covered,
                    one: one.outerHTML.slice(0, 200),
                };
            })()",
        )
        .unwrap();
    assert_eq!(seen["ok"], true, "{seen}");
}

/// From the login to the list, without a mouse.
pub(crate) fn enter(world: &World, page: &Page) {
    page.go(&world.url("/console/incidents")).unwrap();
    // The field is where one begins.
    page.until("document.activeElement.name === 'token'")
        .unwrap();
    page.write(OPERATE).unwrap();
    page.leads(|page| page.press(Key::Enter)).unwrap();
    assert_eq!(page.place().unwrap(), "/console/incidents");
}

#[test]
fn many_are_decided_by_keyboard_alone() {
    let Some(world) = World::start("many_are_decided_by_keyboard_alone") else {
        return;
    };
    stuck(&world, "order-1");
    stuck(&world, "order-2");
    let (_person, page) = world.stranger("en");
    enter(&world, &page);
    // The first stop leads past the navigation.
    page.press(Key::Tab).unwrap();
    assert_focus_is_seen(&page);
    assert_eq!(
        page.eval("document.activeElement.className").unwrap(),
        "skip"
    );
    page.press(Key::Enter).unwrap();
    page.until("document.activeElement.id === 'main'").unwrap();
    page.press(Key::Tab).unwrap();
    assert_eq!(
        page.eval("document.querySelector('main').contains(document.activeElement)")
            .unwrap(),
        true
    );
    tab_to(&page, "input[data-all=id]");
    page.press(Key::Space).unwrap();
    tab_to(&page, "#m-decision");
    page.press(Key::Down).unwrap();
    assert_eq!(page.eval("document.activeElement.value").unwrap(), "done");
    tab_to(&page, "#m-note");
    page.write("by keyboard").unwrap();
    page.leads(|page| page.press(Key::Enter)).unwrap();
    page.until_there("[role=status]").unwrap();
    world.until("order-1", "compensated");
    assert_eq!(world.open_incidents(), 0);
    assert_quiet(&page, 0);
}

#[test]
fn a_row_that_is_renewed_keeps_the_focus() {
    let Some(world) = World::start("a_row_that_is_renewed_keeps_the_focus") else {
        return;
    };
    stuck(&world, "order-1");
    let (_person, page) = world.stranger("en");
    enter(&world, &page);
    page.until("document.querySelector('#pulse.on')").unwrap();
    tab_to(&page, "main a[href^='/console/incidents/order-1']");
    stuck(&world, "order-2");
    page.until_text("order-2~1").unwrap();
    assert_eq!(
        page.eval("document.activeElement.textContent").unwrap(),
        "order-1~1"
    );
    page.leads(|page| page.press(Key::Enter)).unwrap();
    assert!(
        page.place()
            .unwrap()
            .starts_with("/console/incidents/order-1")
    );
    assert_quiet(&page, 0);
}

#[test]
fn what_has_the_focus_is_never_covered() {
    let Some(world) = World::start("what_has_the_focus_is_never_covered") else {
        return;
    };
    for number in 0..15 {
        world.submit(&order(&world, &format!("order-{number:02}")));
        world.until(&format!("order-{number:02}"), "stuck");
    }
    let (_person, page) = world.stranger("en");
    enter(&world, &page);
    // Low enough that one scrolls, down and up again.
    let size = json!({"width": 1200, "height": 520, "deviceScaleFactor": 1, "mobile": false});
    page.ask("Emulation.setDeviceMetricsOverride", size)
        .unwrap();
    tab_to(&page, "main form[action$='/resolve'] button.primary");
    for _ in 0..80 {
        page.press(Key::BackTab).unwrap();
        assert_focus_is_seen(&page);
        if page
            .eval("document.activeElement.matches('nav a')")
            .unwrap()
            == true
        {
            return;
        }
    }
    panic!("the way back does not end");
}
