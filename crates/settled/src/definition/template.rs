//! Text and JSON with `${ … }` in them.
//!
//! `$${` stands for a literal `${`. Keys of objects are never templates. A template is flattened
//! when it is compiled, so that rendering one is writing pieces one after the other.

use settled_protocol::Json;

use super::expression::{Expression, Found, Values};
use super::names::Vocabulary;
use super::raw::{self, Cursor};
use super::value::{MAX_RENDERED, escape, quote};
use super::{Invalid, Unmakeable};

/// A piece of a text.
#[derive(Debug)]
pub(super) enum Piece {
    /// As it is written.
    Literal(String),
    /// What an expression comes to.
    Expression(Expression),
}

/// Compiles a text.
pub(super) fn text(source: &str, vocabulary: Vocabulary<'_>) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = source;
    while let Some(at) = rest.find('$') {
        let (before, found) = rest.split_at(at);
        literal.push_str(before);
        if let Some(tail) = found.strip_prefix("$${") {
            literal.push_str("${");
            rest = tail;
        } else if let Some(tail) = found.strip_prefix("${") {
            let end = expression_end(tail).ok_or_else(|| {
                format!(
                    "`${{` without its `}}` in {:?} (a literal `${{` is written `$${{`)",
                    raw::excerpt(found, 60)
                )
            })?;
            let (inner, tail) = tail.split_at(end);
            let expression = Expression::compile(inner, vocabulary)
                .map_err(|why| format!("`${{{}}}`: {why}", raw::excerpt(inner, 80)))?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Expression(expression));
            rest = tail.get(1..).unwrap_or_default();
        } else {
            literal.push('$');
            rest = found.get(1..).unwrap_or_default();
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// Where the expression that `text` starts with ends: at the `}` that belongs to neither a map nor
/// a string nor a comment.
fn expression_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            b'"' | b'\'' => {
                at = string_end(text, at)?;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += text.get(at..)?.find('\n')?;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the CEL string that opens at `open` is over.
fn string_end(text: &str, open: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = *bytes.get(open)?;
    let before = open.checked_sub(1).and_then(|at| bytes.get(at)).copied();
    let raw = match before {
        Some(b'r' | b'R') => {
            // An `r` that ends a name is no prefix; `br` is one.
            let word = text.get(..open)?.bytes().rev().skip(1);
            let name = word
                .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
                .collect::<Vec<_>>();
            matches!(name.as_slice(), [] | [b'b' | b'B'])
        }
        _ => false,
    };
    let triple = [quote; 3];
    let close: &[u8] = if bytes.get(open..)?.starts_with(&triple) {
        &triple
    } else {
        &triple[..1]
    };
    let mut at = open + close.len();
    while at < bytes.len() {
        if bytes[at..].starts_with(close) {
            return Some(at + close.len());
        }
        at += if bytes[at] == b'\\' && !raw { 2 } else { 1 };
    }
    None
}

/// JSON with templates in its strings.
#[derive(Debug)]
pub(super) enum JsonTemplate {
    /// Without any.
    Fixed(Json),
    /// With some.
    Pieces(Vec<JsonPiece>),
}

/// A piece of JSON text.
#[derive(Debug)]
pub(super) enum JsonPiece {
    /// As it is written.
    Literal(String),
    /// A value with its type.
    Value(Box<Source>),
    /// A value as text inside a string.
    Text(Box<Source>),
}

/// An expression and where it stands.
#[derive(Debug)]
pub(super) struct Source {
    field: String,
    expression: Expression,
}

impl JsonTemplate {
    /// Compiles canonical JSON text; `field` is its place in the document.
    pub(super) fn compile(
        source: &str,
        field: &str,
        vocabulary: Vocabulary<'_>,
    ) -> Result<Self, Invalid> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        compile(source, field, vocabulary, &mut pieces, &mut literal)?;
        if pieces.is_empty() {
            return Ok(Self::Fixed(Json::from_valid(literal)));
        }
        flush(&mut pieces, &mut literal);
        Ok(Self::Pieces(pieces))
    }

    /// The JSON for these values.
    pub(super) fn render(&self, values: &Values<'_, '_>) -> Result<Json, Unmakeable> {
        let pieces = match self {
            Self::Fixed(json) => return Ok(json.clone()),
            Self::Pieces(pieces) => pieces,
        };
        let mut out = String::with_capacity(256);
        for piece in pieces {
            match piece {
                JsonPiece::Literal(text) => out.push_str(text),
                JsonPiece::Value(source) => source.find(values)?.write_json(&mut out),
                JsonPiece::Text(source) => {
                    let found = source.find(values)?.into_text(true);
                    let text = found.map_err(|why| Unmakeable::new(source.field.clone(), why))?;
                    escape(&text, &mut out);
                }
            }
            if out.len() > MAX_RENDERED {
                return Err(Unmakeable::new(
                    "body",
                    format!("the body is longer than {MAX_RENDERED} bytes"),
                ));
            }
        }
        Ok(Json::from_valid(out))
    }
}

impl Source {
    fn find<'a>(&self, values: &Values<'_, 'a>) -> Result<Found<'a>, Unmakeable> {
        self.expression
            .evaluate(values)
            .map_err(|why| Unmakeable::new(self.field.clone(), why))
    }
}

fn flush(pieces: &mut Vec<JsonPiece>, literal: &mut String) {
    if !literal.is_empty() {
        pieces.push(JsonPiece::Literal(std::mem::take(literal)));
    }
}

fn compile(
    source: &str,
    field: &str,
    vocabulary: Vocabulary<'_>,
    pieces: &mut Vec<JsonPiece>,
    literal: &mut String,
) -> Result<(), Invalid> {
    let mut cursor = Cursor::new(source);
    if cursor.enter(b'{') {
        literal.push('{');
        let mut first = true;
        while cursor.more(b'}') {
            let (Some(key), Some(value)) = (cursor.key(), cursor.value()) else {
                break;
            };
            if !std::mem::take(&mut first) {
                literal.push(',');
            }
            literal.push_str(key);
            literal.push(':');
            let field = super::fields::member(field, &raw::string(key).unwrap_or_default());
            compile(value, &field, vocabulary, pieces, literal)?;
        }
        literal.push('}');
    } else if cursor.enter(b'[') {
        literal.push('[');
        let mut index = 0;
        while cursor.more(b']') {
            let Some(value) = cursor.value() else { break };
            if index > 0 {
                literal.push(',');
            }
            compile(
                value,
                &format!("{field}[{index}]"),
                vocabulary,
                pieces,
                literal,
            )?;
            index += 1;
        }
        literal.push(']');
    } else if let Some(string) = raw::string(source).filter(|string| string.contains("${")) {
        let mut parts = text(&string, vocabulary).map_err(|why| Invalid::new(field, why))?;
        let source = |expression| {
            Box::new(Source {
                field: field.to_owned(),
                expression,
            })
        };
        if let [Piece::Expression(_)] = parts.as_slice() {
            if let Some(Piece::Expression(expression)) = parts.pop() {
                flush(pieces, literal);
                pieces.push(JsonPiece::Value(source(expression)));
            }
            return Ok(());
        }
        literal.push('"');
        for part in parts {
            match part {
                Piece::Literal(text) => escape(&text, literal),
                Piece::Expression(expression) => {
                    flush(pieces, literal);
                    pieces.push(JsonPiece::Text(source(expression)));
                }
            }
        }
        literal.push('"');
    } else {
        literal.push_str(source);
    }
    Ok(())
}

/// Rewrites JSON so that equal meaning gives equal text: no space, keys in order, strings escaped
/// in one way. Numbers stay as they are written. Refuses repeated keys.
pub(super) fn canonical(source: &str, field: &str, out: &mut String) -> Result<(), Invalid> {
    let broken = || Invalid::new(field, "holds a string with a broken escape");
    let mut cursor = Cursor::new(source);
    if cursor.enter(b'{') {
        let mut members = Vec::new();
        while cursor.more(b'}') {
            let key = cursor.key().and_then(raw::string).ok_or_else(broken)?;
            members.push((key, cursor.value().ok_or_else(broken)?));
        }
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        out.push('{');
        let mut last = None;
        for (key, value) in &members {
            let field = super::fields::member(field, key);
            if last == Some(key) {
                return Err(Invalid::new(
                    field,
                    "this name is given twice in one object",
                ));
            }
            if last.is_some() {
                out.push(',');
            }
            quote(key, out);
            out.push(':');
            canonical(value, &field, out)?;
            last = Some(key);
        }
        out.push('}');
    } else if cursor.enter(b'[') {
        out.push('[');
        let mut index = 0;
        while cursor.more(b']') {
            if index > 0 {
                out.push(',');
            }
            let value = cursor.value().ok_or_else(broken)?;
            canonical(value, &format!("{field}[{index}]"), out)?;
            index += 1;
        }
        out.push(']');
    } else if source.starts_with('"') {
        quote(&raw::string(source).ok_or_else(broken)?, out);
    } else {
        out.push_str(source.trim());
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/template.rs"]
mod tests;
