//! `sea-orm` within the manager's transactions, on SQLite: entities and plain `sqlx` are one.
#![allow(clippy::unwrap_used, reason = "a test")]

use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue, DatabaseConnection, FromQueryResult, Set, SqlxSqliteConnector};
use settled_test_servers::{MariaDb, NoServer, Postgres, skip};
use settled_transaction::driver::Driver;
use settled_transaction::{Error, Transactions, Tx};
use settled_transaction_tests::books::pool;
use sqlx::SqlitePool;

#[allow(unreachable_pub, reason = "as sea-orm wants it")]
mod ticket {
    //! The table of tickets.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ticket")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(unique)]
        pub holder: String,
        pub price: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use ticket::{ActiveModel, Entity as Ticket};

/// The manager, of the pool that is within a connection of `sea-orm`.
async fn office() -> (
    tempfile::TempDir,
    DatabaseConnection,
    Transactions<SqlitePool>,
) {
    let (folder, pool) = pool().await;
    sqlx::raw_sql(
        "CREATE TABLE ticket (id INTEGER PRIMARY KEY, holder TEXT NOT NULL UNIQUE, price BIGINT)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let database = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
    let tickets = Transactions::new(database.get_sqlite_connection_pool().clone());
    (folder, database, tickets)
}

fn of(holder: &str) -> ActiveModel {
    ActiveModel {
        holder: Set(holder.to_owned()),
        price: Set(Some(1 << 40)),
        ..Default::default()
    }
}

/// What is stored, by both, seen from outside.
async fn stored(database: &DatabaseConnection) -> Vec<String> {
    let mut found: Vec<String> = sqlx::query_scalar("SELECT what FROM entry")
        .fetch_all(database.get_sqlite_connection_pool())
        .await
        .unwrap();
    let tickets = Ticket::find().all(database).await.unwrap();
    found.extend(tickets.into_iter().map(|ticket| ticket.holder));
    found.sort();
    found
}

async fn write(tx: &Tx<SqlitePool>, what: &str) -> Result<(), Error> {
    let written = sqlx::query("INSERT INTO entry VALUES (?)").bind(what);
    written.execute(tx).await?;
    Ok(())
}

#[tokio::test]
async fn entities_and_statements_are_committed_and_rolled_back_together() {
    let (_folder, database, tickets) = office().await;
    for fails in [true, false] {
        let done = tickets
            .required()
            .run(async |tx| {
                let mut ticket = of("A").insert(tx).await?;
                write(tx, "sold to A").await?;
                ticket = ActiveModel {
                    price: Set(None),
                    ..ticket.into()
                }
                .update(tx)
                .await?;
                assert_eq!(Ticket::find_by_id(ticket.id).one(tx).await?, Some(ticket));
                // Not by whoever is outside.
                assert!(stored(&database).await.is_empty());
                if fails {
                    return Err(DbErr::Custom("no".to_owned()));
                }
                Ok(())
            })
            .await;
        assert_eq!(done.is_err(), fails);
        assert_eq!(stored(&database).await.is_empty(), fails);
    }
    assert_eq!(stored(&database).await, ["A", "sold to A"]);
}

#[tokio::test]
async fn a_part_is_undone_alone() {
    let (_folder, database, tickets) = office().await;
    let done: Result<(), Error> = tickets
        .required()
        .run(async |tx| {
            of("A").insert(tx).await?;
            let part = tx
                .nested()
                .run(async |tx| {
                    of("B").insert(tx).await?;
                    write(tx, "sold to B").await?;
                    // Refused by the database: there is one already.
                    of("A").insert(tx).await?;
                    Ok::<_, DbErr>(())
                })
                .await;
            assert!(matches!(
                part.unwrap_err().sql_err(),
                Some(SqlErr::UniqueConstraintViolation(_))
            ));
            Ok(())
        })
        .await;
    done.unwrap();
    assert_eq!(stored(&database).await, ["A"]);
}

#[derive(FromQueryResult)]
struct Count {
    number: i64,
}

/// A repository that is handed what it always was.
async fn sell(to: &impl ConnectionTrait, holder: &str) -> Result<u64, DbErr> {
    of(holder).insert(to).await?;
    let sql = "INSERT INTO entry VALUES ('unprepared')";
    Ok(to.execute_unprepared(sql).await?.rows_affected())
}

#[tokio::test]
async fn the_manager_is_a_connection_to_what_is_around() {
    let (_folder, database, tickets) = office().await;
    let done: Result<(), DbErr> = tickets
        .required()
        .run(async |_| {
            assert_eq!(sell(&tickets, "A").await?, 1);
            let sql = "SELECT COUNT(*) AS number FROM ticket WHERE price > ?";
            let count = sea_orm::Statement::from_sql_and_values(
                tickets.get_database_backend(),
                sql,
                [1_i64.into()],
            );
            let count = Count::find_by_statement(count).one(&tickets).await?;
            assert_eq!(count.unwrap().number, 1);
            Err(DbErr::Custom("no".to_owned()))
        })
        .await;
    assert!(done.is_err());
    assert!(stored(&database).await.is_empty());
    // Outside of any transaction each statement stands alone.
    sell(&tickets, "B").await.unwrap();
    assert_eq!(stored(&database).await, ["B", "unprepared"]);
}

/// SQLite goes on after an error, and so does who hides one; but what it says of the transaction is seen.
#[tokio::test]
async fn an_error_that_is_hidden_hides_nothing() {
    let (_folder, database, tickets) = office().await;
    let done: Result<(), Error> = tickets
        .required()
        .run(async |tx| {
            of("A").insert(tx).await?;
            let _hidden = of("A").insert(tx).await;
            Ok(())
        })
        .await;
    done.unwrap();
    assert_eq!(stored(&database).await, ["A"]);

    // One that rolls the whole transaction back.
    let done: Result<(), Error> = tickets
        .required()
        .run(async |tx| {
            of("B").insert(tx).await?;
            let sql = "INSERT OR ROLLBACK INTO ticket (holder) VALUES ('A')";
            let _hidden = tx.execute_unprepared(sql).await;
            let gone = of("C").insert(tx).await.unwrap_err();
            assert!(matches!(Error::within_orm(&gone), Some(Error::Gone { .. })));
            Ok(())
        })
        .await;
    assert!(
        matches!(done, Err(Error::UnexpectedRollback { .. })),
        "{done:?}"
    );
    assert_eq!(stored(&database).await, ["A"]);
}

#[tokio::test]
async fn errors_go_through_both_ways() {
    let (_folder, database, tickets) = office().await;
    let marked: Result<(), DbErr> = tickets
        .required()
        .run(async |tx| {
            of("A").insert(tx).await?;
            tx.required()
                .run(async |tx| tx.mark_rollback_only())
                .await?;
            Ok(())
        })
        .await;
    let error = marked.unwrap_err();
    assert!(matches!(
        Error::within_orm(&error),
        Some(Error::UnexpectedRollback { .. })
    ));
    assert!(matches!(
        Error::from(error),
        Error::UnexpectedRollback { .. }
    ));
    let refused: Result<(), Error> = tickets
        .required()
        .run(async |tx| {
            tx.execute_unprepared("COMMIT").await?;
            Ok(())
        })
        .await;
    assert!(
        matches!(refused, Err(Error::TransactionControl { .. })),
        "{refused:?}"
    );
    assert!(stored(&database).await.is_empty());
}

#[tokio::test]
async fn inserting_many_and_deleting() {
    let (_folder, database, tickets) = office().await;
    let done: Result<u64, Error> = tickets
        .required()
        .run(async |tx| {
            let many = ["A", "B", "C"].map(of);
            Ticket::insert_many(many).exec(tx).await?;
            let deleted = Ticket::delete_many()
                .filter(ticket::Column::Holder.ne("B"))
                .exec(tx)
                .await?;
            assert_eq!(Ticket::find().count(tx).await?, 1);
            let saved = ActiveModel {
                id: ActiveValue::NotSet,
                ..of("D")
            };
            saved.save(tx).await?;
            Ok(deleted.rows_affected)
        })
        .await;
    assert_eq!(done.unwrap(), 2);
    assert_eq!(stored(&database).await, ["B", "D"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_future_may_move_between_threads() {
    let (_folder, database, tickets) = office().await;
    let done = tokio::spawn(async move {
        tickets
            .required()
            .run(async |tx| {
                of("A").insert(tx).await?;
                Ok::<_, DbErr>(Ticket::find().one(&tickets).await?.is_some())
            })
            .await
    });
    assert!(done.await.unwrap().unwrap());
    assert_eq!(stored(&database).await, ["A"]);
}

/// What holds on every database; says whether a hidden error was found out.
async fn behaves<P>(tickets: &Transactions<P>, create: &str) -> bool
where
    P: Driver,
    Tx<P>: ConnectionTrait,
    Transactions<P>: ConnectionTrait,
{
    tickets.execute_unprepared(create).await.unwrap();
    let stored = async || {
        let found = Ticket::find().all(tickets).await.unwrap();
        let holders: Vec<_> = found.into_iter().map(|ticket| ticket.holder).collect();
        holders.join(" ")
    };
    let done: Result<(), DbErr> = tickets
        .required()
        .run(async |tx| {
            let ticket = of("A").insert(tx).await?;
            assert_eq!(ticket.price, Some(1 << 40));
            let part: Result<(), DbErr> = tx
                .nested()
                .run(async |tx| {
                    of("B").insert(tx).await?;
                    Err(DbErr::Custom("no".to_owned()))
                })
                .await;
            assert!(part.is_err());
            assert_eq!(stored().await, "A");
            Ok(())
        })
        .await;
    done.unwrap();
    assert_eq!(stored().await, "A");
    let done: Result<(), DbErr> = tickets
        .required()
        .run(async |tx| {
            of("C").insert(tx).await?;
            let _hidden = of("A").insert(tx).await;
            Ok(())
        })
        .await;
    let Err(error) = done else {
        assert_eq!(stored().await, "A C");
        return false;
    };
    assert!(
        matches!(
            Error::within_orm(&error),
            Some(Error::UnexpectedRollback { .. })
        ),
        "{error:?}"
    );
    assert_eq!(stored().await, "A");
    true
}

/// The server, unless it is not installed.
fn unless_missing<S>(started: Result<S, NoServer>, test: &str) -> Option<S> {
    match started {
        Ok(server) => Some(server),
        Err(NoServer::NotInstalled(why)) => {
            skip(test, &why);
            None
        }
        Err(broken) => panic!("{broken:?}"),
    }
}

#[tokio::test]
async fn on_postgres() {
    if let Some(server) = unless_missing(Postgres::start(), "orm.on_postgres") {
        let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
        let create = "CREATE TABLE ticket \
            (id SERIAL PRIMARY KEY, holder TEXT NOT NULL UNIQUE, price BIGINT)";
        assert!(behaves(&Transactions::new(pool), create).await);
    }
}

#[tokio::test]
async fn on_mariadb() {
    if let Some(server) = unless_missing(MariaDb::start(), "orm.on_mariadb") {
        let pool = sqlx::MySqlPool::connect(&server.url()).await.unwrap();
        let create = "CREATE TABLE ticket (id INT PRIMARY KEY AUTO_INCREMENT, \
            holder VARCHAR(100) NOT NULL UNIQUE, price BIGINT) ENGINE = InnoDB";
        assert!(!behaves(&Transactions::new(pool), create).await);
    }
}
