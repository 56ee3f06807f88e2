//! The members of an object in a document, each to be taken once by its name.
//!
//! What is left over is unknown, and refused: a misspelt policy must not be a policy left out.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use settled_protocol::Span;

use super::raw::{excerpt, kind};
use super::{Invalid, span};

/// The place of a member below `parent`: `parent.name`, or `parent["a name"]`.
pub(crate) fn member(parent: &str, name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        format!("{parent}[{:?}]", excerpt(name, 60))
    } else if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

/// An object that is being read.
pub(super) struct Fields<'a> {
    at: String,
    members: Vec<(Cow<'a, str>, Option<&'a RawValue>)>,
}

impl<'a> Fields<'a> {
    /// Reads the object that a whole document is.
    pub(super) fn document(body: &'a [u8]) -> Result<Self, Invalid> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let members = deserializer
            .deserialize_map(Members)
            .and_then(|members| deserializer.end().map(|()| members))
            .map_err(|error| Invalid::new("", format!("expected a JSON object: {error}")))?;
        Self::new(members, String::new())
    }

    /// Reads the object at `at`.
    pub(super) fn object(raw: &'a RawValue, at: &str) -> Result<Self, Invalid> {
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        let members = deserializer.deserialize_map(Members).map_err(|_| {
            Invalid::new(at, format!("expected an object, got {}", kind(raw.get())))
        })?;
        Self::new(members, at.to_owned())
    }

    fn new(
        members: Vec<(Cow<'a, str>, Option<&'a RawValue>)>,
        at: String,
    ) -> Result<Self, Invalid> {
        // No object here has that many known members, so a longer one is refused as a whole later.
        for (index, (name, _)) in members.iter().enumerate().take(32) {
            if members
                .iter()
                .take(index)
                .any(|(earlier, _)| earlier == name)
            {
                return Err(Invalid::new(member(&at, name), "this name is given twice"));
            }
        }
        Ok(Self { at, members })
    }

    /// The place of a member of this object.
    pub(super) fn place(&self, name: &str) -> String {
        member(&self.at, name)
    }

    /// Takes a member; `null` stands for one that is absent.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        self.take_null(name).filter(|raw| raw.get() != "null")
    }

    /// Takes a member whose `null` has a meaning of its own.
    pub(super) fn take_null(&mut self, name: &str) -> Option<&'a RawValue> {
        let member = self
            .members
            .iter_mut()
            .find(|(n, value)| n == name && value.is_some())?;
        member.1.take()
    }

    /// Takes a string.
    pub(super) fn string(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, Invalid> {
        let Some(raw) = self.take(name) else {
            return Ok(None);
        };
        string(raw)
            .map(Some)
            .ok_or_else(|| self.expected(name, "a string", raw))
    }

    /// Takes a length of time.
    pub(super) fn span(&mut self, name: &str) -> Result<Option<Span>, Invalid> {
        let Some(raw) = self.take(name) else {
            return Ok(None);
        };
        let expected = "a duration such as \"250ms\", \"3s\", \"10m\" or \"1h30m\"";
        let text = string(raw).ok_or_else(|| self.expected(name, expected, raw))?;
        span::parse(&text)
            .map(Some)
            .map_err(|why| Invalid::new(self.place(name), why))
    }

    /// Takes a boolean.
    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Invalid> {
        match self.take(name) {
            None => Ok(None),
            Some(raw) => match raw.get() {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(self.expected(name, "true or false", raw)),
            },
        }
    }

    /// Takes one of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Invalid> {
        let Some(raw) = self.take(name) else {
            return Ok(None);
        };
        let text = string(raw);
        let found = words
            .iter()
            .find(|(word, _)| text.as_deref() == Some(*word));
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let names: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.expected(name, &format!("one of {}", names.join(", ")), raw)
        })
    }

    /// The refusal of a member that is not what was expected.
    pub(super) fn expected(&self, name: &str, what: &str, raw: &RawValue) -> Invalid {
        Invalid::new(
            self.place(name),
            format!("expected {what}, got {}", excerpt(raw.get(), 40)),
        )
    }

    /// The refusal of a member that is not there.
    pub(super) fn missing(&self, name: &str, what: &str) -> Invalid {
        Invalid::new(
            self.place(name),
            format!("expected {what}, but it is missing"),
        )
    }

    /// Refuses what has not been taken; `known` are the names that there are.
    pub(super) fn finish(self, known: &[&str]) -> Result<(), Invalid> {
        let left = self.members.iter().find(|(_, value)| value.is_some());
        match left {
            None => Ok(()),
            Some((name, _)) => Err(Invalid::new(
                member(&self.at, name),
                format!("unknown field; expected one of {}", known.join(", ")),
            )),
        }
    }
}

/// What a JSON string says.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    super::raw::string(raw.get())
}

/// The elements of a list.
pub(super) fn list<'a>(raw: &'a RawValue, at: &str) -> Result<Vec<&'a RawValue>, Invalid> {
    serde_json::Deserializer::from_str(raw.get())
        .deserialize_seq(Elements)
        .map_err(|_| Invalid::new(at, format!("expected a list, got {}", kind(raw.get()))))
}

/// The members of an object whose names are free, each name once; too many are refused.
pub(super) fn free<'a>(
    raw: &'a RawValue,
    at: &str,
) -> Result<Vec<(Cow<'a, str>, &'a RawValue)>, Invalid> {
    let members = serde_json::Deserializer::from_str(raw.get())
        .deserialize_map(Members)
        .map_err(|_| Invalid::new(at, format!("expected an object, got {}", kind(raw.get()))))?;
    Ok(members
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect())
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, Option<&'de RawValue>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some(Name(name)) = map.next_key()? {
            members.push((name, Some(map.next_value()?)));
        }
        Ok(members)
    }
}

struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(elements)
    }
}

/// A member's name, borrowed from the document where it can be.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}
