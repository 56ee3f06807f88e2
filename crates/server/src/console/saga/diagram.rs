//! Where each step stands in the picture of a saga, and how the lines between them go.
//!
//! Steps stand in layers from left to right, each one to the right of all that it needs. What was
//! undone stands in a lane of its own below, with lines that go back. This only reckons; it knows
//! nothing of colours or texts.

pub(super) const WIDTH: i32 = 184;
pub(super) const HEIGHT: i32 = 60;
pub(super) const BACK_HEIGHT: i32 = 44;
const BETWEEN_LAYERS: i32 = 56;
const BETWEEN_ROWS: i32 = 30;
/// Of more steps side by side than these, rows are closer, and a single step stands at the top of
/// its layer, where one looks first.
const MANY_ROWS: i32 = 6;
const BETWEEN_MANY_ROWS: i32 = 18;
const MARGIN: i32 = 24;
/// Between the way forward and the way back.
const BETWEEN_LANES: i32 = 58;
const BETWEEN_BACK_ROWS: i32 = 24;
const CORNER: i32 = 8;

/// A step as the picture needs it.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    pub(super) needs: Vec<usize>,
    /// Its place in the order of undoing; none where nothing of it is undone.
    pub(super) undone: Option<usize>,
}

/// A box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) step: usize,
    pub(super) x: i32,
    pub(super) y: i32,
}

/// A picture.
#[derive(Debug, Default)]
pub(super) struct Diagram {
    pub(super) width: i32,
    pub(super) height: i32,
    /// One for each step.
    pub(super) forward: Vec<Place>,
    /// One for each step that is undone, in their order.
    pub(super) back: Vec<Place>,
    /// Lines, as `d` of a path.
    pub(super) forward_lines: Vec<String>,
    pub(super) back_lines: Vec<String>,
    /// From the step that failed to what was undone first.
    pub(super) turn: Option<String>,
}

/// Puts the steps in their places. `in_a_row` says that they are undone one at a time.
pub(super) fn lay_out(steps: &[Step], failed: Option<usize>, in_a_row: bool) -> Diagram {
    if steps.is_empty() {
        return Diagram::default();
    }
    let layers = layers(steps);
    let columns = in_columns(steps, &layers);
    let rows = columns.iter().map(Vec::len).max().unwrap_or(1) as i32;
    let are_many = rows > MANY_ROWS;
    let between = if are_many {
        BETWEEN_MANY_ROWS
    } else {
        BETWEEN_ROWS
    };
    let lane = rows * HEIGHT + (rows - 1) * between;
    let mut forward = vec![
        Place {
            step: 0,
            x: 0,
            y: 0
        };
        steps.len()
    ];
    for (column, members) in columns.iter().enumerate() {
        let count = members.len() as i32;
        let used = count * HEIGHT + (count - 1) * between;
        let top = MARGIN + if are_many { 0 } else { (lane - used) / 2 };
        for (row, step) in members.iter().enumerate() {
            forward[*step] = Place {
                step: *step,
                x: MARGIN + column as i32 * (WIDTH + BETWEEN_LAYERS),
                y: top + row as i32 * (HEIGHT + between),
            };
        }
    }
    let needs = without_shortcuts(steps, &layers);
    let forward_lines = needs
        .iter()
        .enumerate()
        .flat_map(|(to, needs)| needs.iter().map(move |from| (*from, to)))
        .map(|(from, to)| to_the_right(forward[from], forward[to], are_many))
        .collect();
    let mut diagram = Diagram {
        width: MARGIN * 2 + columns.len() as i32 * (WIDTH + BETWEEN_LAYERS) - BETWEEN_LAYERS,
        height: MARGIN * 2 + lane,
        forward,
        forward_lines,
        ..Diagram::default()
    };
    add_way_back(&mut diagram, steps, &columns, failed, in_a_row);
    diagram
}

