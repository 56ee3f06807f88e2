//! An incident with all that a person needs to decide it: its place in the saga, every exchange
//! that there was, and what each decision would come to.
//!
//! It is read from the saga's durable record and decides nothing. Where the record cannot be read,
//! the incident's row is shown all the same.

use std::borrow::Cow;

use serde::Serialize;
use settled::coordinator::History;
use settled::journal::IncidentRow;
use settled::protocol::{Event, LegId, Record, Timestamp, idempotency_key};
use settled::snapshot::SagaSnapshot;
use utoipa::ToSchema;

use super::effect::DecisionView;
use super::event::{EventView, Exchange, RequestView, ResponseView, Started, Timeline};
use super::incident::IncidentView;
use super::saga::step_name;
use super::{Shown, Time, words};

/// An incident with what is behind it. The fields after the incident's own are null where the
/// saga's record cannot be read.
#[derive(Serialize, ToSchema)]
#[schema(as = IncidentDetail)]
pub(crate) struct IncidentDetailView<'a> {
    #[serde(flatten)]
    pub(crate) incident: IncidentView<'a>,
    /// Where its step is in the saga.
    #[schema(required)]
    pub(crate) place: Option<PlaceView<'a>>,
    /// Every attempt, check and callback of this call of the step, in order.
    #[schema(required)]
    pub(crate) history: Option<Vec<ExchangeView<'a>>>,
    /// What was decided before about this call of the step, in order.
    #[schema(required)]
    pub(crate) earlier_decisions: Option<Vec<EarlierView<'a>>>,
    /// What every attempt carries as its `Idempotency-Key`.
    #[schema(required, example = "order-1001/stock/compensation")]
    pub(crate) idempotency_key: Option<String>,
    /// What each decision would come to; empty where the incident is resolved.
    #[schema(required)]
    pub(crate) decisions: Option<Vec<DecisionView<'a>>>,
}

/// A step's place among the others.
#[derive(Serialize, ToSchema)]
#[schema(as = Place)]
pub(crate) struct PlaceView<'a> {
    /// The step's number: 1, 2, … in the order in which they were declared.
    pub(crate) step: usize,
    /// How many steps there are.
    pub(crate) of: usize,
    /// What became of the step so far.
    #[schema(schema_with = words::step_state)]
    pub(crate) step_state: &'static str,
    /// The steps before it.
    pub(crate) before: Vec<NeighbourView<'a>>,
    /// The steps after it.
    pub(crate) after: Vec<NeighbourView<'a>>,
    /// What became of the saga so far.
    #[schema(schema_with = words::saga_state)]
    pub(crate) saga_state: &'static str,
}

/// Another step of the saga.
#[derive(Serialize, ToSchema)]
#[schema(as = Neighbour)]
pub(crate) struct NeighbourView<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What became of it so far.
    #[schema(schema_with = words::step_state)]
    pub(crate) state: &'static str,
}

/// One request to the participant with what came of it, or a callback from there.
#[derive(Serialize, ToSchema)]
#[schema(as = Exchange)]
pub(crate) struct ExchangeView<'a> {
    /// 1, 2, … among those of its kind.
    pub(crate) number: u32,
    /// `attempt`, `check`, or `callback`.
    #[schema(schema_with = words::exchange_kind)]
    pub(crate) kind: &'static str,
    /// When it started; when it came, for a callback.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) started_at: Time,
    /// How long it took, in milliseconds; null while it is under way.
    #[schema(required)]
    pub(crate) duration_ms: Option<f64>,
    /// What is known of an attempt since, or what a callback said.
    #[schema(schema_with = words::outcome_or_none, required)]
    pub(crate) outcome: Option<&'static str>,
    /// What a check found out: `happened`, `did_not_happen`, `inconclusive`.
    #[schema(required)]
    pub(crate) finding: Option<&'static str>,
    /// What was sent.
    #[schema(required)]
    pub(crate) request: Option<RequestView<'a>>,
    /// What came back.
    #[schema(required)]
    pub(crate) response: Option<ResponseView<'a>>,
    /// What went wrong.
    #[schema(value_type = Option<String>, required)]
    pub(crate) error: Option<Cow<'a, str>>,
}

/// What was decided before.
#[derive(Serialize, ToSchema)]
#[schema(as = EarlierDecision)]
pub(crate) struct EarlierView<'a> {
    /// The incident's id.
    pub(crate) incident: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Time,
    /// By whom.
    pub(crate) by: &'a str,
    /// What.
    #[schema(schema_with = words::decision)]
    pub(crate) decision: &'static str,
    /// Why.
    #[schema(value_type = String)]
    pub(crate) note: Cow<'a, str>,
}

/// What is on record of an incident's saga.
pub(crate) struct Behind {
    history: History,
    started: Vec<Option<Started>>,
}

impl Behind {
    pub(crate) fn new(history: History) -> Self {
        let mut timeline = Timeline::default();
        let records = history.records.iter();
        let started = records.map(|record| timeline.follow(record)).collect();
        Self { history, started }
    }
}

