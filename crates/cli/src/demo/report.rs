//! The demo's result, for people and for programs.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::audit::{Calls, Discrepancy, Ledger, Verdict};
use super::shop::Kind;
use super::{DemoArgs, Format};

/// The most discrepancies that are shown to people; programs get all of them.
const SHOWN_MAX: usize = 20;

/// Everything that a run has to say.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    orders: usize,
    completed: usize,
    compensated: usize,
    stuck: usize,
    /// Neither settled nor stuck: only ever above 0 in a run that failed.
    open: usize,
    seed: u64,
    kills: usize,
    seconds: f64,
    services: BTreeMap<&'static str, ServiceReport>,
    /// Faults of all services together, by kind.
    faults: BTreeMap<String, u32>,
    /// Why the run was not waited for to its end.
    gave_up: Option<String>,
    /// Whether every order is settled and every book agrees.
    pub(super) books_balance: bool,
    discrepancies: Vec<Discrepancy>,
}

/// One service's part.
#[derive(Debug, Serialize)]
struct ServiceReport {
    /// Actions that took effect.
    done: usize,
    /// Compensations that took effect.
    undone: usize,
    /// Effects that remain.
    kept: i64,
    /// Requests that came, checks included.
    calls: u32,
    checks: u32,
    /// Business refusals.
    refused: u32,
    faults: BTreeMap<String, u32>,
}

impl Report {
    /// Puts a run's findings together.
    pub(super) fn new(
        args: &DemoArgs,
        kills: usize,
        took: Duration,
        verdict: Verdict,
        books: &[(Kind, Ledger)],
        gave_up: Option<String>,
    ) -> Self {
        let mut faults = BTreeMap::new();
        for (_, ledger) in books {
            for (fault, count) in &ledger.calls.faults {
                *faults.entry(fault.clone()).or_default() += count;
            }
        }
        let services = books
            .iter()
            .map(|(kind, ledger)| (kind.name(), service(*kind, &ledger.calls, &verdict)))
            .collect();
        Self {
            orders: args.orders,
            completed: verdict.completed,
            compensated: verdict.compensated,
            stuck: verdict.stuck,
            open: verdict.open,
            seed: args.seed,
            kills,
            seconds: (took.as_secs_f64() * 1000.0).round() / 1000.0,
            services,
            faults,
            books_balance: verdict.balances() && gave_up.is_none(),
            gave_up,
            discrepancies: verdict.discrepancies,
        }
    }

    /// Writes the report to standard output.
    pub(super) fn print(&self, format: Format) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        match format {
            Format::Json => {
                serde_json::to_writer(&mut out, self)?;
                writeln!(out)
            }
            Format::Text => self.write_text(&mut out),
        }
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let open = if self.open > 0 {
            format!(" · open {}", self.open)
        } else {
            String::new()
        };
        writeln!(
            out,
            "orders   {:>9}   completed {} · compensated {} · stuck {}{open}",
            self.orders, self.completed, self.compensated, self.stuck
        )?;
        writeln!(
            out,
            "coordinator killed {}× · seed {} · {:.1} s\n",
            self.kills, self.seed, self.seconds
        )?;
        self.write_services(out)?;
        if !self.faults.is_empty() {
            let faults: Vec<_> = self
                .faults
                .iter()
                .map(|(k, n)| format!("{k} ×{n}"))
                .collect();
            writeln!(out, "\nfaults   {}", faults.join(" · "))?;
        }
        self.write_verdict(out)
    }

    fn write_services(&self, out: &mut impl Write) -> io::Result<()> {
        let bold = Style::new().bold();
        writeln!(
            out,
            "{bold}{:<8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}{bold:#}",
            "service", "done", "undone", "kept", "refused", "calls", "checks", "faults"
        )?;
        for kind in Kind::ALL {
            let name = kind.name();
            let Some(service) = self.services.get(name) else {
                continue;
            };
            let faults: u32 = service.faults.values().sum();
            let ServiceReport {
                done,
                undone,
                kept,
                calls,
                checks,
                refused,
                ..
            } = service;
            writeln!(
                out,
                "{name:<8} {done:>9} {undone:>9} {kept:>9} {refused:>9} {calls:>9} {checks:>9} \
                 {faults:>9}"
            )?;
        }
        Ok(())
    }

    fn write_verdict(&self, out: &mut impl Write) -> io::Result<()> {
        if !self.discrepancies.is_empty() {
            writeln!(out)?;
        }
        for Discrepancy {
            order,
            service,
            what,
        } in self.discrepancies.iter().take(SHOWN_MAX)
        {
            let service = service.map_or("coordinator", Kind::name);
            writeln!(
                out,
                "{} · {service} · {what}",
                order.as_deref().unwrap_or("all orders")
            )?;
        }
        if self.discrepancies.len() > SHOWN_MAX {
            let more = self.discrepancies.len() - SHOWN_MAX;
            writeln!(out, "… and {more} more; --format json names them all")?;
        }
        if let Some(why) = &self.gave_up {
            writeln!(out, "\ngave up: {why}")?;
        }
        let (color, word) = if self.books_balance {
            (AnsiColor::Green, "yes")
        } else {
            (AnsiColor::Red, "no")
        };
        let style = Style::new().bold().fg_color(Some(color.into()));
        writeln!(out, "\nbooks balance: {style}{word}{style:#}")
    }
}

fn service(kind: Kind, calls: &Calls, verdict: &Verdict) -> ServiceReport {
    let effects = verdict.effects.get(&kind).copied().unwrap_or_default();
    ServiceReport {
        done: effects.done,
        undone: effects.undone,
        kept: effects.done as i64 - effects.undone as i64,
        calls: calls.total,
        checks: calls.checks,
        refused: calls.refused,
        faults: calls.faults.clone(),
    }
}
