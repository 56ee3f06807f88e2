//! The token file.
//!
//! Errors name the line and never what is written in it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Bearer, Known, Role, Roles, Tokens};

/// What a token file looks like, for help texts.
pub const TOKEN_FILE_FORMAT: &str = "\
One token a line: ROLE TOKEN [NAME], or ROLE:TOKEN. ROLE is submit, read, operate or admin, or several
with commas between them; NAME says who holds the token and is put on record with what they decide.
Empty lines and lines that begin with # are left out.";

/// Shorter ones can be guessed.
const SHORT: usize = 16;

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadTokenFile {
    /// It cannot be read.
    #[error("the token file {path} cannot be read: {error}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A line says something else than a token.
    #[error(
        "line {0} of the token file: expected ROLE TOKEN [NAME], with one or more of the roles \
         submit, read, operate and admin"
    )]
    Line(usize),
    /// A token may be written once.
    #[error(
        "line {0} of the token file: this token is there already; give it all its roles in one line, as in submit,read TOKEN"
    )]
    Twice(usize),
    /// There is nothing in it.
    #[error(
        "the token file has no token in it, so that nobody could do anything; write one as ROLE TOKEN [NAME]"
    )]
    Empty,
}

impl Tokens {
    /// Reads a token file; see [`TOKEN_FILE_FORMAT`].
    ///
    /// # Errors
    /// [`BadTokenFile`] names the line.
    pub fn load(path: &Path) -> Result<Self, BadTokenFile> {
        let unreadable = |error| BadTokenFile::Unreadable {
            path: path.display().to_string(),
            error,
        };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let mut tokens = Self::parse(&text)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(path)
                .map_err(unreadable)?
                .permissions()
                .mode();
            if mode & 0o077 != 0 {
                tokens.warnings.push(format!(
                    "the token file {} can be read by others; chmod 600 it",
                    path.display()
                ));
            }
        }
        Ok(tokens)
    }

    /// Reads the text of a token file.
    ///
    /// # Errors
    /// [`BadTokenFile`] names the line.
    pub fn parse(text: &str) -> Result<Self, BadTokenFile> {
        let mut known = Vec::new();
        let mut seen = HashSet::new();
        let mut warnings = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let line = line.trim().trim_start_matches('\u{feff}');
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (roles, token, name) = entry(line).ok_or(BadTokenFile::Line(number))?;
            let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
            if !seen.insert(digest) {
                return Err(BadTokenFile::Twice(number));
            }
            if token.len() < SHORT {
                warnings.push(format!(
                    "line {number} of the token file: the token is shorter than {SHORT} characters \
                     and can be guessed; make one with `openssl rand -hex 32`"
                ));
            }
            let name = match name {
                "" => format!("token on line {number}"),
                name => name.to_owned(),
            };
            let name = Arc::from(name);
            known.push(Known {
                digest,
                bearer: Bearer { name, roles },
            });
        }
        if known.is_empty() {
            return Err(BadTokenFile::Empty);
        }
        Ok(Self {
            known: Arc::new(known),
            warnings,
        })
    }
}

/// The roles, token and name of a line. The role may also come second: people write both.
fn entry(line: &str) -> Option<(Roles, &str, &str)> {
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    if rest.is_empty() {
        return pair(line, "");
    }
    let (second, name) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if let Some(roles) = roles(first.trim_end_matches([':', '='])) {
        return Some((roles, second, name.trim()));
    }
    if let Some(roles) = roles(second) {
        return Some((roles, first.trim_end_matches(':'), name.trim()));
    }
    pair(first, rest)
}

/// `ROLE:TOKEN`, or `TOKEN:ROLE`.
fn pair<'a>(text: &'a str, name: &'a str) -> Option<(Roles, &'a str, &'a str)> {
    for sign in [':', '='] {
        if let Some((role, token)) = text.split_once(sign)
            && let Some(roles) = roles(role)
        {
            return (!token.is_empty()).then_some((roles, token, name));
        }
        if let Some((token, role)) = text.rsplit_once(sign)
            && let Some(roles) = roles(role)
        {
            return (!token.is_empty()).then_some((roles, token, name));
        }
    }
    None
}

fn roles(text: &str) -> Option<Roles> {
    let roles = text
        .split(',')
        .map(Role::parse)
        .collect::<Option<Vec<Role>>>()?;
    Some(Roles::of(&roles))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (line, roles, token, name) in [
            ("submit abc", vec![Role::Submit], "abc", "token on line 1"),
            ("read\tabc  ann b. ", vec![Role::Read], "abc", "ann b."),
            ("operate:abc", vec![Role::Operate], "abc", "token on line 1"),
            ("admin: abc", vec![Role::Admin], "abc", "token on line 1"),
            ("admin=a=b=", vec![Role::Admin], "a=b=", "token on line 1"),
            ("abc admin", vec![Role::Admin], "abc", "token on line 1"),
            ("a:b:admin", vec![Role::Admin], "a:b", "token on line 1"),
            ("admin:abc bob", vec![Role::Admin], "abc", "bob"),
            (
                "submit,read abc",
                vec![Role::Submit, Role::Read],
                "abc",
                "token on line 1",
            ),
        ] {
            let tokens = Tokens::parse(line).expect(line);
            let bearer = tokens.bearer(token).expect(line);
            assert_eq!(bearer.roles, Roles::of(&roles), "{line}");
            assert_eq!(&*bearer.name, name, "{line}");
            assert!(tokens.bearer("other").is_none() && tokens.bearer("").is_none());
        }
    }

    #[test]
    fn names_the_line_and_never_its_text() {
        for (text, line) in [
            ("canary", 1),
            ("# fine\n\nadmin good\nowner canary", 4),
            ("admin:", 1),
            ("admin good\nread,owner canary", 2),
            ("admin canary\nread canary", 2),
        ] {
            let error = Tokens::parse(text).expect_err(text).to_string();
            assert!(error.starts_with(&format!("line {line} ")), "{error}");
            assert!(
                !error.contains("canary") && !error.contains("owner"),
                "{error}"
            );
        }
        assert!(matches!(
            Tokens::parse("# nothing\n"),
            Err(BadTokenFile::Empty)
        ));
    }

    #[test]
    fn says_what_is_weak() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), "admin short\nread 0123456789abcdef\n").unwrap();
        assert_eq!(Tokens::load(path.path()).unwrap().warnings().len(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let open = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(path.path(), open).unwrap();
            assert_eq!(Tokens::load(path.path()).unwrap().warnings().len(), 2);
        }
        let error = Tokens::load(Path::new("/there/is/none")).unwrap_err();
        assert!(error.to_string().contains("/there/is/none"), "{error}");
    }
}
