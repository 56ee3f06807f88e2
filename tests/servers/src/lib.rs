//! Real database servers for tests: started from the programs that the machine has, on a free port
//! of the loopback address, in a folder of their own, and gone when dropped, or when the process that
//! started them is gone: a server may be kept in a `static` for all tests of a program.
//!
//! They never touch a server that runs already, and are for nothing but tests: what they hold is
//! kept with all durability switched off. Where the programs are missing, [`skip`] says so.

mod mariadb;
mod postgres;
mod process;
mod proxy;
mod skip;

pub use mariadb::MariaDb;
pub use postgres::Postgres;
pub use process::NoServer;
pub use proxy::{Cut, Proxy};
pub use skip::skip;
