//! The document of a definition: read, checked member by member, and written back canonically.
//!
//! Only the shape is looked at here. Whether names lead somewhere and templates make sense is for
//! the compiler.

use std::borrow::Cow;

use ::http::Method;
use serde_json::value::RawValue;
use settled_protocol::{CompensateOrder, MAX_STEPS, OnUnknown, Retry, Span};

use super::Invalid;
use super::call::{self, CallDraft};
use super::fields::{self, Fields};

const ORDERS: [(&str, CompensateOrder); 2] = [
    ("reverse", CompensateOrder::Reverse),
    ("parallel", CompensateOrder::Parallel),
];
const POLICIES: [(&str, OnUnknown); 3] = [
    ("retry", OnUnknown::Retry),
    ("check", OnUnknown::Check),
    ("incident", OnUnknown::Incident),
];
const DEFAULT_CALLBACK_TIMEOUT: Span = Span::from_secs(86_400);

/// One step as it is written.
#[derive(Debug)]
pub(super) struct StepDraft {
    pub(super) name: String,
    /// `None` for the step before this one.
    pub(super) needs: Option<Vec<String>>,
    pub(super) pivot: bool,
    pub(super) on_unknown: OnUnknown,
    pub(super) compensate_unknown: bool,
    pub(super) key_window: Option<Span>,
    pub(super) callback_timeout: Span,
    pub(super) retry: Retry,
    pub(super) action: CallDraft,
    pub(super) rules: RulesDraft,
    pub(super) compensation: Option<CompensationDraft>,
    pub(super) check: Option<CheckDraft>,
}

/// How the answers of one direction are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RulesDraft {
    pub(super) refused_when: Option<String>,
    pub(super) done_when: Option<String>,
}

/// A compensation: what it leaves out it has from its step.
#[derive(Debug)]
pub(super) struct CompensationDraft {
    pub(super) call: CallDraft,
    pub(super) retry: Retry,
    pub(super) rules: RulesDraft,
}

/// A check.
#[derive(Debug)]
pub(super) struct CheckDraft {
    pub(super) call: CallDraft,
    pub(super) done_when: Option<String>,
    pub(super) not_done_when: Option<String>,
}

/// Reads the order of compensation.
pub(super) fn order(fields: &mut Fields<'_>) -> Result<CompensateOrder, Invalid> {
    Ok(fields.word("compensate", &ORDERS)?.unwrap_or_default())
}

/// Reads the steps.
pub(super) fn steps(raw: &RawValue) -> Result<Vec<StepDraft>, Invalid> {
    let list = fields::list(raw, "steps")?;
    if list.is_empty() || list.len() > MAX_STEPS {
        let found = list.len();
        return Err(Invalid::new(
            "steps",
            format!("expected 1 to {MAX_STEPS} steps, got {found}"),
        ));
    }
    list.into_iter()
        .enumerate()
        .map(|(index, raw)| step(Fields::object(raw, &format!("steps[{index}]"))?))
        .collect()
}

/// Whether `text` is a name: so many characters of the alphabet, and no others.
pub(super) fn is_name(text: &str, longest: usize, signs: &str) -> bool {
    let sign = |c: char| c.is_ascii_alphanumeric() || signs.contains(c);
    !text.is_empty() && text.len() <= longest && text.chars().all(sign)
}

