//! Limits per participant: the engine alone in virtual time, and a real coordinator with a real
//! participant.

#[path = "limits/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use settled::coordinator::{Coordinator, CoordinatorSettings, OpenJournal};
use settled::engine::{BreakerLimits, BreakerView, Limits, Settings};
use settled::journal::MemoryJournal;
use settled::observe::Unobserved;
use settled::participant::{HttpParticipants, HttpSettings};
use settled::protocol::{SagaState, Span, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use world::{DAWN, Does, World};

const A: &str = "a.local:80";
const B: &str = "b.local:80";

fn settings(limits: Limits) -> Settings {
    Settings {
        limits,
        ..Settings::default()
    }
}

fn rate(per_second: f64) -> Limits {
    Limits {
        max_per_second: Some(per_second),
        ..Limits::default()
    }
}

fn ids(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|index| format!("s{index}"))
}

#[test]
fn calls_keep_to_the_rate_and_to_their_order_and_wait_in_the_journal() {
    let mut world = World::new(settings(rate(5.0)));
    for id in ids(100) {
        world.submit(&id, A);
    }
    world.run_for(Span::from_millis(100));
    assert_eq!(world.calls.len(), 5, "a bucketful");
    // A second's worth waits in memory, the rest in the journal; nothing is on record of waiting.
    assert!(
        world.engine.in_flight() <= 6,
        "{}",
        world.engine.in_flight()
    );
    assert_eq!(world.records("s99"), 1);
    world.run_for(Span::from_secs(30));
    assert_eq!(world.in_state(ids(100), SagaState::Completed), 100);
    let order: Vec<String> = world
        .calls
        .iter()
        .map(|(_, _, saga)| saga.clone())
        .collect();
    assert_eq!(
        order,
        ids(100).collect::<Vec<_>>(),
        "first come, first served"
    );
    for (index, (at, _, _)) in world.calls.iter().enumerate().skip(5) {
        let expected = DAWN + Span(200_000 * (index as i64 - 4));
        assert!((0..50_000).contains(&(*at - expected).0), "{index} {at:?}");
    }
    assert!(world.loads <= 110, "{} loads", world.loads);
}

#[test]
fn newcomers_wait_behind_those_that_are_parked() {
    let mut world = World::new(settings(rate(5.0)));
    for id in ids(60) {
        world.submit(&id, A);
        world.run_for(Span::from_millis(70));
    }
    world.run_for(Span::from_secs(30));
    let order: Vec<String> = world
        .calls
        .iter()
        .map(|(_, _, saga)| saga.clone())
        .collect();
    assert_eq!(order, ids(60).collect::<Vec<_>>());
}

#[test]
fn a_slow_participant_does_not_hold_up_the_others() {
    let mut world = World::new(Settings {
        max_in_flight: 40,
        limits: Limits {
            max_concurrent: 4,
            ..Limits::default()
        },
        ..Settings::default()
    });
    world.does(A, Does::Answer(Span::from_secs(10)));
    for id in ids(200) {
        world.submit(&id, A);
        world.run_for(Span::from_millis(1));
    }
    world.run_for(Span::from_secs(5));
    world.submit("other", B);
    world.run_for(Span::from_secs(1));
    assert_eq!(
        world.in_state(["other".to_owned()].into_iter(), SagaState::Completed),
        1
    );
    world.run_for(Span::from_secs(700));
    assert_eq!(world.most_under_way, 4);
    assert_eq!(world.in_state(ids(200), SagaState::Completed), 200);
}

#[test]
fn while_the_breaker_is_open_nothing_fails_and_little_is_done() {
    let mut world = World::new(Settings {
        max_in_flight: 100,
        limits: Limits {
            breaker: Some(BreakerLimits {
                failures: 5,
                first_pause: Span::from_secs(1),
                max_pause: Span::from_secs(60),
            }),
            ..Limits::default()
        },
        ..Settings::default()
    });
    world.does(A, Does::Nothing);
    for id in ids(500) {
        world.submit(&id, A);
    }
    world.run_for(Span::from_secs(20));
    let view = world.view(A);
    assert!(matches!(view.breaker, BreakerView::Open { .. }), "{view:?}");
    assert!(view.parked >= 490, "{view:?}");
    let (calls, loads, events) = (world.calls.len(), world.loads, world.events);
    world.run_for(Span::from_secs(3_600));
    // A probe for each pause of half a minute to a minute, each on record as the attempt it is.
    let probes = world.calls.len() - calls;
    assert!((50..=130).contains(&probes), "{probes} probes");
    assert!(
        world.events - events <= 2 * probes + 2,
        "{}",
        world.events - events
    );
    let looked = world.loads - loads;
    assert!(looked <= 500 * 130, "{looked} loads in an hour");
    let most = world.most_in_memory;
    assert!(
        most <= 101,
        "{most} in memory, with one on its way to the journal"
    );
    assert_eq!(world.in_state(ids(500), SagaState::Running), 500);
    world.does(A, Does::Answer(Span::from_millis(1)));
    world.run_for(Span::from_secs(62));
    assert_eq!(world.in_state(ids(500), SagaState::Completed), 500);
    assert_eq!(world.view(A).breaker, BreakerView::Closed);
}

