//! What a transaction remembers while it is open: who has doomed it, its savepoints, and how far the
//! connection can be trusted.

use crate::mark::Mark;
use crate::outcome::Outcome;

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Statements may run.
    Open,
    /// It is being committed or rolled back.
    Ending,
    /// It is at its end.
    Ended,
}

/// Whether a commit can be believed.
#[derive(Debug)]
enum Doubt {
    /// Nothing has happened that could hinder it.
    No,
    /// Something was done that nobody saw.
    Unseen,
    /// This statement failed.
    Failed(Mark),
}

/// One open savepoint.
#[derive(Clone, Copy, Debug)]
struct Savepoint {
    number: u32,
    /// The scope by which it was made by hand; none where it is a scope's own.
    by_hand_of: Option<u32>,
}

/// What is remembered of one transaction, or of one scope without.
#[derive(Debug)]
pub(crate) struct State {
    phase: Phase,
    /// Set by those who have joined; the one that began it has to be told. Each with the savepoint
    /// under which its work was done, and with which it is undone.
    dooms: Vec<(Mark, Option<u32>)>,
    /// Those open, the innermost last. Their numbers only grow: a name is never used again.
    savepoints: Vec<Savepoint>,
    last_savepoint: u32,
    /// How many scopes there have been.
    scopes: u32,
    /// The outermost savepoint whose scope was dropped: to be rolled back to before anything else.
    abandoned: Option<u32>,
    /// The transaction is gone at the database: why, and how it ended. Nothing may be sent any more:
    /// it would take effect at once.
    gone: Option<(Mark, Outcome)>,
    /// Whether the database may have turned the transaction into one that cannot commit, or ended it:
    /// to be asked before the commit.
    doubt: Doubt,
    /// Whether the connection may go back to its pool.
    clean: bool,
    /// Whether the statement that is at work has run, and only its answer is still being read.
    has_run: bool,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Open,
            dooms: Vec::new(),
            savepoints: Vec::new(),
            last_savepoint: 0,
            scopes: 0,
            abandoned: None,
            gone: None,
            doubt: Doubt::No,
            clean: true,
            has_run: false,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    pub(crate) fn doom(&self) -> Option<&Mark> {
        self.dooms.first().map(|(mark, _)| mark)
    }

    /// Dooms it because of work under a savepoint. The first to doom it is the one that is named.
    pub(crate) fn set_doom(&mut self, mark: Mark, savepoint: Option<u32>) {
        let known = |(_, under): &(Mark, Option<u32>)| *under == savepoint;
        if !self.dooms.iter().any(known) {
            self.dooms.push((mark, savepoint));
        }
    }

    pub(crate) fn gone(&self) -> Option<(Mark, Outcome)> {
        self.gone.clone()
    }

    pub(crate) fn set_gone(&mut self, why: Mark, outcome: Outcome) {
        self.gone.get_or_insert((why, outcome));
        self.clean = false;
    }

    /// That the database is to be asked before the commit, because of a statement that failed or of
    /// something that was not seen.
    pub(crate) fn set_doubt(&mut self, failed: Option<Mark>) {
        match (&self.doubt, failed) {
            (Doubt::Failed(_), _) => {}
            (_, Some(mark)) => self.doubt = Doubt::Failed(mark),
            (_, None) => self.doubt = Doubt::Unseen,
        }
    }

    pub(crate) fn is_doubtful(&self) -> bool {
        !matches!(self.doubt, Doubt::No)
    }

    /// The first statement that is known to have failed.
    pub(crate) fn failed_statement(&self) -> Option<&Mark> {
        match &self.doubt {
            Doubt::Failed(mark) => Some(mark),
            Doubt::No | Doubt::Unseen => None,
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.clean
    }

    pub(crate) fn has_run(&self) -> bool {
        self.has_run
    }

    pub(crate) fn set_has_run(&mut self, has_run: bool) {
        self.has_run = has_run;
    }

    pub(crate) fn set_unclean(&mut self) {
        self.clean = false;
    }

    /// The innermost open savepoint.
    pub(crate) fn innermost(&self) -> Option<u32> {
        self.savepoints.last().map(|open| open.number)
    }

    /// The number of a scope that is entered: never another's.
    pub(crate) fn enter(&mut self) -> u32 {
        self.scopes += 1;
        self.scopes
    }

    /// Whether a savepoint is open that this scope made by hand.
    pub(crate) fn is_by_hand_of(&self, scope: u32, savepoint: u32) -> bool {
        let found = |open: &Savepoint| open.number == savepoint && open.by_hand_of == Some(scope);
        self.savepoints.iter().any(found)
    }

    pub(crate) fn make_savepoint(&mut self, by_hand_of: Option<u32>) -> u32 {
        self.last_savepoint += 1;
        self.savepoints.push(Savepoint {
            number: self.last_savepoint,
            by_hand_of,
        });
        self.last_savepoint
    }

    /// A savepoint is released, and with it those within.
    pub(crate) fn release(&mut self, savepoint: u32) {
        self.savepoints.retain(|open| open.number < savepoint);
        if self
            .abandoned
            .is_some_and(|abandoned| abandoned >= savepoint)
        {
            self.abandoned = None;
        }
    }

    /// What was done since a savepoint is undone, and with it what has doomed the whole since then. A
    /// scope beside the savepoint may have failed meanwhile; its work is still there, and so is its doom.
    pub(crate) fn rolled_back_to(&mut self, savepoint: u32) {
        self.savepoints.retain(|open| open.number <= savepoint);
        self.dooms
            .retain(|(_, under)| under.is_none_or(|under| under < savepoint));
    }

    /// The scope of a savepoint was dropped.
    pub(crate) fn abandon(&mut self, savepoint: u32) {
        if self.savepoints.iter().any(|open| open.number == savepoint) {
            let outermost = self
                .abandoned
                .map_or(savepoint, |other| other.min(savepoint));
            self.abandoned = Some(outermost);
        }
    }

    pub(crate) fn abandoned(&self) -> Option<u32> {
        self.abandoned
    }

    /// The innermost scope's savepoint that is not abandoned: under which a statement runs.
    pub(crate) fn standing(&self) -> Option<u32> {
        self.lasting(|open| open.by_hand_of.is_none())
    }

    /// The innermost savepoint that is not abandoned, of whatever kind.
    pub(crate) fn standing_of_any_kind(&self) -> Option<u32> {
        self.lasting(|_| true)
    }

    /// The innermost savepoint of whatever kind that a scope works under, whose own is `scope`: not
    /// those of scopes within it, or beside it.
    pub(crate) fn under(&self, scope: Option<u32>) -> Option<u32> {
        let is_inner = |open: &&Savepoint| open.by_hand_of.is_none() && Some(open.number) > scope;
        let inner = self.savepoints.iter().find(is_inner);
        let last = |open: &&Savepoint| inner.is_none_or(|inner| open.number < inner.number);
        self.savepoints.iter().rfind(last).map(|open| open.number)
    }

    fn lasting(&self, wanted: impl Fn(&Savepoint) -> bool) -> Option<u32> {
        let lasts = |open: &&Savepoint| {
            wanted(open)
                && self
                    .abandoned
                    .is_none_or(|abandoned| open.number < abandoned)
        };
        self.savepoints.iter().rfind(lasts).map(|open| open.number)
    }
}
