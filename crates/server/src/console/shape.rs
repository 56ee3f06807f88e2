//! How times, spans, numbers and payloads are written for people. Nothing here escapes: templates do.

use std::fmt::Write;

use settled::protocol::{Json, Timestamp};

use super::page::Markup;

/// The longest payload that is shown whole.
pub(super) const LONGEST: usize = 64 * 1024;

/// A moment, as `2026-11-21 08:00:05 UTC`.
pub(super) fn time(at: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A moment as programs read it, for `datetime`.
pub(super) fn machine_time(at: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::MAX);
    format!("{time:.3}")
}

/// A moment as an element that the script puts into the reader's own time zone.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "a template's way of asking"
)]
pub(super) fn moment(at: &Timestamp) -> Markup {
    Markup(format!(
        "<time datetime=\"{}\">{}</time>",
        machine_time(*at),
        time(*at)
    ))
}

/// How long ago, or how long something took: two units at most.
pub(super) fn span(micros: i64) -> String {
    let micros = micros.max(0);
    let millis = micros / 1_000;
    let seconds = millis / 1_000;
    match seconds {
        0 if millis == 0 => format!("{:.2} ms", micros as f64 / 1e3),
        0 if millis < 10 => format!("{:.1} ms", micros as f64 / 1e3),
        0 => format!("{millis} ms"),
        1..10 => format!("{:.2} s", micros as f64 / 1e6),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds, 60, "min", 1, "s"),
        3_600..86_400 => two(seconds, 3_600, "h", 60, "min"),
        _ => two(seconds, 86_400, "d", 3_600, "h"),
    }
}

/// A round span as a word for an axis.
pub(super) fn round_span(micros: i64) -> String {
    const UNITS: [(i64, &str); 5] = [
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "min"),
        (1_000_000, "s"),
        (1_000, "ms"),
    ];
    let unit = UNITS
        .into_iter()
        .find(|(unit, _)| micros >= *unit && micros % unit == 0);
    match unit {
        Some((unit, name)) => format!("{} {name}", micros / unit),
        None => format!("{micros} µs"),
    }
}

fn two(seconds: i64, large: i64, large_name: &str, small: i64, small_name: &str) -> String {
    let rest = seconds % large / small;
    match rest {
        0 => format!("{} {large_name}", seconds / large),
        rest => format!("{} {large_name} {rest} {small_name}", seconds / large),
    }
}

/// A count with its thousands apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A count, as templates ask for it.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "a template's way of asking"
)]
pub(super) fn figure(number: &u64) -> String {
    count(*number)
}

/// A payload over several lines, as far as it is shown.
pub(super) fn payload(json: &Json) -> String {
    pretty(json.as_str())
}

/// JSON over several lines; other text as it is. What would not be seen, or would turn the reading
/// around, is made visible.
pub(super) fn pretty(text: &str) -> String {
    // Parsed as raw values, so that every number keeps its digits.
    let mut shown = String::new();
    indent(text, &mut shown);
    let mut shown = visible(&shown);
    if shown.len() > LONGEST {
        shown.truncate(shown.floor_char_boundary(LONGEST));
        shown.push_str("\n…");
    }
    shown
}

/// JSON over several lines to be edited: all of it, with every sign as it is.
pub(super) fn editable(text: &str) -> String {
    let mut shown = String::new();
    indent(text, &mut shown);
    shown
}

/// Lays JSON out without reading it: strings are passed over whole, so that nothing in them counts.
fn indent(text: &str, out: &mut String) {
    let mut depth = 0_usize;
    let mut signs = text.char_indices().peekable();
    let mut in_string = false;
    let new_line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(100)));
    };
    while let Some((at, sign)) = signs.next() {
        if in_string {
            out.push(sign);
            if sign == '\\' {
                if let Some((_, escaped)) = signs.next() {
                    out.push(escaped);
                }
            } else if sign == '"' {
                in_string = false;
            }
            continue;
        }
        match sign {
            '"' => {
                in_string = true;
                out.push(sign);
            }
            '{' | '[' => {
                out.push(sign);
                let rest = text[at + 1..].trim_start();
                if rest.starts_with(['}', ']']) {
                    while signs.peek().is_some_and(|(_, next)| next.is_whitespace()) {
                        signs.next();
                    }
                    out.extend(signs.next().map(|(_, close)| close));
                } else {
                    depth += 1;
                    new_line(out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(out, depth);
                out.push(sign);
            }
            ',' => {
                out.push(sign);
                new_line(out, depth);
            }
            ':' => out.push_str(": "),
            sign if sign.is_whitespace() => {}
            sign => out.push(sign),
        }
    }
}

/// Signs that are not seen, or that turn the reading around, as what they are called.
pub(super) fn visible(text: &str) -> String {
    let hidden = |sign: char| {
        (sign.is_control() && sign != '\n' && sign != '\t')
            || matches!(sign, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(hidden) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for sign in text.chars() {
        if hidden(sign) {
            // Writing to a string does not fail.
            let _ = write!(shown, "⟨U+{:04X}⟩", sign as u32);
        } else {
            shown.push(sign);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (micros, text) in [
            (-5, "0.00 ms"),
            (950, "0.95 ms"),
            (4_200, "4.2 ms"),
            (42_000, "42 ms"),
            (1_234_000, "1.23 s"),
            (59_999_999, "59 s"),
            (61_000_000, "1 min 1 s"),
            (7_200_000_000, "2 h"),
            (90_000_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(micros), text);
        }
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn json_is_laid_out_and_its_texts_are_left_alone() {
        let text = r#"{"a":[1,2.50,{}],"b,{":"x\"[: ","c":[ ],"n":12345678901234567890}"#;
        let expected = "{\n  \"a\": [\n    1,\n    2.50,\n    {}\n  ],\n  \"b,{\": \"x\\\"[: \",\n  \
                        \"c\": [],\n  \"n\": 12345678901234567890\n}";
        assert_eq!(pretty(text), expected);
        assert_eq!(pretty("\"a\u{202e}b\""), "\"a⟨U+202E⟩b\"");
        assert_eq!(pretty("plain"), "plain");
        assert!(pretty(&"[".repeat(100_000)).len() < LONGEST + 20);
    }
}
