//! Which sagas the journal wants taken up, and how far the search for them has come.
//!
//! The journal's due sagas, in order of their wake-up time, are a queue on disk: the backlog, what
//! was parked, and after a start everything that is not settled. The search walks along it as far
//! as there is room in memory.

use settled_journal::{Due, DueCursor, ReadError, SagaNo};
use settled_protocol::{Span, Timestamp};

use super::{Engine, LoadKey, Outgoing};

/// The most sagas taken up by one search.
const PAGE: usize = 256;

/// How long to leave a journal alone that could not be read.
const AFTER_ERROR: Span = Span::from_secs(1);

#[derive(Debug)]
pub(super) struct DueSearch {
    cursor: Option<DueCursor>,
    searching: bool,
    /// When the next search may find something; none while nothing waits.
    next_at: Option<Timestamp>,
    /// The first place at which a saga was parked while a search was under way.
    meanwhile: Option<DueCursor>,
    /// The search is to begin anew then.
    anew_at: Option<Timestamp>,
}

impl Default for DueSearch {
    /// At the start, everything that is not settled is due.
    fn default() -> Self {
        Self {
            cursor: None,
            searching: false,
            next_at: Some(Timestamp(i64::MIN)),
            meanwhile: None,
            anew_at: None,
        }
    }
}

impl DueSearch {
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.next_at.filter(|_| !self.searching)
    }

    /// A saga now waits in the journal. One that the search has passed already makes it go back.
    pub(super) fn parked(&mut self, wake_at: Timestamp, saga: SagaNo) {
        let place = DueCursor { wake_at, saga };
        if self.searching {
            self.meanwhile = Some(self.meanwhile.map_or(place, |earlier| earlier.min(place)));
            return;
        }
        self.next_at = Some(self.next_at.map_or(wake_at, |next| next.min(wake_at)));
        if self.cursor.is_some_and(|cursor| place <= cursor) {
            self.cursor = Some(DueCursor {
                wake_at,
                saga: SagaNo(saga.0 - 1),
            });
        }
    }

    /// Something could not be read: begin anew after a while, also where a search is under way that
    /// has passed it already.
    pub(super) fn begin_anew(&mut self, now: Timestamp) {
        self.anew_at = Some(now + AFTER_ERROR);
        self.settle();
    }

    fn search_ended(&mut self) {
        self.searching = false;
        self.settle();
    }

    /// Takes up what came in while a search was under way.
    fn settle(&mut self) {
        if self.searching {
            return;
        }
        if let Some(at) = self.anew_at.take() {
            self.cursor = None;
            self.next_at = Some(at);
        }
        if let Some(place) = self.meanwhile.take() {
            self.parked(place.wake_at, place.saga);
        }
    }
}

impl<R> Engine<R> {
    /// Looks for due sagas where there is room for a good number of them.
    pub(super) fn find_due(&mut self, now: Timestamp) {
        let room = self
            .settings
            .max_in_flight
            .saturating_sub(self.sagas.len() + self.loads.len());
        let enough = (self.settings.max_in_flight / 8).clamp(1, PAGE);
        let due = self.due.next_at.is_some_and(|at| at <= now);
        if self.draining || self.due.searching || !due || room < enough {
            return;
        }
        self.due.searching = true;
        self.out.push(Outgoing::FindDue {
            after: self.due.cursor,
            until: now,
            limit: room.min(PAGE),
        });
    }

    pub(super) fn due_found(&mut self, now: Timestamp, found: Result<Due, ReadError>) {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.observer.trouble(&error.to_string());
                self.due.begin_anew(now);
                self.due.search_ended();
                return;
            }
        };
        if let Some(last) = found.sagas.last() {
            self.due.cursor = Some(DueCursor {
                wake_at: last.wake_at,
                saga: last.saga,
            });
        }
        // An empty page is the end of what was due; a page with anything may not be the last.
        self.due.next_at = if found.sagas.is_empty() {
            found.next
        } else {
            Some(now)
        };
        self.due.search_ended();
        for due in found.sagas {
            if !self.sagas.contains_key(&due.saga) {
                self.load(LoadKey::No(due.saga), Vec::new());
            }
        }
    }
}
