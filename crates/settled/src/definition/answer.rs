//! What answers mean (R4: never guess).
//!
//! For an answer to a call the step's own words come first: `refused_when`, then `done_when`. Where
//! neither holds the status speaks, except that a 2xx is not taken for success against a rule that
//! was meant to tell: one that cannot be evaluated, or a `done_when` that does not hold.

use std::borrow::Cow;

use jiff::fmt::rfc2822;
use settled_protocol::{Json, Outcome, Span};

use super::condition::{Condition, ResponseView};
use super::document::{CheckDraft, RulesDraft};
use super::raw::{self, MAX_NESTING, Segment};
use super::{Finding, Invalid, Reading, fields};
use crate::mask::Mask;
use crate::participant::{Answer, Response};

/// The longest wait that a participant can ask for; for more it is asked again.
const MAX_RETRY_AFTER: i64 = 86_400;

/// The rules for the answers of one direction of a step.
#[derive(Debug)]
pub(super) struct Rules {
    refused_when: Option<Condition>,
    done_when: Option<Condition>,
}

/// The rules for the answers to a check.
#[derive(Debug)]
pub(super) struct CheckRules {
    done_when: Option<Condition>,
    not_done_when: Option<Condition>,
}

/// What a rule says of an answer.
enum Verdict {
    /// There is no such rule.
    Absent,
    Holds,
    Fails,
    /// It cannot be evaluated, and why.
    Error(String),
}

fn compile(source: Option<&str>, parent: &str, name: &str) -> Result<Option<Condition>, Invalid> {
    let Some(source) = source else {
        return Ok(None);
    };
    let condition = Condition::compile(source);
    condition
        .map(Some)
        .map_err(|why| Invalid::new(fields::member(parent, name), why))
}

fn ask(rule: Option<&Condition>, response: &ResponseView<'_>) -> Verdict {
    match rule.map(|rule| rule.holds(response)) {
        None => Verdict::Absent,
        Some(Ok(true)) => Verdict::Holds,
        Some(Ok(false)) => Verdict::Fails,
        Some(Err(why)) => Verdict::Error(why),
    }
}

impl Rules {
    /// Compiles the rules of the object at `field`.
    pub(super) fn compile(draft: &RulesDraft, field: &str) -> Result<Self, Invalid> {
        Ok(Self {
            refused_when: compile(draft.refused_when.as_deref(), field, "refused_when")?,
            done_when: compile(draft.done_when.as_deref(), field, "done_when")?,
        })
    }

    /// Says what an answer means. What the participant says in words is quoted as masked.
    pub(super) fn read(&self, answer: &Answer, mask: &Mask) -> Reading {
        let response = match answer {
            Answer::Responded(response) => response,
            Answer::NotSent(why) => return Reading::without_answer(Outcome::NotSent, why),
            Answer::Unknown(why) => return Reading::without_answer(Outcome::Unknown, why),
        };
        let result = body(response);
        let (outcome, why) = self.judge(response, &result);
        let message = (outcome != Outcome::Done).then(|| {
            let mut message = status(response.status);
            for part in [why, words(&mask.json(&result))].into_iter().flatten() {
                message.push_str(": ");
                message.push_str(&part);
            }
            message
        });
        let retry_after = match outcome {
            Outcome::Done | Outcome::Refused => None,
            Outcome::NotSent | Outcome::Unknown | Outcome::Pending => retry_after(response),
        };
        Reading {
            outcome,
            message,
            retry_after,
            result,
        }
    }

    fn judge(&self, response: &Response, body: &Json) -> (Outcome, Option<String>) {
        let view = ResponseView {
            status: response.status,
            headers: &response.headers,
            body: body.as_str(),
        };
        let refused = ask(self.refused_when.as_ref(), &view);
        if matches!(refused, Verdict::Holds) {
            return (Outcome::Refused, None);
        }
        let done = ask(self.done_when.as_ref(), &view);
        if matches!(done, Verdict::Holds) {
            return (Outcome::Done, None);
        }
        let outcome = match response.status {
            202 | 425 => Outcome::Pending,
            200..=299 => Outcome::Done,
            429 => Outcome::NotSent,
            408 => Outcome::Unknown,
            400..=499 => Outcome::Refused,
            _ => Outcome::Unknown,
        };
        if outcome != Outcome::Done {
            return (outcome, None);
        }
        match (refused, done) {
            (Verdict::Error(why), _) => (
                Outcome::Unknown,
                Some(format!("`refused_when` cannot be evaluated: {why}")),
            ),
            (_, Verdict::Error(why)) => (
                Outcome::Unknown,
                Some(format!("`done_when` cannot be evaluated: {why}")),
            ),
            (_, Verdict::Fails) => (
                Outcome::Unknown,
                Some("`done_when` does not hold".to_owned()),
            ),
            _ => (Outcome::Done, None),
        }
    }
}

