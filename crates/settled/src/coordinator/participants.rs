//! What a program is shown of its participants, and how it changes their limits. Nothing of it is
//! kept in the journal: limits that are set here last until the process ends.

use super::Coordinator;
use super::handle::STOPPED;
use crate::engine::{Incoming, Limits, LimitsError, ParticipantView, Reply};

/// The longest name of a participant.
const LONGEST_NAME: usize = 256;

/// The coordinator has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}; start it again and ask then", STOPPED)]
pub struct Stopped;

/// Why limits were not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetLimitsError {
    /// The name cannot be a participant's.
    #[error(
        "participant: expected `host:port`, or the name that a step gives; 1 to 256 characters"
    )]
    Name,
    /// They cannot be kept to.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// Nobody keeps to them any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Coordinator {
    /// Every participant that was called since the start, or has limits of its own, in the order of
    /// their names.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn participants(&self) -> Result<Vec<ParticipantView>, Stopped> {
        self.ask_for_participants(None).await
    }

    /// One participant, by the name it is listed under; none where it was never called and has no
    /// limits of its own.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn participant(&self, name: &str) -> Result<Option<ParticipantView>, Stopped> {
        let found = self.ask_for_participants(Some(name.to_owned())).await?;
        Ok(found.into_iter().next())
    }

    /// What participants may be asked to bear that have no limits of their own.
    pub fn default_limits(&self) -> &Limits {
        &self.default_limits
    }

    /// Changes what a participant may be asked to bear: at once, for what waits already, and until
    /// the process ends. It need not have been called yet. Gives the participant as it is then.
    ///
    /// # Errors
    /// [`SetLimitsError`]; nothing was changed then.
    pub async fn set_limits(
        &self,
        participant: &str,
        limits: Limits,
    ) -> Result<ParticipantView, SetLimitsError> {
        limits.check()?;
        let fits = (1..=LONGEST_NAME).contains(&participant.chars().count());
        if !fits || participant.chars().any(char::is_control) {
            return Err(SetLimitsError::Name);
        }
        let participant = participant.to_owned();
        let ask = |reply| Incoming::SetLimits {
            participant,
            limits,
            reply,
        };
        match self.ask(ask).await {
            Reply::Participants(found) => found.into_iter().next().ok_or(Stopped.into()),
            _ => Err(Stopped.into()),
        }
    }

    async fn ask_for_participants(
        &self,
        name: Option<String>,
    ) -> Result<Vec<ParticipantView>, Stopped> {
        match self
            .ask(|reply| Incoming::Participants { name, reply })
            .await
        {
            Reply::Participants(found) => Ok(found),
            _ => Err(Stopped),
        }
    }
}
