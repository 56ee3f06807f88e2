//! A circuit breaker: leaves a participant alone that does not answer. It fails nothing: whoever
//! wants to call waits until it closes.
//!
//! ```text
//!            failures in a row                 time over: one call
//!   closed ────────────────────▶ open(until) ─────────────────────▶ probing
//!      ▲                           ▲   │                              │  │
//!      └───── definite answer ─────┼───┘◀──── not made at all ────────┘  │
//!      └───────────────────────────┼──────────── definite answer ────────┤
//!                                  └──── for longer ───── failure ───────┘
//! ```

use settled_protocol::{Span, Timestamp};

use super::settings::BreakerLimits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    Closed,
    Open { until: Timestamp },
    Probing { since: Timestamp },
}

/// What became of a call, as far as the participant's health goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallHealth {
    /// A definite answer, whatever it was.
    Answered,
    /// Not sent, or nobody knows.
    Failed,
    /// It asked to be left alone: alive, and the business of the rate.
    Busy,
    /// The call says nothing about the participant; perhaps it was never made.
    Silent,
}

#[derive(Clone, Debug)]
pub(super) struct Breaker {
    position: Position,
    /// Without a definite answer, in a row.
    failures: u32,
    /// How often it was opened without closing.
    pauses: u32,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            position: Position::Closed,
            failures: 0,
            pauses: 0,
        }
    }

    pub(super) fn position(&self) -> Position {
        self.position
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the participant is not known to be well.
    pub(super) fn is_down(&self) -> bool {
        self.position != Position::Closed
    }

    /// How many calls may begin now.
    pub(super) fn room(&self, now: Timestamp) -> u32 {
        match self.position {
            Position::Closed => u32::MAX,
            Position::Open { until } => u32::from(until <= now),
            Position::Probing { .. } => 0,
        }
    }

    /// A call begins; whether it is a probe.
    pub(super) fn begins(&mut self, now: Timestamp) -> bool {
        if let Position::Open { .. } = self.position {
            self.position = Position::Probing { since: now };
            return true;
        }
        false
    }

    /// A call is over.
    pub(super) fn ended(
        &mut self,
        limits: &BreakerLimits,
        probe: bool,
        health: CallHealth,
        now: Timestamp,
        random: u64,
    ) {
        let probing = probe && matches!(self.position, Position::Probing { .. });
        match (health, self.position) {
            (CallHealth::Answered, _) => *self = Self::new(),
            // Also from a probe of an earlier time: whoever asks for quiet is alive.
            (CallHealth::Busy, position) if probe && position != Position::Closed => {
                *self = Self::new();
            }
            // One that was begun before says nothing new.
            (CallHealth::Failed, Position::Closed) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= limits.failures {
                    self.open(limits, now, random);
                }
            }
            (CallHealth::Failed, _) if probing => {
                self.failures = self.failures.saturating_add(1);
                self.open(limits, now, random);
            }
            (CallHealth::Silent, _) if probing => self.position = Position::Open { until: now },
            _ => {}
        }
    }

    /// Half of the pause is fixed, half is drawn: coordinators that lost a participant together do
    /// not come back to it together.
    fn open(&mut self, limits: &BreakerLimits, now: Timestamp, random: u64) {
        let factor = 1_i64 << self.pauses.min(40);
        let pause = limits.first_pause.0.saturating_mul(factor);
        let pause = pause.min(limits.max_pause.0).max(1);
        let drawn = (random % (pause as u64 / 2 + 1)) as i64;
        self.pauses = self.pauses.saturating_add(1);
        self.position = Position::Open {
            until: now + Span(pause - drawn),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits() -> BreakerLimits {
        BreakerLimits {
            failures: 3,
            first_pause: Span::from_secs(1),
            max_pause: Span::from_secs(8),
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Wait(i64),
        Begin,
        End(usize, CallHealth),
    }

    fn step() -> impl Strategy<Value = Step> {
        let health = prop_oneof![
            3 => Just(CallHealth::Failed),
            1 => Just(CallHealth::Answered),
            1 => Just(CallHealth::Busy),
            1 => Just(CallHealth::Silent),
        ];
        prop_oneof![
            (0..3_000_000_i64).prop_map(Step::Wait),
            Just(Step::Begin),
            (any::<usize>(), health).prop_map(|(which, health)| Step::End(which, health)),
        ]
    }

    proptest! {
        /// Whatever happens: it opens after three failures in a row and not before, lets one call
        /// through at a time while it is not closed, closes with a definite answer, and always
        /// lets somebody through in the end.
        #[test]
        fn it_keeps_to_its_states(
            steps in prop::collection::vec(step(), 1..200),
            randoms in any::<u64>(),
        ) {
            let limits = limits();
            let mut rng = fastrand::Rng::with_seed(randoms);
            let (mut breaker, mut now) = (Breaker::new(), Timestamp(0));
            let (mut open, mut row, mut pause) = (Vec::<bool>::new(), 0, 1_000_000);
            for step in steps {
                let before = breaker.clone();
                match step {
                    Step::Wait(micros) => now = now + Span(micros),
                    Step::Begin => {
                        if breaker.room(now) > 0 {
                            let probe = breaker.begins(now);
                            prop_assert_eq!(probe, before.is_down());
                            open.push(probe);
                        }
                    }
                    Step::End(which, health) => {
                        if open.is_empty() {
                            continue;
                        }
                        let probe = open.swap_remove(which % open.len());
                        breaker.ended(&limits, probe, health, now, rng.u64(..));
                        match health {
                            CallHealth::Answered => {
                                prop_assert!(!breaker.is_down());
                                (row, pause) = (0, 1_000_000);
                            }
                            CallHealth::Failed if !before.is_down() => {
                                row += 1;
                                prop_assert_eq!(breaker.is_down(), row >= 3);
                            }
                            CallHealth::Busy if probe && before.is_down() => {
                                prop_assert!(!breaker.is_down());
                                (row, pause) = (0, 1_000_000);
                            }
                            _ if !probe => prop_assert_eq!(breaker.position(), before.position()),
                            _ => {}
                        }
                        if let (Position::Open { until }, CallHealth::Failed) =
                            (breaker.position(), health)
                            && before.position() != breaker.position()
                        {
                            let length = (until - now).0;
                            prop_assert!((pause / 2..=pause).contains(&length), "{}", length);
                            pause = (pause * 2).min(8_000_000);
                        }
                    }
                }
                let probes = open.iter().filter(|probe| **probe).count();
                if matches!(breaker.position(), Position::Probing { .. }) {
                    prop_assert_eq!(breaker.room(now), 0);
                    prop_assert!(probes >= 1);
                }
                if let Position::Open { until } = breaker.position() {
                    prop_assert_eq!(breaker.room(until - Span(1)), 0);
                    prop_assert_eq!(breaker.room(until), 1);
                }
            }
        }
    }
}
