//! JSON kept as text.
//!
//! Inputs, results and bodies are carried, recorded and handed on; the core never looks inside.
//! Text is what arrives and what is stored, so text is what is held.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A piece of valid JSON, cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Arc<str>);

impl Json {
    /// JSON's `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(Arc::from("null"))
    }

    /// Takes text that is already known to be valid JSON, such as what a serializer has written.
    /// Text that is not would break the record that it is written to; from outside use
    /// [`Json::parse`].
    #[must_use]
    pub fn from_valid(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        debug_assert!(
            serde_json::from_str::<&RawValue>(&text).is_ok(),
            "not JSON: {text}"
        );
        Self(text)
    }

    /// Takes text from outside.
    ///
    /// # Errors
    /// Where the text is not one JSON value.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&RawValue>(text).map(|raw| Self(Arc::from(raw.get())))
    }

    /// A JSON string that holds `text`.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self(Arc::from(serde_json::Value::from(text).to_string()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// The value that the text stands for; `null` for text nested deeper than the parser allows.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or(serde_json::Value::Null)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self(Arc::from(value.to_string()))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0)
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(Arc::from(raw.get())))
    }
}
