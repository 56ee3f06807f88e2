//! Records and outboxes in a service's own database, with every driver, on real servers: what is
//! promised of them holds when transactions race, commits go unanswered and futures are dropped.

#![allow(
    clippy::unwrap_used,
    clippy::doc_markdown,
    reason = "tests; SQLite and such are names"
)]

mod blocking;
mod dropped;
mod once;
mod operations;
mod outbox;
mod places;
mod tables;
mod together;
mod unanswered;

/// One test for one driver.
macro_rules! on {
    ($place:ident: $module:ident: $($name:ident),*) => {
        mod $module {
            $(
                #[test]
                fn $name() {
                    let name = concat!(module_path!(), "::", stringify!($name));
                    crate::places::run::<crate::places::$place, _>(name, super::$name);
                }
            )*
        }
    };
}
pub(crate) use on;

/// The same tests for every driver that has a wire: `each_wire!(name)` runs the generic function
/// `name` on each.
macro_rules! each_wire {
    ($($name:ident),* $(,)?) => {
        crate::on!(SqlxPostgres: sqlx_postgres: $($name),*);
        crate::on!(SqlxMySql: sqlx_mysql: $($name),*);
        crate::on!(TokioPostgres: tokio_postgres: $($name),*);
    };
}
pub(crate) use each_wire;

/// The same tests for every driver.
macro_rules! each {
    ($($name:ident),* $(,)?) => {
        crate::on!(SqlxSqlite: sqlx_sqlite: $($name),*);
        crate::each_wire!($($name),*);
    };
}
pub(crate) use each;
