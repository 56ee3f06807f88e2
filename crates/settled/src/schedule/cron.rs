//! A cron pattern in a time zone: which moments it names.
//!
//! The pattern speaks of the wall clock, which leaves hours out and repeats them. Time is taken apart
//! into periods in which the zone's offset stays the same; within one, wall time and real time go
//! together, and the pattern is asked about wall time only. It reads no clock, and knows the zones
//! that were built in.
//!
//! * A pattern that names hours has one due time for each wall time that it names: one that the clock
//!   leaves out comes when the clock goes on, one that the clock repeats comes the first time.
//! * A pattern for every hour follows the hours as they pass: what is left out is left out, and what
//!   comes twice is due twice.

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp as Moment};
use settled_protocol::Timestamp;

use crate::definition::Invalid;

/// The longest pattern that is looked at.
const LONGEST: usize = 256;

/// The smallest step between two moments.
const INSTANT: SignedDuration = SignedDuration::from_nanos(1);

const EXPECTED: &str = "expected five fields (minute, hour, day of month, month, day of week) such as \
                        \"0 */4 * * *\", or a nickname such as \"@daily\"";

/// A pattern and the zone whose wall clock it speaks of.
#[derive(Clone, Debug)]
pub(crate) struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
    /// Whether no hour is named.
    every_hour: bool,
}

impl Cron {
    /// Reads a pattern, and finds the zone of this name.
    pub(crate) fn parse(pattern: &str, zone: &str) -> Result<Self, Invalid> {
        let zone = find_zone(zone)?;
        let pattern = find_pattern(pattern)?;
        let every_hour = (0..24).all(|hour| pattern.pattern.hour_match(hour).unwrap_or(false));
        Ok(Self {
            pattern,
            zone,
            every_hour,
        })
    }

    /// The first due time after a moment; none where none comes before the calendar ends.
    pub(crate) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let second = after.0.div_euclid(1_000_000) + 1;
        let mut at = Moment::from_second(second).ok()?;
        loop {
            let offset = self.zone.to_offset(at);
            let ends = self.zone.following(at).next();
            let mut from = offset.to_datetime(at);
            if !self.every_hour
                && let Some(began) = self.zone.preceding(at + INSTANT).next()
            {
                let began = began.timestamp();
                let stopped = self.zone.to_offset(began - INSTANT).to_datetime(began);
                if began == at && self.wall_time(stopped).is_some_and(|wall| wall < from) {
                    // Named, and left out by the clock: now is the first moment after it.
                    return Some(timestamp(at));
                }
                // Up to where the clock was put back, it has been there before.
                from = from.max(stopped);
            }
            let due = offset.to_timestamp(self.wall_time(from)?).ok()?;
            match ends {
                Some(ends) if ends.timestamp() <= due => at = ends.timestamp(),
                _ => return Some(timestamp(due)),
            }
        }
    }

    /// The first wall time at or after this one that the pattern names.
    fn wall_time(&self, from: DateTime) -> Option<DateTime> {
        self.pattern.find_next_occurrence(&from, true).ok()
    }
}

fn timestamp(moment: Moment) -> Timestamp {
    Timestamp(moment.as_microsecond())
}

fn find_zone(name: &str) -> Result<TimeZone, Invalid> {
    TimeZoneDatabase::bundled().get(name).map_err(|_| {
        let name: String = name.chars().take(60).collect();
        let why = format!(
            "expected the name of a time zone such as \"Europe/Berlin\", \"Asia/Shanghai\" or \"UTC\", \
             got {name:?}"
        );
        Invalid::new("timezone", why)
    })
}

fn find_pattern(text: &str) -> Result<croner::Cron, Invalid> {
    let refuse = |why: &str| {
        let shown: String = text.chars().take(60).collect();
        Invalid::new("cron", format!("{EXPECTED}; {why}; got {shown:?}"))
    };
    if text.len() > LONGEST {
        return Err(refuse("this is too long"));
    }
    let fields = text.split_whitespace().count();
    if fields > 5 {
        return Err(refuse(
            "there are no fields for seconds and years: for less than a minute use `every`",
        ));
    }
    if text.trim_start().to_ascii_lowercase().starts_with("@every") {
        return Err(refuse("an interval is said by `every`, such as \"4h\""));
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    let pattern = parser.parse(text).map_err(|error| match error {
        CronError::InvalidPattern(why)
        | CronError::IllegalCharacters(why)
        | CronError::ComponentError(why) => refuse(why.trim_end_matches('.')),
        other => refuse(&other.to_string()),
    })?;
    // A leap year comes within eight years; what does not come from here on never comes.
    let start = DateTime::constant(2000, 1, 1, 0, 0, 0, 0);
    match pattern.find_next_occurrence(&start, true) {
        Ok(_) => Ok(pattern),
        Err(_) => Err(refuse("no day of the calendar is like this")),
    }
}
