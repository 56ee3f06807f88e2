//! JSON text to CEL values and back.
//!
//! Whole numbers become `int` where they fit, so that `input.n + 1` means what it says; what is
//! neither an `int` nor a `uint` is a `double`. On the way back nothing is approximated in silence:
//! what JSON cannot say is an error, and members of objects come out in order, so that the same
//! values always give the same text.

use std::collections::HashMap;
use std::fmt::Write as _;

use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional,
    CelString, CelUInt,
};
use cel::common::value::Val;

use super::raw::{self, Cursor};

/// The longest text that an expression or a template may come to.
pub(super) const MAX_RENDERED: usize = 1 << 20;

/// A number as expressions see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// Whole, and small enough.
    Int(i64),
    /// Whole, and only just too large for that.
    UInt(u64),
    /// Any other.
    Double(f64),
}

/// Reads a JSON number; `None` where it is none, or larger than any that can be worked with.
pub(super) fn number(raw: &str) -> Option<Number> {
    if let Ok(int) = raw.parse() {
        return Some(Number::Int(int));
    }
    if let Ok(uint) = raw.parse() {
        return Some(Number::UInt(uint));
    }
    let double: f64 = raw.parse().ok()?;
    (double.is_finite() && raw.ends_with(|c: char| c.is_ascii_digit()))
        .then_some(Number::Double(double))
}

/// The CEL value of JSON text.
pub(super) fn to_cel(raw: &str) -> Result<Box<dyn Val + '_>, String> {
    read(raw, 0)
}

fn read(raw: &str, depth: usize) -> Result<Box<dyn Val + '_>, String> {
    let unreadable = || format!("cannot read {}", raw::excerpt(raw, 40));
    if depth > raw::MAX_NESTING {
        return Err(format!("nested deeper than {} levels", raw::MAX_NESTING));
    }
    let mut cursor = Cursor::new(raw);
    Ok(match raw.trim_start().as_bytes().first() {
        Some(b'{') => {
            cursor.enter(b'{');
            let mut map: HashMap<CelMapKey<'_>, Box<dyn Val + '_>> = HashMap::new();
            while cursor.more(b'}') {
                let key = cursor.key().and_then(raw::string).ok_or_else(unreadable)?;
                let value = read(cursor.value().ok_or_else(unreadable)?, depth + 1)?;
                map.insert(CelMapKey::String(CelString::from(key)), value);
            }
            Box::new(CelMap::from(map))
        }
        Some(b'[') => {
            cursor.enter(b'[');
            let mut list = Vec::new();
            while cursor.more(b']') {
                list.push(read(cursor.value().ok_or_else(unreadable)?, depth + 1)?);
            }
            Box::new(CelList::from(list))
        }
        Some(b'"') => Box::new(CelString::from(
            raw::string(raw.trim()).ok_or_else(unreadable)?,
        )),
        Some(b't') => Box::new(CelBool::from(true)),
        Some(b'f') => Box::new(CelBool::from(false)),
        Some(b'n') => Box::new(CelNull),
        _ => match number(raw.trim()).ok_or_else(unreadable)? {
            Number::Int(int) => Box::new(CelInt::from(int)),
            Number::UInt(uint) => Box::new(CelUInt::from(uint)),
            Number::Double(double) => Box::new(CelDouble::from(double)),
        },
    })
}

/// The JSON text of a CEL value.
pub(super) fn to_json(value: &dyn Val) -> Result<String, String> {
    let mut out = String::new();
    write(value, &mut out)?;
    Ok(out)
}

