//! The picture and the time axis of a saga, with all that is written in them.

use std::collections::HashMap;

use settled::coordinator::History;
use settled::protocol::{
    CompensateOrder, Direction, Event, LegId, StepIndex, StepState, Timestamp,
};

use super::diagram::{self, Diagram, Place};
use super::history::Call;
use super::shown_text;
use super::timeline::{self, Bar, Span, Timeline};
use super::words::Words;
use crate::console::shape;
use crate::console::words::Common;

/// Of more steps than these no picture is drawn.
const MOST_STEPS: usize = 150;
/// How many calls the time axis shows, the last ones.
const MOST_CALLS: usize = 400;

/// A box of the picture.
pub(super) struct Node {
    pub(super) at: Place,
    /// As much of it as fits.
    pub(super) name: String,
    pub(super) word: &'static str,
    pub(super) sign: &'static str,
    pub(super) attempts: u32,
    pub(super) is_pivot: bool,
    /// All of it, for whoever points at it.
    pub(super) title: String,
    /// Its place in the order of undoing; 0 on the way forward.
    pub(super) order: usize,
}

/// The picture.
pub(super) struct Picture {
    pub(super) layout: Diagram,
    pub(super) forward: Vec<Node>,
    pub(super) back: Vec<Node>,
    /// All of it in words.
    pub(super) description: String,
}

/// The sign of a word: nothing hangs on colour alone.
pub(super) fn sign(word: &str) -> &'static str {
    match word {
        "done" | "happened" | "resolved" | "completed" => "✓",
        "refused" | "abandoned" => "✕",
        "unknown" | "inconclusive" => "?",
        "not_sent" | "did_not_happen" => "∅",
        "pending" => "…",
        "running" => "▸",
        "compensating" => "◂",
        "compensated" => "↺",
        "compensation_failed" | "open" => "!",
        "skipped" => "–",
        _ => "○",
    }
}

/// Draws the steps; none where they are too many, or there are none yet.
pub(super) fn draw(
    history: &History,
    common: &'static Common,
    words: &'static Words,
) -> Option<Picture> {
    let saga = &history.saga.saga;
    let plan = saga.plan();
    // A function is no step of its own, but while there are no others.
    let first = usize::from(plan.function && plan.steps.len() > 1);
    let count = plan.steps.len() - first;
    if count > MOST_STEPS {
        return None;
    }
    let undone = order_of_undoing(history);
    let mut steps: Vec<diagram::Step> = plan.steps[first..]
        .iter()
        .enumerate()
        .map(|(index, step)| diagram::Step {
            needs: step.needs.iter().map(|need| usize::from(*need)).collect(),
            undone: undone.get(&((index + first) as StepIndex)).copied(),
        })
        .collect();
    if plan.function {
        let needs = diagram::needs_as_they_went(&spans_of_steps(history, first));
        for (step, needs) in steps.iter_mut().zip(needs) {
            step.needs = needs;
        }
    }
    let failed = saga.reason().and_then(|reason| reason.step);
    let failed = failed.and_then(|step| usize::from(step).checked_sub(first));
    let in_a_row = plan.compensate == CompensateOrder::Reverse;
    let layout = diagram::lay_out(&steps, failed, in_a_row);
    let views: Vec<_> = saga.steps().skip(first).collect();
    let node = |at: &Place, is_back: bool| {
        let view = &views[at.step];
        let step = &plan.steps[at.step + first];
        let is_undone = steps[at.step].undone.is_some();
        let state = match (is_back, is_undone) {
            // What became of it on the way forward; the way back has its own box.
            (false, true) if view.result.is_some() => StepState::Done,
            (false, true) => StepState::Unknown,
            _ => view.state,
        };
        let word = state.as_str();
        let attempts = if is_back {
            view.compensation_attempts
        } else {
            view.attempts
        };
        let name = shown_text(view.name);
        Node {
            at: *at,
            title: format!("{name}: {} · {attempts} {}", common.word(word), words.tried),
            name: fit(&name, if is_back { 15 } else { 19 }),
            word,
            sign: sign(word),
            attempts,
            is_pivot: step.pivot && !is_back,
            order: match (is_back, steps[at.step].undone) {
                (true, Some(order)) => order + 1,
                _ => 0,
            },
        }
    };
    let forward: Vec<Node> = layout.forward.iter().map(|at| node(at, false)).collect();
    let back: Vec<Node> = layout.back.iter().map(|at| node(at, true)).collect();
    let titles = |nodes: &[Node]| {
        let titles: Vec<&str> = nodes.iter().map(|node| &*node.title).collect();
        titles.join("; ")
    };
    let mut description = format!("{}: {}", words.way_forward, titles(&forward));
    if !back.is_empty() {
        description = format!("{description}. {}: {}", words.way_back, titles(&back));
    }
    Some(Picture {
        layout,
        forward,
        back,
        description,
    })
}

