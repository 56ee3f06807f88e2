//! Reads a saga's document from a file: JSON as it is, YAML turned into JSON.
//!
//! What the document means is looked at elsewhere; here it only becomes one JSON text.

use std::io::Read;
use std::path::Path;

use crate::error::CliError;

/// More than the server takes, so that it is the server that says so.
const LARGEST: u64 = 64 << 20;

/// The document in a file, or on standard input for `-`, as JSON.
///
/// # Errors
/// Where the file cannot be read, or is neither.
pub(crate) fn read(path: &Path) -> Result<String, CliError> {
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
    let text = String::from_utf8(bytes).map_err(|_| CliError::Document {
        path: path.to_owned(),
        why: "this is not text in UTF-8; write the saga as YAML or JSON".to_owned(),
    })?;
    let json_only = path.extension().is_some_and(|ending| ending == "json");
    to_json(&text, json_only).map_err(|why| CliError::Document {
        path: path.to_owned(),
        why,
    })
}

/// The JSON of a text that is JSON, or YAML where that is allowed.
fn to_json(text: &str, json_only: bool) -> Result<String, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err("it is empty; write a saga with at least one of steps".to_owned());
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
        return Err("expected a saga: an object with a list of steps".to_owned());
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
            to_json(yaml, false).unwrap(),
            r#"{"name":"n","id":"7","steps":[{"name":"a","action":{"url":"http://x/${ input.a }"}}]}"#
        );
    }

    #[test]
    fn json_stays_as_it_is() {
        let json = "{\"b\": 1.0, \"a\": 12345678901234567890}";
        assert_eq!(to_json(&format!("\n {json}\n"), false).unwrap(), json);
        assert_eq!(to_json(json, true).unwrap(), json);
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
            let error = to_json(text, json_only).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
