//! The world of a test: a server with tokens, a participant, and people with a browser.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use serde_json::Value;
use settled_test_browser::{Browser, NoBrowser, Page, Person};
use settled_test_servers::skip;
use tempfile::TempDir;

use crate::participant::Participant;
use crate::support::{PATIENCE, Serve, write};

pub(crate) const READ: &str = "read-token-0123456789";
pub(crate) const OPERATE: &str = "operate-token-0123456789";
pub(crate) const SECOND: &str = "second-token-0123456789";
pub(crate) const ADMIN: &str = "admin-token-0123456789";
/// Of an admin whose name in the token file is a script.
pub(crate) const EVIL: &str = "evil-token-0123456789";
pub(crate) const SUBMIT: &str = "submit-token-0123456789";

/// One browser for all tests of this program: it goes when the program does.
static BROWSER: OnceLock<Result<Browser, NoBrowser>> = OnceLock::new();

/// Whoever measures is alone.
static QUIET: RwLock<()> = RwLock::new(());

enum Place {
    Shared(#[expect(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
}

pub(crate) struct World {
    pub(crate) participant: Participant,
    pub(crate) serve: Serve,
    browser: &'static Browser,
    _folder: TempDir,
    _place: Place,
}

impl World {
    /// None where there is no browser: then the test counts as skipped.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let browser = browser(test)?;
        let place = QUIET
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Some(Self::with(browser, Place::Shared(place)))
    }

    /// The same while no other test runs.
    pub(crate) fn start_alone(test: &str) -> Option<Self> {
        let browser = browser(test)?;
        let place = QUIET
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Some(Self::with(browser, Place::Alone(place)))
    }

    fn with(browser: &'static Browser, place: Place) -> Self {
        let folder = TempDir::new().unwrap();
        let tokens = format!(
            "read {READ} rita\noperate {OPERATE} otto\noperate {SECOND} olga\nadmin {ADMIN} ada\nsubmit {SUBMIT} shop\n\
             admin {EVIL} <img src=x onerror=window.pwned=1>\n"
        );
        write(folder.path(), "tokens", &tokens);
        let more = ["--token-file", "tokens", "--allow-participant", "127.0.0.1"];
        let serve = Serve::start(folder.path(), &more);
        Self {
            participant: Participant::start(),
            serve,
            browser,
            _folder: folder,
            _place: place,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.serve.url)
    }

    /// Somebody who is not logged in.
    pub(crate) fn stranger(&self, language: &str) -> (Person, Page) {
        let person = self.browser.person(language).unwrap();
        let page = person.page().unwrap();
        (person, page)
    }

    /// Somebody who has logged in and looks at a place.
    pub(crate) fn person(&self, token: &str, language: &str, place: &str) -> (Person, Page) {
        let (person, page) = self.stranger(language);
        page.go(&self.url(place)).unwrap();
        log_in(&page, token);
        (person, page)
    }

    /// Asks the API, as the admin.
    pub(crate) fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        // What a GET carried would not be read, and the connection be torn down for it.
        let text = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let (status, answer) = self.ask(method, path, ADMIN, &text);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        serde_json::from_str(&answer).unwrap_or_default()
    }

    /// Asks over the wire: status and body.
    pub(crate) fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        let authority = self.serve.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(authority).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut text = Vec::new();
        let read = BufReader::new(stream).read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text);
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{method} {path} {} bytes: {read:?} {text}", body.len()));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    pub(crate) fn submit(&self, saga: &Value) {
        self.api("POST", "/v1/sagas", saga);
    }

    pub(crate) fn saga(&self, id: &str) -> Value {
        self.api("GET", &format!("/v1/sagas/{id}"), &Value::Null)
    }

    /// Waits until a saga is in a state.
    pub(crate) fn until(&self, id: &str, state: &str) -> Value {
        let began = Instant::now();
        loop {
            let saga = self.saga(id);
            if saga["state"] == state {
                return saga;
            }
            assert!(began.elapsed() < PATIENCE, "not {state}: {saga}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn incident(&self, id: &str) -> Value {
        self.api("GET", &format!("/v1/incidents/{id}"), &Value::Null)
    }

    pub(crate) fn open_incidents(&self) -> usize {
        let found = self.api("GET", "/v1/incidents?state=open&limit=500", &Value::Null);
        found["incidents"].as_array().unwrap().len()
    }
}

/// Where the repository's programs are built.
pub(crate) fn target() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap().join("target")
}

fn browser(test: &str) -> Option<&'static Browser> {
    match BROWSER.get_or_init(Browser::start) {
        Ok(browser) => Some(browser),
        Err(NoBrowser::NotInstalled(why)) => {
            skip(test, why);
            None
        }
        Err(broken @ NoBrowser::Broken(_)) => panic!("{broken}"),
    }
}

/// Fills in the form of the login page, and waits for what is behind it.
pub(crate) fn log_in(page: &Page, token: &str) {
    page.fill("input[name=token]", token).unwrap();
    page.leads(|page| page.click("main form button")).unwrap();
}

/// What was seen by the page since a mark must be nothing bad.
pub(crate) fn assert_quiet(page: &Page, mark: usize) {
    let troubles = page.troubles(mark);
    assert!(
        troubles.is_empty(),
        "{}: {troubles:#?}",
        page.place().unwrap()
    );
}
