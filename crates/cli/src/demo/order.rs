//! The orders that the demo places: what each asks for, and the saga document that says so.
//!
//! Everything follows from the seed and the order's number. About one order in seven asks some
//! service for more than there is and must be refused there.

use serde_json::{Value, json};

use super::shop::{self, Kind};

/// The time limit of one attempt. Short, so that an answer that never comes costs little.
const TIMEOUT: &str = "1s";

/// The share of orders that some service must refuse.
const REFUSED_SHARE: f64 = 0.15;

/// One order.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// The saga's id.
    pub(super) id: String,
    /// The service that must refuse it; `None` for an order that can be had.
    pub(super) refused_by: Option<Kind>,
    user: String,
    goods: Vec<(String, i64)>,
    points: i64,
    bonus: i64,
    coupon: String,
    parallel: bool,
}

/// Where the four services listen, by [`Kind::ALL`].
pub(super) type Addresses = [String; 4];

impl Order {
    /// The `number`-th of `orders` orders.
    pub(super) fn generate(seed: u64, number: usize, orders: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed.rotate_left(32) ^ number as u64);
        let goods = shop::some_goods(&mut random)
            .into_iter()
            .map(|good| (good, random.i64(1..=shop::USUAL_PIECES)))
            .collect();
        let mut order = Self {
            id: format!("order-{number:06}"),
            refused_by: None,
            user: shop::some_user(&mut random),
            goods,
            points: random.i64(1..=shop::USUAL_POINTS),
            bonus: random.i64(1..=shop::USUAL_BONUS),
            coupon: shop::some_coupon(&mut random),
            parallel: random.u8(..4) == 0,
        };
        if random.f64() < REFUSED_SHARE {
            order.overreach(orders, &mut random);
        }
        order
    }

    /// Makes one service, drawn at random, refuse the order.
    fn overreach(&mut self, orders: usize, random: &mut fastrand::Rng) {
        let kind = Kind::ALL[random.usize(..Kind::ALL.len())];
        let too_much = kind.supply(orders) + random.i64(1..=100);
        match kind {
            Kind::Stock => {
                if let Some((_, amount)) = self.goods.last_mut() {
                    *amount = too_much;
                }
            }
            Kind::Points => self.points = too_much,
            Kind::Bonus => self.bonus = too_much,
            Kind::Coupon if random.bool() => shop::USED_UP_COUPON.clone_into(&mut self.coupon),
            Kind::Coupon => shop::UNKNOWN_COUPON.clone_into(&mut self.coupon),
        }
        self.refused_by = Some(kind);
    }

    /// What the order asks of one service: items with their amounts, sorted.
    pub(super) fn wants(&self, kind: Kind) -> Vec<(&str, i64)> {
        match kind {
            Kind::Stock => {
                let mut goods: Vec<_> = self
                    .goods
                    .iter()
                    .map(|(good, amount)| (good.as_str(), *amount))
                    .collect();
                goods.sort_unstable();
                goods
            }
            Kind::Points => vec![(&self.user, self.points)],
            Kind::Bonus => vec![(&self.user, self.bonus)],
            Kind::Coupon => vec![(&self.coupon, 1)],
        }
    }

    /// The body of `POST /v1/sagas`.
    pub(super) fn document(&self, addresses: &Addresses) -> Value {
        let items: Vec<_> = self
            .goods
            .iter()
            .map(|(sku, qty)| json!({"sku": sku, "qty": qty}))
            .collect();
        let steps: Vec<_> = Kind::ALL
            .into_iter()
            .zip(addresses)
            .map(|(kind, base)| step(kind, base))
            .collect();
        json!({
            "id": self.id,
            "name": "create-order",
            "input": {
                "user": self.user,
                "items": items,
                "points": self.points,
                "bonus": self.bonus,
                "coupon": self.coupon,
            },
            "compensate": if self.parallel { "parallel" } else { "reverse" },
            "steps": steps,
        })
    }
}