fn step(mut fields: Fields<'_>) -> Result<StepDraft, Invalid> {
    let expected = "a name of 1 to 64 characters of A-Za-z0-9_-";
    let name = match fields.take("name") {
        None => return Err(fields.missing("name", expected)),
        Some(raw) => fields::string(raw)
            .filter(|name| is_name(name, 64, "_-"))
            .ok_or_else(|| fields.expected("name", expected, raw))?
            .into_owned(),
    };
    let needs = match fields.take("needs") {
        None => None,
        Some(raw) => Some(needs(raw, &fields)?),
    };
    let own_retry = call::retry(&mut fields)?.unwrap_or_default();
    let rules = rules(&mut fields, &RulesDraft::default())?;
    let action = match fields.take("action") {
        None => return Err(fields.missing("action", "an object with a \"url\"")),
        Some(raw) => {
            let mut action = Fields::object(raw, &fields.place("action"))?;
            let call = call::request(&mut action, Method::POST)?;
            action.finish(&["method", "url", "headers", "body", "timeout"])?;
            call
        }
    };
    let compensation = match fields.take("compensation") {
        None => None,
        Some(raw) => {
            let inner = Fields::object(raw, &fields.place("compensation"))?;
            Some(compensation(inner, own_retry, &rules)?)
        }
    };
    let check = match fields.take("check") {
        None => None,
        Some(raw) => Some(check(Fields::object(raw, &fields.place("check"))?)?),
    };
    let fallback = if check.is_some() {
        OnUnknown::Check
    } else {
        OnUnknown::Retry
    };
    let on_unknown = fields.word("on_unknown", &POLICIES)?.unwrap_or(fallback);
    if on_unknown == OnUnknown::Check && check.is_none() {
        return Err(Invalid::new(
            fields.place("on_unknown"),
            "\"check\" needs a `check` that says how to ask; give one, or choose \"retry\" or \
             \"incident\"",
        ));
    }
    let compensate_unknown = fields.boolean("compensate_unknown")?.unwrap_or_default();
    if compensate_unknown && compensation.is_none() {
        return Err(Invalid::new(
            fields.place("compensate_unknown"),
            "needs a `compensation`; give one, or leave this out",
        ));
    }
    let draft = StepDraft {
        name,
        needs,
        pivot: fields.boolean("pivot")?.unwrap_or_default(),
        on_unknown,
        compensate_unknown,
        key_window: fields.span("key_window")?,
        callback_timeout: fields
            .span("callback_timeout")?
            .unwrap_or(DEFAULT_CALLBACK_TIMEOUT),
        retry: own_retry,
        action,
        rules,
        compensation,
        check,
    };
    fields.finish(&[
        "name",
        "action",
        "compensation",
        "check",
        "refused_when",
        "done_when",
        "on_unknown",
        "key_window",
        "compensate_unknown",
        "callback_timeout",
        "retry",
        "needs",
        "pivot",
    ])?;
    Ok(draft)
}

fn needs(raw: &RawValue, fields: &Fields<'_>) -> Result<Vec<String>, Invalid> {
    let place = fields.place("needs");
    let mut names: Vec<String> = Vec::new();
    for (index, element) in fields::list(raw, &place)?.into_iter().enumerate() {
        let at = format!("{place}[{index}]");
        let name = fields::string(element)
            .map(Cow::into_owned)
            .ok_or_else(|| Invalid::new(&at, "expected the name of a step"))?;
        if names.len() >= MAX_STEPS {
            return Err(Invalid::new(
                at,
                format!("expected at most {MAX_STEPS} names"),
            ));
        }
        names.push(name);
    }
    Ok(names)
}

fn compensation(
    mut fields: Fields<'_>,
    step_retry: Retry,
    step_rules: &RulesDraft,
) -> Result<CompensationDraft, Invalid> {
    let draft = CompensationDraft {
        call: call::request(&mut fields, Method::POST)?,
        retry: call::retry(&mut fields)?.unwrap_or(step_retry),
        rules: rules(&mut fields, step_rules)?,
    };
    fields.finish(&[
        "method",
        "url",
        "headers",
        "body",
        "timeout",
        "retry",
        "refused_when",
        "done_when",
    ])?;
    Ok(draft)
}

fn check(mut fields: Fields<'_>) -> Result<CheckDraft, Invalid> {
    let draft = CheckDraft {
        call: call::request(&mut fields, Method::GET)?,
        done_when: fields.string("done_when")?.map(Cow::into_owned),
        not_done_when: fields.string("not_done_when")?.map(Cow::into_owned),
    };
    fields.finish(&[
        "method",
        "url",
        "headers",
        "body",
        "timeout",
        "done_when",
        "not_done_when",
    ])?;
    Ok(draft)
}

/// Reads the rules; where one is left out the inherited one holds, and `null` says that none does.
fn rules(fields: &mut Fields<'_>, inherited: &RulesDraft) -> Result<RulesDraft, Invalid> {
    let mut rule = |name: &str, inherited: &Option<String>| match fields.take_null(name) {
        None => Ok(inherited.clone()),
        Some(raw) if raw.get() == "null" => Ok(None),
        Some(raw) => match fields::string(raw) {
            Some(text) => Ok(Some(text.into_owned())),
            None => Err(fields.expected(name, "an expression in a string", raw)),
        },
    };
    Ok(RulesDraft {
        refused_when: rule("refused_when", &inherited.refused_when)?,
        done_when: rule("done_when", &inherited.done_when)?,
    })
}