fn add_way_back(
    diagram: &mut Diagram,
    steps: &[Step],
    columns: &[Vec<usize>],
    failed: Option<usize>,
    in_a_row: bool,
) {
    let top = diagram.height - MARGIN + BETWEEN_LANES;
    let mut bottom = top;
    for members in columns {
        let is_undone = |step: &usize| steps[*step].undone.is_some();
        let mut undone: Vec<usize> = members.iter().copied().filter(is_undone).collect();
        undone.sort_by_key(|step| steps[*step].undone);
        for (row, step) in undone.into_iter().enumerate() {
            let y = top + row as i32 * (BACK_HEIGHT + BETWEEN_BACK_ROWS);
            bottom = bottom.max(y + BACK_HEIGHT);
            let x = diagram.forward[step].x;
            diagram.back.push(Place { step, x, y });
        }
    }
    if diagram.back.is_empty() {
        return;
    }
    diagram.back.sort_by_key(|place| steps[place.step].undone);
    diagram.height = bottom + MARGIN;
    if in_a_row {
        let pairs = diagram.back.windows(2);
        diagram.back_lines = pairs.map(|pair| backwards(pair[0], pair[1])).collect();
    }
    let first = diagram.back[0];
    let from = failed.and_then(|failed| diagram.forward.get(failed));
    diagram.turn = from.map(|from| {
        let (x, y) = (from.x + WIDTH / 2, from.y + HEIGHT);
        if from.x > first.x {
            let (to_x, to_y) = (first.x + WIDTH + 5, first.y + BACK_HEIGHT / 2);
            format!("M{x} {y} C{x} {to_y} {x} {to_y} {to_x} {to_y}")
        } else {
            let (to_x, to_y) = (first.x + WIDTH / 2, first.y - 5);
            let middle = i32::midpoint(y, to_y);
            format!("M{x} {y} C{x} {middle} {to_x} {middle} {to_x} {to_y}")
        }
    });
}

