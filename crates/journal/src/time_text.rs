//! Moments as the text that tables hold: RFC 3339, UTC, microseconds, always 27 characters, so that
//! text order is time order.
//!
//! Written by hand because every event has one to three of them. It knows no zone, no leap second
//! and no year outside 0000 to 9999: a moment beyond these is written as the nearest one within.

use std::fmt;

use settled_protocol::Timestamp;

const LEN: usize = 27;
const DAY: i64 = 86_400_000_000;
/// 0000-01-01T00:00:00.000000Z.
const FIRST: i64 = -719_528 * DAY;
/// 9999-12-31T23:59:59.999999Z.
const LAST: i64 = 2_932_897 * DAY - 1;

/// A moment as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeText([u8; LEN]);

impl TimeText {
    pub(crate) fn new(time: Timestamp) -> Self {
        let micros = time.0.clamp(FIRST, LAST);
        let (days, within) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let seconds = within / 1_000_000;
        put(&mut text[0..4], year);
        put(&mut text[5..7], month);
        put(&mut text[8..10], day);
        put(&mut text[11..13], seconds / 3_600);
        put(&mut text[14..16], seconds / 60 % 60);
        put(&mut text[17..19], seconds % 60);
        put(&mut text[20..26], within % 1_000_000);
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        // Digits and punctuation only; the fallback is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for TimeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads back what [`TimeText`] has written; `None` for any other text.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() != LEN {
        return None;
    }
    let year = take(&bytes[0..4])?;
    let month = take(&bytes[5..7])?;
    let day = take(&bytes[8..10])?;
    let seconds =
        take(&bytes[11..13])? * 3_600 + take(&bytes[14..16])? * 60 + take(&bytes[17..19])?;
    let time =
        Timestamp(days(year, month, day) * DAY + seconds * 1_000_000 + take(&bytes[20..26])?);
    // Whatever is not a time of day or a day of the calendar comes out as another text.
    (TimeText::new(time).0 == bytes).then_some(time)
}

fn put(place: &mut [u8], mut number: i64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn take(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + i64::from(digit - b'0'))
    })
}

/// Year, month and day of a day counted from 1970-01-01. Years are taken to begin in March, so that
/// the leap day is the last of its year (Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_another_calendar_says() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let micros = random.i64(FIRST..=LAST);
            let text = TimeText::new(Timestamp(micros));
            let other = jiff::Timestamp::from_microsecond(micros).unwrap();
            assert_eq!(text.as_str(), format!("{other:.6}"));
            assert_eq!(parse(text.as_str()), Some(Timestamp(micros)));
        }
    }

    #[test]
    fn what_lies_beyond_the_calendar_is_kept_within_it() {
        assert_eq!(
            TimeText::new(Timestamp(i64::MIN)).as_str(),
            "0000-01-01T00:00:00.000000Z"
        );
        assert_eq!(
            TimeText::new(Timestamp(i64::MAX)).as_str(),
            "9999-12-31T23:59:59.999999Z"
        );
    }

    #[test]
    fn other_text_is_no_time() {
        for text in [
            "",
            "2026-02-30T00:00:00.000000Z",
            "2026-13-01T00:00:00.000000Z",
            "2026-01-01T24:00:00.000000Z",
            "2026-01-01 00:00:00.000000Z",
            "2026-01-01T00:00:00.000000+",
            "+026-01-01T00:00:00.000000Z",
            "2026-01-01T00:00:00.00000éZ",
            "２026-01-01T00:00:00.0000Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