impl<'a> IncidentDetailView<'a> {
    /// The incident at a moment, with what is behind it as far as that can be read.
    pub(crate) fn new(
        row: &'a IncidentRow,
        behind: Option<&'a Behind>,
        now: Timestamp,
        shown: Shown<'_>,
    ) -> Self {
        let mut view = Self {
            incident: IncidentView::new(row, shown),
            place: None,
            history: None,
            earlier_decisions: None,
            idempotency_key: None,
            decisions: None,
        };
        if let Some(behind) = behind
            && let Some((number, leg)) = subject(row, &behind.history.saga)
        {
            view.tell(behind, number, leg, now, shown);
        }
        view
    }

    fn tell(
        &mut self,
        behind: &'a Behind,
        number: u32,
        leg: LegId,
        now: Timestamp,
        shown: Shown<'_>,
    ) {
        let at = &behind.history.saga;
        let is_open = at.saga.incidents()[number as usize - 1].open;
        self.place = Some(PlaceView::new(at, leg, now));
        self.history = Some(exchanges(behind, leg, shown));
        self.earlier_decisions = Some(earlier(&behind.history, number, leg, shown));
        let step = step_name(at, leg.step);
        self.idempotency_key = Some(idempotency_key(&at.id, step, leg.direction));
        let foreseen = is_open.then(|| at.saga.foresee(number, now));
        self.decisions = Some(
            foreseen
                .iter()
                .flatten()
                .map(|foreseen| DecisionView::new(at, leg, foreseen))
                .collect(),
        );
    }
}

/// The incident's number in its saga, and the call that it is about.
fn subject(row: &IncidentRow, at: &SagaSnapshot) -> Option<(u32, LegId)> {
    let (_, number) = row.id.rsplit_once('~')?;
    let number: u32 = number.parse().ok()?;
    let index = (number as usize).checked_sub(1)?;
    Some((number, at.saga.incidents().get(index)?.leg))
}

impl<'a> PlaceView<'a> {
    fn new(at: &'a SagaSnapshot, leg: LegId, now: Timestamp) -> Self {
        let index = usize::from(leg.step);
        let mut steps: Vec<NeighbourView<'a>> = at
            .saga
            .steps()
            .map(|step| NeighbourView {
                name: step.name,
                state: step.state.as_str(),
            })
            .collect();
        let of = steps.len();
        let mut rest = steps.split_off(index.min(of));
        let after = rest.split_off(rest.len().min(1));
        Self {
            step: index + 1,
            of,
            step_state: rest.first().map_or("", |own| own.state),
            before: steps,
            after,
            saga_state: at.saga.state(now).as_str(),
        }
    }
}

/// What went to and fro about a leg; what ended takes the place of its start.
fn exchanges<'a>(behind: &'a Behind, leg: LegId, shown: Shown<'_>) -> Vec<ExchangeView<'a>> {
    let mut all: Vec<ExchangeView<'a>> = Vec::new();
    let mut callbacks = 0;
    for (record, started) in behind.history.records.iter().zip(&behind.started) {
        let (kind, number) = match &record.event {
            _ if record.event.leg() != Some(leg) => continue,
            Event::AttemptStarted { attempt, .. }
            | Event::AttemptEnded { attempt, .. }
            | Event::Returned { attempt, .. } => ("attempt", *attempt),
            Event::CheckStarted { check, .. } | Event::CheckEnded { check, .. } => {
                ("check", *check)
            }
            Event::CallbackReceived { .. } => {
                callbacks += 1;
                ("callback", callbacks)
            }
            _ => continue,
        };
        let at = &behind.history.saga;
        let exchange = EventView::new(at, record, started.as_ref(), shown).exchange();
        let view = ExchangeView::new(record, exchange, kind, number);
        let mut known = all.iter_mut().rev();
        match known.find(|known| known.kind == kind && known.number == number) {
            Some(known) => *known = view,
            None => all.push(view),
        }
    }
    all
}

impl<'a> ExchangeView<'a> {
    fn new(record: &Record, told: Exchange<'a>, kind: &'static str, number: u32) -> Self {
        Self {
            number,
            kind,
            started_at: told.started_at.unwrap_or(Time(record.at)),
            duration_ms: told.duration_ms,
            outcome: told.outcome,
            finding: told.finding,
            request: told.request,
            response: told.response,
            error: told.error,
        }
    }
}

/// What was decided about the same leg, up to the decision on this very incident.
fn earlier<'a>(
    history: &'a History,
    number: u32,
    leg: LegId,
    shown: Shown<'_>,
) -> Vec<EarlierView<'a>> {
    let mut all = Vec::new();
    for record in &history.records {
        if let Event::IncidentResolved {
            incident,
            leg: about,
            resolution,
        } = &record.event
        {
            if *incident == number {
                break;
            }
            if *about == leg {
                all.push(EarlierView {
                    incident: format!("{}~{incident}", history.saga.id),
                    at: Time(record.at),
                    by: &resolution.by,
                    decision: resolution.decision.as_str(),
                    note: shown.text(&resolution.note),
                });
            }
        }
    }
    all
}
