//! The expressions of templates: what `${ … }` holds.

use std::borrow::Cow;
use std::collections::HashMap;

use cel::IdedExpr;
use cel::common::types::{CelMap, CelMapKey, CelString};
use cel::common::value::Val;
use settled_protocol::{Json, StepIndex};

use super::names::{self, Place, Root, Vocabulary};
use super::program::{self, Budget, Variables};
use super::raw::{self, Segment};
use super::value::{quote, to_cel, to_json};
use super::{Scope, path};

/// A compiled expression.
#[derive(Debug)]
pub(super) enum Expression {
    /// A path, looked up in the text of the values.
    Place(Place),
    /// Anything else, run by the interpreter.
    Program {
        /// The metered tree.
        tree: IdedExpr,
        /// The values that it speaks of.
        roots: Vec<Root>,
        /// The names of the steps among them, as the tree spells them.
        names: Vec<(StepIndex, String)>,
    },
}

/// The values that a request is made from, and the work that may be spent on making it: many cheap
/// expressions over large values are not cheap together.
pub(super) struct Values<'s, 'a> {
    scope: &'s Scope<'a>,
    budget: Budget,
}

impl<'s, 'a> Values<'s, 'a> {
    /// The values of one request.
    pub(super) fn new(scope: &'s Scope<'a>) -> Self {
        Self {
            scope,
            budget: Budget::new(),
        }
    }
}

/// How much text can be looked through for the price of a small allocation.
const BYTES_SCANNED: u64 = 128;
/// How much text can be made into values for that.
const BYTES_CONVERTED: u64 = 4;

