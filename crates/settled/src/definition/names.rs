//! What expressions may speak of, and where each name leads.
//!
//! Everything is checked when a definition is compiled: a name that leads nowhere is refused at
//! submission, not found out in the middle of a saga. `steps`, `saga` and `response` are no values
//! of their own; they only stand before a name that is.

use std::collections::HashMap;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue};
use settled_protocol::StepIndex;

use super::path::path_of;
use super::raw::Segment;

/// The functions that expressions may call.
const FUNCTIONS: [&str; 21] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "hasValue",
    "int",
    "matches",
    "none",
    "of",
    "ofNonZeroValue",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
    "value",
    "has",
];
/// The names of types, for `type(x) == int`.
const TYPES: [&str; 11] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "optional_type",
    "string",
    "type",
    "uint",
];
/// How deep loops (`map`, `filter`, `all`, `exists`, `exists_one`) may be nested.
const MAX_LOOPS: usize = 2;
/// The longest pattern of `matches`.
const MAX_PATTERN: usize = 200;

/// Where a name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// `input`.
    Input,
    /// `key`.
    Key,
    /// `saga.id`.
    SagaId,
    /// `steps.NAME.result`.
    Result(StepIndex),
    /// `response.status`.
    Status,
    /// `response.headers`.
    Headers,
    /// `response.body`.
    Body,
}

/// A place in the values that expressions speak of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The value.
    pub(super) root: Root,
    /// The way into it.
    pub(super) path: Vec<Segment>,
}

/// The steps that a template may speak of.
#[derive(Clone, Copy)]
pub(super) struct StepNames<'a> {
    /// Every step of the saga.
    pub(super) all: &'a HashMap<&'a str, StepIndex>,
    /// Says why a step cannot be spoken of here, if it cannot.
    pub(super) refuse: &'a dyn Fn(StepIndex) -> Option<String>,
}

/// What may be spoken of.
#[derive(Clone, Copy)]
pub(super) enum Vocabulary<'a> {
    /// In templates: `input`, `key`, `saga.id`, `steps.NAME.result`.
    Request(StepNames<'a>),
    /// In rules for answers: `response.status`, `response.headers`, `response.body`.
    Response,
}

impl Vocabulary<'_> {
    /// Finds out where a name and the path behind it lead.
    pub(super) fn place(self, name: &str, path: &[Segment]) -> Result<Place, String> {
        let key = |index: usize| match path.get(index) {
            Some(Segment::Key(key)) => Some(key.as_str()),
            _ => None,
        };
        let (root, used) = match (self, name) {
            (Self::Request(_), "input") => (Root::Input, 0),
            (Self::Request(_), "key") => (Root::Key, 0),
            (Self::Request(_), "saga") if key(0) == Some("id") => (Root::SagaId, 1),
            (Self::Request(_), "saga") => {
                return Err("`saga` has only `saga.id`".to_owned());
            }
            (Self::Request(steps), "steps") => (Root::Result(steps.result(key(0), key(1))?), 2),
            (Self::Response, "response") => match key(0) {
                Some("status") => (Root::Status, 1),
                Some("headers") => (Root::Headers, 1),
                Some("body") => (Root::Body, 1),
                _ => {
                    return Err(
                        "`response` has only `response.status`, `response.headers` and \
                                `response.body`"
                            .to_owned(),
                    );
                }
            },
            (Self::Request(_), _) => {
                return Err(format!(
                    "unknown variable `{name}`; there are `input`, `steps.NAME.result`, `saga.id` \
                     and `key`"
                ));
            }
            (Self::Response, _) => {
                return Err(format!(
                    "unknown variable `{name}`; there are `response.status`, `response.headers` \
                     and `response.body`"
                ));
            }
        };
        Ok(Place {
            root,
            path: path.get(used..).unwrap_or_default().to_vec(),
        })
    }
}

impl StepNames<'_> {
    fn result(self, name: Option<&str>, member: Option<&str>) -> Result<StepIndex, String> {
        let Some(name) = name else {
            return Err(
                "`steps` must be followed by the name of a step: `steps.NAME.result`, or \
                        `steps[\"NAME\"].result`"
                    .to_owned(),
            );
        };
        let Some(&step) = self.all.get(name) else {
            return Err(format!(
                "there is no step named `{name}` (a name with a `-` is written \
                 `steps[\"a-b\"].result`)"
            ));
        };
        if member != Some("result") {
            return Err(format!("of the step `{name}` there is only `.result`"));
        }
        match (self.refuse)(step) {
            Some(why) => Err(why),
            None => Ok(step),
        }
    }
}

