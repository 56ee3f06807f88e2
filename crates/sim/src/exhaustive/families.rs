//! The exhaustive set, family by family: which cases are run, and with which chaos.
//!
//! Every combination would be billions of runs of little difference. Each family takes some
//! dimensions whole and holds the others at what makes them matter.

use settled_protocol::{Answered, CompensateOrder, Span};

use super::case::{
    ACTION_FATES, COMPENSATION_FATES, Case, Chaos, Fate, MAIN_FATES, MOST, POLICIES, Policy,
    SHAPES, Shape,
};

/// A part of the set, by what it takes whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// One or two actions fail, in every way.
    Actions,
    /// The saga goes back, and one or two compensations fail in every way.
    Compensations,
    /// A crash at every boundary of every run with one fault.
    Crashes,
    /// Two crashes, at every pair of boundaries.
    DoubleCrashes,
    /// A cancellation at every boundary.
    Cancels,
    /// A deadline at each of several moments.
    Deadlines,
    /// Everything said twice, at every boundary.
    Echoes,
    /// A callback that may be a lie, about every leg at every boundary.
    Lies,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 8] = [
        Self::Actions,
        Self::Compensations,
        Self::Crashes,
        Self::DoubleCrashes,
        Self::Cancels,
        Self::Deadlines,
        Self::Echoes,
        Self::Lies,
    ];

    /// The family's cases, before chaos.
    #[must_use]
    pub fn cases(self) -> Vec<Case> {
        let mut cases = Vec::new();
        for shape in SHAPES {
            let steps = shape.len();
            let with_pivots = |pivots: &[Option<u16>], faults: &[Faults], cases: &mut Vec<Case>| {
                for pivot in pivots {
                    for policy in POLICIES {
                        for compensate_unknown in [false, true] {
                            for (actions, compensations) in faults {
                                cases.push(Case {
                                    shape,
                                    pivot: *pivot,
                                    order: CompensateOrder::Reverse,
                                    policy,
                                    compensate_unknown,
                                    actions: *actions,
                                    compensations: *compensations,
                                    last_first: false,
                                    chaos: Chaos::None,
                                });
                            }
                        }
                    }
                }
            };
            let pivots: Vec<_> = std::iter::once(None)
                .chain((0..steps as u16).map(Some))
                .collect();
            let before = cases.len();
            match self {
                Self::Actions if steps <= 2 => {
                    with_pivots(&pivots, &actions(steps, 2, &ACTION_FATES), &mut cases);
                }
                Self::Actions => {
                    with_pivots(&pivots, &actions(steps, 1, &ACTION_FATES), &mut cases);
                    let some = [None, Some(1)];
                    with_pivots(&some, &actions(steps, 2, &MAIN_FATES), &mut cases);
                }
                Self::Compensations => {
                    let most = if steps <= 3 { 2 } else { 1 };
                    with_pivots(&[None], &going_back(steps, most), &mut cases);
                }
                Self::Crashes => {
                    let faults = actions(steps, 1, &ACTION_FATES);
                    let some: &[_] = match steps {
                        1 | 2 => &pivots,
                        3 => &[None, Some(1)],
                        _ => &[Some(1)],
                    };
                    with_pivots(some, &faults, &mut cases);
                    with_pivots(&[None], &going_back(steps, 1), &mut cases);
                }
                Self::DoubleCrashes if steps <= 2 => {
                    with_pivots(&[None], &actions(steps, 1, &ACTION_FATES), &mut cases);
                    with_pivots(&[None], &going_back(steps, 1), &mut cases);
                }
                Self::Cancels | Self::Deadlines if steps <= 3 => {
                    with_pivots(
                        &pivots[..steps.min(3)],
                        &actions(steps, 1, &ACTION_FATES),
                        &mut cases,
                    );
                }
                Self::Echoes if steps <= 3 => {
                    with_pivots(
                        &[None, Some(0)],
                        &actions(steps, 1, &ACTION_FATES),
                        &mut cases,
                    );
                    with_pivots(&[None], &going_back(steps, 1), &mut cases);
                }
                Self::Lies if steps <= 2 => {
                    with_pivots(&pivots[..2], &actions(steps, 1, &ACTION_FATES), &mut cases);
                    with_pivots(&[None], &going_back(steps, 1), &mut cases);
                }
                _ => {}
            }
            let makes_all = matches!(self, Self::Actions | Self::Compensations | Self::Cancels);
            vary(&mut cases, before, shape, makes_all);
        }
        cases
    }

    /// The chaos to run a case with, given how many boundaries it has without.
    #[must_use]
    pub fn chaos(self, case: &Case, boundaries: u32) -> Vec<Chaos> {
        let at_each = 0..boundaries;
        match self {
            Self::Actions | Self::Compensations => Vec::new(),
            Self::Crashes => at_each.map(Chaos::Crash).collect(),
            Self::DoubleCrashes => at_each
                .flat_map(|first| (1..5).map(move |later| Chaos::CrashTwice(first, later)))
                .collect(),
            Self::Cancels => at_each.map(Chaos::Cancel).collect(),
            Self::Deadlines => [0, 50, 1_000, 6_000, 12_000, 61_000]
                .map(|millis| Chaos::Deadline(Span::from_millis(millis)))
                .to_vec(),
            Self::Echoes => at_each.map(Chaos::Echo).collect(),
            Self::Lies => at_each
                .flat_map(|at| (0..case.shape.len() as u16).map(move |step| (at, step)))
                .flat_map(|(at, step)| {
                    [false, true].into_iter().flat_map(move |back| {
                        [Answered::Done, Answered::Refused]
                            .map(|said| Chaos::Lie(at, step, back, said))
                    })
                })
                .collect(),
        }
    }
}

