//! Lengths of time in query parameters, written as in a saga's document: `250ms`, `3s`, `1m30s`.

use std::time::Duration;

/// The units, longest first: a text names each at most once, in this order.
const UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// Reads a length of time; none where the text is not one.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let (_, micros) = units.find(|(name, _)| *name == unit)?;
        let length = number.parse::<u64>().ok()?.checked_mul(*micros)?;
        total = total.checked_add(length)?;
        rest = tail;
    }
    Some(Duration::from_micros(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_nothing_else() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "s1",
            "1s1m",
            "1x",
            "99999999999999999999s",
            "ten",
            "1s!",
            "٣s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
