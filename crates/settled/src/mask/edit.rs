//! The mark in what people send back: they saw a masked body, edited it, and send the marks with it.
//!
//! A mark stands for the value at its place in the body that they saw. It is not filled in when it is
//! taken, but each time that the body is sent, from what the step's template makes: so the secret is
//! on record in no place more than before. Where an earlier edit had put another value there, that is
//! on record already, and is taken over. A mark that stands for nothing is refused by its place.
//!
//! Elements of a list are known by their place alone. A list with marks in it must have the elements
//! that it had, in their order; otherwise one account's secret would go out with another's name.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use settled_protocol::Json;

use super::json::{quoted, unquoted};
use super::{MARK, Mask};
use crate::definition::raw::{self, Cursor, MAX_NESTING};
use crate::definition::{Invalid, fields};

/// A mark that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Unfilled {
    /// Where it is.
    pub field: String,
    /// Why, and what to do.
    pub message: String,
}

impl From<Unfilled> for Invalid {
    fn from(unfilled: Unfilled) -> Self {
        Self::new(unfilled.field, unfilled.message)
    }
}

/// Whether a mark is in a payload.
#[must_use]
pub fn has_mark(json: &Json) -> bool {
    holds_mark(json.as_str())
}

/// Also where its signs are written as escapes.
fn holds_mark(text: &str) -> bool {
    text.contains(MARK) || text.contains("\\u2022\\u2022\\u2022\\u2022\\u2022\\u2022")
}

/// Refuses a payload with a mark in it, where a mark can stand for nothing.
///
/// # Errors
/// [`Unfilled`] names the first place.
pub fn refuse_marks(json: &Json, field: &str) -> Result<(), Unfilled> {
    if !has_mark(json) {
        return Ok(());
    }
    edited(json, field, None, None, None, Mode::Send).map(|_| ())
}

/// The body to send: every mark gives way to the value at its place in `original`.
///
/// # Errors
/// [`Unfilled`] names the mark that has none; `field` is the name of the whole.
pub(crate) fn fill(json: &Json, original: Option<&Json>, field: &str) -> Result<Json, Unfilled> {
    edited(json, field, original, None, None, Mode::Send)
}

/// The body to put on record with a decision: `sent` is what the person saw masked, `earlier` what an
/// earlier decision put on record.
///
/// # Errors
/// [`Unfilled`] names the mark that stands for nothing; `field` is the name of the whole.
pub(crate) fn take_edit(
    mask: &Mask,
    json: &Json,
    sent: Option<&Json>,
    earlier: Option<&Json>,
    field: &str,
) -> Result<Json, Unfilled> {
    let shown = sent.map(|sent| mask.json(sent));
    edited(json, field, sent, shown.as_ref(), earlier, Mode::Record)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Marks give way to the original.
    Send,
    /// Marks stay, but where an earlier edit has another value.
    Record,
}

fn edited(
    json: &Json,
    field: &str,
    original: Option<&Json>,
    shown: Option<&Json>,
    earlier: Option<&Json>,
    mode: Mode,
) -> Result<Json, Unfilled> {
    if raw::nesting(json.as_str()) > MAX_NESTING {
        let message = format!("nested deeper than {MAX_NESTING} levels");
        let field = field.to_owned();
        return Err(Unfilled { field, message });
    }
    let mut walk = Walk {
        mode,
        out: String::with_capacity(json.as_str().len()),
    };
    let beside = Beside {
        original: original.map(Json::as_str),
        shown: shown.map(Json::as_str),
        earlier: earlier.map(Json::as_str),
    };
    walk.value(json.as_str().trim(), beside, field)?;
    Ok(Json::from_valid(walk.out))
}

/// What is at the same place elsewhere.
#[derive(Clone, Copy, Default)]
struct Beside<'a> {
    original: Option<&'a str>,
    shown: Option<&'a str>,
    earlier: Option<&'a str>,
}

struct Walk {
    mode: Mode,
    out: String,
}

impl Walk {
    /// Writes a value with its marks replaced.
    fn value(&mut self, text: &str, beside: Beside<'_>, field: &str) -> Result<(), Unfilled> {
        if !holds_mark(text) {
            self.out.push_str(text);
            return Ok(());
        }
        match text.as_bytes().first() {
            Some(b'{') => self.object(text, beside, field),
            Some(b'[') => self.list(text, beside, field),
            _ => self.mark(text, beside, field),
        }
    }

