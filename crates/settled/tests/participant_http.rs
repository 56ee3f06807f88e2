//! Calls over HTTP against servers that speak, and misspeak, raw bytes.
//!
//! What is proved here: nothing is ever sent twice, and "not sent" is never said of a request of
//! which a server saw a single byte.

// Everything here is a test's, the helpers too.
#![allow(clippy::unwrap_used)]

#[path = "participant_http/server.rs"]
mod server;
#[path = "participant_http/tls.rs"]
mod tls;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use settled::participant::{
    AllowList, Answer, HttpParticipants, HttpSettings, HttpSetupError, Request, Response,
};
use settled_protocol::Span;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use server::{OK, Server};

fn request(url: &str) -> Request {
    Request {
        method: Method::POST,
        url: url.parse().unwrap(),
        headers: vec![(
            HeaderName::from_static("idempotency-key"),
            HeaderValue::from_static("saga/stock/action"),
        )],
        body: Some(Bytes::from_static(b"{\"sku\":1}")),
        timeout: Span::from_secs(5),
        alert: false,
    }
}

fn within(url: &str, limit: Span) -> Request {
    Request {
        timeout: limit,
        ..request(url)
    }
}

fn participants() -> HttpParticipants {
    HttpParticipants::new(HttpSettings::default()).unwrap()
}

fn allowing(patterns: &[&str]) -> HttpParticipants {
    let allow = AllowList::from_patterns(patterns).unwrap();
    HttpParticipants::new(HttpSettings {
        allow,
        ..HttpSettings::default()
    })
    .unwrap()
}

#[track_caller]
fn responded(answer: Answer) -> Response {
    match answer {
        Answer::Responded(response) => response,
        other => panic!("an answer was expected, not {other:?}"),
    }
}

#[track_caller]
fn unknown(answer: &Answer, part: &str) {
    match answer {
        Answer::Unknown(why) if why.contains(part) => {}
        other => panic!("an unknown outcome saying {part:?} was expected, not {other:?}"),
    }
}

#[track_caller]
fn not_sent(answer: &Answer, part: &str) {
    match answer {
        Answer::NotSent(why) if why.contains(part) => {}
        other => panic!("not sent, saying {part:?}, was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn a_whole_answer_is_passed_on_as_it_came() {
    let server = Server::answering(
        "HTTP/1.1 409 Conflict\r\nX-Why: Sold Out\r\nX-Name: b\u{fc}cher\r\nset-cookie: a=1\r\n\
         set-cookie: b=2\r\ncontent-length: 4\r\n\r\nno\r\n",
    )
    .await;
    let response = responded(
        participants()
            .send(request(&server.url("/a/b?c=d%20e")))
            .await,
    );
    assert_eq!(response.status, 409);
    assert_eq!(response.body, "no\r\n");
    let headers: Vec<_> = response
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert!(headers.contains(&("x-why", "Sold Out")));
    assert!(headers.contains(&("x-name", "b\u{fc}cher")));
    assert_eq!(
        headers
            .iter()
            .filter(|(name, _)| *name == "set-cookie")
            .count(),
        2
    );

    let seen = server.latest();
    assert!(seen.starts_with("POST /a/b?c=d%20e HTTP/1.1\r\n"), "{seen}");
    assert!(
        seen.contains(&format!("host: 127.0.0.1:{}\r\n", server.port())),
        "{seen}"
    );
    assert!(seen.contains("content-length: 9\r\n"), "{seen}");
    assert!(
        seen.contains("idempotency-key: saga/stock/action\r\n"),
        "{seen}"
    );
    assert!(seen.ends_with("\r\n\r\n{\"sku\":1}"), "{seen}");
    assert!(!seen.contains("accept-encoding"), "{seen}");
}

#[tokio::test]
async fn a_body_that_is_absent_is_said_to_be_where_one_is_usual() {
    let server = Server::answering(OK).await;
    let calls = participants();
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        let request = Request {
            method,
            body: None,
            ..request(&server.url("/"))
        };
        responded(calls.send(request).await);
        assert!(
            server.latest().contains("content-length: 0\r\n"),
            "{}",
            server.latest()
        );
    }
    for method in [Method::GET, Method::DELETE] {
        let request = Request {
            method,
            body: None,
            ..request(&server.url(""))
        };
        responded(calls.send(request).await);
        assert!(
            server.latest().contains(" / HTTP/1.1"),
            "{}",
            server.latest()
        );
        assert!(
            !server.latest().contains("content-length"),
            "{}",
            server.latest()
        );
    }
}

#[tokio::test]
async fn answers_without_a_body_and_with_chunks_are_whole() {
    let calls = participants();
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (answer, body) in [
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), ""),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "",
        ),
        (
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n".to_owned(),
            "",
        ),
        (format!("{chunked}2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), "abc"),
        (format!("{chunked}2\r\nab\r\n0\r\nsum: 1\r\n\r\n"), "ab"),
        (format!("HTTP/1.1 100 Continue\r\n\r\n{ok}"), "ok"),
        (
            format!("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n{ok}"),
            "ok",
        ),
    ] {
        let server = Server::answering(&answer).await;
        for _ in 0..2 {
            assert_eq!(
                responded(calls.send(request(&server.url("/"))).await).body,
                body
            );
        }
        assert_eq!((server.accepted(), server.requests()), (1, 2), "{answer}");
    }
}

