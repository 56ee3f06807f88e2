//! What stands in the attribute's parentheses: where the transactions are, and what is asked for.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, LitStr, Result, Token};

/// The words, and what they are as `Propagation`.
const PROPAGATIONS: [(&str, &str); 7] = [
    ("required", "Required"),
    ("supports", "Supports"),
    ("mandatory", "Mandatory"),
    ("requires_new", "RequiresNew"),
    ("not_supported", "NotSupported"),
    ("never", "Never"),
    ("nested", "Nested"),
];

/// The words, and what they are as `Isolation`.
const ISOLATIONS: [(&str, &str); 4] = [
    ("read_uncommitted", "ReadUncommitted"),
    ("read_committed", "ReadCommitted"),
    ("repeatable_read", "RepeatableRead"),
    ("serializable", "Serializable"),
];

const KNOWN: &str = "a propagation (required, supports, mandatory, requires_new, not_supported, \
     never, nested), `isolation = …`, `read_only`, `timeout = \"2s\"`, `name = \"…\"`, `deferred`, \
     `commit_on = …`, `roll_back_on = …`, `roll_back_on_value = …`, `tx`, `tx = …`";

/// What the attribute says.
pub(crate) struct Arguments {
    /// What has `.scope()`.
    pub(crate) manager: Expr,
    /// A variant of `Propagation`.
    pub(crate) propagation: Option<Ident>,
    /// A variant of `Isolation`.
    pub(crate) isolation: Option<Ident>,
    pub(crate) read_only: bool,
    pub(crate) deferred: bool,
    pub(crate) timeout_millis: Option<u64>,
    pub(crate) name: Option<LitStr>,
    /// In the order given, which counts.
    pub(crate) rules: Vec<(Rule, Expr)>,
    /// What the body calls the handle.
    pub(crate) tx: Option<Ident>,
}

/// A rollback rule: the method of `Scope` that takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    CommitOn,
    RollBackOn,
    RollBackOnValue,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Self::of(manager(input)?);
        let mut given: Vec<Ident> = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let word = Ident::parse_any(input)?;
            let is_rule = ["commit_on", "roll_back_on", "roll_back_on_value"];
            if !is_rule.iter().any(|rule| word == rule) {
                if given.contains(&word) {
                    return Err(Error::new(word.span(), format!("`{word}` is given twice")));
                }
                given.push(word.clone());
            }
            arguments.take(word, input)?;
        }
        Ok(arguments)
    }
}

impl Arguments {
    fn of(manager: Expr) -> Self {
        Self {
            manager,
            propagation: None,
            isolation: None,
            read_only: false,
            deferred: false,
            timeout_millis: None,
            name: None,
            rules: Vec::new(),
            tx: None,
        }
    }

    fn take(&mut self, word: Ident, input: ParseStream<'_>) -> Result<()> {
        let span = word.span();
        let said = word.to_string();
        if let Some(variant) = find(&PROPAGATIONS, &said) {
            if let Some(other) = &self.propagation {
                let other = word_of(&PROPAGATIONS, &other.to_string());
                return Err(Error::new(
                    span,
                    format!("a scope has one propagation, and `{other}` is given already"),
                ));
            }
            self.propagation = Some(Ident::new(variant, span));
            return Ok(());
        }
        match said.as_str() {
            "isolation" => self.isolation = Some(isolation(&value(&word, input)?)?),
            "read_only" => self.read_only = true,
            "deferred" => self.deferred = true,
            "timeout" => {
                let text: LitStr = text(&word, input)?;
                let millis = millis(&text.value());
                self.timeout_millis =
                    Some(millis.map_err(|why| Error::new(text.span(), format!("timeout: {why}")))?);
            }
            "name" => self.name = Some(text(&word, input)?),
            "commit_on" => self.rule(Rule::CommitOn, &word, input)?,
            "roll_back_on" => self.rule(Rule::RollBackOn, &word, input)?,
            "roll_back_on_value" => self.rule(Rule::RollBackOnValue, &word, input)?,
            "tx" if input.peek(Token![=]) => self.tx = Some(value(&word, input)?),
            "tx" => self.tx = Some(word),
            _ => {
                return Err(Error::new(
                    span,
                    format!("`{word}` is not known here; known are: {KNOWN}"),
                ));
            }
        }
        Ok(())
    }

    fn rule(&mut self, rule: Rule, word: &Ident, input: ParseStream<'_>) -> Result<()> {
        self.rules.push((rule, value(word, input)?));
        Ok(())
    }
}

/// The first argument.
fn manager(input: ParseStream<'_>) -> Result<Expr> {
    let missing = |span: Span| {
        Error::new(
            span,
            "the first argument says whose transactions: something with `.scope()`, as in \
             `#[transactional(self.books)]`",
        )
    };
    if input.is_empty() {
        return Err(missing(input.span()));
    }
    let manager: Expr = input.parse()?;
    let is_option = match &manager {
        Expr::Assign(_) => true,
        Expr::Path(path) => path.path.get_ident().is_some_and(|word| {
            let word = word.to_string();
            find(&PROPAGATIONS, &word).is_some() || word == "read_only" || word == "deferred"
        }),
        _ => false,
    };
    if is_option {
        return Err(missing(manager.span()));
    }
    Ok(manager)
}

/// What stands after `word =`.
fn value<T: Parse>(word: &Ident, input: ParseStream<'_>) -> Result<T> {
    if !input.peek(Token![=]) {
        return Err(Error::new(
            word.span(),
            format!("`{word}` needs a value: `{word} = …`"),
        ));
    }
    input.parse::<Token![=]>()?;
    input.parse()
}

/// A text after `word =`.
fn text(word: &Ident, input: ParseStream<'_>) -> Result<LitStr> {
    match value(word, input)? {
        Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) => Ok(text),
        other => Err(Error::new(
            other.span(),
            format!("{word}: a text is needed here, in quotes"),
        )),
    }
}

fn isolation(said: &Ident) -> Result<Ident> {
    let Some(variant) = find(&ISOLATIONS, &said.to_string()) else {
        let known: Vec<&str> = ISOLATIONS.iter().map(|(word, _)| *word).collect();
        return Err(Error::new(
            said.span(),
            format!(
                "isolation: `{said}` is not known; known are: {}",
                known.join(", ")
            ),
        ));
    };
    Ok(Ident::new(variant, said.span()))
}

fn find(table: &[(&'static str, &'static str)], word: &str) -> Option<&'static str> {
    let found = table.iter().find(|(known, _)| *known == word);
    found.map(|(_, variant)| *variant)
}

fn word_of(table: &[(&'static str, &'static str)], variant: &str) -> &'static str {
    let found = table.iter().find(|(_, known)| *known == variant);
    found.map_or("", |(word, _)| word)
}

/// How long `2s`, `500ms` and `1m` are.
fn millis(text: &str) -> std::result::Result<u64, String> {
    let bad = || format!("`{text}` is not a time: write `500ms`, `2s` or `1m`");
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(end);
    let each = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return Err(bad()),
    };
    let number: u64 = number.parse().map_err(|_| bad())?;
    if number == 0 {
        return Err("it must be longer than zero; leave it out for none".to_owned());
    }
    let millis = number.checked_mul(each);
    millis.ok_or_else(|| format!("`{text}` is too long"))
}
