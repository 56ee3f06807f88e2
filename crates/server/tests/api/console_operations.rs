//! The console's overview, participants, schedules and audit log: what they show, and that a form
//! changes what it says and nothing for those who may not.

use serde_json::json;
use settled_server::{ServerSettings, Tokens};

use crate::support::{Host, LONG, Reply, client};

const TOKENS: &str = "\
submit submit-token-0123456789 shop
read read-token-0123456789 auditor
operate operate-token-0123456789 night shift
admin admin-token-0123456789 boss
";

/// Somebody with a browser.
struct Browser<'a> {
    host: &'a Host,
    cookie: String,
    form_token: String,
}

impl<'a> Browser<'a> {
    /// Logs in with the token of a role.
    async fn of(host: &'a Host, role: &str) -> Self {
        let body = format!("token={role}-token-0123456789");
        let mut browser = Self {
            host,
            cookie: String::new(),
            form_token: String::new(),
        };
        let reply = browser.send("POST", "/console/login", &body).await;
        assert_eq!(reply.status, 303, "{}", reply.text());
        browser.keep(&reply);
        browser.look_for_token().await;
        browser
    }

    /// Where nobody needs a token.
    async fn open(host: &'a Host) -> Self {
        let mut browser = Self {
            host,
            cookie: String::new(),
            form_token: String::new(),
        };
        let reply = browser.get("/console").await;
        browser.keep(&reply);
        browser.look_for_token().await;
        browser
    }

    fn keep(&mut self, reply: &Reply) {
        let cookie = reply.header("set-cookie").split(';').next().unwrap();
        cookie.clone_into(&mut self.cookie);
    }

    async fn look_for_token(&mut self) {
        let page = self.get("/console").await.text();
        let token = page.split("name=\"form\" value=\"").nth(1).unwrap();
        let token = token.split('"').next().unwrap();
        token.clone_into(&mut self.form_token);
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Reply {
        let headers = [("cookie", self.cookie.as_str())];
        client::send(self.host.address, method, path, &headers, body).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "").await
    }

    /// A page that is there.
    async fn page(&self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
        reply.text()
    }

    /// Sends a form of this session.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut body = format!("form={}", self.form_token);
        for (name, value) in fields {
            let value =
                percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            body.extend(["&", name, "="]);
            body.extend(value);
        }
        self.send("POST", path, &body).await
    }

    /// Sends a form, and gives the page to which it leads.
    async fn done(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let reply = self.post(path, fields).await;
        assert_eq!(reply.status, 303, "{}", reply.text());
        self.page(reply.header("location")).await
    }
}

async fn guarded() -> Host {
    Host::with(ServerSettings {
        tokens: Some(Tokens::parse(TOKENS).unwrap()),
        ..ServerSettings::default()
    })
    .await
}

fn limits<'a>(concurrent: &'a str, rate: &'a str, failures: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("max_concurrent", concurrent),
        ("max_per_second", rate),
        ("failures", failures),
    ]
}

