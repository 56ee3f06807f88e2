//! The task beside the coordinator: sleeps until the incident table changes, or a reminder or a digest
//! is due, and submits what there is to tell.
//!
//! An alert is submitted before what it tells of is put down as told. It is named by the first incident
//! that it tells of, which is also the first that there is still to tell of when the two were torn
//! apart: the alert is found there then, and says itself what it told. So it may be broken off anywhere.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use settled_journal::{
    Change, CommitError, IncidentFilter, IncidentRow, ReadError, Telling, Told, Untold,
};
use settled_protocol::{Decision, Resolution, Span, Timestamp};
use tokio::time::sleep;

use super::digest::{self, DueDigest};
use super::event::{Standing, Voice};
use super::id::{digest_id, reminder_moment, telling_id};
use super::pace::{Lately, Pace};
use super::{ALERT_SAGA, AlertSettings, is_alert, saga};
use crate::coordinator::{CommandError, Coordinator, Health, SubmitError};
use crate::definition::Definition;

/// How long to wait after a change: what went wrong once commonly does so again at once, and is then
/// told of together.
const GATHER: Duration = Duration::from_secs(1);

/// How many incidents are looked at, and told of together, at most.
const MOST: usize = 1_000;

/// How long to wait after a failure; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How often the table is read in a row; others want something of the journal too.
const MOST_ROUNDS: u32 = 50;

const SHORTEST_REMINDER: Span = Span::from_secs(1);

/// In this order what was opened, what was resolved and what is still open is told.
const TELLINGS: [Telling; 3] = [Telling::Opened, Telling::Resolved, Telling::Reminder];

const GIVEN_UP: &str =
    "an alert that could not be delivered; what it told of is in the incident table";

