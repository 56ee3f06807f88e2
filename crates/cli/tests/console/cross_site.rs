//! Another site, open beside the console in the browser of somebody who is logged in: it changes
//! nothing, reads nothing and frames nothing.

use serde_json::Value;

use crate::participant::{Answer, Participant};
use crate::sagas::stuck;
use crate::world::{ADMIN, World};

/// A page that does what it can to the console at `target`.
fn hostile_page(target: &str) -> String {
    format!(
        r#"<!DOCTYPE html><title>other</title>
<body>
<iframe id="frame" src="{target}/console/incidents"></iframe>
<img src="{target}/console/incidents/order-1~1/resolve?decision=abandon&note=img">
<form id="one" method="post" action="{target}/console/incidents/order-1~1/resolve" target="sink1">
  <input name="decision" value="done"><input name="note" value="cross-site"><input name="form" value="guess"></form>
<form id="many" method="post" action="{target}/console/incidents/resolve" target="sink2">
  <input name="id" value="order-1~1"><input name="decision" value="done"><input name="note" value="cross-site"></form>
<form id="plain" method="post" enctype="text/plain" action="{target}/v1/incidents/order-1~1/resolve" target="sink3">
  <input name='{{"decision":"done","note":"' value='"}}'></form>
<form id="out" method="post" action="{target}/console/logout" target="sink4"><input name="form" value=""></form>
<form id="set" method="post" action="{target}/console/settings" target="sink5"><input name="light" value="dark"></form>
<iframe name="sink1"></iframe><iframe name="sink2"></iframe><iframe name="sink3"></iframe><iframe name="sink4"></iframe>
<iframe name="sink5"></iframe>
<script>
for (const form of document.forms) form.submit();
const tries = [
  ["GET", "/v1/incidents"], ["GET", "/console/incidents"], ["GET", "/console/live"],
  ["POST", "/v1/incidents/order-1~1/resolve"], ["POST", "/console/incidents/order-1~1/resolve"],
].map(([method, path]) => fetch("{target}" + path, {{
  method, credentials: "include",
  headers: method === "POST" ? {{"Content-Type": "text/plain"}} : {{}},
  body: method === "POST" ? '{{"decision":"done","note":"cross-site"}}' : undefined,
}}).then((answer) => answer.text()).then((text) => "read: " + path + text, () => "refused"));
window.tried = Promise.all(tries);
</script>"#
    )
}

#[test]
fn another_site_changes_and_reads_nothing() {
    let Some(world) = World::start("another_site_changes_and_reads_nothing") else {
        return;
    };
    stuck(&world, "order-1");
    let (person, page) = world.person(ADMIN, "en", "/console/incidents");
    let saga = world.saga("order-1");
    let other = Participant::start();
    other.answers("/", Answer::page(&hostile_page(&world.serve.url)));
    // Cookies know no ports: another port of the same host is the same site, and the cookie goes
    // along; another name is another site.
    for host in ["127.0.0.1", "localhost"] {
        let tab = person.page().unwrap();
        tab.go(&format!("http://{host}:{}/", other.address.port()))
            .unwrap();
        let tried = tab.eval("window.tried").unwrap();
        for attempt in tried.as_array().unwrap() {
            assert_eq!(attempt, "refused", "{host}");
        }
        // What was sent by forms has been answered by now, or is soon.
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(world.saga("order-1"), saga, "{host}");
        assert_eq!(world.incident("order-1~1")["state"], "open", "{host}");
        let frames = tab.eval("frames.length").unwrap();
        assert_eq!(frames, 6);
        for number in 0..6 {
            // A frame of another origin cannot be read; one that was refused neither.
            let read = format!(
                "(() => {{ try {{ return frames[{number}].document.body.innerText }} catch {{ return '' }} }})()"
            );
            assert_eq!(tab.eval(&read).unwrap(), "", "{host}");
        }
        // A window that it opens is not its own to look into.
        tab.eval(&format!(
            "window.opened = open('{}/console/incidents'); 0",
            world.serve.url
        ))
        .unwrap();
        tab.until("!window.opened || window.opened.closed").unwrap();
    }
    // One is still logged in, and in the light that one had.
    page.go(&world.url("/console/incidents")).unwrap();
    assert_eq!(page.place().unwrap(), "/console/incidents");
    assert_eq!(
        page.eval("document.documentElement.dataset.light").unwrap(),
        "system"
    );
}

