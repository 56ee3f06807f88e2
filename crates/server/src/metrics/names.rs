//! Names that come from callers, as labels: the first so many as they are, the rest as `other`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Stands for every name that has no label of its own.
const OTHER: &str = "other";

/// The steps of one kind of saga that have a label.
type Steps = HashMap<Box<str>, Arc<str>>;

/// The names that have a label.
pub(super) struct Names {
    most_kinds: usize,
    most_steps: usize,
    steps: AtomicUsize,
    known: RwLock<HashMap<Arc<str>, Steps>>,
    other: Arc<str>,
}

impl Names {
    pub(super) fn new(most_kinds: usize, most_steps: usize) -> Self {
        Self {
            most_kinds,
            most_steps,
            steps: AtomicUsize::new(0),
            known: RwLock::default(),
            other: OTHER.into(),
        }
    }

    /// The label of a kind of saga.
    pub(super) fn name(&self, name: &Arc<str>) -> Arc<str> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(name) {
            return Arc::clone(name);
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.most_kinds && !known.contains_key(name) {
            return Arc::clone(&self.other);
        }
        known.entry(Arc::clone(name)).or_default();
        Arc::clone(name)
    }

    /// The labels of a kind of saga and of one of its steps.
    pub(super) fn step(&self, name: &Arc<str>, step: &str) -> (Arc<str>, Arc<str>) {
        let name = self.name(name);
        if *name == *self.other {
            return (name, Arc::clone(&self.other));
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(label) = known.get(&name).and_then(|steps| steps.get(step)) {
            return (name, Arc::clone(label));
        }
        drop(known);
        if self.steps.load(Ordering::Relaxed) >= self.most_steps {
            return (name, Arc::clone(&self.other));
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let steps = known.entry(Arc::clone(&name)).or_default();
        let label = steps.entry(step.into()).or_insert_with(|| {
            self.steps.fetch_add(1, Ordering::Relaxed);
            step.into()
        });
        (name, Arc::clone(label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_names_have_a_label() {
        let names = Names::new(2, 3);
        let shown: Vec<String> = ["a", "b", "c", "a", "c"]
            .iter()
            .map(|name| names.name(&(*name).into()).to_string())
            .collect();
        assert_eq!(shown, ["a", "b", "other", "a", "other"]);
        let shown: Vec<String> = ["a/x", "a/y", "b/x", "b/y", "a/x", "c/x"]
            .iter()
            .map(|pair| {
                let (name, step) = pair.split_once('/').unwrap();
                let (name, step) = names.step(&name.into(), step);
                format!("{name}/{step}")
            })
            .collect();
        let expected = ["a/x", "a/y", "b/x", "b/other", "a/x", "other/other"];
        assert_eq!(shown, expected);
    }
}
