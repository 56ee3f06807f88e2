//! Sagas in the console: the list and its search, one saga with all that happened, and cancelling it.

use serde_json::{Value, json};
use settled_server::{ServerSettings, Tokens};

use crate::support::{Host, Reply, client};

const TOKENS: &str = "\
read read-token-0123456789 auditor
operate operate-token-0123456789 night shift
";

/// What one browser has: its cookie and the form token of its session.
pub(crate) struct Browser {
    cookie: String,
    pub(crate) form: String,
}

impl Browser {
    pub(crate) async fn open(host: &Host, role: Option<&str>) -> Self {
        let reply = match role {
            None => host.get("/console/sagas").await,
            Some(role) => {
                let form = format!("token={role}-token-0123456789");
                host.post("/console/login", &form).await
            }
        };
        let cookie = reply.header("set-cookie").split(';').next().unwrap();
        let mut browser = Self {
            cookie: cookie.to_owned(),
            form: String::new(),
        };
        let page = browser.get(host, "/console/sagas").await.text();
        let (_, rest) = page.split_once("name=\"form\" value=\"").unwrap();
        rest.split('"')
            .next()
            .unwrap()
            .clone_into(&mut browser.form);
        assert_eq!(browser.form.len(), 64);
        browser
    }

    pub(crate) async fn get(&self, host: &Host, path: &str) -> Reply {
        let headers = [("cookie", self.cookie.as_str())];
        client::send(host.address, "GET", path, &headers, "").await
    }

    pub(crate) async fn post(&self, host: &Host, path: &str, form: &str) -> Reply {
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        client::send(host.address, "POST", path, &headers, form).await
    }
}

#[tokio::test]
async fn the_list_shows_what_became_of_each_saga_and_finds_it() {
    let host = Host::start().await;
    host.run(
        "fine",
        json!([host.step("a", "/ok"), host.step("b", "/ok")]),
    )
    .await;
    let steps = json!([
        host.undone_step("a", "/ok", "/ok"),
        host.step("b", "/refuse")
    ]);
    host.run("undone", steps).await;
    host.run("stuck", json!([host.undone_step("pay", "/break", "/ok")]))
        .await;
    let page = host.get("/console/sagas").await;
    assert_eq!(page.status, 200);
    let text = page.text();
    for expected in [
        "href=\"/console/sagas/fine\"",
        "state completed",
        "state compensated",
        "state stuck",
        ">2/2<",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let has = async |query: &str, ids: &[&str]| {
        let text = host.get(&format!("/console/sagas?{query}")).await.text();
        for id in ["fine", "undone", "stuck"] {
            let is_there = text.contains(&format!("/console/sagas/{id}\""));
            assert_eq!(is_there, ids.contains(&id), "{query}: {id}");
        }
        text
    };
    has("state=stuck", &["stuck"]).await;
    has("state=compensated&name=", &["undone"]).await;
    let text = has("q=FINE", &["fine"]).await;
    assert!(!text.contains("class=\"exact\""));
    let text = has("q=fine", &["fine"]).await;
    assert_eq!(text.matches("/console/sagas/fine\"").count(), 1);
    assert!(text.contains("class=\"exact\""));
    has("since=2999-01-01T00%3A00", &[]).await;
    has("until=2999-01-01T00%3A00", &["fine", "undone", "stuck"]).await;
    let wrong = host.get("/console/sagas?since=soon").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("soon"));
    assert_eq!(host.get("/console/sagas?cursor=x").await.status, 400);
}

#[tokio::test]
async fn a_long_list_goes_on_page_by_page() {
    let host = Host::start().await;
    for n in 0..53 {
        host.run(&format!("s{n:03}"), json!([host.step("a", "/ok")]))
            .await;
    }
    let first = host.get("/console/sagas").await.text();
    assert!(first.contains("/console/sagas/s052\"") && !first.contains("/console/sagas/s002\""));
    let (_, link) = first.split_once("href=\"/console/sagas?cursor=").unwrap();
    let cursor = link.split('"').next().unwrap();
    let rest = host.get(&format!("/console/sagas?cursor={cursor}")).await;
    let rest = rest.text();
    assert!(rest.contains("/console/sagas/s002\"") && !rest.contains("/console/sagas/s003\""));
    assert!(!rest.contains("?cursor="), "there are no more");
}

#[tokio::test]
async fn a_saga_s_page_shows_its_course_and_every_call() {
    let host = Host::start().await;
    let mut pay = host.step("pay", "/refuse");
    pay["needs"] = json!(["a", "b"]);
    pay["pivot"] = json!(true);
    let mut side = host.undone_step("b", "/ok/b", "/ok/back");
    side["needs"] = json!([]);
    let steps = json!([host.undone_step("a", "/ok/a", "/refuse/back"), side, pay]);
    host.run("trip", steps).await;
    let reply = host.get("/console/sagas/trip").await;
    assert_eq!(reply.status, 200);
    let text = reply.text();
    for expected in [
        "role=\"img\"",
        "<desc id=\"picture-desc\">",
        "class=\"node refused pivot\"",
        "class=\"node back compensated\"",
        "class=\"node back compensation_failed\"",
        "href=\"/console/incidents/trip~1\"",
        "href=\"#e",
        "409 Conflict",
        "canary-answer",
        "/refuse/back",
        "data-piece=\"history\"",
        "saga=trip\"",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // Each bar of the time axis leads to an entry of the list.
    for link in text.split("<a href=\"#").skip(1) {
        let id = link.split('"').next().unwrap();
        assert!(text.contains(&format!(" id=\"{id}\"")), "{id}");
    }
    assert!(!text.contains("style=") && !text.contains("<style"));
    assert_eq!(host.get("/console/sagas/none").await.status, 404);
    assert_eq!(host.get("/console/sagas/%3Cscript%3E").await.status, 404);
    let chinese = [("accept-language", "zh-CN")];
    let path = "/console/sagas/trip";
    let reply = client::send(host.address, "GET", path, &chinese, "").await;
    assert!(reply.text().contains("时间线"));
}

const HOSTILE: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</pre></details><svg onload=alert(1)>",
    "\u{202e}gpj.exe",
    "a\u{0}b",
];

