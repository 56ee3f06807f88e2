//! The services that are called, over real connections. They live in the test's process, so that
//! their books outlive every coordinator.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use settled::coordinator::Clock;
use settled::protocol::{Direction, LegId};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::books::{Arrival, Books, Call, Operation};
use super::document::{Kind, LIMIT_MILLIS};
use super::faults::{self, Fault};
use super::wire;

/// All participants together, behind one address.
pub struct Participant {
    pub address: SocketAddr,
    books: Mutex<Books>,
    seed: u64,
    well: AtomicBool,
    /// What befalls every first attempt, whatever the seed says.
    forced: Mutex<Option<Fault>>,
    clock: Clock,
    /// Where callbacks go.
    server: watch::Receiver<Option<SocketAddr>>,
}

/// The connection is closed without an answer.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for Cut {}

type Answered = Result<Response<Full<Bytes>>, Cut>;

impl Participant {
    /// Begins to answer.
    pub async fn start(
        seed: u64,
        clock: Clock,
        server: watch::Receiver<Option<SocketAddr>>,
    ) -> Arc<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let participant = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            books: Mutex::default(),
            seed,
            well: AtomicBool::new(false),
            forced: Mutex::default(),
            clock,
            server,
        });
        let serving = Arc::clone(&participant);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let one = Arc::clone(&serving);
                tokio::spawn(async move {
                    let service = service_fn(move |request| Arc::clone(&one).answer(request));
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        participant
    }

    /// The books.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing goes wrong any more.
    pub fn heal(&self) {
        self.well.store(true, Ordering::SeqCst);
    }

    /// Nothing goes wrong but this, and that to every first attempt.
    pub fn force(&self, fault: Fault) {
        self.heal();
        *self.forced.lock().unwrap() = Some(fault);
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answered {
        let at = self.clock.now();
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let token = parts.headers.get("settled-callback").cloned();
        let Some(call) = read(parts.uri.path(), &parts.headers, &body) else {
            let complaint = format!("{} {} {:?}", parts.method, parts.uri, parts.headers);
            self.books().complaints.push(complaint);
            return Ok(response(400, &json!({})));
        };
        let arrival = Arrival {
            call: call.clone(),
            at,
        };
        self.books().arrivals.push(arrival);
        let mut rng = faults::luck(self.seed, &call.key, call.number, call.is_check);
        let is_compensation = call.leg.direction == Direction::Compensation;
        let forced = *self.forced.lock().unwrap();
        let fault = if self.well.load(Ordering::SeqCst) {
            forced.filter(|_| call.number == 1 && !call.is_check)
        } else {
            faults::draw(call.is_check, is_compensation, &mut rng)
        };
        if let Some(fault) = fault {
            *self.books().fired.entry(fault).or_default() += 1;
        }
        if call.is_check {
            return match fault {
                None => {
                    let (status, body) = self.books().answer_check(&call);
                    Ok(response(status, &body))
                }
                Some(_) if rng.bool() => Ok(response(500, &json!({}))),
                Some(_) => Err(Cut),
            };
        }
        let token = token.and_then(|token| token.to_str().ok().map(str::to_owned));
        self.carry_out(call, fault, token, rng).await
    }

    async fn carry_out(
        self: Arc<Self>,
        call: Call,
        fault: Option<Fault>,
        token: Option<String>,
        mut rng: Rng,
    ) -> Answered {
        match fault {
            None => Ok(of(&self.act(&call, false, &mut rng), false)),
            Some(Fault::Refused | Fault::CompensationRefused) => {
                Ok(of(&self.act(&call, true, &mut rng), true))
            }
            Some(Fault::RefusedInBody) => Ok(of(&self.act(&call, true, &mut rng), false)),
            Some(Fault::ErrorBefore) => Ok(response(500, &json!({"error": "as planned"}))),
            Some(Fault::ErrorAfter) => {
                self.act(&call, false, &mut rng);
                let status = [500, 502, 503][rng.usize(0..3)];
                Ok(response(status, &json!({"error": "as planned"})))
            }
            Some(Fault::HangsBefore) => hang().await,
            Some(Fault::HangsAfter) => {
                self.act(&call, false, &mut rng);
                hang().await
            }
            Some(Fault::CutBefore) => Err(Cut),
            Some(Fault::CutAfter) => {
                self.act(&call, false, &mut rng);
                Err(Cut)
            }
            Some(Fault::CutThenActs) => {
                tokio::spawn(async move {
                    pause(&mut rng, 250).await;
                    self.act(&call, false, &mut rng);
                });
                Err(Cut)
            }
            Some(Fault::TooMany) => {
                let mut answer = response(429, &json!({}));
                answer.headers_mut().insert(RETRY_AFTER, 0.into());
                Ok(answer)
            }
            Some(Fault::Pending) => {
                self.books().accept(&call);
                tokio::spawn(async move {
                    pause(&mut rng, 250).await;
                    let operation = self.act(&call, false, &mut rng);
                    self.call_back(&call, &operation, token).await;
                });
                Ok(response(202, &json!({})))
            }
            Some(Fault::Slow | Fault::CheckFails) => {
                // It goes on also when nobody waits for the answer any more.
                let slow = tokio::spawn(async move {
                    pause(&mut rng, 150).await;
                    of(&self.act(&call, false, &mut rng), false)
                });
                slow.await.map_err(|_| Cut)
            }
        }
    }

    fn act(&self, call: &Call, no: bool, rng: &mut Rng) -> Operation {
        let mut books = self.books();
        let at = self.clock.now();
        books.act(call, at, no, rng)
    }

    /// Says so until somebody has heard it.
    async fn call_back(&self, call: &Call, operation: &Operation, token: Option<String>) {
        let Some(token) = token else {
            let complaint = format!("{}: no callback token", call.key);
            self.books().complaints.push(complaint);
            return;
        };
        let outcome = if operation.done { "done" } else { "refused" };
        let body = json!({"outcome": outcome, "result": operation.result});
        let path = format!("/v1/callbacks/{token}");
        let mut server = self.server.clone();
        loop {
            let Ok(address) = server.wait_for(Option::is_some).await.map(|found| *found) else {
                return;
            };
            if let Some(address) = address
                && let Ok(answer) = wire::ask(address, Method::POST, &path, Some(&body)).await
            {
                match answer.status {
                    202 | 404 | 409 => return,
                    503 => {}
                    status => {
                        let complaint = format!("{}: callback answered {status}", call.key);
                        self.books().complaints.push(complaint);
                        return;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Takes a request apart.
fn read(path: &str, headers: &HeaderMap, body: &Bytes) -> Option<Call> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let mut segments = path.trim_start_matches('/').splitn(3, '/');
    let kind = Kind::of_path(segments.next()?)?;
    let is_check = segments.next()? == "ask";
    let key = header("idempotency-key")?;
    let mut parts = key.rsplitn(3, '/');
    let direction = Direction::parse(parts.next()?)?;
    let step = parts.next()?.strip_prefix('s')?.parse().ok()?;
    Some(Call {
        kind,
        is_check,
        saga: parts.next()?.to_owned(),
        leg: LegId { step, direction },
        number: header("settled-attempt")?.parse().ok()?,
        key: key.to_owned(),
        body: if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(body).ok()?
        },
    })
}

async fn pause(rng: &mut Rng, most: u64) {
    tokio::time::sleep(Duration::from_millis(rng.u64(1..most))).await;
}

/// Longer than anybody waits.
async fn hang() -> Answered {
    tokio::time::sleep(Duration::from_millis(LIMIT_MILLIS * 2)).await;
    Err(Cut)
}

fn of(operation: &Operation, by_status: bool) -> Response<Full<Bytes>> {
    match (operation.done, by_status) {
        (false, true) => response(409, &operation.result),
        _ => response(200, &operation.result),
    }
}

fn response(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    response
}
