//! Lengths of time as people write them: `250ms`, `3s`, `1h30m`.

use settled_protocol::Span;

/// The units, longest first: a text names each at most once, in this order.
const UNITS: [(&str, i64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// Reads a length of time that is longer than nothing; else says what was expected.
pub(super) fn parse(text: &str) -> Result<Span, String> {
    let expected = |why: &str| {
        format!(
            "expected a duration such as \"250ms\", \"3s\", \"10m\" or \"1h30m\", {why} {:?}",
            super::raw::excerpt(text, 40)
        )
    };
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        if number.is_empty() || unit.is_empty() {
            return Err(expected("got"));
        }
        let Some((_, micros)) = units.find(|(name, _)| *name == unit) else {
            return Err(expected(
                "with the units d, h, m, s, ms, us, longest first; got",
            ));
        };
        let length = number
            .parse::<i64>()
            .ok()
            .and_then(|n| n.checked_mul(*micros));
        total = match length.and_then(|length| total.checked_add(length)) {
            Some(total) if total <= Span::MAX.0 => total,
            _ => return Err(expected("of at most 100 years, got")),
        };
        rest = tail;
    }
    if total == 0 {
        Err(expected("longer than zero, got"))
    } else {
        Ok(Span(total))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("250ms", 250),
            ("3s", 3_000),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
            ("1m30s", 90_000),
            ("1h0m1ms", 3_600_001),
        ] {
            assert_eq!(parse(text), Ok(Span::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("36500d"), Ok(Span::MAX));
    }

    #[test]
    fn says_what_it_expected() {
        for text in [
            "",
            "0s",
            "3",
            "s",
            "-1s",
            "1.5s",
            "3 s",
            "1s1m",
            "1s1s",
            "1w",
            "36501d",
            "1S",
            "٣s",
            "99999999999999999999s",
            "1ms1s",
            "m",
            "1h ",
        ] {
            let error = parse(text).expect_err(text);
            assert!(
                error.starts_with("expected a duration such as \"250ms\""),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_displayed_is_read_back(micros in 1..=Span::MAX.0) {
            prop_assert_eq!(parse(&Span(micros).to_string()), Ok(Span(micros)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,12}") {
            let _ = parse(&text);
        }
    }
}
