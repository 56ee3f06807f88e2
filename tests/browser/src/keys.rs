//! Keys that are not signs, as the browser calls them.

/// A key to press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// To the next field.
    Tab,
    /// To the one before.
    BackTab,
    /// Follows a link, presses a button, sends a form.
    Enter,
    /// Ticks a box, presses a button.
    Space,
    /// To the next choice.
    Down,
    /// To the choice before.
    Up,
}

/// How the browser is told of a key.
pub(crate) struct Stroke {
    pub(crate) key: &'static str,
    pub(crate) code: &'static str,
    pub(crate) number: u32,
    pub(crate) text: &'static str,
    pub(crate) shift: bool,
}

impl Key {
    pub(crate) const fn stroke(self) -> Stroke {
        let (key, code, number, text) = match self {
            Self::Tab | Self::BackTab => ("Tab", "Tab", 9, ""),
            Self::Enter => ("Enter", "Enter", 13, "\r"),
            Self::Space => (" ", "Space", 32, " "),
            Self::Down => ("ArrowDown", "ArrowDown", 40, ""),
            Self::Up => ("ArrowUp", "ArrowUp", 38, ""),
        };
        Stroke {
            key,
            code,
            number,
            text,
            shift: matches!(self, Self::BackTab),
        }
    }
}
