//! What people and programs get to see: results on standard output, everything else on standard
//! error.
//!
//! Text that others wrote (ids, inputs, answers of participants) never steers the terminal: control
//! characters are taken out. Colours are for terminals only, and `NO_COLOR` is honoured. A
//! closed pipe is no failure.

mod beside;
mod saga;
mod table;
mod tint;

use std::io::{self, Write};

use clap::ValueEnum;

pub(crate) use self::beside::{beside, width};
pub(crate) use self::saga::{Saga, state_exit};
pub(crate) use self::table::Table;
pub(crate) use self::tint::{Tint, paint};
use crate::error::CliError;

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Writes a result to standard output, at once. Escape sequences in it are our own colours: they
/// are dropped where nobody could see them.
///
/// # Errors
/// [`CliError::Closed`] where nobody reads any more.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|source| match source.kind() {
            io::ErrorKind::BrokenPipe => CliError::Closed,
            _ => CliError::System {
                what: "the result cannot be written",
                source,
            },
        })
}

/// Writes JSON for programs, as it is, and ends the line. On a terminal what could steer it is
/// written as JSON's own escapes: JSON allows no control characters, but for the others.
///
/// # Errors
/// As [`print()`].
pub(crate) fn print_json(json: &str) -> Result<(), CliError> {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(json.len() + 1);
    for sign in json.chars() {
        if steers(sign) && !matches!(sign, '\n' | '\r' | '\t') {
            let _ = write!(text, "\\u{:04x}", sign as u32);
        } else {
            text.push(sign);
        }
    }
    text.push('\n');
    print(&text)
}

/// Says something to the person, beside the result. Nobody to hear it is no failure.
pub(crate) fn say(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// The one line that a failed command leaves behind.
pub(crate) fn complain(error: &impl std::fmt::Display) {
    let text = plain(&error.to_string());
    let _ = writeln!(
        anstream::stderr(),
        "{} {text}",
        paint(Tint::Bad, "settled:")
    );
}

/// Text of others on one line: control characters, and what changes the direction of writing, are
/// taken out; line breaks become spaces.
pub(crate) fn plain(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '\n' | '\r' | '\t' => line.push(' '),
            sign if steers(sign) => {}
            sign => line.push(sign),
        }
    }
    line
}

/// Text of others, line breaks kept.
pub(crate) fn plain_lines(text: &str) -> String {
    text.chars()
        .filter(|sign| *sign == '\n' || !steers(*sign))
        .collect()
}

/// A time of the API without what is less than a second.
pub(crate) fn to_the_second(time: &str) -> &str {
    time.get(..19).unwrap_or(time)
}

fn steers(sign: char) -> bool {
    sign.is_control()
        || matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The beginning of a text, where it is too long.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        let text = "a\x1b[2Jb\x07\u{9b}31mc\u{202e}d\ne\u{7f}";
        assert_eq!(plain(text), "a[2Jb31mcd e");
        assert_eq!(plain_lines("x\x1b\ny"), "x\ny");
        assert_eq!(plain("größe ✓ 日本"), "größe ✓ 日本");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(cut("日本語", 3), "日本語");
        assert_eq!(cut("日本語x", 3), "日本…");
    }
}
