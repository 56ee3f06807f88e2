//! What a run's function and the outside of it share: the steps that it has come to, and what it
//! was told of them.
//!
//! Ends are handed to the function one at a time and in the order of the record, also when they are
//! news: so a function that runs again sees what it saw, in the order in which it saw it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use settled_protocol::{FUNCTION_STEP, Json, MAX_STEPS, StepEnd, StepIndex, StepPlan};

use super::closures::Closures;
use super::error::StepError;
use crate::engine::{AddedStep, Launch, RunEnd, Yielded};

/// The longest name of a step.
const MAX_NAME: usize = 128;

pub(super) struct Desk {
    state: Mutex<State>,
}

struct State {
    rehearsal: bool,
    /// By place; the function itself is the first.
    steps: Vec<Entry>,
    by_name: HashMap<String, StepIndex>,
    /// What the function does not know yet, in order.
    ends: VecDeque<(StepIndex, StepEnd)>,
    /// How many steps on record the function has not come to, or not taken back.
    missing: usize,
    next_ticket: u32,
    waiting: HashMap<u32, Ticket>,
    /// What the next yield says.
    news: Yielded,
    /// Whoever polls the run.
    runner: Option<Waker>,
    /// Somebody waits for a yield, even if it says nothing.
    is_asked: bool,
    /// Why the run cannot go on.
    misfit: Option<RunEnd>,
    /// A part that joined the saga failed: the whole cannot succeed.
    doomed: Option<String>,
}

#[derive(Default)]
struct Entry {
    /// As it is on record, until the function comes to it.
    recorded: Option<Box<(StepPlan, Json)>>,
    closures: Option<Arc<dyn Closures>>,
    end: Option<StepEnd>,
    waker: Option<Waker>,
    /// It is taken back on record, and the function has not come to that.
    withdrawal_missing: bool,
    /// The function took it back in this run.
    withdrawn: bool,
    /// The function knows that nothing is left of it.
    taken_back: bool,
}

#[derive(Default)]
struct Ticket {
    steps: Vec<StepIndex>,
    waker: Option<Waker>,
}

/// A step that a function comes to.
pub(super) struct Arrival {
    pub(super) plan: StepPlan,
    pub(super) input: Json,
    pub(super) participant: Arc<str>,
    pub(super) closures: Arc<dyn Closures>,
}