/// What an expression comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found<'a> {
    /// JSON text.
    Json(Cow<'a, str>),
    /// Text that is a string as it stands.
    Text(&'a str),
}

impl Expression {
    /// Compiles an expression.
    pub(super) fn compile(source: &str, vocabulary: Vocabulary<'_>) -> Result<Self, String> {
        if source.trim().is_empty() {
            return Err("an expression is missing between `${` and `}`".to_owned());
        }
        if let Some((name, path)) = path::plain_path(source)
            && let Ok(place) = vocabulary.place(name, &path)
        {
            return Ok(Self::Place(place));
        }
        let tree = program::parse(source)?;
        let roots = names::check(&tree, vocabulary)?;
        if let Some((name, path)) = path::path_of(&tree)
            && let Ok(place) = vocabulary.place(name, &path)
        {
            return Ok(Self::Place(place));
        }
        let mut names = Vec::new();
        if let Vocabulary::Request(steps) = vocabulary {
            for (name, step) in steps.all {
                if roots.contains(&Root::Result(*step)) {
                    names.push((*step, (*name).to_owned()));
                }
            }
        }
        Ok(Self::Program {
            tree: program::prepare(tree)?,
            roots,
            names,
        })
    }

    /// What the expression comes to for these values.
    pub(super) fn evaluate<'a>(&self, values: &Values<'_, 'a>) -> Result<Found<'a>, String> {
        match self {
            Self::Place(place) => look(place, values),
            Self::Program { tree, roots, names } => {
                let variables = variables(roots, names, values)?;
                program::run(tree, variables, &values.budget, to_json)
                    .map(|text| Found::Json(Cow::Owned(text)))
            }
        }
    }
}

fn look<'a>(place: &Place, values: &Values<'_, 'a>) -> Result<Found<'a>, String> {
    let scope = values.scope;
    let text = match place.root {
        Root::Key if place.path.is_empty() => return Ok(Found::Text(scope.key)),
        Root::SagaId if place.path.is_empty() => return Ok(Found::Text(scope.saga_id)),
        Root::Input => scope.input.as_str(),
        Root::Result(step) => match (scope.results)(step) {
            Some(result) => result.as_str(),
            None => return Err("the step has no result, because it is not done".to_owned()),
        },
        _ => return Err("a text has no members".to_owned()),
    };
    let text = text.trim_matches([' ', '\n', '\r', '\t']);
    values.budget.spend(text.len() as u64 / BYTES_SCANNED)?;
    match raw::find(text, &place.path) {
        Some(found) => Ok(Found::Json(Cow::Borrowed(found))),
        None => Err(missing(text, &place.path)),
    }
}

/// Says where a path ends too early.
fn missing(text: &str, path: &[Segment]) -> String {
    let known = (0..path.len())
        .rev()
        .find(|end| raw::find(text, &path[..*end]).is_some());
    let known = known.unwrap_or(0);
    let parent = raw::find(text, &path[..known]).map_or("nothing", raw::kind);
    match path.get(known) {
        Some(Segment::Key(key)) => format!("there is no `{key}` in it, but {parent} without that"),
        Some(Segment::Index(index)) => format!("there is no element {index} in it, but {parent}"),
        None => "there is nothing".to_owned(),
    }
}

type Members<'v> = HashMap<CelMapKey<'v>, Box<dyn Val + 'v>>;

fn variables<'v, 'a: 'v>(
    roots: &[Root],
    names: &'v [(StepIndex, String)],
    values: &Values<'_, 'a>,
) -> Result<Variables<'v>, String> {
    let scope = values.scope;
    let convert = |json: &'a Json| {
        values
            .budget
            .spend(json.as_str().len() as u64 / BYTES_CONVERTED)?;
        to_cel(json.as_str())
    };
    let key = |text: &'v str| CelMapKey::String(CelString::from(text));
    let mut variables: Variables<'v> = Vec::with_capacity(3);
    for root in roots {
        match root {
            Root::Input => variables.push(("input", convert(scope.input)?)),
            Root::Key => variables.push(("key", Box::new(CelString::from(scope.key)))),
            Root::SagaId => {
                let id: Box<dyn Val + 'v> = Box::new(CelString::from(scope.saga_id));
                let saga = Members::from([(key("id"), id)]);
                variables.push(("saga", Box::new(CelMap::from(saga))));
            }
            _ => {}
        }
    }
    if !names.is_empty() {
        let mut steps = Members::new();
        for (step, name) in names {
            // A step without a result is there all the same, so that `has(steps.a.result)` works.
            let mut members = Members::new();
            if let Some(result) = (scope.results)(*step) {
                members.insert(key("result"), convert(result)?);
            }
            steps.insert(key(name.as_str()), Box::new(CelMap::from(members)));
        }
        variables.push(("steps", Box::new(CelMap::from(steps))));
    }
    Ok(variables)
}

impl<'a> Found<'a> {
    /// Adds the value to `out` as JSON.
    pub(super) fn write_json(&self, out: &mut String) {
        match self {
            Self::Json(text) => out.push_str(text),
            Self::Text(text) => quote(text, out),
        }
    }

    /// The value as a piece of text: strings as they are, numbers and booleans as JSON writes them.
    /// Objects and lists are text only where `nested` says so.
    pub(super) fn into_text(self, nested: bool) -> Result<Cow<'a, str>, String> {
        let text = match self {
            Self::Text(text) => return Ok(Cow::Borrowed(text)),
            Self::Json(text) => text,
        };
        match text.as_bytes().first() {
            Some(b'"') => match text {
                Cow::Borrowed(text) => raw::string(text),
                Cow::Owned(text) => raw::string(&text).map(|t| Cow::Owned(t.into_owned())),
            }
            .ok_or_else(|| "its value is a string with a broken escape".to_owned()),
            Some(b'n') => Err("its value is null, which cannot be put into a text".to_owned()),
            Some(b'{' | b'[') if !nested => Err(format!(
                "its value is {}, which cannot be put here as text",
                raw::kind(&text)
            )),
            _ => Ok(text),
        }
    }
}

#[cfg(test)]
#[path = "tests/expression.rs"]
mod tests;
