//! Encrypted calls, over HTTP/1.1 and HTTP/2, against a server with a certificate of its own.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use settled::participant::{Answer, HttpParticipants, HttpSettings, Request};
use settled_protocol::Span;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{not_sent, request, responded, unknown, within};

/// A certificate for `localhost`, good for this run.
pub(crate) struct Certificate {
    pub(crate) pem: String,
    config: Arc<ServerConfig>,
}

pub(crate) fn certificate() -> Certificate {
    certificate_with(&["h2", "http/1.1"])
}

fn certificate_with(protocols: &[&str]) -> Certificate {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], secret)
        .unwrap();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Certificate {
        pem: pem(made.der()),
        config: Arc::new(config),
    }
}

fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        for three in line.chunks(3) {
            let bits = three
                .iter()
                .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * (3 - three.len()));
            for digit in 0..4 {
                let value = bits >> (18 - 6 * digit) & 63;
                let known = digit <= three.len();
                text.push(if known {
                    DIGITS[value as usize] as char
                } else {
                    '='
                });
            }
        }
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    http2: AtomicUsize,
    requests: AtomicUsize,
}

/// Echoes bodies; a path of `/silent` is never answered, `/big` is answered at length.
async fn serve(certificate: &Certificate) -> (u16, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::clone(&certificate.config));
    let counts = Arc::new(Counts::default());
    let counting = Arc::clone(&counts);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counting.accepted.fetch_add(1, SeqCst);
            let (acceptor, counts) = (acceptor.clone(), Arc::clone(&counting));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let counts = Arc::clone(&counts);
                let service = service_fn(move |request| {
                    let counts = Arc::clone(&counts);
                    async move { answer(request, &counts).await }
                });
                let _ = builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (port, counts)
}

async fn answer(
    request: http::Request<Incoming>,
    counts: &Counts,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    counts.requests.fetch_add(1, SeqCst);
    if request.version() == http::Version::HTTP_2 {
        counts.http2.fetch_add(1, SeqCst);
        assert!(request.uri().authority().is_some());
        assert!(!request.headers().contains_key("host"));
    }
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    match path.as_str() {
        "/silent" => std::future::pending().await,
        "/big" => Ok(http::Response::new(Full::new(vec![0; 100_000].into()))),
        _ => Ok(http::Response::new(Full::new(body))),
    }
}

fn trusting(certificate: &Certificate) -> HttpParticipants {
    let extra_authorities = Some(certificate.pem.clone().into_bytes());
    let settings = HttpSettings {
        extra_authorities,
        max_body: 50_000,
        ..Default::default()
    };
    HttpParticipants::new(settings).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_share_one_http2_connection() {
    let certificate = certificate();
    let (port, counts) = serve(&certificate).await;
    let calls = trusting(&certificate);
    let mut tasks = Vec::new();
    for task in 0..20 {
        let calls = calls.clone();
        tasks.push(tokio::spawn(async move {
            for call in 0..20 {
                let body = Bytes::from(format!("{task}-{call}"));
                let url = format!("https://localhost:{port}/echo?x");
                let request = Request {
                    body: Some(body.clone()),
                    ..request(&url)
                };
                assert_eq!(responded(calls.send(request).await).body, body);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(counts.accepted.load(SeqCst), 1);
    assert_eq!(counts.requests.load(SeqCst), 400);
    assert_eq!(counts.http2.load(SeqCst), 400);
}

#[tokio::test]
async fn one_call_that_ends_badly_leaves_the_others_on_its_connection_alone() {
    let certificate = certificate();
    let (port, counts) = serve(&certificate).await;
    let calls = trusting(&certificate);
    let url = |path: &str| format!("https://localhost:{port}{path}");
    responded(calls.send(request(&url("/"))).await);
    let late = calls.send(within(&url("/silent"), Span::from_millis(200)));
    let dropped = tokio::time::timeout(
        Duration::from_millis(100),
        calls.send(request(&url("/silent"))),
    );
    let (late, dropped) = tokio::join!(late, dropped);
    unknown(&late, "within 200ms");
    assert!(dropped.is_err());
    unknown(
        &calls.send(request(&url("/big"))).await,
        "longer than the limit",
    );
    responded(calls.send(request(&url("/"))).await);
    assert_eq!(
        (counts.accepted.load(SeqCst), counts.requests.load(SeqCst)),
        (1, 5)
    );
}

#[tokio::test]
async fn encrypted_http1_connections_are_kept_and_not_waited_for() {
    let certificate = certificate_with(&["http/1.1"]);
    let (port, counts) = serve(&certificate).await;
    let calls = trusting(&certificate);
    for _ in 0..10 {
        let answer = calls
            .send(request(&format!("https://localhost:{port}/")))
            .await;
        assert_eq!(responded(answer).body, "{\"sku\":1}");
    }
    assert_eq!(
        (counts.accepted.load(SeqCst), counts.http2.load(SeqCst)),
        (1, 0)
    );
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_stops_the_call() {
    let (port, counts) = serve(&certificate()).await;
    let calls = trusting(&certificate());
    let answer = calls
        .send(request(&format!("https://localhost:{port}/")))
        .await;
    not_sent(&answer, "no secure connection to localhost");
    assert_eq!(counts.requests.load(SeqCst), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_stops_the_call() {
    let certificate = certificate();
    let (port, counts) = serve(&certificate).await;
    let url = format!("https://127.0.0.2:{port}/");
    let answer = trusting(&certificate).send(request(&url)).await;
    assert!(matches!(&answer, Answer::NotSent(_)), "{answer:?}");
    assert_eq!(counts.requests.load(SeqCst), 0);
}
