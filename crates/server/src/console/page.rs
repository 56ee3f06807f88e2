//! What all pages have around what is theirs: title, navigation, language, light, form token.

use std::fmt;

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use super::Console;
use super::assets;
use super::visitor::Visitor;
use super::words::{Common, Language};

/// A place in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Sagas,
    Incidents,
    Schedules,
    Participants,
    Audit,
}

/// One entry of the navigation.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) link: &'static str,
    pub(super) here: bool,
    /// A number that wants to be seen, such as the open incidents; 0 for none.
    pub(super) count: u64,
}

/// What a page has around what is its own.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    /// What follows the `?` in the addresses of styles and script.
    pub(super) assets: &'static str,
    pub(super) words: &'static Common,
    pub(super) visitor: &'a Visitor,
    pub(super) navigation: Vec<Entry>,
    /// Of what the page wants to hear that it has changed: what follows the `?` of `/console/live`;
    /// none for a page that stays as it is.
    pub(super) live: Option<String>,
}

impl<'a> Page<'a> {
    /// A page in its place.
    pub(super) async fn new(
        console: &Console,
        visitor: &'a Visitor,
        place: Place,
        title: &'a str,
    ) -> Self {
        let counts = console.coordinator().counts().await;
        let open_incidents = counts.map_or(0, |counts| counts.open_incidents);
        let words = visitor.words();
        let mut navigation = Vec::new();
        let mut add = |at: Place, name, link, count| {
            navigation.push(Entry {
                name,
                link,
                here: at == place,
                count,
            });
        };
        add(Place::Overview, words.overview, "/console", 0);
        add(Place::Sagas, words.sagas, "/console/sagas", 0);
        add(
            Place::Incidents,
            words.incidents,
            "/console/incidents",
            open_incidents,
        );
        add(Place::Schedules, words.schedules, "/console/schedules", 0);
        add(
            Place::Participants,
            words.participants,
            "/console/participants",
            0,
        );
        if visitor.may_see_all() {
            add(Place::Audit, words.audit, "/console/audit", 0);
        }
        Self {
            title,
            assets: assets::version(),
            words,
            visitor,
            navigation,
            live: None,
        }
    }

    /// A page without navigation, for whoever is not logged in.
    pub(super) fn bare(visitor: &'a Visitor, title: &'a str) -> Self {
        Self {
            title,
            assets: assets::version(),
            words: visitor.words(),
            visitor,
            navigation: Vec::new(),
            live: None,
        }
    }

    /// The page asks for itself again when anything changes.
    pub(super) fn live(mut self) -> Self {
        self.live = Some(format!("seen={}", self.visitor.seen));
        self
    }

    /// The page asks for itself again when a saga changes.
    pub(super) fn live_of(mut self, saga: &str) -> Self {
        let saga = percent_encoding::utf8_percent_encode(saga, percent_encoding::NON_ALPHANUMERIC);
        self.live = Some(format!("seen={}&saga={saga}", self.visitor.seen));
        self
    }

    /// What every form of the page must carry.
    pub(super) fn form_token(&self) -> &str {
        let session = self.visitor.session();
        session.map_or("", |session| &session.form_token)
    }

    pub(super) fn other_language(&self) -> Language {
        self.visitor.language.other()
    }
}

/// A page as an answer.
pub(super) fn render(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => html(status, text),
        Err(error) => {
            tracing::error!(%error, "a page cannot be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn html(status: StatusCode, text: String) -> Response {
    let mut response = (status, text).into_response();
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A piece of a page that was made here, with everything in it escaped already.
pub(super) struct Markup(pub(super) String);

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::FastWritable for Markup {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        Ok(dest.write_str(&self.0)?)
    }
}

impl askama::filters::HtmlSafe for Markup {}
