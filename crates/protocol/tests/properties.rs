//! Arbitrary sagas under arbitrary orders of events: the rules hold after every single one.
//!
//! The judge is the auditor of `settled-sim`, by its source: it reads only records and books, and
//! as a crate it would bring the engine along. proptest prints the smallest failing plan and moves,
//! and keeps the seed in `tests/properties.seeds`, which is run first from then on;
//! `PROPTEST_CASES` asks for more.

#[path = "../../sim/src/auditor/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "its public part is wider than what is used here"
)]
mod auditor;
mod play;
mod support;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use settled_protocol::{Event, Finding, LegId, Outcome, Plan, Record, SagaState, Span, Timestamp};

use play::Play;
use support::arbitrary::{Move, deadline, moves, plan};
use support::world::World;
use support::{Bench, answer, request};

fn config() -> ProptestConfig {
    let wished = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: wished.and_then(|text| text.parse().ok()).unwrap_or(20_000),
        max_shrink_iters: 20_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/properties.seeds",
        ))),
        ..ProptestConfig::default()
    }
}

fn played(plan: Plan, deadline: Option<Span>, moves: &[Move], world: Option<World>) -> Play {
    let mut play = Play::new(Bench::new(plan, deadline), world);
    for one in moves {
        play.play(*one);
    }
    play
}

/// An event that may make no sense whatever.
fn foreign(saga: &Bench, (what, which, how): Move) -> Record {
    let step = u16::from(which % 7);
    let leg = [LegId::action(step), LegId::compensation(step)][usize::from(how % 2)];
    let number = u32::from(how / 2 % 4);
    let at = Timestamp(saga.now.0 + i64::from(how));
    let request = std::sync::Arc::new(request(leg));
    let outcome = Outcome::ALL[usize::from(how) % Outcome::ALL.len()];
    let known = saga.records[usize::from(how) % saga.records.len()]
        .event
        .clone();
    let event = match what % 8 {
        0 => Event::AttemptStarted {
            leg,
            attempt: number,
            request,
        },
        1 => Event::AttemptEnded {
            leg,
            attempt: number,
            answer: answer(outcome),
            again_at: at,
            arrives_until: at,
        },
        2 => Event::CheckEnded {
            leg,
            check: number,
            finding: Finding::Happened,
            answer: answer(outcome),
            again_at: at,
        },
        3 => Event::CallbackOverdue { leg },
        4 => Event::Settled {
            state: SagaState::ALL[usize::from(how) % SagaState::ALL.len()],
        },
        5 => Event::Unmakeable {
            leg,
            error: String::new(),
        },
        _ => known,
    };
    let seq = saga.saga.seq() + u32::from(what < 200);
    Record { seq, at, event }
}

proptest! {
    #![proptest_config(config())]

    /// Whatever participants, people and clocks do.
    #[test]
    fn nothing_breaks_the_rules(plan in plan(), deadline in deadline(), moves in moves()) {
        played(plan, deadline, &moves, None).heal();
    }

    /// Where participants keep their word the books balance, however much is lost on the way.
    #[test]
    fn the_books_balance(
        plan in plan(),
        deadline in deadline(),
        moves in moves(),
        refusals in any::<u16>(),
        mask in any::<u16>(),
    ) {
        let world = World::new(&plan, refusals & mask);
        played(plan, deadline, &moves, Some(world)).heal();
    }

    /// A damaged history is refused and leaves the state as it was, or is a history of some kind;
    /// it never panics, nor does what reads the state afterwards.
    #[test]
    fn a_damaged_history_is_refused_or_read(
        plan in plan(),
        moves in moves(),
        damage in prop::collection::vec(any::<Move>(), 1..12),
    ) {
        let mut play = played(plan, None, &moves, None);
        for one in damage {
            let record = foreign(&play.bench, one);
            let before = play.bench.saga.clone();
            if play.bench.saga.apply(&record).is_err() {
                prop_assert_eq!(&play.bench.saga, &before);
            }
            let now = play.bench.now;
            let saga = &play.bench.saga;
            let _ = (saga.decide(now), saga.state(now), saga.lost_calls(0), saga.steps().count());
        }
    }
}