#[tokio::test]
async fn the_answer_to_head_has_no_body_whatever_its_length_says() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n").await;
    let calls = participants();
    for _ in 0..2 {
        let head = Request {
            method: Method::HEAD,
            body: None,
            ..request(&server.url("/"))
        };
        let response = responded(calls.send(head).await);
        assert_eq!((response.status, response.body.len()), (200, 0));
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_whole() {
    let server = Server::closing_after("HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    let response = responded(participants().send(request(&server.url("/"))).await);
    assert_eq!(response.body, "until the end");
}

#[tokio::test]
async fn redirects_are_answers_and_not_followed() {
    let elsewhere = Server::answering(OK).await;
    let location = elsewhere.url("/other");
    let server = Server::answering(&format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
    ))
    .await;
    let response = responded(participants().send(request(&server.url("/"))).await);
    assert_eq!(response.status, 307);
    assert_eq!((server.requests(), elsewhere.accepted()), (1, 0));
}

#[tokio::test]
async fn a_compressed_body_stays_compressed() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x08\x01\x02",
    )
    .await;
    let response = responded(participants().send(request(&server.url("/"))).await);
    assert_eq!(response.body, "\x1f\x08\x01\x02");
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::answering(OK).await;
    let calls = participants();
    for _ in 0..50 {
        responded(calls.send(request(&server.url("/"))).await);
    }
    assert_eq!((server.accepted(), server.requests()), (1, 50));
}

