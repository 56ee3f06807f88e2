//! A shop with books, and the sagas that are tested on it: a good one, and bad ones of many kinds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use settled::testkit::{End, Scenario};
use settled::{Call, CallError, Failure, Saga};

/// What a service did under a key.
type Books = HashMap<String, i64>;

/// Two accounts, at services that honour keys and have a fence: what is undone before it was done is
/// not done any more.
#[derive(Clone, Default)]
pub(crate) struct Shop {
    books: Arc<Mutex<Books>>,
    /// What was done without a key.
    loose: Arc<Mutex<HashMap<String, i64>>>,
}

impl Shop {
    pub(crate) fn book(&self, key: &str, amount: i64) {
        let mut books = self.books.lock().unwrap();
        let undone = key.replace("/action", "/compensation");
        if key.ends_with("/action") && books.contains_key(&undone) {
            return;
        }
        books.entry(key.to_owned()).or_insert(amount);
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.books.lock().unwrap().contains_key(key)
    }

    pub(crate) fn add_loosely(&self, account: &str, amount: i64) {
        let mut loose = self.loose.lock().unwrap();
        *loose.entry(account.to_owned()).or_default() += amount;
    }

    pub(crate) fn loose(&self, account: &str) -> i64 {
        self.loose
            .lock()
            .unwrap()
            .get(account)
            .copied()
            .unwrap_or(0)
    }

    /// What a step's two directions come to.
    pub(crate) fn sum(&self, step: &str) -> i64 {
        let part = format!("/{step}/");
        let books = self.books.lock().unwrap();
        let own = books.iter().filter(|(key, _)| key.contains(&part));
        own.map(|(_, amount)| amount).sum::<i64>() + self.loose(step)
    }

    /// The books of a saga that takes one of each.
    pub(crate) fn balance(&self, end: &End, steps: &[&str]) -> Result<(), String> {
        let sums: Vec<i64> = steps.iter().map(|step| self.sum(step)).collect();
        let expected = match (end.completed(), end.stuck()) {
            (_, true) => return Ok(()),
            (true, _) => vec![-1; steps.len()],
            (false, _) => vec![0; steps.len()],
        };
        if sums == expected {
            return Ok(());
        }
        Err(format!("the books say {sums:?} and not {expected:?}"))
    }
}

/// A good step: one piece is taken, under the call's own key.
pub(crate) async fn take(saga: &Saga<Shop>, step: &str) -> Result<i64, settled::StepError> {
    saga.step(step)
        .input(&1)
        .action(async |call: Call<Shop>, pieces: i64| {
            tokio::time::sleep(Duration::from_millis(20)).await;
            call.state().book(call.key(), -pieces);
            Ok::<_, CallError>(pieces)
        })
        .compensation(async |call: Call<Shop>, _, taken: i64| {
            call.state().book(call.key(), taken);
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok::<_, CallError>(())
        })
        .await
}

/// A scenario of one saga over these accounts.
pub(crate) fn scenario<F, Fut>(function: F, steps: &'static [&'static str]) -> Scenario<Shop>
where
    F: Fn(Saga<Shop>, ()) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let shop = Shop::default();
    Scenario::new(shop.clone())
        .saga("create-order", function)
        .start("create-order", "order-1", &())
        .check(move |end| shop.balance(end, steps))
}
