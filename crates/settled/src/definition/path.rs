//! Expressions that are nothing but a path into a value.
//!
//! Most are. They are recognised in their text, without the parser, and in parsed expressions.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};

use super::raw::Segment;

/// Reads an expression that is only a path, such as `steps.stock.result.list[0]["a b"]`, without
/// the parser; `None` for any other, and wherever the parser may know better.
pub(super) fn plain_path(source: &str) -> Option<(&str, Vec<Segment>)> {
    let (name, mut rest) = identifier(source.trim())?;
    let mut path = Vec::new();
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('.') {
            let (key, tail) = identifier(tail)?;
            path.push(Segment::Key(key.to_owned()));
            rest = tail;
        } else {
            let (inner, tail) = rest.strip_prefix('[')?.split_once(']')?;
            path.push(subscript(inner)?);
            rest = tail;
        }
    }
    Some((name, path))
}

fn identifier(text: &str) -> Option<(&str, &str)> {
    const RESERVED: [&str; 20] = [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
    ];
    let end = text
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .count();
    let (name, rest) = text.split_at(end);
    let starts = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    (starts && name != "while" && !RESERVED.contains(&name)).then_some((name, rest))
}

fn subscript(inner: &str) -> Option<Segment> {
    let quoted = |quote| inner.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(key) = quoted('"').or_else(|| quoted('\'')) {
        let plain = !key.is_empty() && !key.contains(['"', '\'', '\\', '\n', '\r']);
        return plain.then(|| Segment::Key(key.to_owned()));
    }
    let digits = !inner.is_empty() && inner.len() < 10 && inner.bytes().all(|b| b.is_ascii_digit());
    let canonical = digits && (inner == "0" || !inner.starts_with('0'));
    if canonical {
        inner.parse().ok().map(Segment::Index)
    } else {
        None
    }
}

/// The path that a parsed expression is, if it is one: the name it starts from and the way.
pub(super) fn path_of(tree: &IdedExpr) -> Option<(&str, Vec<Segment>)> {
    let mut path = Vec::new();
    let mut tree = tree;
    loop {
        match &tree.expr {
            Expr::Ident(name) => {
                path.reverse();
                return Some((name, path));
            }
            Expr::Select(select) if !select.test => {
                path.push(Segment::Key(select.field.clone()));
                tree = &select.operand;
            }
            Expr::Call(CallExpr {
                func_name,
                target: None,
                args,
            }) if func_name == operators::INDEX => {
                let [operand, index] = args.as_slice() else {
                    return None;
                };
                path.push(match &index.expr {
                    Expr::Literal(LiteralValue::String(key)) => {
                        Segment::Key(key.inner().to_owned())
                    }
                    Expr::Literal(LiteralValue::Int(index)) => {
                        Segment::Index(usize::try_from(*index.inner()).ok()?)
                    }
                    _ => return None,
                });
                tree = operand;
            }
            _ => return None,
        }
    }
}