/// The steps of which something was undone, in the order in which that began.
fn order_of_undoing(history: &History) -> HashMap<StepIndex, usize> {
    let mut order = HashMap::new();
    for record in &history.records {
        if let Some(leg) = record.event.leg()
            && leg.direction == Direction::Compensation
        {
            let next = order.len();
            order.entry(leg.step).or_insert(next);
        }
    }
    order
}

/// When each step of a function was added, and when its action last ended.
fn spans_of_steps(history: &History, first: usize) -> Vec<(i64, Option<i64>)> {
    let mut spans = vec![(i64::MIN, None); history.saga.saga.plan().steps.len()];
    for record in &history.records {
        match &record.event {
            Event::StepAdded { step, .. } => {
                if let Some(span) = spans.get_mut(usize::from(*step)) {
                    span.0 = record.at.0;
                }
            }
            Event::AttemptEnded { leg, .. } | Event::CallbackReceived { leg, .. }
                if leg.direction == Direction::Action =>
            {
                if let Some(span) = spans.get_mut(usize::from(leg.step)) {
                    span.1 = Some(record.at.0);
                }
            }
            _ => {}
        }
    }
    spans.split_off(first.min(spans.len()))
}

/// A row of the time axis.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) is_back: bool,
    /// Where its middle is.
    pub(super) y: i32,
}

