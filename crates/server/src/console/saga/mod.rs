//! One saga: what it is to do as a picture, what was done on a time axis, and every call with what
//! was sent and what came back.
//!
//! All that came from elsewhere passes [`shown_payload`] or [`shown_text`] before it is shown.

mod cancel;
mod diagram;
mod history;
mod page;
mod picture;
mod timeline;
mod words;

use settled::protocol::Json;

use super::shape;

pub(super) use cancel::cancel;
pub(super) use page::show;

/// A payload as a page shows it, as far as it is shown.
pub(super) fn shown_payload(json: &Json) -> String {
    let text = json.as_str();
    if text.len() <= shape::LONGEST {
        return shape::payload(json);
    }
    // What is not shown need not be laid out.
    let end = text.floor_char_boundary(shape::LONGEST);
    let mut shown = shape::pretty(&text[..end]);
    if !shown.ends_with('…') {
        shown.push_str("\n…");
    }
    shown
}

/// An address, a header, an error: a text that came from elsewhere, as a page shows it.
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
        let shown = shown_payload(&long);
        assert!(shown.len() < shape::LONGEST + 20 && shown.ends_with('…'));
        assert!(shown_text(&"é".repeat(400_000)).ends_with('…'));
        assert_eq!(shown_text("a\u{202e}b\0"), "a⟨U+202E⟩b⟨U+0000⟩");
    }
}
