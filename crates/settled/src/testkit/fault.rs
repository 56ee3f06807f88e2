//! What goes wrong in a scenario, and its name, by which a scenario is run again.
//!
//! Only the words; what a fault does is with the calls, where it strikes.

use std::fmt;
use std::str::FromStr;

/// What goes wrong with one call of a closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Twice,
    Refused,
    NotSent,
    NeverSent,
    LostBefore,
    NeverArrives,
    LostAfter,
    NeverAnswered,
    Broken,
    Panics,
    Silent,
    Late,
    AnsweredTwice,
    SaysNothing,
    NeverSays,
    SaysNo,
}

impl Fault {
    const ALL: [Self; 16] = [
        Self::Twice,
        Self::Refused,
        Self::NotSent,
        Self::NeverSent,
        Self::LostBefore,
        Self::NeverArrives,
        Self::LostAfter,
        Self::NeverAnswered,
        Self::Broken,
        Self::Panics,
        Self::Silent,
        Self::Late,
        Self::AnsweredTwice,
        Self::SaysNothing,
        Self::NeverSays,
        Self::SaysNo,
    ];

    /// What can befall an action or a compensation, whatever it is declared to be.
    pub(super) const CALLS: [Self; 12] = [
        Self::Refused,
        Self::NotSent,
        Self::NeverSent,
        Self::LostBefore,
        Self::NeverArrives,
        Self::LostAfter,
        Self::NeverAnswered,
        Self::Broken,
        Self::Panics,
        Self::Silent,
        Self::Late,
        Self::AnsweredTwice,
    ];

    /// What can befall a check that tells the truth.
    pub(super) const CHECKS: [Self; 4] = [
        Self::SaysNothing,
        Self::NeverSays,
        Self::Silent,
        Self::AnsweredTwice,
    ];

    /// Whether it strikes every call of its site, rather than the first.
    pub(super) const fn is_lasting(self) -> bool {
        matches!(
            self,
            Self::NeverSent | Self::NeverArrives | Self::NeverAnswered | Self::NeverSays
        )
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Twice => "twice",
            Self::Refused => "refused",
            Self::NotSent => "not-sent",
            Self::NeverSent => "never-sent",
            Self::LostBefore => "lost-before",
            Self::NeverArrives => "never-arrives",
            Self::LostAfter => "lost-after",
            Self::NeverAnswered => "never-answered",
            Self::Broken => "broken",
            Self::Panics => "panics",
            Self::Silent => "silent",
            Self::Late => "late",
            Self::AnsweredTwice => "answered-twice",
            Self::SaysNothing => "says-nothing",
            Self::NeverSays => "never-says",
            Self::SaysNo => "says-no",
        }
    }

    /// What was done, in words.
    const fn explain(self) -> &'static str {
        match self {
            Self::Twice => "was called twice with the same key, and its first answer was lost",
            Self::Refused => "was refused, without being called",
            Self::NotSent => "was not sent the first time",
            Self::NeverSent => "was never sent, as often as it was tried",
            Self::LostBefore => "was lost on the way: never executed, and nobody was told",
            Self::NeverArrives => "was lost on the way every time: never executed, nobody was told",
            Self::LostAfter => "was executed, and its answer was lost",
            Self::NeverAnswered => "was executed each time, and every answer was lost",
            Self::Broken => "could not be called",
            Self::Panics => "panicked on the way (dropped at its first await, or after its end)",
            Self::Silent => "was not executed, and did not answer within its time limit",
            Self::Late => "was lost, and executed later, just within its time limit",
            Self::AnsweredTwice => "was answered twice",
            Self::SaysNothing => "gave no answer the first time",
            Self::NeverSays => "never gave an answer",
            Self::SaysNo => "said once that it did not happen, whatever was true",
        }
    }
}

/// A place where closures are called: a leg's key, and whether it is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Site {
    pub(super) key: String,
    pub(super) is_check: bool,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        f.write_str(if self.is_check { "?" } else { "" })
    }
}

/// One thing that is done to a saga.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// A call goes wrong.
    Call(Fault, Site),
    /// The process dies at this point.
    Crash(u64),
    /// Somebody cancels the saga at this point.
    Cancel(u64),
}

impl Disturbance {
    /// What was done, in words.
    pub(super) fn explain(&self) -> String {
        match self {
            Self::Call(fault, site) => {
                let what = if site.is_check { "the check of " } else { "" };
                format!("{what}`{}` {}", site.key, fault.explain())
            }
            Self::Crash(point) => format!("the process died at point {point}"),
            Self::Cancel(point) => format!("the saga was cancelled at point {point}"),
        }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(fault, site) => write!(f, "{}@{site}", fault.name()),
            Self::Crash(point) => write!(f, "crash@{point}"),
            Self::Cancel(point) => write!(f, "cancel@{point}"),
        }
    }
}

impl FromStr for Disturbance {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (what, place) = text.split_once('@').ok_or(())?;
        match what {
            "crash" => place.parse().map(Self::Crash).map_err(|_| ()),
            "cancel" => place.parse().map(Self::Cancel).map_err(|_| ()),
            fault => {
                let mut all = Fault::ALL.into_iter();
                let fault = all.find(|known| known.name() == fault).ok_or(())?;
                let key = place.strip_suffix('?');
                let site = Site {
                    key: key.unwrap_or(place).to_owned(),
                    is_check: key.is_some(),
                };
                Ok(Self::Call(fault, site))
            }
        }
    }
}

/// What a scenario is called: everything that is done in it. The undisturbed one has a name too.
pub(super) fn name_of(disturbances: &[Disturbance]) -> String {
    if disturbances.is_empty() {
        return UNDISTURBED.to_owned();
    }
    let names: Vec<String> = disturbances.iter().map(ToString::to_string).collect();
    names.join("+")
}

/// Reads a scenario's name.
pub(super) fn read_name(name: &str) -> Option<Vec<Disturbance>> {
    if name == UNDISTURBED {
        return Some(Vec::new());
    }
    name.split('+').map(|part| part.parse().ok()).collect()
}

const UNDISTURBED: &str = "undisturbed";

#[cfg(test)]
mod tests {
    use super::{Disturbance, Fault, Site, name_of, read_name};

    #[test]
    fn names_are_read_as_they_are_written() {
        let site = |is_check| Site {
            key: "order-1/a.b/action".to_owned(),
            is_check,
        };
        let mut all: Vec<Disturbance> = Fault::ALL
            .into_iter()
            .map(|fault| Disturbance::Call(fault, site(fault == Fault::SaysNo)))
            .collect();
        all.extend([Disturbance::Crash(7), Disturbance::Cancel(0)]);
        assert_eq!(read_name(&name_of(&all)), Some(all));
        assert_eq!(read_name(&name_of(&[])), Some(vec![]));
        assert_eq!(read_name("crash@x"), None);
    }
}
