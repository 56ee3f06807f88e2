//! Looking into JSON that stays text.
//!
//! Inputs and results are kept as the text that arrived. Most templates want one piece of them, and
//! cutting that piece out is cheaper than building a tree, and exact: a number of thirty digits goes
//! out as it came in. The text is known to be valid JSON; on any other text these functions find
//! nothing or too much, but never panic. Of a repeated key the last one counts, as everywhere.

use std::borrow::Cow;

/// How deep JSON from outside may be nested: a little below where parsers of participants and
/// clients commonly give up.
pub(crate) const MAX_NESTING: usize = 100;

/// One step of a path into JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Of an object.
    Key(String),
    /// Of a list.
    Index(usize),
}

/// Walks over JSON text.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts before the first value of `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Steps over `byte`, if it is what comes next.
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Enters an object or a list, if the value that comes next is one.
    pub(crate) fn enter(&mut self, open: u8) -> bool {
        self.eat(open)
    }

    /// Whether another member follows; steps over the comma or the closing bracket.
    pub(crate) fn more(&mut self, close: u8) -> bool {
        if self.eat(close) {
            return false;
        }
        self.eat(b',');
        self.peek().is_some()
    }

    /// The next key, raw and with its quotes, and the colon behind it.
    pub(crate) fn key(&mut self) -> Option<&'a str> {
        let key = self.value()?;
        (key.starts_with('"') && self.eat(b':')).then_some(key)
    }

    /// The text of the value that comes next.
    pub(crate) fn value(&mut self) -> Option<&'a str> {
        self.peek()?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut depth = 0_usize;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.skip_string();
                    if depth == 0 {
                        break;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => break,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        break;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        self.text
            .get(start..self.at)
            .filter(|text| !text.is_empty())
    }

    fn skip_string(&mut self) {
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at = bytes.len();
    }
}

/// The piece of `text` that `path` leads to.
pub(crate) fn find<'a>(text: &'a str, path: &[Segment]) -> Option<&'a str> {
    let mut text = text;
    for segment in path {
        text = match segment {
            Segment::Key(key) => member(text, key)?,
            Segment::Index(index) => element(text, *index)?,
        };
    }
    Some(text)
}

/// The value of `key` in the object `text`.
fn member<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut cursor = Cursor::new(text);
    if !cursor.enter(b'{') {
        return None;
    }
    let mut found = None;
    while cursor.more(b'}') {
        let raw = cursor.key()?;
        let value = cursor.value()?;
        let inner = raw.get(1..raw.len().saturating_sub(1))?;
        let matches = if inner.contains('\\') {
            string(raw).as_deref() == Some(key)
        } else {
            inner == key
        };
        if matches {
            found = Some(value);
        }
    }
    found
}

/// The `index`-th element of the list `text`.
fn element(text: &str, index: usize) -> Option<&str> {
    let mut cursor = Cursor::new(text);
    if !cursor.enter(b'[') {
        return None;
    }
    let mut at = 0;
    while cursor.more(b']') {
        let value = cursor.value()?;
        if at == index {
            return Some(value);
        }
        at += 1;
    }
    None
}

/// What a JSON string says; `None` for any other value, and for escapes that stand for no text.
pub(crate) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// What kind of value the text is, in words.
pub(crate) fn kind(raw: &str) -> &'static str {
    match raw.trim_start().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// How deep brackets are nested in the text.
pub(crate) fn nesting(text: &str) -> usize {
    let mut cursor = Cursor::new(text);
    let bytes = text.as_bytes();
    let (mut depth, mut deepest) = (0_usize, 0);
    while let Some(&byte) = bytes.get(cursor.at) {
        match byte {
            b'"' => {
                cursor.skip_string();
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        cursor.at += 1;
    }
    deepest
}

/// The start of a text, for messages.
pub(crate) fn excerpt(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn keys(path: &[&str]) -> Vec<Segment> {
        path.iter()
            .map(|key| Segment::Key((*key).to_owned()))
            .collect()
    }

    #[test]
    fn finds_pieces_as_they_were_written() {
        let text =
            r#" { "a" : {"b" : [ 1 , {"c\n": 123456789012345678901234567890 } ]}, "z":"}\"]" } "#;
        assert_eq!(find(text, &keys(&["z"])), Some(r#""}\"]""#));
        let mut path = keys(&["a", "b"]);
        path.push(Segment::Index(1));
        path.push(Segment::Key("c\n".to_owned()));
        assert_eq!(find(text, &path), Some("123456789012345678901234567890"));
        assert_eq!(find(text, &keys(&["a", "c"])), None);
        assert_eq!(find(text, &keys(&["z", "c"])), None);
        assert_eq!(find("[]", &[Segment::Index(0)]), None);
        assert_eq!(find(r#"{"a":1,"a":2}"#, &keys(&["a"])), Some("2"));
        assert_eq!(nesting(r#"[{"a":"[[["}]"#), 2);
    }

    /// Any JSON value.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-c\"\\\\{}\\[\\],: é\n]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[ab\"\\\\é]{0,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn finds_every_member_that_a_parser_finds(value in json(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            let parsed: Value = serde_json::from_str(&text).unwrap();
            match &parsed {
                Value::Object(map) => for (key, member) in map {
                    let found = find(&text, &[Segment::Key(key.clone())]).unwrap();
                    prop_assert_eq!(&serde_json::from_str::<Value>(found).unwrap(), member);
                },
                Value::Array(list) => for (index, member) in list.iter().enumerate() {
                    let found = find(&text, &[Segment::Index(index)]).unwrap();
                    prop_assert_eq!(&serde_json::from_str::<Value>(found).unwrap(), member);
                },
                _ => prop_assert_eq!(find(&text, &keys(&["a"])), None),
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}\",:\\\\a1é ]{0,40}", key in "[aé]?") {
            let _ = find(&text, &[Segment::Key(key), Segment::Index(1)]);
            let _ = (nesting(&text), string(&text), kind(&text), excerpt(&text, 3));
        }
    }
}
