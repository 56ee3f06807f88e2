//! One scenario from its start to its end: what outlives a coordinator, and its lives one after the
//! other.

use std::collections::HashSet;
use std::sync::Arc;

use settled_journal::{Keeper, MemoryJournal, SagaFilter, SagaNo, StoredSaga};
use settled_protocol::{Direction, LegId, OnUnknown, Timestamp};

use super::apart::Desk;
use super::calls::Late;
use super::fault::{Disturbance, Fault, Site};
use super::life::{Fate, Life};
use super::probe::{Point, Probe};
use super::scenario::Prepared;
use crate::definition::{Definitions, Submission};
use crate::function::Functions;
use crate::snapshot::SagaSnapshot;

/// Where virtual time begins.
pub(super) const DAWN: Timestamp = Timestamp(1_700_000_000_000_000);

/// No scenario has more lives than this.
const MAX_LIVES: u32 = 100;

/// What outlives a coordinator.
pub(super) struct Stage {
    pub(super) probe: Arc<Probe>,
    pub(super) disk: MemoryJournal,
    pub(super) functions: Arc<dyn Functions>,
    pub(super) definitions: Arc<Definitions>,
    pub(super) desk: Arc<Desk>,
    pub(super) id: String,
    pub(super) submission: Submission,
    pub(super) now: Timestamp,
    pub(super) acknowledged: bool,
    pub(super) late: Vec<Late>,
    /// Which closures were asked for, and with which keys.
    pub(super) asked: Vec<(SagaNo, LegId, String)>,
    /// How many calls were executed.
    pub(super) executed: u64,
    pub(super) complaints: Vec<String>,
    faults: Vec<(Fault, Site, bool)>,
    /// The keys under which something was executed, or is on its way.
    begun: HashSet<String>,
    /// Where calls were wanted, in order, each once.
    sites: Vec<Site>,
}

impl Stage {
    /// The fault that strikes here, if one does.
    pub(super) fn strike(&mut self, site: &Site) -> Option<Fault> {
        if !self.sites.contains(site) {
            self.sites.push(site.clone());
        }
        // Who did it once under this key does not refuse it afterwards.
        let is_begun = self.begun.contains(&site.key);
        let may = |fault: Fault| fault != Fault::Refused || !is_begun;
        let (fault, _, fired) = (self.faults.iter_mut()).find(|(fault, at, fired)| {
            at == site && (!*fired || fault.is_lasting()) && may(*fault)
        })?;
        *fired = true;
        Some(*fault)
    }

    /// A call reaches its participant, now or later.
    pub(super) fn begin(&mut self, key: &str) {
        self.begun.insert(key.to_owned());
    }
}

/// A place where closures are called, and what is declared of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) site: Site,
    pub(super) direction: Direction,
    pub(super) on_unknown: OnUnknown,
}

/// What a scenario left behind.
pub(super) struct Played {
    pub(super) fate: Fate,
    pub(super) points: Vec<Point>,
    pub(super) places: Vec<Place>,
    pub(super) struck: Vec<(u64, String)>,
    /// Disturbances that never came to pass.
    pub(super) unfired: Vec<Disturbance>,
    pub(super) sagas: Vec<(StoredSaga, SagaSnapshot)>,
    pub(super) complaints: Vec<String>,
    pub(super) asked: Vec<(SagaNo, LegId, String)>,
    pub(super) calls: u64,
    pub(super) lives: u32,
}