/// A bar of the time axis.
pub(super) struct Mark {
    pub(super) at: Bar,
    pub(super) seq: u32,
    pub(super) word: &'static str,
    pub(super) is_wait: bool,
    pub(super) title: String,
    /// Its sign and where that stands, where there is room.
    pub(super) sign: Option<(i32, &'static str)>,
}

/// The time axis.
pub(super) struct Axis {
    pub(super) layout: Timeline,
    pub(super) rows: Vec<Row>,
    pub(super) marks: Vec<Mark>,
    pub(super) pauses: Vec<(i32, String)>,
}

/// Draws the calls; none where there was none.
pub(super) fn on_axis(
    history: &History,
    calls: &[Call],
    common: &'static Common,
    now: Timestamp,
) -> Option<Axis> {
    let are_all = calls.len() <= MOST_CALLS;
    let calls = &calls[calls.len().saturating_sub(MOST_CALLS)..];
    let first = calls.first()?;
    let start = if are_all {
        history.saga.created_at.min(first.from)
    } else {
        first.from
    };
    let mut legs: Vec<LegId> = Vec::new();
    let mut spans = Vec::with_capacity(calls.len());
    for call in calls {
        let row = legs.iter().position(|leg| *leg == call.leg);
        let row = row.unwrap_or_else(|| {
            legs.push(call.leg);
            legs.len() - 1
        });
        spans.push(Span {
            row,
            from: call.from.0,
            until: call.until.unwrap_or(now).0,
            is_wait: call.is_wait,
        });
    }
    let layout = timeline::lay_out(&spans, legs.len(), start.0);
    let steps = &history.saga.saga.plan().steps;
    let names: Vec<String> = legs
        .iter()
        .map(|leg| {
            let step = steps.get(usize::from(leg.step));
            step.map_or_else(String::new, |step| shown_text(&step.name))
        })
        .collect();
    let marks = calls
        .iter()
        .zip(&spans)
        .zip(&layout.bars)
        .map(|((call, span), bar)| {
            let direction = common.word(call.leg.direction.as_str());
            let name = &names[span.row];
            let took = shape::span(span.until - span.from);
            let word = common.word(call.word);
            Mark {
                at: *bar,
                seq: call.seq,
                word: call.word,
                is_wait: call.is_wait,
                title: format!("{name} · {direction} · {}: {word}, {took}", call.title),
                sign: place_for_sign(*bar, span.row, &spans, &layout)
                    .filter(|_| !call.is_wait)
                    .map(|x| (x, sign(call.word))),
            }
        });
    let marks = marks.collect();
    let rows = legs.iter().zip(&names).enumerate();
    Some(Axis {
        rows: rows
            .map(|(index, (leg, name))| Row {
                name: fit(name, 22),
                title: format!("{name} · {}", common.word(leg.direction.as_str())),
                is_back: leg.direction == Direction::Compensation,
                y: timeline::TOP + index as i32 * timeline::ROW + timeline::ROW / 2,
            })
            .collect(),
        marks,
        pauses: layout
            .pauses
            .iter()
            .map(|(x, length)| (*x, shape::span(*length)))
            .collect(),
        layout,
    })
}

/// Where a bar's sign stands: in it, or behind it where no other bar is.
fn place_for_sign(bar: Bar, row: usize, spans: &[Span], layout: &Timeline) -> Option<i32> {
    if bar.width >= 18 {
        return Some(bar.x + bar.width / 2);
    }
    let end = bar.x + bar.width;
    let others = spans.iter().zip(&layout.bars);
    let mut behind = others.filter(|(span, other)| span.row == row && other.x > bar.x);
    let is_free = behind.all(|(_, other)| other.x >= end + 18);
    (is_free && end + 18 <= layout.width).then_some(end + 9)
}

/// As much of a text as fits; signs of East Asia are twice as wide as others.
fn fit(text: &str, most: usize) -> String {
    let wide = |sign: char| if sign as u32 >= 0x1100 { 2 } else { 1 };
    if text.chars().map(wide).sum::<usize>() <= most {
        return text.to_owned();
    }
    let mut used = 1;
    let mut short: String = text
        .chars()
        .take_while(|sign| {
            used += wide(*sign);
            used <= most
        })
        .collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use settled::definition::Definition;
    use settled::journal::SagaNo;
    use settled::protocol::{AnswerRecord, Json, Outcome, Record, RequestRecord, Saga, StepPlan};
    use settled::snapshot::SagaSnapshot;

    use super::super::history::tell;
    use super::*;
    use crate::console::words::Language;

    /// A function that came to two steps side by side, and to a third after both.
    fn function_saga() -> History {
        let definition = Definition::of_function("trip", CompensateOrder::Reverse, false);
        let request = || {
            Arc::new(RequestRecord {
                method: "POST".to_owned(),
                url: "http://trip.local/".to_owned(),
                headers: Vec::new(),
                body: None,
            })
        };
        let started = |step| Event::AttemptStarted {
            leg: LegId::action(step),
            attempt: 1,
            request: request(),
        };
        let added = |step: u16, name: &str| Event::StepAdded {
            step,
            plan: Arc::new(StepPlan {
                name: name.to_owned(),
                ..definition.plan().steps[0].clone()
            }),
            input: Json::from_valid("{}".to_owned()),
        };
        let ended = |step, at| Event::AttemptEnded {
            leg: LegId::action(step),
            attempt: 1,
            answer: AnswerRecord {
                outcome: Outcome::Done,
                status: Some(200),
                headers: Vec::new(),
                body: Some(Json::from_valid("1".to_owned())),
                error: None,
            },
            again_at: Timestamp(at),
            arrives_until: Timestamp(at),
        };
        let submitted = Event::Submitted {
            deadline_at: None,
            trace: None,
        };
        let events = [
            (0, submitted),
            (10, started(0)),
            (20, added(1, "flight")),
            (20, added(2, "hotel")),
            (30, started(1)),
            (30, started(2)),
            (900, ended(1, 900)),
            (2_000, ended(2, 2_000)),
            (2_100, added(3, "pay")),
            (2_200, started(3)),
        ];
        let mut saga = Saga::new(Arc::clone(definition.plan()));
        let mut records = Vec::new();
        for (seq, (at, event)) in (1_u32..).zip(events) {
            let at = Timestamp(at);
            let record = Record { seq, at, event };
            saga.apply(&record).unwrap();
            records.push(record);
        }
        let saga = SagaSnapshot {
            no: SagaNo(1),
            id: "trip-1".into(),
            name: "trip".into(),
            input: Json::from_valid("{}".to_owned()),
            submitted_by: None,
            created_at: Timestamp(0),
            definition: Arc::new(definition),
            saga,
        };
        History { saga, records }
    }

    #[test]
    fn a_function_s_steps_stand_in_the_order_in_which_it_came_to_them() {
        let history = function_saga();
        let common = Common::of(Language::English);
        let words = Words::of(Language::English);
        let picture = draw(&history, common, words).unwrap();
        let names: Vec<&str> = picture.forward.iter().map(|node| &*node.name).collect();
        assert_eq!(names, ["flight", "hotel", "pay"]);
        assert_eq!(picture.layout.forward_lines.len(), 2);
        let [flight, hotel, pay] = picture.layout.forward[..] else {
            panic!("three steps");
        };
        assert!(flight.x == hotel.x && hotel.x < pay.x && flight.y < hotel.y);
        assert_eq!(picture.forward[2].word, "running");

        let told = tell(&history, common, words, crate::view::Shown::WHOLE);
        let axis = on_axis(&history, &told.calls, common, Timestamp(5_000)).unwrap();
        assert_eq!((axis.rows.len(), axis.marks.len()), (4, 4));
        // The function itself only waits for its steps.
        assert!(axis.marks[0].is_wait && !axis.marks[1].is_wait);
        assert_eq!(axis.marks[2].seq, 6);
        assert!(axis.marks[2].at.width > axis.marks[1].at.width);
    }

    #[test]
    fn a_long_name_is_cut_to_what_fits() {
        assert_eq!(fit("stock", 19), "stock");
        assert_eq!(fit("reserve-the-whole-stock", 10), "reserve-t…");
        assert_eq!(fit("预留库存并通知仓库", 9), "预留库存…");
    }
}
