//! What was measured, for people and for programs.

use std::fmt::Write;

use serde::{Serialize, Serializer};

use crate::output::{Format, Tint, paint};

/// A result that can be written.
pub(super) trait Written: Serialize {
    /// For people.
    fn text(&self) -> String;

    /// As asked for.
    fn write(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Json => {
                let mut text = serde_json::to_string(self).unwrap_or_default();
                text.push('\n');
                text
            }
        }
    }
}

/// Sagas beside the same calls made bare.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(serialize_with = "short")]
    pub(super) sagas_per_s: f64,
    #[serde(serialize_with = "short")]
    pub(super) p50_ms: f64,
    #[serde(serialize_with = "short")]
    pub(super) p99_ms: f64,
    #[serde(serialize_with = "short")]
    pub(super) bare_sagas_per_s: f64,
    #[serde(serialize_with = "short")]
    pub(super) ratio: f64,
    /// The coordinator's process.
    #[serde(serialize_with = "short")]
    pub(super) cpu_s_per_1000: f64,
    #[serde(serialize_with = "short")]
    pub(super) peak_rss_mib: f64,
    #[serde(serialize_with = "short")]
    pub(super) bare_p50_ms: f64,
    #[serde(serialize_with = "short")]
    pub(super) bare_p99_ms: f64,
    /// How much of its time the coordinator's process spends in the kernel.
    #[serde(serialize_with = "short")]
    pub(super) kernel_share: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_cpu_s_per_1000: Option<f64>,
    #[serde(serialize_with = "short")]
    pub(super) participant_cpu_s_per_1000: f64,
    #[serde(serialize_with = "short")]
    pub(super) bare_cpu_s_per_1000: f64,
    #[serde(serialize_with = "short")]
    pub(super) bare_participant_cpu_s_per_1000: f64,
    /// What went to the disk, the log and the tables together.
    #[serde(serialize_with = "short")]
    pub(super) written_kib_per_saga: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) journal: Option<JournalReport>,
    /// From the start of the server's process until it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ready_ms: Option<f64>,
    #[serde(serialize_with = "shorts")]
    pub(super) rounds_sagas_per_s: Vec<f64>,
    #[serde(serialize_with = "shorts")]
    pub(super) rounds_bare_sagas_per_s: Vec<f64>,
    pub(super) sagas: usize,
    pub(super) steps: usize,
    pub(super) concurrency: usize,
    pub(super) fail_percent: usize,
    pub(super) threads: usize,
    pub(super) over_http: bool,
}

/// What the journal's writer did.
#[derive(Debug, Serialize)]
pub(super) struct JournalReport {
    #[serde(serialize_with = "short")]
    pub(super) commits_per_saga: f64,
    #[serde(serialize_with = "short")]
    pub(super) appends_per_saga: f64,
    #[serde(serialize_with = "short")]
    pub(super) mean_batch: f64,
    #[serde(serialize_with = "short")]
    pub(super) commit_mean_ms: f64,
    /// Estimated from a histogram, as the next.
    #[serde(serialize_with = "short")]
    pub(super) commit_p50_ms: f64,
    #[serde(serialize_with = "short")]
    pub(super) commit_p99_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_kib_per_saga: Option<f64>,
}

