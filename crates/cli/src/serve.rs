//! `settled serve`: the coordinator and its HTTP API, until a signal ends them.
//!
//! It starts in the order in which things can be wrong: options, journal, address. What is under
//! way when a signal comes is let end; what is not settled then goes on at the next start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use settled::alerts::Alerts;
use settled::coordinator::{Coordinator, Health};
use settled_server::{BindError, Metrics, Server, ServerSettings, Tokens, check_access};

use crate::alerts::AlertArgs;
use crate::engine::{EngineArgs, runtime};
use crate::error::CliError;
use crate::exit::Exit;
use crate::journal::JournalUrl;
use crate::logging::LogArgs;
use crate::output;
use crate::signals::Signals;
use crate::values;

/// Drives sagas and answers the HTTP API until SIGTERM or Ctrl-C.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes a free one. Elsewhere than on loopback it needs --token-file
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070", value_parser = values::address)]
    listen: SocketAddr,
    /// The journal: sqlite:PATH
    #[arg(
        long,
        value_name = "URL",
        default_value = "sqlite:settled.db",
        env = "SETTLED_JOURNAL",
        hide_env_values = true
    )]
    journal: String,
    /// Who may do what: a file with a line for each token, of its role, the token and, if wanted, a
    /// name; the roles are submit, read, operate and admin
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Listen without tokens on an address that others can reach
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    engine: EngineArgs,
    /// How long settled sagas are kept, such as 7d; for ever where it is not given
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    keep_settled: Option<Duration>,
    /// How long requests and calls may take to end after a signal
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = values::duration)]
    drain_timeout: Duration,
    #[command(flatten)]
    alerts: AlertArgs,
    #[command(flatten)]
    log: LogArgs,
    /// Threads of the runtime, beside the one that writes the journal and those that read it. One
    /// serves best: the engine is one loop, and handing over between threads costs more than it
    /// gains (measured over HTTP: with two, a third more CPU per saga and fewer sagas a second).
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::at_least_one, hide = true)]
    threads: usize,
}

/// Serves until it is asked to end, or the journal fails.
pub(crate) fn run(args: &ServeArgs) -> Result<Exit, CliError> {
    args.log.begin()?;
    let url = JournalUrl::parse(&args.journal)?;
    let tokens = args.token_file.as_deref().map(Tokens::load).transpose()?;
    check_access(args.listen, tokens.as_ref(), args.insecure)?;
    let mut participants = args.engine.participants(tokens.is_some())?;
    let mut alerts = None;
    if let Some(plan) = args.alerts.plan(args.engine.http()?)? {
        participants = participants.with_alerts(plan.post);
        alerts = Some(plan.settings);
        if let Some(warning) = plan.warning {
            tracing::warn!("{warning}");
        }
    }
    let mask = args.engine.mask()?;
    warn(args, tokens.as_ref());
    let journal = url.open()?;
    probe(args.listen)?;
    let runtime = runtime(args.threads)?;
    let served = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(|source| CliError::System {
            what: "the system gives no signals",
            source,
        })?;
        let metrics = Metrics::new();
        let coordinator = Coordinator::start(
            journal,
            participants,
            Arc::clone(&metrics) as _,
            args.engine.settings(mask, args.keep_settled),
        )
        .map_err(|source| CliError::System {
            what: "the system gives no thread for the journal",
            source,
        })?;
        if let Some(settings) = alerts {
            Alerts::start(&coordinator, settings).map_err(|invalid| CliError::Alerts {
                flag: "--alert-url",
                why: invalid.to_string(),
            })?;
        }
        let settings = ServerSettings {
            tokens,
            insecure: args.insecure,
            secure: args.alerts.is_secure(),
            grace: args.drain_timeout,
            ..ServerSettings::default()
        };
        let bound = Server::bind(args.listen, coordinator.clone(), metrics, settings).await;
        let server = match bound {
            Ok(server) => server,
            Err(error) => {
                coordinator.drain(Duration::ZERO).await;
                return Err(error.into());
            }
        };
        output::print(&format!("listening on http://{}\n", server.local_addr()))?;
        tracing::info!(address = %server.local_addr(), journal = %url, "ready");
        attend(server, &coordinator, &mut signals, args.drain_timeout).await
    });
    // A question to the journal that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    served
}

/// Serves, then drains.
async fn attend(
    server: Server,
    coordinator: &Coordinator,
    signals: &mut Signals,
    limit: Duration,
) -> Result<Exit, CliError> {
    let (told, asked) = tokio::sync::oneshot::channel::<()>();
    let mut serving = std::pin::pin!(server.serve(async { drop(asked.await) }));
    tokio::select! {
        // It does not end before it is asked to.
        () = &mut serving => {}
        signal = signals.next() => tracing::info!(
            %signal,
            "draining: what is under way may end; a second signal cuts it off"
        ),
        health = coordinator.stopped() => tracing::error!(?health, "the coordinator has stopped"),
    }
    let began = Instant::now();
    let _ = told.send(());
    let draining = async {
        serving.await;
        let rest = limit.saturating_sub(began.elapsed());
        coordinator.drain(rest).await;
    };
    tokio::select! {
        () = draining => {}
        signal = signals.next() => {
            tracing::warn!(%signal, "cut off: what is under way goes on at the next start");
            coordinator.drain(Duration::ZERO).await;
        }
    }
    if let Health::Failed(why) = coordinator.health() {
        return Err(CliError::JournalFailed(why));
    }
    tracing::info!("stopped");
    Ok(Exit::Success)
}

/// Finds out that an address is taken before any saga goes on.
fn probe(address: SocketAddr) -> Result<(), CliError> {
    match std::net::TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) => Err(BindError::Listen { address, error }.into()),
    }
}

/// Says what is set in a way that may not be meant.
fn warn(args: &ServeArgs, tokens: Option<&Tokens>) {
    for warning in tokens.into_iter().flat_map(Tokens::warnings) {
        tracing::warn!("{warning}");
    }
    if tokens.is_some() && args.engine.allow_participant.is_empty() {
        tracing::warn!(
            "with --token-file calls go only where --allow-participant permits, and it is not \
             given: no call will be made; give the participants' hosts, or *"
        );
    }
    if args.insecure && tokens.is_none() && !args.listen.ip().is_loopback() {
        tracing::warn!(
            "--insecure: whoever reaches {} can do everything",
            args.listen
        );
    }
}
