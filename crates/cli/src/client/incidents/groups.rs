//! `settled incidents`: what needs a person, with what is alike on one line.

use serde::Deserialize;

use super::super::Common;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{self, Format, Table, Tint};

/// Open incidents that are alike.
#[derive(Deserialize)]
struct Group {
    /// Null where no request could be made.
    participant: Option<String>,
    step: String,
    direction: String,
    kind: String,
    /// The error without what tells one incident from another.
    fault: String,
    count: u64,
    oldest_at: String,
    /// One of them.
    example: String,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

pub(super) async fn groups(common: &Common) -> Result<Exit, CliError> {
    let server = common.server()?;
    let reply = server.get("/v1/incidents/groups").await?;
    let groups: Groups = server.read(&reply)?;
    common.write(&reply, || table(&groups.groups))?;
    if common.format == Format::Text {
        output::say(if groups.groups.is_empty() {
            "nothing needs a person"
        } else {
            "see one with `settled incidents show ID`, each with `settled incidents list`"
        });
    }
    Ok(Exit::Success)
}

fn table(groups: &[Group]) -> String {
    let mut table = Table::new(&[
        "participant",
        "step",
        "direction",
        "kind",
        "error",
        "open",
        "oldest",
        "example",
    ]);
    for group in groups {
        table.row([
            (Tint::Plain, group.participant.as_deref().unwrap_or("-")),
            (Tint::Plain, &*group.step),
            (Tint::Plain, &*group.direction),
            (Tint::Plain, &*group.kind),
            (Tint::Plain, &*group.fault),
            (Tint::Bad, &*group.count.to_string()),
            (Tint::Dim, output::to_the_second(&group.oldest_at)),
            (Tint::Plain, &*group.example),
        ]);
    }
    table.render("")
}
