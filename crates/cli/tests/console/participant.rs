//! A participant that answers as a test wants, path by path, and remembers what it was asked. It also
//! plays another site, whose pages a person opens beside the console.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request that came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) body: String,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn page(text: &str) -> Self {
        Self {
            status: 200,
            headers: vec![("Content-Type".to_owned(), "text/html".to_owned())],
            body: text.into(),
        }
    }
}

type Rule = Arc<dyn Fn(&Call) -> Answer + Send + Sync>;

#[derive(Default)]
struct Shared {
    rules: Mutex<HashMap<String, Rule>>,
    calls: Mutex<Vec<Call>>,
}

pub(crate) struct Participant {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Participant {
    /// One that says yes to everything that no rule is for.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || drop(converse(stream, &serving)));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on a path is answered like this.
    pub(crate) fn on(&self, path: &str, rule: impl Fn(&Call) -> Answer + Send + Sync + 'static) {
        let mut rules = self.shared.rules.lock().unwrap();
        rules.insert(path.to_owned(), Arc::new(rule));
    }

    pub(crate) fn answers(&self, path: &str, answer: Answer) {
        self.on(path, move |_| answer.clone());
    }

    /// What came at a path so far.
    pub(crate) fn calls(&self, path: &str) -> Vec<Call> {
        let calls = self.shared.calls.lock().unwrap();
        let at = |call: &&Call| call.path == path;
        calls.iter().filter(at).cloned().collect()
    }
}

fn converse(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let call = Call {
            path: path.clone(),
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        let rule = shared.rules.lock().unwrap().get(&path).cloned();
        let answer = rule.map_or_else(|| Answer::json(200, "{}"), |rule| rule(&call));
        shared.calls.lock().unwrap().push(call);
        let mut answered = format!("HTTP/1.1 {} So\r\n", answer.status).into_bytes();
        for (name, value) in &answer.headers {
            write!(answered, "{name}: {value}\r\n")?;
        }
        write!(answered, "Content-Length: {}\r\n\r\n", answer.body.len())?;
        answered.extend_from_slice(&answer.body);
        writer.write_all(&answered)?;
    }
}
