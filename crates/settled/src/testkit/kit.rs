//! The kit: which scenarios there are, playing them one after the other, and saying what failed.

use std::collections::HashSet;
use std::fmt;

use settled_protocol::{Direction, OnUnknown};

use super::fault::{Disturbance, Fault, Site, name_of, read_name};
use super::judge::{course, judge};
use super::probe::{At, Point};
use super::scenario::Scenario;
use super::stage::{Place, Played, play};

/// The environment variable that names the one scenario to play.
const ONLY: &str = "SETTLED_TESTKIT";

/// How many mixed scenarios [`Kit::run`] plays, unless told otherwise.
const SEEDS: u64 = 100;

/// Plays a saga with everything that can go wrong. See [the module](super).
#[must_use = "nothing is tested before `run`"]
pub struct Kit<F> {
    make: F,
    only: Option<String>,
    seeds: u64,
}

/// What was played; all of it came out well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many scenarios.
    pub scenarios: u64,
    /// How many calls of closures were executed in them.
    pub calls: u64,
    /// How often the process died in them.
    pub deaths: u64,
}

/// A scenario that did not come out well: what was done, what is wrong, what happened, and how to
/// play it again.
pub struct Failed {
    scenario: String,
    done: Vec<String>,
    found: Vec<String>,
    course: Vec<String>,
}

impl Failed {
    /// The scenario's name, for [`Kit::only`].
    pub fn scenario(&self) -> &str {
        &self.scenario
    }

    /// Everything that is wrong, in words.
    pub fn found(&self) -> &[String] {
        &self.found
    }

    fn new(scenario: &str, why: String) -> Self {
        Self {
            scenario: scenario.to_owned(),
            done: Vec::new(),
            found: vec![why],
            course: Vec::new(),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "the saga does not survive the scenario `{}`",
            self.scenario
        )?;
        for done in &self.done {
            writeln!(f, "  what was done: {done}")?;
        }
        for found in &self.found {
            writeln!(f, "  what is wrong: {found}")?;
        }
        if !self.course.is_empty() {
            writeln!(f, "  its course:")?;
        }
        for line in &self.course {
            writeln!(f, "  {line}")?;
        }
        let name = &self.scenario;
        write!(
            f,
            "  to play it alone: run the test with {ONLY}='{name}', or say `.only(\"{name}\")` on \
             the kit"
        )
    }
}

/// The same as [`fmt::Display`], so that a test that unwraps is readable.
impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failed {}

/// How a saga went when it was watched.
struct Course {
    /// What was done to it meanwhile.
    under: Vec<Disturbance>,
    points: Vec<Point>,
    places: Vec<Place>,
}

