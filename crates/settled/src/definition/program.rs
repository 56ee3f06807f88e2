//! CEL expressions: parsed once, and run within bounds.
//!
//! The interpreter knows no limits of its own, and expressions come from outside. So what is parsed
//! is limited in length, tokens and nesting (neither parser nor interpreter can run out of stack),
//! and what is run pays for what it copies: the tree is rewritten so that every value about to be
//! copied or compared passes through a function that weighs it, and an evaluation that has spent its
//! [`Budget`] is abandoned. Loops over an object see its keys in order, because a request must come
//! out the same every time it is made.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};
use cel::common::types::{CelInt, CelList, CelMap, DYN_TYPE, INT_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{Context, Env, ExecutionError, IdedExpr, Value};

use super::raw::excerpt;
use super::value::weight;

/// The longest expression, in bytes.
const MAX_LENGTH: usize = 4_096;
/// The most words and signs in an expression.
const MAX_TOKENS: usize = 300;
/// How deep brackets may be nested in an expression. Without optimisation each level takes the parser
/// some 180 KiB of stack.
const MAX_BRACKETS: usize = 8;
/// How many operations may stand inside one another, with what is added to make them pay. In a build
/// without optimisation each takes the interpreter some 25 KiB of stack, of perhaps 2 MiB.
const MAX_DEPTH: usize = 40;
/// What one rule, or one request with all its expressions, may spend: about as many small
/// allocations.
const BUDGET: u64 = 1_000_000;
/// What one use of a regular expression costs.
const REGEX_COST: i64 = 1_000;

const CHARGE: &str = "@charge";
const RANGE: &str = "@range";

thread_local! {
    /// What the evaluation that runs on this thread may still spend.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// What an evaluation that has spent its budget unwinds with.
struct Spent;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Neither name can be spelled in an expression, so neither can be taken already.
    let _ = env.add_overload(CHARGE, "charge", vec![DYN_TYPE, INT_TYPE], charge);
    let _ = env.add_overload(RANGE, "range", vec![DYN_TYPE, INT_TYPE], range);
    Arc::new(env)
});

/// Parses an expression; the error says where it stops making sense.
pub(super) fn parse(source: &str) -> Result<IdedExpr, String> {
    check_size(source)?;
    let parsed = catch_unwind(AssertUnwindSafe(|| ENV.parser().parse(source)));
    match parsed {
        Ok(Ok(tree)) => Ok(tree),
        Ok(Err(errors)) => Err(match errors.errors.first() {
            Some(error) => {
                let text = error.msg.lines().next().unwrap_or_default();
                let place = error.pos.1.saturating_add(1);
                format!(
                    "not a CEL expression, at character {place}: {}",
                    excerpt(text, 120)
                )
            }
            None => "not a CEL expression".to_owned(),
        }),
        Err(_) => Err("not a CEL expression that can be parsed".to_owned()),
    }
}

/// Refuses what would take the parser too deep. What stands inside a string counts as well, which is
/// the safe side.
fn check_size(source: &str) -> Result<(), String> {
    if source.len() > MAX_LENGTH {
        return Err(format!(
            "an expression may have {MAX_LENGTH} bytes, this has {}",
            source.len()
        ));
    }
    let (mut tokens, mut quotes) = (0_usize, 0_usize);
    let (mut brackets, mut deepest) = (0_usize, 0_usize);
    let mut in_word = false;
    for byte in source.bytes() {
        let word = byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
        match byte {
            b'(' | b'[' | b'{' => brackets += 1,
            b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
            b'"' | b'\'' => quotes += 1,
            _ => {}
        }
        let goes_on = byte.is_ascii_whitespace() || (word && in_word);
        tokens += usize::from(!goes_on);
        in_word = word;
        deepest = deepest.max(brackets);
    }
    // A string with its quotes is one word.
    let tokens = tokens - quotes / 2;
    if tokens > MAX_TOKENS {
        return Err(format!(
            "an expression may have {MAX_TOKENS} words and signs, this has {tokens}"
        ));
    }
    if deepest > MAX_BRACKETS {
        return Err(format!(
            "brackets may be nested {MAX_BRACKETS} deep, here it is {deepest}"
        ));
    }
    Ok(())
}

