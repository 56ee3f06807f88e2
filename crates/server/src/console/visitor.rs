//! Who looks at a page, in which language and in which light.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{ACCEPT_LANGUAGE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::Console;
use super::form::Form;
use super::guard::cookie;
use super::session::Session;
use super::words::{Common, Language};
use crate::access::{Bearer, Role, Roles};

const LANGUAGE: &str = "settled-language";
const LIGHT: &str = "settled-light";

/// Whether pages are light or dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Light {
    /// As the system says.
    System,
    Day,
    Night,
}

impl Light {
    /// The word, as in the page.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Day => "light",
            Self::Night => "dark",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::System, Self::Day, Self::Night]
            .into_iter()
            .find(|light| light.as_str() == word)
    }
}

/// Whoever sent a request.
#[derive(Clone)]
pub(super) struct Visitor {
    session: Option<Session>,
    /// How far the count of changes was when the request came: what is made for it is as new as that,
    /// at least.
    pub(super) seen: u64,
    pub(super) language: Language,
    pub(super) light: Light,
}

impl Visitor {
    /// Somebody of whom only the browser's wishes are known.
    pub(super) fn unknown(headers: &HeaderMap) -> Self {
        let chosen = cookie(headers, LANGUAGE).and_then(Language::parse);
        let accepted = || {
            let accepted = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
            Language::accepted(accepted)
        };
        Self {
            session: None,
            seen: 0,
            language: chosen.or_else(accepted).unwrap_or(Language::English),
            light: cookie(headers, LIGHT)
                .and_then(Light::parse)
                .unwrap_or(Light::System),
        }
    }

    pub(super) fn log_in(&mut self, session: Session) {
        self.session = Some(session);
    }

    pub(super) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    pub(super) fn words(&self) -> &'static Common {
        Common::of(self.language)
    }

    fn bearer(&self) -> Option<&Bearer> {
        self.session.as_ref()?.bearer.as_ref()
    }

    /// Whose token it is; none where nobody needs one.
    pub(super) fn name(&self) -> Option<&str> {
        self.bearer().map(|bearer| &*bearer.name)
    }

    /// Whether one of these roles is theirs, or nobody needs one.
    pub(super) fn may(&self, roles: &[Role]) -> bool {
        let Some(session) = &self.session else {
            return false;
        };
        session
            .bearer
            .as_ref()
            .is_none_or(|bearer| bearer.roles.any_of(Roles::of(roles)))
    }

    /// Whether they may cancel, decide and change.
    pub(super) fn may_operate(&self) -> bool {
        self.may(&[Role::Operate, Role::Admin])
    }

    /// Whether they want to see what is masked, and may.
    pub(super) fn reveals(&self, asked: &Form) -> bool {
        self.may_see_all() && asked.text("reveal") == Some("true")
    }

    /// Whether they may see what is masked, and the audit log.
    pub(super) fn may_see_all(&self) -> bool {
        self.may(&[Role::Admin])
    }
}

impl FromRequestParts<Console> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Console) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Self::unknown(&parts.headers)))
    }
}

/// Sets the language or the light, for this browser.
pub(super) async fn settings(form: Form) -> Response {
    let back = form.text("back").filter(|back| is_own_place(back));
    let mut response = Redirect::to(back.unwrap_or(super::ROOT)).into_response();
    let language = form.text("language").and_then(Language::parse);
    let light = form.text("light").and_then(Light::parse);
    let cookies = [
        language.map(|language| (LANGUAGE, language.as_str())),
        light.map(|light| (LIGHT, light.as_str())),
    ];
    for (name, value) in cookies.into_iter().flatten() {
        let text = format!("{name}={value}; Path=/console; SameSite=Strict; Max-Age=31536000");
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }
    response
}

/// Whether an address leads to a page of the console and nowhere else.
pub(super) fn is_own_place(place: &str) -> bool {
    let own =
        place == super::ROOT || place.starts_with("/console/") || place.starts_with("/console?");
    own && place.len() <= 2_000
        && place
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_sent_back_to_pages_of_the_console_only() {
        for (place, own) in [
            ("/console", true),
            ("/console/sagas?q=a", true),
            ("/console?x", true),
            ("/consoles", false),
            ("//evil.example/console/", false),
            ("https://evil.example/console/", false),
            ("/console/\\evil", false),
            ("/console/\r\nset-cookie: x", false),
        ] {
            assert_eq!(is_own_place(place), own, "{place}");
        }
    }
}