#[tokio::test]
async fn a_connection_that_the_participant_will_close_is_not_used_again() {
    for header in ["connection: close", "keep-alive: timeout=1"] {
        let server = Server::answering(&format!(
            "HTTP/1.1 200 OK\r\n{header}\r\ncontent-length: 2\r\n\r\nok"
        ))
        .await;
        let calls = participants();
        for _ in 0..3 {
            responded(calls.send(request(&server.url("/"))).await);
        }
        assert_eq!(server.accepted(), 3, "{header}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_calls_get_their_own_answers() {
    let server = Server::echoing().await;
    let calls = participants();
    let mut tasks = Vec::new();
    for task in 0..16 {
        let (calls, url) = (calls.clone(), server.url("/"));
        tasks.push(tokio::spawn(async move {
            for call in 0..100 {
                let body = format!("{task}-{call}-{}", "x".repeat((task * call) % 3000));
                let request = Request {
                    body: Some(body.clone().into()),
                    ..request(&url)
                };
                assert_eq!(responded(calls.send(request).await).body, body);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(server.requests(), 1600);
    assert!(server.accepted() <= 16, "{}", server.accepted());
}

#[tokio::test]
async fn no_more_connections_are_kept_than_allowed_and_none_for_too_long() {
    let server = Server::slow(OK, Duration::from_millis(50)).await;
    let calls = HttpParticipants::new(HttpSettings {
        max_idle_per_host: 2,
        idle_timeout: Duration::from_millis(300),
        ..HttpSettings::default()
    })
    .unwrap();
    let url = server.url("/");
    let together = (0..6).map(|_| calls.send(request(&url)));
    for answer in futures_util::future::join_all(together).await {
        responded(answer);
    }
    assert_eq!(server.accepted(), 6);
    server.wait_for_closed(4).await;
    server.wait_for_closed(6).await;
    responded(calls.send(request(&url)).await);
    assert_eq!(server.accepted(), 7);
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection() {
    let server = Server::silent().await;
    let calls = participants();
    let call = calls.send(request(&server.url("/")));
    assert!(
        tokio::time::timeout(Duration::from_millis(100), call)
            .await
            .is_err()
    );
    server.wait_for_closed(1).await;
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn silence_beyond_the_limit_is_unknown_and_closes_the_connection() {
    let server = Server::silent().await;
    let calls = participants();
    let began = Instant::now();
    let answer = calls
        .send(within(&server.url("/"), Span::from_millis(200)))
        .await;
    unknown(&answer, "within 200ms");
    assert!(began.elapsed() < Duration::from_secs(2));
    server.wait_for_closed(1).await;
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn an_answer_that_drips_beyond_the_limit_is_unknown() {
    let server = Server::dripping(OK, Duration::from_millis(50)).await;
    let answer = participants()
        .send(within(&server.url("/"), Span::from_millis(300)))
        .await;
    unknown(&answer, "within 300ms");
    server.wait_for_closed(1).await;
}

#[tokio::test]
async fn an_answer_that_drips_within_the_limit_is_whole() {
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    for answer in [OK, chunked] {
        let server = Server::dripping(answer, Duration::from_millis(1)).await;
        let calls = participants();
        for _ in 0..3 {
            responded(calls.send(request(&server.url("/"))).await);
        }
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test]
async fn answers_that_are_not_whole_are_unknown() {
    for (answer, part) in [
        ("", "closed before the answer was complete"),
        ("HTTP/1.1 200", "closed before the answer was complete"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
            "closed before",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
            "closed before",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
            "closed before",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "not valid HTTP",
        ),
        ("SSH-2.0-OpenSSH_9.6\r\n", "not valid HTTP"),
        ("HTTP/1.1 999999 What\r\n\r\n", "not valid HTTP"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "not valid HTTP",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            "101",
        ),
    ] {
        let server = Server::closing_after(answer).await;
        unknown(&participants().send(request(&server.url("/"))).await, part);
        assert_eq!(server.requests(), 1, "{answer}");
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_body_is_unknown() {
    let server = Server::resetting("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    let answer = participants().send(request(&server.url("/"))).await;
    unknown(&answer, "reset before the answer was complete");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn too_much_of_an_answer_is_unknown_and_closes_the_connection() {
    let limited = HttpSettings {
        max_body: 8,
        ..HttpSettings::default()
    };
    let calls = HttpParticipants::new(limited).unwrap();
    let chunks = "transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n5\r\nfghij\r\n0\r\n\r\n";
    for head in ["content-length: 9\r\n\r\nninebytes", chunks] {
        let server = Server::answering(&format!("HTTP/1.1 200 OK\r\n{head}")).await;
        unknown(
            &calls.send(request(&server.url("/"))).await,
            "longer than the limit of 8 bytes",
        );
        server.wait_for_closed(1).await;
    }
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nexactly8").await;
    assert_eq!(
        responded(calls.send(request(&server.url("/"))).await).body,
        "exactly8"
    );

    let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100 * 1024));
    let server = Server::answering(&head).await;
    unknown(
        &calls.send(request(&server.url("/"))).await,
        "head of the answer is longer",
    );
}

#[tokio::test]
async fn large_bodies_go_both_ways_and_an_early_answer_is_heard() {
    let server = Server::echoing().await;
    let calls = participants();
    let body = Bytes::from(vec![b'z'; 1024 * 1024]);
    for _ in 0..3 {
        let request = Request {
            body: Some(body.clone()),
            ..request(&server.url("/"))
        };
        assert_eq!(responded(calls.send(request).await).body, body);
    }
    assert_eq!(server.accepted(), 1);

    // Answered before the body was read, and never read on: whole, but not fit for another call.
    let hasty = Server::hasty("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await;
    let body = Bytes::from(vec![b'z'; 16 * 1024 * 1024]);
    let request = Request {
        body: Some(body),
        ..request(&hasty.url("/"))
    };
    assert_eq!(responded(calls.send(request).await).status, 413);
    hasty.wait_for_closed(1).await;
}

#[tokio::test]
async fn a_connection_found_dead_is_replaced_without_sending_twice() {
    // Closes each connection a moment after its first answer, without having said so.
    let server = Server::closing_after_one(OK, Duration::from_millis(1)).await;
    let calls = participants();
    for _ in 0..20 {
        responded(calls.send(request(&server.url("/"))).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((server.accepted(), server.requests()), (20, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_that_meets_the_request_on_the_way_never_leads_to_a_second_one() {
    // Closes at once after each answer, so that the next request races with the closing.
    let server = Server::closing_after_one(OK, Duration::ZERO).await;
    let calls = participants();
    let (mut answered, mut unclear) = (0, 0);
    for _ in 0..500 {
        match calls.send(request(&server.url("/"))).await {
            Answer::Responded(_) => answered += 1,
            Answer::Unknown(_) => unclear += 1,
            Answer::NotSent(why) => panic!("a fresh connection was always to be had: {why}"),
        }
    }
    assert_eq!(
        answered,
        server.requests(),
        "every request seen was answered once"
    );
    assert_eq!(answered + unclear, 500);
}

#[tokio::test]
async fn unasked_bytes_on_an_idle_connection_are_never_taken_for_an_answer() {
    let more = format!("{OK}HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n");
    let server = Server::answering(&more).await;
    let calls = participants();
    for _ in 0..3 {
        assert_eq!(
            responded(calls.send(request(&server.url("/"))).await).status,
            200
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((server.accepted(), server.requests()), (3, 3));
}

#[tokio::test]
async fn without_a_connection_nothing_is_sent() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let calls = participants();
    let answer = calls.send(request(&format!("http://{closed}/"))).await;
    not_sent(&answer, &format!("connection refused by {closed}"));
    let answer = calls.send(request("http://no-such-host.invalid/")).await;
    // Where the resolver itself cannot be reached, the time limit speaks instead.
    not_sent(&answer, "no-such-host.invalid");
}

#[tokio::test]
async fn a_handshake_that_fails_or_stalls_sends_nothing() {
    let garbage = Server::closing_after("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let silent = Server::silent().await;
    let certificate = tls::certificate();
    let calls = |connect_timeout| {
        let extra_authorities = Some(certificate.pem.clone().into_bytes());
        let settings = HttpSettings {
            extra_authorities,
            connect_timeout,
            ..Default::default()
        };
        HttpParticipants::new(settings).unwrap()
    };
    let patient = calls(Duration::from_secs(5));
    let url = silent.url("/").replace("http:", "https:");
    not_sent(
        &patient.send(within(&url, Span::from_millis(200))).await,
        "within 200ms",
    );
    not_sent(
        &calls(Duration::from_millis(100)).send(request(&url)).await,
        "within 100ms",
    );
    // The server waits for the end of a head that never comes; only its closing ends that.
    let url = garbage.url("/").replace("http:", "https:");
    not_sent(
        &patient.send(within(&url, Span::from_millis(200))).await,
        "no connection",
    );
}

#[tokio::test]
async fn an_answer_in_the_clear_to_a_handshake_sends_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        stream
    };
    let extra_authorities = Some(tls::certificate().pem.into_bytes());
    let settings = HttpSettings {
        extra_authorities,
        ..Default::default()
    };
    let calls = HttpParticipants::new(settings).unwrap();
    let (answer, _) = tokio::join!(calls.send(request(&url)), answer);
    not_sent(&answer, "no secure connection to 127.0.0.1");
}

#[tokio::test]
async fn requests_that_cannot_be_sent_as_written_are_not_sent() {
    let server = Server::answering(OK).await;
    let calls = participants();
    let url = server.url("/");
    let answer = calls
        .send(request(&url.replace("//", "//user:secret@")))
        .await;
    not_sent(&answer, "user name");
    assert!(!format!("{answer:?}").contains("secret"));
    not_sent(
        &calls.send(request(&url.replace("http:", "ftp:"))).await,
        "scheme \"ftp\"",
    );
    not_sent(&calls.send(request("/only/a/path")).await, "not absolute");
    not_sent(
        &calls.send(within(&url, Span::ZERO)).await,
        "time limit is zero",
    );
    not_sent(
        &calls
            .send(Request {
                method: Method::CONNECT,
                ..request(&url)
            })
            .await,
        "CONNECT",
    );
    for name in [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
    ] {
        let header = (HeaderName::from_static(name), HeaderValue::from_static("7"));
        let answer = calls
            .send(Request {
                headers: vec![header],
                ..request(&url)
            })
            .await;
        not_sent(&answer, name);
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn the_allow_list_is_asked_with_names_and_addresses() {
    let server = Server::answering(OK).await;
    let (url, port) = (server.url("/"), server.port());
    let named = url.replace("127.0.0.1", "localhost");
    let exact = format!("127.0.0.1:{port}");
    for (pattern, url) in [
        ("*", &url),
        ("*", &named),
        ("localhost", &named),
        ("127.0.0.0/8", &url),
        ("127.0.0.0/8", &named),
        (exact.as_str(), &url),
    ] {
        responded(allowing(&[pattern]).send(request(url)).await);
    }
    let before = server.accepted();
    let refused: [(&[&str], &String); 6] = [
        (&[], &url),
        (&["stock"], &url),
        (&["localhost"], &url),
        (&["127.0.0.1:1"], &url),
        (&["10.0.0.0/8", "fd00::1"], &named),
        (&["*.localhost"], &named),
    ];
    for (patterns, url) in refused {
        not_sent(&allowing(patterns).send(request(url)).await, "not allowed");
    }
    assert_eq!(server.accepted(), before);
}

#[tokio::test]
async fn reserved_addresses_are_refused_in_every_spelling() {
    let open = participants();
    for host in [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "0.0.0.0",
        "[::]",
        "224.0.0.1",
        // Spellings that only the system's resolver understands.
        "2852039166",
        "0xa9fea9fe",
        "0",
    ] {
        let url = format!("http://{host}:9/");
        for calls in [&open, &allowing(&["*"])] {
            let answer = calls.send(within(&url, Span::from_secs(2))).await;
            not_sent(&answer, "names this address");
        }
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let settings = HttpSettings {
        connect_timeout: Duration::ZERO,
        ..HttpSettings::default()
    };
    assert_eq!(
        HttpParticipants::new(settings).unwrap_err(),
        HttpSetupError::NoTimeToConnect
    );
    let authorities = Some(b"nothing of the kind".to_vec());
    let settings = HttpSettings {
        extra_authorities: authorities,
        ..HttpSettings::default()
    };
    let error = HttpParticipants::new(settings).unwrap_err();
    assert!(error.to_string().contains("PEM"), "{error}");
}

#[tokio::test]
async fn a_server_that_closes_on_accept_is_told_apart_by_what_it_saw() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let calls = participants();
    for _ in 0..50 {
        let accept = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.shutdown().await;
            let mut seen = Vec::new();
            let _ = stream.read_to_end(&mut seen).await;
            seen
        };
        let (answer, seen) = tokio::join!(calls.send(request(&url)), accept);
        match answer {
            Answer::NotSent(_) => assert!(seen.is_empty()),
            Answer::Unknown(_) => {}
            Answer::Responded(response) => panic!("{response:?}"),
        }
    }
}
