//! Where each call stands on the time axis, and what the axis says.
//!
//! The axis is true to time, but for pauses in which nothing is under way: a long one is drawn short
//! and says how long it was, so that milliseconds of work and days of waiting fit on one page. This
//! only reckons; it knows nothing of colours.

use std::collections::BTreeMap;

/// Where the plot begins; names stand to the left of it.
pub(super) const LEFT: i32 = 210;
const PLOT: i32 = 860;
const RIGHT: i32 = 24;
pub(super) const ROW: i32 = 30;
pub(super) const TOP: i32 = 46;
const BOTTOM: i32 = 12;
/// The least width of a bar: it can be seen, and hit.
pub(super) const THIN: i32 = 5;
/// How wide a pause is that is drawn short.
pub(super) const PAUSE: i32 = 66;
/// The most pauses that are drawn short, the longest ones.
const MOST_PAUSES: usize = 6;
/// As many ticks as the axis has, about.
const TICKS: i64 = 7;
/// Two texts on the axis are as far apart, at least.
const TEXT: i32 = 64;

/// Something that took time, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) row: usize,
    pub(super) from: i64,
    pub(super) until: i64,
    /// A wait does not make the axis longer: it may take days.
    pub(super) is_wait: bool,
}

/// A bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
}

/// A text on the axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) x: i32,
    pub(super) text: String,
}

/// The axis and what is on it.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) width: i32,
    pub(super) height: i32,
    /// One for each span.
    pub(super) bars: Vec<Bar>,
    pub(super) ticks: Vec<Tick>,
    /// Pauses that are drawn short: their middles, and how long they were.
    pub(super) pauses: Vec<(i32, i64)>,
}

/// A stretch of the axis.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: i64,
    until: i64,
    is_pause: bool,
    x: f64,
    width: f64,
}

/// Puts the spans on an axis that begins at `start`.
pub(super) fn lay_out(spans: &[Span], rows: usize, start: i64) -> Timeline {
    let stretches = stretches(spans, start);
    let place = |at: i64| {
        let stretch = stretches.iter().find(|stretch| at <= stretch.until);
        let stretch = stretch.or(stretches.last());
        stretch.map_or(0.0, |stretch| {
            let length = (stretch.until - stretch.from).max(1) as f64;
            let share = ((at - stretch.from) as f64 / length).clamp(0.0, 1.0);
            stretch.x + stretch.width * share
        })
    };
    let bars = spans.iter().map(|span| {
        let (x, until) = (
            place(span.from).round() as i32,
            place(span.until).round() as i32,
        );
        let width = (until - x).max(THIN);
        Bar {
            x: LEFT + x.min(PLOT - width),
            y: TOP + span.row as i32 * ROW,
            width,
        }
    });
    Timeline {
        width: LEFT + PLOT + RIGHT,
        height: TOP + rows as i32 * ROW + BOTTOM,
        bars: apart(bars.collect(), spans),
        ticks: ticks(&stretches),
        pauses: stretches
            .iter()
            .filter(|stretch| stretch.is_pause)
            .map(|stretch| {
                let middle = LEFT + (stretch.x + stretch.width / 2.0).round() as i32;
                (middle, stretch.until - stretch.from)
            })
            .collect(),
    }
}

/// Bars that would hide one another where they were made wider than they are stand side by side.
fn apart(mut bars: Vec<Bar>, spans: &[Span]) -> Vec<Bar> {
    let mut ends: BTreeMap<usize, i32> = BTreeMap::new();
    let mut order: Vec<usize> = (0..bars.len()).filter(|at| !spans[*at].is_wait).collect();
    order.sort_by_key(|at| (spans[*at].row, spans[*at].from));
    for at in order {
        let end = ends.entry(spans[at].row).or_insert(i32::MIN);
        let bar = &mut bars[at];
        let right = LEFT + PLOT;
        if bar.x <= *end && *end + 1 + bar.width <= right {
            let moved = *end + 1 - bar.x;
            bar.x += moved;
            bar.width = (bar.width - moved).max(THIN);
        }
        *end = bar.x + bar.width;
    }
    bars
}

