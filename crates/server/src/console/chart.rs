//! Charts of the last hour as SVG: bars that stand on each other, and lines over round numbers.
//!
//! A chart is a picture for the eye, and says nothing that the table beside it does not. How it looks
//! is the style sheet's: here are classes and attributes alone. Every text in it is escaped here. It
//! knows nothing of sagas.

use std::fmt::{self, Write};

use super::page::Markup;
use super::shape;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 224.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 556.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 196.0;

/// What a chart is about.
pub(super) struct About<'a> {
    /// Unlike every other id of the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    /// Words below the axis, each with its place from 0 at the left to 1 at the right.
    pub(super) below: &'a [(f64, String)],
}

/// One place of a chart of bars.
pub(super) struct Bar {
    /// What is told of it to whoever points at it.
    pub(super) told: String,
    /// What stands on each other, from below.
    pub(super) parts: [u64; 2],
    /// A line across, beside the bars.
    pub(super) mark: Option<u64>,
    /// Whether there is a flag on it.
    pub(super) flag: bool,
    /// Whether all of it is known.
    pub(super) whole: bool,
}

/// One place of a chart of lines: microseconds, from the first line to the last.
pub(super) struct Point {
    pub(super) told: String,
    pub(super) values: [Option<i64>; 3],
    pub(super) whole: bool,
}

