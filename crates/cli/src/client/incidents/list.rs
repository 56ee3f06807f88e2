//! `settled incidents list`: each incident on a line of its own.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::super::http::Server;
use super::super::{Common, query};
use super::filter::Filter;
use super::row::Row;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{self, Format, Table, Tint};
use crate::values;

/// The most that a page holds.
const PAGE: usize = 500;

/// How many are listed where nobody says.
const FEW: usize = 50;

#[derive(Clone, Debug, Args)]
pub(super) struct ListArgs {
    /// Open ones, resolved ones, or all; open ones where it is left out
    #[arg(long, value_enum)]
    state: Option<Which>,
    #[command(flatten)]
    filter: Filter,
    /// How many at most; 50 where it is left out
    #[arg(long, value_name = "N", value_parser = values::at_least_one)]
    limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    Open,
    Resolved,
    All,
}

#[derive(Deserialize)]
struct Page {
    incidents: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

impl ListArgs {
    /// Whether anything was given.
    pub(super) fn is_given(&self) -> bool {
        self.state.is_some() || self.limit.is_some() || self.filter.is_given()
    }
}

pub(super) async fn list(common: &Common, wanted: &ListArgs) -> Result<Exit, CliError> {
    let server = common.server()?;
    let state = match wanted.state.unwrap_or(Which::Open) {
        Which::Open => Some("open"),
        Which::Resolved => Some("resolved"),
        Which::All => None,
    };
    let most = wanted.limit.unwrap_or(FEW);
    let (incidents, cursor) = pages(&server, state, &wanted.filter, most).await?;
    match common.format {
        Format::Json => {
            let items: Vec<&str> = incidents.iter().map(|raw| raw.get()).collect();
            let cursor = json!(cursor);
            let text = format!(
                r#"{{"incidents":[{}],"next_cursor":{cursor}}}"#,
                items.join(",")
            );
            output::print_json(&text)?;
        }
        Format::Text => {
            output::print(&table(&incidents))?;
            if cursor.is_some() {
                output::say("there are more; ask for more with --limit N");
            }
        }
    }
    Ok(Exit::Success)
}

/// Incidents that match, each as it came, and where to go on.
pub(super) async fn pages(
    server: &Server,
    state: Option<&str>,
    filter: &Filter,
    most: usize,
) -> Result<(Vec<Box<RawValue>>, Option<String>), CliError> {
    let (mut incidents, mut cursor): (Vec<Box<RawValue>>, Option<String>) = (Vec::new(), None);
    loop {
        let limit = (most - incidents.len()).min(PAGE);
        let paging = [
            ("state", state.map(str::to_owned)),
            ("limit", Some(limit.to_string())),
            ("cursor", cursor.take()),
        ];
        let page = query(paging.into_iter().chain(filter.parameters()));
        let reply = server.get(&format!("/v1/incidents?{page}")).await?;
        let page: Page = server.read(&reply)?;
        incidents.extend(page.incidents);
        cursor = page.next_cursor;
        if cursor.is_none() || incidents.len() >= most {
            return Ok((incidents, cursor));
        }
    }
}

fn table(incidents: &[Box<RawValue>]) -> String {
    let mut table = Table::new(&[
        "incident",
        "name",
        "step",
        "direction",
        "kind",
        "state",
        "opened",
        "error",
    ]);
    for raw in incidents {
        let Ok(incident) = serde_json::from_str::<Row>(raw.get()) else {
            continue;
        };
        table.row([
            (Tint::Plain, &*incident.id),
            (Tint::Plain, &*incident.name),
            (Tint::Plain, &*incident.step),
            (Tint::Plain, &*incident.direction),
            (Tint::Plain, &*incident.kind),
            (Tint::of_state(&incident.state), &*incident.state),
            (Tint::Dim, output::to_the_second(&incident.opened_at)),
            (Tint::Plain, &*incident.error),
        ]);
    }
    table.render("")
}
