//! Beside what a program has already: plain `sqlx`, `sea-orm`, `tokio-postgres`.

use deadpool_postgres::Pool;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, SqlxSqliteConnector};
use settled_test_servers::{NoServer, Postgres, skip};
use settled_transaction::{Error, Settings, Transactions, Tx};
use sqlx::{Acquire, SqlitePool};

use crate::office::{counts, office};

/// A function that wants a transaction of `sqlx`, and knows nothing of this crate.
async fn of_somebody_else(connection: &mut sqlx::SqliteConnection) -> sqlx::Result<()> {
    let mut part = connection.begin().await?;
    sqlx::query("INSERT INTO ticket (seat) VALUES (7)")
        .execute(&mut *part)
        .await?;
    part.commit().await
}

async fn with_plain_sqlx(tx: &Tx<SqlitePool>) -> Result<(), Error> {
    tx.with(async |connection| Ok(of_somebody_else(connection).await?))
        .await
}

async fn with_sea_orm(database: &DatabaseConnection) -> Result<(), DbErr> {
    let books = Transactions::new(database.get_sqlite_connection_pool().clone());
    books
        .required()
        .run(async |tx| {
            // An entity's `insert(tx)` and `find().one(tx)` go the same way.
            tx.execute_unprepared("INSERT INTO ticket (seat) VALUES (8)")
                .await?;
            let written = sqlx::query("INSERT INTO ledger (amount) VALUES (30)").execute(tx);
            written.await.map_err(Error::from)?;
            Ok(())
        })
        .await
}

async fn with_tokio_postgres(books: &Transactions<Pool>, seat: i64) -> Result<(), Error> {
    books
        .required()
        .run(async |tx| {
            tx.with(async |client| {
                let sql = "INSERT INTO ticket (seat) VALUES ($1)";
                client.execute(sql, &[&seat]).await?;
                Ok(())
            })
            .await
        })
        .await
}

async fn hand_it_over(books: &Transactions<SqlitePool>) -> Result<(), Error> {
    books
        .required()
        .run(async |tx| {
            let own = tx.clone();
            let task = tokio::spawn(async move {
                let sql = "INSERT INTO ledger (amount) VALUES (30)";
                sqlx::query(sql).execute(&own).await.map(drop)
            });
            // Waited for within the scope: after it the handle is refused everything.
            task.await
                .map_err(|error| sqlx::Error::Io(error.into()))??;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn they_go_together() {
    let (_folder, books) = office(Settings::default()).await;
    books
        .required()
        .run(async |tx| with_plain_sqlx(tx).await)
        .await
        .unwrap();
    let database = SqlxSqliteConnector::from_sqlx_sqlite_pool(books.pool().clone());
    with_sea_orm(&database).await.unwrap();
    hand_it_over(&books).await.unwrap();
    assert_eq!(counts(&books).await, [2, 2, 0, 0]);
}

#[tokio::test]
async fn on_a_server() {
    let server = match Postgres::start() {
        Ok(server) => server,
        Err(NoServer::NotInstalled(why)) => return skip("guide.on_a_server", &why),
        Err(broken) => panic!("{broken:?}"),
    };
    let config: tokio_postgres::Config = server.url().parse().unwrap();
    let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
    let pool = Pool::builder(manager).max_size(2).build().unwrap();
    let client = pool.get().await.unwrap();
    client
        .batch_execute("CREATE TABLE ticket (seat BIGINT PRIMARY KEY)")
        .await
        .unwrap();
    let books = Transactions::new(pool);
    with_tokio_postgres(&books, 1).await.unwrap();
    assert!(with_tokio_postgres(&books, 1).await.is_err());
    let count = client.query_one("SELECT COUNT(*) FROM ticket", &[]);
    assert_eq!(count.await.unwrap().get::<_, i64>(0), 1);
}
