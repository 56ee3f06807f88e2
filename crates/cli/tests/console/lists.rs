//! The list of incidents: it follows what happens, and many are decided at once.

use serde_json::json;

use crate::sagas::{order, stuck};
use crate::world::{OPERATE, READ, SECOND, World, assert_quiet};

const BOXES: &str = "main input[type=checkbox][name=id]";

#[test]
fn the_list_follows_what_happens_without_a_reload() {
    let Some(world) = World::start("the_list_follows_what_happens_without_a_reload") else {
        return;
    };
    let (_person, page) = world.person(READ, "en", "/console/incidents");
    page.eval("window.marker = 'still here'").unwrap();
    page.until("document.querySelector('#pulse.on')").unwrap();
    let mark = page.mark();
    stuck(&world, "order-1");
    page.until_text("order-1~1").unwrap();
    // The number beside the word in the navigation follows too.
    page.until("document.querySelector('nav .count')?.textContent === '1'")
        .unwrap();
    // Whoever may only read has nothing to decide with.
    assert_eq!(page.count(BOXES).unwrap(), 0);
    assert_eq!(page.count("[name=decision]").unwrap(), 0);
    let done = json!({"decision": "done", "note": "by hand"});
    world.api("POST", "/v1/incidents/order-1~1/resolve", &done);
    page.until("!document.querySelector('main').innerText.includes('order-1~1')")
        .unwrap();
    assert_eq!(page.eval("window.marker").unwrap(), "still here");
    assert_quiet(&page, mark);
}

#[test]
fn many_are_decided_at_once() {
    let Some(world) = World::start("many_are_decided_at_once") else {
        return;
    };
    for number in 0..12 {
        world.submit(&order(&world, &format!("order-{number}")));
    }
    for number in 0..12 {
        world.until(&format!("order-{number}"), "stuck");
    }
    let (_person, page) = world.person(OPERATE, "en", "/console/incidents");
    assert_eq!(page.count(BOXES).unwrap(), 12);
    page.click("input[data-all=id]").unwrap();
    assert_eq!(page.count(&format!("{BOXES}:checked")).unwrap(), 12);
    page.choose("#m-decision", "abandon").unwrap();
    // Without a reason nothing is abandoned.
    page.leads(|page| page.click("form[action$='/resolve'] button.primary"))
        .unwrap();
    page.until_there("[role=alert]").unwrap();
    assert_eq!(world.open_incidents(), 12);
    page.go(&world.url("/console/incidents")).unwrap();
    page.click("input[data-all=id]").unwrap();
    page.choose("#m-decision", "abandon").unwrap();
    let note = "the warehouse burned down — 仓库 \"A\" & <b>B</b>";
    page.fill("#m-note", note).unwrap();
    page.leads(|page| page.click("form[action$='/resolve'] button.primary"))
        .unwrap();
    page.until_there("[role=status]").unwrap();
    let told = page.text("[role=status]").unwrap();
    assert!(told.contains("12"), "{told}");
    assert_eq!(world.open_incidents(), 0);
    let incident = world.incident("order-7~1");
    assert_eq!(incident["note"], note, "{incident}");
    assert_eq!(incident["resolved_by"], "otto", "{incident}");
    assert_quiet(&page, 0);
}

#[test]
fn what_another_has_decided_meanwhile_is_not_decided_again() {
    let Some(world) = World::start("what_another_has_decided_meanwhile_is_not_decided_again")
    else {
        return;
    };
    stuck(&world, "order-1");
    let (_otto, first) = world.person(OPERATE, "en", "/console/incidents");
    let (_olga, second) = world.person(SECOND, "en", "/console/incidents");
    for (page, note) in [(&first, "first"), (&second, "second")] {
        page.click(BOXES).unwrap();
        page.choose("#m-decision", "done").unwrap();
        page.fill("#m-note", note).unwrap();
    }
    first
        .leads(|page| page.click("form[action$='/resolve'] button.primary"))
        .unwrap();
    world.until("order-1", "compensated");
    // What is being filled in is not taken away from under the hands.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert_eq!(
        second
            .eval("document.querySelector('#m-note').value")
            .unwrap(),
        "second"
    );
    second
        .leads(|page| page.click("form[action$='/resolve'] button.primary"))
        .unwrap();
    let told = second.text("[role=status]").unwrap();
    assert!(told.contains("0 of 1"), "{told}");
    let incident = world.incident("order-1~1");
    assert_eq!(incident["note"], "first", "{incident}");
    assert_quiet(&first, 0);
    assert_quiet(&second, 0);
}
