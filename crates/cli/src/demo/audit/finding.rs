//! What can be wrong between sagas and books.

use serde::{Serialize, Serializer};

use crate::demo::shop::Kind;

/// One thing that should not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::demo) struct Discrepancy {
    /// The order; none for a balance.
    pub(in crate::demo) order: Option<String>,
    /// The service whose books say so; none where only the coordinator is concerned.
    pub(in crate::demo) service: Option<Kind>,
    /// What is wrong.
    #[serde(serialize_with = "in_words")]
    pub(in crate::demo) what: What,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::demo) enum What {
    /// The coordinator said that it has the order, and has not.
    #[error("was acknowledged, and the coordinator does not know it")]
    Lost,
    /// The coordinator never took the order.
    #[error("was never taken by the coordinator")]
    NotTaken,
    /// The saga is neither completed nor compensated.
    #[error("is not settled: {0}")]
    NotSettled(String),
    /// A completed order lacks an effect.
    #[error("is completed, and nothing was taken")]
    NeverTaken,
    /// The action took effect more than once.
    #[error("was taken {0}×")]
    TakenAgain(usize),
    /// A completed order was given back.
    #[error("is completed, and was given back")]
    Returned,
    /// A compensated order keeps its effect.
    #[error("is compensated, and what was taken was not given back")]
    NotReturned,
    /// The compensation took effect more often than the action.
    #[error("was taken {taken}× and given back {returned}×")]
    ReturnedAgain {
        /// How often the action took effect.
        taken: usize,
        /// How often the compensation did.
        returned: usize,
    },
    /// What was given back is not what was taken.
    #[error("took {taken} and gave back {returned}")]
    ReturnedWrongly {
        /// In words.
        taken: String,
        /// In words.
        returned: String,
    },
    /// It was given back before it was taken.
    #[error("was given back before it was taken")]
    ReturnedBefore,
    /// What was taken is not what was ordered.
    #[error("ordered {ordered} and got {taken}")]
    TakenWrongly {
        /// In words.
        ordered: String,
        /// In words.
        taken: String,
    },
    /// The saga says that the step has no effect, and the books say that it has.
    #[error("took effect, and the saga says that the step is {0}")]
    EffectOf(String),
    /// An entry of nobody's.
    #[error("has an entry under the key {0}, which is not its own")]
    WrongKey(String),
    /// Entries of an order that was never placed.
    #[error("has entries, and no such order was placed")]
    Stray,
    /// The balance does not follow from the ledger.
    #[error("the balance of {item} should be {expected} and is {found}")]
    Balance {
        /// Of what.
        item: String,
        /// By the ledger.
        expected: i64,
        /// By the balance.
        found: i64,
    },
    /// The ledger moves something that the service never had.
    #[error("the ledger moves {0}, which the service never had")]
    UnknownItem(String),
}

fn in_words<S: Serializer>(what: &What, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(what)
}
