//! Definitions of sagas whose steps a Rust function adds: nothing but the function's name and what
//! cannot change while it runs.

use std::sync::Arc;

use settled_protocol::{CompensateOrder, Json, Plan};
use sha2::{Digest, Sha256};

use super::Definition;
use super::value::quote;

pub(super) fn definition(function: &str, compensate: CompensateOrder, forward: bool) -> Definition {
    let order = match compensate {
        CompensateOrder::Reverse => "reverse",
        CompensateOrder::Parallel => "parallel",
    };
    let mut text = String::from("{\"function\":");
    quote(function, &mut text);
    text.push_str(",\"compensate\":\"");
    text.push_str(order);
    text.push_str("\",\"forward\":");
    text.push_str(if forward { "true}" } else { "false}" });
    let digest = Sha256::digest(text.as_bytes()).into();
    Definition {
        plan: Arc::new(Plan::of_function(compensate, forward)),
        document: Json::from_valid(text),
        digest,
        parts: Vec::new(),
        function: Some(function.into()),
    }
}
