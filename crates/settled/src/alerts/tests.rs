//! What is decided about alerts, without a clock and without a receiver.

use settled_journal::{IncidentRow, IncidentTally, Snapshot, Telling, Untold};
use settled_protocol::{Span, Timestamp};

use super::digest::{self, DueDigest};
use super::event::{LONGEST_TEXT, Standing, Voice};
use super::id::{digest_id, reminder_moment, telling_id};
use super::pace::{Lately, MOST_SINGLES, Pace};
use super::{AlertSettings, saga};
use crate::definition::Definitions;
use crate::mask::Mask;
use crate::schedule::Timing;

const SECOND: Span = Span::from_secs(1);
const HOUR: Span = Span::from_secs(3_600);

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

fn row(number: usize, error: &str) -> IncidentRow {
    IncidentRow {
        id: format!("order-{number}~1"),
        saga: format!("order-{number}"),
        name: "order".to_owned(),
        step: "pay".to_owned(),
        direction: "action".to_owned(),
        kind: "unknown_outcome".to_owned(),
        participant: None,
        request_url: None,
        request: None,
        response: None,
        error: error.to_owned(),
        attempts: 3,
        opened_at: at("2026-11-21T08:00:00Z") + Span::from_secs(number as i64),
        state: "open".to_owned(),
        decision: None,
        note: None,
        resolved_by: None,
        resolved_at: None,
    }
}

fn voice(open_total: u64) -> Voice<'static> {
    Voice {
        source: "here",
        console_url: Some("http://c/"),
        open_total,
        mask: Mask::default(),
    }
}

#[test]
fn little_is_told_singly_and_a_storm_together_once_a_minute() {
    let (mut lately, now) = (Lately::default(), at("2026-11-21T08:00:00Z"));
    let opened = Telling::Opened;
    assert_eq!(lately.pace(now, opened, MOST_SINGLES), Pace::Singly);
    assert_eq!(lately.pace(now, opened, MOST_SINGLES + 1), Pace::Together);
    for _ in 0..15 {
        lately.told_singly(now);
    }
    // Those that come one after the other are a storm as well.
    assert_eq!(lately.pace(now + SECOND, opened, 5), Pace::Singly);
    assert_eq!(lately.pace(now + SECOND, opened, 6), Pace::Together);
    let later = now + Span::from_secs(60);
    assert_eq!(lately.pace(later, opened, MOST_SINGLES), Pace::Singly);
    lately.told_together(later, opened);
    let until = later + Span::from_secs(60);
    assert_eq!(lately.pace(until - SECOND, opened, 1), Pace::Later(until));
    assert_eq!(
        lately.pace(until - SECOND, Telling::Resolved, 1),
        Pace::Singly
    );
    assert_eq!(lately.pace(until, opened, 1), Pace::Singly);
}

#[test]
fn the_same_thing_to_tell_has_the_same_id_and_no_other_has() {
    let now = at("2026-11-21T08:00:00Z");
    let id = |telling, incident: &str, moment| telling_id(telling, incident, moment);
    let longest = format!("{}~4294967295", "s".repeat(128));
    let mut all = std::collections::HashSet::new();
    for incident in ["a~1", "a~2", "b~1", &longest] {
        for telling in [Telling::Opened, Telling::Resolved, Telling::Reminder] {
            let made = id(telling, incident, now);
            let later = id(telling, incident, now + HOUR);
            assert_eq!(made == later, telling != Telling::Reminder);
            let fits = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
            assert!(made.len() <= 128 && made.chars().all(fits), "{made}");
            assert!(all.insert(made));
        }
    }
    assert_eq!(digest_id(now), "settled.alert.digest.20261121T080000Z");
}

#[test]
fn a_reminder_that_is_done_again_soon_is_the_same() {
    let opened = at("2026-11-21T08:00:00Z");
    let moment = |after: Span| reminder_moment(opened, HOUR, opened + after);
    assert_eq!(moment(Span(HOUR.0 + 1)), opened + HOUR);
    assert_eq!(moment(Span(2 * HOUR.0 - 1)), opened + HOUR);
    assert_eq!(moment(Span(2 * HOUR.0)), opened + HOUR + HOUR);
    assert_eq!(moment(Span(-5)), opened);
}

