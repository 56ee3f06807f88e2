//! The neighbourhood: axum, sqlx, SeaORM, rusqlite and the journal, in one program on one SQLite file.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use sea_orm::{ConnectionTrait, SqlxSqliteConnector, Statement};
use settled::journal::{Journal, SqliteJournal};
use settled::local::{self, Outbox, OutboxHandle, OutboxOptions, OutboxRow, SubmitError};
use settled::protocol::Json;
use settled::transaction::Transactions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::places::{Place, SqlxSqlite};

#[derive(Clone)]
struct Service {
    books: Transactions<sqlx::SqlitePool>,
    outbox: OutboxHandle,
}

/// Takes an order: its row and its saga, both or neither, and once.
async fn order(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<String, (StatusCode, String)> {
    let key = format!("{id}/order/action");
    let taken = local::once(&service.books, &key, async |tx| {
        let done = sqlx::query("INSERT INTO business (what) VALUES (?1)")
            .bind(&id)
            .execute(tx)
            .await
            .map_err(|error| error.to_string())?;
        if id.contains("bad") {
            return Err("this cannot be ordered".to_owned());
        }
        let row = OutboxRow {
            id: id.clone(),
            document: Json::parse(r#"{"name": "create-order", "input": {}}"#)
                .map_err(|error| error.to_string())?,
        };
        let put = service.outbox.enqueue_in(tx, &row).await;
        put.map_err(|error| error.to_string())?;
        Ok(done.last_insert_rowid())
    })
    .await;
    taken
        .map(|row| row.to_string())
        .map_err(|error| (StatusCode::CONFLICT, error.to_string()))
}

async fn ask(port: u16, id: &str) -> String {
    let mut wire = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let request = format!("POST /orders/{id} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    wire.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    wire.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn all_of_them_share_one_file() {
    crate::places::run("together", async |place: SqlxSqlite| {
        let pool = place.pool(4).await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let ids = Arc::clone(&seen);
        let submit = move |row: OutboxRow| {
            ids.lock().unwrap().push(row.id);
            std::future::ready(Ok::<_, SubmitError>(()))
        };
        let options = OutboxOptions {
            sweep: Duration::from_mins(10),
            ..OutboxOptions::default()
        };
        let outbox = Outbox::start(pool.clone(), submit, options);
        // The journal within the same file, with all of them writing to it.
        let journal = SqliteJournal::open_within(place.path()).unwrap();

        let service = Service {
            books: Transactions::new(pool.clone()),
            outbox: outbox.handle(),
        };
        let app = Router::new()
            .route("/orders/{id}", post(order))
            .with_state(service);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move { axum::serve(listener, app).await });

        for _ in 0..2 {
            let answer = ask(port, "order-1").await;
            assert!(answer.ends_with("\r\n1"), "{answer}");
        }
        let answer = ask(port, "bad-order").await;
        assert!(answer.contains("409 Conflict"), "{answer}");
        assert!(answer.ends_with("this cannot be ordered"), "{answer}");
        for _ in 0..5_000 {
            if !seen.lock().unwrap().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }

        // SeaORM on the same pool.
        let orm = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.clone());
        let sql = "SELECT what FROM business";
        let statement = Statement::from_string(orm.get_database_backend(), sql);
        let row = orm.query_one_raw(statement).await.unwrap().unwrap();
        assert_eq!(row.try_get::<String>("", "what").unwrap(), "order-1");

        // rusqlite on the same file: it finds what was recorded by the other.
        let mut connection = rusqlite::Connection::open(place.path()).unwrap();
        let found: i64 = local::rusqlite::once(&mut connection, "order-1/order/action", |_| {
            Err("it was done already")
        })
        .unwrap();
        assert_eq!(found, 1);

        server.abort();
        outbox.stop().await;
        assert_eq!(*seen.lock().unwrap(), ["order-1"]);
        assert_eq!(journal.opened().next_saga.0, 1);
    });
}
