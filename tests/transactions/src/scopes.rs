//! The words that are scopes: `REQ(ro, timeout=1s){ … }`.

use std::sync::Arc;
use std::time::Duration;

use settled_transaction::{Definition, Isolation, Propagation, Tx};

use crate::databases::Base;
use crate::interpret::run;
use crate::program::Item;
use crate::recorded::Recorded;
use crate::world::{Failure, Ran, Way, World};

/// The word's propagation, where it is a scope.
pub fn propagation(word: &str) -> Option<Propagation> {
    Some(match word {
        "REQ" => Propagation::Required,
        "SUP" => Propagation::Supports,
        "MAN" => Propagation::Mandatory,
        "NEW" => Propagation::RequiresNew,
        "NOT" => Propagation::NotSupported,
        "NEV" => Propagation::Never,
        "NES" => Propagation::Nested,
        _ => return None,
    })
}

/// Reads a length of time, in `ms` or `s`.
///
/// # Errors
/// Where it is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no length of time");
    let of = |number: &str| number.parse::<u64>().map_err(|_| wrong());
    if let Some(millis) = text.strip_suffix("ms") {
        return Ok(Duration::from_millis(of(millis)?));
    }
    let seconds = text.strip_suffix('s').ok_or_else(wrong)?;
    Ok(Duration::from_secs(of(seconds)?))
}

/// One rollback rule.
#[derive(Clone, Debug)]
struct Rule {
    commits: bool,
    /// The kind of failure; all where it is `any`.
    kind: String,
}

impl Rule {
    fn holds(&self, failure: &Failure) -> bool {
        match failure {
            Failure::Own(kind) => self.kind == "any" || *kind == self.kind,
            _ => self.kind == "any",
        }
    }
}

#[derive(Default)]
struct Asked {
    definition: Definition,
    other: bool,
    rules: Vec<Rule>,
    value: Option<String>,
}

impl Asked {
    fn read(item: &Item) -> Result<Self, String> {
        let mut asked = Self::default();
        asked.definition.propagation = propagation(&item.word).unwrap_or_default();
        for argument in &item.arguments {
            let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
            match name {
                "ro" => asked.definition.read_only = true,
                "deferred" => asked.definition.deferred = true,
                "other" => asked.other = true,
                "name" => asked.definition.name = Some(value.to_owned().into()),
                "timeout" => asked.definition.timeout = Some(duration(value)?),
                "iso" => {
                    asked.definition.isolation = Some(match value {
                        "read_uncommitted" => Isolation::ReadUncommitted,
                        "read_committed" => Isolation::ReadCommitted,
                        "repeatable_read" => Isolation::RepeatableRead,
                        "serializable" => Isolation::Serializable,
                        _ => return Err(format!("`{value}` is no isolation")),
                    });
                }
                "commit_on" | "roll_back_on" => asked.rules.push(Rule {
                    commits: name == "commit_on",
                    kind: value.to_owned(),
                }),
                "roll_back_on_value" => asked.value = Some(value.to_owned()),
                _ => return Err(format!("`{argument}` is nothing to ask of a scope")),
            }
        }
        Ok(asked)
    }
}

/// Runs a scope.
pub(crate) async fn scope<D: Base>(
    world: &Arc<World<D>>,
    item: &Item,
    within: Option<&Tx<Recorded<D>>>,
) -> Ran {
    let asked = Asked::read(item).map_err(Failure::Wrong)?;
    let manager = match (&world.other, asked.other) {
        (Some(other), true) => other,
        (None, true) => return Err(Failure::wrong("there is no other pool")),
        (_, false) => &world.manager,
    };
    let handed = world.way == Way::Handed;
    let scope = match within {
        Some(tx) if handed && !asked.other => tx.scope(),
        _ => manager.scope(),
    };
    let scope = scope.definition(asked.definition);
    let block = item.block();
    if handed && asked.rules.is_empty() && asked.value.is_none() {
        let begun = scope.begin().await?;
        let tx = begun.tx().clone();
        return match run(Arc::clone(world), block, Some(tx)).await {
            Ok(value) => {
                begun.commit().await?;
                Ok(value)
            }
            Err(failure) => {
                // As `run` does: the body's error is what the caller gets.
                let _told = begun.roll_back().await;
                Err(failure)
            }
        };
    }
    let rule = |place: usize, commits: bool| {
        let rule = asked.rules.get(place).cloned();
        let rule = rule.filter(|rule| rule.commits == commits);
        move |failure: &Failure| rule.as_ref().is_some_and(|rule| rule.holds(failure))
    };
    let value = asked.value.clone();
    let of_value = move |ran: &Option<String>| value.is_some() && *ran == value;
    scope
        .roll_back_on(rule(0, false))
        .commit_on(rule(0, true))
        .roll_back_on(rule(1, false))
        .commit_on(rule(1, true))
        .roll_back_on_value(of_value)
        .run(async |tx: &Tx<Recorded<D>>| run(Arc::clone(world), block, Some(tx.clone())).await)
        .await
}