#[test]
fn refusals_and_retry_after_do_not_open_the_breaker() {
    let breaker = Some(BreakerLimits {
        failures: 1,
        ..BreakerLimits::default()
    });
    let mut world = World::new(settings(Limits {
        breaker,
        ..Limits::default()
    }));
    world.does(A, Does::Refuse);
    world.does(B, Does::Later(1));
    for id in ids(10) {
        world.submit(&id, A);
    }
    world.submit("b", B);
    world.run_for(Span::from_secs(5));
    for name in [A, B] {
        assert_eq!(world.view(name).breaker, BreakerView::Closed, "{name}");
    }
}

#[test]
fn retry_after_holds_back_the_whole_participant_and_nobody_else() {
    let mut world = World::new(Settings::default());
    world.does(A, Does::Later(100));
    world.submit("first", A);
    world.run_for(Span::from_millis(10));
    world.does(A, Does::Answer(Span(1_000)));
    for id in ids(20) {
        world.submit(&id, A);
    }
    world.submit("other", B);
    world.run_for(Span::from_secs(50));
    let to_a = |world: &World| world.calls.iter().filter(|(_, to, _)| to == A).count();
    assert_eq!(to_a(&world), 1);
    assert!(world.view(A).held_until.is_some());
    assert_eq!(world.engine.in_flight(), 0);
    assert_eq!(world.calls.len(), 2, "the other one is called");
    world.run_for(Span::from_secs(60));
    assert_eq!(to_a(&world), 22);
    assert_eq!(world.in_state(ids(20), SagaState::Completed), 20);
    let second = world
        .calls
        .iter()
        .filter(|(_, to, _)| to == A)
        .nth(1)
        .unwrap()
        .0;
    assert!(second >= DAWN + Span::from_secs(100), "{second:?}");
}

#[test]
fn limits_that_change_count_at_once_for_what_waits() {
    let mut world = World::new(settings(rate(0.001)));
    for id in ids(50) {
        world.submit(&id, A);
    }
    world.run_for(Span::from_secs(10));
    assert_eq!((world.calls.len(), world.engine.in_flight()), (1, 0));
    world.set(A, rate(10.0));
    world.run_for(Span::from_secs(1));
    assert!(
        (9..=11).contains(&(world.calls.len() - 1)),
        "{}",
        world.calls.len()
    );
    world.set(A, Limits::default());
    world.run_for(Span::from_secs(1));
    assert_eq!(world.in_state(ids(50), SagaState::Completed), 50);
    // And the other way.
    world.set(A, rate(0.001));
    for id in ["x", "y"] {
        world.submit(id, A);
    }
    world.run_for(Span::from_secs(10));
    assert_eq!(world.calls.len(), 51);
}

/// Counts what comes in.
#[derive(Default)]
struct Seen {
    at: Mutex<Vec<Instant>>,
    now: AtomicU32,
    most: AtomicU32,
}

async fn participant(seen: Arc<Seen>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    seen.at.lock().unwrap().push(Instant::now());
                    let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
                    seen.most.fetch_max(now, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    seen.now.fetch_sub(1, Ordering::SeqCst);
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                    let _ = stream.write_all(answer).await;
                }
            });
        }
    });
    name
}

#[tokio::test]
async fn a_real_participant_sees_no_more_than_it_may() {
    let seen = Arc::new(Seen::default());
    let name = participant(Arc::clone(&seen)).await;
    let journal = MemoryJournal::new();
    let limits = Limits {
        max_concurrent: 2,
        max_per_second: Some(20.0),
        breaker: None,
    };
    let mut settings = CoordinatorSettings::default();
    settings.engine.limits_of = BTreeMap::from([(name.clone(), limits)]);
    let open = OpenJournal {
        keeper: Arc::new(journal.clone()),
        writer: Box::new(journal),
    };
    let http = HttpParticipants::new(HttpSettings::default()).unwrap();
    let coordinator = Coordinator::start(open, http, Arc::new(Unobserved), settings).unwrap();
    for id in ids(50) {
        let text = format!(
            r#"{{"id": "{id}", "steps": [{{"name": "s", "action": {{"url": "http://{name}/"}}}}]}}"#
        );
        let submission = coordinator.definitions().parse(text.as_bytes()).unwrap();
        coordinator.submit(submission, None, None).await.unwrap();
    }
    let ended = async {
        while coordinator.participant(&name).await.unwrap().unwrap().calls < 50 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .unwrap();
    assert_eq!(seen.most.load(Ordering::SeqCst), 2);
    let at = seen.at.lock().unwrap();
    for (index, from) in at.iter().enumerate() {
        for (more, to) in at.iter().enumerate().skip(index) {
            // What left in time may arrive late, and the other way round; not by much.
            let window = (*to - *from).as_secs_f64() + 0.1;
            let count = (more - index + 1) as f64;
            assert!(count <= 20.0 * window + 21.0, "{count} in {window} s");
        }
    }
    assert!((at[49] - at[0]).as_secs_f64() > 1.3);
    let all = coordinator.participants().await.unwrap();
    assert_eq!((all[0].calls, all[0].errors, all[0].under_way), (50, 0, 0));
    assert!(all[0].latency_mean.unwrap() >= Span::from_millis(30));
    assert_ne!(DAWN, Timestamp(0));
    coordinator.drain(Duration::ZERO).await;
}
