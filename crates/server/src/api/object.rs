//! Small JSON objects taken apart field by field, so that what is wrong with one is said by name.
//!
//! Values that are handed on to sagas are checked whole: what is written to the record must be
//! readable for as long as the record lasts.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use settled::protocol::Json;

use super::problem::Problem;

/// The deepest nesting of values that people and participants hand in; the same as in a saga's
/// document.
const MAX_NESTING: usize = 100;

/// The fields of an object that were not taken yet.
pub(crate) struct Object<'a> {
    place: &'static str,
    fields: Vec<(String, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// Reads a body as an object.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(body)
            .map_err(|_| Problem::field("", "the body is not UTF-8; expected a JSON object"))?;
        Self::parse(text, "")
    }

    /// A body that may be left out: nothing is an object without fields.
    pub(crate) fn read_or_empty(body: &'a [u8]) -> Result<Self, Problem> {
        if body.iter().all(u8::is_ascii_whitespace) {
            let fields = Vec::new();
            return Ok(Self { place: "", fields });
        }
        Self::read(body)
    }

    fn parse(text: &'a str, place: &'static str) -> Result<Self, Problem> {
        let Fields(fields) = serde_json::from_str(text).map_err(|error| {
            // What the parser itself says would quote the text.
            let (line, column) = (error.line(), error.column());
            let found = match error.classify() {
                serde_json::error::Category::Data => "it is another kind of value".to_owned(),
                _ => format!("it is not valid JSON at line {line} column {column}"),
            };
            Problem::field(place, format!("expected a JSON object; {found}"))
        })?;
        let mut object = Self { place, fields };
        object.fields.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(twice) = object.fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let field = object.name(&twice[0].0);
            return Err(Problem::field(field, "given twice; expected once"));
        }
        Ok(object)
    }

    fn name(&self, field: &str) -> String {
        let field: String = field.chars().take(64).collect();
        match self.place {
            "" => field,
            place => format!("{place}.{field}"),
        }
    }

    /// A field's text; none where it was left out.
    pub(crate) fn take(&mut self, field: &str) -> Option<&'a RawValue> {
        let index = self.fields.iter().position(|(name, _)| name == field)?;
        Some(self.fields.swap_remove(index).1)
    }

    /// As [`Object::take`], where `null` stands for a field left out.
    fn take_value(&mut self, field: &str) -> Option<&'a RawValue> {
        self.take(field).filter(|raw| raw.get() != "null")
    }

    /// A field that is a string of at most so many characters.
    pub(crate) fn string(&mut self, field: &str, most: usize) -> Result<Option<String>, Problem> {
        let Some(raw) = self.take_value(field) else {
            return Ok(None);
        };
        serde_json::from_str::<String>(raw.get())
            .ok()
            .filter(|text| text.chars().count() <= most)
            .map(Some)
            .ok_or_else(|| {
                let expected = format!("expected a string of at most {most} characters");
                Problem::field(self.name(field), expected)
            })
    }

    /// A field that is a list of strings.
    pub(crate) fn strings(
        &mut self,
        field: &str,
        most: usize,
    ) -> Result<Option<Vec<String>>, Problem> {
        let Some(raw) = self.take_value(field) else {
            return Ok(None);
        };
        serde_json::from_str::<Vec<String>>(raw.get())
            .ok()
            .filter(|list| !list.is_empty() && list.len() <= most)
            .map(Some)
            .ok_or_else(|| {
                let expected = format!("expected a list of 1 to {most} strings");
                Problem::field(self.name(field), expected)
            })
    }

    /// Reads a value as an object that is the field `place` of another.
    pub(crate) fn within(raw: &'a RawValue, place: &'static str) -> Result<Self, Problem> {
        Self::parse(raw.get(), place)
    }

    /// A field that is an object itself.
    pub(crate) fn object(&mut self, field: &'static str) -> Result<Option<Self>, Problem> {
        match self.take_value(field) {
            Some(raw) => Self::parse(raw.get(), field).map(Some),
            None => Ok(None),
        }
    }

    /// A field with any JSON in it; none where it was left out.
    pub(crate) fn json(&mut self, field: &str) -> Result<Option<Json>, Problem> {
        let Some(raw) = self.take(field) else {
            return Ok(None);
        };
        let refuse = |why: &str| Problem::field(self.name(field), why);
        let value: serde_json::Value = serde_json::from_str(raw.get())
            .map_err(|_| refuse("expected JSON whose numbers and strings can be represented"))?;
        if nesting(&value) > MAX_NESTING {
            let why = format!("nested deeper than {MAX_NESTING} levels");
            return Err(refuse(&why));
        }
        Ok(Some(Json::from_valid(raw.get())))
    }

    /// Refuses a field that nobody took.
    pub(crate) fn finish(self, expected: &[&str]) -> Result<(), Problem> {
        match self.fields.first() {
            None => Ok(()),
            Some((field, _)) => {
                let expected = expected.join("`, `");
                let message = format!("there is no such field; expected `{expected}`");
                Err(Problem::field(self.name(field), message))
            }
        }
    }
}

/// How deep lists and objects are nested. Never called on more than the parser's own limit.
fn nesting(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(list) => 1 + list.iter().map(nesting).max().unwrap_or(0),
        serde_json::Value::Object(map) => 1 + map.values().map(nesting).max().unwrap_or(0),
        _ => 0,
    }
}

struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = map.next_entry::<String, &'de RawValue>()? {
            fields.push(entry);
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(problem: Problem) -> String {
        serde_json::to_value(problem.view()).unwrap()["detail"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn says_which_field_is_wrong() {
        for (body, start) in [
            ("", "expected a JSON object; it is not valid JSON at line 1"),
            ("[]", "expected a JSON object; it is another kind"),
            ("{\"a\":1,\"a\":2}", "a: given twice"),
            ("{\"b\":1}", "b: there is no such field; expected `a`, `c`"),
            ("{\"a\":1}", "a: expected a string of at most 5"),
            ("{\"a\":\"123456\"}", "a: expected a string of at most 5"),
            ("{\"a\":\"\\ud800\"}", "a: expected a string"),
            ("{\"c\":1e999}", "c: expected JSON whose numbers"),
        ] {
            let read = || {
                let mut object = Object::read(body.as_bytes())?;
                object.string("a", 5)?;
                object.json("c")?;
                object.finish(&["a", "c"])
            };
            let detail = detail(read().expect_err(body));
            assert!(detail.starts_with(start), "{body}: {detail}");
        }
        assert!(Object::read(b"\xff").is_err());
        assert!(Object::read_or_empty(b" \n").is_ok());
        assert!(Object::read_or_empty(b"x").is_err());
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| {
            let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let body = format!("{{\"v\":{value}}}");
            let mut object = Object::read(body.as_bytes()).unwrap();
            object.json("v").map(|_| ())
        };
        assert!(nested(MAX_NESTING).is_ok());
        assert!(nested(MAX_NESTING + 1).is_err());
        assert!(nested(100_000).is_err());
    }
}
