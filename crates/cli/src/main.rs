//! The `settled` command: reads the command line and hands over to the subcommand.

mod demo;

use std::process::ExitCode;

use clap::Parser;

use self::demo::DemoError;

/// Sagas whose every call ends settled: done, undone, or in front of a person.
#[derive(Debug, Parser)]
#[command(name = "settled", version)]
enum Command {
    Demo(demo::DemoArgs),
    #[command(hide = true)]
    DemoService(demo::DemoServiceArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    demo::attach_if_asked();
    let result: Result<ExitCode, DemoError> = match Command::parse() {
        Command::Demo(args) => demo::run(args).await,
        Command::DemoService(args) => demo::run_service(args).await,
    };
    result.unwrap_or_else(|error| {
        anstream::eprintln!("settled: {error}");
        ExitCode::FAILURE
    })
}
