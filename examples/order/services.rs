//! The four services with their books. In real life these are clients of services elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use settled::CallError;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) items: Vec<Item>,
    pub(crate) points: u32,
    pub(crate) bonus: u32,
    pub(crate) coupon: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
}

pub(crate) fn item(sku: &str, quantity: u32) -> Item {
    Item {
        sku: sku.to_owned(),
        quantity,
    }
}

#[derive(Clone, Default)]
pub(crate) struct Shop(Arc<Mutex<Books>>);

pub(crate) struct Books {
    stock: BTreeMap<String, u32>,
    points: u32,
    bonus: u32,
    coupons: Vec<String>,
    bonus_is_down: bool,
}

impl Default for Books {
    fn default() -> Self {
        Self {
            stock: BTreeMap::from([("tea".to_owned(), 10), ("bag".to_owned(), 3)]),
            points: 1_000,
            bonus: 100,
            coupons: Vec::new(),
            bonus_is_down: true,
        }
    }
}

impl Shop {
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "any service can say no; some of these never do"
)]
impl Books {
    /// Takes what there is of each, and says what that was.
    pub(crate) fn take(&mut self, items: &[Item]) -> Result<Vec<Item>, CallError> {
        let mut taken = Vec::new();
        for Item { sku, quantity } in items {
            let left = self.stock.entry(sku.clone()).or_default();
            let quantity = (*left).min(*quantity);
            *left -= quantity;
            taken.push(item(sku, quantity));
        }
        Ok(taken)
    }

    pub(crate) fn put_back(&mut self, taken: Vec<Item>) -> Result<(), CallError> {
        for Item { sku, quantity } in taken {
            *self.stock.entry(sku).or_default() += quantity;
        }
        Ok(())
    }

    pub(crate) fn spend_points(&mut self, points: u32) -> Result<(), CallError> {
        let left = self.points.checked_sub(points);
        self.points = left.ok_or_else(|| CallError::refused("too few points"))?;
        Ok(())
    }

    pub(crate) fn return_points(&mut self, points: u32) -> Result<(), CallError> {
        self.points += points;
        Ok(())
    }

    pub(crate) fn spend_bonus(&mut self, bonus: u32) -> Result<(), CallError> {
        let left = self.bonus.checked_sub(bonus);
        self.bonus = left.ok_or_else(|| CallError::refused("too little bonus"))?;
        Ok(())
    }

    pub(crate) fn return_bonus(&mut self, bonus: u32) -> Result<(), CallError> {
        if std::mem::take(&mut self.bonus_is_down) {
            return Err(CallError::not_sent("nobody answers at the bonus service"));
        }
        self.bonus += bonus;
        Ok(())
    }

    pub(crate) fn redeem(&mut self, coupon: String) -> Result<(), CallError> {
        if self.coupons.contains(&coupon) {
            return Err(CallError::refused(format!("the coupon {coupon} is used")));
        }
        self.coupons.push(coupon);
        Ok(())
    }

    pub(crate) fn unredeem(&mut self, coupon: &str) -> Result<(), CallError> {
        self.coupons.retain(|used| used != coupon);
        Ok(())
    }

    pub(crate) fn summary(&self) -> String {
        let stock: Vec<String> = (self.stock.iter())
            .map(|(sku, left)| format!("{sku}: {left}"))
            .collect();
        format!(
            "stock {{{}}}, points {}, bonus {}, coupons used: {}",
            stock.join(", "),
            self.points,
            self.bonus,
            self.coupons.join(", ")
        )
    }
}
