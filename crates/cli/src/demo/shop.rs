//! What the four services have to give, and what it is called.
//!
//! Orders and services agree on this and on nothing else. There is plenty of everything for
//! orders that ask for a usual amount, so an order is refused because it asked for too much, and
//! never because another order was quicker: who is refused depends on the seed alone.

use clap::ValueEnum;
use serde::Serialize;

/// Which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Goods in stock.
    Stock,
    /// A user's points.
    Points,
    /// A user's bonus money, in cents.
    Bonus,
    /// Coupon codes with a limited number of uses.
    Coupon,
}

/// The most of one good, in pieces, that an order with a usual amount asks for.
pub(super) const USUAL_PIECES: i64 = 3;
/// The most points.
pub(super) const USUAL_POINTS: i64 = 500;
/// The most bonus money, in cents.
pub(super) const USUAL_BONUS: i64 = 5_000;

/// A code whose uses are all gone.
pub(super) const USED_UP_COUPON: &str = "USED-UP";
/// A code that nobody ever gave out.
pub(super) const UNKNOWN_COUPON: &str = "NO-SUCH-CODE";

const GOODS: usize = 20;
const USERS: usize = 50;
const COUPONS: [&str; 6] = [
    "WELCOME", "SPRING", "SUMMER", "AUTUMN", "WINTER", "BIRTHDAY",
];

/// A repeated call takes effect again in these services, so there must be enough for a
/// coordinator that repeats what it should not: it is to be found out by the audit, and not to be
/// saved by an empty shelf.
const REPEATS: i64 = 8;

impl Kind {
    /// In the order in which an order calls them.
    pub(super) const ALL: [Self; 4] = [Self::Stock, Self::Points, Self::Bonus, Self::Coupon];

    /// The service's name, which is also its step's.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Points => "points",
            Self::Bonus => "bonus",
            Self::Coupon => "coupon",
        }
    }

    /// How much of one item the service has at the start, when so many orders are to come.
    pub(super) fn supply(self, orders: usize) -> i64 {
        let usual = match self {
            Self::Stock => USUAL_PIECES,
            Self::Points => USUAL_POINTS,
            Self::Bonus => USUAL_BONUS,
            Self::Coupon => 1,
        };
        i64::try_from(orders)
            .unwrap_or(i64::MAX)
            .saturating_mul(usual * REPEATS)
    }

    /// Every item with its amount at the start.
    pub(super) fn items(self, orders: usize) -> Vec<(String, i64)> {
        let supply = self.supply(orders);
        match self {
            Self::Stock => (0..GOODS)
                .map(|n| (format!("sku-{n:02}"), supply))
                .collect(),
            Self::Points | Self::Bonus => (0..USERS)
                .map(|n| (format!("user-{n:02}"), supply))
                .collect(),
            Self::Coupon => COUPONS
                .into_iter()
                .map(|code| (code.to_owned(), supply))
                .chain([(USED_UP_COUPON.to_owned(), 0)])
                .collect(),
        }
    }
}

/// Goods of an order, all different.
pub(super) fn some_goods(random: &mut fastrand::Rng) -> Vec<String> {
    let count = random.usize(1..=3);
    random
        .choose_multiple(0..GOODS, count)
        .into_iter()
        .map(|n| format!("sku-{n:02}"))
        .collect()
}

/// Who orders.
pub(super) fn some_user(random: &mut fastrand::Rng) -> String {
    format!("user-{:02}", random.usize(..USERS))
}

/// A code that can be used.
pub(super) fn some_coupon(random: &mut fastrand::Rng) -> String {
    COUPONS[random.usize(..COUPONS.len())].to_owned()
}
