//! How much of payloads is shown: masked, unless somebody who may asked to see them whole.
//!
//! Everything that callers or participants wrote goes through here on its way out. What Settled itself
//! says (states, names, times) does not.

use std::borrow::Cow;
use std::sync::Arc;

use settled::journal::Seen;
use settled::mask::Mask;
use settled::protocol::Json;

/// Shows payloads masked, or whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'m>(Option<&'m Mask>);

impl<'m> Shown<'m> {
    /// As they are.
    pub(crate) const WHOLE: Self = Self(None);

    /// As the mask leaves them.
    pub(crate) const fn masked(mask: &'m Mask) -> Self {
        Self(Some(mask))
    }

    /// What masks them; none where they are shown as they are.
    pub(crate) const fn mask(self) -> Option<&'m Mask> {
        self.0
    }

    /// The same for texts that are looked for; none where they are shown as they are.
    pub(crate) fn seen(self) -> Option<Seen> {
        let mask = self.0?.clone();
        Some(Seen(Arc::new(move |text: &str| {
            mask.text(text).into_owned()
        })))
    }

    /// A payload; cheap where nothing of it is masked.
    pub(crate) fn json(self, json: &Json) -> Json {
        self.0.map_or_else(|| json.clone(), |mask| mask.json(json))
    }

    /// Words of a caller, a participant or a person.
    pub(crate) fn text(self, text: &str) -> Cow<'_, str> {
        self.0.map_or(Cow::Borrowed(text), |mask| mask.text(text))
    }

    /// A URL.
    pub(crate) fn url(self, url: &str) -> Cow<'_, str> {
        self.0.map_or(Cow::Borrowed(url), |mask| mask.url(url))
    }

    /// The value of a header.
    pub(crate) fn header<'a>(self, name: &str, value: &'a str) -> Cow<'a, str> {
        self.0
            .map_or(Cow::Borrowed(value), |mask| mask.header(name, value))
    }
}