impl Written for Report {
    fn text(&self) -> String {
        let mut text = format!(
            "{} sagas of {} steps, {} at once, {} % refused at their last step{}\n\n",
            self.sagas,
            self.steps,
            self.concurrency,
            self.fail_percent,
            if self.over_http {
                ", submitted over HTTP"
            } else {
                ""
            },
        );
        let heading = format!("{:<24}{:>12}{:>12}", "", "sagas", "bare calls");
        let _ = writeln!(text, "{}", paint(Tint::Head, &heading));
        let mut pair = |what: &str, sagas: String, bare: String| {
            let _ = writeln!(text, "{what:<24}{sagas:>12}{bare:>12}");
        };
        pair(
            "per second",
            format!("{:.0}", self.sagas_per_s),
            format!("{:.0}", self.bare_sagas_per_s),
        );
        pair(
            "half within, ms",
            format!("{:.2}", self.p50_ms),
            format!("{:.2}", self.bare_p50_ms),
        );
        pair(
            "99 % within, ms",
            format!("{:.2}", self.p99_ms),
            format!("{:.2}", self.bare_p99_ms),
        );
        pair(
            "CPU s per 1000",
            format!("{:.3}", self.cpu_s_per_1000),
            format!("{:.3}", self.bare_cpu_s_per_1000),
        );
        pair(
            "  of the participant",
            format!("{:.3}", self.participant_cpu_s_per_1000),
            format!("{:.3}", self.bare_participant_cpu_s_per_1000),
        );
        let mut line = |what: &str, value: String| {
            let _ = writeln!(text, "{what:<24}{value:>12}");
        };
        line("ratio to bare", format!("{:.2}", self.ratio));
        line("peak memory, MiB", format!("{:.1}", self.peak_rss_mib));
        line(
            "written per saga, KiB",
            format!("{:.1}", self.written_kib_per_saga),
        );
        if let Some(journal) = &self.journal {
            line(
                "commits per saga",
                format!("{:.3}", journal.commits_per_saga),
            );
            line("appends per commit", format!("{:.1}", journal.mean_batch));
            line(
                "commit, half within, ms",
                format!("{:.2}", journal.commit_p50_ms),
            );
            line(
                "commit, 99 % within, ms",
                format!("{:.2}", journal.commit_p99_ms),
            );
            if let Some(kib) = journal.file_kib_per_saga {
                line("journal per saga, KiB", format!("{kib:.2}"));
            }
        }
        if let Some(ready) = self.ready_ms {
            line("ready after, ms", format!("{ready:.0}"));
        }
        text
    }
}

/// Sagas that wait for an hour, and a coordinator that starts over them.
#[derive(Debug, Serialize)]
pub(super) struct ParkedReport {
    pub(super) parked: usize,
    /// How quickly they were taken, called once and parked.
    #[serde(serialize_with = "short")]
    pub(super) parked_per_s: f64,
    /// From the start of the new process until it is ready: best and worst of several.
    #[serde(serialize_with = "short")]
    pub(super) ready_ms: f64,
    #[serde(serialize_with = "short")]
    pub(super) ready_worst_ms: f64,
    /// Of the new process, a second later.
    #[serde(serialize_with = "short")]
    pub(super) rss_mib: f64,
    #[serde(serialize_with = "short")]
    pub(super) peak_rss_mib: f64,
    #[serde(serialize_with = "short")]
    pub(super) cpu_s: f64,
    /// The same of a process over an empty journal.
    #[serde(serialize_with = "short")]
    pub(super) empty_ready_ms: f64,
    #[serde(serialize_with = "short")]
    pub(super) empty_rss_mib: f64,
    #[serde(serialize_with = "short")]
    pub(super) journal_mib: f64,
}

impl Written for ParkedReport {
    fn text(&self) -> String {
        format!(
            "{} sagas wait for an hour ({:.0} parked a second, journal {:.0} MiB)\n\n\
             started over them:   ready after {:.0} ms ({:.0} at worst), {:.1} MiB, {:.2} CPU s\n\
             over an empty one:   ready after {:.0} ms, {:.1} MiB\n",
            self.parked,
            self.parked_per_s,
            self.journal_mib,
            self.ready_ms,
            self.ready_worst_ms,
            self.rss_mib,
            self.cpu_s,
            self.empty_ready_ms,
            self.empty_rss_mib,
        )
    }
}