/// It could not be done now.
#[derive(Debug, thiserror::Error)]
enum NotNow {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] CommitError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("an alert cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Tells.
pub(super) struct Teller {
    coordinator: Coordinator,
    settings: AlertSettings,
    definition: Arc<Definition>,
    lately: Lately,
    /// Every digest that was due by then is on record.
    digested: Timestamp,
}

impl Teller {
    pub(super) fn new(
        coordinator: Coordinator,
        mut settings: AlertSettings,
        definition: Arc<Definition>,
    ) -> Self {
        let long_enough = |every: Span| every.max(SHORTEST_REMINDER);
        settings.remind_every = settings.remind_every.map(long_enough);
        Self {
            coordinator,
            settings,
            definition,
            lately: Lately::default(),
            digested: Timestamp(0),
        }
    }

    /// Tells until the coordinator begins to drain. What is under way then is found at the next start.
    pub(super) async fn run(mut self) {
        let coordinator = self.coordinator.clone();
        let draining = async {
            let mut health = coordinator.health_changes();
            let _ = health.wait_for(|health| *health != Health::Running).await;
        };
        tokio::select! {
            () = draining => {}
            () = self.attend() => {}
        }
    }

    async fn attend(&mut self) {
        let mut changed = self.coordinator.incidents_changed();
        let limits = saga::limits();
        if let Err(error) = (self.coordinator)
            .set_limits(saga::PARTICIPANT, limits)
            .await
        {
            tracing::warn!(%error, "alerts: the receiver has the limits of every participant");
        }
        let mut pause = FIRST_PAUSE;
        loop {
            changed.mark_unchanged();
            let next = match self.look().await {
                Ok(next) => {
                    pause = FIRST_PAUSE;
                    next.map(|at| (at - self.coordinator.clock().now()).to_std())
                }
                Err(error) => {
                    tracing::warn!(%error, "alerts: they cannot be submitted now; it is tried again");
                    let wait = pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    Some(wait)
                }
            };
            let alarm = async {
                match next {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = alarm => {}
                seen = changed.changed() => match seen {
                    Ok(()) => sleep(GATHER).await,
                    // The coordinator is gone.
                    Err(_) => return,
                },
            }
        }
    }

    /// Tells what there is to tell; says when there will be more, if nothing happens before.
    async fn look(&mut self) -> Result<Option<Timestamp>, NotNow> {
        let mut next = self.digest().await?;
        let mut wake = |at: Timestamp| next = Some(next.map_or(at, |next| next.min(at)));
        for round in 0.. {
            if round == MOST_ROUNDS {
                wake(self.coordinator.clock().now() + SHORTEST_REMINDER);
                break;
            }
            let now = self.coordinator.clock().now();
            let remind_before = self.settings.remind_every.map(|every| now - every);
            let untold = self.coordinator.untold(remind_before, MOST).await?;
            let (own, others): (Vec<Untold>, Vec<Untold>) = untold
                .into_iter()
                .partition(|untold| is_alert(&untold.incident.name, &untold.incident.saga));
            let mut again = !own.is_empty();
            self.give_up(own).await?;
            for telling in TELLINGS {
                let of_kind = |untold: &&Untold| untold.telling == telling;
                let waiting: Vec<&Untold> = others.iter().filter(of_kind).collect();
                if waiting.is_empty() {
                    continue;
                }
                match self.lately.pace(now, telling, waiting.len()) {
                    Pace::Later(at) => wake(at),
                    Pace::Together => {
                        if self.tell(&waiting).await? {
                            self.lately.told_together(now, telling);
                        }
                        again = true;
                    }
                    Pace::Singly => {
                        for one in &waiting {
                            if self.tell(std::slice::from_ref(one)).await? {
                                self.lately.told_singly(now);
                            }
                        }
                        again = true;
                    }
                }
            }
            if !again {
                break;
            }
        }
        if let Some(every) = self.settings.remind_every
            && let Some(told) = self.coordinator.told_first().await?
        {
            // Held back by the pace, it is due already: then the pace says when.
            let at = told + every + Span(1);
            if at > self.coordinator.clock().now() {
                wake(at);
            }
        }
        Ok(next)
    }

    /// Submits the alert that tells of these, and puts them down as told. One that is on record already
    /// knows best which those are. Says whether it is a new one.
    async fn tell(&self, waiting: &[&Untold]) -> Result<bool, NotNow> {
        let Some(first) = waiting.first() else {
            return Ok(false);
        };
        let telling = first.telling;
        let now = self.coordinator.clock().now();
        let moment = match self.settings.remind_every {
            Some(every) if telling == Telling::Reminder => {
                reminder_moment(first.incident.opened_at, every, now)
            }
            _ => now,
        };
        let id = telling_id(telling, &first.incident.id, moment);
        let rows: Vec<&IncidentRow> = waiting.iter().map(|untold| &untold.incident).collect();
        let ids: Vec<&str> = rows.iter().map(|row| &*row.id).collect();
        let open_total = self.coordinator.counts().await?.open_incidents;
        let voice = self.voice(open_total);
        let new = if waiting.len() == 1 {
            let event = voice.of_one(&id, first, moment);
            self.submit(&id, event, &ids).await?
        } else {
            let event = voice.of_many(&id, telling, &rows, moment);
            self.submit(&id, event, &ids).await?
        };
        let mut told: Vec<String> = if new {
            ids.into_iter().map(str::to_owned).collect()
        } else {
            self.told_by(&id).await?
        };
        if !told.contains(&first.incident.id) {
            told.push(first.incident.id.clone());
        }
        self.put_down(told, telling).await?;
        Ok(new)
    }

    async fn put_down(&self, incidents: Vec<String>, telling: Telling) -> Result<(), NotNow> {
        let at = self.coordinator.clock().now();
        let told = |incident| Told {
            incident,
            telling,
            at,
        };
        let told = incidents.into_iter().map(told).collect();
        self.coordinator.change(Change::Told(told)).await?;
        Ok(())
    }

    /// Submits an alert; whether it is a new one.
    async fn submit(&self, id: &str, event: impl Serialize, told: &[&str]) -> Result<bool, NotNow> {
        let submission = saga::submission(&self.definition, id, event, told)?;
        match self.coordinator.submit(submission, None, None).await {
            Ok(taken) => Ok(taken.new),
            // What it says may have changed since, such as how many are open.
            Err(SubmitError::Conflict | SubmitError::Read(ReadError::Damaged { .. })) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Which incidents an alert tells of that was on record already.
    async fn told_by(&self, id: &str) -> Result<Vec<String>, NotNow> {
        match self.coordinator.saga(id).await {
            Ok(Some(alert)) => Ok(saga::told(&alert.input)),
            Ok(None) | Err(ReadError::Damaged { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// An alert of which nobody knows whether it came, after all attempts, is an incident as any other.
    /// Nobody is told of it, and nobody has to settle it.
    async fn give_up(&self, own: Vec<Untold>) -> Result<(), NotNow> {
        for Untold { incident, telling } in own {
            if telling == Telling::Opened {
                tracing::warn!(
                    alert = incident.saga,
                    "alerts: one could not be delivered; given up"
                );
                let resolution = Resolution {
                    decision: Decision::Abandon,
                    note: GIVEN_UP.to_owned(),
                    by: "settled".to_owned(),
                    result: None,
                    body: None,
                };
                let resolved = self.coordinator.resolve(&incident.id, resolution).await;
                // Anything else means that somebody was faster.
                if let Err(error @ CommandError::Unavailable(_)) = resolved {
                    return Err(error.into());
                }
            }
            self.put_down(vec![incident.id], telling).await?;
        }
        Ok(())
    }

    /// Sends the digest that is due; says when the next one is.
    async fn digest(&mut self) -> Result<Option<Timestamp>, NotNow> {
        let Some(timing) = &self.settings.digest else {
            return Ok(None);
        };
        let now = self.coordinator.clock().now();
        let next = digest::next(timing, now);
        if let Some(due) = digest::due(timing, self.digested, now) {
            let id = digest_id(due.due);
            if self.coordinator.saga(&id).await?.is_none() {
                self.send_digest(&id, due).await?;
            }
            self.digested = due.due;
        }
        Ok(next)
    }

    async fn send_digest(&self, id: &str, due: DueDigest) -> Result<(), NotNow> {
        let coordinator = &self.coordinator;
        let mut groups = coordinator
            .incident_groups(IncidentFilter::default())
            .await?;
        groups.retain(|group| group.name != ALERT_SAGA);
        let standing = Standing {
            counts: coordinator.counts().await?,
            groups,
            tallies: (
                coordinator.incident_tally(due.since).await?,
                coordinator.incident_tally(due.due).await?,
            ),
        };
        let voice = self.voice(standing.counts.open_incidents);
        self.submit(id, voice.digest(id, due, &standing), &[])
            .await?;
        Ok(())
    }

    fn voice(&self, open_total: u64) -> Voice<'_> {
        Voice {
            source: &self.settings.source,
            console_url: self.settings.console_url.as_deref(),
            open_total,
            mask: self.coordinator.mask().clone(),
        }
    }
}
