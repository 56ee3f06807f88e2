//! Server-sent events, as far as Settled's server sends them: an id and one line of JSON each.

/// Puts messages together from the pieces that come in.
#[derive(Debug, Default)]
pub(super) struct Messages {
    rest: Vec<u8>,
}

impl Messages {
    /// Takes a piece, and gives the data of the messages that are whole now.
    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(piece);
        let mut whole = Vec::new();
        while let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
            let message: Vec<u8> = self.rest.drain(..end + 2).collect();
            let text = String::from_utf8_lossy(&message);
            let data: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(str::trim)
                .collect();
            if !data.is_empty() {
                whole.push(data.join("\n"));
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_pieces() {
        let mut messages = Messages::default();
        assert!(messages.take(b":\n\nid: 1\ndata: {\"a\"").is_empty());
        assert_eq!(
            messages.take(b": 1}\n\nid: 2\ndata: {}\n\n:"),
            ["{\"a\": 1}", "{}"]
        );
        assert!(messages.take(b"\n\n").is_empty());
    }
}
