//! Who is logged in: sessions in memory, known by a cookie that only the browser has.
//!
//! A session is as good as the token that it was begun with and holds no copy of it. A restart ends
//! all of them. Cookies are kept as digests, so that a picture of the memory opens nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::access::Bearer;

/// After so long without a request a session is over.
const IDLE: Duration = Duration::from_hours(2);

/// After so long it is over in any case.
pub(super) const LONGEST: Duration = Duration::from_hours(12);

/// How many there may be; beyond that the one that was idle longest ends.
const MOST: usize = 10_000;

/// How many logins may fail within [`WINDOW`] before all have to wait.
const FAILURES: usize = 20;
const WINDOW: Duration = Duration::from_mins(1);

/// Everybody who is logged in.
#[derive(Default)]
pub(super) struct Sessions {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    sessions: HashMap<[u8; 32], Session>,
    failures: Vec<Instant>,
}

/// One login.
#[derive(Clone)]
pub(super) struct Session {
    /// None where the server has no tokens.
    pub(super) bearer: Option<Bearer>,
    /// What every form of this session must say.
    pub(super) form_token: String,
    began: Instant,
    seen: Instant,
}

impl Session {
    /// Whether a form is one of this session's.
    pub(super) fn gave_out(&self, form_token: &str) -> bool {
        bool::from(self.form_token.as_bytes().ct_eq(form_token.as_bytes()))
    }
}

impl Sessions {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session and gives its cookie. None where the system gives no random bytes.
    pub(super) fn begin(&self, bearer: Option<Bearer>) -> Option<(String, Session)> {
        let (cookie, form_token) = (random()?, random()?);
        let now = Instant::now();
        let session = Session {
            bearer,
            form_token,
            began: now,
            seen: now,
        };
        let mut kept = self.kept();
        kept.sessions.retain(|_, session| session.holds(now));
        if kept.sessions.len() >= MOST {
            let oldest = kept.sessions.iter().min_by_key(|(_, session)| session.seen);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                kept.sessions.remove(&oldest);
            }
        }
        kept.sessions.insert(digest(&cookie), session.clone());
        Some((cookie, session))
    }

    /// Whose cookie this is; `seen` says whether that person has just done something.
    pub(super) fn find(&self, cookie: &str, seen: bool) -> Option<Session> {
        let now = Instant::now();
        let mut kept = self.kept();
        let key = digest(cookie);
        let session = kept.sessions.get_mut(&key)?;
        if !session.holds(now) {
            kept.sessions.remove(&key);
            return None;
        }
        if seen {
            session.seen = now;
        }
        Some(session.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, cookie: &str) {
        self.kept().sessions.remove(&digest(cookie));
    }

    /// A login has failed.
    pub(super) fn failed(&self) {
        self.kept().failures.push(Instant::now());
    }

    /// Whether so many logins have failed that somebody may be guessing.
    pub(super) fn is_guessing(&self) -> bool {
        let now = Instant::now();
        let mut kept = self.kept();
        kept.failures.retain(|at| now.duration_since(*at) < WINDOW);
        kept.failures.len() >= FAILURES
    }
}

impl Session {
    fn holds(&self, now: Instant) -> bool {
        now.duration_since(self.seen) < IDLE && now.duration_since(self.began) < LONGEST
    }
}

fn digest(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

/// 256 random bits in hexadecimal digits.
fn random() -> Option<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(
        bytes
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_its_cookie_until_it_is_ended() {
        let sessions = Sessions::default();
        let (cookie, session) = sessions.begin(None).unwrap();
        let (other, _) = sessions.begin(None).unwrap();
        assert_ne!(cookie, other);
        assert_eq!(cookie.len(), 64);
        let found = sessions.find(&cookie, true).unwrap();
        assert!(found.gave_out(&session.form_token));
        assert!(!found.gave_out(""));
        assert!(!found.gave_out(&cookie));
        assert!(sessions.find("", true).is_none());
        sessions.end(&cookie);
        assert!(sessions.find(&cookie, true).is_none());
        assert!(sessions.find(&other, false).is_some());
    }

    #[test]
    fn old_sessions_are_over() {
        let now = Instant::now();
        let at = |began: Duration, seen: Duration| Session {
            bearer: None,
            form_token: String::new(),
            began: now.checked_sub(began).unwrap_or(now),
            seen: now.checked_sub(seen).unwrap_or(now),
        };
        let later = now + IDLE;
        assert!(at(Duration::ZERO, Duration::ZERO).holds(now));
        assert!(!at(Duration::ZERO, Duration::ZERO).holds(later));
        assert!(!at(Duration::ZERO, Duration::ZERO).holds(now + LONGEST));
    }

    #[test]
    fn guessing_is_slowed_down() {
        let sessions = Sessions::default();
        for _ in 0..FAILURES {
            assert!(!sessions.is_guessing());
            sessions.failed();
        }
        assert!(sessions.is_guessing());
    }
}
