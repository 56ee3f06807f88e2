//! Requests and retry policies as they are written, wherever in a step they stand.

use ::http::Method;
use settled_protocol::{Retry, Span};

use super::fields::{self, Fields};
use super::{Invalid, template};

const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
];
const DEFAULT_TIMEOUT: Span = Span::from_secs(10);
const MAX_ATTEMPTS: u32 = 1_000_000;

/// A request as it is written.
#[derive(Debug)]
pub(super) struct CallDraft {
    pub(super) method: Method,
    pub(super) url: String,
    /// Names in lower case, in order.
    pub(super) headers: Vec<(String, String)>,
    /// Canonical JSON.
    pub(super) body: Option<String>,
    pub(super) timeout: Span,
}

/// Reads the members that every request has.
pub(super) fn request(fields: &mut Fields<'_>, method: Method) -> Result<CallDraft, Invalid> {
    let method = match fields.take("method") {
        None => method,
        Some(raw) => {
            let text = fields::string(raw).map(|text| text.to_ascii_uppercase());
            let found = METHODS.iter().find(|m| text.as_deref() == Some(m.as_str()));
            found.cloned().ok_or_else(|| {
                let names = METHODS.map(|m| m.to_string()).join(", ");
                fields.expected("method", &format!("one of {names}"), raw)
            })?
        }
    };
    let url = match fields.string("url")? {
        Some(url) => url.into_owned(),
        None => return Err(fields.missing("url", "an absolute http or https URL")),
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    if let Some(raw) = fields.take("headers") {
        let place = fields.place("headers");
        for (name, value) in fields::free(raw, &place)? {
            let at = fields::member(&place, &name);
            let value =
                fields::string(value).ok_or_else(|| Invalid::new(&at, "expected a string"))?;
            if headers.len() >= 100 {
                return Err(Invalid::new(place, "expected at most 100 headers"));
            }
            headers.push((name.to_ascii_lowercase(), value.into_owned()));
        }
        headers.sort();
        if let Some([(name, _), _]) = headers.windows(2).find(|pair| match pair {
            [(a, _), (b, _)] => a == b,
            _ => false,
        }) {
            return Err(Invalid::new(
                fields::member(&place, name),
                "this header is given twice; names of headers are the same in capitals",
            ));
        }
    }
    let body = match fields.take("body") {
        None => None,
        Some(raw) => {
            let mut text = String::new();
            template::canonical(raw.get(), &fields.place("body"), &mut text)?;
            Some(text)
        }
    };
    let timeout = fields.span("timeout")?.unwrap_or(DEFAULT_TIMEOUT);
    Ok(CallDraft {
        method,
        url,
        headers,
        body,
        timeout,
    })
}

/// Reads a retry policy, where there is one.
pub(super) fn retry(fields: &mut Fields<'_>) -> Result<Option<Retry>, Invalid> {
    let Some(raw) = fields.take("retry") else {
        return Ok(None);
    };
    let mut fields = Fields::object(raw, &fields.place("retry"))?;
    let default = Retry::default();
    let max_attempts = match fields.take("max_attempts") {
        None => default.max_attempts,
        Some(raw) => {
            let number = raw
                .get()
                .parse::<u32>()
                .ok()
                .filter(|n| (1..=MAX_ATTEMPTS).contains(n));
            let expected = format!("a whole number from 1 to {MAX_ATTEMPTS}");
            number.ok_or_else(|| fields.expected("max_attempts", &expected, raw))?
        }
    };
    let factor = match fields.take("factor") {
        None => default.factor,
        Some(raw) => {
            let number = raw.get().parse::<f64>().ok();
            number
                .filter(|n| n.is_finite() && *n >= 1.0)
                .ok_or_else(|| fields.expected("factor", "a number that is at least 1", raw))?
        }
    };
    let (first, most) = (fields.span("first_delay")?, fields.span("max_delay")?);
    // Where only one is given the default of the other makes way for it.
    let (first_delay, max_delay) = match (first, most) {
        (None, None) => (default.first_delay, default.max_delay),
        (Some(first), None) => (first, default.max_delay.max(first)),
        (None, Some(most)) => (default.first_delay.min(most), most),
        (Some(first), Some(most)) if first <= most => (first, most),
        (Some(first), Some(most)) => {
            return Err(Invalid::new(
                fields.place("first_delay"),
                format!("expected no more than max_delay, which is {most}, got {first}"),
            ));
        }
    };
    fields.finish(&["max_attempts", "first_delay", "max_delay", "factor"])?;
    Ok(Some(Retry {
        max_attempts,
        first_delay,
        max_delay,
        factor,
    }))
}