/// One step of every order: the call, the call that undoes it with what the first one returned,
/// and the question whether either happened.
fn step(kind: Kind, base: &str) -> Value {
    let (action, taken) = calls(kind);
    let (action_path, compensation_path) = kind.paths();
    let mut step = json!({
        "name": kind.name(),
        "action": {
            "method": "POST",
            "url": format!("{base}{action_path}"),
            "body": action,
            "timeout": TIMEOUT,
        },
        "compensation": {
            "method": "POST",
            "url": format!("{base}{compensation_path}"),
            "body": taken,
            "timeout": TIMEOUT,
        },
        "check": {
            "method": "GET",
            "url": format!("{base}/operations/${{ key }}"),
            "timeout": TIMEOUT,
            "done_when": "response.status == 200",
            "not_done_when": "response.status == 404",
        },
        "on_unknown": "check",
        "retry": {"max_attempts": 12, "first_delay": "50ms", "max_delay": "1s"},
    });
    if !kind.refuses_by_status() {
        step["refused_when"] = json!("response.body.isSuccess == false");
    }
    step
}

/// The bodies of a step's action and compensation.
fn calls(kind: Kind) -> (Value, Value) {
    match kind {
        Kind::Stock => (
            json!({"order": "${ saga.id }", "items": "${ input.items }"}),
            json!({"order": "${ saga.id }", "list": "${ steps.stock.result.list }"}),
        ),
        Kind::Points => (
            json!({"order": "${ saga.id }", "user": "${ input.user }", "points": "${ input.points }"}),
            json!({
                "order": "${ saga.id }",
                "deduction": "${ steps.points.result.deduction }",
                "user": "${ steps.points.result.user }",
                "points": "${ steps.points.result.points }",
            }),
        ),
        Kind::Bonus => (
            json!({"order": "${ saga.id }", "user": "${ input.user }", "amount": "${ input.bonus }"}),
            json!({
                "order": "${ saga.id }",
                "deduction": "${ steps.bonus.result.deduction }",
                "user": "${ steps.bonus.result.user }",
                "amount": "${ steps.bonus.result.amount }",
            }),
        ),
        Kind::Coupon => (
            json!({"order": "${ saga.id }", "coupon": "${ input.coupon }"}),
            json!({
                "order": "${ saga.id }",
                "use": "${ steps.coupon.result.use }",
                "coupon": "${ steps.coupon.result.coupon }",
            }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_follows_from_seed_and_number() {
        let addresses = Kind::ALL.map(|kind| format!("http://{}.local", kind.name()));
        let document = |seed, n| Order::generate(seed, n, 100).document(&addresses);
        assert_eq!(document(1, 3), document(1, 3));
        assert_ne!(document(1, 3)["input"], document(2, 3)["input"]);
        assert_ne!(document(1, 3)["input"], document(1, 4)["input"]);
    }

    #[test]
    fn a_share_of_orders_is_refused_and_by_every_service() {
        let refused: Vec<_> = (0..2_000)
            .filter_map(|n| Order::generate(9, n, 2_000).refused_by)
            .collect();
        assert!(
            (200..400).contains(&refused.len()),
            "{} of 2000 are refused",
            refused.len()
        );
        for kind in Kind::ALL {
            assert!(
                refused.contains(&kind),
                "none is refused by {}",
                kind.name()
            );
        }
    }

    #[test]
    fn only_a_refused_order_asks_for_more_than_there_is() {
        for order in (0..500).map(|n| Order::generate(4, n, 500)) {
            for kind in Kind::ALL {
                let items = kind.items(500);
                let short = order.wants(kind).into_iter().any(|(item, amount)| {
                    items
                        .iter()
                        .find(|(name, _)| name == item)
                        .is_none_or(|(_, has)| *has < amount)
                });
                assert_eq!(short, order.refused_by == Some(kind), "{order:?}");
            }
        }
    }
}
