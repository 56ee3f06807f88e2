//! What a saga is to do: its steps, their order and their policies.
//!
//! A plan says nothing of URLs, bodies or databases. Whatever makes the real calls keeps that for
//! itself; here a step is a name, what must be done before it, and how to settle it.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// The place of a step in [`Plan::steps`].
pub type StepIndex = u16;

/// The most steps one saga may have.
pub const MAX_STEPS: usize = 1_000;

/// The name of the first step of a saga that is a function; no other step of such a saga has it.
pub const FUNCTION_STEP: &str = "function";

/// A saga's steps and the rules for settling them. Made by whoever validates a submission, and
/// unchanged for the saga's whole life, but that a function adds steps to its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The order of compensation.
    pub compensate: CompensateOrder,
    /// The steps, in the order in which they were declared.
    pub steps: Vec<StepPlan>,
    /// The first step is a function that runs in a program of the user's and adds the others as it
    /// goes. What it is told of them is up to it: a step that did not take effect fails the saga
    /// only if the function says so.
    pub function: bool,
    /// There is no way back from the beginning: what cannot be done by the machine is put before a
    /// person.
    pub forward: bool,
}

/// In which order finished steps are undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompensateOrder {
    /// The step that finished last is undone first, one at a time.
    #[default]
    Reverse,
    /// All at once.
    Parallel,
}

/// What to do when nobody knows whether a request took effect (R4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// Send it again with the same idempotency key: the participant is declared to honour the key,
    /// so its latest answer speaks for every attempt.
    Retry,
    /// Ask the participant whether the operation with this key happened.
    Check,
    /// Never send it again by machine: a person decides.
    Incident,
}

/// One step of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepPlan {
    /// Unique in the saga.
    pub name: String,
    /// The steps that must be done before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<StepIndex>,
    /// After this step is done there is no way back: what follows is retried forward.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pivot: bool,
    /// Compensate the step all the same when its outcome cannot be found out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub compensate_unknown: bool,
    /// How long the participant remembers an idempotency key, counted from the first attempt. Past
    /// it, sending again is not safe and is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_window: Option<Span>,
    /// How long a `pending` answer may take to be followed by the real one.
    pub callback_timeout: Span,
    /// The forward call.
    pub action: CallPlan,
    /// The call that undoes the action, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<CallPlan>,
}

/// How one direction of a step is settled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallPlan {
    /// The time limit of one attempt.
    pub timeout: Span,
    /// How it is tried again.
    pub retry: Retry,
    /// What to do about an unknown outcome.
    pub on_unknown: OnUnknown,
    /// The time limit of one check, where the participant can be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Span>,
}

/// Exponential backoff with a limit. Applies to `not_sent` and `unknown`; a refusal is final.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// The most attempts, the first included; at least 1.
    pub max_attempts: u32,
    /// The wait before the second attempt, before jitter.
    pub first_delay: Span,
    /// No wait is longer than this, except where the participant asks for it by `Retry-After`.
    pub max_delay: Span,
    /// What each wait is multiplied by to make the next; at least 1.
    pub factor: f64,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 10,
            first_delay: Span::from_millis(200),
            max_delay: Span::from_secs(30),
            factor: 2.0,
        }
    }
}

impl Retry {
    /// The wait after the `tries`-th try (1, 2, …) failed. Half of it is fixed and half is drawn by
    /// `random`, uniform over all of `u64`, so that callers that failed together do not come back
    /// together and none comes back at once.
    #[must_use]
    pub fn delay(&self, tries: u32, random: u64) -> Span {
        let exponent = i32::try_from(tries.saturating_sub(1)).unwrap_or(i32::MAX);
        let full = (self.first_delay.0 as f64 * self.factor.powi(exponent))
            .min(self.max_delay.0 as f64)
            .max(0.0);
        let share = 0.5 + 0.5 * (random as f64 / u64::MAX as f64);
        Span((full * share) as i64)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's way of asking")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Plan {
    /// The plan of a saga whose steps are added by a function as it runs. The function itself is the
    /// first step: it takes no effect of its own, so it is run again as often as it takes.
    #[must_use]
    pub fn of_function(compensate: CompensateOrder, forward: bool) -> Self {
        let function = StepPlan {
            name: FUNCTION_STEP.to_owned(),
            needs: Vec::new(),
            pivot: false,
            compensate_unknown: false,
            key_window: None,
            callback_timeout: Span::ZERO,
            action: CallPlan {
                timeout: Span::ZERO,
                retry: Retry {
                    max_attempts: u32::MAX,
                    first_delay: Span::ZERO,
                    max_delay: Span::ZERO,
                    factor: 1.0,
                },
                on_unknown: OnUnknown::Retry,
                check: None,
            },
            compensation: None,
        };
        Self {
            compensate,
            steps: vec![function],
            function: true,
            forward,
        }
    }

    /// Whether this step is the function that adds the others.
    #[must_use]
    pub fn is_function(&self, step: StepIndex) -> bool {
        self.function && step == 0
    }
}

impl StepPlan {
    /// The call of one direction; `None` for a compensation that was never declared.
    #[must_use]
    pub fn call(&self, direction: crate::Direction) -> Option<&CallPlan> {
        match direction {
            crate::Direction::Action => Some(&self.action),
            crate::Direction::Compensation => self.compensation.as_ref(),
        }
    }
}
