//! Limits as they are written on a command line: `concurrent:10,per-second:5,breaker:off`.

use settled::engine::{BreakerLimits, Limits};

const EXPECTED: &str = "expected NAME=concurrent:N,per-second:R,breaker:N, with any of the three; \
                        per-second may be `none` and breaker `off`";

/// Reads a participant's name and its limits; what is not said is as for all.
pub(crate) fn one(text: &str) -> Result<(String, Limits), String> {
    let (name, parts) = text.rsplit_once('=').ok_or(EXPECTED)?;
    if name.trim().is_empty() {
        return Err(EXPECTED.to_owned());
    }
    let mut limits = Limits::default();
    for part in parts.split(',') {
        let (what, value) = part.trim().split_once(':').ok_or(EXPECTED)?;
        match what {
            "concurrent" => limits.max_concurrent = concurrent(value)?,
            "per-second" => limits.max_per_second = per_second(value)?,
            "breaker" => limits.breaker = breaker(value)?,
            _ => return Err(EXPECTED.to_owned()),
        }
    }
    limits.check().map_err(|error| error.to_string())?;
    Ok((name.trim().to_owned(), limits))
}

/// Reads how many calls there may be at a time.
pub(crate) fn concurrent(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "concurrent: expected a whole number of at least 1".to_owned())
}

/// Reads a rate.
pub(crate) fn per_second(text: &str) -> Result<Option<f64>, String> {
    if text == "none" {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|number: &f64| *number > 0.0);
    let number = number.ok_or("per-second: expected a number above 0, or none")?;
    Ok(Some(number))
}

/// Reads after how many calls in a row a participant is left alone.
pub(crate) fn breaker(text: &str) -> Result<Option<BreakerLimits>, String> {
    if text == "off" {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|number| *number > 0);
    let failures = number.ok_or("breaker: expected a whole number of at least 1, or off")?;
    Ok(Some(BreakerLimits {
        failures,
        ..BreakerLimits::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_limits() {
        let (name, limits) = one("[::1]:80=concurrent:10,per-second:0.5,breaker:off").unwrap();
        assert_eq!(name, "[::1]:80");
        assert_eq!(limits.max_concurrent, 10);
        assert_eq!(limits.max_per_second, Some(0.5));
        assert_eq!(limits.breaker, None);
        let (_, limits) = one("a=per-second:none, breaker:3").unwrap();
        assert_eq!(limits.max_concurrent, 256);
        assert_eq!(limits.max_per_second, None);
        assert_eq!(limits.breaker.unwrap().failures, 3);
        for text in [
            "",
            "a",
            "=concurrent:1",
            "a=",
            "a=concurrent:0",
            "a=concurrent:x",
            "a=per-second:0",
            "a=per-second:nan",
            "a=per-second:1e9",
            "a=breaker:0",
            "a=other:1",
        ] {
            assert!(one(text).is_err(), "{text}");
        }
    }
}
