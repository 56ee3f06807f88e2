//! The first saga, and its tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use settled::{Call, CallError, Failure, RunError, Saga, Settled};

async fn create_order(saga: Saga<Shop>, items: Vec<String>) -> Result<usize, Failure> {
    let taken = saga
        .step("stock")
        .input(&items)
        .action(async |call: Call<Shop>, items: Vec<String>| {
            call.state().deduct(call.key(), items).await
        })
        .compensation(async |call, _items, taken: Vec<String>| {
            call.state().put_back(call.key(), taken).await
        })
        .await?;
    saga.step("points")
        .input(&taken.len())
        .action(async |call: Call<Shop>, points: usize| call.state().pay(call.key(), points).await)
        .await?;
    Ok(taken.len())
}

/// The program's state: here a shop that takes notes, in real life pools and clients.
#[derive(Clone, Default)]
pub(crate) struct Shop {
    notes: Arc<Mutex<Vec<String>>>,
    has_no_points: bool,
}

impl Shop {
    fn note(&self, note: String) {
        self.notes.lock().expect("no panic before").push(note);
    }

    async fn deduct(&self, key: &str, items: Vec<String>) -> Result<Vec<String>, CallError> {
        self.note(key.to_owned());
        Ok(items)
    }

    async fn put_back(&self, key: &str, items: Vec<String>) -> Result<(), CallError> {
        self.note(format!("{key} {}", items.join(",")));
        Ok(())
    }

    async fn pay(&self, key: &str, _points: usize) -> Result<(), CallError> {
        self.note(key.to_owned());
        if self.has_no_points {
            return Err(CallError::refused("too few points"));
        }
        Ok(())
    }
}

async fn run(shop: Shop) -> Result<(), Box<dyn std::error::Error>> {
    let settled = Settled::with_state(shop)
        .journal("settled.db")
        .saga("create-order", create_order)
        .start()?;
    let start = settled
        .start("create-order", &["tea", "bag"])
        .id("order-1001");
    let items: usize = start.result().await?;
    println!("{items} items are on their way");
    settled.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

#[tokio::test]
async fn what_was_done_is_undone() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop {
        has_no_points: true,
        ..Shop::default()
    };
    let settled = Settled::with_state(shop.clone())
        .journal(folder.path().join("settled.db"))
        .saga("create-order", create_order)
        .start()
        .unwrap();
    let start = settled.start("create-order", &["tea"]).id("order-7");
    let end = start.result::<usize>().await;
    let Err(RunError::Compensated { reason, .. }) = end else {
        panic!("{end:?}")
    };
    assert_eq!(reason.message, "too few points");
    assert_eq!(
        *shop.notes.lock().unwrap(),
        [
            "order-7/stock/action",
            "order-7/points/action",
            "order-7/stock/compensation tea",
        ]
    );
    settled.shutdown(Duration::from_secs(1)).await;
}

/// What is only compiled is used all the same.
#[test]
fn is_a_program() {
    let _ = run;
}