/// Bars that stand on each other.
pub(super) fn bars(about: &About<'_>, bars: &[Bar]) -> Markup {
    let height = |bar: &Bar| {
        bar.parts
            .iter()
            .fold(0_u64, |sum, part| sum.saturating_add(*part))
    };
    let most = bars
        .iter()
        .map(|bar| height(bar).max(bar.mark.unwrap_or(0)));
    let ticks = counts(most.max().unwrap_or(0));
    let top = ticks.last().map_or(1.0, |top| *top as f64);
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * (value / top).clamp(0.0, 1.0);
    let lines = ticks.iter().map(|tick| (y(*tick as f64), short(*tick)));
    let step = (RIGHT - LEFT) / bars.len().max(1) as f64;
    let (gap, width) = (step * 0.14, step * 0.72);
    Markup(written(|out| {
        frame(out, about, lines, |out| {
            for (index, bar) in bars.iter().enumerate() {
                let left = LEFT + step * index as f64;
                place(out, left, step, &bar.told, bar.whole)?;
                let mut below = 0.0;
                for (part, class) in bar.parts.iter().zip(["first", "second"]) {
                    let above = below + *part as f64;
                    if *part > 0 {
                        let (low, high) = (y(below), y(above));
                        // What there is at all can be seen.
                        let tall = (low - high).max(1.5);
                        let (x, high) = (left + gap, low - tall);
                        write!(
                            out,
                            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{high:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\"/>"
                        )?;
                        if class == "second" {
                            write!(
                                out,
                                "<rect fill=\"url(#{}-hatch)\" x=\"{x:.1}\" y=\"{high:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\"/>",
                                about.id
                            )?;
                        }
                    }
                    below = above;
                }
                if let Some(mark) = bar.mark {
                    let at = y(mark as f64);
                    let (from, to) = (left + 0.5, left + step - 0.5);
                    write!(
                        out,
                        "<line class=\"mark\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
                    )?;
                }
                if bar.flag {
                    let highest = below.max(bar.mark.unwrap_or(0) as f64);
                    let (x, at) = (left + step / 2.0, (y(highest) - 7.0).max(5.0));
                    write!(
                        out,
                        "<path class=\"flag\" d=\"M{x:.1} {:.1}l4 4-4 4-4-4z\"/>",
                        at - 4.0
                    )?;
                }
                out.write_str("</g>")?;
            }
            Ok(())
        })
    }))
}

/// Lines of durations over a logarithmic axis.
pub(super) fn lines(about: &About<'_>, points: &[Point]) -> Markup {
    let values = || points.iter().flat_map(|point| point.values).flatten();
    let ticks = spans(
        values().min().unwrap_or(1_000),
        values().max().unwrap_or(1_000),
    );
    let low = ticks.first().map_or(0.0, |tick| (*tick as f64).ln());
    let high = ticks.last().map_or(1.0, |tick| (*tick as f64).ln());
    let y = |value: i64| {
        let share = ((value.max(1) as f64).ln() - low) / (high - low);
        BOTTOM - (BOTTOM - TOP) * share.clamp(0.0, 1.0)
    };
    let grid = ticks
        .iter()
        .map(|tick| (y(*tick), shape::round_span(*tick)));
    let step = (RIGHT - LEFT) / points.len().max(1) as f64;
    let x = |index: usize| LEFT + step * (index as f64 + 0.5);
    Markup(written(|out| {
        frame(out, about, grid, |out| {
            for (index, point) in points.iter().enumerate() {
                let left = LEFT + step * index as f64;
                place(out, left, step, &point.told, point.whole)?;
                out.write_str("</g>")?;
            }
            for (line, class) in ["first", "second", "third"].into_iter().enumerate() {
                let mut path = String::new();
                let mut alone = String::new();
                let known = |index: Option<usize>| {
                    let point = points.get(index?)?;
                    point.values.get(line).copied().flatten()
                };
                for index in 0..points.len() {
                    let Some(value) = known(Some(index)) else {
                        continue;
                    };
                    let (x, y) = (x(index), y(value));
                    let before = known(index.checked_sub(1)).is_some();
                    let after = known(index.checked_add(1)).is_some();
                    match (before, after) {
                        // A line of one point would not be seen.
                        (false, false) => {
                            write!(alone, "M{x:.1} {y:.1}h0")?;
                        }
                        (false, true) => write!(path, "M{x:.1} {y:.1}")?,
                        (true, _) => write!(path, "L{x:.1} {y:.1}")?,
                    }
                }
                for (path, kind) in [(path, "line"), (alone, "dot")] {
                    if !path.is_empty() {
                        write!(out, "<path class=\"{kind} {class}\" d=\"{path}\"/>")?;
                    }
                }
            }
            Ok(())
        })
    }))
}

fn written(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut text = String::with_capacity(24 * 1024);
    // Writing to a string does not fail.
    let _ = write(&mut text);
    text
}

/// A place's ground, on which one can point; its group is left open.
fn place(out: &mut String, left: f64, step: f64, told: &str, whole: bool) -> fmt::Result {
    let partial = if whole { "" } else { " partial" };
    write!(out, "<g class=\"place{partial}\"><title>")?;
    escape(out, told)?;
    let tall = BOTTOM - TOP;
    write!(
        out,
        "</title><rect class=\"ground\" x=\"{left:.1}\" y=\"{TOP:.1}\" width=\"{step:.1}\" height=\"{tall:.1}\"/>"
    )
}

/// What is around the data: name, round numbers with their lines, and the words below.
fn frame(
    out: &mut String,
    about: &About<'_>,
    grid: impl Iterator<Item = (f64, String)>,
    data: impl FnOnce(&mut String) -> fmt::Result,
) -> fmt::Result {
    let id = about.id;
    write!(
        out,
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-title {id}-about\">\
         <title id=\"{id}-title\">"
    )?;
    escape(out, about.title)?;
    write!(out, "</title><desc id=\"{id}-about\">")?;
    escape(out, about.description)?;
    write!(
        out,
        "</desc><defs><pattern id=\"{id}-hatch\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect class=\"hatch\" width=\"1.6\" height=\"4\"/></pattern></defs>"
    )?;
    for (index, (y, word)) in grid.enumerate() {
        let class = if index == 0 { "axis" } else { "grid" };
        // Lines of one unit are sharp between two.
        let at = y.round() + 0.5;
        write!(
            out,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">",
            LEFT - 7.0,
            y + 4.0
        )?;
        escape(out, &word)?;
        out.write_str("</text>")?;
    }
    data(out)?;
    for (share, word) in about.below {
        let x = LEFT + (RIGHT - LEFT) * share;
        let class = match share {
            share if *share <= 0.0 => "below start",
            share if *share >= 1.0 => "below end",
            _ => "below",
        };
        write!(
            out,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\">",
            BOTTOM + 19.0
        )?;
        escape(out, word)?;
        out.write_str("</text>")?;
    }
    out.write_str("</svg>")
}

fn escape(out: &mut String, text: &str) -> fmt::Result {
    for sign in text.chars() {
        match sign {
            '&' => out.write_str("&amp;")?,
            '<' => out.write_str("&lt;")?,
            '>' => out.write_str("&gt;")?,
            '"' => out.write_str("&#34;")?,
            '\'' => out.write_str("&#39;")?,
            sign => out.write_char(sign)?,
        }
    }
    Ok(())
}

/// Round numbers from 0 to what is not less than `most`: five steps of 1, 2 or 5 of something
/// at most.
fn counts(most: u64) -> Vec<u128> {
    let most = u128::from(most.max(1));
    let mut unit = 1_u128;
    let step = loop {
        let fits = [1, 2, 5].map(|part| part * unit);
        if let Some(step) = fits.into_iter().find(|step| most.div_ceil(*step) <= 5) {
            break step;
        }
        unit *= 10;
    };
    (0..=most.div_ceil(step)).map(|tick| tick * step).collect()
}

/// Round durations, in microseconds, between which others are easily told.
fn round_spans() -> Vec<i64> {
    const MILLI: i64 = 1_000;
    const SECOND: i64 = 1_000_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    let mut all = Vec::new();
    for unit in [1, 10, 100, MILLI, 10 * MILLI, 100 * MILLI, SECOND] {
        all.extend([1, 2, 5].map(|part| part * unit));
    }
    all.extend([10, 20, 30].map(|seconds| seconds * SECOND));
    all.extend([1, 2, 5, 10, 20, 30].map(|minutes| minutes * MINUTE));
    all.extend([1, 2, 5, 12, 24, 48, 120, 240, 480].map(|hours| hours * HOUR));
    all
}

/// Round durations from what is not more than `least` to what is not less than `most`, six at most.
fn spans(least: i64, most: i64) -> Vec<i64> {
    let all = round_spans();
    let end = all.len() - 1;
    let mut from = all.partition_point(|tick| *tick <= least).saturating_sub(1);
    let mut to = all.partition_point(|tick| *tick < most).min(end);
    // A flat line stands in the middle, not on an edge.
    while to - from < 3 {
        to = (to + 1).min(end);
        from = from.saturating_sub(1);
    }
    let every = (to - from).div_ceil(5);
    // The last one is above all values.
    let to = to + (every - (to - from) % every) % every;
    let mut ticks: Vec<i64> = all[from..].iter().step_by(every).copied().collect();
    ticks.truncate((to - from) / every + 1);
    if ticks.last().is_none_or(|last| *last < all[to.min(end)]) {
        ticks.push(all[end]);
    }
    ticks
}

/// A round number in few signs.
fn short(number: u128) -> String {
    for (unit, name) in [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")] {
        if number >= unit * 10 && number.is_multiple_of(unit) {
            return format!("{}{name}", number / unit);
        }
    }
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_round() {
        for (most, expected) in [
            (0, &[0, 1][..]),
            (1, &[0, 1]),
            (4, &[0, 1, 2, 3, 4]),
            (7, &[0, 2, 4, 6, 8]),
            (11, &[0, 5, 10, 15]),
            (180, &[0, 50, 100, 150, 200]),
            (12_345, &[0, 5_000, 10_000, 15_000]),
        ] {
            assert_eq!(counts(most), expected, "{most}");
        }
        let huge = counts(u64::MAX);
        assert!(*huge.last().unwrap() >= u128::from(u64::MAX) && huge.len() <= 6);
    }

    #[test]
    fn durations_are_round_and_hold_all_values() {
        for (least, most) in [
            (0, 0),
            (1, 1),
            (12_000, 12_000),
            (3_000, 41_000),
            (800, 90_000_000),
            (1, 8 * 86_400_000_000),
            (1, i64::MAX),
            (i64::MAX, i64::MAX),
        ] {
            let ticks = spans(least, most);
            assert!((3..=7).contains(&ticks.len()), "{least} {most}: {ticks:?}");
            assert!(ticks.is_sorted_by(|a, b| a < b), "{ticks:?}");
            assert!(ticks[0] <= least.max(1), "{least}: {ticks:?}");
            let highest = *round_spans().last().unwrap();
            assert!(
                *ticks.last().unwrap() >= most.min(highest),
                "{most}: {ticks:?}"
            );
        }
    }

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (0, "0"),
            (5_000, "5000"),
            (20_000, "20k"),
            (50_000_000, "50M"),
            (20_000_000_000, "20G"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    const ABOUT: About<'_> = About {
        id: "c",
        title: "a <b>",
        description: "\"d\" & 'e'",
        below: &[],
    };

    fn bar(parts: [u64; 2]) -> Bar {
        Bar {
            told: "<script>".to_owned(),
            parts,
            mark: Some(3),
            flag: true,
            whole: false,
        }
    }

    #[test]
    fn what_is_drawn_stays_within_and_is_escaped() {
        let huge = [bar([0, 0]), bar([1, 1]), bar([u64::MAX, u64::MAX])];
        let points = [None, Some(0), Some(i64::MAX)].map(|value| Point {
            told: "<script>".to_owned(),
            values: [value; 3],
            whole: true,
        });
        let none = bars(&ABOUT, &[]).0;
        assert!(none.contains("a &lt;b&gt;") && none.contains("&#34;d&#34; &amp; &#39;e&#39;"));
        for text in [
            none,
            lines(&ABOUT, &[]).0,
            bars(&ABOUT, &huge).0,
            lines(&ABOUT, &points).0,
        ] {
            assert!(!text.contains("<script>"));
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
            assert!(!text.contains("style="));
            for attribute in [" y=\"", " y1=\"", " height=\""] {
                for value in text.split(attribute).skip(1) {
                    let value: f64 = value.split('"').next().unwrap().parse().unwrap();
                    assert!((-0.1..=HEIGHT).contains(&value), "{value}");
                }
            }
        }
    }

    #[test]
    fn a_line_has_gaps_and_a_point_alone_is_seen() {
        let point = |value| Point {
            told: String::new(),
            values: [value, None, None],
            whole: true,
        };
        let points = [Some(5), Some(6), None, Some(7), None, Some(8), Some(9)].map(point);
        let text = lines(&ABOUT, &points).0;
        let path = text.split("class=\"line first\" d=\"").nth(1).unwrap();
        let path = path.split('"').next().unwrap();
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert_eq!(text.matches("class=\"dot first\"").count(), 1);
        assert_eq!(text.matches("second").count(), 0);
    }
}
