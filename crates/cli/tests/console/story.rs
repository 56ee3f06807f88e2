//! The story that the console is for: a saga is stuck, a person finds out why, sends what should have
//! been sent, and sees it settle; told in any language, by what a form is made of and not by its words.

use serde_json::Value;
use settled_test_browser::Page;

use crate::sagas::{WHY, stuck};
use crate::world::{OPERATE, World, assert_quiet, log_in};

/// The form of an incident.
pub(crate) const FORM: &str = "main form[action$='/resolve']";

pub(crate) fn choice(decision: &str) -> String {
    format!("{FORM} input[type=radio][name=decision][value={decision}]")
}

/// What sends it.
pub(crate) fn send() -> String {
    format!("{FORM} button:not([type=button]):not([name])")
}

/// All that is to be read on a page, in fields too.
pub(crate) fn read(page: &Page) -> String {
    let text = "document.querySelector('main').textContent + [...document.querySelectorAll('main textarea')].map((field) => field.value).join()";
    page.eval(text).unwrap().as_str().unwrap().to_owned()
}

pub(crate) fn tell(world: &World, language: &str, stuck_word: &str, settled_word: &str) {
    stuck(world, "order-1");
    let (person, page) = world.stranger(language);
    page.go(&world.url("/console")).unwrap();
    log_in(&page, OPERATE);
    assert_eq!(
        page.eval("document.documentElement.lang").unwrap(),
        language
    );
    // The overview says that something needs a person, and leads there.
    page.click("nav a[href='/console/incidents']").unwrap();
    page.until_text("order-1~1").unwrap();

    // A second tab shows the saga, and is not touched again.
    let saga = person.page().unwrap();
    saga.go(&world.url("/console/sagas")).unwrap();
    saga.leads(|page| page.click("main a[href^='/console/sagas/order-1']"))
        .unwrap();
    saga.until_text(stuck_word).unwrap();
    saga.eval("window.marker = 'still here'").unwrap();
    saga.until("document.querySelector('#pulse.on')").unwrap();
    let saga_mark = saga.mark();

    page.leads(|page| page.click("main a[href^='/console/incidents/order-1']"))
        .unwrap();
    let shown = read(&page);
    for sent in [
        "amuont",
        "SKU-1",
        "/stock/give-back",
        "order-1/stock/compensation",
    ] {
        assert!(shown.contains(sent), "what was sent, {sent}: {shown}");
    }
    for came in ["422", WHY] {
        assert!(shown.contains(came), "what came back, {came}: {shown}");
    }

    page.click(&choice("retry")).unwrap();
    let body = format!("{FORM} textarea[name=body]");
    let edit = format!("{FORM} input[type=checkbox][name=edit]");
    page.click(&edit).unwrap();
    page.until(&format!(
        "document.querySelector({}).checkVisibility()",
        Value::from(body.as_str())
    ))
    .unwrap();
    let given = page.eval(&format!(
        "document.querySelector({}).value",
        Value::from(body.as_str())
    ));
    let given = given.unwrap().as_str().unwrap().to_owned();
    assert!(
        given.contains("amuont"),
        "the form begins with what was sent: {given}"
    );

    // What is not JSON is told, and what was typed is not lost.
    page.fill(&body, "{\"item\": ").unwrap();
    page.fill(&format!("{FORM} [name=note]"), "misspelt field — 字段拼错")
        .unwrap();
    page.leads(|page| page.click(&send())).unwrap();
    page.until_there("[role=alert]").unwrap();
    let kept = page.eval(&format!(
        "document.querySelector({}).value",
        Value::from(body.as_str())
    ));
    assert_eq!(kept.unwrap(), "{\"item\": ");
    assert_eq!(world.incident("order-1~1")["state"], "open");

    page.fill(&body, &given.replace("amuont", "amount"))
        .unwrap();
    page.leads(|page| page.click(&send())).unwrap();
    assert_eq!(page.count("[role=alert]").unwrap(), 0);
    page.until_text(settled_word).unwrap();

    // The other tab has seen it by itself.
    saga.until_text(settled_word).unwrap();
    saga.until(&format!(
        "!document.querySelector('[data-piece=head]').innerText.includes({})",
        Value::from(stuck_word)
    ))
    .unwrap();
    assert_eq!(saga.eval("window.marker").unwrap(), "still here");

    world.until("order-1", "compensated");
    let calls = world.participant.calls("/stock/give-back");
    assert_eq!(calls.len(), 2);
    let sent: Value = serde_json::from_str(&calls[1].body).unwrap();
    assert_eq!(sent, serde_json::json!({"item": "SKU-1", "amount": 3}));
    let incident = world.incident("order-1~1");
    assert_eq!(incident["note"], "misspelt field — 字段拼错");
    assert_eq!(incident["resolved_by"], "otto");
    assert_quiet(&page, 0);
    assert_quiet(&saga, saga_mark);
}
