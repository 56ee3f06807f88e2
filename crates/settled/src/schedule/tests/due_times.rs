//! Which moments a schedule names, beside another way to find them out.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp as Moment};
use proptest::prelude::*;
use settled_protocol::{Span, Timestamp};

use super::super::timing::Passed;
use super::{at, due_times, schedule, shown};

fn cron(pattern: &str, zone: &str) -> super::Schedule {
    schedule(&format!(r#""cron": "{pattern}", "timezone": "{zone}""#))
}

#[test]
fn patterns_mean_what_people_mean_by_them() {
    for (pattern, zone, after, due) in [
        (
            "0 */4 * * *",
            "Asia/Shanghai",
            "2026-11-21T00:00:00Z",
            &["2026-11-21T04:00:00Z", "2026-11-21T08:00:00Z"][..],
        ),
        (
            "30 2 * * MON-FRI",
            "UTC",
            "2026-11-20T02:30:00Z",
            &["2026-11-23T02:30:00Z", "2026-11-24T02:30:00Z"],
        ),
        (
            "0 0 1 JAN,jul *",
            "UTC",
            "2026-02-01T00:00:00Z",
            &["2026-07-01T00:00:00Z", "2027-01-01T00:00:00Z"],
        ),
        (
            "5,10-12,50-59/5 9 * * *",
            "UTC",
            "2026-01-01T00:00:00Z",
            &[
                "2026-01-01T09:05:00Z",
                "2026-01-01T09:10:00Z",
                "2026-01-01T09:11:00Z",
                "2026-01-01T09:12:00Z",
                "2026-01-01T09:50:00Z",
                "2026-01-01T09:55:00Z",
            ],
        ),
        // Where both days are named, either will do.
        (
            "0 0 13 * FRI",
            "UTC",
            "2026-11-01T00:00:00Z",
            &["2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z"],
        ),
        (
            "0 12 * * 7",
            "UTC",
            "2026-11-21T00:00:00Z",
            &["2026-11-22T12:00:00Z", "2026-11-29T12:00:00Z"],
        ),
        (
            "@daily",
            "America/New_York",
            "2026-07-01T00:00:00Z",
            &["2026-07-01T04:00:00Z", "2026-07-02T04:00:00Z"],
        ),
        (
            "@weekly",
            "UTC",
            "2026-11-21T00:00:00Z",
            &["2026-11-22T00:00:00Z"],
        ),
        (
            "@hourly",
            "UTC",
            "2026-11-21T00:00:00Z",
            &["2026-11-21T01:00:00Z"],
        ),
        (
            "@monthly",
            "UTC",
            "2026-11-21T00:00:00Z",
            &["2026-12-01T00:00:00Z"],
        ),
        (
            "@yearly",
            "UTC",
            "2026-11-21T00:00:00Z",
            &["2027-01-01T00:00:00Z"],
        ),
        (
            "0 0 L * *",
            "UTC",
            "2028-02-01T00:00:00Z",
            &["2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"],
        ),
        // No leap day in 2100.
        (
            "0 0 29 2 *",
            "Europe/Berlin",
            "2092-03-01T00:00:00Z",
            &["2096-02-28T23:00:00Z", "2104-02-28T23:00:00Z"],
        ),
    ] {
        let found = due_times(&cron(pattern, zone), after, due.len());
        assert_eq!(found, due, "{pattern} in {zone}");
    }
}

/// In Berlin the clock goes from 2 to 3 on 2027-03-28 and from 3 to 2 on 2027-10-31.
#[test]
fn a_named_hour_comes_once_a_day_whatever_the_clock_does() {
    for (pattern, after, due) in [
        (
            "30 2 * * *",
            "2027-03-27T00:00:00Z",
            &[
                "2027-03-27T01:30:00Z",
                "2027-03-28T01:00:00Z",
                "2027-03-29T00:30:00Z",
            ][..],
        ),
        (
            "*/20 2 * * *",
            "2027-03-28T00:00:00Z",
            &["2027-03-28T01:00:00Z", "2027-03-29T00:00:00Z"],
        ),
        (
            "0 2,3 * * *",
            "2027-03-28T00:00:00Z",
            &["2027-03-28T01:00:00Z", "2027-03-29T00:00:00Z"],
        ),
        (
            "30 2 * * *",
            "2027-10-30T12:00:00Z",
            &["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"],
        ),
        (
            "0 */2 * * *",
            "2027-10-30T23:59:00Z",
            &["2027-10-31T00:00:00Z", "2027-10-31T03:00:00Z"],
        ),
        // Every hour is every hour that passes.
        (
            "30 * * * *",
            "2027-03-28T00:00:00Z",
            &["2027-03-28T00:30:00Z", "2027-03-28T01:30:00Z"],
        ),
        (
            "30 * * * *",
            "2027-10-31T00:00:00Z",
            &[
                "2027-10-31T00:30:00Z",
                "2027-10-31T01:30:00Z",
                "2027-10-31T02:30:00Z",
            ],
        ),
    ] {
        let found = due_times(&cron(pattern, "Europe/Berlin"), after, due.len());
        assert_eq!(found, due, "{pattern}");
    }
}

/// A day that a country has left out: Samoa had no 30 December 2011.
#[test]
fn a_day_that_is_left_out_comes_when_the_clock_goes_on() {
    let found = due_times(
        &cron("0 12 * * *", "Pacific/Apia"),
        "2011-12-29T00:00:00Z",
        3,
    );
    let due = [
        "2011-12-29T22:00:00Z",
        "2011-12-30T10:00:00Z",
        "2011-12-30T22:00:00Z",
    ];
    assert_eq!(found, due);
}

#[test]
fn intervals_are_counted_from_their_anchor() {
    let every = schedule(r#""every": "4h""#);
    let anchor = at("2026-11-21T01:30:00Z");
    for (after, due) in [
        ("2026-11-21T01:30:00Z", "2026-11-21T05:30:00Z"),
        ("2026-11-21T05:29:59Z", "2026-11-21T05:30:00Z"),
        ("2026-11-21T05:30:00Z", "2026-11-21T09:30:00Z"),
        ("2026-01-01T00:00:00Z", "2026-11-21T05:30:00Z"),
        ("2031-11-21T09:30:00Z", "2031-11-21T13:30:00Z"),
    ] {
        let found = every.timing.next_after(anchor, at(after));
        assert_eq!(found.map(shown).as_deref(), Some(due), "after {after}");
    }
    let passed = every
        .timing
        .passed(anchor, anchor, at("2026-11-22T01:29:59Z"));
    let expected = Passed {
        last: at("2026-11-21T21:30:00Z"),
        earlier: 4,
    };
    assert_eq!(passed, Some(expected));
    assert_eq!(every.timing.next_after(anchor, Timestamp(i64::MAX)), None);
}

#[test]
fn of_very_many_that_passed_the_last_is_found() {
    let began = std::time::Instant::now();
    for (pattern, last) in [
        ("* * * * *", "2030-06-01T00:00:00Z"),
        ("*/7 3 * * *", "2030-05-31T01:56:00Z"),
        ("0 0 29 2 *", "2028-02-28T23:00:00Z"),
    ] {
        let passed = cron(pattern, "Europe/Berlin").timing.passed(
            Timestamp(0),
            at("2026-01-01T00:00:00Z"),
            at("2030-06-01T00:00:00Z"),
        );
        assert_eq!(shown(passed.unwrap().last), last, "{pattern}");
    }
    println!("{:?}", began.elapsed());
}

const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Shanghai",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "UTC",
];

/// Moments near which clocks are changed, leap days included.
fn moment() -> impl Strategy<Value = Timestamp> {
    let near = |text: &'static str| {
        (-3_000..3_000_i64).prop_map(move |minutes| at(text) + Span::from_secs(minutes * 60))
    };
    prop_oneof![
        near("2027-03-28T01:00:00Z"),
        near("2027-10-31T01:00:00Z"),
        near("2026-03-08T07:00:00Z"),
        near("2026-11-01T06:00:00Z"),
        near("2026-04-04T15:00:00Z"),
        near("2026-10-03T15:30:00Z"),
        near("2026-09-06T04:00:00Z"),
        near("2026-04-23T22:00:00Z"),
        near("2028-02-29T00:00:00Z"),
        (1_700_000_000..1_900_000_000_i64).prop_map(|seconds| Timestamp(seconds * 1_000_000)),
    ]
}

/// What a field names, as text and as numbers.
type Field = (String, BTreeSet<i8>);

fn field(most: i8) -> impl Strategy<Value = Field> {
    let all = (0..=most).collect::<BTreeSet<i8>>();
    let step = all.clone();
    prop_oneof![
        Just(("*".to_owned(), all)),
        (2..=most / 2).prop_map(move |by| {
            let named = step.iter().copied().filter(|n| n % by == 0).collect();
            (format!("*/{by}"), named)
        }),
        proptest::collection::btree_set(0..=most, 1..4).prop_map(|named| {
            let text: Vec<String> = named.iter().map(ToString::to_string).collect();
            (text.join(","), named)
        }),
    ]
}

/// Due times in the two days after a moment, found by asking for every minute of the wall clock
/// what it means in the zone.
fn by_asking(hours: &Field, minutes: &Field, zone: &TimeZone, after: Timestamp) -> Vec<Timestamp> {
    let after = Moment::from_microsecond(after.0).unwrap();
    let until = after + SignedDuration::from_hours(48);
    let mut wall: DateTime = zone.to_datetime(after - SignedDuration::from_hours(26));
    wall = wall.date().to_datetime(jiff::civil::Time::midnight());
    let end = zone.to_datetime(until + SignedDuration::from_hours(26));
    let every_hour = hours.1.len() == 24;
    let mut due = BTreeSet::new();
    while wall < end {
        if hours.1.contains(&wall.hour()) && minutes.1.contains(&wall.minute()) {
            let moments = zone.to_ambiguous_timestamp(wall);
            match moments.offset() {
                AmbiguousOffset::Unambiguous { .. } => {
                    due.insert(moments.unambiguous().unwrap());
                }
                AmbiguousOffset::Fold { before, after } => {
                    due.insert(before.to_timestamp(wall).unwrap());
                    if every_hour {
                        due.insert(after.to_timestamp(wall).unwrap());
                    }
                }
                AmbiguousOffset::Gap { after, .. } if !every_hour => {
                    // By the later offset this is a moment before the change.
                    let before = after.to_timestamp(wall).unwrap();
                    due.insert(zone.following(before).next().unwrap().timestamp());
                }
                AmbiguousOffset::Gap { .. } => {}
            }
        }
        wall = wall.checked_add(SignedDuration::from_mins(1)).unwrap();
    }
    due.into_iter()
        .filter(|moment| *moment > after && *moment <= until)
        .map(|moment| Timestamp(moment.as_microsecond()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn due_times_are_those_of_the_wall_clock(
        hours in field(23),
        minutes in field(59),
        zone in proptest::sample::select(&ZONES[..]),
        after in moment(),
    ) {
        let schedule = cron(&format!("{} {} * * *", minutes.0, hours.0), zone);
        let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        let expected = by_asking(&hours, &minutes, &zone, after);
        let until = after + Span::from_secs(48 * 3_600);
        let mut found = Vec::new();
        let mut last = after;
        while let Some(due) = schedule.timing.next_after(Timestamp(0), last) {
            if due > until {
                break;
            }
            prop_assert!(due > last);
            found.push(due);
            last = due;
        }
        prop_assert_eq!(&found, &expected);
        let passed = schedule.timing.passed(Timestamp(0), after, until);
        prop_assert_eq!(passed.map(|passed| passed.last), expected.last().copied());
        let earlier = expected.len().saturating_sub(1) as u64;
        prop_assert_eq!(passed.map_or(0, |passed| passed.earlier), earlier);
    }

    #[test]
    fn whenever_one_asks_the_due_times_are_the_same(
        seconds in 1..100_000_i64,
        anchor in moment(),
        after in moment(),
        asked in proptest::collection::vec(0..400_000_i64, 1..8),
    ) {
        let every = schedule(&format!(r#""every": "{seconds}s""#)).timing;
        let first = every.next_after(anchor, after).unwrap();
        prop_assert!(first > after && first > anchor);
        prop_assert_eq!((first - anchor).0 % (seconds * 1_000_000), 0);
        for between in asked {
            // Somebody who starts later finds the same, or one that comes after it.
            let later = after + Span::from_secs(between);
            let due = every.next_after(anchor, later).unwrap();
            prop_assert_eq!((due - first).0 % (seconds * 1_000_000), 0);
            prop_assert!(due > later && (due - later).0 <= seconds * 1_000_000 || due == first);
        }
    }

    #[test]
    fn no_pattern_makes_it_panic(pattern in "[-*/,LW#?0-9A-Z@ ]{0,24}", after in moment()) {
        if let Ok(schedule) = super::Schedule::parse(
            &crate::definition::Definitions::new(),
            super::document(&format!(r#""cron": "{pattern}""#)).as_bytes(),
        ) {
            let due = schedule.timing.next_after(Timestamp(0), after);
            prop_assert!(due.is_none_or(|due| due > after));
        }
    }
}
