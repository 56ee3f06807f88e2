//! What follows `Bearer` and `Basic`, wherever it stands.
//!
//! Both are English words too: what follows is taken for a secret only where it can be one.

use super::text::value_end;
use super::{MARK, Patched};

/// What may follow `Bearer` in a sentence.
const PLAIN: [&str; 7] = [
    "auth",
    "authentication",
    "authorization",
    "scheme",
    "token",
    "tokens",
    "of",
];

/// Masks every such secret; none where there is none.
pub(super) fn mask(text: &str) -> Option<String> {
    let mut patched = Patched::new(text);
    let bytes = text.as_bytes();
    for at in 0..bytes.len() {
        for (word, is_secret) in [
            ("bearer", is_token as fn(&str) -> bool),
            ("basic", is_user_and_password),
        ] {
            let end = at + word.len();
            let is_word = text
                .get(at..end)
                .is_some_and(|found| found.eq_ignore_ascii_case(word))
                && bytes.get(end) == Some(&b' ')
                && (at == 0 || !bytes[at - 1].is_ascii_alphanumeric());
            if !is_word {
                continue;
            }
            let spaces = bytes.iter().skip(end).take_while(|byte| **byte == b' ');
            let start = end + spaces.count();
            let stop = value_end(text, start);
            if text.get(start..stop).is_some_and(is_secret) {
                patched.replace(start, stop, MARK);
            }
        }
    }
    patched.finish()
}

fn is_token(word: &str) -> bool {
    let plain = word.trim_end_matches(['.', ':', '?', '!']);
    !plain.is_empty() && !PLAIN.iter().any(|word| word.eq_ignore_ascii_case(plain))
}

/// Whether the word is `user:password` in base64.
fn is_user_and_password(word: &str) -> bool {
    let mut bits = 0_u32;
    let mut count = 0;
    let mut found = false;
    for byte in word.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return false,
        };
        bits = (bits << 6 | u32::from(six)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            found |= (bits >> count) & 0xff == u32::from(b':');
        }
    }
    found
}
