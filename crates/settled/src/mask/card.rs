//! Card numbers: known by their length, how they begin, how they are grouped, and their check digit.
//!
//! Most runs of digits are something else (an id, a time, an amount), so that each of these must fit.

use super::{MARK, Patched};

/// The fewest and the most digits of a card number.
const LENGTH: std::ops::RangeInclusive<usize> = 13..=19;

/// The most groups that a card number is printed in.
const GROUPS: usize = 5;

/// Masks every card number in a text; none where there is none.
pub(super) fn mask(text: &str) -> Option<String> {
    let mut patched = Patched::new(text);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        match card_at(text, at) {
            Some((end, last_four)) => {
                patched.replace(at, end, &format!("{MARK}{last_four}"));
                at = end;
            }
            None => at = digits_end(bytes, at),
        }
    }
    patched.finish()
}

/// A number as it is shown where it is a card's.
pub(super) fn number(digits: &str) -> Option<String> {
    let is_card = LENGTH.contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && is_card_number(digits.as_bytes());
    let last_four = digits.get(digits.len().checked_sub(4)?..)?;
    is_card.then(|| format!("{MARK}{last_four}"))
}

/// The card number that begins at a place where digits begin: where it ends, and its last four.
fn card_at(text: &str, start: usize) -> Option<(usize, String)> {
    let bytes = text.as_bytes();
    let before = text.get(..start)?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '•');
    if before.ends_with(is_part) {
        return None;
    }
    let mut ends = [0; GROUPS];
    let mut count = 0;
    let mut at = start;
    let mut separator = None;
    loop {
        at = digits_end(bytes, at);
        ends[count] = at;
        count += 1;
        let next = bytes.get(at).copied();
        let goes_on = matches!(next, Some(b' ' | b'-'))
            && separator.is_none_or(|own| Some(own) == next)
            && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !goes_on || count == GROUPS {
            break;
        }
        separator = next;
        at += 1;
    }
    // The longest first: what follows a card number may be digits too.
    (1..=count).rev().find_map(|count| {
        let end = ends[count - 1];
        if !may_end(bytes, end) {
            return None;
        }
        let piece = text.get(start..end)?;
        let lengths: Vec<usize> = piece.split([' ', '-']).map(str::len).collect();
        let digits: Vec<u8> = piece.bytes().filter(u8::is_ascii_digit).collect();
        let fits =
            is_printed_so(&lengths) && LENGTH.contains(&digits.len()) && is_card_number(&digits);
        let last_four = digits.get(digits.len().checked_sub(4)?..)?;
        fits.then(|| (end, last_four.iter().copied().map(char::from).collect()))
    })
}

fn digits_end(bytes: &[u8], from: usize) -> usize {
    let digits = bytes.iter().skip(from);
    from + digits.take_while(|byte| byte.is_ascii_digit()).count()
}

/// Whether a number may be over here: what follows is no part of it.
fn may_end(bytes: &[u8], end: usize) -> bool {
    match bytes.get(end) {
        Some(b'.' | b',') => !bytes.get(end + 1).is_some_and(u8::is_ascii_digit),
        Some(b'-' | b'_') => false,
        Some(byte) => !byte.is_ascii_alphanumeric(),
        None => true,
    }
}

/// In one piece, in fours, or as the two issuers do that group otherwise.
fn is_printed_so(groups: &[usize]) -> bool {
    match groups {
        [_] | [4, 6, 4 | 5] => true,
        [fours @ .., last] => fours.iter().all(|group| *group == 4) && (1..=4).contains(last),
        [] => false,
    }
}

fn is_card_number(digits: &[u8]) -> bool {
    let differ = digits.iter().any(|digit| Some(digit) != digits.first());
    differ && is_issued(digits) && has_check_digit(digits)
}

/// Whether cards of this length begin like this.
fn is_issued(digits: &[u8]) -> bool {
    let first = |count: usize| {
        let start = digits.iter().take(count);
        start.fold(0_u32, |number, digit| {
            number * 10 + u32::from(digit.saturating_sub(b'0'))
        })
    };
    let maestro = matches!(first(2), 50 | 56..=69);
    match digits.len() {
        13 => first(1) == 4 || maestro,
        14 => matches!(first(2), 30 | 36 | 38 | 39) || maestro,
        15 => matches!(first(2), 34 | 37) || maestro,
        16 => {
            first(1) == 4
                || matches!(first(2), 35 | 36 | 51..=55)
                || matches!(first(4), 2200..=2204 | 2221..=2720)
                || maestro
        }
        19 => first(1) == 4 || first(2) == 35 || maestro,
        17 | 18 => first(2) == 35 || maestro,
        _ => false,
    }
}

/// The sum that every card number's last digit makes good.
fn has_check_digit(digits: &[u8]) -> bool {
    let from_the_end = digits.iter().rev().enumerate();
    let sum = from_the_end.fold(0_u32, |sum, (place, digit)| {
        let digit = u32::from(digit.saturating_sub(b'0'));
        sum + match (place % 2, digit * 2) {
            (0, _) => digit,
            (_, twice) if twice > 9 => twice - 9,
            (_, twice) => twice,
        }
    });
    sum.is_multiple_of(10)
}
