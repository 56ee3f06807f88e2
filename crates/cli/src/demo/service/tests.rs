//! The services as their callers meet them: over HTTP.

use std::path::Path;

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{Faults, Kind, Level, Service};
use crate::demo::audit::Ledger;
use crate::demo::client::{Client, NoAnswer, Reply};

/// Opens a service in this process; returns its base URL. Its books are `KIND.db` in `directory`.
pub(in crate::demo) async fn open(directory: &Path, kind: Kind, faults: Faults) -> String {
    let books = directory.join(format!("{}.db", kind.name()));
    let service = Service::open(&books, kind, 1000).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(service.serve(listener, faults));
    format!("http://{address}")
}

struct Caller {
    client: Client,
    directory: TempDir,
    kind: Kind,
}

impl Caller {
    async fn of(kind: Kind, level: Level) -> Self {
        let directory = TempDir::new().unwrap();
        let base = open(directory.path(), kind, Faults::new(1, level)).await;
        Self {
            client: Client::new(&base),
            directory,
            kind,
        }
    }

    async fn call(&self, path: &str, key: &str, attempt: u32, body: &Value) -> Reply {
        self.try_call(path, key, attempt, body).await.unwrap()
    }

    async fn try_call(
        &self,
        path: &str,
        key: &str,
        attempt: u32,
        body: &Value,
    ) -> Result<Reply, NoAnswer> {
        let attempt = attempt.to_string();
        let headers = [("Idempotency-Key", key), ("Settled-Attempt", &attempt)];
        self.client
            .post(path, &headers, Bytes::from(body.to_string()))
            .await
    }

    async fn check(&self, key: &str) -> Reply {
        let key = key.replace('/', "%2F");
        self.client
            .get(&format!("/operations/{key}"))
            .await
            .unwrap()
    }

