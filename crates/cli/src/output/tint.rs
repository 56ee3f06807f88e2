//! Colours by meaning.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tint {
    /// All is well.
    Good,
    /// Under way.
    Going,
    /// Went back, as it should.
    Back,
    /// Wrong, or in need of a person.
    Bad,
    /// What something is called.
    Head,
    /// Of less interest.
    Dim,
    /// Nothing special.
    Plain,
}

impl Tint {
    /// The tint of a state of a saga, step or incident.
    pub(crate) fn of_state(state: &str) -> Self {
        match state {
            "completed" | "done" | "resolved" => Self::Good,
            "running" | "pending" => Self::Going,
            "compensating" | "compensated" | "refused" | "not_sent" => Self::Back,
            "stuck" | "unknown" | "compensation_failed" | "open" => Self::Bad,
            "waiting" | "skipped" | "abandoned" => Self::Dim,
            _ => Self::Plain,
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Going => AnsiColor::Cyan.on_default(),
            Self::Back => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Head => Style::new().bold(),
            Self::Dim => Style::new().dimmed(),
            Self::Plain => Style::new(),
        }
    }
}

/// The text in the colours of its meaning; the stream that it goes to decides whether they are seen.
pub(crate) fn paint(tint: Tint, text: &str) -> String {
    let style = tint.style();
    format!("{style}{text}{style:#}")
}

impl fmt::Display for Tint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.style())
    }
}
