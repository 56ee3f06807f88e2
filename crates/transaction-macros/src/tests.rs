//! What is refused, with which words; what is written down is tested where it runs.
#![allow(clippy::unwrap_used, reason = "a test")]

use proc_macro2::TokenStream;

use crate::expand::expand;

const FUNCTION: &str = "async fn pay(&self) -> Result<(), Error> { Ok(()) }";

fn expanded(arguments: &str, function: &str) -> syn::Result<TokenStream> {
    expand(arguments.parse().unwrap(), function.parse().unwrap())
}

fn refusal(arguments: &str, function: &str) -> String {
    let Err(error) = expanded(arguments, function) else {
        panic!("{arguments}: not refused")
    };
    error.to_string()
}

/// Without white space, in which nothing lies.
fn dense(text: impl ToString) -> String {
    text.to_string().split_whitespace().collect()
}

fn assert_holds(arguments: &str, wanted: &str) {
    let text = dense(expanded(arguments, FUNCTION).unwrap());
    assert!(text.contains(&dense(wanted)), "{arguments}: {text}");
}

#[test]
fn it_is_sugar_for_run() {
    let text = expanded("self.books", FUNCTION).unwrap();
    let wanted = r#"
        async fn pay(&self) -> Result<(), Error> {
            let scope = (self.books).scope().name("pay");
            scope.run(async move |_| -> Result<(), Error> { Ok(()) }).await
        }"#;
    assert_eq!(dense(text), dense(wanted));
}

#[test]
fn each_option_is_a_call_on_the_scope() {
    for (option, wanted) in [
        (
            "requires_new",
            ".propagation(::settled_transaction::Propagation::RequiresNew)",
        ),
        (
            "not_supported",
            ".propagation(::settled_transaction::Propagation::NotSupported)",
        ),
        (
            "isolation = serializable",
            ".isolation(::settled_transaction::Isolation::Serializable)",
        ),
        ("read_only", ".read_only()"),
        ("deferred", ".deferred()"),
        (
            "timeout = \"1500ms\"",
            ".timeout(::core::time::Duration::from_millis(1500u64))",
        ),
        (
            "timeout = \"2s\"",
            ".timeout(::core::time::Duration::from_millis(2000u64))",
        ),
        (
            "timeout = \"3m\"",
            ".timeout(::core::time::Duration::from_millis(180000u64))",
        ),
        ("name = \"till\"", ".name(\"till\")"),
        ("tx", "async move |tx|"),
        ("tx = books", "async move |books|"),
        ("tx,", "async move |tx|"),
        (
            "roll_back_on = is_bad, commit_on = |error| error.is_small()",
            ".roll_back_on::<<Result<(), Error> as ::settled_transaction::Returned>::Error, _>(is_bad)\
             .commit_on::<<Result<(), Error> as ::settled_transaction::Returned>::Error, _>\
             (|error| error.is_small())",
        ),
        (
            "roll_back_on_value = |value| value.is_empty()",
            ".roll_back_on_value::<<Result<(), Error> as ::settled_transaction::Returned>::Value, _>",
        ),
    ] {
        assert_holds(&format!("self.books, {option}"), wanted);
    }
}

#[test]
fn what_cannot_be_written_twice_is_left_out() {
    let function = "async fn pay() -> Result<impl Display, Error> { Ok(1) }";
    let text = dense(expanded("books", function).unwrap());
    assert!(text.contains("asyncmove|_|{Ok(1)}"), "{text}");
}

#[test]
fn what_stands_on_the_function_stays() {
    let function = "/// Pays.\n#[must_use] pub(crate) async fn r#move<T>(a: impl Into<T>) -> \
        Result<T, Error> where T: Send { #![allow(unused)] make(a) }";
    let text = dense(expanded("books", function).unwrap());
    assert!(
        text.starts_with("#[doc=\"Pays.\"]#[must_use]pub(crate)asyncfnr#move<T>"),
        "{text}"
    );
    assert!(
        text.contains("whereT:Send{#![allow(unused)]letscope="),
        "{text}"
    );
    assert!(text.contains(".name(\"move\")"), "{text}");
}

#[test]
fn a_function_must_be_one_that_can_wait_and_fail() {
    let function = "fn pay() -> Result<(), Error> { Ok(()) }";
    assert!(refusal("books", function).contains("write `async fn`"));
    let said = refusal("books", "async fn pay() {}");
    assert!(said.contains("write `-> Result<(), E>`"), "{said}");
    let said = refusal("books", "async fn pay() -> Result<(), Error>;");
    assert!(
        said.contains("put `#[transactional]` on the implementation"),
        "{said}"
    );
    let said = refusal("books", "impl Shop {}");
    assert_eq!(said, "`#[transactional]` stands on async functions only");
}

#[test]
fn the_manager_comes_first() {
    for arguments in ["", "required", "nested, tx", "name = \"a\"", "read_only"] {
        let said = refusal(arguments, FUNCTION);
        assert!(
            said.starts_with("the first argument says whose transactions"),
            "{said}"
        );
    }
}

#[test]
fn an_option_that_is_wrong_is_named() {
    for (option, wanted) in [
        (
            "propagate",
            "`propagate` is not known here; known are: a propagation (required, ",
        ),
        (
            "nested, never",
            "a scope has one propagation, and `nested` is given already",
        ),
        ("nested, nested", "`nested` is given twice"),
        ("tx, tx = other", "`tx` is given twice"),
        (
            "isolation = snapshot",
            "isolation: `snapshot` is not known; known are: read_uncommitted, ",
        ),
        ("isolation", "`isolation` needs a value: `isolation = …`"),
        ("commit_on", "`commit_on` needs a value"),
        ("name = 5", "name: a text is needed here, in quotes"),
        ("timeout = 2", "timeout: a text is needed here, in quotes"),
        (
            "timeout = \"2\"",
            "timeout: `2` is not a time: write `500ms`, `2s` or `1m`",
        ),
        ("timeout = \"2h\"", "timeout: `2h` is not a time"),
        ("timeout = \"s\"", "timeout: `s` is not a time"),
        ("timeout = \"-1s\"", "timeout: `-1s` is not a time"),
        (
            "timeout = \"0s\"",
            "timeout: it must be longer than zero; leave it out for none",
        ),
        (
            "timeout = \"99999999999999999999s\"",
            "timeout: `99999999999999999999s` is not a time",
        ),
        (
            "timeout = \"9999999999999999999m\"",
            "timeout: `9999999999999999999m` is too long",
        ),
    ] {
        let said = refusal(&format!("books, {option}"), FUNCTION);
        assert!(said.starts_with(wanted), "{option}: {said}");
    }
}

/// Where a compiler would underline it.
#[test]
fn an_error_points_at_what_is_wrong() {
    let column = |arguments: &str| {
        let error = expanded(arguments, FUNCTION).unwrap_err();
        let (start, end) = (error.span().start().column, error.span().end().column);
        arguments[start..end].to_owned()
    };
    assert_eq!(column("books, nested, never"), "never");
    assert_eq!(column("books, propagate"), "propagate");
    assert_eq!(column("books, tx, timeout = \"2h\""), "\"2h\"");
    assert_eq!(column("books, isolation = snapshot"), "snapshot");
}
