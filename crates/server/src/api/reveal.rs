//! Who sees payloads whole: `?reveal=true`, from those who may.
//!
//! What is masked is not to be found out in another way either: a search finds in masked inputs what is
//! left of them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use settled::coordinator::Coordinator;
use settled::journal::{Page, ReadError, SagaFilter, Seen};
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
pub(crate) fn no_marks(body: &[u8]) -> Result<(), Problem> {
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

/// A page of sagas. To those who see inputs masked a search tells nothing of what they do not see: what
/// is hidden is passed by as what is not there.
pub(crate) async fn search(
    coordinator: &Coordinator,
    filter: SagaFilter,
    cursor: Option<String>,
    limit: usize,
    shown: Shown<'_>,
) -> Result<Page<Result<SagaSnapshot, ReadError>>, ReadError> {
    let seen = shown.mask().cloned().map(|mask| {
        Seen(Arc::new(move |input: &str| {
            let input = Json::from_valid(input.to_owned());
            mask.json(&input).as_str().to_owned()
        }))
    });
    let filter = SagaFilter { seen, ..filter };
    coordinator.sagas(filter, cursor, limit).await
}