    fn ledger(&self) -> Ledger {
        let books = format!("{}.db", self.kind.name());
        Ledger::read(&self.directory.path().join(books)).unwrap()
    }
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

fn deduct_goods() -> Value {
    json!({"order": "o-1", "items": [{"sku": "sku-01", "qty": 2}, {"sku": "sku-02", "qty": 1}]})
}

#[tokio::test]
async fn what_is_taken_can_be_asked_for_and_given_back() {
    let stock = Caller::of(Kind::Stock, Level::None).await;
    let key = "o-1/stock/action";
    assert_eq!(stock.check(key).await.status, 404);

    let taken = stock.call("/deduct", key, 1, &deduct_goods()).await;
    assert_eq!(taken.status, 200);
    let taken = body(&taken);
    assert_eq!(taken["list"][0]["sku"], "sku-01");
    assert_eq!(taken["list"][0]["lot"], "stock-1-1");

    let checked = stock.check(key).await;
    assert_eq!((checked.status, body(&checked)), (200, taken.clone()));

    let undo = json!({"order": "o-1", "list": taken["list"]});
    let key = "o-1/stock/compensation";
    assert_eq!(stock.check(key).await.status, 404);
    assert_eq!(stock.call("/add", key, 1, &undo).await.status, 200);
    assert_eq!(stock.check(key).await.status, 200);

    let ledger = stock.ledger();
    let moved: Vec<_> = ledger
        .entries
        .iter()
        .map(|e| (e.receipt.as_str(), e.returned, e.amount))
        .collect();
    assert_eq!(
        moved,
        [
            ("stock-1-1", false, 2),
            ("stock-1-2", false, 1),
            ("stock-1-1", true, 2),
            ("stock-1-2", true, 1)
        ]
    );
    assert!(
        ledger
            .balances
            .iter()
            .all(|balance| balance.current == balance.initial)
    );
}

#[tokio::test]
async fn a_repeated_call_takes_effect_twice() {
    let points = Caller::of(Kind::Points, Level::None).await;
    let order = json!({"order": "o-1", "user": "user-07", "points": 30});
    for attempt in [1, 1, 2] {
        assert_eq!(
            points
                .call("/deduct", "o-1/points/action", attempt, &order)
                .await
                .status,
            200
        );
    }
    let ledger = points.ledger();
    assert_eq!(ledger.entries.len(), 3);
    let balance = ledger
        .balances
        .iter()
        .find(|balance| balance.item == "user-07")
        .unwrap();
    assert_eq!(balance.initial - balance.current, 90);
}

#[tokio::test]
async fn each_service_refuses_in_its_own_way_and_does_nothing() {
    let refusals = [
        (
            Kind::Stock,
            "/deduct",
            json!({"items": [{"sku": "sku-01", "qty": 1_000_000}]}),
            409,
        ),
        (
            Kind::Points,
            "/deduct",
            json!({"user": "user-01", "points": 100_000_000}),
            409,
        ),
        (
            Kind::Bonus,
            "/use",
            json!({"user": "user-01", "amount": 1_000_000_000}),
            200,
        ),
        (Kind::Coupon, "/use", json!({"coupon": "USED-UP"}), 200),
        (Kind::Coupon, "/use", json!({"coupon": "NO-SUCH-CODE"}), 200),
    ];
    for (kind, path, mut order, status) in refusals {
        order["order"] = json!("o-1");
        let service = Caller::of(kind, Level::None).await;
        let reply = service.call(path, "o-1/x/action", 1, &order).await;
        assert_eq!(reply.status, status, "{kind:?}");
        if status == 200 {
            assert_eq!(body(&reply)["isSuccess"], false, "{kind:?}");
        }
        assert_eq!(service.check("o-1/x/action").await.status, 404, "{kind:?}");
        let ledger = service.ledger();
        assert!(ledger.entries.is_empty(), "{kind:?}");
        assert_eq!(ledger.calls.refused, 1, "{kind:?}");
    }
}

#[tokio::test]
async fn one_short_line_refuses_the_whole_call() {
    let stock = Caller::of(Kind::Stock, Level::None).await;
    let order = json!({"order": "o-1", "items": [
        {"sku": "sku-01", "qty": 1},
        {"sku": "sku-02", "qty": 13_000}, {"sku": "sku-02", "qty": 13_000},
    ]});
    assert_eq!(
        stock
            .call("/deduct", "o-1/stock/action", 1, &order)
            .await
            .status,
        409
    );
    assert!(stock.ledger().entries.is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_is_the_callers_mistake() {
    let stock = Caller::of(Kind::Stock, Level::None).await;
    let key = "o-1/stock/action";
    assert_eq!(
        stock
            .call("/deduct", key, 1, &json!({"order": "o-1"}))
            .await
            .status,
        400
    );
    assert_eq!(
        stock.call("/nowhere", key, 1, &deduct_goods()).await.status,
        400
    );
    let unnamed = Bytes::from(deduct_goods().to_string());
    assert_eq!(
        stock
            .client
            .post("/deduct", &[], unnamed)
            .await
            .unwrap()
            .status,
        400
    );
    assert!(stock.ledger().entries.is_empty());
}

#[tokio::test]
async fn a_faulty_service_keeps_true_books_and_lets_everything_through_in_the_end() {
    let coupon = Caller::of(Kind::Coupon, Level::Many).await;
    let limit = std::time::Duration::from_millis(650);
    let mut certain = 0;
    for n in 0..60 {
        let key = format!("o-{n}/coupon/action");
        let order = json!({"order": format!("o-{n}"), "coupon": "SPRING"});
        for attempt in 1..=6 {
            let call = coupon.try_call("/use", &key, attempt, &order);
            if let Ok(Ok(Reply { status: 200, .. })) = tokio::time::timeout(limit, call).await {
                certain += 1;
                break;
            }
        }
    }
    assert_eq!(certain, 60);
    let ledger = coupon.ledger();
    assert!(
        ledger.entries.len() > 60,
        "some that were not answered took effect all the same"
    );
    assert!(ledger.calls.faults.len() >= 6, "{:?}", ledger.calls.faults);
    let taken: i64 = ledger.balances.iter().map(|b| b.initial - b.current).sum();
    assert_eq!(taken, ledger.entries.len() as i64);
}
