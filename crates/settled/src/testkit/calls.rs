//! The calls of closures, and what goes wrong with them.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use settled_protocol::{Span, Timestamp};

use super::fault::{Fault, Site};
use super::life::Life;
use super::probe::{At, Flag};
use crate::engine::{CallEnd, CallId, Incoming, Invocation};
use crate::function::{Boxed, RunClosures};

/// How long something that arrives late may take.
const LATE_TAKES: Span = Span::from_secs(3_600);

/// A call under way.
pub(super) struct Open {
    call: CallId,
    invocation: Invocation,
    closures: RunClosures,
    future: Boxed<CallEnd>,
    flag: Arc<Flag>,
    fault: Option<Fault>,
    pub(super) until: Timestamp,
}

/// A call that is on its way and executed later, whatever became of its caller.
pub(super) struct Late {
    pub(super) at: Timestamp,
    at_most: Timestamp,
    call: Option<(RunClosures, Invocation)>,
    under_way: Option<(Boxed<CallEnd>, Arc<Flag>)>,
}

impl Life<'_> {
    /// Begins the call of a closure, as the faults have it.
    pub(super) fn invoke(&mut self, call: CallId, invocation: Invocation) {
        let now = self.now();
        let site = Site {
            key: invocation.key.clone(),
            is_check: invocation.is_check,
        };
        let what = site.to_string();
        let before = || format!("before `{what}` was called");
        if self.stage.probe.pass(At::BeforeCall, before) {
            return;
        }
        let Some(closures) = self.closures(invocation.saga, invocation.run) else {
            let end = CallEnd::NotSent {
                error: "its function is not running any more".to_owned(),
                retry_after: None,
            };
            return self.engine.handle(now, Incoming::Finished { call, end });
        };
        let asked = (invocation.saga, invocation.leg, site.key.clone());
        self.stage.asked.push(asked);
        let fault = self.stage.strike(&site);
        let lost = || CallEnd::Unknown("the kit lost it on the way".to_owned());
        let not_sent = || CallEnd::NotSent {
            error: "the kit did not send it".to_owned(),
            retry_after: None,
        };
        let instead = match fault {
            Some(Fault::Refused) => Some(CallEnd::Refused("the kit refuses".to_owned())),
            Some(Fault::NotSent | Fault::NeverSent) => Some(not_sent()),
            Some(
                Fault::LostBefore | Fault::NeverArrives | Fault::SaysNothing | Fault::NeverSays,
            ) => Some(lost()),
            Some(Fault::Broken) => Some(CallEnd::Broken("the kit broke it".to_owned())),
            Some(Fault::SaysNo) => Some(CallEnd::Found(None)),
            Some(Fault::Late) => {
                // Within the time limit, so that who asks after that gets the truth.
                let at = now + Span(invocation.timeout.0 / 10 * 9);
                self.stage.begin(&site.key);
                self.stage.late.push(Late {
                    at,
                    at_most: at + LATE_TAKES,
                    call: Some((closures.clone(), invocation.clone())),
                    under_way: None,
                });
                Some(lost())
            }
            _ => None,
        };
        let future: Boxed<CallEnd> = match (instead, fault) {
            (Some(end), _) => Box::pin(std::future::ready(end)),
            (None, Some(Fault::Silent)) => Box::pin(std::future::pending()),
            (None, _) => {
                self.stage.executed += 1;
                if !site.is_check {
                    self.stage.begin(&site.key);
                }
                closures.call(&invocation)
            }
        };
        let until = now + invocation.timeout;
        self.calls.push(Open {
            call,
            invocation,
            closures,
            future,
            flag: Flag::new(),
            fault,
            until,
        });
    }

    pub(super) fn poll_calls(&mut self, waker: &Waker) -> bool {
        let now = self.now();
        let mut moved = false;
        for mut open in std::mem::take(&mut self.calls) {
            let end = if now >= open.until {
                let limit = open.invocation.timeout;
                Some(CallEnd::Unknown(format!("no answer within {limit}")))
            } else {
                self.poll_call(&mut open, waker)
            };
            if self.stage.probe.is_dead() {
                return true;
            }
            let Some(end) = end else {
                self.calls.push(open);
                continue;
            };
            moved = true;
            let call = open.call;
            let twice = open.fault == Some(Fault::AnsweredTwice);
            let again = twice.then(|| end.clone());
            self.engine.handle(now, Incoming::Finished { call, end });
            if let Some(end) = again {
                self.engine.handle(now, Incoming::Finished { call, end });
            }
        }
        moved
    }

    /// Polls one call; its end, as far as the coordinator gets to know it.
    fn poll_call(&mut self, open: &mut Open, waker: &Waker) -> Option<CallEnd> {
        let probe = Arc::clone(&self.stage.probe);
        let key = open.invocation.key.clone();
        let mark = if open.invocation.is_check { "?" } else { "" };
        while open.flag.take(waker) {
            let own = Waker::from(Arc::clone(&open.flag));
            let polled = open.future.as_mut().poll(&mut Context::from_waker(&own));
            let Poll::Ready(end) = polled else {
                if probe.pass(At::InCall, || format!("at an await of `{key}{mark}`")) {
                    return None;
                }
                if open.fault == Some(Fault::Panics) {
                    return Some(CallEnd::Unknown("the kit let it panic".to_owned()));
                }
                continue;
            };
            if probe.pass(At::AfterCall, || format!("after `{key}{mark}`, unheard")) {
                return None;
            }
            match open.fault {
                Some(Fault::Twice) => {
                    open.fault = None;
                    open.flag.set();
                    open.future = open.closures.call(&open.invocation);
                    self.stage.executed += 1;
                }
                Some(Fault::LostAfter | Fault::NeverAnswered) => {
                    return Some(CallEnd::Unknown("the kit lost its answer".to_owned()));
                }
                Some(Fault::Panics) => {
                    return Some(CallEnd::Unknown("the kit let it panic".to_owned()));
                }
                _ => return Some(end),
            }
        }
        None
    }

    /// Lets what was held up on its way arrive.
    pub(super) fn begin_late(&mut self) -> bool {
        let now = self.now();
        let mut moved = false;
        for mut late in std::mem::take(&mut self.stage.late) {
            if late.at > now {
                self.stage.late.push(late);
                continue;
            }
            if let Some((closures, invocation)) = late.call.take() {
                moved = true;
                self.stage.executed += 1;
                late.under_way = Some((closures.call(&invocation), Flag::new()));
            }
            let Some((future, flag)) = &mut late.under_way else {
                continue;
            };
            let own = Waker::from(Arc::clone(flag));
            let is_over = future
                .as_mut()
                .poll(&mut Context::from_waker(&own))
                .is_ready();
            if !is_over && now < late.at_most {
                // Looked at again when something else happens, or in a moment.
                late.at = now + Span::from_millis(1);
                self.stage.late.push(late);
            }
        }
        moved
    }
}