#[tokio::test]
async fn the_overview_says_how_things_are() {
    let host = Host::start().await;
    let browser = Browser::open(&host).await;
    let empty = browser.page("/console").await;
    for text in [
        "Sagas per minute",
        "How long sagas took",
        "Everything is settled",
        "Nothing needs a person.",
        "None was called since this server started.",
        "role=\"img\"",
    ] {
        assert!(empty.contains(text), "{text} in {empty}");
    }
    for index in 0..3 {
        host.run(&format!("c{index}"), json!([host.step("s", "/ok")]))
            .await;
    }
    let steps = json!([
        host.undone_step("a", "/ok", "/ok"),
        host.step("b", "/refuse")
    ]);
    host.run("back", steps).await;
    host.run(
        "stuck",
        json!([host.undone_step("broken-step", "/break", "/ok")]),
    )
    .await;
    let page = browser.page("/console/").await;
    // Should a minute have turned meanwhile, the sum is still said of the hour.
    for text in [
        "the last hour: completed 3, compensated 1, incidents 1",
        "broken-step",
        "<a href=\"/console/incidents\">1</a>",
        "/console/sagas?state=stuck",
        &host.participant.authority(),
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let rows = page.split("id=\"rates-table\"").nth(1).unwrap();
    let rows = rows.split("</table>").next().unwrap();
    assert_eq!(rows.matches("<time").count(), 60);
    assert!(!page.contains(" style=") && !page.contains("<style"));
}

#[tokio::test]
async fn an_hour_that_another_server_counted_is_read_back_from_the_journal() {
    let host = Host::start().await;
    for index in 0..4 {
        host.run(&format!("c{index}"), json!([host.step("s", "/ok")]))
            .await;
    }
    let metrics = settled_server::Metrics::new();
    let any = "127.0.0.1:0".parse().unwrap();
    let settings = ServerSettings::default();
    let second = settled_server::Server::bind(any, host.coordinator.clone(), metrics, settings);
    let second = second.await.unwrap();
    let address = second.local_addr();
    let serving = tokio::spawn(second.serve(std::future::pending()));
    let waiting = async {
        loop {
            let page = client::send(address, "GET", "/console", &[], "").await;
            if page.text().contains("the last hour: completed 4") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
    serving.abort();
}

#[tokio::test]
async fn limits_are_changed_by_the_form_and_what_is_wrong_is_named() {
    let host = Host::start().await;
    host.run("a", json!([host.step("s", "/ok")])).await;
    let browser = Browser::open(&host).await;
    let name = host.participant.authority();
    let page = browser.page("/console/participants").await;
    assert!(page.contains(&name) && page.contains("class=\"state closed\""));
    assert!(page.contains("last until the server ends"));
    let path = format!("/console/participants/{}", name.replace(':', "%3A"));
    let page = browser.done(&path, &limits(" 7 ", "2.5", "")).await;
    assert!(page.contains("The limits hold now:"), "{page}");
    assert!(page.contains("/ 7<br>") && page.contains("2.5 /s") && page.contains("state off"));
    let shown = host.get(&format!("/v1/participants/{name}")).await.json();
    assert_eq!(shown["max_concurrent"], 7);
    assert_eq!(shown["max_per_second"], 2.5);
    assert_eq!(shown["breaker"], json!(null));
    for (fields, field) in [
        (limits("", "", ""), "max_concurrent: "),
        (limits("0", "", ""), "max_concurrent: "),
        (limits("\"><x>", "", ""), "max_concurrent: "),
        (limits("8", "-1", ""), "max_per_second: "),
        (limits("8", "many", ""), "max_per_second: "),
        (limits("8", "", "0.5"), "breaker.failures: "),
    ] {
        let reply = browser.post(&path, &fields).await;
        let page = reply.text();
        assert_eq!(reply.status, 400, "{page}");
        assert!(page.contains(field), "{field} in {page}");
        for (name, value) in fields {
            let value = value.replace('"', "&#34;");
            let value = value.replace('<', "&#60;").replace('>', "&#62;");
            let typed = format!("name=\"{name}\" value=\"{value}\"");
            assert!(page.contains(&typed), "{typed} in {page}");
        }
        assert!(!page.contains("data-live="), "what was typed stays");
    }
    let now = host.get(&format!("/v1/participants/{name}")).await.json();
    assert_eq!(now["max_concurrent"], 7, "nothing was changed");
    let none = limits("0", "", "");
    let unknown = browser.post("/console/participants/x%3A1", &none).await;
    let page = unknown.text();
    assert!(
        page.contains("action=\"/console/participants/x%3A1\""),
        "{page}"
    );
}

#[tokio::test]
async fn nothing_is_changed_without_a_form_token_or_the_role() {
    let host = guarded().await;
    let document = r#"{"every": "1h", "saga": {"steps": []}}"#;
    let three = limits("3", "", "");
    let forms: [(&str, &[(&str, &str)]); 5] = [
        ("/console/participants/p%3A1", &three),
        (
            "/console/schedules",
            &[("name", "s"), ("document", document)],
        ),
        ("/console/schedules/s", &[("document", document)]),
        ("/console/schedules/s/trigger", &[]),
        ("/console/schedules/s/delete", &[]),
    ];
    let read = Browser::of(&host, "read").await;
    let mut stranger = Browser::of(&host, "operate").await;
    stranger.form_token = read.form_token.clone();
    for (path, fields) in forms {
        for browser in [&read, &stranger] {
            let reply = browser.post(path, fields).await;
            assert_eq!(reply.status, 403, "{path}: {}", reply.text());
        }
        let nobody = client::send(host.address, "POST", path, &[], "form=x").await;
        assert_eq!(nobody.status, 401, "{path}");
    }
    let page = read.page("/console/participants").await;
    assert!(!page.contains("p:1"), "{page}");
    let page = read.page("/console/schedules").await;
    assert!(page.contains("There is no schedule yet."));
    assert!(
        !page.contains("New schedule"),
        "what one may not is not offered"
    );
}

#[tokio::test]
async fn a_schedule_is_made_changed_run_and_deleted_by_forms() {
    let host = Host::start().await;
    let browser = Browser::open(&host).await;
    let steps = json!([host.step("a", "/ok")]);
    let document =
        json!({"cron": "0 4 * * *", "timezone": "Asia/Shanghai", "saga": {"steps": steps}});
    let text = document.to_string();
    let make = |name, document| [("name", name), ("document", document)];
    for (name, document, status, field) in [
        ("", "{}", 400, "name: "),
        ("a b", &*text, 400, "name: "),
        ("s", "", 400, "document: "),
        ("s", "{\"cron\": \"x <b>\"}", 400, "saga: "),
        ("s", "</textarea><script>", 400, "expected a JSON object"),
    ] {
        let reply = browser
            .post("/console/schedules", &make(name, document))
            .await;
        let page = reply.text();
        assert_eq!(reply.status, status, "{page}");
        assert!(page.contains(field), "{field} in {page}");
        assert!(
            !page.contains("<script>") && !page.contains("<b>"),
            "{page}"
        );
        if document.contains("<script>") {
            assert!(page.contains("&#60;/textarea&#62;&#60;script&#62;</textarea>"));
        }
    }
    let page = browser.done("/console/schedules", &make("s", &text)).await;
    assert!(page.contains("The schedule was made."), "{page}");
    assert!(page.contains("0 4 * * *") && page.contains("Asia/Shanghai"));
    assert!(page.contains("data-confirm="));
    let again = browser.post("/console/schedules", &make("s", &text)).await;
    assert_eq!(again.status, 409);
    assert!(again.text().contains("there is a schedule of this name"));

    let page = browser.done("/console/schedules/s/trigger", &[]).await;
    let run = page.split("The run was started:").nth(1).unwrap();
    let run = run.split("\">").nth(1).unwrap().split('<').next().unwrap();
    assert!(run.starts_with("s.trigger."), "{run}");
    host.until(run, |saga| saga["state"] == "completed").await;
    let page = browser.page("/console/schedules/s").await;
    assert!(page.contains(run) && page.contains("state completed"));

    let broken = [("document", "{\"every\": \"<i>\"}")];
    let reply = browser.post("/console/schedules/s", &broken).await;
    assert_eq!(reply.status, 400);
    let page = reply.text();
    assert!(
        page.contains("&#60;i&#62;") && !page.contains("<i>"),
        "{page}"
    );
    let hourly =
        json!({"every": "1h", "saga": {"name": "h", "input": "<u>\u{202e}", "steps": steps}});
    let hourly = hourly.to_string();
    let page = browser
        .done("/console/schedules/s", &[("document", &hourly)])
        .await;
    assert!(page.contains("every 1h"), "{page}");
    assert!(
        page.contains("&#60;u&#62;⟨U+202E⟩"),
        "made visible where it is shown"
    );
    assert!(
        page.contains("&#60;u&#62;\u{202e}"),
        "and left alone where it is edited"
    );
    assert!(!page.contains("<u>"));
    let list = browser.page("/console/schedules").await;
    assert!(list.contains("every 1h") && list.contains("in 59 min") || list.contains("in 1 h"));

    let page = browser.done("/console/schedules/s/delete", &[]).await;
    assert!(page.contains("The schedule was deleted:"), "{page}");
    assert_eq!(browser.get("/console/schedules/s").await.status, 404);
    assert_eq!(
        browser
            .post("/console/schedules/s/delete", &[])
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn hostile_names_stay_texts() {
    let host = Host::start().await;
    let browser = Browser::open(&host).await;
    let name = "<script>alert(1)</script>\" x=\"";
    let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    let path = format!("/console/participants/{encoded}");
    let page = browser.done(&path, &limits("3", "", "5")).await;
    assert!(page.contains("&#60;script&#62;alert(1)"), "{page}");
    for path in ["/console", "/console/participants", "/console/audit"] {
        let page = browser.page(path).await;
        assert!(
            !page.contains("<script>alert") && !page.contains("\" x=\"\""),
            "{path}: {page}"
        );
    }
    let page = browser
        .page("/console/participants?saved=%3Cscript%3E")
        .await;
    assert!(!page.contains("<script>") && !page.contains("hold now"));
    for path in [
        "/console/schedules?deleted=%3Cscript%3E",
        "/console/audit?who=%22%3E%3Cscript%3E&action=%3Cscript%3E&target=%3Cscript%3E",
    ] {
        assert!(!browser.page(path).await.contains("<script>"), "{path}");
    }
}

#[tokio::test]
async fn the_audit_log_is_for_those_who_may_see_all() {
    let host = guarded().await;
    let operate = Browser::of(&host, "operate").await;
    let document = json!({"every": "1h", "saga": {"steps": [host.step("a", "/ok")]}}).to_string();
    operate
        .done("/console/participants/p%3A1", &limits("3", "", ""))
        .await;
    operate
        .done(
            "/console/schedules",
            &[("name", "s"), ("document", &document)],
        )
        .await;
    operate.done("/console/schedules/s/trigger", &[]).await;
    operate
        .done("/console/schedules/s", &[("document", &document)])
        .await;
    operate.done("/console/schedules/s/delete", &[]).await;
    operate.post("/console/schedules/s/delete", &[]).await;
    for role in ["read", "operate"] {
        let browser = Browser::of(&host, role).await;
        let reply = browser.get("/console/audit").await;
        assert_eq!(reply.status, 403);
        assert!(!reply.text().contains("participant.limit"));
        assert!(!browser.page("/console").await.contains("/console/audit"));
    }
    let admin = Browser::of(&host, "admin").await;
    let page = admin.page("/console/audit").await;
    for text in [
        "participant.limit",
        "p:1",
        "max_concurrent 3, max_per_second none, breaker none",
        "schedule.put",
        "<a href=\"/console/schedules/s\">s</a>",
        "schedule.trigger",
        "s.trigger.",
        "schedule.delete",
        "night shift",
        "console.login",
        "state refused\">404",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let chain = page.split("data-piece=\"chain\">").nth(1).unwrap();
    let numbers: Vec<&str> = chain.split(' ').take(3).collect();
    assert_eq!((numbers[0], numbers[1]), (numbers[2], "of"));
    let rows = |page: &str| page.matches("<abbr title=").count();
    let put = admin
        .page("/console/audit?action=schedule.put&who=night+shift")
        .await;
    assert_eq!(rows(&put), 2, "{put}");
    let none = admin.page("/console/audit?since=2999-01-01T00:00").await;
    assert!(none.contains("No entry matches."));
    let all = admin
        .page("/console/audit?since=2020-01-01T00:00&target=s")
        .await;
    assert_eq!(rows(&all), 5);
    let wrong = admin.get("/console/audit?since=yesterday").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("since: expected a time"));
    assert!(wrong.text().contains("value=\"yesterday\""));
}

#[tokio::test]
async fn every_page_speaks_chinese() {
    let host = Host::start().await;
    host.run("a", json!([host.step("s", "/ok")])).await;
    let browser = Browser::open(&host).await;
    for (path, word) in [
        ("/console", "每分钟 saga 数"),
        ("/console/participants", "熔断器"),
        ("/console/schedules", "新建定时任务"),
        ("/console/audit", "审计"),
    ] {
        let headers = [
            ("cookie", browser.cookie.as_str()),
            ("accept-language", "zh-CN"),
        ];
        let page = client::send(host.address, "GET", path, &headers, "").await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains(word), "{word} in {}", page.text());
    }
}
