//! `sea-orm` within the manager's transactions, on SQLite: entities and plain `sqlx` are one.
#![allow(clippy::unwrap_used, reason = "a test")]

use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue, DatabaseConnection, FromQueryResult, Set, SqlxSqliteConnector};
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

#[tokio::test]
async fn the_manager_is_a_connection_to_what_is_around() {
    let (_folder, database, tickets) = office().await;
    /// A repository that is handed what it always was.
    async fn sell(to: &impl ConnectionTrait, holder: &str) -> Result<u64, DbErr> {
        of(holder).insert(to).await?;
        let sql = "INSERT INTO entry VALUES ('unprepared')";
        Ok(to.execute_unprepared(sql).await?.rows_affected())
    }
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
