//! Requests as templates: compiled once, checked as far as they are fixed, and rendered.
//!
//! An expression in a URL is percent-encoded, so that a value stays inside the place it was put in:
//! it can add no path, no query and no host. Only an expression that the URL starts with is taken as
//! it is, because it can be nothing but the base of the address.

use ::http::uri::Scheme;
use ::http::{HeaderName, HeaderValue, Method, Uri};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use settled_protocol::{Json, Span};

use super::call::CallDraft;
use super::expression::Values;
use super::names::Vocabulary;
use super::template::{self, JsonTemplate, Piece};
use super::value::MAX_RENDERED;
use super::{Invalid, Rendered, Scope, Unmakeable, fields};
use crate::mask;

/// All but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Headers that belong to the engine or to the connection, and those that start like this.
const RESERVED: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const RESERVED_PREFIX: &str = "settled-";

/// A compiled request.
#[derive(Debug)]
pub(super) struct CallTemplate {
    /// Its place in the document.
    field: String,
    method: Method,
    url: UrlTemplate,
    headers: Vec<(HeaderName, HeaderTemplate)>,
    /// Whether `content-type` is among them.
    typed: bool,
    body: Option<JsonTemplate>,
    timeout: Span,
}

#[derive(Debug)]
enum UrlTemplate {
    Fixed(Uri),
    Pieces(Vec<Piece>),
}

#[derive(Debug)]
enum HeaderTemplate {
    Fixed(HeaderValue),
    Pieces(Vec<Piece>),
}

impl CallTemplate {
    /// Compiles the request at `field`.
    pub(super) fn compile(
        draft: &CallDraft,
        field: String,
        vocabulary: Vocabulary<'_>,
    ) -> Result<Self, Invalid> {
        let url = compile_url(&draft.url, vocabulary)
            .map_err(|why| Invalid::new(fields::member(&field, "url"), why))?;
        let mut headers = Vec::with_capacity(draft.headers.len());
        for (name, value) in &draft.headers {
            let at = fields::member(&fields::member(&field, "headers"), name);
            let header = compile_header(name, value, vocabulary);
            headers.push(header.map_err(|why| Invalid::new(at, why))?);
        }
        let typed = headers
            .iter()
            .any(|(name, _)| name == ::http::header::CONTENT_TYPE);
        let body = match &draft.body {
            None => None,
            Some(body) => Some(JsonTemplate::compile(
                body,
                &fields::member(&field, "body"),
                vocabulary,
            )?),
        };
        let method = draft.method.clone();
        Ok(Self {
            field,
            method,
            url,
            headers,
            typed,
            body,
            timeout: draft.timeout,
        })
    }

    /// Makes the request for these values.
    pub(super) fn render(
        &self,
        scope: &Scope<'_>,
        edited_body: Option<&Json>,
    ) -> Result<Rendered, Unmakeable> {
        let values = Values::new(scope);
        let url = match &self.url {
            UrlTemplate::Fixed(url) => url.clone(),
            UrlTemplate::Pieces(pieces) => render_url(pieces, &values)
                .map_err(|why| Unmakeable::new(fields::member(&self.field, "url"), why))?,
        };
        let mut headers = Vec::with_capacity(self.headers.len() + 1);
        for (name, template) in &self.headers {
            let value = match template {
                HeaderTemplate::Fixed(value) => value.clone(),
                HeaderTemplate::Pieces(pieces) => {
                    render_header(pieces, &values).map_err(|why| {
                        let at = fields::member(&self.field, "headers");
                        Unmakeable::new(fields::member(&at, name.as_str()), why)
                    })?
                }
            };
            headers.push((name.clone(), value));
        }
        let body_json = match (edited_body, &self.body) {
            (Some(edited), template) if mask::has_mark(edited) => {
                let original = template.as_ref().map(|own| own.render(&values));
                let at = fields::member(&self.field, "body");
                let filled = mask::fill(edited, original.transpose()?.as_ref(), &at)
                    .map_err(|unfilled| Unmakeable::new(unfilled.field, unfilled.message))?;
                Some(filled)
            }
            (Some(edited), _) => Some(edited.clone()),
            (None, Some(template)) => Some(template.render(&values)?),
            (None, None) => None,
        };
        if body_json.is_some() && !self.typed {
            let json = HeaderValue::from_static("application/json");
            headers.push((::http::header::CONTENT_TYPE, json));
        }
        let body = body_json.clone().map(|json| Bytes::from_owner(Text(json)));
        let method = self.method.clone();
        Ok(Rendered {
            method,
            url,
            headers,
            body,
            body_json,
            timeout: self.timeout,
        })
    }
}

