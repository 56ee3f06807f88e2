//! What `serve`, `run` and `bench` have in common: the options of a coordinator, and the runtime
//! that it runs on.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use settled::coordinator::CoordinatorSettings;
use settled::engine::{Limits, Settings};
use settled::mask::Mask;
use settled::participant::{AllowList, HttpParticipants, HttpSettings};
use settled::protocol::Span;
use tokio::runtime::{Builder, Runtime};

use crate::error::CliError;
use crate::{limits, values};

/// How much a coordinator takes on, and whom it may call.
#[derive(Clone, Debug, Args)]
pub(crate) struct EngineArgs {
    /// Where calls may go: host, *.domain, address, block of addresses, host:port, or * for all;
    /// may be given several times
    ///
    /// Without it, and without --token-file, calls may go anywhere but to link-local and metadata
    /// addresses. Those must be named themselves, always.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) allow_participant: Vec<String>,
    /// Certificate authorities to trust in https calls, beside the machine's (PEM)
    #[arg(long, value_name = "FILE")]
    participant_ca: Option<PathBuf>,
    /// The most sagas in memory; what comes on top waits in the journal
    #[arg(long, value_name = "N", default_value = "10000", value_parser = values::at_least_one)]
    max_in_flight: usize,
    /// The most calls to one participant at a time
    #[arg(long, value_name = "N", default_value = "256", value_parser = values::at_least_one)]
    max_calls_per_participant: usize,
    /// What one participant may be asked to bear; may be given several times, as
    /// warehouse.local:80=concurrent:10,per-second:5,breaker:off
    ///
    /// After the name of the participant, host:port as it is called, come any of concurrent:N,
    /// per-second:R (or none), and breaker:N, the calls in a row without a definite answer after
    /// which it is left alone for a while (or off).
    #[arg(long, value_name = "HOST:PORT=LIMITS", value_parser = limits::one)]
    limit: Vec<(String, Limits)>,
    /// Fields to mask in what is recorded as evidence and shown, beside the defaults: a name such as
    /// iban or *account, in any case and with or without - _ .; may be given several times
    ///
    /// The defaults are passwords, tokens, keys and the like, card numbers, and what follows Bearer
    /// or Basic. What is needed to call again is kept whole.
    #[arg(long, value_name = "PATTERN")]
    mask: Vec<String>,
    /// Mask only what --mask names; no card numbers either
    #[arg(long)]
    no_default_masks: bool,
}

impl EngineArgs {
    /// The client that makes the calls. With `closed`, or once any pattern is given, they go only
    /// where a pattern permits.
    ///
    /// # Errors
    /// Where a pattern or the authorities cannot be used.
    pub(crate) fn participants(&self, closed: bool) -> Result<HttpParticipants, CliError> {
        let allow = if closed || !self.allow_participant.is_empty() {
            AllowList::from_patterns(&self.allow_participant)?
        } else {
            AllowList::open()
        };
        let extra_authorities = match &self.participant_ca {
            None => None,
            Some(path) => Some(std::fs::read(path).map_err(|source| CliError::File {
                path: path.clone(),
                source,
            })?),
        };
        Ok(HttpParticipants::new(HttpSettings {
            allow,
            extra_authorities,
            max_idle_per_host: self.max_calls_per_participant,
            ..HttpSettings::default()
        })?)
    }

    /// What participants may be asked to bear for which nothing else is said.
    fn limits(&self) -> Limits {
        Limits {
            max_concurrent: self.max_calls_per_participant as u32,
            ..Limits::default()
        }
    }

    /// What is masked.
    ///
    /// # Errors
    /// Where a pattern is no name.
    pub(crate) fn mask(&self) -> Result<Mask, CliError> {
        let mask = if self.no_default_masks {
            Mask::only(&self.mask)
        } else {
            Mask::with(&self.mask)
        };
        Ok(mask?)
    }

    /// The coordinator's settings.
    pub(crate) fn settings(
        &self,
        mask: Mask,
        keep_settled: Option<Duration>,
    ) -> CoordinatorSettings {
        CoordinatorSettings {
            engine: Settings {
                max_in_flight: self.max_in_flight,
                limits: self.limits(),
                limits_of: self.limit.iter().cloned().collect(),
                mask,
                ..Settings::default()
            },
            keep_settled: keep_settled.map(Span::from),
            ..CoordinatorSettings::default()
        }
    }
}

/// A runtime with so many threads; with one, everything runs on the calling thread.
pub(crate) fn runtime(threads: usize) -> Result<Runtime, CliError> {
    let mut builder = if threads <= 1 {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder
        .enable_all()
        .build()
        .map_err(|source| CliError::System {
            what: "the system gives no threads",
            source,
        })
}
