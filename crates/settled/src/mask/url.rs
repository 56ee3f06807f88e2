//! URLs: masked piece by piece, so that what is left is still the URL that it was.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{MARK, Mask, Patched, card};

/// Masks a URL.
pub(super) fn mask<'a>(mask: &Mask, url: &'a str) -> Cow<'a, str> {
    let mut patched = Patched::new(url);
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(after_scheme..).unwrap_or_default();
    let path = after_scheme + rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if mask.0.by_looks
        && after_scheme > 0
        && let Some((start, end)) = password(url, after_scheme, path)
    {
        patched.replace(start, end, MARK);
    }
    let query = url.find('?').filter(|at| *at >= path);
    if mask.0.by_looks {
        let end = query.unwrap_or(url.len());
        let text = url.get(path..end).unwrap_or_default();
        if let Some(masked) = card::mask(text) {
            patched.replace(path, end, &masked);
        }
    }
    if let Some(query) = query {
        let mut at = query + 1;
        for pair in url.get(at..).unwrap_or_default().split(['&', ';']) {
            let end = at + pair.len();
            if let Some((name, value)) = pair.split_once('=') {
                let start = at + name.len() + 1;
                if !value.is_empty() && mask.is_masked(&decoded(name)) {
                    patched.replace(start, end, MARK);
                } else if mask.0.by_looks
                    && let Some(masked) = masked_value(mask, value)
                {
                    patched.replace(start, end, &masked);
                }
            }
            at = end + 1;
        }
    }
    patched.finish().map_or(Cow::Borrowed(url), Cow::Owned)
}

/// Where the password is in `user:password@host`; one without a user is a token.
pub(super) fn password(text: &str, start: usize, end: usize) -> Option<(usize, usize)> {
    let (who, _) = text.get(start..end)?.rsplit_once('@')?;
    let password = who.find(':').map_or(0, |colon| colon + 1);
    (password < who.len()).then_some((start + password, start + who.len()))
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// What is secret in a parameter's value by its looks; only then is it written anew.
fn masked_value(mask: &Mask, value: &str) -> Option<String> {
    if value.len() < 7 {
        return None;
    }
    let value = decoded(value);
    match mask.text(&value) {
        Cow::Owned(masked) => Some(
            masked
                .replace('%', "%25")
                .replace('&', "%26")
                .replace('+', "%2B")
                .replace('#', "%23")
                .replace(';', "%3B")
                .replace(' ', "+"),
        ),
        Cow::Borrowed(_) => None,
    }
}
