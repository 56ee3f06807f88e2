//! The `settled` command: reads the command line and hands over to the subcommand.
//!
//! Results go to standard output, talk to standard error. Every failure is one line that says what
//! to do, and a status that is listed in [`exit`].

mod alerts;
mod bench;
mod client;
mod demo;
mod document;
mod engine;
mod error;
mod exit;
mod journal;
mod lifeline;
mod limits;
mod logging;
mod output;
mod run;
mod serve;
mod signals;
mod usage;
mod values;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::error::CliError;
use self::exit::Exit;

/// A coordinator is many small allocations from several threads; see `docs/dependencies.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sagas whose every call ends settled: done, undone, or in front of a person.
#[derive(Debug, Parser)]
#[command(
    name = "settled",
    version,
    after_help = exit::HELP,
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Run(run::RunArgs),
    #[command(flatten)]
    Client(client::ClientCommand),
    Demo(demo::DemoArgs),
    Bench(bench::BenchArgs),
    #[command(hide = true)]
    DemoService(demo::DemoServiceArgs),
    #[command(hide = true)]
    BenchParticipant(bench::ParticipantArgs),
}

fn main() -> ExitCode {
    lifeline::attach_if_asked();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::explain(&error).into(),
    };
    match carry_out(cli.command) {
        Ok(status) => status,
        Err(CliError::Closed) => Exit::Success.into(),
        Err(error) => {
            output::complain(&error);
            error.exit().into()
        }
    }
}

fn carry_out(command: Command) -> Result<ExitCode, CliError> {
    Ok(match command {
        Command::Serve(args) => serve::run(&args)?.into(),
        Command::Run(args) => run::run(&args)?.into(),
        Command::Client(command) => client::run(command)?.into(),
        Command::Bench(args) => bench::run(&args)?.into(),
        Command::BenchParticipant(args) => bench::run_participant(&args)?.into(),
        Command::Demo(args) => engine::runtime(2)?.block_on(demo::run(args))?,
        Command::DemoService(args) => engine::runtime(2)?.block_on(demo::run_service(args))?,
    })
}
