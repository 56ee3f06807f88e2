//! Text that people read: errors, bodies that are not JSON, strings within payloads.
//!
//! What is named in it (`name=value`, `name: value`, `"name": "value"`) is masked by its name. Text has
//! no grammar: where it is not plain how far a value goes, rather too much is masked than too little.

use super::url::password;
use super::{MARK, Mask, Patched};

/// What of a text is worth a closer look; found in one pass, since most texts hold nothing.
#[expect(clippy::struct_excessive_bools, reason = "each asks for one rule")]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Looks {
    pub(super) has_pairs: bool,
    pub(super) has_scheme: bool,
    pub(super) has_card: bool,
    has_escape: bool,
}

impl Looks {
    pub(super) fn at(text: &str) -> Self {
        let mut looks = Self::default();
        let (mut digits, mut before) = (0_usize, 0_u8);
        for byte in text.bytes() {
            match byte {
                b'=' | b':' => looks.has_pairs = true,
                b'0'..=b'9' => digits += 1,
                // The last letters of `Bearer` and `Basic`.
                b' ' => looks.has_scheme |= matches!(before, b'r' | b'R' | b'c' | b'C'),
                b'\\' => looks.has_escape = true,
                _ => {}
            }
            before = byte;
        }
        looks.has_card = digits >= 13;
        looks
    }

    /// Whether there is anything to look at. In text with escapes a sign may be one of them.
    pub(super) fn any(self) -> bool {
        self.has_pairs || self.has_scheme || self.has_card || self.has_escape
    }
}

/// Headers of many parts: their values go to the end of the line.
const WHOLE_LINE: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
];

/// The words that stand before a secret rather than being one.
const SCHEMES: [&str; 6] = ["bearer", "basic", "digest", "negotiate", "token", "apikey"];

/// The longest name of a field.
const LONGEST_NAME: usize = 128;

/// Masks the values of what is named in the text; none where nothing is.
pub(super) fn pairs(mask: &Mask, text: &str) -> Option<String> {
    let mut patched = Patched::new(text);
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if !matches!(byte, b'=' | b':') {
            at += 1;
            continue;
        }
        if text[at..].starts_with("://") {
            let start = at + 3;
            let rest = bytes.iter().skip(start);
            let host = rest.take_while(|byte| !ends_host(**byte)).count();
            if mask.0.by_looks
                && let Some((from, to)) = password(text, start, start + host)
            {
                patched.replace(from, to, MARK);
                at = to;
            } else {
                at = start;
            }
            continue;
        }
        if name_before(text, at).is_some_and(|name| mask.is_masked(name)) {
            let whole_line = name_before(text, at).is_some_and(is_whole_line);
            let (start, end) = value_after(text, at + 1, whole_line);
            if end > start && text.get(start..end) != Some("null") {
                patched.replace(start, end, MARK);
            }
            at = end.max(at + 1);
        } else {
            at += 1;
        }
    }
    patched.finish()
}

fn ends_host(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>')
}

fn is_whole_line(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    WHOLE_LINE
        .iter()
        .any(|whole| whole.eq_ignore_ascii_case(last))
}

/// The name that stands before a sign, with or without quotes.
fn name_before(text: &str, at: usize) -> Option<&str> {
    let before = text.get(..at)?.trim_end_matches([' ', '\t']);
    let before = before
        .strip_suffix(['"', '\'', '`', ']'])
        .map_or(before, |before| before.strip_suffix('\\').unwrap_or(before));
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut start = before.len();
    for (index, sign) in before.char_indices().rev() {
        if !is_name(sign) {
            break;
        }
        if before.len() - index > LONGEST_NAME {
            return None;
        }
        start = index;
    }
    before.get(start..).filter(|name| !name.is_empty())
}

/// Where the value is that follows a sign, without its quotes.
fn value_after(text: &str, from: usize, whole_line: bool) -> (usize, usize) {
    let bytes = text.as_bytes();
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'>');
    let start = from + bytes.iter().skip(from).take_while(|b| is_space(b)).count();
    let rest = text.get(start..).unwrap_or_default();
    for quote in ["\\\"", "\\'", "\"", "'", "`"] {
        if rest.starts_with(quote) {
            let inner = start + quote.len();
            return (inner, quoted_end(text, inner, quote));
        }
    }
    if rest.starts_with(['{', '[']) {
        return (start, brackets_end(bytes, start));
    }
    if whole_line {
        let line = rest.find(['\n', '\r', '"', '\'', '\\']);
        let line = rest.get(..line.unwrap_or(rest.len())).unwrap_or_default();
        return (start, start + line.trim_end().len());
    }
    let end = value_end(text, start);
    let word = text.get(start..end).unwrap_or_default();
    let is_scheme = SCHEMES
        .iter()
        .any(|scheme| scheme.eq_ignore_ascii_case(word));
    let spaces = bytes.iter().skip(end).take_while(|b| **b == b' ').count();
    if is_scheme && spaces > 0 {
        return (start, value_end(text, end + spaces));
    }
    (start, end)
}

/// Where a bare value is over.
pub(super) fn value_end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let is_end = |c: char| c.is_whitespace() || ",;&\"'`()[]{}<>|\\".contains(c);
    start + rest.find(is_end).unwrap_or(rest.len())
}

/// Where a value in quotes is over: before its closing quote, or with the text.
fn quoted_end(text: &str, start: usize, quote: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(quote.as_bytes()) {
            return at;
        }
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    bytes.len()
}

/// Where an object or a list is over: behind its closing bracket, or with the text.
fn brackets_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut in_string) = (0_usize, false);
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
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
