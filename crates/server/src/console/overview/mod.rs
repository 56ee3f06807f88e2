//! The overview: whether things go well, at a glance. It only shows; what it shows is counted
//! elsewhere.

mod hour;
mod words;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use settled::journal::{CommitCounts, IncidentFilter, IncidentTally, LATENCY_BUCKETS_US, Snapshot};
use settled::protocol::{Span, Timestamp};

use self::hour::Hour;
use self::words::Words;
use super::incidents::Group;
use super::page::{Page, Place, render};
use super::participants::{self, Row};
use super::visitor::Visitor;
use super::words::Common;
use super::{Console, problem, shape};
use crate::api::Problem;

/// How many groups of incidents, and how many participants, are shown.
const TOP: usize = 5;
const MOST_PARTICIPANTS: usize = 8;

const DAY: Span = Span::from_secs(24 * 3_600);

/// How the journal's writer does, since the start.
struct JournalPace {
    per_second: String,
    p99: Option<String>,
}

#[derive(Template)]
#[template(path = "console/overview.html")]
struct OverviewPage<'a> {
    page: Page<'a>,
    common: &'static Common,
    words: &'static Words,
    hour: Hour,
    counts: &'a Snapshot,
    /// How long ago, and when.
    oldest: Option<(String, Timestamp)>,
    in_memory: u64,
    open_calls: u64,
    tally: IncidentTally,
    journal: JournalPace,
    groups: Vec<Group<'a>>,
    participants: &'a [Row<'a>],
}

pub(super) async fn show(State(console): State<Console>, visitor: Visitor) -> Response {
    let (common, words) = (visitor.words(), Words::of(visitor.language));
    let coordinator = console.coordinator();
    let now = coordinator.clock().now();
    let read = async {
        let counts = coordinator.counts().await?;
        let tally = coordinator.incident_tally(now - DAY).await?;
        let groups = match counts.open_incidents {
            0 => Vec::new(),
            _ => {
                coordinator
                    .incident_groups(IncidentFilter::default())
                    .await?
            }
        };
        Ok::<_, Problem>((counts, tally, groups, coordinator.participants().await?))
    };
    let (counts, tally, mut groups, participants) = match read.await {
        Ok(read) => read,
        Err(why) => return problem::from(&visitor, &why),
    };
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    let (in_memory, open_calls) = coordinator.load();
    let minutes = console.api.minutes();
    let began = console.api.began();
    let mut rows = participants::rows(&participants, visitor.language);
    rows.sort_by_key(Row::worry);
    rows.truncate(MOST_PARTICIPANTS);
    let page = Page::new(&console, &visitor, Place::Overview, common.overview);
    let shown = OverviewPage {
        page: page.await.live(),
        common,
        words,
        hour: Hour::new(&minutes, common, words),
        oldest: counts
            .oldest_unsettled
            .map(|at| (shape::span((now - at).0), at)),
        counts: &counts,
        in_memory: in_memory as u64,
        open_calls: open_calls as u64,
        tally,
        journal: pace(&coordinator.journal_stats().counts(), now - began),
        groups: (groups.iter().take(TOP))
            .map(|of| Group::new(of, visitor.language, now, console.api.masked()))
            .collect(),
        participants: &rows,
    };
    render(StatusCode::OK, &shown)
}

fn pace(counts: &CommitCounts, since: Span) -> JournalPace {
    let seconds = (since.0 as f64 / 1e6).max(1.0);
    let wanted = (counts.commits as f64 * 0.99).ceil() as u64;
    let mut passed = 0;
    let bucket = counts.latency.iter().position(|count| {
        passed += count;
        passed >= wanted
    });
    let bound = bucket.and_then(|bucket| LATENCY_BUCKETS_US.get(bucket));
    JournalPace {
        per_second: match counts.commits as f64 / seconds {
            rate if rate < 10.0 => format!("{rate:.1}"),
            rate => shape::count(rate as u64),
        },
        p99: bound
            .filter(|_| counts.commits > 0)
            .map(|bound| shape::span(*bound as i64)),
    }
}
