//! One saga: what it is to do as a picture, what was done on a time axis, and every call with what
//! was sent and what came back.
//!
//! All that came from elsewhere passes [`shown_payload`], [`masked_text`] or [`shown_text`] before it is shown.

mod cancel;
mod diagram;
mod history;
mod page;
mod picture;
mod timeline;
mod words;

use settled::protocol::Json;

use super::shape;
use crate::view::Shown as Payloads;

pub(super) use cancel::cancel;
pub(super) use page::show;

/// A payload as a page shows it, as far as it is shown.
pub(super) fn shown_payload(json: &Json, how: Payloads<'_>) -> String {
    let json = how.json(json);
    let text = json.as_str();
    if text.len() <= shape::LONGEST {
        return shape::payload(&json);
    }
    // What is not shown need not be laid out.
    let end = text.floor_char_boundary(shape::LONGEST);
    let mut shown = shape::pretty(&text[..end]);
    if !shown.ends_with('…') {
        shown.push_str("\n…");
    }
    shown
}

/// An error or a note, as a page shows it.
pub(super) fn masked_text(text: &str, how: Payloads<'_>) -> String {
    shown_text(&how.text(text))
}

/// A name that came from elsewhere, as a page shows it.
pub(super) fn shown_text(text: &str) -> String {
    let end = text.floor_char_boundary(shape::LONGEST);
    let mut shown = shape::visible(&text[..end]);
    if end < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_and_says_so() {
        let long = Json::from_valid(format!("\"{}\"", "日".repeat(400_000)));
        let shown = shown_payload(&long, Payloads::WHOLE);
        assert!(shown.len() < shape::LONGEST + 20 && shown.ends_with('…'));
        assert!(shown_text(&"é".repeat(400_000)).ends_with('…'));
        assert_eq!(shown_text("a\u{202e}b\0"), "a⟨U+202E⟩b⟨U+0000⟩");
    }
}
