//! Two texts side by side, where the screen is wide enough for both.

use std::io::IsTerminal;

use super::table::width as columns;
use super::{Tint, paint, plain_lines};

/// Narrower than this, two columns are harder to read than one.
const NARROWEST: usize = 80;

const BETWEEN: &str = " │ ";

/// How many columns the screen has: what `COLUMNS` says, else the terminal. None where the result
/// goes elsewhere.
pub(crate) fn width() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok();
    let said = said.and_then(|text| text.parse().ok());
    let stdout = std::io::stdout();
    said.or_else(|| {
        let is_terminal = stdout.is_terminal();
        let size = is_terminal.then(|| terminal_size::terminal_size_of(&stdout));
        size.flatten().map(|(width, _)| usize::from(width.0))
    })
}

/// Two texts of others, each under its heading: side by side within so many columns, or one below
/// the other.
pub(crate) fn beside(left: (&str, &str), right: (&str, &str), width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| *width >= NARROWEST) else {
        let one = |(heading, text): (&str, &str)| {
            format!("{}\n{}\n", paint(Tint::Head, heading), plain_lines(text))
        };
        return format!("{}\n{}", one(left), one(right));
    };
    // The widest screens gain nothing by lines that reach from end to end.
    let room = (width.min(240) - columns(BETWEEN)) / 2;
    let (left_lines, right_lines) = (folded(left.1, room), folded(right.1, room));
    let mut text = String::new();
    let mut put = |tint: Tint, left: &str, right: &str| {
        let gap = " ".repeat(room.saturating_sub(columns(left)));
        let line = format!("{}{gap}{BETWEEN}{}", paint(tint, left), paint(tint, right));
        text.push_str(line.trim_end());
        text.push('\n');
    };
    put(Tint::Head, left.0, right.0);
    for index in 0..left_lines.len().max(right_lines.len()) {
        let line = |lines: &[String]| lines.get(index).cloned().unwrap_or_default();
        put(Tint::Plain, &line(&left_lines), &line(&right_lines));
    }
    text
}

/// The lines of a text, none wider than there is room.
fn folded(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in plain_lines(text).lines() {
        let mut part = String::new();
        let mut taken = 0;
        for sign in line.chars() {
            let wide = columns(sign.encode_utf8(&mut [0; 4]));
            if taken + wide > room {
                lines.push(std::mem::take(&mut part));
                taken = 0;
            }
            part.push(sign);
            taken += wide;
        }
        lines.push(part);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(left: &str, right: &str, width: Option<usize>) -> String {
        let text = beside(("l", left), ("r", right), width);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn two_texts_share_the_screen() {
        let long = "x".repeat(50);
        let text = shown(&format!("a\n{long}"), "日本\u{1b}[2J\nb\nc\nd", Some(83));
        let gap = |count: usize| " ".repeat(count);
        let expected = [
            format!("l{} │ r", gap(39)),
            format!("a{} │ 日本[2J", gap(39)),
            format!("{} │ b", "x".repeat(40)),
            format!("{}{} │ c", "x".repeat(10), gap(30)),
            format!("{} │ d", gap(40)),
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn without_room_they_follow_each_other() {
        for width in [None, Some(79)] {
            assert_eq!(shown("a\nb", "c", width), "l\na\nb\n\nr\nc\n");
        }
        assert!(shown("", "", Some(80)).starts_with('l'));
    }
}
