//! Who may do what: bearer tokens with roles, and where the server may listen without any.
//!
//! | role | may |
//! | --- | --- |
//! | `submit` | submit sagas, read one saga by its id, answer callbacks |
//! | `read` | read sagas, their events, incidents, schedules, participants and metrics |
//! | `operate` | what `read` may; cancel sagas, resolve incidents, answer callbacks; schedules; limits |
//! | `admin` | everything |
//!
//! A token is kept as its SHA-256 digest only, and compared in constant time; it is never shown, in
//! an error, a log line or otherwise.

mod file;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use file::{BadTokenFile, TOKEN_FILE_FORMAT};

/// What the bearer of a token may do; see the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Submit sagas.
    Submit,
    /// Read everything.
    Read,
    /// Cancel sagas, resolve incidents, change and trigger schedules, change limits.
    Operate,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Submit, Self::Read, Self::Operate, Self::Admin];

    /// The word, as in a token file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// Reads the word; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Some roles together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roles(u8);

impl Roles {
    pub(crate) const fn of(roles: &[Role]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < roles.len() {
            bits |= roles[index].bit();
            index += 1;
        }
        Self(bits)
    }

    pub(crate) const fn any_of(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL
            .into_iter()
            .filter(move |role| self.0 & role.bit() != 0)
    }
}

/// Whoever a token belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Bearer {
    pub(crate) name: Arc<str>,
    pub(crate) roles: Roles,
}

/// The tokens that open the API.
#[derive(Clone)]
pub struct Tokens {
    known: Arc<Vec<Known>>,
    warnings: Vec<String>,
}

struct Known {
    digest: [u8; 32],
    bearer: Bearer,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.known.iter().map(|known| &known.bearer))
            .finish()
    }
}

impl Tokens {
    /// What is weak about the tokens (short ones, a file that others can read), for whoever starts
    /// the server to be told.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whose token this is. Takes the same time for every token that is not known.
    pub(crate) fn bearer(&self, token: &str) -> Option<&Bearer> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = None;
        for known in self.known.iter() {
            if bool::from(known.digest.ct_eq(&digest)) {
                found = Some(&known.bearer);
            }
        }
        found
    }
}

/// Why the server may not listen there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Everybody who reaches the address could do everything.
    #[error(
        "{0} can be reached from other machines and no tokens are set, so that everybody who \
         reaches it could do everything; give --token-file, listen on 127.0.0.1, or say --insecure"
    )]
    Open(SocketAddr),
}

/// Whether the server may listen on an address: on loopback always, elsewhere only with tokens or
/// where `insecure` was asked for.
///
/// # Errors
/// [`AccessError`], which says what to do about it.
pub fn check_access(
    listen: SocketAddr,
    tokens: Option<&Tokens>,
    insecure: bool,
) -> Result<(), AccessError> {
    let loopback = listen.ip().to_canonical().is_loopback();
    if loopback || tokens.is_some() || insecure {
        Ok(())
    } else {
        Err(AccessError::Open(listen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_open_without_being_asked() {
        let tokens = Tokens::parse("admin 0123456789abcdef").unwrap();
        for (listen, free) in [
            ("127.0.0.1:0", true),
            ("127.9.9.9:1", true),
            ("[::1]:0", true),
            ("[::ffff:127.0.0.1]:0", true),
            ("0.0.0.0:0", false),
            ("[::]:0", false),
            ("10.0.0.1:7070", false),
        ] {
            let listen = listen.parse().unwrap();
            assert_eq!(check_access(listen, None, false).is_ok(), free, "{listen}");
            assert_eq!(check_access(listen, Some(&tokens), false), Ok(()));
            assert_eq!(check_access(listen, None, true), Ok(()));
        }
        let error = check_access("0.0.0.0:1".parse().unwrap(), None, false).unwrap_err();
        assert!(error.to_string().contains("--token-file"), "{error}");
    }

    #[test]
    fn a_token_is_never_shown() {
        let tokens = Tokens::parse("read canary-canary-canary ann").unwrap();
        let shown = format!("{tokens:?}");
        assert!(
            shown.contains("ann") && !shown.contains("canary"),
            "{shown}"
        );
    }
}