/// Sagas that are functions in this process, beside the journal alone.
#[derive(Debug, Serialize)]
pub(super) struct InProcessReport {
    #[serde(serialize_with = "short")]
    pub(super) sagas_per_s: f64,
    #[serde(serialize_with = "short")]
    pub(super) p50_ms: f64,
    #[serde(serialize_with = "short")]
    pub(super) p99_ms: f64,
    /// How many sagas' batches the store alone writes in a second.
    #[serde(serialize_with = "short")]
    pub(super) bare_sagas_per_s: f64,
    #[serde(serialize_with = "short")]
    pub(super) ratio: f64,
    #[serde(serialize_with = "short")]
    pub(super) cpu_s_per_1000: f64,
    #[serde(serialize_with = "short")]
    pub(super) peak_rss_mib: f64,
    #[serde(serialize_with = "short")]
    pub(super) commits_per_saga: f64,
    #[serde(serialize_with = "short")]
    pub(super) appends_per_saga: f64,
    #[serde(serialize_with = "short")]
    pub(super) mean_batch: f64,
    /// Of the batches that the store alone wrote.
    #[serde(serialize_with = "short")]
    pub(super) bare_mean_batch: f64,
    /// Memory that a saga takes whose closure is under way.
    #[serde(serialize_with = "short")]
    pub(super) kib_per_saga_in_flight: f64,
    #[serde(serialize_with = "shorts")]
    pub(super) rounds_sagas_per_s: Vec<f64>,
    #[serde(serialize_with = "shorts")]
    pub(super) rounds_bare_sagas_per_s: Vec<f64>,
    pub(super) sagas: usize,
    pub(super) steps: usize,
    pub(super) concurrency: usize,
    pub(super) threads: usize,
}

impl Written for InProcessReport {
    fn text(&self) -> String {
        format!(
            "{} sagas of {} closures that do nothing, {} at once\n\n\
             as sagas:            {:.0} sagas/s, p50 {:.2} ms, p99 {:.2} ms, {:.3} CPU s per 1,000\n\
             the journal alone:   {:.0} sagas/s, the same batches written once more\n\
             ratio:               {:.2}\n\n\
             journal: {:.2} commits and {:.1} appends a saga, {:.0} appends a commit ({:.0} alone)\n\
             memory: {:.1} KiB a saga under way, {:.0} MiB at most\n",
            self.sagas,
            self.steps,
            self.concurrency,
            self.sagas_per_s,
            self.p50_ms,
            self.p99_ms,
            self.cpu_s_per_1000,
            self.bare_sagas_per_s,
            self.ratio,
            self.commits_per_saga,
            self.appends_per_saga,
            self.mean_batch,
            self.bare_mean_batch,
            self.kib_per_saga_in_flight,
            self.peak_rss_mib,
        )
    }
}

/// New sagas on a journal that is full of settled ones, beside an empty journal.
#[derive(Debug, Serialize)]
pub(super) struct HistoryReport {
    pub(super) history: usize,
    #[serde(serialize_with = "short")]
    pub(super) sagas_per_s: f64,
    #[serde(serialize_with = "short")]
    pub(super) p50_ms: f64,
    #[serde(serialize_with = "short")]
    pub(super) p99_ms: f64,
    #[serde(serialize_with = "short")]
    pub(super) empty_sagas_per_s: f64,
    #[serde(serialize_with = "short")]
    pub(super) empty_p50_ms: f64,
    #[serde(serialize_with = "short")]
    pub(super) empty_p99_ms: f64,
    #[serde(serialize_with = "short")]
    pub(super) ratio: f64,
    #[serde(serialize_with = "short")]
    pub(super) journal_mib: f64,
    pub(super) sagas: usize,
    pub(super) concurrency: usize,
    #[serde(serialize_with = "shorts")]
    pub(super) rounds_sagas_per_s: Vec<f64>,
    #[serde(serialize_with = "shorts")]
    pub(super) rounds_empty_sagas_per_s: Vec<f64>,
}

impl Written for HistoryReport {
    fn text(&self) -> String {
        format!(
            "{} sagas, {} at once\n\n\
             over {} settled ones ({:.0} MiB):  {:.0} a second, half within {:.2} ms, 99 % within {:.2} ms\n\
             over an empty journal:  {:.0} a second, half within {:.2} ms, 99 % within {:.2} ms\n\
             ratio {:.2}\n",
            self.sagas,
            self.concurrency,
            self.history,
            self.journal_mib,
            self.sagas_per_s,
            self.p50_ms,
            self.p99_ms,
            self.empty_sagas_per_s,
            self.empty_p50_ms,
            self.empty_p99_ms,
            self.ratio,
        )
    }
}

fn rounded(value: f64) -> f64 {
    let digits = if value.abs() >= 100.0 { 10.0 } else { 10_000.0 };
    (value * digits).round() / digits
}

/// No more digits than there is sense in.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn short<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(rounded(*value))
}

fn shorts<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|value| rounded(*value)))
}
