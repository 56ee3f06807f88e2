//! Which journal a `--journal` option means, and opening it.

use std::path::PathBuf;
use std::sync::Arc;

use settled::coordinator::OpenJournal;
use settled::journal::{OpenError, SqliteJournal};

use crate::error::CliError;

/// Where a journal is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalUrl {
    /// The SQLite file.
    pub(crate) path: PathBuf,
}

impl JournalUrl {
    /// Reads what was given as `--journal`.
    ///
    /// # Errors
    /// [`CliError::JournalUrl`] says how to write it.
    pub(crate) fn parse(text: &str) -> Result<Self, CliError> {
        let refused = |why: String| Err(CliError::JournalUrl(why));
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => {}
            "postgres" | "postgresql" | "mysql" | "mariadb" => {
                return refused(format!(
                    "journals in {scheme} are not in this build; use sqlite:PATH"
                ));
            }
            _ => {
                return refused(format!(
                    "expected sqlite:PATH, such as sqlite:settled.db, got {text}"
                ));
            }
        }
        let path = &text["sqlite:".len()..];
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return refused("the path is missing; write sqlite:settled.db".to_owned());
        }
        if path.starts_with(':') || path.contains('?') {
            return refused(
                "a journal is a plain file: no :memory: and no ?parameters; use sqlite:PATH"
                    .to_owned(),
            );
        }
        Ok(Self { path: path.into() })
    }

    /// Opens it, and makes it where there is none. It may take a moment: to be called where
    /// blocking does no harm.
    ///
    /// # Errors
    /// Says what is in the way.
    pub(crate) fn open(&self) -> Result<OpenJournal, OpenError> {
        let journal = SqliteJournal::open(&self.path)?;
        let keeper = Arc::new(journal.keeper());
        Ok(OpenJournal {
            writer: Box::new(journal),
            keeper,
        })
    }
}

impl std::fmt::Display for JournalUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sqlite:{}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, path) in [
            ("sqlite:settled.db", "settled.db"),
            ("sqlite:///var/lib/settled.db", "/var/lib/settled.db"),
            ("sqlite:/var/lib/settled.db", "/var/lib/settled.db"),
            ("SQLITE:a b.db", "a b.db"),
            ("sqlite://settled.db", "settled.db"),
        ] {
            assert_eq!(
                JournalUrl::parse(text).unwrap().path,
                PathBuf::from(path),
                "{text}"
            );
        }
    }

    #[test]
    fn says_how_to_write_it() {
        for (text, hint) in [
            ("postgres://localhost/x", "not in this build"),
            ("postgresql://localhost/x", "not in this build"),
            ("mysql://localhost/x", "not in this build"),
            ("settled.db", "expected sqlite:PATH"),
            ("", "expected sqlite:PATH"),
            ("sqlite:", "the path is missing"),
            ("sqlite::memory:", "a plain file"),
            ("sqlite:a.db?mode=ro", "a plain file"),
        ] {
            let error = JournalUrl::parse(text).unwrap_err();
            assert!(error.to_string().contains(hint), "{text}: {error}");
            assert_eq!(error.exit(), crate::exit::Exit::Usage);
        }
    }
}