impl<S, F> Kit<F>
where
    S: Clone + Send + Sync + 'static,
    F: Fn() -> Scenario<S>,
{
    /// A kit over a scenario; `make` makes it anew each time that it is played.
    pub fn new(make: F) -> Self {
        Self {
            make,
            only: None,
            seeds: SEEDS,
        }
    }

    /// Plays nothing but the scenario of this name, as a failure gives it. The environment variable
    /// `SETTLED_TESTKIT` does the same without a change to the code.
    pub fn only(mut self, scenario: &str) -> Self {
        self.only = Some(scenario.to_owned());
        self
    }

    /// How many mixed scenarios [`Kit::run`] plays; 100 unless said otherwise.
    pub fn seeds(mut self, seeds: u64) -> Self {
        self.seeds = seeds;
        self
    }

    /// Plays everything: the saga undisturbed, and every harness of the kit.
    ///
    /// # Errors
    /// [`Failed`] says what the first scenario that failed came to.
    pub fn run(&self) -> Result<Tally, Failed> {
        let mut tally = Tally::default();
        if let Some(only) = self.wanted() {
            self.play_named(&only, &mut tally)?;
            return Ok(tally);
        }
        tally.add(self.each_step_twice()?);
        tally.add(self.fail_at_each_step()?);
        tally.add(self.crash_at_each_point()?);
        tally.add(self.cancel_at_each_point()?);
        tally.add(self.each_compensation_twice()?);
        tally.add(self.fail_at_each_compensation()?);
        tally.add(self.hostile(0..self.seeds)?);
        Ok(tally)
    }

    /// Each step that repeats blindly is called twice with the same key, as after a lost answer. A
    /// step that is asked about (`check`) or put before a person is never repeated in doubt, so it
    /// is not here either.
    ///
    /// # Errors
    /// As [`Kit::run`].
    pub fn each_step_twice(&self) -> Result<Tally, Failed> {
        let mut tally = Tally::default();
        let base = self.watch(&[], &mut tally)?;
        for place in places(&base, Direction::Action) {
            if is_repeated(place) {
                self.with(&base, Fault::Twice, place, &mut tally)?;
            }
        }
        Ok(tally)
    }

    /// Each step's action (and each check) fails in every way, alone; and where the function then
    /// goes another way, each step of that way too.
    ///
    /// # Errors
    /// As [`Kit::run`].
    pub fn fail_at_each_step(&self) -> Result<Tally, Failed> {
        let mut tally = Tally::default();
        let base = self.watch(&[], &mut tally)?;
        let mut known: HashSet<Site> = sites(&base);
        for place in places(&base, Direction::Action) {
            for fault in Fault::CALLS {
                let under = [Disturbance::Call(fault, place.site.clone())];
                let course = self.watch(&under, &mut tally)?;
                for place in &course.places {
                    let is_new = known.insert(place.site.clone());
                    let is_back = place.direction == Direction::Compensation;
                    if is_new && (!is_back || place.site.is_check) {
                        self.with_each(&course, place, &mut tally)?;
                    }
                }
            }
        }
        Ok(tally)
    }

    /// The process dies at each point of the saga's course: around each append to the journal,
    /// before and after each call and at each await in it, and at each await of the function. So it
    /// does on each way back.
    ///
    /// # Errors
    /// As [`Kit::run`].
    pub fn crash_at_each_point(&self) -> Result<Tally, Failed> {
        let mut tally = Tally::default();
        let base = self.watch(&[], &mut tally)?;
        for point in 0..base.points.len() as u64 {
            self.play(&[Disturbance::Crash(point)], &mut tally)?;
        }
        for back in self.ways_back(&base, &mut tally)? {
            // Up to where it leaves the undisturbed course the points are the same.
            let mut same = back.points.iter().zip(&base.points);
            let first = same.position(|(one, other)| one.what != other.what);
            let first = first.unwrap_or(0) as u64;
            for point in first..back.points.len() as u64 {
                let mut disturbances = back.under.clone();
                disturbances.push(Disturbance::Crash(point));
                self.play(&disturbances, &mut tally)?;
            }
        }
        Ok(tally)
    }

    /// The saga is cancelled after each append to the journal and before each call.
    ///
    /// # Errors
    /// As [`Kit::run`].
    pub fn cancel_at_each_point(&self) -> Result<Tally, Failed> {
        let mut tally = Tally::default();
        let base = self.watch(&[], &mut tally)?;
        for (point, number) in base.points.iter().zip(0..) {
            if matches!(point.at, At::AfterAppend | At::BeforeCall) {
                self.play(&[Disturbance::Cancel(number)], &mut tally)?;
            }
        }
        Ok(tally)
    }

    /// Each compensation is called twice with the same key, on each way back.
    ///
    /// # Errors
    /// As [`Kit::run`].
    pub fn each_compensation_twice(&self) -> Result<Tally, Failed> {
        let mut tally = Tally::default();
        let base = self.watch(&[], &mut tally)?;
        for back in self.ways_back(&base, &mut tally)? {
            for place in places(&back, Direction::Compensation) {
                if is_repeated(place) {
                    self.with(&back, Fault::Twice, place, &mut tally)?;
                }
            }
        }
        Ok(tally)
    }

    /// Each compensation fails in every way, once for each compensation.
    ///
    /// # Errors
    /// As [`Kit::run`].
    pub fn fail_at_each_compensation(&self) -> Result<Tally, Failed> {
        let mut tally = Tally::default();
        let base = self.watch(&[], &mut tally)?;
        let mut ways = self.ways_back(&base, &mut tally)?;
        // The longest way back says the most.
        ways.sort_by_key(|way| std::cmp::Reverse(way.places.len()));
        let mut known = HashSet::new();
        for back in &ways {
            for place in places(back, Direction::Compensation) {
                if known.insert(place.site.clone()) {
                    self.with_each(back, place, &mut tally)?;
                }
            }
        }
        Ok(tally)
    }

    /// Each check says once that nothing happened, though it may have. A participant that is asked is
    /// trusted (R4): survived only where repeating a call does no harm. Not part of [`Kit::run`].
    ///
    /// # Errors
    /// As [`Kit::run`].
    pub fn each_check_wrong_once(&self) -> Result<Tally, Failed> {
        let mut tally = Tally::default();
        let base = self.watch(&[], &mut tally)?;
        for place in places(&base, Direction::Action) {
            let lost = Disturbance::Call(Fault::LostAfter, place.site.clone());
            let course = self.watch(&[lost], &mut tally)?;
            let checks = course.places.iter().filter(|place| place.site.is_check);
            for check in checks {
                self.with(&course, Fault::SaysNo, check, &mut tally)?;
            }
        }
        Ok(tally)
    }

    /// Several things at once, drawn by each seed: a hostile participant (answers lost, late, twice,
    /// never), and a process that dies on the way.
    ///
    /// # Errors
    /// As [`Kit::run`].
    pub fn hostile(&self, seeds: impl IntoIterator<Item = u64>) -> Result<Tally, Failed> {
        let mut tally = Tally::default();
        let base = self.watch(&[], &mut tally)?;
        let mut all: Vec<Place> = base.places.clone();
        let mut points = base.points.len() as u64;
        for back in self.ways_back(&base, &mut tally)? {
            points = points.max(back.points.len() as u64);
            for place in back.places {
                if !all.contains(&place) {
                    all.push(place);
                }
            }
        }
        for seed in seeds {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut disturbances: Vec<Disturbance> = Vec::new();
            for _ in 0..rng.usize(2..=4) {
                if all.is_empty() {
                    break;
                }
                let place = &all[rng.usize(0..all.len())];
                let fault = draw(place, &mut rng);
                disturbances.push(Disturbance::Call(fault, place.site.clone()));
            }
            for _ in 0..rng.usize(0..=2) {
                disturbances.push(Disturbance::Crash(rng.u64(0..points.max(1))));
            }
            self.play_mixed(&disturbances, &mut tally)?;
        }
        Ok(tally)
    }

    /// Every course on which the saga goes back: one for each step that is refused, and one where it
    /// is cancelled while its last step is being called.
    fn ways_back(&self, base: &Course, tally: &mut Tally) -> Result<Vec<Course>, Failed> {
        let mut ways = Vec::new();
        for place in places(base, Direction::Action).filter(|place| !place.site.is_check) {
            let refused = Disturbance::Call(Fault::Refused, place.site.clone());
            ways.push(self.watch(&[refused], tally)?);
        }
        let called = base
            .points
            .iter()
            .rposition(|point| point.at == At::BeforeCall);
        if let Some(point) = called {
            ways.push(self.watch(&[Disturbance::Cancel(point as u64)], tally)?);
        }
        Ok(ways)
    }

    /// One place of a course failing in every way.
    fn with_each(&self, course: &Course, place: &Place, tally: &mut Tally) -> Result<(), Failed> {
        let faults: &[Fault] = if place.site.is_check {
            &Fault::CHECKS
        } else {
            &Fault::CALLS
        };
        for fault in faults {
            self.with(course, *fault, place, tally)?;
        }
        Ok(())
    }

    fn with(
        &self,
        course: &Course,
        fault: Fault,
        place: &Place,
        tally: &mut Tally,
    ) -> Result<(), Failed> {
        let mut disturbances = course.under.clone();
        disturbances.push(Disturbance::Call(fault, place.site.clone()));
        self.play(&disturbances, tally)
    }

    fn wanted(&self) -> Option<String> {
        let named = self.only.clone();
        named.or_else(|| std::env::var(ONLY).ok().filter(|name| !name.is_empty()))
    }

    fn play_named(&self, name: &str, tally: &mut Tally) -> Result<(), Failed> {
        let Some(disturbances) = read_name(name) else {
            let why = "this is no scenario's name; take it from the message of a failure";
            return Err(Failed::new(name, why.to_owned()));
        };
        self.play_once(&disturbances, false, true, tally).map(drop)
    }

    fn play(&self, disturbances: &[Disturbance], tally: &mut Tally) -> Result<(), Failed> {
        self.play_once(disturbances, false, false, tally).map(drop)
    }

    /// Of several disturbances one may keep another from coming to pass.
    fn play_mixed(&self, disturbances: &[Disturbance], tally: &mut Tally) -> Result<(), Failed> {
        self.play_once(disturbances, false, true, tally).map(drop)
    }

    fn watch(&self, under: &[Disturbance], tally: &mut Tally) -> Result<Course, Failed> {
        let played = self.play_once(under, true, false, tally)?;
        Ok(Course {
            under: under.to_vec(),
            points: played.points,
            places: played.places,
        })
    }

    fn play_once(
        &self,
        disturbances: &[Disturbance],
        keeps: bool,
        may_miss: bool,
        tally: &mut Tally,
    ) -> Result<Played, Failed> {
        let name = name_of(disturbances);
        let failed = |why: String| Failed::new(&name, why);
        let mut prepared = (self.make)().prepare().map_err(failed)?;
        let mut played = play(&prepared, disturbances, keeps).map_err(failed)?;
        if may_miss {
            played.unfired.clear();
        }
        tally.scenarios += 1;
        tally.calls += played.calls;
        tally.deaths += u64::from(played.lives - 1);
        let found = judge(&mut prepared, &played);
        if found.is_empty() {
            return Ok(played);
        }
        let explain = |disturbance: &Disturbance| {
            let point = match disturbance {
                Disturbance::Crash(point) | Disturbance::Cancel(point) => Some(*point),
                Disturbance::Call(..) => None,
            };
            let mut struck = played.struck.iter();
            let place = struck.find(|(number, _)| Some(*number) == point);
            let mut text = disturbance.explain();
            if let Some((_, what)) = place {
                text.push_str(": ");
                text.push_str(what);
            }
            text
        };
        let mut lines = Vec::new();
        for (stored, at) in &played.sagas {
            lines.push(format!("  saga `{}`, {}", stored.id, stored.state));
            lines.extend(course(stored, at));
        }
        Err(Failed {
            done: disturbances.iter().map(explain).collect(),
            scenario: name,
            found,
            course: lines,
        })
    }
}

