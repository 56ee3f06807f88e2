//! A definition written out in the one way that its meaning has.
//!
//! Every default is spelled out, so that what a saga was submitted with stays what it is, even if
//! a later version of this program has other defaults.

use settled_protocol::{CompensateOrder, OnUnknown, Plan, Retry};

use super::call::CallDraft;
use super::document::{RulesDraft, StepDraft};
use super::value::quote;

/// Writes the document.
pub(super) fn write(plan: &Plan, drafts: &[StepDraft]) -> String {
    let mut out = String::with_capacity(1_024);
    let mut document = Object::open(&mut out);
    document.string(
        "compensate",
        match plan.compensate {
            CompensateOrder::Reverse => "reverse",
            CompensateOrder::Parallel => "parallel",
        },
    );
    let list = document.key("steps");
    list.push('[');
    for (index, (draft, step)) in drafts.iter().zip(&plan.steps).enumerate() {
        if index > 0 {
            list.push(',');
        }
        let names = step
            .needs
            .iter()
            .filter_map(|need| plan.steps.get(usize::from(*need)));
        write_step(draft, names.map(|step| step.name.as_str()), list);
    }
    list.push(']');
    document.close();
    out
}

fn write_step<'a>(draft: &StepDraft, needs: impl Iterator<Item = &'a str>, out: &mut String) {
    let mut step = Object::open(out);
    step.string("name", &draft.name);
    write_call(&draft.action, &mut step.object("action")).close();
    if let Some(compensation) = &draft.compensation {
        let mut inner = step.object("compensation");
        write_call(&compensation.call, &mut inner);
        write_retry(&compensation.retry, &mut inner);
        write_rules(&compensation.rules, &draft.rules, &mut inner);
        inner.close();
    }
    if let Some(check) = &draft.check {
        let mut inner = step.object("check");
        write_call(&check.call, &mut inner);
        inner.optional("done_when", check.done_when.as_deref());
        inner.optional("not_done_when", check.not_done_when.as_deref());
        inner.close();
    }
    write_rules(&draft.rules, &RulesDraft::default(), &mut step);
    step.string(
        "on_unknown",
        match draft.on_unknown {
            OnUnknown::Retry => "retry",
            OnUnknown::Check => "check",
            OnUnknown::Incident => "incident",
        },
    );
    if let Some(window) = draft.key_window {
        step.string("key_window", &window.to_string());
    }
    step.raw("compensate_unknown", &draft.compensate_unknown.to_string());
    step.string("callback_timeout", &draft.callback_timeout.to_string());
    write_retry(&draft.retry, &mut step);
    let list = step.key("needs");
    list.push('[');
    for (index, name) in needs.enumerate() {
        if index > 0 {
            list.push(',');
        }
        quote(name, list);
    }
    list.push(']');
    step.raw("pivot", &draft.pivot.to_string());
    step.close();
}

fn write_call<'o, 'a>(call: &CallDraft, object: &'o mut Object<'a>) -> &'o mut Object<'a> {
    object.string("method", call.method.as_str());
    object.string("url", &call.url);
    if !call.headers.is_empty() {
        let mut headers = object.object("headers");
        for (name, value) in &call.headers {
            headers.string(name, value);
        }
        headers.close();
    }
    if let Some(body) = &call.body {
        object.raw("body", body);
    }
    object.string("timeout", &call.timeout.to_string());
    object
}

fn write_retry(retry: &Retry, object: &mut Object<'_>) {
    let mut inner = object.object("retry");
    inner.raw("max_attempts", &retry.max_attempts.to_string());
    inner.string("first_delay", &retry.first_delay.to_string());
    inner.string("max_delay", &retry.max_delay.to_string());
    inner.raw("factor", &serde_json::Value::from(retry.factor).to_string());
    inner.close();
}

/// Writes the rules, and `null` for one that is inherited otherwise.
fn write_rules(rules: &RulesDraft, inherited: &RulesDraft, object: &mut Object<'_>) {
    for (name, rule, other) in [
        ("refused_when", &rules.refused_when, &inherited.refused_when),
        ("done_when", &rules.done_when, &inherited.done_when),
    ] {
        match rule {
            Some(rule) => object.string(name, rule),
            None if other.is_some() => object.raw(name, "null"),
            None => {}
        }
    }
}

/// A JSON object that is being written.
struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

impl<'a> Object<'a> {
    fn open(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    fn key(&mut self, name: &str) -> &mut String {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(',');
        }
        quote(name, self.out);
        self.out.push(':');
        self.out
    }

    fn raw(&mut self, name: &str, json: &str) {
        self.key(name).push_str(json);
    }

    fn string(&mut self, name: &str, text: &str) {
        quote(text, self.key(name));
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.string(name, text);
        }
    }

    fn object(&mut self, name: &str) -> Object<'_> {
        Object::open(self.key(name))
    }

    fn close(&mut self) {
        self.out.push('}');
    }
}
