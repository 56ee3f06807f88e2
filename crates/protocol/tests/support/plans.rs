//! Plans made in a few words. Defaults: each step needs the one before it, has a compensation and a
//! check, and is checked when its outcome is unknown.

use settled_protocol::{CallPlan, CompensateOrder, OnUnknown, Plan, Retry, Span, StepPlan};

/// How long one attempt may take in these plans.
pub(crate) const TIMEOUT: Span = Span::from_secs(10);

pub(crate) fn call() -> CallPlan {
    CallPlan {
        timeout: TIMEOUT,
        retry: Retry {
            max_attempts: 3,
            first_delay: Span::from_millis(100),
            max_delay: Span::from_secs(1),
            factor: 2.0,
        },
        on_unknown: OnUnknown::Check,
        check: Some(TIMEOUT),
    }
}

/// Lets unknown outcomes of a step be settled in this way, in both directions.
#[allow(dead_code, reason = "not every test file changes it")]
pub(crate) fn settle_by(step: &mut StepPlan, policy: OnUnknown) {
    for call in [Some(&mut step.action), step.compensation.as_mut()]
        .into_iter()
        .flatten()
    {
        call.on_unknown = policy;
    }
}

pub(crate) fn sequence(steps: usize) -> Plan {
    Plan {
        compensate: CompensateOrder::Reverse,
        steps: (0..steps)
            .map(|index| StepPlan {
                name: format!("s{index}"),
                needs: index
                    .checked_sub(1)
                    .map(|need| need as u16)
                    .into_iter()
                    .collect(),
                pivot: false,
                compensate_unknown: false,
                key_window: None,
                callback_timeout: Span::from_secs(60),
                action: call(),
                compensation: Some(call()),
            })
            .collect(),
        ..Plan::default()
    }
}

/// Steps that all start at once.
pub(crate) fn side_by_side(steps: usize) -> Plan {
    let mut plan = sequence(steps);
    for step in &mut plan.steps {
        step.needs.clear();
    }
    plan
}
