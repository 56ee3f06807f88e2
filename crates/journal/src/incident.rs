//! The incident table's row as it follows from the two events that are about an incident.
//!
//! Every store keeps it beside the events and in the same transaction; nothing is ever in it that
//! the events do not say.

use std::collections::HashMap;

use settled_protocol::{AnswerRecord, Evidence, IncidentKind, Json, RequestRecord, Timestamp};

use crate::encode::{Object, write_string};
use crate::store::{IncidentColumns, IncidentRow};

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

/// Whether a participant (`host:port`) is the one asked for (`host:port`, or `host`).
pub(crate) fn is_participant(participant: Option<&str>, wanted: &str) -> bool {
    participant.is_some_and(|participant| {
        participant.eq_ignore_ascii_case(wanted)
            || participant
                .rsplit_once(':')
                .is_some_and(|(host, _)| host.eq_ignore_ascii_case(wanted))
    })
}

/// Open incidents that are alike: what a person would settle in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentGroup {
    /// Whose request it was.
    pub participant: Option<String>,
    /// The kind of saga.
    pub name: String,
    /// The step's name.
    pub step: String,
    /// `action` or `compensation`.
    pub direction: String,
    /// Why a person is needed.
    pub kind: String,
    /// What went wrong, without what differs from saga to saga: see [`fault`].
    pub fault: String,
    /// How many there are.
    pub count: u64,
    /// When the first of them was opened.
    pub oldest_at: Timestamp,
    /// When the last of them was opened.
    pub newest_at: Timestamp,
    /// The id of the last of them.
    pub example: String,
}

/// The longest word with digits in it that is kept as it is: an HTTP status tells something.
const KEPT_DIGITS: usize = 3;

/// What an error says, without what differs from one saga to the next: each longer word with a digit
/// in it becomes `#`.
#[must_use]
pub fn fault(error: &str) -> String {
    let in_word = |sign: char| sign.is_ascii_alphanumeric() || "_-".contains(sign);
    let mut text = String::with_capacity(error.len());
    let mut rest = error;
    while !rest.is_empty() {
        let word = rest.find(|sign| !in_word(sign)).unwrap_or(rest.len());
        let (found, after) = rest.split_at(word);
        if found.len() > KEPT_DIGITS && found.bytes().any(|byte| byte.is_ascii_digit()) {
            text.push('#');
        } else {
            text.push_str(found);
        }
        let between = after.find(in_word).unwrap_or(after.len());
        let (found, after) = after.split_at(between);
        text.push_str(found);
        rest = after;
    }
    text
}

/// Puts incidents together that are alike.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    places: HashMap<[String; 6], usize>,
    groups: Vec<IncidentGroup>,
}

impl Groups {
    /// Takes an incident in; those that were opened last come first.
    pub(crate) fn add(
        &mut self,
        id: &str,
        direction: &str,
        opened_at: Timestamp,
        of: IncidentColumns<'_>,
    ) {
        let text = |column: Option<&str>| column.unwrap_or_default().to_owned();
        let fault = fault(of.error.unwrap_or_default());
        let key = [
            text(of.participant),
            text(of.name),
            text(of.step),
            direction.to_owned(),
            text(of.kind),
            fault,
        ];
        if let Some(group) = self
            .places
            .get(&key)
            .and_then(|at| self.groups.get_mut(*at))
        {
            group.count += 1;
            group.oldest_at = group.oldest_at.min(opened_at);
            group.newest_at = group.newest_at.max(opened_at);
            return;
        }
        self.places.insert(key.clone(), self.groups.len());
        let [_, name, step, direction, kind, fault] = key;
        self.groups.push(IncidentGroup {
            participant: of.participant.map(str::to_owned),
            name,
            step,
            direction,
            kind,
            fault,
            count: 1,
            oldest_at: opened_at,
            newest_at: opened_at,
            example: id.to_owned(),
        });
    }

    /// The groups, the largest first; of those alike the one that has waited longest.
    pub(crate) fn finish(self) -> Vec<IncidentGroup> {
        let mut groups = self.groups;
        groups.sort_by(|a, b| {
            (b.count, a.oldest_at, &a.example).cmp(&(a.count, b.oldest_at, &b.example))
        });
        groups
    }
}

/// Incidents put together that are alike, as [`crate::Reader::incident_groups`] does it; those that
/// were opened last come first.
pub fn alike<'a>(rows: impl IntoIterator<Item = &'a IncidentRow>) -> Vec<IncidentGroup> {
    let mut groups = Groups::default();
    for row in rows {
        groups.add(&row.id, &row.direction, row.opened_at, row.columns());
    }
    groups.finish()
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
        assert!(is_participant(Some("stock.local:80"), "stock.local"));
        assert!(is_participant(Some("stock.local:80"), "STOCK.local:80"));
        assert!(!is_participant(Some("stock.local:80"), "stock"));
        assert!(!is_participant(None, ""));
    }

    #[test]
    fn a_fault_is_an_error_without_what_differs() {
        for (error, expected) in [
            ("HTTP 503 from order-1001", "HTTP 503 from #"),
            ("no route to 10.0.0.1:8080", "no route to 10.0.0.1:#"),
            ("the key 0193-aaf2 is gone", "the key # is gone"),
            ("nothing special", "nothing special"),
            ("日本 1234", "日本 #"),
            ("", ""),
        ] {
            assert_eq!(fault(error), expected);
            assert_eq!(fault(&fault(error)), expected, "once is enough");
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
