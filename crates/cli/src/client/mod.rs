//! The commands that ask a running server: submit, show, list, watch, cancel, incidents, participants,
//! schedules, audit.
//!
//! They know the API and nothing of what is behind it. Tables are for people; with `--format json`
//! the server's own JSON is handed on as it came.

mod audit;
mod error;
mod http;
mod incidents;
mod participants;
mod sagas;
mod schedules;
mod stream;
mod watch;

use clap::{Args, Subcommand};

pub(crate) use self::error::ClientError;
use self::http::{Reply, Server};
use crate::engine;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::signals::Signals;

/// A command that asks a server.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    Submit(sagas::SubmitArgs),
    Show(sagas::ShowArgs),
    List(sagas::ListArgs),
    Watch(watch::WatchArgs),
    Cancel(sagas::CancelArgs),
    Incidents(Box<incidents::IncidentsArgs>),
    Participants(participants::ParticipantsArgs),
    Schedules(schedules::SchedulesArgs),
    Audit(audit::AuditArgs),
}

/// Which server, and how the result is written.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    // In the attribute, as the help is no Markdown.
    #[arg(
        help = "The server. The token, where it wants one, is taken from SETTLED_TOKEN",
        long,
        value_name = "URL",
        env = "SETTLED_SERVER",
        default_value = "http://127.0.0.1:7070",
        global = true
    )]
    server: String,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    format: Format,
}

impl Common {
    /// The server. A token on the command line would be seen by everybody on the machine.
    fn server(&self) -> Result<Server, ClientError> {
        let token = std::env::var("SETTLED_TOKEN").ok();
        Server::new(
            &self.server,
            token.as_deref().filter(|token| !token.is_empty()),
        )
    }

    /// Writes an answer as it came, or what people are shown of it.
    fn write(&self, reply: &Reply, text: impl FnOnce() -> String) -> Result<(), CliError> {
        match self.format {
            Format::Text => output::print(&text()),
            Format::Json => {
                let json = String::from_utf8_lossy(&reply.body);
                output::print_json(json.trim_end())
            }
        }
    }
}

/// Carries out one command.
pub(crate) fn run(command: ClientCommand) -> Result<Exit, CliError> {
    let runtime = engine::runtime(1)?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(|source| CliError::System {
            what: "the system gives no signals",
            source,
        })?;
        tokio::select! {
            ended = carry_out(command) => ended,
            _ = signals.next() => Ok(Exit::Interrupted),
        }
    });
    runtime.shutdown_background();
    ended
}

async fn carry_out(command: ClientCommand) -> Result<Exit, CliError> {
    match command {
        ClientCommand::Submit(args) => sagas::submit(args).await,
        ClientCommand::Show(args) => sagas::show(args).await,
        ClientCommand::List(args) => sagas::list(args).await,
        ClientCommand::Watch(args) => watch::run(args).await,
        ClientCommand::Cancel(args) => sagas::cancel(args).await,
        ClientCommand::Incidents(args) => incidents::run(*args).await,
        ClientCommand::Participants(args) => participants::run(args).await,
        ClientCommand::Schedules(args) => schedules::run(args).await,
        ClientCommand::Audit(args) => audit::run(args).await,
    }
}

/// A piece of a path or query, percent-encoded.
fn encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A query string of those parameters that were given.
fn query<'a>(parameters: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let given = parameters
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", encoded(&value?))));
    let given: Vec<String> = given.collect();
    given.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_encoded() {
        let text = query([
            ("a", Some("x y&z=ü".to_owned())),
            ("b", None),
            ("c", Some("order-1~1".to_owned())),
        ]);
        assert_eq!(text, "a=x%20y%26z%3D%C3%BC&c=order-1~1");
    }
}
