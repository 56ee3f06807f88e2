//! The way of alerts: to one address, signed by Standard Webhooks, over connections of their own.
//!
//! Where alerts go and the secret they are signed with are known here and nowhere else, so that
//! neither is ever written to the journal; and no other call goes this way, so that nobody reaches
//! the address, or has anything signed, by submitting a saga.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue, Uri};
use sha2::Sha256;
use tokio::time::Instant;

use super::http::{self as over_http, AllowList, HttpParticipants, HttpSettings, HttpSetupError};
use super::{Answer, Request};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// Lets its holder answer for the call, which is no business of whoever reads alerts.
const CALLBACK: HeaderName = HeaderName::from_static("settled-callback");

/// What a secret made for Standard Webhooks begins with; base64 follows.
const ENCODED: &str = "whsec_";

/// Shorter keys can be guessed, says the standard.
const SHORTEST: usize = 24;

/// Why alerts cannot be delivered so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlertPostError {
    /// The address cannot be called.
    #[error("the address of alerts: {0}")]
    Url(String),
    /// The secret cannot be used. It is not shown.
    #[error(
        "the secret of alerts: expected whsec_ and base64 of {SHORTEST} bytes at least, or any text \
         of {SHORTEST} bytes at least; make one with `openssl rand -hex 32`"
    )]
    Secret,
    /// The settings of calls.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
}

/// Delivers alerts: see [`HttpParticipants::with_alerts`].
pub struct AlertPost {
    url: Uri,
    key: Hmac<Sha256>,
    http: HttpParticipants,
}

impl fmt::Debug for AlertPost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Addresses of webhooks are often secrets themselves.
        f.debug_struct("AlertPost").finish_non_exhaustive()
    }
}

impl AlertPost {
    /// Delivers to this address. Its host is the only one that is called, whatever the settings allow.
    ///
    /// # Errors
    /// [`AlertPostError`] says what is wrong, and shows no secret.
    pub fn new(url: &str, secret: &str, settings: HttpSettings) -> Result<Self, AlertPostError> {
        let wrong = |why: String| AlertPostError::Url(why);
        let uri: Uri = url
            .parse()
            .map_err(|_| wrong("expected a URL such as https://example.com/settled".to_owned()))?;
        let place = over_http::place(&uri).map_err(wrong)?;
        let allow = AllowList::from_patterns([place]).map_err(|_| {
            wrong("its host cannot be called; name a host or an address".to_owned())
        })?;
        let key = key(secret.trim()).ok_or(AlertPostError::Secret)?;
        let key = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| AlertPostError::Secret)?;
        let http = HttpParticipants::new(HttpSettings { allow, ..settings })?;
        Ok(Self {
            url: uri,
            key,
            http,
        })
    }

    /// Signs and sends, once.
    pub(super) async fn send(&self, mut request: Request, until: Instant) -> Answer {
        request.url = self.url.clone();
        request.headers.retain(|(name, _)| *name != CALLBACK);
        let now = unix_seconds();
        let id = request.headers.iter().find(|(name, _)| *name == ID);
        let id = id.map_or(&[][..], |(_, value)| value.as_bytes());
        let signature = self.signature(id, now, request.body.as_deref().unwrap_or_default());
        let Ok(signature) = HeaderValue::from_str(&signature) else {
            return Answer::NotSent("the alert could not be signed".to_owned());
        };
        request.headers.push((TIMESTAMP, HeaderValue::from(now)));
        request.headers.push((SIGNATURE, signature));
        // Where it went is in no record, so that the errors must not say so either.
        match self.http.carry(request, until).await {
            Answer::NotSent(_) => Answer::NotSent("the receiver was not reached".to_owned()),
            Answer::Unknown(_) => Answer::Unknown("the receiver's answer did not come".to_owned()),
            answer @ Answer::Responded(_) => answer,
        }
    }

    fn signature(&self, id: &[u8], at: u64, body: &[u8]) -> String {
        let mut mac = self.key.clone();
        for part in [id, b".", at.to_string().as_bytes(), b".", body] {
            mac.update(part);
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The bytes to sign with.
fn key(secret: &str) -> Option<Vec<u8>> {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoder = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
    let key = match secret.strip_prefix(ENCODED) {
        Some(encoded) => decoder.decode(encoded).ok()?,
        None => secret.as_bytes().to_vec(),
    };
    (key.len() >= SHORTEST).then_some(key)
}

/// The receiver holds it against its own wall clock, and believes nothing that is minutes old. The
/// coordinator's clock is read once and stands still while a machine sleeps.
#[expect(
    clippy::disallowed_methods,
    reason = "a receiver compares this with its own wall clock; nothing is decided by it"
)]
fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(url: &str, secret: &str) -> Result<AlertPost, AlertPostError> {
        AlertPost::new(url, secret, HttpSettings::default())
    }

    #[test]
    fn signs_as_the_standard_says() {
        // The example of the standard's own libraries.
        let post = post(
            "http://example.com/",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        );
        let signature = post.unwrap().signature(
            b"msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_that_can_be_guessed_are_refused_and_not_shown() {
        for wrong in [
            "",
            "short",
            "whsec_",
            "whsec_c2hvcnQ=",
            "whsec_%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%",
        ] {
            let error = post("http://example.com/", wrong).unwrap_err();
            assert_eq!(error, AlertPostError::Secret);
            assert!(wrong.len() < 8 || !error.to_string().contains(&wrong[6..]));
        }
        let right = "0123456789abcdef01234567";
        let post = post("http://example.com/", right).unwrap();
        assert!(!format!("{post:?}").contains(right));
    }

    #[test]
    fn addresses_that_cannot_be_called_are_refused() {
        let secret = "0123456789abcdef01234567";
        for wrong in [
            "",
            "example.com",
            "/x",
            "ftp://example.com/",
            "http://a:b@example.com/",
        ] {
            let error = post(wrong, secret).unwrap_err();
            assert!(matches!(error, AlertPostError::Url(_)), "{wrong}: {error}");
        }
        for right in ["http://[::1]:9/x", "https://hooks.example.com/a?b=c"] {
            assert!(post(right, secret).is_ok(), "{right}");
        }
    }
}
