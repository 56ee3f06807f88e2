//! How far the demo is: counted by those who play it, shown to those who watch.
//!
//! A bar on a terminal, a line a second elsewhere; always on standard error, so that standard
//! output holds the result and nothing else.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Counts that only grow.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) orders: usize,
    pub(super) kills: usize,
    placed: AtomicUsize,
    settled: AtomicUsize,
    killed: AtomicUsize,
}

impl Progress {
    /// Nothing is done yet.
    pub(super) fn new(orders: usize, kills: usize) -> Self {
        Self {
            orders,
            kills,
            placed: AtomicUsize::new(0),
            settled: AtomicUsize::new(0),
            killed: AtomicUsize::new(0),
        }
    }

    /// The coordinator acknowledged one more order.
    pub(super) fn one_placed(&self) {
        self.placed.fetch_add(1, Relaxed);
    }

    /// The coordinator was killed once more, and is back.
    pub(super) fn one_killed(&self) {
        self.killed.fetch_add(1, Relaxed);
    }

    /// Of the orders that were placed before the coordinator was asked, so many may be under way.
    pub(super) fn saw(&self, placed: usize, under_way: usize) {
        self.settled
            .fetch_max(placed.saturating_sub(under_way), Relaxed);
    }

    /// Orders that the coordinator acknowledged.
    pub(super) fn placed(&self) -> usize {
        self.placed.load(Relaxed)
    }

    /// Orders that are not under way any more.
    pub(super) fn settled(&self) -> usize {
        self.settled.load(Relaxed)
    }

    /// How often the coordinator was killed.
    pub(super) fn killed(&self) -> usize {
        self.killed.load(Relaxed)
    }

    /// Orders placed and not known to be settled.
    pub(super) fn in_flight(&self) -> usize {
        self.placed().saturating_sub(self.settled())
    }

    /// Everything that can grow, in one number; each order counts twice.
    pub(super) fn reached(&self) -> usize {
        self.placed() + self.settled()
    }

    /// Whether nothing is left to do.
    pub(super) fn is_over(&self) -> bool {
        self.settled() >= self.orders && self.killed() >= self.kills
    }
}

/// Where progress is shown.
#[derive(Debug)]
pub(super) enum Display {
    /// On a terminal.
    Bar(ProgressBar),
    /// Anywhere else; the time of the last line.
    Lines(Instant),
}

impl Display {
    /// Begins to show progress.
    pub(super) fn begin(progress: &Progress) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines(Instant::now());
        }
        let template = "{spinner} {bar:32} {pos}/{len} settled · {msg} · {elapsed}";
        // The template is a constant; were it ever wrong, a plain bar does as well.
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸ ");
        let bar = ProgressBar::new(progress.orders as u64).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self::Bar(bar)
    }

    /// Shows how far it is.
    pub(super) fn show(&mut self, progress: &Progress) {
        let (placed, settled) = (progress.placed(), progress.settled());
        let (killed, kills) = (progress.killed(), progress.kills);
        match self {
            Self::Bar(bar) => {
                bar.set_position(settled as u64);
                bar.set_message(format!(
                    "{placed} placed · coordinator killed {killed}/{kills}"
                ));
            }
            Self::Lines(last) if last.elapsed() >= LINE_EVERY => {
                *last = Instant::now();
                anstream::eprintln!(
                    "{settled}/{} settled · {placed} placed · coordinator killed {killed}/{kills}",
                    progress.orders
                );
            }
            Self::Lines(_) => {}
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