fn places(course: &Course, direction: Direction) -> impl Iterator<Item = &Place> {
    let places = course.places.iter();
    places.filter(move |place| place.direction == direction)
}

fn sites(course: &Course) -> HashSet<Site> {
    let places = course.places.iter();
    places.map(|place| place.site.clone()).collect()
}

/// Whether the step is declared to bear repeating.
fn is_repeated(place: &Place) -> bool {
    !place.site.is_check && place.on_unknown == OnUnknown::Retry
}

fn draw(place: &Place, rng: &mut fastrand::Rng) -> Fault {
    if place.site.is_check {
        return Fault::CHECKS[rng.usize(0..Fault::CHECKS.len())];
    }
    if is_repeated(place) && rng.u8(0..4) == 0 {
        return Fault::Twice;
    }
    Fault::CALLS[rng.usize(0..Fault::CALLS.len())]
}

impl<F> fmt::Debug for Kit<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit")
            .field("only", &self.only)
            .field("seeds", &self.seeds)
            .finish_non_exhaustive()
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.scenarios += other.scenarios;
        self.calls += other.calls;
        self.deaths += other.deaths;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scenarios,
            calls,
            deaths,
        } = self;
        write!(
            f,
            "{scenarios} scenarios, {calls} calls, {deaths} deaths of the process"
        )
    }
}
