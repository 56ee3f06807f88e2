//! Tables for people: columns as wide as what is in them.

use super::tint::{Tint, paint};
use super::{cut, plain};

/// A cell is never wider than this.
const WIDEST: usize = 64;

/// Rows of text under a heading.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<(Tint, String)>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(heading: &[&str]) -> Self {
        let heading = heading.iter().map(|text| (Tint::Head, (*text).to_owned()));
        Self {
            rows: vec![heading.collect()],
        }
    }

    /// Adds a row; the text may be anybody's.
    pub(crate) fn row<'a>(&mut self, cells: impl IntoIterator<Item = (Tint, &'a str)>) {
        let cells = cells
            .into_iter()
            .map(|(tint, text)| (tint, cut(&plain(text), WIDEST)));
        self.rows.push(cells.collect());
    }

    /// The lines, each after `indent`.
    pub(crate) fn render(&self, indent: &str) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|(_, text)| width(text)).max().unwrap_or_default()
            })
            .collect();
        let mut lines = String::new();
        for row in &self.rows {
            lines.push_str(indent);
            for (index, ((tint, text), wide)) in row.iter().zip(&widths).enumerate() {
                lines.push_str(&paint(*tint, text));
                if index + 1 < row.len() {
                    let gap = wide.saturating_sub(width(text)) + 2;
                    lines.extend(std::iter::repeat_n(' ', gap));
                }
            }
            lines.push('\n');
        }
        lines
    }
}

/// How many columns of a terminal a text takes: characters of East Asian scripts take two.
pub(super) fn width(text: &str) -> usize {
    text.chars()
        .map(|sign| match sign as u32 {
            0x0300..=0x036f => 0,
            0x1100..=0x115f
            | 0x2e80..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60
            | 0xffe0..=0xffe6
            | 0x1f300..=0x1faff
            | 0x20000..=0x3fffd => 2,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["id", "state"]);
        table.row([(Tint::Plain, "order-1"), (Tint::Good, "completed")]);
        table.row([(Tint::Plain, "日本\x1b[31m"), (Tint::Bad, "stuck")]);
        let text = anstream::adapter::strip_str(&table.render("  ")).to_string();
        assert_eq!(
            text,
            "  id        state\n  order-1   completed\n  日本[31m  stuck\n"
        );
    }
}