impl Desk {
    pub(super) fn new(launch: &Launch) -> Self {
        let mut steps = vec![Entry::default()];
        let mut by_name = HashMap::from([(FUNCTION_STEP.to_owned(), 0)]);
        let mut ends: Vec<(u32, StepIndex, StepEnd)> = Vec::new();
        for recorded in &launch.steps {
            by_name.insert(recorded.plan.name.clone(), recorded.step);
            if let Some((place, end)) = &recorded.end {
                ends.push((*place, recorded.step, end.clone()));
            }
            if let Some(place) = recorded.taken_back {
                ends.push((place, recorded.step, StepEnd::TakenBack));
            }
            steps.push(Entry {
                recorded: Some(Box::new((recorded.plan.clone(), recorded.input.clone()))),
                withdrawal_missing: recorded.withdrawn,
                ..Entry::default()
            });
        }
        ends.sort_by_key(|(place, _, _)| *place);
        let state = State {
            rehearsal: launch.rehearsal,
            missing: launch.steps.len() + launch.steps.iter().filter(|step| step.withdrawn).count(),
            steps,
            by_name,
            ends: ends.into_iter().map(|(_, step, end)| (step, end)).collect(),
            next_ticket: 0,
            waiting: HashMap::new(),
            news: Yielded::default(),
            runner: None,
            is_asked: true,
            misfit: None,
            doomed: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The function comes to a step. None where it will never hear of it: nothing new is begun in a
    /// rehearsal, and nothing at all once the record was found not to fit.
    pub(super) fn arrive(&self, arrival: Arrival) -> Result<Option<StepIndex>, StepError> {
        let name = arrival.plan.name.clone();
        let mut state = self.lock();
        let state = &mut *state;
        if let Some(step) = state.by_name.get(&name).copied() {
            let entry = &mut state.steps[usize::from(step)];
            let Some(recorded) = entry.recorded.take() else {
                return Err(StepError::broken(
                    &name,
                    "another step of the saga has this name; put what tells them apart into it, \
                     such as the number of a turn",
                ));
            };
            if let Some(error) = difference(&recorded.0, &recorded.1, &arrival) {
                state.misfit = Some(RunEnd::Mismatch {
                    error,
                    stored: Some(recorded.1),
                });
                return Ok(None);
            }
            entry.closures = Some(arrival.closures);
            state.missing -= 1;
            state.news.known.push((step, arrival.participant));
            return Ok(Some(step));
        }
        check_name(&name)?;
        if state.steps.len() >= MAX_STEPS {
            let why = format!("a saga has at most {MAX_STEPS} steps; split it up");
            return Err(StepError::broken(&name, why));
        }
        if state.rehearsal {
            return Ok(None);
        }
        let step = state.steps.len() as StepIndex;
        state.by_name.insert(name, step);
        state.steps.push(Entry {
            closures: Some(arrival.closures),
            ..Entry::default()
        });
        state.news.added.push(AddedStep {
            plan: arrival.plan,
            input: arrival.input,
            participant: arrival.participant,
        });
        Ok(Some(step))
    }

    /// How a step ended, once the function is to know.
    pub(super) fn poll_end(&self, step: StepIndex, waker: &Waker) -> Poll<StepEnd> {
        let mut state = self.lock();
        let entry = &mut state.steps[usize::from(step)];
        if let Some(end) = entry.end.take() {
            return Poll::Ready(end);
        }
        entry.waker = Some(waker.clone());
        Poll::Pending
    }

    /// Takes back every step whose name begins like this; gives the ticket to wait for, or none
    /// where nothing is left to undo.
    pub(super) fn withdraw(&self, prefix: &str) -> Option<u32> {
        let mut state = self.lock();
        let state = &mut *state;
        let meant = state
            .by_name
            .iter()
            .filter(|(name, _)| name.starts_with(prefix));
        let mut steps: Vec<StepIndex> = meant.map(|(_, step)| *step).collect();
        steps.sort_unstable();
        if steps
            .iter()
            .all(|step| state.steps[usize::from(*step)].taken_back)
        {
            return None;
        }
        for step in &steps {
            let entry = &mut state.steps[usize::from(*step)];
            entry.withdrawn = true;
            if std::mem::take(&mut entry.withdrawal_missing) {
                state.missing -= 1;
            }
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let waiting = Ticket {
            steps: steps.clone(),
            waker: None,
        };
        state.waiting.insert(ticket, waiting);
        state.news.withdrawals.push(steps);
        Some(ticket)
    }

    /// Whether everything of a withdrawal is undone.
    pub(super) fn poll_withdrawn(&self, ticket: u32, waker: &Waker) -> Poll<()> {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(waiting) = state.waiting.get_mut(&ticket) else {
            return Poll::Ready(());
        };
        let mut steps = waiting.steps.iter();
        if steps.all(|step| state.steps[usize::from(*step)].taken_back) {
            state.waiting.remove(&ticket);
            return Poll::Ready(());
        }
        waiting.waker = Some(waker.clone());
        Poll::Pending
    }

    /// What is on record does not fit the code.
    pub(super) fn misfit(&self, error: String, stored: Json) {
        self.lock().misfit.get_or_insert(RunEnd::Mismatch {
            error,
            stored: Some(stored),
        });
    }

    /// A part that joined the saga failed.
    pub(super) fn doom(&self, why: String) {
        self.lock().doomed.get_or_insert(why);
    }

    pub(super) fn doomed(&self) -> Option<String> {
        self.lock().doomed.clone()
    }

    pub(super) fn take_misfit(&self) -> Option<RunEnd> {
        self.lock().misfit.take()
    }

    /// Whom to wake when something becomes known outside.
    pub(super) fn watch(&self, runner: &Waker) {
        let mut state = self.lock();
        if !state
            .runner
            .as_ref()
            .is_some_and(|known| known.will_wake(runner))
        {
            state.runner = Some(runner.clone());
        }
    }

    /// Something became known outside.
    pub(super) fn tell(&self, told: Vec<(StepIndex, StepEnd)>) {
        let mut state = self.lock();
        state.ends.extend(told);
        state.is_asked = true;
        if let Some(runner) = state.runner.take() {
            runner.wake();
        }
    }

    /// Hands the next thing that it is told to the function; false where there is none, or where the
    /// function has not come to its step, or to taking it back.
    pub(super) fn hand_out(&self) -> bool {
        let mut state = self.lock();
        let state = &mut *state;
        let Some((step, end)) = state.ends.front() else {
            return false;
        };
        let step = usize::from(*step);
        if *end == StepEnd::TakenBack {
            if !state.steps[step].withdrawn {
                return false;
            }
            state.ends.pop_front();
            state.steps[step].taken_back = true;
            for waiting in state.waiting.values_mut() {
                if let Some(waker) = waiting.waker.take() {
                    waker.wake();
                }
            }
            return true;
        }
        if state.steps[step].closures.is_none() {
            return false;
        }
        let Some((_, end)) = state.ends.pop_front() else {
            return false;
        };
        let entry = &mut state.steps[step];
        entry.end = Some(end);
        if let Some(waker) = entry.waker.take() {
            waker.wake();
        }
        true
    }

    /// A step on record that the function has not come to.
    pub(super) fn missing(&self) -> Option<String> {
        let state = self.lock();
        if state.missing == 0 {
            return None;
        }
        let mut names = state.by_name.iter();
        names
            .find(|(_, step)| {
                let entry = &state.steps[usize::from(**step)];
                entry.recorded.is_some() || entry.withdrawal_missing
            })
            .map(|(name, _)| name.clone())
    }

    /// Whether the function has come to a step that is not on record, and nobody was told yet.
    pub(super) fn has_added(&self) -> bool {
        !self.lock().news.added.is_empty()
    }

    pub(super) fn is_rehearsal(&self) -> bool {
        self.lock().rehearsal
    }

    pub(super) fn place_of(&self, name: &str) -> Option<StepIndex> {
        self.lock().by_name.get(name).copied()
    }

    pub(super) fn closures(&self, step: StepIndex) -> Option<Arc<dyn Closures>> {
        let state = self.lock();
        state.steps.get(usize::from(step))?.closures.clone()
    }

    /// What the run wants now, if anything is to be said.
    pub(super) fn take_news(&self, end: Option<RunEnd>) -> Option<Yielded> {
        let mut state = self.lock();
        if matches!(end, Some(RunEnd::Mismatch { .. })) {
            // What another function than the saga's own wanted is nobody's wish.
            state.news.added.clear();
            state.news.withdrawals.clear();
        }
        let news = &state.news;
        let is_news = end.is_some()
            || !news.known.is_empty()
            || !news.added.is_empty()
            || !news.withdrawals.is_empty();
        if !is_news && !state.is_asked {
            return None;
        }
        state.is_asked = false;
        Some(Yielded {
            end,
            ..std::mem::take(&mut state.news)
        })
    }
}

fn check_name(name: &str) -> Result<(), StepError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(fits) {
        return Ok(());
    }
    let why = format!("a step's name is 1 to {MAX_NAME} characters of A-Za-z0-9._-");
    Err(StepError::broken(name, why))
}

/// What tells a step in the code from the one on record. How it is tried again may change; what it
/// is may not.
fn difference(plan: &StepPlan, input: &Json, arrival: &Arrival) -> Option<String> {
    let name = &plan.name;
    let what = if plan.pivot != arrival.plan.pivot {
        "one of the two is a pivot"
    } else if plan.compensation.is_some() != arrival.plan.compensation.is_some() {
        "one of the two has a compensation"
    } else if !is_same(input, &arrival.input) {
        "its input is another one"
    } else {
        return None;
    };
    Some(format!(
        "the step `{name}` in the code is not the one on record: {what}; bring back the code that \
         the saga was begun with, or decide by hand"
    ))
}

/// Whether two texts stand for the same value.
fn is_same(one: &Json, other: &Json) -> bool {
    one == other || one.to_value() == other.to_value()
}