/// JSON as the owner of its bytes, so that sending it copies nothing.
struct Text(Json);

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.0.as_str().as_bytes()
    }
}

fn compile_url(source: &str, vocabulary: Vocabulary<'_>) -> Result<UrlTemplate, String> {
    let pieces = template::text(source, vocabulary)?;
    let mut shape = String::new();
    for piece in &pieces {
        match piece {
            Piece::Literal(text) => shape.push_str(text),
            // What stands for a value in the check of the rest: valid wherever a value may be.
            Piece::Expression(_) => shape.push_str(if shape.is_empty() { "http://0" } else { "0" }),
        }
    }
    let url = check_url(shape)?;
    match pieces.as_slice() {
        [] | [Piece::Literal(_)] => Ok(UrlTemplate::Fixed(url)),
        _ => Ok(UrlTemplate::Pieces(pieces)),
    }
}

/// Checks a whole URL.
fn check_url(text: String) -> Result<Uri, String> {
    let shown = super::raw::excerpt(&text, 120).into_owned();
    let expected =
        |what: &str| format!("expected an absolute http or https URL{what}, got {shown:?}");
    if text.contains('#') {
        return Err(expected(" without a fragment (#…)"));
    }
    if !text.is_ascii() {
        return Err(expected(" with all but ASCII percent-encoded"));
    }
    let url = Uri::try_from(text).map_err(|_| expected(""))?;
    if !matches!(url.scheme(), Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
    {
        return Err(expected(""));
    }
    match url.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err(expected(" without a user or password in it"))
        }
        Some(authority) if authority.host().is_empty() => Err(expected(" with a host")),
        // The parser takes any digits for a port, and a colon without one.
        Some(authority)
            if authority.port_u16().is_none()
                && authority.as_str().len() > authority.host().len() =>
        {
            Err(expected(" with a port from 0 to 65535, or none"))
        }
        Some(_) => Ok(url),
        None => Err(expected(" with a host")),
    }
}

fn render_url(pieces: &[Piece], values: &Values<'_, '_>) -> Result<Uri, String> {
    let mut out = String::with_capacity(128);
    let mut in_path = true;
    for piece in pieces {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Expression(expression) => {
                let value = expression.evaluate(values)?.into_text(false)?;
                if out.is_empty() {
                    out.push_str(&value);
                } else if value.is_empty() && in_path {
                    return Err(
                        "a value in its path is empty, which would address something else"
                            .to_owned(),
                    );
                } else {
                    out.extend(utf8_percent_encode(&value, ENCODED));
                }
            }
        }
        in_path = in_path && !out.contains('?');
        if out.len() > MAX_RENDERED {
            return Err("it is too long".to_owned());
        }
    }
    let url = check_url(out)?;
    if url
        .path()
        .split('/')
        .any(|segment| matches!(segment, "." | ".."))
    {
        return Err("a value makes its path lead elsewhere (`.` or `..`)".to_owned());
    }
    Ok(url)
}

fn compile_header(
    name: &str,
    value: &str,
    vocabulary: Vocabulary<'_>,
) -> Result<(HeaderName, HeaderTemplate), String> {
    if RESERVED.contains(&name) || name.starts_with(RESERVED_PREFIX) {
        return Err("this header is set by Settled or by the connection; leave it out".to_owned());
    }
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| "expected the name of a header".to_owned())?;
    let mut pieces = template::text(value, vocabulary)?;
    for piece in &pieces {
        if let Piece::Literal(text) = piece {
            header_value(text.clone())?;
        }
    }
    let fixed = match pieces.as_slice() {
        [] => Some(String::new()),
        [Piece::Literal(_)] => match pieces.pop() {
            Some(Piece::Literal(text)) => Some(text),
            _ => None,
        },
        _ => None,
    };
    let template = match fixed {
        Some(text) => HeaderTemplate::Fixed(header_value(text)?),
        None => HeaderTemplate::Pieces(pieces),
    };
    Ok((name, template))
}

fn header_value(text: String) -> Result<HeaderValue, String> {
    HeaderValue::from_maybe_shared(Bytes::from(text))
        .map_err(|_| "expected text without control characters".to_owned())
}

fn render_header(pieces: &[Piece], values: &Values<'_, '_>) -> Result<HeaderValue, String> {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Expression(expression) => {
                out.push_str(&expression.evaluate(values)?.into_text(false)?);
            }
        }
        if out.len() > 16_384 {
            return Err("it is longer than 16384 bytes".to_owned());
        }
    }
    header_value(out)
}

#[cfg(test)]
#[path = "tests/request.rs"]
mod tests;
