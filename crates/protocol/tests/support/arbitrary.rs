//! Plans and orders of events as proptest draws them.

use proptest::prelude::*;
use settled_protocol::{CallPlan, CompensateOrder, OnUnknown, Plan, Retry, Span, StepPlan};

/// One thing that happens, with two numbers to choose what exactly.
pub(crate) type Move = (u8, u8, u8);

pub(crate) fn moves() -> impl Strategy<Value = Vec<Move>> {
    prop::collection::vec(any::<Move>(), 0..70)
}

pub(crate) fn deadline() -> impl Strategy<Value = Option<Span>> {
    prop::option::weighted(0.3, (0_i64..40).prop_map(Span::from_secs))
}

fn call() -> impl Strategy<Value = CallPlan> {
    let check = prop::option::weighted(0.6, (1_i64..12).prop_map(Span::from_secs));
    let retry = (1_u32..4, 0_i64..3).prop_map(|(max_attempts, delay)| Retry {
        max_attempts,
        first_delay: Span::from_millis(delay * 400),
        max_delay: Span::from_secs(2),
        factor: 2.0,
    });
    (retry, 1_i64..12, policy(), check).prop_map(|(retry, timeout, on_unknown, check)| CallPlan {
        timeout: Span::from_secs(timeout),
        retry,
        on_unknown,
        check,
    })
}

fn policy() -> impl Strategy<Value = OnUnknown> {
    prop::sample::select(vec![
        OnUnknown::Retry,
        OnUnknown::Check,
        OnUnknown::Incident,
    ])
}

fn step(index: usize) -> impl Strategy<Value = StepPlan> {
    let needs = prop::collection::vec(any::<bool>(), index);
    let switches = (needs, prop::bool::weighted(0.2), any::<bool>());
    let window = prop::option::of((0_i64..20).prop_map(Span::from_secs));
    let calls = (call(), prop::option::weighted(0.8, call()));
    (switches, window, 1_i64..30, calls).prop_map(
        move |((needs, pivot, compensate_unknown), key_window, patience, calls)| {
            let (action, compensation) = calls;
            let needed = needs.iter().enumerate().filter(|(_, needed)| **needed);
            StepPlan {
                name: format!("s{index}"),
                needs: needed.map(|(need, _)| need as u16).collect(),
                pivot,
                compensate_unknown,
                key_window,
                callback_timeout: Span::from_secs(patience),
                action,
                compensation,
            }
        },
    )
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    let order = prop::sample::select(vec![CompensateOrder::Reverse, CompensateOrder::Parallel]);
    let steps = (1_usize..7).prop_flat_map(|count| (0..count).map(step).collect::<Vec<_>>());
    (order, steps).prop_map(|(compensate, steps)| Plan {
        compensate,
        steps,
        ..Plan::default()
    })
}
