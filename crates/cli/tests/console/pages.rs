//! What needs every page of the console: the whole story, and what must hold of all of them.

use serde_json::{Value, json};
use settled_test_browser::Key;

use crate::axe::{axe, look_at};
use crate::hostile::{addresses, assert_unharmed, assert_unharmed_at, infest, strings};
use crate::keyboard::{enter, tab_to};
use crate::pictures::keep;
use crate::sagas::{furnish, stuck};
use crate::speed::measure;
use crate::story::{FORM, choice, read, send, tell};
use crate::tour::{PAGES, assert_whole, crawl};
use crate::world::{ADMIN, EVIL, OPERATE, READ, SECOND, World, assert_quiet, log_in};

#[test]
fn a_stuck_saga_is_found_understood_edited_and_seen_to_settle() {
    let test = "a_stuck_saga_is_found_understood_edited_and_seen_to_settle";
    let Some(world) = World::start(test) else {
        return;
    };
    tell(&world, "en", "stuck", "compensated");
}

#[test]
fn the_same_story_in_chinese() {
    let Some(world) = World::start("the_same_story_in_chinese") else {
        return;
    };
    tell(&world, "zh-CN", "待人工处理", "已补偿");
}

#[test]
fn of_two_who_decide_at_once_the_second_is_told() {
    let Some(world) = World::start("of_two_who_decide_at_once_the_second_is_told") else {
        return;
    };
    stuck(&world, "order-1");
    let place = "/console/incidents/order-1~1";
    let (_otto, first) = world.person(OPERATE, "en", place);
    let (_olga, second) = world.person(SECOND, "en", place);
    for (page, note) in [(&first, "first"), (&second, "second")] {
        page.click(&choice("done")).unwrap();
        page.fill(&format!("{FORM} [name=note]"), note).unwrap();
    }
    first.leads(|page| page.click(&send())).unwrap();
    world.until("order-1", "compensated");
    // Until it is sent, what is being typed stays.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    second.leads(|page| page.click(&send())).unwrap();
    second.until_there("[role=alert]").unwrap();
    let incident = world.incident("order-1~1");
    assert_eq!(incident["note"], "first");
    assert_eq!(incident["resolved_by"], "otto");
    // The page says who has decided it and why.
    let shown = read(&second);
    assert!(shown.contains("otto") && shown.contains("first"), "{shown}");
    assert_whole(&second, place);
    assert_quiet(&second, 0);
}

#[test]
fn whoever_may_only_read_decides_nothing() {
    let Some(world) = World::start("whoever_may_only_read_decides_nothing") else {
        return;
    };
    stuck(&world, "order-1");
    let (_person, page) = world.person(READ, "en", "/console/incidents/order-1~1");
    page.until_text("order-1~1").unwrap();
    assert_eq!(
        page.count(&format!("{FORM} [name=decision]:not(:disabled)"))
            .unwrap(),
        0
    );
    assert_eq!(page.count("nav a[href='/console/audit']").unwrap(), 0);
    let status = page.eval("fetch('/console/audit').then((answer) => answer.status)");
    assert_eq!(status.unwrap(), 403);
    assert_quiet(&page, 0);
}

#[test]
fn a_decision_that_was_not_taken_can_be_read_in_another_language() {
    let test = "a_decision_that_was_not_taken_can_be_read_in_another_language";
    let Some(world) = World::start(test) else {
        return;
    };
    stuck(&world, "order-1");
    let (_person, page) = world.person(OPERATE, "en", "/console/incidents/order-1~1");
    page.click(&choice("abandon")).unwrap();
    page.leads(|page| page.click(&send())).unwrap();
    page.until_there("[role=alert]").unwrap();
    page.leads(|page| page.click("button[name=language]"))
        .unwrap();
    page.until_text("order-1~1").unwrap();
    assert_eq!(page.eval("document.documentElement.lang").unwrap(), "zh-CN");
    assert_eq!(page.count(FORM).unwrap(), 1);
    assert_quiet(&page, 0);
}

#[test]
fn from_login_to_decision_by_keyboard_alone() {
    let Some(world) = World::start("from_login_to_decision_by_keyboard_alone") else {
        return;
    };
    stuck(&world, "order-1");
    let (_person, page) = world.stranger("en");
    enter(&world, &page);
    tab_to(&page, "main a[href^='/console/incidents/order-1']");
    page.leads(|page| page.press(Key::Enter)).unwrap();
    tab_to(&page, &format!("{FORM} input[type=radio][name=decision]"));
    for _ in 0..5 {
        if page.eval("document.activeElement.value").unwrap() == "done" {
            break;
        }
        page.press(Key::Down).unwrap();
    }
    page.press(Key::Space).unwrap();
    let chosen = format!(
        "document.querySelector({}).checked",
        Value::from(choice("done"))
    );
    assert_eq!(page.eval(&chosen).unwrap(), true);
    tab_to(&page, &format!("{FORM} [name=note]"));
    page.write("by keyboard").unwrap();
    tab_to(&page, &send());
    page.leads(|page| page.press(Key::Enter)).unwrap();
    world.until("order-1", "compensated");
    assert_eq!(world.incident("order-1~1")["note"], "by keyboard");
    assert_quiet(&page, 0);
}