/// How many of its own calls the interpreter is deep in at the deepest place of a metered tree.
fn depth(tree: &IdedExpr) -> usize {
    1 + match &tree.expr {
        Expr::Call(call) => call
            .args
            .iter()
            .chain(call.target.as_deref())
            .map(depth)
            .max()
            .unwrap_or_default(),
        Expr::List(list) => list.elements.iter().map(depth).max().unwrap_or_default(),
        Expr::Map(map) => {
            let members = map.entries.iter().map(|entry| match &entry.expr {
                EntryExpr::MapEntry(member) => depth(&member.key).max(depth(&member.value)),
                EntryExpr::StructField(field) => depth(&field.value),
            });
            members.max().unwrap_or_default()
        }
        Expr::Select(select) => depth(&select.operand),
        Expr::Comprehension(inner) => depth(&inner.iter_range).max(depth(&inner.loop_step)),
        _ => 0,
    }
}

/// Makes a parsed expression ready to be run, if the interpreter can be trusted with it.
pub(super) fn prepare(tree: IdedExpr) -> Result<IdedExpr, String> {
    let tree = meter(tree);
    let depth = depth(&tree);
    if depth > MAX_DEPTH {
        return Err("too many operations inside one another; split the expression".to_owned());
    }
    Ok(tree)
}

/// Makes a parsed expression pay for what it does.
fn meter(tree: IdedExpr) -> IdedExpr {
    let IdedExpr { id, expr } = tree;
    let expr = match expr {
        Expr::Call(call) => Expr::Call(meter_call(call)),
        Expr::List(mut list) => {
            list.elements = list
                .elements
                .into_iter()
                .map(|e| paying(CHARGE, meter(e), 0))
                .collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(member) = &mut entry.expr {
                    member.key = meter(std::mem::take(&mut member.key));
                    member.value = paying(CHARGE, meter(std::mem::take(&mut member.value)), 0);
                }
            }
            Expr::Map(map)
        }
        Expr::Select(mut select) => {
            *select.operand = meter(std::mem::take(&mut *select.operand));
            Expr::Select(select)
        }
        Expr::Comprehension(mut loop_) => {
            let cost = i64::try_from(nodes(&loop_.loop_step)).unwrap_or(i64::MAX);
            let range = meter(std::mem::take(&mut loop_.iter_range));
            loop_.iter_range = paying(RANGE, range, cost);
            loop_.loop_step = meter(std::mem::take(&mut loop_.loop_step));
            Expr::Comprehension(loop_)
        }
        other => other,
    };
    IdedExpr { id, expr }
}

fn meter_call(mut call: CallExpr) -> CallExpr {
    call.args = call.args.into_iter().map(meter).collect();
    call.target = call.target.map(|target| Box::new(meter(*target)));
    let name = call.func_name.as_str();
    let compares = matches!(
        name,
        operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | operators::IN
    );
    if name == operators::ADD {
        if let [left, right] = call.args.as_mut_slice() {
            // The parts of a longer sum have paid already.
            if !matches!(&left.expr, Expr::Call(call) if call.func_name == operators::ADD) {
                *left = paying(CHARGE, std::mem::take(left), 0);
            }
            *right = paying(RANGE, std::mem::take(right), 0);
        }
    } else if compares || name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let cost = if name == "matches" { REGEX_COST } else { 0 };
        call.args = call
            .args
            .into_iter()
            .map(|e| paying(CHARGE, e, cost))
            .collect();
        // `optional.of(…)` is the name of a function, not a value.
        call.target = call.target.map(|target| match &target.expr {
            Expr::Ident(name) if name == "optional" => target,
            _ => Box::new(paying(CHARGE, *target, 0)),
        });
    }
    call
}

/// `tree`, passed through the function that makes it pay. What is free anyway stays as it is: the
/// interpreter knows the accumulators and literal lists of its own loops by their looks.
fn paying(function: &str, tree: IdedExpr, cost: i64) -> IdedExpr {
    let free = match &tree.expr {
        Expr::Literal(_) => cost == 0,
        Expr::List(_) => function == RANGE && cost == 0,
        Expr::Ident(name) => name.starts_with('@'),
        _ => false,
    };
    if free {
        return tree;
    }
    let cost = Expr::Literal(LiteralValue::Int(CelInt::from(cost)));
    IdedExpr {
        id: tree.id,
        expr: Expr::Call(CallExpr {
            func_name: function.to_owned(),
            target: None,
            args: vec![tree, IdedExpr { id: 0, expr: cost }],
        }),
    }
}