/// Checks every name in an expression, and returns the values it speaks of, each once.
pub(super) fn check(tree: &IdedExpr, vocabulary: Vocabulary<'_>) -> Result<Vec<Root>, String> {
    let mut check = Check {
        vocabulary,
        bound: Vec::new(),
        loops: 0,
        roots: Vec::new(),
    };
    check.tree(tree)?;
    Ok(check.roots)
}

struct Check<'a> {
    vocabulary: Vocabulary<'a>,
    /// The variables of the loops around the present place.
    bound: Vec<String>,
    loops: usize,
    roots: Vec<Root>,
}

impl Check<'_> {
    fn tree(&mut self, tree: &IdedExpr) -> Result<(), String> {
        if let Some((name, path)) = path_of(tree) {
            return self.name(name, &path);
        }
        match &tree.expr {
            Expr::Select(select) => match path_of(&select.operand) {
                // `has(steps.stock.result)`: the last name belongs to the path as well.
                Some((name, mut path)) if select.test => {
                    path.push(Segment::Key(select.field.clone()));
                    self.name(name, &path)
                }
                _ => self.tree(&select.operand),
            },
            Expr::Call(call) => self.call(call),
            Expr::List(list) => list.elements.iter().try_for_each(|e| self.tree(e)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(member) => {
                    self.tree(&member.key)?;
                    self.tree(&member.value)
                }
                EntryExpr::StructField(_) => Err("messages are not supported".to_owned()),
            }),
            Expr::Comprehension(inner) => {
                self.tree(&inner.iter_range)?;
                self.loops += 1;
                if self.loops > MAX_LOOPS {
                    return Err(format!("loops may be nested {MAX_LOOPS} deep"));
                }
                let outside = self.bound.len();
                self.bound.push(inner.iter_var.clone());
                self.bound.extend(inner.iter_var2.clone());
                self.bound.push(inner.accu_var.clone());
                for part in [
                    &inner.accu_init,
                    &inner.loop_cond,
                    &inner.loop_step,
                    &inner.result,
                ] {
                    self.tree(part)?;
                }
                self.bound.truncate(outside);
                self.loops -= 1;
                Ok(())
            }
            Expr::Literal(_) => Ok(()),
            Expr::Struct(_) => Err("messages are not supported".to_owned()),
            Expr::Unspecified | Expr::Ident(_) => Err("not a CEL expression".to_owned()),
        }
    }

    fn name(&mut self, name: &str, path: &[Segment]) -> Result<(), String> {
        let bound = self.bound.iter().any(|bound| bound == name);
        if bound || (TYPES.contains(&name) && path.is_empty()) {
            return Ok(());
        }
        let place = self.vocabulary.place(name, path)?;
        if !self.roots.contains(&place.root) {
            self.roots.push(place.root);
        }
        Ok(())
    }

    fn call(&mut self, call: &CallExpr) -> Result<(), String> {
        let name = call.func_name.as_str();
        if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.')
            && !FUNCTIONS.contains(&name)
        {
            return Err(format!("unknown function `{name}`"));
        }
        if name == "matches" {
            pattern(call.args.last())?;
        }
        let namespace =
            |target: &IdedExpr| matches!(&target.expr, Expr::Ident(n) if n == "optional");
        if let Some(target) = call.target.as_deref().filter(|target| !namespace(target)) {
            self.tree(target)?;
        }
        call.args.iter().try_for_each(|arg| self.tree(arg))
    }
}

/// Refuses regular expressions that are costly to compile, and those that are not known yet.
fn pattern(argument: Option<&IdedExpr>) -> Result<(), String> {
    let Some(Expr::Literal(LiteralValue::String(pattern))) = argument.map(|arg| &arg.expr) else {
        return Err("the pattern of `matches` must be written out as a string".to_owned());
    };
    let pattern = pattern.inner();
    let mut repeats = 1_u64;
    for counted in pattern.split('{').skip(1) {
        let counts = counted.split('}').next().unwrap_or_default();
        let most = counts
            .split(',')
            .filter_map(|n| n.trim().parse::<u64>().ok())
            .max();
        repeats = repeats.saturating_mul(most.unwrap_or(1).max(1));
    }
    if pattern.len() > MAX_PATTERN || repeats > 1_000 {
        return Err(format!(
            "the pattern of `matches` may have {MAX_PATTERN} bytes and 1000 counted repetitions"
        ));
    }
    Ok(())
}