#[test]
fn text_from_strangers_harms_no_page() {
    let Some(world) = World::start("text_from_strangers_harms_no_page") else {
        return;
    };
    infest(&world);
    let (_person, page) = world.person(EVIL, "en", "/console");
    let mark = page.mark();
    let begin: Vec<&str> = PAGES
        .iter()
        .map(|(_, path)| *path)
        .filter(|path| !path.contains("order-"))
        .collect();
    let visited = crawl(
        &world,
        &page,
        &begin,
        |link| link.starts_with("/console"),
        |place| {
            assert_unharmed(&page, place, mark);
            // Every link of the console leads somewhere.
            let status = page.eval("performance.getEntriesByType('navigation')[0].responseStatus");
            assert_eq!(status.unwrap(), 200, "{place}");
        },
    );
    assert!(visited >= 2 * strings().len(), "{visited}");
}

#[test]
fn hostile_addresses_harm_no_page_of_the_rest() {
    let Some(world) = World::start("hostile_addresses_harm_no_page_of_the_rest") else {
        return;
    };
    let (_person, page) = world.person(EVIL, "en", "/console");
    let mark = page.mark();
    for place in addresses(&[
        "/console/sagas?q=*&state=*&name=*&since=*&until=*&cursor=*",
        "/console/sagas/*",
        "/console/participants?name=*",
        "/console/schedules?name=*",
        "/console/audit?q=*&who=*&action=*&target=*&cursor=*",
    ]) {
        page.go(&world.url(&place)).unwrap();
        assert_unharmed_at(&page, &place, mark, &[400]);
    }
}

#[test]
fn hostile_forms_come_back_as_text() {
    let Some(world) = World::start("hostile_forms_come_back_as_text") else {
        return;
    };
    stuck(&world, "order-1");
    let (_person, page) = world.person(ADMIN, "en", "/console/incidents");
    let mark = page.mark();
    for text in strings() {
        // A form that is sent as another page would, with this session's own form token.
        let fields =
            json!({"decision": text, "note": text, "body": text, "result": text, "edit": "on"});
        page.go(&world.url("/console/incidents")).unwrap();
        let script = format!(
            "(() => {{
                const form = document.createElement('form');
                form.method = 'post';
                form.action = '/console/incidents/order-1~1/resolve';
                const fields = {fields};
                fields.form = document.querySelector('input[name=form]').value;
                for (const [name, value] of Object.entries(fields)) {{
                    const field = document.createElement('textarea');
                    field.name = name;
                    field.value = value;
                    form.append(field);
                }}
                document.querySelector('main').append(form);
                form.submit();
            }})()"
        );
        page.leads(|page| page.eval(&script)).unwrap();
        page.until_there("[role=alert]").unwrap();
        assert_unharmed(&page, &format!("the form with {text:.60}"), mark);
    }
    let incident: Value = world.incident("order-1~1");
    assert_eq!(incident["state"], "open");
}

#[test]
fn nothing_serious_on_any_page() {
    let test = "nothing_serious_on_any_page";
    let Some(axe) = axe(test) else { return };
    let Some(world) = World::start(test) else {
        return;
    };
    furnish(&world);
    let (_person, page) = world.person(ADMIN, "en", "/console");
    let mut found = Vec::new();
    for (name, path) in PAGES {
        page.go(&world.url(path)).unwrap();
        look_at(&axe, &page, name, &mut found);
    }
    assert_quiet(&page, 0);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn pictures_of_every_page() {
    let Some(world) = World::start("pictures_of_every_page") else {
        return;
    };
    furnish(&world);
    for language in ["en", "zh-CN"] {
        let (_person, page) = world.stranger(language);
        page.go(&world.url("/console")).unwrap();
        log_in(&page, ADMIN);
        for (name, path) in PAGES {
            page.go(&world.url(path)).unwrap();
            assert_whole(&page, path);
            assert_eq!(
                page.eval("document.documentElement.lang").unwrap(),
                language
            );
            keep(&page, name, language);
        }
        assert_quiet(&page, 0);
    }
}

#[test]
fn no_page_is_slow_or_heavy() {
    let Some(world) = World::start_alone("no_page_is_slow_or_heavy") else {
        return;
    };
    furnish(&world);
    let (_person, page) = world.person(ADMIN, "en", "/console");
    for (name, path) in PAGES {
        let measured: Vec<_> = (0..2).map(|_| measure(&world, &page, path)).collect();
        let millis = measured
            .iter()
            .map(|(millis, _)| *millis)
            .fold(f64::INFINITY, f64::min);
        let bytes = measured[0].1.bytes;
        println!("{name}: {millis:.0} ms, {bytes} bytes");
        assert!(
            millis < 1_000.0 && bytes < 100_000,
            "{name}: {millis} ms, {bytes} bytes"
        );
    }
}