/// Takes the time apart into stretches, and shares the width out among them.
fn stretches(spans: &[Span], start: i64) -> Vec<Stretch> {
    let mut busy: Vec<(i64, i64)> = Vec::with_capacity(spans.len() * 2 + 1);
    for span in spans {
        if span.is_wait {
            // Where a wait begins and ends is work of a moment.
            busy.extend([(span.from, span.from), (span.until, span.until)]);
        } else {
            busy.push((span.from, span.until.max(span.from)));
        }
    }
    busy.push((start, start));
    busy.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::new();
    for (from, until) in busy {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => merged.push((from, until)),
        }
    }
    let working: i64 = merged.iter().map(|(from, until)| until - from).sum();
    let mut gaps: Vec<i64> = merged
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].1)
        .collect();
    gaps.sort_unstable_by(|a, b| b.cmp(a));
    let least = gaps.get(MOST_PAUSES).copied().unwrap_or(0);
    let short = |gap: i64| gap > least && gap > (working / 2).max(1_000);
    let mut stretches: Vec<Stretch> = Vec::new();
    let stretch = |from, until, is_pause| Stretch {
        from,
        until,
        is_pause,
        x: 0.0,
        width: 0.0,
    };
    let mut begun = merged.first().map_or(start, |(from, _)| *from);
    for (index, (_, until)) in merged.iter().enumerate() {
        match merged.get(index + 1) {
            Some((next, _)) if !short(next - until) => {}
            Some((next, _)) => {
                stretches.push(stretch(begun, *until, false));
                stretches.push(stretch(*until, *next, true));
                begun = *next;
            }
            None => stretches.push(stretch(begun, *until, false)),
        }
    }
    share_out(&mut stretches);
    stretches
}

fn share_out(stretches: &mut [Stretch]) {
    let length = |stretch: &Stretch| (stretch.until - stretch.from).max(0) as f64;
    let pauses = stretches.iter().filter(|stretch| stretch.is_pause).count();
    let moments = stretches.len() - pauses;
    // Every stretch has room for a bar, however short it was.
    let least = f64::from(THIN * 3);
    let room = f64::from(PLOT) - pauses as f64 * f64::from(PAUSE) - moments as f64 * least;
    let all: f64 = stretches
        .iter()
        .filter(|one| !one.is_pause)
        .map(length)
        .sum();
    let mut x = 0.0;
    for stretch in stretches {
        stretch.x = x;
        stretch.width = if stretch.is_pause {
            f64::from(PAUSE)
        } else {
            least
                + room
                    * if all > 0.0 {
                        length(stretch) / all
                    } else {
                        0.0
                    }
        };
        x += stretch.width;
    }
}

fn ticks(stretches: &[Stretch]) -> Vec<Tick> {
    let all: i64 = stretches
        .iter()
        .filter(|stretch| !stretch.is_pause)
        .map(|stretch| stretch.until - stretch.from)
        .sum();
    let step = nice(all / TICKS);
    let mut ticks: Vec<Tick> = Vec::new();
    let mut free = i32::MIN;
    for (index, stretch) in stretches
        .iter()
        .enumerate()
        .filter(|(_, one)| !one.is_pause)
    {
        let length = stretch.until - stretch.from;
        for elapsed in (0..=length / step).map(|count| count * step) {
            let share = elapsed as f64 / length.max(1) as f64;
            let x = LEFT + (stretch.x + stretch.width * share).round() as i32;
            // After a pause the time begins anew; the first text says so by itself.
            if x < free || (index > 0 && elapsed == 0) {
                continue;
            }
            free = x + TEXT;
            let plus = if index > 0 { "+" } else { "" };
            ticks.push(Tick {
                x,
                text: format!("{plus}{}", label(elapsed, step)),
            });
        }
    }
    ticks
}

/// The least of 1, 2, 5 × 10ⁿ, or of what clocks have, that is not less.
fn nice(least: i64) -> i64 {
    const CLOCK: [i64; 12] = [
        15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200,
    ];
    let least = least.max(100);
    if least > 10_000_000 {
        let seconds = CLOCK.iter().map(|seconds| seconds * 1_000_000);
        let day = 86_400_000_000;
        return seconds
            .into_iter()
            .find(|step| *step >= least)
            .unwrap_or((least / day + 1) * day);
    }
    let mut unit = 100;
    loop {
        for step in [unit, unit * 2, unit * 5] {
            if step >= least {
                return step;
            }
        }
        unit *= 10;
    }
}

