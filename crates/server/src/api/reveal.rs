//! Who sees payloads whole: `?reveal=true`, from those who may.
//!
//! What is masked is not to be found out in another way either: a search finds in masked inputs what is
//! left of them.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use settled::coordinator::Coordinator;
use settled::journal::{Page, ReadError, SagaFilter};
use settled::mask::{MARK, has_mark, refuse_marks};
use settled::protocol::Json;
use settled::snapshot::SagaSnapshot;

use super::Api;
use super::problem::{Kind, Problem};
use super::query::Query;
use crate::access::{Bearer, Role, Roles};
use crate::view::Shown;

/// The parameter.
pub(super) const REVEAL: &str = "reveal";

/// How often a search goes on by itself after pages of which something was left out.
const ROUNDS: usize = 100;

/// Whoever asks, as the gate knows them.
pub(super) struct Asker(Option<Bearer>);

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().cloned()))
    }
}

impl Api {
    /// Payloads as they are shown to everybody.
    pub(crate) fn masked(&self) -> Shown<'_> {
        Shown::masked(self.coordinator().mask())
    }

    /// Payloads as they are shown to whom has asked.
    pub(crate) fn shown(&self, reveal: bool) -> Shown<'_> {
        if reveal { Shown::WHOLE } else { self.masked() }
    }

    /// Whether whoever asks wants payloads whole, and may.
    pub(super) fn reveals(&self, query: &Query<'_>, asker: &Asker) -> Result<bool, Problem> {
        let word = |word: &str| match word {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        let wanted = query.word(REVEAL, word, &["true", "false"])?;
        if wanted != Some(true) {
            return Ok(false);
        }
        let may = match &asker.0 {
            Some(bearer) => bearer.roles.any_of(Roles::of(&[Role::Admin])),
            None => self.shared.tokens.is_none(),
        };
        if may {
            return Ok(true);
        }
        let detail = "reveal: what is masked is shown to the role admin only; leave `reveal` out, or \
                      use a token of that role";
        Err(Problem::new(Kind::Forbidden, detail))
    }
}

/// Refuses a document with a mark in it: it was made from a masked one, and whoever is called would be
/// sent the mark.
pub(super) fn no_marks(body: &[u8]) -> Result<(), Problem> {
    // Nearly every document has neither a sign of the mark nor a backslash that could hide one.
    let may_have = |byte: &u8| *byte == MARK.as_bytes()[0] || *byte == b'\\';
    if !body.iter().any(may_have) {
        return Ok(());
    }
    let json = std::str::from_utf8(body).ok().map(Json::parse);
    match json {
        Some(Ok(json)) if has_mark(&json) => refuse_marks(&json, "")
            .map_err(|unfilled| Problem::field(unfilled.field, unfilled.message)),
        // What is wrong with it otherwise is said by those who read it.
        _ => Ok(()),
    }
}

/// A page of sagas. To those who see inputs masked a search tells nothing of what they do not see, by
/// where its pages end either.
pub(super) async fn search(
    coordinator: &Coordinator,
    filter: SagaFilter,
    cursor: Option<String>,
    limit: usize,
    shown: Shown<'_>,
) -> Result<Page<Result<SagaSnapshot, ReadError>>, ReadError> {
    let mut found = Page {
        items: Vec::new(),
        next_cursor: cursor,
    };
    for _ in 0..ROUNDS {
        let wanted = limit - found.items.len();
        let page = coordinator
            .sagas(filter.clone(), found.next_cursor.take(), wanted)
            .await?;
        let is_whole = page.items.len() < wanted;
        found.next_cursor = page.next_cursor;
        found.items.extend(page.items.into_iter().filter(|item| {
            let (Some(wanted), Ok(saga)) = (&filter.text, item) else {
                return true;
            };
            is_seen(saga, wanted, shown)
        }));
        if is_whole || found.items.len() >= limit || found.next_cursor.is_none() {
            break;
        }
    }
    Ok(found)
}

/// Whether a text is in what is shown of a saga.
fn is_seen(saga: &SagaSnapshot, wanted: &str, shown: Shown<'_>) -> bool {
    let wanted = wanted.to_lowercase();
    let input = shown.json(&saga.input);
    input == saga.input
        || [&*saga.id, &*saga.name, input.as_str()]
            .into_iter()
            .any(|text| text.to_lowercase().contains(&wanted))
}