type Faults = ([Fate; MOST], [Fate; MOST]);

/// Up to `most` actions fail, each in every way; every compensation works.
fn actions(steps: usize, most: usize, fates: &[Fate]) -> Vec<Faults> {
    let works = [Fate::Done; MOST];
    choose(steps, most, fates)
        .into_iter()
        .map(|actions| (actions, works))
        .collect()
}

/// The last step is refused, and up to `most` of the compensations of the others fail.
fn going_back(steps: usize, most: usize) -> Vec<Faults> {
    let mut refused = [Fate::Done; MOST];
    refused[steps - 1] = Fate::Refused;
    choose(steps - 1, most, &COMPENSATION_FATES)
        .into_iter()
        .map(|compensations| (refused, compensations))
        .collect()
}

/// Every way for up to `most` of the first `places` to differ from `Done`.
fn choose(places: usize, most: usize, fates: &[Fate]) -> Vec<[Fate; MOST]> {
    let mut all = vec![[Fate::Done; MOST]];
    let mut start = 0;
    for _ in 0..most {
        let end = all.len();
        for index in start..end {
            let base = all[index];
            let from = base
                .iter()
                .rposition(|fate| *fate != Fate::Done)
                .map_or(0, |last| last + 1);
            for place in from..places {
                for fate in fates.iter().filter(|fate| **fate != Fate::Done) {
                    let mut next = base;
                    next[place] = *fate;
                    all.push(next);
                }
            }
        }
        start = end;
    }
    all
}

/// Adds compensation side by side, and answers in the other order, where they make a difference.
fn vary(cases: &mut Vec<Case>, from: usize, shape: Shape, makes_all: bool) {
    // Only where the key is honoured does a second attempt not show what the first one did.
    let honours = |policy| matches!(policy, Policy::Retry | Policy::RetryThenCheck);
    let mut own = cases.split_off(from);
    own.retain(|case| !honours(case.policy) || !case.actions.contains(&Fate::LostReplyThenNo));
    cases.extend_from_slice(&own);
    if shape.len() > 1 {
        cases.extend(own.iter().map(|case| Case {
            order: CompensateOrder::Parallel,
            ..*case
        }));
    }
    if shape.has_pair() && makes_all {
        let own = cases[from..].to_vec();
        cases.extend(own.iter().map(|case| Case {
            last_first: true,
            ..*case
        }));
    }
}
