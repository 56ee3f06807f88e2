//! Rules for answers: expressions over `response` that are true or false.
//!
//! Nearly all of them are a comparison or two, such as `response.status == 200`. Those are answered
//! from the text of the body. Wherever the quick way is not certain of what the interpreter would
//! say (a missing member, numbers of two kinds), it says nothing and the interpreter is asked.

use std::borrow::Cow;
use std::collections::HashMap;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use cel::common::types::{CelBool, CelInt, CelMap, CelMapKey, CelString};
use cel::common::value::Val;

use super::names::{self, Place, Root, Vocabulary};
use super::raw::{self, Segment};
use super::value::{Number, number, to_cel};
use super::{path, program};

/// An answer as expressions see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseView<'a> {
    /// `response.status`.
    pub(super) status: u16,
    /// `response.headers`: names in lower case.
    pub(super) headers: &'a [(String, String)],
    /// `response.body` as JSON text.
    pub(super) body: &'a str,
}

/// A compiled rule.
#[derive(Debug)]
pub(super) struct Condition {
    quick: Option<Quick>,
    tree: IdedExpr,
    roots: Vec<Root>,
}

impl Condition {
    /// Compiles a rule.
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        let tree = program::parse(source)?;
        let roots = names::check(&tree, Vocabulary::Response)?;
        let quick = Quick::of(&tree);
        Ok(Self {
            quick,
            tree: program::prepare(tree)?,
            roots,
        })
    }

    /// Whether the rule holds for an answer; else why that cannot be said.
    pub(super) fn holds(&self, response: &ResponseView<'_>) -> Result<bool, String> {
        match self.quick.as_ref().and_then(|quick| quick.holds(response)) {
            Some(answer) => Ok(answer),
            None => self.interpret(response),
        }
    }

    /// What the interpreter says.
    fn interpret(&self, response: &ResponseView<'_>) -> Result<bool, String> {
        let mut members: HashMap<CelMapKey<'_>, Box<dyn Val + '_>> = HashMap::new();
        for root in &self.roots {
            let (name, value): (_, Box<dyn Val + '_>) = match root {
                Root::Status => ("status", Box::new(CelInt::from(i64::from(response.status)))),
                Root::Headers => ("headers", headers(response.headers)),
                _ => ("body", to_cel(response.body)?),
            };
            members.insert(CelMapKey::String(CelString::from(name)), value);
        }
        let response: Box<dyn Val + '_> = Box::new(CelMap::from(members));
        program::run(
            &self.tree,
            vec![("response", response)],
            &program::Budget::new(),
            |value| match value.downcast_ref::<CelBool>() {
                Some(boolean) => Ok(*boolean.inner()),
                None => Err(format!(
                    "it comes to a value of type {}, not to true or false",
                    value.get_type().name()
                )),
            },
        )
    }
}

/// A header that came several times is one list of values (RFC 9110, 5.2).
fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<Cow<'a, str>> {
    let mut values = headers
        .iter()
        .filter(|(n, _)| n == name)
        .map(|(_, value)| value.as_str());
    let first = Cow::Borrowed(values.next()?);
    Some(values.fold(first, |all, value| Cow::Owned(format!("{all}, {value}"))))
}

fn headers(headers: &[(String, String)]) -> Box<dyn Val + '_> {
    let mut map: HashMap<CelMapKey<'_>, Box<dyn Val + '_>> = HashMap::new();
    for (name, _) in headers {
        if let Some(value) = header(headers, name) {
            map.insert(
                CelMapKey::String(CelString::from(name.as_str())),
                Box::new(CelString::from(value)),
            );
        }
    }
    Box::new(CelMap::from(map))
}

