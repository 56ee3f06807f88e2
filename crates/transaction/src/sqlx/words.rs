//! What a statement is, by its first word: whether it writes, and whether it may change how its
//! transaction stands.

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only reads.
    Reads,
    /// It writes rows.
    Writes,
    /// It may do anything: change tables, call procedures, be several statements.
    Anything,
    /// It begins or ends a transaction, which is the manager's to do.
    Control,
}

/// What a statement is. `several`: it may be several statements.
pub(super) fn kind(sql: &str, several: bool) -> Kind {
    let word = first_word(sql);
    let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(&[
        "BEGIN",
        "START",
        "COMMIT",
        "END",
        "ROLLBACK",
        "ABORT",
        "SAVEPOINT",
        "RELEASE",
    ]) {
        return Kind::Control;
    }
    if several {
        Kind::Anything
    } else if is(&["SELECT", "VALUES", "TABLE"]) {
        Kind::Reads
    } else if is(&["INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH"]) {
        Kind::Writes
    } else {
        Kind::Anything
    }
}

/// The first word after white space and comments.
pub(super) fn first_word(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        let after = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map(|(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map(|(_, after)| after)
        } else if let Some(after) = rest.strip_prefix(['(', ';']) {
            Some(after)
        } else {
            break;
        };
        rest = after.unwrap_or_default().trim_start();
    }
    let end = rest.find(|c: char| !c.is_ascii_alphabetic());
    end.map_or(rest, |end| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::{Kind, kind};

    #[test]
    fn the_first_word_tells() {
        for (sql, is) in [
            ("select 1", Kind::Reads),
            ("  (SELECT 1)", Kind::Reads),
            ("-- why\n/* and */ INSERT INTO t VALUES (1)", Kind::Writes),
            (
                "WITH gone AS (DELETE FROM t RETURNING a) SELECT * FROM gone",
                Kind::Writes,
            ),
            ("CREATE TABLE t (a INT)", Kind::Anything),
            ("commit", Kind::Control),
            ("/* so */ ROLLBACK;", Kind::Control),
            ("; ; COMMIT", Kind::Control),
            ("", Kind::Anything),
            ("/* never ended", Kind::Anything),
        ] {
            assert_eq!(kind(sql, false), is, "{sql}");
        }
        assert_eq!(kind("SELECT 1; COMMIT", true), Kind::Anything);
    }
}
