//! A saga as the API shows it, read back, and laid out for people.

use std::fmt::Write;

use serde::Deserialize;

use super::table::Table;
use super::tint::{Tint, paint};
use super::{cut, plain};
use crate::exit::Exit;

/// A saga, as far as it is shown.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Saga {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) reason: Option<Reason>,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    #[serde(default)]
    pub(crate) incidents: Vec<IncidentOf>,
    pub(crate) created_at: String,
    pub(crate) settled_at: Option<String>,
    #[serde(default)]
    deadline_at: Option<String>,
}

/// Its first failure.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Reason {
    pub(crate) step: Option<String>,
    pub(crate) outcome: String,
    pub(crate) message: String,
    response: Option<Response>,
}

#[derive(Clone, Debug, Deserialize)]
struct Response {
    status: u16,
    #[serde(default)]
    body: serde_json::Value,
}

/// One of its steps.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) state: String,
    attempts: u32,
    compensation_attempts: u32,
    error: Option<String>,
}

/// One of its incidents.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct IncidentOf {
    id: String,
    step: String,
    direction: String,
    kind: String,
    state: String,
}

/// With what status a command ends that was about this saga.
pub(crate) fn state_exit(state: &str) -> Exit {
    match state {
        "completed" => Exit::Success,
        "compensated" => Exit::Compensated,
        "stuck" => Exit::Stuck,
        _ => Exit::UnderWay,
    }
}

impl Saga {
    /// The saga in full.
    pub(crate) fn render(&self) -> String {
        let mut text = format!(
            "{}  {}  {}\n",
            paint(Tint::Head, &plain(&self.id)),
            plain(&self.name),
            paint(Tint::of_state(&self.state), &plain(&self.state)),
        );
        let _ = write!(text, "accepted {}", plain(&self.created_at));
        for (word, moment) in [
            ("settled", &self.settled_at),
            ("deadline", &self.deadline_at),
        ] {
            if let Some(moment) = moment {
                let _ = write!(text, " · {word} {}", plain(moment));
            }
        }
        text.push('\n');
        if let Some(reason) = &self.reason {
            text.push_str(&reason.render());
        }
        text.push('\n');
        text.push_str(&self.table().render("  "));
        for incident in &self.incidents {
            text.push_str(&incident.render());
        }
        text
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["step", "state", "attempts", "undoing", "error"]);
        for step in &self.steps {
            table.row([
                (Tint::Plain, &*step.name),
                (Tint::of_state(&step.state), &step.state),
                (Tint::Plain, &step.attempts.to_string()),
                (Tint::Plain, &step.compensation_attempts.to_string()),
                (Tint::Plain, step.error.as_deref().unwrap_or_default()),
            ]);
        }
        table
    }
}

impl Reason {
    fn render(&self) -> String {
        let mut text = match &self.step {
            Some(step) => format!(
                "because {} was {}: {}",
                plain(step),
                plain(&self.outcome),
                plain(&self.message)
            ),
            None => format!(
                "because it was {}: {}",
                plain(&self.outcome),
                plain(&self.message)
            ),
        };
        if let Some(response) = &self.response {
            let body = cut(&plain(&response.body.to_string()), 200);
            let _ = write!(text, "\n  answered {} {body}", response.status);
        }
        text.push('\n');
        text
    }
}

impl IncidentOf {
    fn render(&self) -> String {
        format!(
            "\n{} {} · {} {} · {}\n  settled incidents show '{}'\n",
            paint(
                Tint::of_state(&self.state),
                &format!("{} incident", plain(&self.state))
            ),
            plain(&self.id),
            plain(&self.step),
            plain(&self.direction),
            plain(&self.kind),
            plain(&self.id).replace('\'', ""),
        )
    }
}
