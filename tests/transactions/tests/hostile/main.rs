//! Hostile tests of the transaction crate on real databases: futures that are dropped wherever they
//! stand, connections that break, statements that end a transaction unseen, pools that are too small.

#![allow(
    clippy::unwrap_used,
    clippy::doc_markdown,
    reason = "tests; SQLite and such are names"
)]

mod cancelled;
mod ended;
mod places;
mod tasks;
mod traps;
mod wire;
mod witness;

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

/// The same tests for every driver: `each!(name)` runs the generic function `name` on each.
macro_rules! each {
    ($($name:ident),* $(,)?) => {
        crate::on!(SqlxSqlite: sqlx_sqlite: $($name),*);
        crate::on!(SqlxPostgres: sqlx_postgres: $($name),*);
        crate::on!(SqlxMySql: sqlx_mysql: $($name),*);
        crate::on!(TokioPostgres: tokio_postgres: $($name),*);
    };
}
pub(crate) use each;
