//! What is masked in copies that are kept as evidence or shown: passwords, tokens, card numbers.
//!
//! A [`Mask`] is asked two things of every value: is its field one of the names that are masked, and
//! does its text hold something that is secret wherever it stands (a card number, `Bearer …`). What is
//! masked gives way to [`MARK`]; all else stays as it is, to the last digit and space. It masks copies
//! only: what is needed to call again, and what later steps work with, is never given to it.
//!
//! # Names
//!
//! A pattern is a field's name, in which `*` stands for any text. Names are compared without case and
//! without `-`, `_` and `.`: `api_key` is `apiKey` is `Api-Key`. Of a name that is a path
//! (`user.pin`, `user[pin]`) the last part is compared too. See [`DEFAULTS`] for the names that are
//! masked unless they are switched off.
//!
//! # Values
//!
//! With the defaults also these, whatever their field is called:
//!
//! * A card number keeps its last four digits. It is one where 13 to 19 digits stand by themselves, in
//!   one piece or in the groups that cards are printed with, begin as cards of that length begin, and
//!   have the right check digit.
//! * What follows `Bearer` or `Basic`, and the password in `scheme://user:password@host`.
//!
//! In text (an error, a body that is not JSON) `name=value`, `name: value` and `"name": "value"` are
//! masked by their names. A header of a name that is masked is masked whole.
//!
//! Masking what is masked changes nothing.

mod card;
mod edit;
mod json;
mod name;
mod scheme;
mod text;
mod url;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use settled_protocol::{AnswerRecord, Json, RequestRecord};

pub use edit::{Unfilled, has_mark, refuse_marks};
pub(crate) use edit::{fill, take_edit};
pub use name::BadPattern;
use name::Names;

/// What stands in the place of a masked value.
pub const MARK: &str = "••••••";

/// The names that are masked unless they are switched off.
///
/// They are the names of secrets: what opens something for whoever has it. Numbers of bank accounts,
/// addresses and other things about people are not among them, for they are what the person who has to
/// decide looks at; whoever wants them masked names them.
pub const DEFAULTS: [&str; 39] = [
    "*password",
    "passwordhash",
    "passwordconfirm*",
    "*passwd",
    "*passphrase",
    "*passcode",
    "pwd",
    "*secret",
    "*secretkey",
    "*secretaccesskey",
    "*token",
    "authorization",
    "proxyauthorization",
    "cookie",
    "setcookie",
    "sessionid",
    "*apikey",
    "accesskey",
    "*privatekey",
    "signingkey",
    "encryptionkey",
    "credential",
    "credentials",
    "*otp",
    "pin",
    "cardpin",
    "cvv",
    "cvv2",
    "*cardcvv",
    "cvc",
    "cvc2",
    "*cardcvc",
    "csc",
    "securitycode",
    "*cardsecuritycode",
    "*cardnumber",
    "cardno",
    "ccnumber",
    "pan",
];

/// What is masked; cheap to clone.
#[derive(Clone)]
pub struct Mask(Arc<Rules>);

struct Rules {
    names: Names,
    /// Whether secrets are also known by what they look like.
    by_looks: bool,
}

impl Mask {
    /// The defaults, and these names.
    ///
    /// # Errors
    /// Where a pattern is no name.
    pub fn with<P: AsRef<str>>(patterns: &[P]) -> Result<Self, BadPattern> {
        let given = patterns.iter().map(AsRef::as_ref);
        Self::new(DEFAULTS.into_iter().chain(given), true)
    }

    /// These names and nothing else: no card numbers, no `Bearer …` either.
    ///
    /// # Errors
    /// Where a pattern is no name.
    pub fn only<P: AsRef<str>>(patterns: &[P]) -> Result<Self, BadPattern> {
        Self::new(patterns.iter().map(AsRef::as_ref), false)
    }

