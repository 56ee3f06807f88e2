//! `settled incidents show`: all that a person needs to decide an incident, on one screen.

use std::fmt::Write;

use super::super::{Common, encoded};
use super::detail::{Detail, Exchange, Foreseen, Neighbour, Place};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{self, Table, Tint, paint, plain};

/// How many steps are shown on each side; a saga may have hundreds.
const NEIGHBOURS: usize = 4;

pub(super) async fn show(common: &Common, id: &str) -> Result<Exit, CliError> {
    let server = common.server()?;
    let reply = server
        .get(&format!("/v1/incidents/{}", encoded(id)))
        .await?;
    let incident: Detail = server.read(&reply)?;
    common.write(&reply, || incident.render(output::width()))?;
    Ok(Exit::Success)
}

impl Detail {
    /// The whole incident, for a screen of so many columns.
    pub(super) fn render(&self, width: Option<usize>) -> String {
        let mut text = self.row.heading();
        if let Some(place) = &self.place {
            text.push_str(&place.render(&self.row.step));
        }
        if let Some(key) = &self.idempotency_key {
            let _ = writeln!(text, "idempotency key {}", plain(key));
        }
        text.push('\n');
        text.push_str(&self.row.exchange(width));
        if let Some(history) = self.history.as_ref().filter(|all| !all.is_empty()) {
            let _ = write!(text, "\n{}\n", paint(Tint::Head, "history"));
            text.push_str(&table(history));
        }
        text.push_str(&self.before());
        text.push_str(&self.row.resolution());
        if self.row.is_open() {
            text.push_str(&self.ahead());
            text.push_str(&self.commands());
        }
        text
    }

    /// What was decided before.
    fn before(&self) -> String {
        let mut text = String::new();
        let earlier = self.earlier_decisions.as_deref().unwrap_or_default();
        if !earlier.is_empty() {
            let _ = write!(text, "\n{}\n", paint(Tint::Head, "decided before"));
        }
        for one in earlier {
            let _ = writeln!(
                text,
                "  {} {} by {} at {}: {}",
                plain(&one.incident),
                plain(&one.decision),
                plain(&one.by),
                plain(output::to_the_second(&one.at)),
                plain(&one.note),
            );
        }
        text
    }

    /// What each decision does.
    fn ahead(&self) -> String {
        let mut text = String::new();
        let decisions = self.decisions.as_deref().unwrap_or_default();
        if !decisions.is_empty() {
            let heading = paint(Tint::Head, "what each decision does");
            let _ = write!(text, "\n{heading}\n");
        }
        for one in decisions {
            let (name, what) = (plain(&one.decision), plain(&one.text));
            let line = format!("  {name:<10}{what}");
            let _ = if one.allowed {
                writeln!(text, "{line}")
            } else {
                writeln!(text, "{}", paint(Tint::Dim, &line))
            };
        }
        text
    }

    /// How to decide: commands as they can be typed.
    fn commands(&self) -> String {
        let mut text = format!("\n{}\n", paint(Tint::Head, "to decide"));
        // An id has no quotation marks, whatever a server says.
        let id = plain(&self.row.id).replace('\'', "");
        let known = self.decisions.as_deref().unwrap_or_default();
        if known.is_empty() {
            let words = "retry|done|not_done|abandon --note TEXT";
            let _ = writeln!(
                text,
                "  settled incidents resolve '{id}' --decision {words}"
            );
        }
        for one in known.iter().filter(|one| one.allowed) {
            let decision = plain(&one.decision);
            let _ = writeln!(
                text,
                "  settled incidents resolve '{id}' --decision {decision}{}",
                options(one)
            );
        }
        text
    }
}

/// What goes with a decision.
fn options(decision: &Foreseen) -> &'static str {
    match (&*decision.decision, decision.needs_note) {
        ("retry", _) => "   (or --body @edited.json)",
        ("done", _) => "    (or --result @result.json)",
        (_, true) => " --note WHY",
        (_, false) => "",
    }
}

impl Place {
    /// The steps in a row, the incident's own in brackets.
    fn render(&self, own: &str) -> String {
        let shown = |step: &Neighbour| {
            let state = paint(Tint::of_state(&step.state), &plain(&step.state));
            format!("{} {state}", plain(&step.name))
        };
        let more = |count: usize| (count > 0).then(|| format!("… {count} more"));
        let skipped = self.before.len().saturating_sub(NEIGHBOURS);
        let left = self.after.len().saturating_sub(NEIGHBOURS);
        let state = paint(Tint::of_state(&self.step_state), &plain(&self.step_state));
        let chain: Vec<String> = more(skipped)
            .into_iter()
            .chain(self.before.iter().skip(skipped).map(shown))
            .chain([format!("[{} {state}]", paint(Tint::Head, &plain(own)))])
            .chain(self.after.iter().take(NEIGHBOURS).map(shown))
            .chain(more(left))
            .collect();
        format!(
            "\nstep {} of {} of a saga that is {}\n  {}\n",
            self.step,
            self.of,
            paint(Tint::of_state(&self.saga_state), &plain(&self.saga_state)),
            chain.join(" → ")
        )
    }
}

fn table(history: &[Exchange]) -> String {
    let mut table = Table::new(&["call", "when", "took", "outcome", "status", "error"]);
    for one in history {
        let status = one
            .response
            .as_ref()
            .and_then(|said| said["status"].as_u64());
        let outcome = one.outcome.as_deref().or(one.finding.as_deref());
        let callback = one.kind == "callback";
        table.row([
            (Tint::Plain, &*format!("{} {}", one.kind, one.number)),
            (Tint::Dim, output::to_the_second(&one.started_at)),
            (
                Tint::Plain,
                &*one.duration_ms.map_or_else(String::new, took),
            ),
            (
                outcome.map_or(Tint::Going, Tint::of_state),
                outcome.unwrap_or(if callback { "" } else { "under way" }),
            ),
            (
                Tint::Plain,
                &*status.map_or_else(String::new, |status| status.to_string()),
            ),
            (Tint::Plain, one.error.as_deref().unwrap_or_default()),
        ]);
    }
    table.render("  ")
}

fn took(millis: f64) -> String {
    if millis < 1_000.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.1} s", millis / 1_000.0)
    }
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
