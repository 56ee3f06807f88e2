//! Reads a document from a file: JSON as it is, YAML turned into JSON.
//!
//! What the document means is looked at elsewhere; here it only becomes one JSON text.

use std::io::Read;
use std::path::Path;

use crate::error::CliError;

/// More than the server takes, so that it is the server that says so.
const LARGEST: u64 = 64 << 20;

/// What a saga's document is.
const SAGA: &str = "a saga: an object with a list of steps";

/// A saga's document in a file, or on standard input for `-`, as JSON.
///
/// # Errors
/// Where the file cannot be read, or is neither.
pub(crate) fn read(path: &Path) -> Result<String, CliError> {
    read_as(path, SAGA)
}

/// The same for a document that is `expected` to be something else.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_as(path: &Path, expected: &str) -> Result<String, CliError> {
    let text = text(path)?;
    let json_only = path.extension().is_some_and(|ending| ending == "json");
    to_json(&text, json_only, expected).map_err(|why| CliError::Document {
        path: path.to_owned(),
        why,
    })
}

/// A file's text, or that of standard input for `-`.
///
/// # Errors
/// Where the file cannot be read, or is no text.
pub(crate) fn text(path: &Path) -> Result<String, CliError> {
    let failed = |source| CliError::File {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(LARGEST)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
    }
    String::from_utf8(bytes).map_err(|_| CliError::Document {
        path: path.to_owned(),
        why: "this is not text in UTF-8; write it as YAML or JSON".to_owned(),
    })
}

/// The JSON of a text that is JSON, or YAML where that is allowed.
fn to_json(text: &str, json_only: bool, expected: &str) -> Result<String, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(format!("it is empty; expected {expected}"));
    }
    match serde_json::from_str::<&serde_json::value::RawValue>(text) {
        Ok(_) => return Ok(text.to_owned()),
        Err(error) if json_only => return Err(format!("this is not JSON: {error}")),
        Err(_) => {}
    }
    let mut value: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(text).map_err(|e| format!("this is neither YAML nor JSON: {e}"))?;
    value
        .apply_merge()
        .map_err(|error| format!("a merge key (<<) does not fit: {error}"))?;
    if !value.is_mapping() {
        return Err(format!("expected {expected}"));
    }
    serde_json::to_string(&value)
        .map_err(|error| format!("this cannot be written as JSON: {error}"))
}

/// Whether an id may be a saga's.
pub(crate) fn saga_id(text: &str) -> Result<String, String> {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    if (1..=128).contains(&text.len()) && text.bytes().all(sign) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 128 characters of A-Za-z0-9._:-".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_becomes_json_in_its_order() {
        let yaml = "name: n\nid: \"7\"\nsteps:\n  - name: a\n    action: {url: \"http://x/${ input.a }\"}\n";
        assert_eq!(
            to_json(yaml, false, SAGA).unwrap(),
            r#"{"name":"n","id":"7","steps":[{"name":"a","action":{"url":"http://x/${ input.a }"}}]}"#
        );
    }

    #[test]
    fn json_stays_as_it_is() {
        let json = "{\"b\": 1.0, \"a\": 12345678901234567890}";
        assert_eq!(to_json(&format!("\n {json}\n"), false, SAGA).unwrap(), json);
        assert_eq!(to_json(json, true, SAGA).unwrap(), json);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, json_only, hint) in [
            ("", false, "empty"),
            ("a: [", false, "neither YAML nor JSON"),
            ("{", true, "not JSON"),
            ("just text", false, "expected a saga"),
            ("a: 1\na: 2", false, "duplicate"),
        ] {
            let error = to_json(text, json_only, SAGA).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
