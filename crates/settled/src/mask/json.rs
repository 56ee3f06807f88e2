//! JSON masked as the text that it is: one pass over it, in which no value is built and nothing is
//! written before something is found to mask.
//!
//! The text is valid JSON. Of any other text some of it may stay whole, but nothing panics.

use std::borrow::Cow;

use super::text::Looks;
use super::{MARK, Mask, Patched, card};

/// Masks a payload; none where there is nothing to mask.
pub(super) fn mask(mask: &Mask, text: &str) -> Option<String> {
    let mut patched = Patched::new(text);
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string_end(bytes, at);
                let after = past_space(bytes, end);
                // A string before a colon is a key, and nothing else is.
                if bytes.get(after) == Some(&b':') {
                    let value = past_space(bytes, after + 1);
                    let name = text.get(at..end).and_then(unquoted);
                    at = if name.is_some_and(|name| mask.is_masked(&name)) {
                        let end = value_end(bytes, value);
                        if text.get(value..end) != Some("null") {
                            patched.replace(value, end, &quoted(MARK));
                        }
                        end
                    } else {
                        value
                    };
                } else {
                    if let Some(masked) = text.get(at..end).and_then(|raw| string(mask, raw)) {
                        patched.replace(at, end, &masked);
                    }
                    at = end;
                }
            }
            b'-' | b'0'..=b'9' => {
                let end = value_end(bytes, at);
                if mask.0.by_looks
                    && let Some(shown) = text.get(at..end).and_then(card::number)
                {
                    patched.replace(at, end, &quoted(&shown));
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    patched.finish()
}

/// A string whose text holds what is masked, written anew.
fn string(mask: &Mask, raw: &str) -> Option<String> {
    if !Looks::at(raw).any() {
        return None;
    }
    match mask.text(&unquoted(raw)?) {
        Cow::Owned(masked) => Some(quoted(&masked)),
        Cow::Borrowed(_) => None,
    }
}

/// What a JSON string says; none where its escapes stand for no text.
pub(super) fn unquoted(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn past_space(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.iter().skip(from);
    from + rest.take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Where the string is over that opens at `start`: behind its closing quote.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Where the value is over that begins at `start`. However deep it is nested, it is gone through in
/// a loop.
fn value_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}
