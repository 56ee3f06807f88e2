//! W3C trace context: a saga is one trace, each of its requests a span.

use sha2::{Digest, Sha256};

/// The trace id in the `traceparent` that a submission came with, where it is well formed.
pub(crate) fn callers_trace(traceparent: &str) -> Option<Box<str>> {
    let mut parts = traceparent.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let well_formed = version.len() == 2
        && version != "ff"
        && trace.len() == 32
        && trace
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && trace.bytes().any(|byte| byte != b'0');
    well_formed.then(|| trace.into())
}

/// The trace id of a saga that came without one; it follows from the saga's id.
pub(crate) fn own_trace(saga: &str) -> Box<str> {
    let mut text = String::with_capacity(32);
    push_hex(&mut text, &Sha256::digest(saga.as_bytes())[..16]);
    text.into()
}

/// The `traceparent` header of one request.
pub(crate) fn traceparent(trace: &str, span_id: u64) -> String {
    let mut text = String::with_capacity(55);
    text.push_str("00-");
    text.push_str(trace);
    text.push('-');
    push_hex(&mut text, &span_id.to_be_bytes());
    text.push_str("-01");
    text
}

/// Appends bytes as lower-case hexadecimal digits.
pub(crate) fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_with_the_callers_trace() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = callers_trace(given).unwrap();
        assert_eq!(traceparent(&trace, 0x00f0_67aa_0ba9_02b7), given);
    }

    #[test]
    fn takes_no_broken_trace() {
        for broken in [
            "",
            "00",
            "00-zz",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(callers_trace(broken), None, "{broken}");
        }
    }

    #[test]
    fn makes_a_well_formed_trace_of_its_own() {
        let own = traceparent(&own_trace("order-1"), 1);
        assert_eq!(callers_trace(&own), Some(own_trace("order-1")));
    }
}
