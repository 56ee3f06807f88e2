//! Coming in, going out, and what is kept meanwhile.

use settled_test_browser::Key;

use crate::sagas::stuck;
use crate::world::{ADMIN, OPERATE, READ, SUBMIT, World, assert_quiet, log_in};

#[test]
fn only_tokens_that_may_look_come_in() {
    let Some(world) = World::start("only_tokens_that_may_look_come_in") else {
        return;
    };
    let (person, page) = world.stranger("en");
    page.go(&world.url("/console/incidents?state=resolved"))
        .unwrap();
    let place = page.place().unwrap();
    assert!(place.starts_with("/console/login?next="), "{place}");
    // There is no password that is there from the start.
    for wrong in ["admin", "settled", "wrong-token-0123456789", SUBMIT] {
        log_in(&page, wrong);
        page.until_there("[role=alert]").unwrap();
        assert_eq!(page.count("nav").unwrap(), 0);
        let cookies = person.cookies().unwrap();
        assert!(
            !cookies
                .iter()
                .any(|cookie| cookie["name"] == "settled-session"),
            "{wrong}: {cookies:?}"
        );
        // What was typed is not in the page that says no.
        let html = page.eval("document.documentElement.outerHTML").unwrap();
        assert!(wrong.len() < 8 || !html.as_str().unwrap().contains(wrong));
    }
    let alert = page.text("[role=alert]").unwrap();
    assert!(alert.contains("role"), "{alert}");
    // An empty one is not even sent.
    page.click("input[name=token]").unwrap();
    page.press(Key::Enter).unwrap();
    assert_eq!(page.text("[role=alert]").unwrap(), alert);
    for token in [READ, OPERATE, ADMIN] {
        let (_person, page) = world.person(token, "en", "/console/incidents?state=resolved");
        // One is where one wanted to go.
        assert_eq!(page.place().unwrap(), "/console/incidents?state=resolved");
        assert_quiet(&page, 0);
    }
}

#[test]
fn after_the_logout_nothing_is_left() {
    let Some(world) = World::start("after_the_logout_nothing_is_left") else {
        return;
    };
    stuck(&world, "order-1");
    let (person, page) = world.person(OPERATE, "en", "/console/incidents");
    page.until_text("order-1~1").unwrap();
    let cookies = person.cookies().unwrap();
    let cookie = cookies
        .iter()
        .find(|cookie| cookie["name"] == "settled-session");
    let cookie = cookie.unwrap();
    assert_eq!(cookie["httpOnly"], true);
    assert_eq!(cookie["sameSite"], "Lax");
    assert_eq!(cookie["path"], "/console");
    let value = cookie["value"].as_str().unwrap().to_owned();
    assert!(value.len() >= 32 && !value.contains(OPERATE));
    let seen =
        page.eval("document.cookie + Object.keys(localStorage) + Object.keys(sessionStorage)");
    assert!(!seen.unwrap().as_str().unwrap().contains("session"));

    page.leads(|page| page.click("form[action='/console/logout'] button"))
        .unwrap();
    assert_eq!(page.place().unwrap(), "/console/login");
    page.leads(|page| page.eval("history.back()")).unwrap();
    page.until("location.pathname === '/console/login'")
        .unwrap();
    assert!(!page.text("body").unwrap().contains("order-1"));
    // The session is over at the server too, not only forgotten by the browser.
    let authority = world.serve.url.strip_prefix("http://").unwrap();
    page.ask(
        "Network.setCookie",
        serde_json::json!({"name": "settled-session", "value": value, "domain": "127.0.0.1", "path": "/console"}),
    )
    .unwrap();
    page.go(&format!("http://{authority}/console/incidents"))
        .unwrap();
    assert!(page.place().unwrap().starts_with("/console/login"));
    assert_quiet(&page, 0);
}

#[test]
fn a_login_leads_to_the_console_and_nowhere_else() {
    let Some(world) = World::start("a_login_leads_to_the_console_and_nowhere_else") else {
        return;
    };
    for next in [
        "https%3A%2F%2Fevil.example%2F",
        "%2F%2Fevil.example%2Fconsole%2F",
        "javascript%3Awindow.pwned%3D1",
        "%2Fconsole%2F%5C..%2F..%2Fevil",
        "%22%3E%3Cscript%3Ewindow.pwned%3D1%3C%2Fscript%3E",
    ] {
        let place = format!("/console/login?next={next}");
        let (_person, page) = world.person(READ, "en", &place);
        assert_eq!(page.place().unwrap(), "/console", "{next}");
        assert_eq!(page.eval("typeof window.pwned").unwrap(), "undefined");
        assert_quiet(&page, 0);
    }
}

#[test]
fn language_and_light_are_kept() {
    let Some(world) = World::start("language_and_light_are_kept") else {
        return;
    };
    let (_person, page) = world.person(READ, "zh-CN,zh;q=0.9", "/console/incidents?state=resolved");
    assert_eq!(page.eval("document.documentElement.lang").unwrap(), "zh-CN");
    page.until_text("异常单").unwrap();
    page.leads(|page| page.click("button[name=language]"))
        .unwrap();
    assert_eq!(page.eval("document.documentElement.lang").unwrap(), "en");
    assert_eq!(page.place().unwrap(), "/console/incidents?state=resolved");
    let ground = "getComputedStyle(document.body).backgroundColor";
    let before = page.eval(ground).unwrap();
    page.leads(|page| page.choose("#light", "dark")).unwrap();
    assert_ne!(page.eval(ground).unwrap(), before);
    page.go(&world.url("/console/incidents")).unwrap();
    assert_eq!(page.eval("document.documentElement.lang").unwrap(), "en");
    assert_eq!(
        page.eval("document.documentElement.dataset.light").unwrap(),
        "dark"
    );
    assert_quiet(&page, 0);
}