#[test]
fn a_digest_is_due_once_a_day_and_not_after_a_day() {
    let daily = Timing::cron("0 9 * * *", "Asia/Shanghai").unwrap();
    let nine = at("2026-11-21T01:00:00Z");
    let found = |done, now| digest::due(&daily, done, now);
    let due = DueDigest {
        since: at("2026-11-20T01:00:00Z"),
        due: nine,
    };
    // At its time, a little later, and at a start the same day.
    for after in [Span::ZERO, SECOND, HOUR, Span(23 * HOUR.0)] {
        assert_eq!(found(Timestamp(0), nine + after), Some(due));
        assert_eq!(found(nine, nine + after), None, "once");
    }
    assert_eq!(
        found(Timestamp(0), nine - SECOND).map(|due| due.due),
        Some(due.since)
    );
    assert_eq!(digest::next(&daily, nine), Some(at("2026-11-22T01:00:00Z")));
    let weekly = Timing::cron("0 9 * * 1", "UTC").unwrap();
    let monday = at("2026-11-23T09:00:00Z");
    let found = digest::due(&weekly, Timestamp(0), monday + HOUR).unwrap();
    assert_eq!(found.since, at("2026-11-16T09:00:00Z"));
    let tuesday = monday + Span(24 * HOUR.0) + SECOND;
    assert_eq!(digest::due(&weekly, Timestamp(0), tuesday), None);
}

#[test]
fn a_storm_is_counted_by_what_is_alike() {
    let rows: Vec<_> = (0..150)
        .map(|n| {
            row(
                n,
                &format!("HTTP {} from order-{n}", if n % 3 == 0 { 500 } else { 503 }),
            )
        })
        .collect();
    let rows: Vec<_> = rows.iter().collect();
    let moment = at("2026-11-21T09:00:00Z");
    let voice = voice(200);
    let event = voice.of_many("id", Telling::Opened, &rows, moment);
    let event = serde_json::to_value(event).unwrap();
    assert_eq!(event["type"], "dev.settled.incidents.opened");
    assert_eq!(event["time"], "2026-11-21T09:00:00Z");
    let data = &event["data"];
    assert_eq!(
        (&data["count"], &data["open_total"]),
        (&150.into(), &200.into())
    );
    assert_eq!(data["incidents"].as_array().unwrap().len(), 100);
    let groups = data["groups"].as_array().unwrap();
    let counted: Vec<_> = groups
        .iter()
        .map(|group| (&group["fault"], &group["count"]))
        .collect();
    let (many, few) = ("HTTP 503 from #".into(), "HTTP 500 from #".into());
    assert_eq!(counted, [(&many, &100.into()), (&few, &50.into())]);
    assert_eq!(groups[1]["oldest_at"], "2026-11-21T08:00:00Z");
}

#[test]
fn an_event_shows_no_more_of_an_error_than_it_may() {
    let mut incident = row(7, &"é".repeat(2_000));
    incident.request = Some(settled_protocol::Json::string("4111"));
    incident.response = Some(settled_protocol::Json::string("4222"));
    let untold = Untold {
        incident,
        telling: Telling::Opened,
    };
    let voice = voice(1);
    let event = voice.of_one("id", &untold, Timestamp(0));
    let text = serde_json::to_string(&event).unwrap();
    assert!(!text.contains("4111") && !text.contains("4222"));
    let event: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(event["data"]["error"], "é".repeat(LONGEST_TEXT));
    assert_eq!(event["data"]["console_url"], "http://c/incidents/order-7~1");
    assert_eq!(event["time"], "2026-11-21T08:00:07Z");
}

#[test]
fn a_digest_counts_between_two_due_times() {
    let due = DueDigest {
        since: at("2026-11-20T01:00:00Z"),
        due: at("2026-11-21T01:00:00Z"),
    };
    let tally = |opened, resolved| IncidentTally { opened, resolved };
    let standing = Standing {
        counts: Snapshot::default(),
        groups: Vec::new(),
        tallies: (tally(9, 5), tally(2, 1)),
    };
    let voice = voice(0);
    let event = serde_json::to_value(voice.digest("id", due, &standing)).unwrap();
    let data = &event["data"];
    assert_eq!((&data["opened"], &data["resolved"]), (&7.into(), &4.into()));
    assert_eq!(data["all_clear"], true);
    assert_eq!(data["since"], "2026-11-20T01:00:00Z");
}

#[test]
fn a_delivery_goes_on_for_about_a_day() {
    let retry = AlertSettings::default().retry;
    let shortest: i64 = (1..retry.max_attempts)
        .map(|tries| retry.delay(tries, 0).0)
        .sum();
    let longest: i64 = (1..retry.max_attempts)
        .map(|tries| retry.delay(tries, u64::MAX).0)
        .sum();
    assert!(
        shortest > 15 * HOUR.0 && longest < 33 * HOUR.0,
        "{shortest} {longest}"
    );
    let definition = saga::definition(&Definitions::new(), &retry).unwrap();
    let step = &definition.plan().steps[0];
    assert_eq!(step.action.retry, retry);
    assert!(step.compensation.is_none() && step.action.check.is_none());
}
