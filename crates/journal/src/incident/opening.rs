//! What an `incident_opened` event says, as columns of the incident table.

use settled_protocol::{AnswerRecord, Evidence, IncidentKind, Json, RequestRecord};

use crate::encode::{Object, write_string};

/// What an `incident_opened` event says, as columns.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) kind: &'static str,
    pub(crate) participant: Option<String>,
    pub(crate) request_url: Option<String>,
    pub(crate) request: Option<Json>,
    pub(crate) response: Option<Json>,
    pub(crate) error: String,
    pub(crate) attempts: u32,
}

impl Opening {
    pub(crate) fn new(kind: IncidentKind, evidence: &Evidence) -> Self {
        let request = evidence.request.as_deref();
        Self {
            kind: kind.as_str(),
            participant: request.and_then(|request| participant(&request.url)),
            request_url: request.map(|request| request.url.clone()),
            request: request.map(request_json),
            response: evidence.answer.as_ref().and_then(response_json),
            error: evidence.error.clone(),
            attempts: evidence.attempts,
        }
    }
}

/// An incident's id.
pub(crate) fn incident_id(saga: &str, number: u32) -> String {
    format!("{saga}~{number}")
}

/// The scheme of the calls that are Rust functions: `fn://<participant>/<step>`.
const FUNCTION_SCHEME: &str = "fn";

/// `host:port` of a URL, with the scheme's own port where none is written.
fn participant(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if scheme == FUNCTION_SCHEME {
        return rest.split('/').next().map(str::to_owned);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if authority.is_empty() {
        return None;
    }
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let port = match scheme {
        _ if has_port => "",
        "https" => ":443",
        _ => ":80",
    };
    Some(format!("{}{port}", authority.to_ascii_lowercase()))
}

fn request_json(request: &RequestRecord) -> Json {
    let mut out = String::new();
    let mut object = Object::new(&mut out);
    object.text("method", Some(&request.method));
    object.json("headers", headers_json(&request.headers).as_ref());
    object.json("body", request.body.as_ref());
    object.end();
    Json::from_valid(out)
}

/// None where nothing came back: then `error` says all there is.
fn response_json(answer: &AnswerRecord) -> Option<Json> {
    if answer.status.is_none() && answer.body.is_none() {
        return None;
    }
    let mut out = String::new();
    let mut object = Object::new(&mut out);
    if let Some(status) = answer.status {
        object.number("status", u32::from(status));
    }
    object.json("headers", headers_json(&answer.headers).as_ref());
    object.json("body", answer.body.as_ref());
    object.end();
    Some(Json::from_valid(out))
}

/// Headers as an object; where a name came twice, its values are put together as HTTP allows.
fn headers_json(headers: &[(String, String)]) -> Option<Json> {
    if headers.is_empty() {
        return None;
    }
    let mut merged: Vec<(&str, String)> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        match merged
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            Some((_, values)) => {
                values.push_str(", ");
                values.push_str(value);
            }
            None => merged.push((name, value.clone())),
        }
    }
    let mut out = String::from("{");
    for (index, (name, value)) in merged.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(&mut out, name);
        out.push(':');
        write_string(&mut out, value);
    }
    out.push('}');
    Some(Json::from_valid(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_participant_is_where_the_request_went() {
        for (url, expected) in [
            ("http://stock.local/deduct", Some("stock.local:80")),
            ("https://Stock.local?x=1", Some("stock.local:443")),
            ("http://127.0.0.1:8080/a:9/b@c", Some("127.0.0.1:8080")),
            ("http://user:secret@host:1/x", Some("host:1")),
            ("http://[::1]/x", Some("[::1]:80")),
            ("http://[::1]:9/x", Some("[::1]:9")),
            ("no url at all", None),
            ("http:///x", None),
        ] {
            assert_eq!(participant(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn headers_that_come_twice_are_put_together() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [pair("Via", "a"), pair("x", "\"q\""), pair("via", "b")];
        let json = headers_json(&headers).unwrap();
        assert_eq!(json.as_str(), r#"{"Via":"a, b","x":"\"q\""}"#);
    }
}
