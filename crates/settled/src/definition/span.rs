//! Lengths of time as people write them: `250ms`, `3s`, `1h30m`.

use settled_protocol::Span;

/// Reads a length of time that is longer than nothing; else says what was expected.
pub(super) fn parse(text: &str) -> Result<Span, String> {
    Span::parse(text).filter(|span| *span > Span::ZERO).ok_or_else(|| {
        format!(
            "expected a duration such as \"250ms\", \"3s\", \"10m\" or \"1h30m\", longer than zero and \
             at most 100 years, with the units d, h, m, s, ms, us in this order; got {:?}",
            super::raw::excerpt(text, 40)
        )
    })
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
