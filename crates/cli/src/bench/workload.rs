//! The saga that is measured, and the same calls without it.
//!
//! An order over so many services: each step sends a small body and gets a small answer, and has a
//! compensation with what the action returned. Bare, the very same requests are made.

use std::fmt::Write;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use settled::participant::{Answer, HttpParticipants, Request};
use settled::protocol::Span;

use super::error::BenchError;
use super::load::Work;

/// What is done, and to whom.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    /// The participant's base URL.
    pub(super) participant: String,
    pub(super) steps: usize,
    pub(super) fail_percent: usize,
    /// What the ids begin with, so that runs on one journal do not meet.
    prefix: String,
    /// The steps as JSON, the same in every submission.
    document: String,
}

impl Workload {
    pub(super) fn new(participant: &str, steps: usize, fail_percent: usize) -> Self {
        let mut document = String::from("[");
        for step in 1..=steps {
            let mode = if step == steps {
                "${ input.last }"
            } else {
                "do"
            };
            let comma = if step == 1 { "" } else { "," };
            let _ = write!(
                document,
                r#"{comma}{{"name":"s{step}","action":{{"url":"{participant}/s{step}/{mode}","body":{{"order":"${{ saga.id }}","items":"${{ input.items }}","amount":"${{ input.amount }}"}}}},"compensation":{{"url":"{participant}/s{step}/undo","body":{{"order":"${{ saga.id }}","taken":"${{ steps.s{step}.result.taken }}"}}}}}}"#,
            );
        }
        document.push(']');
        Self {
            participant: participant.to_owned(),
            steps,
            fail_percent,
            prefix: format!("bench-{:08x}", fastrand::u32(..)),
            document,
        }
    }

    /// The id of a saga.
    pub(super) fn id(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// Whether its last step is refused; such sagas are spread evenly.
    pub(super) fn fails(&self, number: usize) -> bool {
        number * 37 % 100 < self.fail_percent
    }

    /// How a saga must end.
    pub(super) fn end(&self, number: usize) -> &'static str {
        if self.fails(number) {
            "compensated"
        } else {
            "completed"
        }
    }

    /// A submission; `last` says how the last step is answered.
    pub(super) fn submission(&self, id: &str, last: &str) -> String {
        format!(
            r#"{{"id":"{id}","name":"bench","input":{{"items":[{{"sku":"A","qty":2}}],"amount":42,"last":"{last}"}},"steps":{}}}"#,
            self.document
        )
    }

    /// The submission of one of the numbered sagas.
    pub(super) fn numbered(&self, number: usize) -> String {
        let last = if self.fails(number) { "refuse" } else { "do" };
        self.submission(&self.id(number), last)
    }
}

/// The calls of a saga without a saga.
pub(super) struct Bare {
    pub(super) workload: Workload,
    pub(super) participants: HttpParticipants,
}

impl Work for Bare {
    async fn once(&self, number: usize) -> Result<(), BenchError> {
        let (id, steps) = (self.workload.id(number), self.workload.steps);
        let fails = self.workload.fails(number);
        for step in 1..=steps {
            let refused = fails && step == steps;
            let mode = if refused { "refuse" } else { "do" };
            let body = format!(r#"{{"order":"{id}","items":[{{"sku":"A","qty":2}}],"amount":42}}"#);
            let status = if refused { 409 } else { 200 };
            self.call(&id, step, mode, "action", body, status).await?;
        }
        let back = if fails { steps - 1 } else { 0 };
        for step in (1..=back).rev() {
            let body = format!(r#"{{"order":"{id}","taken":[{{"sku":"A","qty":2}}]}}"#);
            self.call(&id, step, "undo", "compensation", body, 200)
                .await?;
        }
        Ok(())
    }
}

impl Bare {
    async fn call(
        &self,
        id: &str,
        step: usize,
        mode: &str,
        direction: &str,
        body: String,
        expected: u16,
    ) -> Result<(), BenchError> {
        let url = format!("{}/s{step}/{mode}", self.workload.participant);
        let header = |name: &'static str, value: &str| {
            let value =
                HeaderValue::from_str(value).map_err(|e| BenchError::Call(e.to_string()))?;
            Ok::<_, BenchError>((HeaderName::from_static(name), value))
        };
        // What the engine sends with every request; see the description of the API.
        let headers = vec![
            header("idempotency-key", &format!("{id}/s{step}/{direction}"))?,
            header("settled-saga", id)?,
            header("settled-step", &format!("s{step}"))?,
            header("settled-attempt", "1")?,
            header(
                "settled-callback",
                "0123456789abcdef0123456789abcdef0123456789abcdef",
            )?,
            header(
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            )?,
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ];
        let request = Request {
            method: Method::POST,
            url: url.parse().map_err(|_| BenchError::Call(url.clone()))?,
            headers,
            body: Some(Bytes::from(body)),
            timeout: Span::from_secs(10),
            alert: false,
        };
        match self.participants.send(request).await {
            Answer::Responded(response) if response.status == expected => Ok(()),
            answer => Err(BenchError::Call(format!("{answer:?}"))),
        }
    }
}
