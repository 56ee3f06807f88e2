//! Which incidents are meant: the same options wherever incidents are listed or decided.

use clap::Args;
use settled::protocol::IncidentKind;

/// Which incidents; all where nothing is given.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Filter {
    /// Of the saga with this id
    #[arg(long, value_name = "ID")]
    saga: Option<String>,
    /// Of sagas of this kind
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Of the step with this name
    #[arg(long, value_name = "NAME")]
    step: Option<String>,
    /// Whose request went to this host, or host:port
    #[arg(long, value_name = "HOST")]
    participant: Option<String>,
    /// Of this kind, such as `unknown_outcome` or refused
    #[arg(long, value_parser = kind)]
    kind: Option<String>,
    /// With this error, as it stands in the groups
    #[arg(long, value_name = "TEXT")]
    fault: Option<String>,
}

impl Filter {
    /// The parameters of a query; none for what was not given.
    pub(super) fn parameters(&self) -> [(&'static str, Option<String>); 6] {
        [
            ("saga", self.saga.clone()),
            ("name", self.name.clone()),
            ("step", self.step.clone()),
            ("participant", self.participant.clone()),
            ("kind", self.kind.clone()),
            ("fault", self.fault.clone()),
        ]
    }

    /// Whether anything was given.
    pub(super) fn is_given(&self) -> bool {
        self.parameters().iter().any(|(_, value)| value.is_some())
    }
}

fn kind(text: &str) -> Result<String, String> {
    if IncidentKind::parse(text).is_some() {
        return Ok(text.to_owned());
    }
    let words: Vec<&str> = IncidentKind::ALL.iter().map(|word| word.as_str()).collect();
    Err(format!("expected {}", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_the_words_of_the_api() {
        assert!(kind("unknown_outcome").is_ok());
        assert!(kind("bad").unwrap_err().contains("contradiction"));
    }
}
