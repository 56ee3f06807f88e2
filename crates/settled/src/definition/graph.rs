//! Which step waits for which.

use std::collections::HashMap;

use settled_protocol::StepIndex;

use super::Invalid;
use super::document::StepDraft;

/// The order of the steps, resolved and free of cycles.
#[derive(Debug)]
pub(super) struct Graph {
    /// What each step needs, in order.
    pub(super) needs: Vec<Vec<StepIndex>>,
    /// For each step a bit for every step that is certainly done before it starts.
    before: Vec<Vec<u64>>,
}

impl Graph {
    /// Resolves the names in `needs`.
    pub(super) fn new(
        drafts: &[StepDraft],
        names: &HashMap<&str, StepIndex>,
    ) -> Result<Self, Invalid> {
        let mut needs: Vec<Vec<StepIndex>> = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.iter().enumerate() {
            let mut resolved = Vec::new();
            match &draft.needs {
                None => resolved.extend(index.checked_sub(1).map(|before| before as StepIndex)),
                Some(named) => {
                    for (at, name) in named.iter().enumerate() {
                        let place = format!("steps[{index}].needs[{at}]");
                        let Some(&need) = names.get(name.as_str()) else {
                            let name = super::raw::excerpt(name, 64);
                            let why = format!("there is no step named {name:?}");
                            return Err(Invalid::new(place, why));
                        };
                        if usize::from(need) == index {
                            return Err(Invalid::new(place, "a step cannot need itself"));
                        }
                        if resolved.contains(&need) {
                            return Err(Invalid::new(place, format!("{name:?} is given twice")));
                        }
                        resolved.push(need);
                    }
                }
            }
            resolved.sort_unstable();
            needs.push(resolved);
        }
        let before = ancestors(drafts, &needs)?;
        Ok(Self { needs, before })
    }

    /// Whether `earlier` is done whenever `step` starts.
    pub(super) fn precedes(&self, earlier: StepIndex, step: StepIndex) -> bool {
        let bits = self.before.get(usize::from(step));
        let word = bits.and_then(|bits| bits.get(usize::from(earlier) / 64));
        word.is_some_and(|word| word & (1 << (earlier % 64)) != 0)
    }
}

/// Goes through the steps in an order in which every need comes first, and adds up what is before
/// each. Without recursion: a thousand steps may form one chain.
fn ancestors(drafts: &[StepDraft], needs: &[Vec<StepIndex>]) -> Result<Vec<Vec<u64>>, Invalid> {
    let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (step, needed) in needs.iter().enumerate() {
        for need in needed {
            if let Some(list) = followers.get_mut(usize::from(*need)) {
                list.push(step);
            }
        }
    }
    let mut ready: Vec<usize> = (0..needs.len())
        .filter(|step| waiting[*step] == 0)
        .collect();
    let mut before: Vec<Vec<u64>> = vec![vec![0; needs.len().div_ceil(64)]; needs.len()];
    let mut done = 0;
    while let Some(step) = ready.pop() {
        done += 1;
        let mut mine = before[step].clone();
        mine[step / 64] |= 1 << (step % 64);
        for follower in std::mem::take(&mut followers[step]) {
            for (all, own) in before[follower].iter_mut().zip(&mine) {
                *all |= own;
            }
            waiting[follower] -= 1;
            if waiting[follower] == 0 {
                ready.push(follower);
            }
        }
    }
    if done == needs.len() {
        Ok(before)
    } else {
        Err(cycle(drafts, needs, &waiting))
    }
}

/// Names one cycle: from a step that never became ready, along needs that never did.
fn cycle(drafts: &[StepDraft], needs: &[Vec<StepIndex>], waiting: &[usize]) -> Invalid {
    let start = waiting
        .iter()
        .position(|left| *left > 0)
        .unwrap_or_default();
    let mut way = vec![start];
    loop {
        let last = way.last().copied().unwrap_or_default();
        let next = needs[last]
            .iter()
            .map(|need| usize::from(*need))
            .find(|n| waiting[*n] > 0);
        let next = next.unwrap_or(start);
        if let Some(at) = way.iter().position(|step| *step == next) {
            way.drain(..at);
            way.push(next);
            break;
        }
        way.push(next);
    }
    let mut names: Vec<&str> = way.iter().map(|step| drafts[*step].name.as_str()).collect();
    if names.len() > 12 {
        names.splice(6..names.len() - 5, ["…"]);
    }
    let place = format!("steps[{}].needs", way.first().copied().unwrap_or_default());
    Invalid::new(
        place,
        format!("the steps wait for each other: {}", names.join(" needs ")),
    )
}