/// The rules that are answered without the interpreter.
#[derive(Debug)]
enum Quick {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    /// A member that is true or false itself.
    Is(Place),
    /// `has(place.member)`.
    Has(Place, String),
    Compare(Place, Comparison, Scalar<'static>),
    /// `place in [ … ]`.
    OneOf(Place, Vec<Scalar<'static>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value without members, of a kind whose comparisons are plain.
#[derive(Clone, Debug, PartialEq)]
enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    String(Cow<'a, str>),
}

impl Quick {
    fn of(tree: &IdedExpr) -> Option<Self> {
        if let Some(place) = place(tree) {
            return Some(Self::Is(place));
        }
        match &tree.expr {
            Expr::Select(select) if select.test => {
                Some(Self::Has(place(&select.operand)?, select.field.clone()))
            }
            Expr::Call(CallExpr {
                func_name,
                target: None,
                args,
            }) => match (func_name.as_str(), args.as_slice()) {
                (operators::LOGICAL_NOT, [inner]) => Some(Self::Not(Box::new(Self::of(inner)?))),
                (operators::LOGICAL_AND, [left, right]) => Some(Self::And(
                    Box::new(Self::of(left)?),
                    Box::new(Self::of(right)?),
                )),
                (operators::LOGICAL_OR, [left, right]) => Some(Self::Or(
                    Box::new(Self::of(left)?),
                    Box::new(Self::of(right)?),
                )),
                (operators::IN, [left, right]) => {
                    let Expr::List(list) = &right.expr else {
                        return None;
                    };
                    let plain = list.optional_indices.is_empty();
                    let scalars = list.elements.iter().map(scalar).collect::<Option<_>>()?;
                    plain.then_some(Self::OneOf(place(left)?, scalars))
                }
                (operator, [left, right]) => {
                    let comparison = Comparison::of(operator)?;
                    match (place(left), place(right)) {
                        (Some(place), None) => {
                            Some(Self::Compare(place, comparison, scalar(right)?))
                        }
                        (None, Some(place)) => {
                            Some(Self::Compare(place, comparison.turned(), scalar(left)?))
                        }
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the rule holds; `None` where only the interpreter can tell.
    fn holds(&self, response: &ResponseView<'_>) -> Option<bool> {
        match self {
            Self::And(left, right) => Some(left.holds(response)? && right.holds(response)?),
            Self::Or(left, right) => Some(left.holds(response)? || right.holds(response)?),
            Self::Not(inner) => Some(!inner.holds(response)?),
            Self::Is(place) => match look(response, place)? {
                Scalar::Bool(boolean) => Some(boolean),
                _ => None,
            },
            Self::Has(place, member) => has(response, place, member),
            Self::Compare(place, comparison, scalar) => {
                comparison.holds(&look(response, place)?, scalar)
            }
            Self::OneOf(place, scalars) => {
                let value = look(response, place)?;
                for scalar in scalars {
                    if Comparison::Equal.holds(&value, scalar)? {
                        return Some(true);
                    }
                }
                Some(false)
            }
        }
    }
}

impl Comparison {
    fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            operators::EQUALS => Self::Equal,
            operators::NOT_EQUALS => Self::Unequal,
            operators::LESS => Self::Less,
            operators::LESS_EQUALS => Self::LessOrEqual,
            operators::GREATER => Self::Greater,
            operators::GREATER_EQUALS => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// The same comparison with the sides exchanged.
    fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }

    fn holds(self, left: &Scalar<'_>, right: &Scalar<'_>) -> Option<bool> {
        match (self, left, right) {
            (Self::Equal, _, _) => Some(left == right),
            (Self::Unequal, _, _) => Some(left != right),
            (Self::Less, Scalar::Int(left), Scalar::Int(right)) => Some(left < right),
            (Self::LessOrEqual, Scalar::Int(left), Scalar::Int(right)) => Some(left <= right),
            (Self::Greater, Scalar::Int(left), Scalar::Int(right)) => Some(left > right),
            (Self::GreaterOrEqual, Scalar::Int(left), Scalar::Int(right)) => Some(left >= right),
            _ => None,
        }
    }
}

fn place(tree: &IdedExpr) -> Option<Place> {
    let (name, path) = path::path_of(tree)?;
    Vocabulary::Response.place(name, &path).ok()
}

fn scalar(tree: &IdedExpr) -> Option<Scalar<'static>> {
    let Expr::Literal(literal) = &tree.expr else {
        return None;
    };
    Some(match literal {
        LiteralValue::Null => Scalar::Null,
        LiteralValue::Boolean(boolean) => Scalar::Bool(*boolean.inner()),
        LiteralValue::Int(int) => Scalar::Int(*int.inner()),
        LiteralValue::String(text) => Scalar::String(Cow::Owned(text.inner().to_owned())),
        _ => return None,
    })
}

/// The plain value at a place; `None` where there is none, or one of another kind.
fn look<'a>(response: &ResponseView<'a>, place: &Place) -> Option<Scalar<'a>> {
    match (&place.root, place.path.as_slice()) {
        (Root::Status, []) => Some(Scalar::Int(i64::from(response.status))),
        (Root::Headers, [Segment::Key(name)]) => header(response.headers, name).map(Scalar::String),
        (Root::Body, path) => {
            let found = raw::find(response.body, path)?;
            match found.as_bytes().first()? {
                b'n' => Some(Scalar::Null),
                b't' => Some(Scalar::Bool(true)),
                b'f' => Some(Scalar::Bool(false)),
                b'"' => raw::string(found).map(Scalar::String),
                b'{' | b'[' => None,
                _ => match number(found)? {
                    Number::Int(int) => Some(Scalar::Int(int)),
                    _ => None,
                },
            }
        }
        _ => None,
    }
}

/// Whether the object at a place has a member.
fn has(response: &ResponseView<'_>, place: &Place, member: &str) -> Option<bool> {
    match (&place.root, place.path.as_slice()) {
        (Root::Headers, []) => Some(header(response.headers, member).is_some()),
        (Root::Body, path) => {
            let object = raw::find(response.body, path)?;
            let member = [Segment::Key(member.to_owned())];
            object
                .starts_with('{')
                .then(|| raw::find(object, &member).is_some())
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "tests/condition.rs"]
mod tests;