/// The layer of each step: one more than the last of what it needs.
fn layers(steps: &[Step]) -> Vec<usize> {
    let mut layers = vec![0; steps.len()];
    // A step may be declared before what it needs; a plan has no circles, and if it had, this ends.
    for _ in 0..steps.len() {
        let mut changed = false;
        for (index, step) in steps.iter().enumerate() {
            let needs = step.needs.iter().filter(|need| **need < steps.len());
            let layer = needs.map(|need| layers[*need] + 1).max().unwrap_or(0);
            if layer > layers[index] && layer < steps.len() {
                layers[index] = layer;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    layers
}

/// The steps of each layer from top to bottom, each near to what it needs.
fn in_columns(steps: &[Step], layers: &[usize]) -> Vec<Vec<usize>> {
    let last = layers.iter().max().copied().unwrap_or(0);
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); last + 1];
    for (step, layer) in layers.iter().enumerate() {
        columns[*layer].push(step);
    }
    let mut heights = vec![0.0; steps.len()];
    for column in &mut columns {
        let wish = |step: &usize| {
            let needs = &steps[*step].needs;
            let sum: f64 = needs.iter().filter_map(|need| heights.get(*need)).sum();
            sum / needs.len().max(1) as f64
        };
        let mut wishes: Vec<(f64, usize)> = column.iter().map(|step| (wish(step), *step)).collect();
        wishes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        *column = wishes.into_iter().map(|(_, step)| step).collect();
        let middle = (column.len() as f64 - 1.0) / 2.0;
        for (row, step) in column.iter().enumerate() {
            heights[*step] = row as f64 - middle;
        }
    }
    // Layers that a circle would have left empty.
    columns.retain(|column| !column.is_empty());
    columns
}

/// What each step needs, without what others that it needs are known to need.
fn without_shortcuts(steps: &[Step], layers: &[usize]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by_key(|step| layers[*step]);
    let mut before: Vec<Vec<bool>> = vec![Vec::new(); steps.len()];
    let mut direct = vec![Vec::new(); steps.len()];
    for step in order {
        let mut all = vec![false; steps.len()];
        let fits = |need: &&usize| **need < steps.len() && layers[**need] < layers[step];
        let needs: Vec<usize> = steps[step].needs.iter().filter(fits).copied().collect();
        for need in &needs {
            for (known, all) in before[*need].iter().zip(&mut all) {
                *all |= *known;
            }
        }
        direct[step] = needs.iter().copied().filter(|need| !all[*need]).collect();
        for need in needs {
            all[need] = true;
        }
        before[step] = all;
    }
    direct
}

/// A line to a later step: a curve, or with corners where there are so many that curves would run
/// into one another.
fn to_the_right(from: Place, to: Place, has_corners: bool) -> String {
    let (x, y) = (from.x + WIDTH, from.y + HEIGHT / 2);
    let (to_x, to_y) = (to.x - 5, to.y + HEIGHT / 2);
    if y == to_y {
        return format!("M{x} {y} L{to_x} {to_y}");
    }
    let half = BETWEEN_LAYERS / 2;
    let (near, far) = (x + half, to_x - half);
    if !has_corners {
        return format!("M{x} {y} C{near} {y} {far} {to_y} {to_x} {to_y}");
    }
    let turn = CORNER * (to_y - y).signum();
    format!(
        "M{x} {y} L{} {y} Q{near} {y} {near} {} L{near} {} Q{near} {to_y} {} {to_y} L{to_x} {to_y}",
        near - CORNER,
        y + turn,
        to_y - turn,
        near + CORNER,
    )
}

fn backwards(from: Place, to: Place) -> String {
    if from.x == to.x {
        let x = from.x + WIDTH / 2;
        return if to.y > from.y {
            format!("M{x} {} L{x} {}", from.y + BACK_HEIGHT, to.y - 5)
        } else {
            format!("M{x} {} L{x} {}", from.y, to.y + BACK_HEIGHT + 5)
        };
    }
    let (y, to_y) = (from.y + BACK_HEIGHT / 2, to.y + BACK_HEIGHT / 2);
    let half = BETWEEN_LAYERS / 2;
    let (x, to_x, near, far) = if from.x > to.x {
        let (x, to_x) = (from.x, to.x + WIDTH + 5);
        (x, to_x, x - half, to_x + half)
    } else {
        let (x, to_x) = (from.x + WIDTH, to.x - 5);
        (x, to_x, x + half, to_x - half)
    };
    if y == to_y {
        return format!("M{x} {y} L{to_x} {to_y}");
    }
    format!("M{x} {y} C{near} {y} {far} {to_y} {to_x} {to_y}")
}

/// What each step of a function came after: `spans` are the moments at which it was added and at
/// which its action ended, if it did.
pub(super) fn needs_as_they_went(spans: &[(i64, Option<i64>)]) -> Vec<Vec<usize>> {
    let ended_before = |at: i64| {
        let mut ended = Vec::new();
        for (step, (_, end)) in spans.iter().enumerate() {
            if end.is_some_and(|end| end <= at) {
                ended.push(step);
            }
        }
        ended
    };
    let mut all: Vec<Vec<usize>> = Vec::with_capacity(spans.len());
    for (step, (added, _)) in spans.iter().enumerate() {
        let mut needs = ended_before(*added);
        needs.retain(|need| *need < step);
        all.push(needs);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(needs: &[&[usize]]) -> Vec<Step> {
        let step = |needs: &&[usize]| Step {
            needs: needs.to_vec(),
            undone: None,
        };
        needs.iter().map(step).collect()
    }

    /// No box touches another, all are inside, and every line goes to the right.
    #[track_caller]
    fn check(steps: &[Step], diagram: &Diagram) {
        let forward = diagram.forward.iter().map(|place| (place, HEIGHT));
        let back = diagram.back.iter().map(|place| (place, BACK_HEIGHT));
        let all: Vec<(&Place, i32)> = forward.chain(back).collect();
        for (index, (a, a_height)) in all.iter().enumerate() {
            assert!(a.x >= 0 && a.x + WIDTH <= diagram.width, "{a:?}");
            assert!(a.y >= 0 && a.y + a_height <= diagram.height, "{a:?}");
            for (b, b_height) in &all[index + 1..] {
                let apart = a.x + WIDTH <= b.x
                    || b.x + WIDTH <= a.x
                    || a.y + a_height <= b.y
                    || b.y + b_height <= a.y;
                assert!(apart, "{a:?} {b:?}");
            }
        }
        for (index, step) in steps.iter().enumerate() {
            assert_eq!(diagram.forward[index].step, index);
            for need in &step.needs {
                let (from, to) = (diagram.forward[*need], diagram.forward[index]);
                assert!(from.x + WIDTH < to.x, "{need} before {index}");
            }
        }
    }

    #[test]
    fn one_step_stands_alone() {
        let steps = steps(&[&[]]);
        let diagram = lay_out(&steps, None, true);
        check(&steps, &diagram);
        assert!(diagram.forward_lines.is_empty() && diagram.turn.is_none());
        assert_eq!(diagram.width, WIDTH + 2 * MARGIN);
        assert!(lay_out(&[], None, true).forward.is_empty());
    }

    #[test]
    fn many_steps_in_a_row_stay_in_a_row() {
        let steps: Vec<Step> = (0..30_usize)
            .map(|step| Step {
                needs: step.checked_sub(1).into_iter().collect(),
                undone: (step < 20).then(|| 20 - step),
            })
            .collect();
        let diagram = lay_out(&steps, Some(20), true);
        check(&steps, &diagram);
        assert_eq!(diagram.forward_lines.len(), 29);
        assert!(diagram.forward.iter().all(|place| place.y == MARGIN));
        let order: Vec<usize> = diagram.back.iter().map(|place| place.step).collect();
        assert_eq!(order, (0..20).rev().collect::<Vec<_>>());
        assert_eq!(diagram.back_lines.len(), 19);
        assert!(diagram.turn.is_some());
    }

    #[test]
    fn steps_side_by_side_are_stacked() {
        let mut all = steps(&[&[] as &[usize]; 20]);
        all.push(Step {
            needs: (0..20).collect(),
            undone: None,
        });
        for (step, undone) in all.iter_mut().zip(0..20) {
            step.undone = Some(undone);
        }
        let diagram = lay_out(&all, Some(20), false);
        check(&all, &diagram);
        assert_eq!(diagram.forward_lines.len(), 20);
        assert_eq!((diagram.back.len(), diagram.back_lines.len()), (20, 0));
    }

    #[test]
    fn a_diamond_has_four_lines_and_no_shortcut() {
        let steps = steps(&[&[], &[0], &[0], &[0, 1, 2]]);
        let diagram = lay_out(&steps, None, true);
        check(&steps, &diagram);
        assert_eq!(diagram.forward_lines.len(), 4);
        let [first, upper, lower, last] = diagram.forward[..] else {
            panic!("four steps");
        };
        assert_eq!((first.y, upper.x), (last.y, lower.x));
        assert!(upper.y < lower.y);
    }

    #[test]
    fn a_step_may_be_declared_before_what_it_needs_and_a_circle_does_no_harm() {
        let backwards = steps(&[&[1], &[2], &[]]);
        check(&backwards, &lay_out(&backwards, None, true));
        let circle = steps(&[&[1], &[0], &[9]]);
        assert_eq!(lay_out(&circle, None, true).forward.len(), 3);
    }

    #[test]
    fn a_function_s_steps_come_after_what_had_ended() {
        // Two side by side, one after both, one while that still runs.
        let spans = [
            (10, Some(20)),
            (11, Some(30)),
            (30, Some(50)),
            (40, None),
            (50, None),
        ];
        let needs = needs_as_they_went(&spans);
        assert!(needs[0].is_empty() && needs[1].is_empty());
        assert_eq!(needs[2..4], [vec![0, 1], vec![0, 1]]);
        assert_eq!(needs[4], [0, 1, 2]);
        let steps: Vec<Step> = needs
            .into_iter()
            .map(|needs| Step {
                needs,
                undone: None,
            })
            .collect();
        check(&steps, &lay_out(&steps, None, true));
    }
}
