//! Calls over HTTP: one request out, and an honest account of what came of it.
//!
//! [`HttpParticipants::send`] sends a request at most once. It follows no redirect, uses no proxy,
//! decodes nothing and repeats nothing: a client that quietly sends twice turns every unknown
//! outcome into a possible second execution. The one thing it does again is to take another
//! connection when the system has accepted no byte of the request on the first, as happens when
//! an idle connection turns out to be dead.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::HeaderValue;
use settled_protocol::Span;
use tokio::time::{Instant, Sleep};

use super::{AlertPost, Answer, Request, Response};

mod address;
mod allow;
mod answer;
mod connect;
mod driver;
mod http1;
mod http2;
mod pattern;
mod pool;
mod target;
mod tls;
mod wire;

pub use allow::AllowList;
pub use pattern::AllowListError;

use answer::Broken;
use connect::Connector;
use http1::Http1;
use http2::Http2;
use pool::{Line, Pool};
use target::Target;
use tls::Tls;

/// How many idle connections may turn out dead before a fresh one is opened without asking more.
const DEAD_ONES: usize = 3;

/// How calls over HTTP are made.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where calls may go.
    pub allow: AllowList,
    /// The most bytes that the body of an answer may have.
    pub max_body: usize,
    /// The time limit of looking up, connecting and shaking hands together; the time limit of the
    /// request holds as well.
    pub connect_timeout: Duration,
    /// How long a connection is kept without use. Less than participants commonly keep it, which
    /// is five seconds for many: a request that meets the closing of its connection on the way
    /// has an unknown outcome, and a new connection costs far less than that.
    pub idle_timeout: Duration,
    /// How many connections are kept without use for each host.
    pub max_idle_per_host: usize,
    /// Certificate authorities to trust beside those of the machine, in PEM form.
    pub extra_authorities: Option<Vec<u8>>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allow: AllowList::open(),
            max_body: 1024 * 1024,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(4),
            max_idle_per_host: 256,
            extra_authorities: None,
        }
    }
}

/// Settings that cannot be worked with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpSetupError {
    /// The given certificate authorities cannot be read.
    #[error(
        "the certificate authorities cannot be used: {0}; give one or more certificates in PEM \
         form, each between BEGIN CERTIFICATE and END CERTIFICATE"
    )]
    Authorities(String),
    /// There is no time to connect.
    #[error("the time limit for connecting is zero, so no call could succeed; give it some time")]
    NoTimeToConnect,
}

/// All participants that are called over HTTP, and the connections to them.
///
/// Clones share the connections.
#[derive(Clone, Debug)]
pub struct HttpParticipants {
    inner: Arc<Inner>,
    alerts: Option<Arc<AlertPost>>,
}

#[derive(Debug)]
struct Inner {
    connector: Connector,
    pool: Arc<Pool>,
    max_body: usize,
}

impl HttpParticipants {
    /// Makes ready to call; connects to nobody yet.
    ///
    /// # Errors
    ///
    /// Refuses settings with which no call could succeed.
    pub fn new(settings: HttpSettings) -> Result<Self, HttpSetupError> {
        if settings.connect_timeout.is_zero() {
            return Err(HttpSetupError::NoTimeToConnect);
        }
        let tls = Tls::new(settings.extra_authorities.as_deref())?;
        let connector = Connector {
            allow: settings.allow,
            limit: settings.connect_timeout,
            tls,
        };
        let pool = Pool::new(settings.idle_timeout, settings.max_idle_per_host);
        Ok(Self {
            inner: Arc::new(Inner {
                connector,
                pool,
                max_body: settings.max_body,
            }),
            alerts: None,
        })
    }

    /// Delivers alerts too, by a way of their own; without it they are not sent.
    #[must_use]
    pub fn with_alerts(mut self, post: AlertPost) -> Self {
        self.alerts = Some(Arc::new(post));
        self
    }

    /// Sends the request at most once and says what is certain about it.
    ///
    /// Dropping the future before it ends closes the connection it was using (or resets its
    /// stream, with HTTP/2); whether the request arrived is then unknown.
    pub async fn send(&self, request: Request) -> Answer {
        let until = deadline(request.timeout);
        self.send_until(request, until).await
    }

    /// The same, with the time limit counted from an earlier moment: nothing is sent after it.
    pub async fn send_until(&self, request: Request, until: Instant) -> Answer {
        if !request.alert {
            return self.carry(request, until).await;
        }
        match &self.alerts {
            // Alerts are rare, and this future is part of every call's.
            Some(post) => Box::pin(post.send(request, until)).await,
            None => Answer::NotSent(
                "this program was not told where alerts go, so that none is sent".to_owned(),
            ),
        }
    }

