//! Query strings: every parameter is known, given once and well formed, or is refused by name.
//! An empty value stands for a parameter left out.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use settled::protocol::Timestamp;

use super::problem::Problem;

/// The most items of a page, and how many it has where nobody says.
pub(crate) const MAX_LIMIT: usize = 500;
pub(crate) const DEFAULT_LIMIT: usize = 50;

/// The parameters that were not taken yet.
pub(crate) struct Query<'a> {
    given: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Query<'a> {
    /// Reads a query string that may have these parameters.
    pub(crate) fn read(text: Option<&'a str>, known: &[&str]) -> Result<Self, Problem> {
        let mut given: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for pair in text.unwrap_or_default().split('&') {
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).unwrap_or(Cow::Borrowed(name));
            if !known.contains(&name.as_ref()) {
                let name: String = name.chars().take(64).collect();
                let expected = if known.is_empty() {
                    "expected none".to_owned()
                } else {
                    format!("expected `{}`", known.join("`, `"))
                };
                let message = format!("there is no such parameter; {expected}");
                return Err(Problem::field(name, message));
            }
            if given.iter().any(|(other, _)| *other == name) {
                return Err(Problem::field(name, "given twice; expected once"));
            }
            let Some(value) = decode(value) else {
                return Err(Problem::field(name, "expected percent-encoded UTF-8"));
            };
            given.push((name, value));
        }
        Ok(Self { given })
    }

    /// A parameter's value as it is.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.given.iter().find(|(given, _)| given == name)?;
        Some(value.as_ref()).filter(|value| !value.is_empty())
    }

    /// A parameter's value with at most so many characters.
    pub(crate) fn bounded(&self, name: &str, most: usize) -> Result<Option<String>, Problem> {
        match self.text(name) {
            Some(text) if text.chars().count() > most => Err(Problem::field(
                name,
                format!("expected at most {most} characters"),
            )),
            text => Ok(text.map(str::to_owned)),
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        expected: &[&str],
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        parse(text)
            .map(Some)
            .ok_or_else(|| Problem::field(name, format!("expected {}", expected.join(", "))))
    }

    /// A moment.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let parse = |text: &str| text.parse::<jiff::Timestamp>().ok();
        // The `+` of an offset is a space by the rules of query strings, and often not written
        // as `%2B`.
        parse(text)
            .or_else(|| parse(&text.replace(' ', "+")))
            .map(|time| Some(Timestamp(time.as_microsecond())))
            .ok_or_else(|| {
                let expected = "expected a time as in RFC 3339, such as 2026-01-31T08:30:00Z";
                Problem::field(name, expected)
            })
    }

    /// How many items a page has at most.
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = self.text("limit") else {
            return Ok(DEFAULT_LIMIT);
        };
        text.parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit) && !text.starts_with('+'))
            .ok_or_else(|| {
                let expected = format!("expected a whole number from 1 to {MAX_LIMIT}");
                Problem::field("limit", expected)
            })
    }

    /// Where to go on.
    pub(crate) fn cursor(&self) -> Option<String> {
        self.text("cursor").map(str::to_owned)
    }
}

/// Undoes the encoding of a form; none where the bytes are not UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_known_and_given_once() {
        let query = Query::read(Some("q=a%20b+c&state=&limit=500"), &["q", "state", "limit"]);
        let query = query.ok().unwrap();
        assert_eq!(query.text("q"), Some("a b c"));
        assert_eq!(query.text("state"), None);
        assert_eq!(query.limit().ok(), Some(500));
        for wrong in ["x=1", "q=1&q=2", "q=%FF", "%FF=1"] {
            assert!(Query::read(Some(wrong), &["q"]).is_err(), "{wrong}");
        }
        for wrong in ["0", "501", "-1", "+5", "1.0", "ten", "99999999999999999999"] {
            let text = format!("limit={}", wrong.replace('+', "%2B"));
            let query = Query::read(Some(&text), &["limit"]).ok().unwrap();
            assert!(query.limit().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_may_have_an_offset() {
        let time = |text: &str| {
            let text = format!("since={text}");
            let query = Query::read(Some(&text), &["since"]).ok().unwrap();
            query.time("since").map_err(|_| ())
        };
        let expected = Ok(Some(Timestamp(1_767_225_600_000_000)));
        assert_eq!(time("2026-01-01T00:00:00Z"), expected);
        assert_eq!(time("2026-01-01T08:00:00%2B08:00"), expected);
        assert_eq!(time("2026-01-01T08:00:00+08:00"), expected);
        for wrong in ["yesterday", "2026-01-01", "2026-13-01T00:00:00Z", "0"] {
            assert_eq!(time(wrong), Err(()), "{wrong}");
        }
    }
}
