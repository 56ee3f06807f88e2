//! Names of fields, and the patterns that they are compared with.
//!
//! Never looks at a value.

use std::borrow::Cow;

/// A pattern that is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?}: expected the name of a field, such as `api_key` or `*secret`: letters, digits, `-`, `_`, \
     `.`, and `*` for any text"
)]
pub struct BadPattern(pub String);

/// Patterns, ready to be compared with.
#[derive(Debug)]
pub(super) struct Names {
    /// Without a `*`; in order.
    exact: Vec<Box<str>>,
    /// What they end with, after any text.
    ends: Vec<Box<str>>,
    /// The others: their pieces between the `*`.
    globs: Vec<Vec<Box<str>>>,
}

impl Names {
    pub(super) fn new<'p>(patterns: impl Iterator<Item = &'p str>) -> Result<Self, BadPattern> {
        let mut names = Self::of_valid(&[]);
        for pattern in patterns {
            let sign = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '*');
            // One without a letter would mask everything.
            if !pattern.chars().all(sign) || !pattern.contains(char::is_alphanumeric) {
                return Err(BadPattern(pattern.chars().take(100).collect()));
            }
            names.add(pattern);
        }
        names.exact.sort_unstable();
        Ok(names)
    }

    /// Patterns that are known to be names.
    pub(super) fn of_valid(patterns: &[&str]) -> Self {
        let mut names = Self {
            exact: Vec::new(),
            ends: Vec::new(),
            globs: Vec::new(),
        };
        for pattern in patterns {
            names.add(pattern);
        }
        names.exact.sort_unstable();
        names
    }

    fn add(&mut self, pattern: &str) {
        let pattern = folded(pattern);
        let pieces: Vec<Box<str>> = pattern.split('*').map(Box::from).collect();
        match pieces.as_slice() {
            [whole] => self.exact.push(whole.clone()),
            [start, end] if start.is_empty() => self.ends.push(end.clone()),
            _ => self.globs.push(pieces),
        }
    }

    /// Whether a name, or its last part where it is a path, fits a pattern.
    pub(super) fn has(&self, name: &str) -> bool {
        if self.fits(name) {
            return true;
        }
        let path = name.strip_suffix(']').unwrap_or(name);
        let last = path.rsplit(['.', '[']).next();
        last.is_some_and(|last| last.len() < name.len() && self.fits(last))
    }

    fn fits(&self, name: &str) -> bool {
        let bytes = name.as_bytes();
        // Most names are short and ASCII: they need no place of their own.
        let mut small = [0_u8; 48];
        if bytes.len() <= small.len() && name.is_ascii() {
            let mut len = 0;
            for byte in bytes.iter().filter(|byte| !is_left_out(**byte)) {
                small[len] = byte.to_ascii_lowercase();
                len += 1;
            }
            return std::str::from_utf8(&small[..len]).is_ok_and(|name| self.has_folded(name));
        }
        self.has_folded(&folded(name))
    }

    fn has_folded(&self, name: &str) -> bool {
        !name.is_empty()
            && (self.exact.binary_search_by(|own| (**own).cmp(name)).is_ok()
                || self.ends.iter().any(|end| name.ends_with(&**end))
                || self.globs.iter().any(|pieces| fits(pieces, name)))
    }
}

const fn is_left_out(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.')
}

/// A name as it is compared.
fn folded(name: &str) -> Cow<'_, str> {
    let kept = name.chars().filter(|c| !matches!(c, '-' | '_' | '.'));
    Cow::Owned(kept.flat_map(char::to_lowercase).collect())
}

/// Whether a name has the pieces of a pattern in their order, with anything between them.
fn fits(pieces: &[Box<str>], name: &str) -> bool {
    let Some((first, rest)) = pieces.split_first() else {
        return false;
    };
    let Some((last, middle)) = rest.split_last() else {
        return name == &**first;
    };
    let Some(mut left) = name.strip_prefix(&**first) else {
        return false;
    };
    for piece in middle {
        let Some((_, after)) = left.split_once(&**piece) else {
            return false;
        };
        left = after;
    }
    left.ends_with(&**last)
}