/// How many nodes a tree has.
fn nodes(tree: &IdedExpr) -> usize {
    1 + match &tree.expr {
        Expr::Call(call) => call
            .args
            .iter()
            .chain(call.target.as_deref())
            .map(nodes)
            .sum::<usize>(),
        Expr::List(list) => list.elements.iter().map(nodes).sum(),
        Expr::Map(map) => map.entries.len() * 2,
        Expr::Select(select) => nodes(&select.operand),
        Expr::Comprehension(inner) => nodes(&inner.iter_range) + nodes(&inner.loop_step),
        _ => 0,
    }
}

fn spend(units: u64) {
    let left = LEFT.get();
    LEFT.set(left.saturating_sub(units));
    if units > left {
        resume_unwind(Box::new(Spent));
    }
}

fn cost_of(args: &[CowVal<'_, '_>]) -> u64 {
    let cost = args.get(1).and_then(|arg| arg.downcast_ref::<CelInt>());
    cost.map_or(0, |cost| cost.inner().unsigned_abs())
}

/// Weighs a value and hands it on.
fn charge<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let cost = cost_of(&args);
    let value = args
        .into_iter()
        .next()
        .ok_or_else(ExecutionError::missing_argument_or_target)?;
    spend(weight(value.as_ref(), LEFT.get()).saturating_add(cost));
    Ok(value)
}

/// Weighs what a loop goes over, each round at the cost of the loop's body; an object becomes the
/// list of its keys in order.
fn range<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let cost = cost_of(&args);
    let value = args
        .into_iter()
        .next()
        .ok_or_else(ExecutionError::missing_argument_or_target)?;
    let rounds = match (
        value.downcast_ref::<CelList<'_>>(),
        value.downcast_ref::<CelMap<'_>>(),
    ) {
        (Some(list), _) => list.inner().len(),
        (_, Some(map)) => map.inner().len(),
        _ => 0,
    };
    let body = cost.saturating_mul(rounds as u64);
    spend(weight(value.as_ref(), LEFT.get()).saturating_add(body));
    if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        let mut keys: Vec<_> = map.inner().keys().collect();
        keys.sort_unstable();
        let keys: Vec<Box<dyn Val + 'v>> = keys
            .into_iter()
            .map(|key| key.inner().clone_as_boxed())
            .collect();
        return Ok(CowVal::owned(CelList::from(keys)));
    }
    Ok(value)
}

/// The values that an expression runs over, by name.
pub(super) type Variables<'v> = Vec<(&'static str, Box<dyn Val + 'v>)>;

/// What is left to spend.
#[derive(Debug)]
pub(super) struct Budget(Cell<u64>);

impl Budget {
    /// A whole budget.
    pub(super) fn new() -> Self {
        Self(Cell::new(BUDGET))
    }

    /// Spends some of it.
    pub(super) fn spend(&self, units: u64) -> Result<(), String> {
        let left = self.0.get();
        self.0.set(left.saturating_sub(units));
        if units > left {
            Err(SPENT.to_owned())
        } else {
            Ok(())
        }
    }
}

const SPENT: &str = "it takes more work than there may be; make it or its input smaller";

/// Runs a metered expression over `variables`, and hands what it comes to to `then`.
pub(super) fn run<T>(
    tree: &IdedExpr,
    variables: Variables<'_>,
    budget: &Budget,
    then: impl FnOnce(&dyn Val) -> Result<T, String>,
) -> Result<T, String> {
    LEFT.set(budget.0.get());
    let run = AssertUnwindSafe(|| {
        let mut context = Context::with_env(Arc::clone(&ENV));
        for (name, value) in variables {
            context.add_variable_as_val(name, value);
        }
        match Value::resolve_val(tree, &context) {
            Ok(value) => then(value.as_ref()),
            Err(error) => Err(excerpt(&error.to_string(), 200).into_owned()),
        }
    });
    let result = catch_unwind(run);
    budget.0.set(LEFT.get());
    match result {
        Ok(result) => result,
        Err(cause) if cause.is::<Spent>() => Err(SPENT.to_owned()),
        Err(_) => Err("it cannot be evaluated".to_owned()),
    }
}
