//! From what is written to what can be run.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use settled_protocol::{CallPlan, CompensateOrder, Json, Plan, StepIndex, StepPlan};
use sha2::{Digest, Sha256};

use super::answer::{CheckRules, Rules};
use super::document::{self, StepDraft};
use super::graph::Graph;
use super::names::{StepNames, Vocabulary};
use super::raw::{self, MAX_NESTING};
use super::request::CallTemplate;
use super::{Definition, Invalid, canonical};

/// What a step needs besides its plan.
#[derive(Debug)]
pub(super) struct StepParts {
    pub(super) action: (CallTemplate, Rules),
    pub(super) compensation: Option<(CallTemplate, Rules)>,
    pub(super) check: Option<(CallTemplate, CheckRules)>,
}

/// Compiles the steps of a document.
pub(super) fn definition(
    compensate: CompensateOrder,
    steps: &RawValue,
) -> Result<Definition, Invalid> {
    if raw::nesting(steps.get()) > MAX_NESTING {
        return Err(Invalid::new(
            "steps",
            format!("nested deeper than {MAX_NESTING} levels"),
        ));
    }
    let drafts = document::steps(steps)?;
    let mut names: HashMap<&str, StepIndex> = HashMap::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        if names.insert(&draft.name, index as StepIndex).is_some() {
            let place = format!("steps[{index}].name");
            return Err(Invalid::new(
                place,
                format!("another step is named {:?}", draft.name),
            ));
        }
    }
    let graph = Graph::new(&drafts, &names)?;
    let mut plan = Plan {
        compensate,
        steps: Vec::with_capacity(drafts.len()),
        ..Plan::default()
    };
    let mut parts = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        parts.push(step_parts(draft, index, &drafts, &names, &graph)?);
        let needs = graph.needs.get(index).cloned().unwrap_or_default();
        plan.steps.push(step_plan(draft, needs));
    }
    let document = Json::from_valid(canonical::write(&plan, &drafts));
    let digest = Sha256::digest(document.as_str().as_bytes()).into();
    Ok(Definition {
        plan: Arc::new(plan),
        document,
        digest,
        parts,
        function: None,
    })
}

fn step_plan(draft: &StepDraft, needs: Vec<StepIndex>) -> StepPlan {
    let check = draft.check.as_ref().map(|check| check.call.timeout);
    StepPlan {
        name: draft.name.clone(),
        needs,
        pivot: draft.pivot,
        compensate_unknown: draft.compensate_unknown,
        key_window: draft.key_window,
        callback_timeout: draft.callback_timeout,
        action: CallPlan {
            timeout: draft.action.timeout,
            retry: draft.retry,
            on_unknown: draft.on_unknown,
            check,
        },
        compensation: draft.compensation.as_ref().map(|inner| CallPlan {
            timeout: inner.call.timeout,
            retry: inner.retry,
            on_unknown: draft.on_unknown,
            check,
        }),
    }
}

fn step_parts(
    draft: &StepDraft,
    index: usize,
    drafts: &[StepDraft],
    names: &HashMap<&str, StepIndex>,
    graph: &Graph,
) -> Result<StepParts, Invalid> {
    let place = format!("steps[{index}]");
    let step = index as StepIndex;
    let early = |other: StepIndex| {
        let name = drafts
            .get(usize::from(other))
            .map_or("", |draft| draft.name.as_str());
        (!graph.precedes(other, step)).then(|| {
            format!(
                "the step `{name}` need not be done when `{}` is called; only the results of steps \
                 that it needs, directly or through others, can be used here",
                draft.name
            )
        })
    };
    let any = |_| None;
    let before = Vocabulary::Request(StepNames {
        all: names,
        refuse: &early,
    });
    let whole = Vocabulary::Request(StepNames {
        all: names,
        refuse: &any,
    });

    let action = CallTemplate::compile(&draft.action, format!("{place}.action"), before)?;
    let compensation = match &draft.compensation {
        None => None,
        Some(inner) => {
            let at = format!("{place}.compensation");
            let rules = Rules::compile(&inner.rules, &at)?;
            Some((CallTemplate::compile(&inner.call, at, whole)?, rules))
        }
    };
    let check = match &draft.check {
        None => None,
        Some(inner) => {
            let at = format!("{place}.check");
            let rules = CheckRules::compile(inner, &at)?;
            Some((CallTemplate::compile(&inner.call, at, before)?, rules))
        }
    };
    let rules = Rules::compile(&draft.rules, &place)?;
    Ok(StepParts {
        action: (action, rules),
        compensation,
        check,
    })
}