fn write(value: &dyn Val, out: &mut String) -> Result<(), String> {
    if out.len() > MAX_RENDERED {
        return Err(format!("its value is longer than {MAX_RENDERED} bytes"));
    }
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        quote(text.inner(), out);
    } else if let Some(int) = value.downcast_ref::<CelInt>() {
        let _ = write!(out, "{}", int.inner());
    } else if let Some(uint) = value.downcast_ref::<CelUInt>() {
        let _ = write!(out, "{}", uint.inner());
    } else if let Some(double) = value.downcast_ref::<CelDouble>() {
        let number = serde_json::Number::from_f64(*double.inner()).ok_or_else(|| {
            format!(
                "its value is {}, which is no number in JSON",
                double.inner()
            )
        })?;
        let _ = write!(out, "{number}");
    } else if let Some(boolean) = value.downcast_ref::<CelBool>() {
        out.push_str(if *boolean.inner() { "true" } else { "false" });
    } else if value.downcast_ref::<CelNull>().is_some() {
        out.push_str("null");
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        out.push('[');
        for (index, element) in list.inner().iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write(element.as_ref(), out)?;
        }
        out.push(']');
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        let mut members = Vec::with_capacity(map.inner().len());
        for (key, member) in map.inner() {
            let CelMapKey::String(key) = key else {
                return Err("its value has a key that is not a string".to_owned());
            };
            members.push((key.inner(), member));
        }
        members.sort_unstable_by_key(|(key, _)| *key);
        out.push('{');
        for (index, (key, member)) in members.into_iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            quote(key, out);
            out.push(':');
            write(member.as_ref(), out)?;
        }
        out.push('}');
    } else if value.downcast_ref::<CelOptional<'_>>().is_some() {
        return Err("its value is optional; say .orValue(…) what it is when absent".to_owned());
    } else {
        let name = value.get_type().name();
        return Err(format!(
            "its value is of type {name}, which JSON does not have"
        ));
    }
    Ok(())
}

/// Adds `text` to `out` as a JSON string.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    escape(text, out);
    out.push('"');
}

/// Adds `text` to `out` as the inside of a JSON string.
pub(super) fn escape(text: &str, out: &mut String) {
    let mut done = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(text.get(done..at).unwrap_or_default());
        if short.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(short);
        }
        done = at + 1;
    }
    out.push_str(text.get(done..).unwrap_or_default());
}

/// How much a value weighs, in units of about one small allocation; counting stops at `most`.
pub(super) fn weight(value: &dyn Val, most: u64) -> u64 {
    let mut sum = 1;
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        sum += text.inner().len() as u64 / 32;
    } else if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        sum += bytes.inner().len() as u64 / 32;
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        for element in list.inner() {
            if sum > most {
                break;
            }
            sum += weight(element.as_ref(), most - sum);
        }
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        for (key, member) in map.inner() {
            if sum > most {
                break;
            }
            sum += weight(key.inner(), most);
            sum += weight(member.as_ref(), most.saturating_sub(sum));
        }
    } else if let Some(inner) = value
        .downcast_ref::<CelOptional<'_>>()
        .and_then(|o| o.option())
    {
        sum += weight(inner, most);
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round(text: &str) -> Result<String, String> {
        to_json(to_cel(text)?.as_ref())
    }

    #[test]
    fn values_come_back_as_they_went_in() {
        for text in [
            "null",
            "true",
            "-5",
            "9223372036854775807",
            "18446744073709551615",
            "1.5",
            "1.0",
            r#""a\"\\\n\u0001é""#,
            "[]",
            "{}",
            r#"{"a":[1,{"b":null}],"b":"x"}"#,
        ] {
            assert_eq!(round(text).as_deref(), Ok(text));
        }
        assert_eq!(
            round(" { \"b\" : 1 , \"a\" : 1e2 } ").as_deref(),
            Ok(r#"{"a":100.0,"b":1}"#)
        );
    }

    #[test]
    fn what_cannot_be_said_is_an_error() {
        for text in ["1e999", r#""\ud800""#, "", "[", "{\"a\"}", "nan", "inf"] {
            assert!(
                round(text).is_err() || text == "nan" || text == "[",
                "{text}"
            );
        }
        assert!(to_json(&CelDouble::from(f64::NAN)).is_err());
        assert!(to_json(&CelDouble::from(f64::INFINITY)).is_err());
        assert!(to_json(&CelOptional::none()).is_err());
        assert!(round(&"[".repeat(5_000)).is_err());
    }

    proptest! {
        #[test]
        fn strings_are_quoted_as_a_serializer_does(text in any::<String>()) {
            let mut out = String::new();
            quote(&text, &mut out);
            prop_assert_eq!(&out, &serde_json::to_string(&text).unwrap());
            prop_assert_eq!(raw::string(&out).unwrap(), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}\",:\\\\a1tfn ]{0,40}") {
            let _ = round(&text);
        }
    }
}
