//! `settled incidents`: what needs a person, and what the person decides.
//!
//! The server says what each decision would come to; here it is only laid out, and nothing is
//! decided that was not asked for.

mod detail;
mod filter;
mod groups;
mod list;
mod resolve;
mod row;
mod show;

use clap::{Args, Subcommand};

use super::Common;
use crate::error::CliError;
use crate::exit::Exit;

/// Shows what needs a person, grouped by what is alike; lists, shows and resolves it.
///
/// With --list, or with any option of the list, each incident has a line of its own.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct IncidentsArgs {
    #[command(subcommand)]
    command: Option<IncidentsCommand>,
    /// Each incident by itself, as in `settled incidents list`
    #[arg(long = "list")]
    flat: bool,
    #[command(flatten)]
    list: list::ListArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum IncidentsCommand {
    /// Lists incidents, the one that came up last first
    List(list::ListArgs),
    /// Shows an incident with its request, response, history, and what each decision does
    Show {
        /// The incident's id, such as order-1001~1
        id: String,
    },
    Resolve(resolve::ResolveArgs),
}

pub(super) async fn run(args: IncidentsArgs) -> Result<Exit, CliError> {
    let common = args.common;
    match args.command {
        None if args.flat || args.list.is_given() => list::list(&common, &args.list).await,
        None => groups::groups(&common).await,
        Some(IncidentsCommand::List(wanted)) => list::list(&common, &wanted).await,
        Some(IncidentsCommand::Show { id }) => show::show(&common, &id).await,
        Some(IncidentsCommand::Resolve(decision)) => resolve::resolve(&common, decision).await,
    }
}
