//! One case of the exhaustive set: a saga's shape and policies, what its participants do, and what
//! goes wrong on the way.
//!
//! A case is plain data: the same case is the same run, to the microsecond.

use settled_protocol::{
    Answered, CallPlan, CompensateOrder, OnUnknown, Plan, Retry, Span, StepPlan,
};

/// The time limit of every call.
pub(super) const TIMEOUT: Span = Span::from_secs(10);
/// How long a pending call may stay unanswered.
pub(super) const CALLBACK_TIMEOUT: Span = Span::from_secs(60);
/// When a participant that accepted a call answers it.
pub(super) const CALLBACK_AFTER: Span = Span::from_secs(5);
/// The most steps of a case.
pub(super) const MOST: usize = 4;

/// What a participant does with one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It takes effect and says so.
    Done,
    /// It says no.
    Refused,
    /// It cannot be reached, ever.
    NotSent,
    /// It cannot be reached the first time.
    NotSentOnce,
    /// It takes effect; the first answer is lost.
    LostReply,
    /// It takes effect, the first answer is lost, and further attempts are refused.
    LostReplyThenNo,
    /// The first request is lost.
    LostRequest,
    /// The first request arrives after its answer was given up, just within its time limit.
    Late,
    /// It takes effect; no answer to anything ever comes back.
    SilentDone,
    /// It takes no effect; no answer to anything ever comes back.
    SilentNot,
    /// Accepted, then done.
    Accepted,
    /// Accepted, then refused.
    AcceptedThenNo,
    /// Accepted, and never heard of again.
    AcceptedForEver,
    /// Accepted the first time and dropped; asked, it says so.
    AcceptedDropped,
    /// The request cannot be made.
    Unmakeable,
}

/// Every fate of an action.
pub(super) const ACTION_FATES: [Fate; 15] = [
    Fate::Done,
    Fate::Refused,
    Fate::NotSent,
    Fate::NotSentOnce,
    Fate::LostReply,
    Fate::LostReplyThenNo,
    Fate::LostRequest,
    Fate::Late,
    Fate::SilentDone,
    Fate::SilentNot,
    Fate::Accepted,
    Fate::AcceptedThenNo,
    Fate::AcceptedForEver,
    Fate::AcceptedDropped,
    Fate::Unmakeable,
];

/// The fates of an action that differ most, for cases with several faults.
pub(super) const MAIN_FATES: [Fate; 8] = [
    Fate::Done,
    Fate::Refused,
    Fate::NotSent,
    Fate::LostReply,
    Fate::Late,
    Fate::SilentNot,
    Fate::Accepted,
    Fate::AcceptedForEver,
];

/// The fates of a compensation.
pub(super) const COMPENSATION_FATES: [Fate; 11] = [
    Fate::Done,
    Fate::Refused,
    Fate::NotSent,
    Fate::LostReply,
    Fate::LostRequest,
    Fate::Late,
    Fate::SilentDone,
    Fate::Accepted,
    Fate::AcceptedThenNo,
    Fate::AcceptedForEver,
    Fate::Unmakeable,
];

/// The order of a saga's steps: for each step what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape(pub &'static [&'static [u16]]);

/// Every shape up to four steps: sequences, and pairs side by side at each place.
pub(super) const SHAPES: [Shape; 9] = [
    Shape(&[&[]]),
    Shape(&[&[], &[0]]),
    Shape(&[&[], &[]]),
    Shape(&[&[], &[0], &[1]]),
    Shape(&[&[], &[0], &[0]]),
    Shape(&[&[], &[], &[0, 1]]),
    Shape(&[&[], &[0], &[1], &[2]]),
    Shape(&[&[], &[0], &[0], &[1, 2]]),
    Shape(&[&[], &[], &[0, 1], &[0, 1]]),
];

impl Shape {
    /// How many steps it has.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Never: a saga has a step.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Whether steps run side by side, so that answers can come in another order.
    #[must_use]
    pub fn has_pair(self) -> bool {
        (1..self.len()).any(|step| self.0[..step].contains(&self.0[step]))
    }
}

/// How an unknown outcome is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Send again; the participant cannot be asked.
    Retry,
    /// Send again while the key is remembered, for one more attempt; then ask.
    RetryThenCheck,
    /// Ask.
    Check,
    /// Put it before a person.
    Incident,
}

/// Every policy.
pub(super) const POLICIES: [Policy; 4] = [
    Policy::Retry,
    Policy::RetryThenCheck,
    Policy::Check,
    Policy::Incident,
];

/// What goes wrong besides the participants. Boundaries are counted: one after every record and
/// one after every request that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chaos {
    /// Nothing.
    None,
    /// The coordinator stops at this boundary.
    Crash(u32),
    /// It stops at this boundary, and again so many boundaries later.
    CrashTwice(u32, u32),
    /// Somebody asks for compensation at this boundary.
    Cancel(u32),
    /// The deadline is so long after submission.
    Deadline(Span),
    /// At this boundary everything that was ever answered is answered again, and every participant
    /// says once more, by callback and truthfully, what it knows.
    Echo(u32),
    /// At this boundary a callback says this of a leg, true or not.
    Lie(u32, u16, bool, Answered),
}

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The order of the steps.
    pub shape: Shape,
    /// The pivot, if there is one.
    pub pivot: Option<u16>,
    /// The order of compensation.
    pub order: CompensateOrder,
    /// The same for every step.
    pub policy: Policy,
    /// The same for every step.
    pub compensate_unknown: bool,
    /// What happens to the actions.
    pub actions: [Fate; MOST],
    /// What happens to the compensations.
    pub compensations: [Fate; MOST],
    /// The answer to the last request comes first.
    pub last_first: bool,
    /// What else goes wrong.
    pub chaos: Chaos,
}

impl Case {
    /// The plan of the case's saga.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let (on_unknown, asks) = match self.policy {
            Policy::Retry => (OnUnknown::Retry, false),
            Policy::RetryThenCheck => (OnUnknown::Retry, true),
            Policy::Check => (OnUnknown::Check, true),
            Policy::Incident => (OnUnknown::Incident, false),
        };
        let call = CallPlan {
            timeout: TIMEOUT,
            retry: Retry {
                max_attempts: 3,
                first_delay: Span::from_millis(100),
                max_delay: Span::from_secs(40),
                factor: 4.0,
            },
            on_unknown,
            check: asks.then_some(TIMEOUT),
        };
        let window = self.policy == Policy::RetryThenCheck;
        let step = |(index, needs): (usize, &&[u16])| StepPlan {
            name: format!("s{index}"),
            needs: needs.to_vec(),
            pivot: self.pivot == Some(index as u16),
            compensate_unknown: self.compensate_unknown,
            // The second attempt comes 50 ms after the first, the third 200 ms after that.
            key_window: window.then_some(Span::from_millis(120)),
            callback_timeout: CALLBACK_TIMEOUT,
            action: call,
            compensation: Some(call),
        };
        Plan {
            compensate: self.order,
            steps: self.shape.0.iter().enumerate().map(step).collect(),
            ..Plan::default()
        }
    }
}
