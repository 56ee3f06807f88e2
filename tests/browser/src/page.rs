//! A page: what a person does with it and sees of it, and what it did wrong.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::keys::Key;
use crate::wire::{self, Event, Failed};

/// More than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(30);

/// How a page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// In pixels.
    pub width: u32,
    /// Whether the system prefers dark.
    pub dark: bool,
}

/// What came over the network for one page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wire {
    /// Of the page and what it is made of, how many answers.
    pub answers: usize,
    /// Their bytes, heads included.
    pub bytes: u64,
    /// Bytes that its script has asked for.
    pub asked: u64,
}

/// One page in the browser.
pub struct Page {
    wire: Arc<wire::Wire>,
    target: String,
    session: String,
}

impl Page {
    pub(crate) fn open(
        wire: Arc<wire::Wire>,
        target: &str,
        language: &str,
    ) -> Result<Self, Failed> {
        let wanted = json!({"targetId": target, "flatten": true});
        let attached = wire.ask(None, "Target.attachToTarget", wanted)?;
        let page = Self {
            wire,
            target: target.to_owned(),
            session: attached["sessionId"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        };
        for domain in ["Page", "Runtime", "Log", "Network", "Audits"] {
            page.ask(&format!("{domain}.enable"), json!({}))?;
        }
        // Several pages are open side by side, and each is to behave as the one that is looked at.
        page.ask(
            "Emulation.setFocusEmulationEnabled",
            json!({"enabled": true}),
        )?;
        let headers = json!({"headers": {"Accept-Language": language}});
        page.ask("Network.setExtraHTTPHeaders", headers)?;
        page.look(Look {
            width: 1280,
            dark: false,
        })?;
        Ok(page)
    }

    /// Asks the browser something about this page, in the words of its protocol.
    pub fn ask(&self, method: &str, params: Value) -> Result<Value, Failed> {
        self.wire.ask(Some(&self.session), method, params)
    }

    /// Another width, another light; the page stays.
    pub fn look(&self, look: Look) -> Result<(), Failed> {
        let size =
            json!({"width": look.width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        self.ask("Emulation.setDeviceMetricsOverride", size)?;
        let light = if look.dark { "dark" } else { "light" };
        let features = json!([
            {"name": "prefers-color-scheme", "value": light},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.ask("Emulation.setEmulatedMedia", json!({"features": features}))?;
        Ok(())
    }

    /// Makes the machine so many times slower.
    pub fn slow_down(&self, times: u32) -> Result<(), Failed> {
        self.ask("Emulation.setCPUThrottlingRate", json!({"rate": times}))?;
        Ok(())
    }

    /// Goes to an address and waits until all of it is there.
    pub fn go(&self, address: &str) -> Result<(), Failed> {
        let mark = self.mark();
        let gone = self.ask("Page.navigate", json!({"url": address}))?;
        if let Some(error) = gone["errorText"].as_str() {
            return Err(Failed(format!("{address}: {error}")));
        }
        self.loaded(mark, address)
    }

    /// Does something, and waits for the page that it leads to.
    pub fn leads<T>(&self, what: impl FnOnce(&Self) -> Result<T, Failed>) -> Result<(), Failed> {
        let mark = self.mark();
        what(self)?;
        self.loaded(mark, "what was done leads nowhere")
    }

    fn loaded(&self, mark: usize, what: &str) -> Result<(), Failed> {
        let method = "Page.loadEventFired";
        if self.wire.wait(&self.session, mark, method, PATIENCE) {
            return Ok(());
        }
        Err(Failed(format!("nothing was loaded: {what}")))
    }

    /// Runs a script as the console of the browser would; no policy of the page is in its way.
    pub fn eval(&self, script: &str) -> Result<Value, Failed> {
        let wanted = json!({"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let mut answer = self.ask("Runtime.evaluate", wanted)?;
        if let Some(error) = answer.get("exceptionDetails") {
            let shown: String = script.chars().take(200).collect();
            return Err(Failed(format!("{shown}: {error}")));
        }
        Ok(answer["result"]["value"].take())
    }

    /// Waits until a script says yes, across pages.
    pub fn until(&self, script: &str) -> Result<(), Failed> {
        let began = Instant::now();
        loop {
            let last = self.eval(&format!("Boolean({script})"));
            if matches!(last, Ok(Value::Bool(true))) {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                let text = self.text("body").unwrap_or_default();
                let shown: String = text.chars().take(3_000).collect();
                let place = self.place().unwrap_or_default();
                return Err(Failed(format!("never: {script}\nat {place}:\n{shown}")));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until the page says something.
    pub fn until_text(&self, text: &str) -> Result<(), Failed> {
        self.until(&format!(
            "document.body.innerText.includes({})",
            quoted(text)
        ))
    }

    /// Waits until there is something.
    pub fn until_there(&self, selector: &str) -> Result<(), Failed> {
        self.until(&format!("document.querySelector({})", quoted(selector)))
    }

    /// What is to be read of the first that matches.
    pub fn text(&self, selector: &str) -> Result<String, Failed> {
        let script = format!("document.querySelector({}).innerText", quoted(selector));
        Ok(self.eval(&script)?.as_str().unwrap_or_default().to_owned())
    }

    /// How many match.
    pub fn count(&self, selector: &str) -> Result<u64, Failed> {
        let script = format!("document.querySelectorAll({}).length", quoted(selector));
        Ok(self.eval(&script)?.as_u64().unwrap_or_default())
    }

    /// Where the page is: path and query.
    pub fn place(&self) -> Result<String, Failed> {
        let place = self.eval("location.pathname + location.search")?;
        Ok(place.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks into the middle of the first that matches, as a mouse does: fails where something else
    /// is in the way.
    pub fn click(&self, selector: &str) -> Result<(), Failed> {
        self.until_there(selector)?;
        let found = self.eval(&format!(
            "(() => {{
                const one = document.querySelector({});
                one.scrollIntoView({{block: 'center', inline: 'nearest', behavior: 'instant'}});
                const box = one.getClientRects()[0] ?? one.getBoundingClientRect();
                const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
                const hit = document.elementFromPoint(x, y);
                const label = hit && hit.closest('label');
                const reached = hit && (one.contains(hit) || hit.contains(one) && hit === one.parentElement
                    || label && label.control === one);
                return {{x, y, reached: Boolean(reached), hit: hit && hit.outerHTML.slice(0, 200)}};
            }})()",
            quoted(selector)
        ))?;
        if found["reached"] != true {
            return Err(Failed(format!("{selector} cannot be clicked: {found}")));
        }
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": found["x"], "y": found["y"], "clickCount": 1,
                "button": if kind == "mouseMoved" { "none" } else { "left" },
            });
            self.ask("Input.dispatchMouseEvent", event)?;
        }
        Ok(())
    }

    /// Writes where the focus is.
    pub fn write(&self, text: &str) -> Result<(), Failed> {
        self.ask("Input.insertText", json!({"text": text}))?;
        Ok(())
    }

    /// Clicks into a field, takes out what is in it, and writes.
    pub fn fill(&self, selector: &str, text: &str) -> Result<(), Failed> {
        self.click(selector)?;
        let script = format!("document.querySelector({}).select()", quoted(selector));
        self.eval(&script)?;
        self.write(text)
    }

    /// Chooses an entry of a list, which has no window of its own to click into here.
    pub fn choose(&self, selector: &str, value: &str) -> Result<(), Failed> {
        self.until_there(selector)?;
        self.eval(&format!(
            "(() => {{
                const list = document.querySelector({});
                list.value = {};
                list.dispatchEvent(new Event('change', {{bubbles: true}}));
            }})()",
            quoted(selector),
            quoted(value)
        ))?;
        Ok(())
    }

    /// Presses a key.
    pub fn press(&self, key: Key) -> Result<(), Failed> {
        let stroke = key.stroke();
        let event = |kind: &str| {
            json!({
                "type": kind, "key": stroke.key, "code": stroke.code, "text": stroke.text,
                "windowsVirtualKeyCode": stroke.number, "nativeVirtualKeyCode": stroke.number,
                "modifiers": if stroke.shift { 8 } else { 0 },
            })
        };
        let down = if stroke.text.is_empty() {
            "rawKeyDown"
        } else {
            "keyDown"
        };
        self.ask("Input.dispatchKeyEvent", event(down))?;
        self.ask("Input.dispatchKeyEvent", event("keyUp"))?;
        Ok(())
    }

    /// A mark in what happens, for [`Page::troubles`] and [`Page::weight`].
    pub fn mark(&self) -> usize {
        self.wire.mark(&self.session)
    }

    /// What went wrong in the page since a mark: errors, dialogs, what its policy forbade. What the
    /// server refused is none of them.
    pub fn troubles(&self, mark: usize) -> Vec<String> {
        let events = self.wire.since(&self.session, mark);
        events.iter().filter_map(trouble).collect()
    }

    /// What came over the network since a mark.
    pub fn weight(&self, mark: usize) -> Wire {
        let events = self.wire.since(&self.session, mark);
        let asked: HashSet<&Value> = events
            .iter()
            .filter(|event| event.method == "Network.requestWillBeSent")
            .filter(|event| {
                event.params["type"] == "Fetch" || event.params["type"] == "EventSource"
            })
            .map(|event| &event.params["requestId"])
            .collect();
        let mut sum = Wire::default();
        for event in &events {
            if event.method != "Network.loadingFinished" {
                continue;
            }
            let bytes = event.params["encodedDataLength"].as_f64();
            let bytes = bytes.unwrap_or_default() as u64;
            if asked.contains(&event.params["requestId"]) {
                sum.asked += bytes;
            } else {
                sum.answers += 1;
                sum.bytes += bytes;
            }
        }
        sum
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let target = json!({"targetId": self.target});
        let _ = self.wire.ask(None, "Target.closeTarget", target);
        self.wire.forget(&self.session);
    }
}

fn trouble(event: &Event) -> Option<String> {
    let params = &event.params;
    let is_trouble = match event.method.as_str() {
        "Runtime.exceptionThrown" | "Page.javascriptDialogOpening" => true,
        "Runtime.consoleAPICalled" => params["type"] == "error" || params["type"] == "assert",
        "Log.entryAdded" => {
            let entry = &params["entry"];
            entry["level"] == "error" && entry["source"] != "network"
        }
        "Audits.issueAdded" => params["issue"]["code"] == "ContentSecurityPolicyIssue",
        _ => false,
    };
    is_trouble.then(|| format!("{}: {params}", event.method))
}

/// A text as a script writes it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