fn percent_encode(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}

#[tokio::test]
async fn nothing_that_a_payload_says_is_taken_for_markup() {
    let host = Host::start().await;
    let mut step = host.step("a", "/ok?q=%3Cscript%3Ealert(1)%3C/script%3E");
    step["action"]["body"] = json!({"all": HOSTILE, "\"><img src=x onerror=alert(1)>": 1});
    step["action"]["headers"] = json!({"x-hostile": "<script>alert(1)</script>"});
    let saga = json!({
        "id": "evil",
        "input": {"all": HOSTILE, "big": "x".repeat(900_000)},
        "steps": [step],
    });
    let reply = host.post_json("/v1/sagas?wait=10s", &saga).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let page = host.get("/console/sagas/evil").await;
    assert_eq!(page.status, 200);
    let text = page.text();
    for forbidden in ["<script>", "<img", "<svg onload", "\u{202e}", "\0"] {
        assert!(!text.contains(forbidden), "{forbidden:?}");
    }
    assert!(text.contains("&#60;script&#62;"), "it is shown as it is");
    assert!(text.contains("⟨U+202E⟩"));
    assert!(text.len() < 400_000, "{}", text.len());
    for query in ["q", "name", "since", "state", "cursor"] {
        for hostile in HOSTILE {
            let value = percent_encode(hostile);
            let page = host.get(&format!("/console/sagas?{query}={value}")).await;
            assert!(page.status < 500, "{query} {hostile}");
            let text = page.text();
            assert!(
                !text.contains("<script>") && !text.contains("<img"),
                "{query}"
            );
            assert!(!text.contains("<svg onload"), "{query}");
        }
    }
}

#[tokio::test]
async fn a_saga_is_cancelled_by_a_form_of_the_session_and_by_nothing_else() {
    let host = Host::start().await;
    let steps = json!([
        host.undone_step("a", "/ok", "/ok/back"),
        host.step("b", "/pend")
    ]);
    let saga: Value = json!({"id": "c", "steps": steps});
    host.post_json("/v1/sagas", &saga).await;
    host.until("c", |saga| saga["steps"][1]["state"] == "pending")
        .await;
    let browser = Browser::open(&host, None).await;
    let path = "/console/sagas/c/cancel";
    let page = browser.get(&host, "/console/sagas/c").await.text();
    assert!(page.contains(&format!("action=\"{path}\"")), "{page}");
    for form in ["", "form=", "form=0000", "token=x"] {
        assert_eq!(browser.post(&host, path, form).await.status, 403, "{form}");
    }
    let reply = host.get("/v1/sagas/c").await.json();
    assert_eq!(reply["state"], "running");
    let form = format!("form={}", browser.form);
    let reply = browser.post(&host, path, &form).await;
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert_eq!(reply.header("location"), "/console/sagas/c");
    let page = browser.get(&host, "/console/sagas/c").await.text();
    assert!(!page.contains(path), "it cannot be cancelled twice");
    let done = json!([host.step("a", "/ok")]);
    host.run("done", done).await;
    let reply = browser
        .post(&host, "/console/sagas/done/cancel", &form)
        .await;
    assert_eq!(reply.status, 409);
    assert!(reply.text().contains("the saga is settled"));
    let reply = browser
        .post(&host, "/console/sagas/none/cancel", &form)
        .await;
    assert_eq!(reply.status, 404);
    let audit = host.get("/v1/audit?action=saga.cancel").await.json();
    assert!(audit.to_string().contains("\"target\":\"c\""), "{audit}");
}

#[tokio::test]
async fn whoever_may_only_read_does_not_cancel() {
    let host = Host::with(ServerSettings {
        tokens: Some(Tokens::parse(TOKENS).unwrap()),
        ..ServerSettings::default()
    })
    .await;
    let reply = host.get("/console/sagas").await;
    assert_eq!(reply.status, 303);
    let reader = Browser::open(&host, Some("read")).await;
    let operator = Browser::open(&host, Some("operate")).await;
    let path = "/console/sagas/none/cancel";
    for (browser, status) in [(&reader, 403), (&operator, 404)] {
        let form = format!("form={}", browser.form);
        assert_eq!(browser.post(&host, path, &form).await.status, status);
    }
    // The form of another session is nobody's.
    let form = format!("form={}", reader.form);
    assert_eq!(operator.post(&host, path, &form).await.status, 403);
}