impl CheckRules {
    /// Compiles the rules of the check at `field`.
    pub(super) fn compile(draft: &CheckDraft, field: &str) -> Result<Self, Invalid> {
        Ok(Self {
            done_when: compile(draft.done_when.as_deref(), field, "done_when")?,
            not_done_when: compile(draft.not_done_when.as_deref(), field, "not_done_when")?,
        })
    }

    /// Says what an answer means. A rule that was given beats the default of the other side; a
    /// 2xx is taken for "it happened" only where no given rule is in doubt.
    pub(super) fn read(&self, answer: &Answer) -> Finding {
        let response = match answer {
            Answer::Responded(response) => response,
            Answer::NotSent(why) | Answer::Unknown(why) => {
                return Finding::Inconclusive(why.clone());
            }
        };
        let result = body(response);
        let view = ResponseView {
            status: response.status,
            headers: &response.headers,
            body: result.as_str(),
        };
        let done = ask(self.done_when.as_ref(), &view);
        let not_done = ask(self.not_done_when.as_ref(), &view);
        let code = response.status;
        let inconclusive = |why: &str| Finding::Inconclusive(format!("{}{why}", status(code)));
        match (done, not_done) {
            (Verdict::Holds, Verdict::Holds) => {
                inconclusive(": both `done_when` and `not_done_when` hold")
            }
            (Verdict::Holds, _) => Finding::Happened(result),
            (_, Verdict::Holds) => Finding::DidNotHappen,
            (_, Verdict::Absent) if matches!(code, 404 | 410) => Finding::DidNotHappen,
            // 202 promises an answer, it is none.
            (Verdict::Absent, Verdict::Absent | Verdict::Fails)
                if matches!(code, 200..=299) && code != 202 =>
            {
                Finding::Happened(result)
            }
            (Verdict::Error(why), _) => {
                inconclusive(&format!(": `done_when` cannot be evaluated: {why}"))
            }
            (_, Verdict::Error(why)) => {
                inconclusive(&format!(": `not_done_when` cannot be evaluated: {why}"))
            }
            (Verdict::Fails, _) | (_, Verdict::Fails) => {
                inconclusive(": the rules of the check say neither that it happened nor that not")
            }
            (Verdict::Absent, Verdict::Absent) => inconclusive(", which does not tell"),
        }
    }
}

impl Reading {
    fn without_answer(outcome: Outcome, why: &str) -> Self {
        Self {
            outcome,
            message: Some(why.to_owned()),
            retry_after: None,
            result: Json::null(),
        }
    }
}

/// The body as JSON: `null` where it is empty, and a string where it is not JSON, or is nested so
/// deep that nothing here could look into it.
fn body(response: &Response) -> Json {
    if response.body.iter().all(u8::is_ascii_whitespace) {
        return Json::null();
    }
    let text = String::from_utf8_lossy(&response.body);
    let json = match &text {
        Cow::Borrowed(text) if raw::nesting(text) <= MAX_NESTING => Json::parse(text).ok(),
        _ => None,
    };
    json.unwrap_or_else(|| Json::string(&text))
}

/// `409 Conflict`.
fn status(code: u16) -> String {
    let reason = ::http::StatusCode::from_u16(code)
        .ok()
        .and_then(|code| code.canonical_reason());
    reason.map_or_else(|| code.to_string(), |reason| format!("{code} {reason}"))
}

/// What the participant says in its own words, where it says something short.
fn words(body: &Json) -> Option<String> {
    let found = ["detail", "message", "error", "msg", "title", "reason"]
        .into_iter()
        .find_map(|key| {
            let text = raw::find(body.as_str(), &[Segment::Key(key.to_owned())])?;
            raw::string(text).filter(|text| !text.trim().is_empty())
        });
    let text = found.or_else(|| raw::string(body.as_str()))?;
    let line = text.trim().lines().next()?;
    let printable: String = line.chars().filter(|c| !c.is_control()).take(301).collect();
    Some(raw::excerpt(&printable, 300).into_owned())
}

/// How long the participant asks to wait: a number of seconds, or a date, counted from the moment
/// that the participant itself gives as the present one.
pub(crate) fn retry_after(response: &Response) -> Option<Span> {
    let header = |name: &str| {
        let found = response.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.trim())
    };
    let value = header("retry-after")?;
    let seconds = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        value.parse().unwrap_or(i64::MAX)
    } else {
        let until = rfc2822::parse(value).ok()?;
        let now = rfc2822::parse(header("date")?).ok()?;
        until
            .timestamp()
            .as_second()
            .saturating_sub(now.timestamp().as_second())
    };
    Some(Span::from_secs(seconds.clamp(0, MAX_RETRY_AFTER)))
}

#[cfg(test)]
#[path = "tests/answer.rs"]
mod tests;
