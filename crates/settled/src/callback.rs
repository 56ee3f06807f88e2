//! Callback tokens: who may answer for a pending call.
//!
//! A token names its leg and is signed with the journal's secret, so that nothing needs to be kept
//! for the calls that are never answered this way.

use hmac::{Hmac, KeyInit, Mac};
use settled_protocol::{Direction, LegId};
use sha2::Sha256;

use crate::trace::push_hex;

/// Makes and reads callback tokens.
#[derive(Clone)]
pub struct CallbackKey {
    mac: Hmac<Sha256>,
}

/// Half of the signature is enough to be beyond guessing, and keeps the header short.
const SIGNATURE_BYTES: usize = 16;

impl CallbackKey {
    /// Tokens signed with a journal's secret.
    pub fn new(secret: [u8; 32]) -> Self {
        // A key shorter than the hash's block is padded with zeros by definition.
        let mut block = [0; 64];
        block[..secret.len()].copy_from_slice(&secret);
        Self {
            mac: Hmac::<Sha256>::new(&block.into()),
        }
    }

    /// The token of a leg: the same in every attempt.
    pub fn token(&self, saga: &str, leg: LegId) -> String {
        let mut token = String::with_capacity(saga.len() + 48);
        token.push_str(saga);
        token.push('~');
        token.push_str(&leg.step.to_string());
        token.push(match leg.direction {
            Direction::Action => 'a',
            Direction::Compensation => 'c',
        });
        token.push('~');
        let signature = self.sign(&token).finalize().into_bytes();
        push_hex(&mut token, &signature[..SIGNATURE_BYTES]);
        token
    }

    /// The saga and leg that a token speaks for; none where it was not made with this key.
    pub fn read(&self, token: &str) -> Option<(String, LegId)> {
        let (signed, signature) = token.split_at_checked(token.rfind('~')? + 1)?;
        let mut bytes = [0; SIGNATURE_BYTES];
        if signature.len() != SIGNATURE_BYTES * 2 || !signature.is_ascii() {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&signature[index * 2..index * 2 + 2], 16).ok()?;
        }
        self.sign(signed).verify_truncated_left(&bytes).ok()?;
        let mut parts = signed.split('~');
        let saga = parts.next()?;
        let leg = parts.next()?;
        let (step, direction) = leg.split_at_checked(leg.len().checked_sub(1)?)?;
        let direction = match direction {
            "a" => Direction::Action,
            "c" => Direction::Compensation,
            _ => return None,
        };
        Some((
            saga.to_owned(),
            LegId {
                step: step.parse().ok()?,
                direction,
            },
        ))
    }

    fn sign(&self, text: &str) -> Hmac<Sha256> {
        self.mac.clone().chain_update(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_its_own_tokens() {
        let key = CallbackKey::new([7; 32]);
        let leg = LegId::compensation(12);
        let token = key.token("order-1", leg);
        assert_eq!(key.read(&token), Some(("order-1".to_owned(), leg)));
        assert_eq!(CallbackKey::new([8; 32]).read(&token), None);
        for (index, _) in token.char_indices() {
            let mut forged = token.clone();
            forged.replace_range(index..=index, "0");
            assert!(forged == token || key.read(&forged).is_none(), "{forged}");
        }
        for nonsense in ["", "~", "~~", "a~1a~", "é~1a~00"] {
            assert_eq!(key.read(nonsense), None);
        }
    }
}