    pub(in crate::participant) async fn carry(&self, request: Request, until: Instant) -> Answer {
        let until = until.min(deadline(request.timeout));
        let target = match Target::of(&request) {
            Ok(target) => target,
            Err(unsendable) => return Answer::NotSent(unsendable.to_string()),
        };
        let clock = pin!(tokio::time::sleep_until(until));
        match self.inner.carry_out(&request, &target, clock).await {
            Ok(response) => Answer::Responded(response),
            Err(Broken { left: false, why }) => Answer::NotSent(why),
            Err(Broken { left: true, why }) => Answer::Unknown(why),
        }
    }
}

impl Inner {
    async fn carry_out(
        &self,
        request: &Request,
        target: &Target<'_>,
        mut clock: Pin<&mut Sleep>,
    ) -> Result<Response, Broken> {
        for _ in 0..DEAD_ONES {
            let Some(line) = self.pool.take(target) else {
                break;
            };
            match self.exchange(line, request, target, clock.as_mut()).await {
                // Nothing left, so this is not a second request.
                Err(Broken { left: false, .. }) if !clock.is_elapsed() => {}
                ended => return ended,
            }
        }
        // Connecting is rare and its future large.
        let connecting = Box::pin(self.connect(target));
        let line = within(clock.as_mut(), connecting)
            .await
            .unwrap_or_else(|| {
                Err(unsent(format!(
                    "no connection to {} within {}",
                    target.authority(),
                    request.timeout
                )))
            })?;
        self.exchange(line, request, target, clock).await
    }

    /// Sends the request on this connection and keeps the connection if it is fit for another.
    async fn exchange(
        &self,
        mut line: Line,
        request: &Request,
        target: &Target<'_>,
        clock: Pin<&mut Sleep>,
    ) -> Result<Response, Broken> {
        // A process that was held up may find that out before its timers do.
        if clock.deadline() <= Instant::now() {
            return Err(unsent(format!(
                "nothing was sent within {}",
                request.timeout
            )));
        }
        let ended = match &mut line {
            Line::Http1(one) => within(clock, one.exchange(request, self.max_body)).await,
            Line::Http2(two) => within(clock, two.exchange(request, self.max_body)).await,
        };
        let response = ended.unwrap_or_else(|| Err(too_late(&line, request.timeout)))?;
        self.pool.put(target, line);
        Ok(response)
    }

    /// A connection that nobody else uses, or a share in one that was made meanwhile.
    async fn connect(&self, target: &Target<'_>) -> Result<Line, Broken> {
        let host = HeaderValue::from_str(target.authority())
            .map_err(|_| unsent("the url's host cannot stand in a header"))?;
        let turn = self.pool.turn(target);
        let _held = match &turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        if let Some(line) = turn.as_ref().and_then(|_| self.pool.take(target)) {
            return Ok(line);
        }
        let opened = self.connector.open(target).await;
        let wire = opened.map_err(|error| unsent(error.to_string()))?;
        if wire.is_http2() {
            let connection = Http2::new(wire).await?;
            self.pool.share(target, &connection);
            return Ok(Line::Http2(connection));
        }
        if turn.is_some() {
            self.pool.mark_http1(target);
        }
        Ok(Line::Http1(Box::new(Http1::new(wire, host).await?)))
    }
}

/// Which one host and port a URL leads to, as a pattern of the allow-list.
///
/// # Errors
/// Says why the URL cannot be called.
pub(in crate::participant) fn place(url: &http::Uri) -> Result<String, String> {
    let target = Target::of_url(url).map_err(|unsendable| unsendable.to_string())?;
    let (host, port) = (target.host(), target.port());
    Ok(if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    })
}

fn unsent(why: impl Into<String>) -> Broken {
    Broken {
        left: false,
        why: why.into(),
    }
}

fn too_late(line: &Line, limit: Span) -> Broken {
    match line {
        Line::Http1(one) if !one.left() => unsent(format!("nothing could be sent within {limit}")),
        _ => Broken::lost(format!("no whole answer within {limit}")),
    }
}

/// When the time is up; a limit beyond what the clock can count is as good as none.
fn deadline(limit: Span) -> Instant {
    let now = Instant::now();
    let far = Duration::from_hours(24 * 365);
    now + limit.to_std().min(far)
}

/// The outcome of `work`, unless the clock runs out first.
async fn within<F: Future>(mut clock: Pin<&mut Sleep>, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => clock.as_mut().poll(cx).map(|()| None),
    })
    .await
}
