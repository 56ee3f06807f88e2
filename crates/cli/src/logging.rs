//! The log: to standard error, as text for people or JSON for programs. Standard output belongs to
//! results.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::error::CliError;

/// What is logged, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogArgs {
    /// What is logged: error, warn, info, debug, or as in info,settled=debug
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "info")]
    log: String,
    /// How log lines are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One object a line, for programs.
    Json,
}

impl LogArgs {
    /// Begins to log. To be called once.
    ///
    /// # Errors
    /// Where the filter cannot be understood.
    pub(crate) fn begin(&self) -> Result<(), CliError> {
        let filter = if self.log.is_empty() {
            "info"
        } else {
            &self.log
        };
        let filter =
            EnvFilter::try_new(filter).map_err(|error| CliError::Log(error.to_string()))?;
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        let colours = std::io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        // It fails only where something logs already, which is as good.
        let _ = match self.log_format {
            LogFormat::Text => subscriber.with_ansi(colours).try_init(),
            LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let log = LogArgs {
            log: "settled=loud".to_owned(),
            log_format: LogFormat::Json,
        };
        let error = log.begin().unwrap_err();
        assert!(error.to_string().starts_with("--log: "), "{error}");
    }
}