#[test]
fn no_page_can_be_framed() {
    let Some(world) = World::start("no_page_can_be_framed") else {
        return;
    };
    let other = Participant::start();
    for host in ["127.0.0.1", "localhost"] {
        other.answers(
            "/",
            Answer::page(&format!(
                "<title>x</title><iframe src='{}/console/login'></iframe>",
                world.serve.url
            )),
        );
        let (_person, page) = world.stranger("en");
        let mark = page.mark();
        page.go(&format!("http://{host}:{}/", other.address.port()))
            .unwrap();
        let troubles = page.troubles(mark).join("\n");
        assert!(troubles.contains("frame-ancestors"), "{host}: {troubles}");
    }
}

#[test]
fn the_api_never_believes_a_cookie() {
    let Some(world) = World::start("the_api_never_believes_a_cookie") else {
        return;
    };
    stuck(&world, "order-1");
    // From a page of the console itself, with its cookie at hand.
    let (_person, page) = world.person(ADMIN, "en", "/console/incidents");
    for (method, path) in [
        ("GET", "/v1/incidents"),
        ("GET", "/metrics"),
        ("POST", "/v1/incidents/order-1~1/resolve"),
    ] {
        let status = page.eval(&format!(
            "fetch('{path}', {{method: '{method}', credentials: 'include',
                headers: {{'Content-Type': 'application/json'}},
                body: '{method}' === 'POST' ? '{{\"decision\":\"done\",\"note\":\"x\"}}' : undefined
            }}).then((answer) => answer.status)"
        ));
        assert_eq!(status.unwrap(), 401, "{method} {path}");
    }
    assert_eq!(world.incident("order-1~1")["state"], "open");
}

#[test]
fn a_form_of_another_session_and_a_get_change_nothing() {
    let Some(world) = World::start("a_form_of_another_session_and_a_get_change_nothing") else {
        return;
    };
    stuck(&world, "order-1");
    let (_person, page) = world.person(ADMIN, "en", "/console/incidents");
    let (_other, others) = world.person(ADMIN, "en", "/console/incidents");
    let token = "document.querySelector('form[action$=\"/resolve\"] input[name=form]').value";
    let mine = page.eval(token).unwrap();
    let theirs = others.eval(token).unwrap();
    assert_ne!(mine, theirs);
    let send = |form: &Value| {
        let script = format!(
            "fetch('/console/incidents/order-1~1/resolve', {{method: 'POST', body: new URLSearchParams(
                {{decision: 'done', note: 'x', form: {form}}})}}).then((answer) => answer.status)"
        );
        page.eval(&script).unwrap()
    };
    for wrong in [theirs, Value::from(""), Value::from("0".repeat(64))] {
        assert_eq!(send(&wrong), 403, "{wrong}");
    }
    for path in [
        "/console/incidents/order-1~1/resolve?decision=done&note=x",
        "/console/incidents/resolve?id=order-1~1&decision=done&note=x",
        "/console/logout",
        "/console/settings?light=dark",
    ] {
        page.go(&world.url(path)).unwrap();
    }
    assert_eq!(world.incident("order-1~1")["state"], "open");
    page.go(&world.url("/console/incidents")).unwrap();
    assert_eq!(page.place().unwrap(), "/console/incidents");
    assert_eq!(send(&mine), 200);
    assert_eq!(world.incident("order-1~1")["state"], "resolved");
}