    fn mark(&mut self, text: &str, beside: Beside<'_>, field: &str) -> Result<(), Unfilled> {
        let says = unquoted(text).unwrap_or(Cow::Borrowed(""));
        let is_shown = || beside.shown.and_then(unquoted).is_some_and(|it| it == says);
        let original = beside.original.filter(|_| says == MARK || is_shown());
        let Some(original) = original else {
            return Err(unfilled(
                field,
                "there is none at this place; write the value itself",
            ));
        };
        let is_mark = |text: &str| unquoted(text).is_some_and(|it| it == MARK);
        match (self.mode, beside.earlier) {
            (Mode::Send, _) => self.out.push_str(original),
            (Mode::Record, Some(earlier)) if !is_mark(earlier) => self.out.push_str(earlier),
            (Mode::Record, _) => self.out.push_str(&quoted(MARK)),
        }
        Ok(())
    }

    fn object(&mut self, text: &str, beside: Beside<'_>, field: &str) -> Result<(), Unfilled> {
        let [original, shown, earlier] =
            [beside.original, beside.shown, beside.earlier].map(|text| text.map(members));
        self.out.push('{');
        let mut cursor = Cursor::new(text);
        cursor.enter(b'{');
        let mut first = true;
        while cursor.more(b'}') {
            let (Some(key), Some(value)) = (cursor.key(), cursor.value()) else {
                break;
            };
            if !std::mem::take(&mut first) {
                self.out.push(',');
            }
            self.out.push_str(key);
            self.out.push(':');
            if !holds_mark(value) {
                self.out.push_str(value);
                continue;
            }
            let name = unquoted(key).unwrap_or_default();
            let beside = Beside {
                original: find(original.as_ref(), &name),
                shown: find(shown.as_ref(), &name),
                earlier: find(earlier.as_ref(), &name),
            };
            self.value(value, beside, &fields::member(field, &name))?;
        }
        self.out.push('}');
        Ok(())
    }

    fn list(&mut self, text: &str, beside: Beside<'_>, field: &str) -> Result<(), Unfilled> {
        let own = elements(text);
        let [original, shown, earlier] = [beside.original, beside.shown, beside.earlier]
            .map(|text| text.map(elements).unwrap_or_default());
        if beside.original.is_some() && own.len() != original.len() {
            return Err(unfilled(
                field,
                "it is in a list that has another length now, so that its place says nothing; write \
                 the values themselves",
            ));
        }
        let forms: Vec<String> = shown.iter().map(|shown| plain(shown)).collect();
        let known: HashSet<&str> = forms.iter().map(String::as_str).collect();
        self.out.push('[');
        for (index, value) in own.iter().enumerate() {
            let field = format!("{field}[{index}]");
            if index > 0 {
                self.out.push(',');
            }
            if holds_mark(value) {
                let form = plain(value);
                if known.contains(&*form) && forms.get(index) != Some(&form) {
                    return Err(unfilled(
                        &field,
                        "this element was at another place of its list; leave the list in its \
                         order, or write the values themselves",
                    ));
                }
            }
            let beside = Beside {
                original: original.get(index).copied(),
                shown: shown.get(index).copied(),
                earlier: earlier.get(index).copied(),
            };
            self.value(value, beside, &field)?;
        }
        self.out.push(']');
        Ok(())
    }
}

fn unfilled(field: &str, why: &str) -> Unfilled {
    Unfilled {
        field: field.to_owned(),
        message: format!("`{MARK}` stands for a masked value, and {why}"),
    }
}

fn find<'a>(members: Option<&HashMap<Cow<'_, str>, &'a str>>, name: &str) -> Option<&'a str> {
    members.and_then(|members| members.get(name).copied())
}

/// The members of an object; none of any other value. Of a repeated key the last one counts.
fn members(text: &str) -> HashMap<Cow<'_, str>, &str> {
    let mut found = HashMap::new();
    let mut cursor = Cursor::new(text);
    if cursor.enter(b'{') {
        while cursor.more(b'}') {
            let (Some(key), Some(value)) = (cursor.key().and_then(unquoted), cursor.value()) else {
                break;
            };
            found.insert(key, value);
        }
    }
    found
}

/// The elements of a list; none of any other value.
fn elements(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut cursor = Cursor::new(text);
    if cursor.enter(b'[') {
        while cursor.more(b']') {
            let Some(value) = cursor.value() else { break };
            found.push(value);
        }
    }
    found
}

/// A value in one form, however it was written.
fn plain(text: &str) -> String {
    serde_json::from_str::<serde_json::Value>(text)
        .map_or_else(|_| text.to_owned(), |value| value.to_string())
}