    fn new<'p>(
        patterns: impl Iterator<Item = &'p str>,
        by_looks: bool,
    ) -> Result<Self, BadPattern> {
        let names = Names::new(patterns)?;
        Ok(Self(Arc::new(Rules { names, by_looks })))
    }

    /// Whether a field of this name is masked.
    #[must_use]
    pub fn is_masked(&self, name: &str) -> bool {
        self.0.names.has(name)
    }

    /// A payload: the values of masked fields give way to the mark whatever they are, but for `null`;
    /// other strings are masked as [`Mask::text`] is, numbers where they are a card's.
    #[must_use]
    pub fn json(&self, json: &Json) -> Json {
        json::mask(self, json.as_str()).map_or_else(|| json.clone(), Json::from_valid)
    }

    /// The value of a header.
    #[must_use]
    pub fn header<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        if self.is_masked(name) {
            Cow::Borrowed(MARK)
        } else {
            self.text(value)
        }
    }

    /// A URL: the password in it, the values of parameters whose names are masked, card numbers.
    #[must_use]
    pub fn url<'a>(&self, url: &'a str) -> Cow<'a, str> {
        url::mask(self, url)
    }

    /// Text that people read.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let looks = text::Looks::at(text);
        let mut out = Cow::Borrowed(text);
        if looks.has_pairs {
            then(&mut out, |text| text::pairs(self, text));
        }
        if self.0.by_looks && looks.has_scheme {
            then(&mut out, scheme::mask);
        }
        if self.0.by_looks && looks.has_card {
            then(&mut out, card::mask);
        }
        out
    }

    /// A request as it goes on record.
    #[must_use]
    pub fn request(&self, mut request: RequestRecord) -> RequestRecord {
        replace(&mut request.url, |url| self.url(url));
        self.headers(&mut request.headers);
        request.body = request.body.map(|body| self.json(&body));
        request
    }

    /// An answer that nothing works with any more.
    #[must_use]
    pub fn answer(&self, mut answer: AnswerRecord) -> AnswerRecord {
        self.headers(&mut answer.headers);
        answer.body = answer.body.map(|body| self.json(&body));
        if let Some(error) = &mut answer.error {
            replace(error, |error| self.text(error));
        }
        answer
    }

    fn headers(&self, headers: &mut [(String, String)]) {
        for (name, value) in headers {
            replace(value, |value| self.header(name, value));
        }
    }
}

impl Default for Mask {
    fn default() -> Self {
        let rules = Rules {
            names: Names::of_valid(&DEFAULTS),
            by_looks: true,
        };
        Self(Arc::new(rules))
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask")
            .field("names", &self.0.names)
            .field("by_looks", &self.0.by_looks)
            .finish()
    }
}

/// Masks what is masked so far once more, by another rule.
fn then(text: &mut Cow<'_, str>, rule: impl Fn(&str) -> Option<String>) {
    if let Some(masked) = rule(text) {
        *text = Cow::Owned(masked);
    }
}

/// Puts the masked text in the place of the whole one, where they differ.
fn replace(text: &mut String, rule: impl Fn(&str) -> Cow<'_, str>) {
    let masked = Some(rule(text)).filter(|masked| **masked != **text);
    if let Some(masked) = masked.map(Cow::into_owned) {
        *text = masked;
    }
}

/// Text with pieces of it replaced, made only where there is a piece to replace.
struct Patched<'a> {
    text: &'a str,
    /// What of the text is in `out` already.
    done: usize,
    out: String,
}

impl<'a> Patched<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            done: 0,
            out: String::new(),
        }
    }

    /// Puts `by` in the place of a piece. Pieces come in order and do not overlap; one that is where
    /// no piece can be is left alone.
    fn replace(&mut self, start: usize, end: usize, by: &str) {
        if start < self.done || self.text.get(start..end).is_none_or(|old| old == by) {
            return;
        }
        self.out
            .push_str(self.text.get(self.done..start).unwrap_or_default());
        self.out.push_str(by);
        self.done = end;
    }

    /// The new text; none where nothing was replaced.
    fn finish(mut self) -> Option<String> {
        if self.done == 0 && self.out.is_empty() {
            return None;
        }
        self.out
            .push_str(self.text.get(self.done..).unwrap_or_default());
        Some(self.out)
    }
}
