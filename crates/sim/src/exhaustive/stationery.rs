//! Requests and answers that say as little as they may, made once for all runs.

use std::sync::Arc;

use settled_protocol::{AnswerRecord, Json, Outcome, RequestRecord};

/// What is shared by all cases, so that it need not be made for each.
pub(crate) struct Stationery {
    pub(crate) request: Arc<RequestRecord>,
    pub(crate) result: Json,
    errors: [AnswerRecord; 5],
}

impl Stationery {
    pub(crate) fn new() -> Self {
        let answer = |outcome: Outcome| AnswerRecord {
            outcome,
            status: None,
            headers: Vec::new(),
            body: None,
            error: (outcome != Outcome::Done).then(|| outcome.as_str().to_owned()),
        };
        Self {
            request: Arc::new(RequestRecord {
                method: "POST".to_owned(),
                url: "http://p/".to_owned(),
                headers: Vec::new(),
                body: None,
            }),
            result: Json::from_valid("{}"),
            errors: [
                answer(Outcome::Done),
                answer(Outcome::Refused),
                answer(Outcome::NotSent),
                answer(Outcome::Unknown),
                answer(Outcome::Pending),
            ],
        }
    }

    pub(crate) fn answer(&self, outcome: Outcome) -> AnswerRecord {
        self.errors[outcome as usize].clone()
    }
}