/// A moment of the axis whose ticks are so far apart.
fn label(elapsed: i64, step: i64) -> String {
    if elapsed == 0 {
        return "0".to_owned();
    }
    let decimals = |unit: i64| usize::from(step % unit != 0);
    if step < 1_000_000 && elapsed < 1_000_000 {
        return format!("{:.*} ms", decimals(1_000), elapsed as f64 / 1e3);
    }
    match elapsed / 1_000_000 {
        seconds if seconds < 60 && step >= 1_000_000 => format!("{seconds} s"),
        seconds if seconds < 60 => {
            let places = if step >= 100_000 {
                1
            } else if step >= 10_000 {
                2
            } else {
                3
            };
            format!("{:.places$} s", elapsed as f64 / 1e6)
        }
        seconds if seconds < 3_600 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds if seconds < 3_600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        seconds if seconds < 86_400 && seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        seconds if seconds < 86_400 => {
            format!("{}:{:02} h", seconds / 3_600, seconds % 3_600 / 60)
        }
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(row: usize, from: i64, until: i64) -> Span {
        Span {
            row,
            from,
            until,
            is_wait: false,
        }
    }

    #[track_caller]
    fn check(spans: &[Span], timeline: &Timeline) {
        assert_eq!(timeline.bars.len(), spans.len());
        for bar in &timeline.bars {
            assert!(bar.x >= LEFT && bar.width >= THIN, "{bar:?}");
            assert!(bar.x + bar.width <= timeline.width, "{bar:?}");
            assert!(bar.y + ROW <= timeline.height, "{bar:?}");
        }
        for pair in timeline.ticks.windows(2) {
            assert!(pair[1].x - pair[0].x >= TEXT, "{pair:?}");
        }
    }

    #[test]
    fn bars_are_as_long_as_what_they_show() {
        let spans = [
            span(0, 0, 100_000),
            span(1, 100_000, 200_000),
            span(1, 200_000, 400_000),
        ];
        let timeline = lay_out(&spans, 2, 0);
        check(&spans, &timeline);
        let [first, second, third] = timeline.bars[..] else {
            panic!("three bars");
        };
        assert!(
            (third.width - 2 * first.width).abs() < 20,
            "{first:?} {third:?}"
        );
        assert!(second.x >= first.x + first.width - 1);
        assert!(timeline.pauses.is_empty());
        assert_eq!(timeline.ticks[0].text, "0");
        assert_eq!(timeline.ticks[1].text, "100 ms");
    }

    #[test]
    fn very_short_bars_can_be_seen_and_do_not_hide_one_another() {
        let spans: Vec<Span> = (0..40)
            .map(|n| span(0, n * 10, n * 10 + 5))
            .chain([span(1, 0, 10_000_000)])
            .collect();
        let timeline = lay_out(&spans, 2, 0);
        check(&spans, &timeline);
        for pair in timeline.bars[..40].windows(2) {
            assert!(pair[1].x > pair[0].x, "{pair:?}");
        }
    }

    #[test]
    fn a_long_pause_is_drawn_short_and_says_so() {
        let day = 86_400_000_000;
        let spans = [
            span(0, 0, 5_000),
            span(1, 6_000, 12_000),
            Span {
                row: 1,
                from: 12_000,
                until: day,
                is_wait: true,
            },
            span(1, day, day + 9_000),
        ];
        let timeline = lay_out(&spans, 2, 0);
        check(&spans, &timeline);
        assert_eq!(timeline.pauses.len(), 1);
        assert_eq!(timeline.pauses[0].1, day - 12_000);
        assert!(timeline.bars[0].width > 100, "{:?}", timeline.bars);
        assert!(timeline.ticks.iter().any(|tick| tick.text.starts_with('+')));
    }

    #[test]
    fn nothing_and_one_moment_have_a_place_too() {
        check(&[], &lay_out(&[], 0, 7));
        let spans = [span(0, 7, 7)];
        check(&spans, &lay_out(&spans, 1, 7));
        // A clock that was set back.
        let spans = [span(0, 50, 20), span(0, -100, 90)];
        check(&spans, &lay_out(&spans, 1, 40));
    }

    #[test]
    fn the_axis_is_labelled_as_people_say_it() {
        for (elapsed, step, text) in [
            (0, 100, "0"),
            (500, 100, "0.5 ms"),
            (20_000, 20_000, "20 ms"),
            (1_500_000, 500_000, "1.5 s"),
            (2_000_000, 1_000_000, "2 s"),
            (75_000_000, 15_000_000, "1:15 min"),
            (120_000_000, 60_000_000, "2 min"),
            (5_400_000_000, 1_800_000_000, "1:30 h"),
            (172_800_000_000, 86_400_000_000, "2 d"),
        ] {
            assert_eq!(label(elapsed, step), text);
        }
        assert_eq!(nice(1), 100);
        assert_eq!(nice(150_000), 200_000);
        assert_eq!(nice(9_000_000), 10_000_000);
        assert_eq!(nice(11_000_000), 15_000_000);
        assert_eq!(nice(100_000_000_000), 172_800_000_000);
    }
}