/// Plays a scenario with these disturbances.
pub(super) fn play(
    prepared: &Prepared,
    disturbances: &[Disturbance],
    keeps: bool,
) -> Result<Played, String> {
    let mut stage = Stage {
        probe: Arc::clone(&prepared.probe),
        disk: MemoryJournal::new(),
        functions: Arc::clone(&prepared.functions),
        definitions: Arc::clone(&prepared.definitions),
        desk: Arc::clone(&prepared.desk),
        id: prepared.id.clone(),
        submission: prepared.submission.clone(),
        now: DAWN,
        acknowledged: false,
        late: Vec::new(),
        asked: Vec::new(),
        executed: 0,
        complaints: Vec::new(),
        faults: Vec::new(),
        begun: HashSet::new(),
        sites: Vec::new(),
    };
    let (mut crashes, mut cancels) = (Vec::new(), Vec::new());
    for disturbance in disturbances {
        match disturbance {
            Disturbance::Call(fault, site) => stage.faults.push((*fault, site.clone(), false)),
            Disturbance::Crash(point) => crashes.push(*point),
            Disturbance::Cancel(point) => cancels.push(*point),
        }
    }
    stage.probe.set(crashes, cancels, keeps);
    let mut lives = 0;
    let fate = loop {
        lives += 1;
        stage.probe.revive();
        stage.desk.clear();
        let runtime = runtime()?;
        let fate = runtime.block_on(async {
            let mut life = Life::new(&mut stage);
            std::future::poll_fn(|context| life.poll(context)).await
        });
        // With whatever the program's own code had begun.
        runtime.shutdown_background();
        if fate != Fate::Died {
            break fate;
        }
        if lives >= MAX_LIVES {
            break Fate::Endless;
        }
    };
    let sagas = sagas(&stage.disk, &stage.definitions)?;
    let struck = stage.probe.struck();
    let unfired = disturbances.iter().filter(|disturbance| match disturbance {
        Disturbance::Call(fault, site) => {
            let mut faults = stage.faults.iter();
            faults.any(|(known, at, fired)| (known, at, *fired) == (fault, site, false))
        }
        Disturbance::Crash(point) | Disturbance::Cancel(point) => {
            struck.iter().all(|(number, _)| number != point)
        }
    });
    Ok(Played {
        fate,
        points: stage.probe.take_points(),
        places: places(&stage.sites, &sagas),
        unfired: unfired.cloned().collect(),
        struck,
        sagas,
        asked: stage.asked,
        calls: stage.executed,
        complaints: stage.complaints,
        lives,
    })
}

/// A runtime for one life: one thread, and a clock that stands still while anything can be done.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    let made = builder.build();
    made.map_err(|error| format!("the system gives no runtime: {error}"))
}

fn sagas(
    disk: &MemoryJournal,
    definitions: &Definitions,
) -> Result<Vec<(StoredSaga, SagaSnapshot)>, String> {
    let mut reader = disk.reader().map_err(|error| error.to_string())?;
    let page = reader.list(&SagaFilter::default(), None, 10_000);
    let mut sagas = Vec::new();
    for stored in page.map_err(|error| error.to_string())?.items {
        let stored = stored.map_err(|error| error.to_string())?;
        let at = SagaSnapshot::from_stored(&stored, definitions);
        let at = at.map_err(|error| format!("saga {}: {error}", stored.id))?;
        sagas.push((stored, at));
    }
    // The newest comes first.
    sagas.reverse();
    Ok(sagas)
}

/// What is declared of the places where calls were wanted.
fn places(sites: &[Site], sagas: &[(StoredSaga, SagaSnapshot)]) -> Vec<Place> {
    let mut places = Vec::new();
    for site in sites {
        for (_, at) in sagas {
            let plans = at.saga.plan().steps.iter().zip(0..).skip(1);
            let legs = plans.flat_map(|(plan, step)| {
                let legs = [LegId::action(step), LegId::compensation(step)];
                legs.map(|leg| (leg.direction, plan))
            });
            for (direction, plan) in legs {
                let key = settled_protocol::idempotency_key(&at.id, &plan.name, direction);
                if let Some(call) = plan.call(direction).filter(|_| key == site.key) {
                    places.push(Place {
                        site: site.clone(),
                        direction,
                        on_unknown: call.on_unknown,
                    });
                }
            }
        }
    }
    places
}
