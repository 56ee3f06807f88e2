//! Random programs of nested scopes, on the crate and on a small model of what they should come to.
//!
//! Compared is everything that can be seen: what each caller is told, what each handle says, what each
//! scope reads, what is asked of the database, which hooks are told what and in which order, and the
//! rows afterwards. `SETTLED_MODEL_PROGRAMS` says how many programs, `SETTLED_MODEL_SEED` which.
#![allow(clippy::unwrap_used, reason = "a test")]

mod backends;
mod generate;
mod model;
mod notes;
mod program;
mod real;
mod reduce;

use std::cell::{Cell, RefCell};
use std::time::Instant;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use settled_test_servers::{MariaDb, NoServer, Postgres, skip};

use crate::backends::Backend;
use crate::program::Program;

/// Runs programs. A pool that has seen one fail is not used again.
fn compare<D, W, F>(share: u32, world: F)
where
    D: Backend,
    F: AsyncFn() -> (W, D),
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let given = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let cases = given("SETTLED_MODEL_PROGRAMS").map_or(share, |all| {
        u32::try_from(all).unwrap() / (PROGRAMS / share)
    });
    let seed = given("SETTLED_MODEL_SEED").unwrap_or_else(fresh_seed);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 3_000,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let current: RefCell<Option<(W, D)>> = RefCell::new(None);
    let number = Cell::new(0_i64);
    let check = |program: &Program| {
        number.set(number.get() + 1);
        let taken = current.take();
        let (checked, (keep, pool)) = runtime.block_on(async {
            let (keep, pool) = match taken {
                Some(taken) => taken,
                None => world().await,
            };
            let checked = one(&pool, program, number.get()).await;
            (checked, (keep, pool))
        });
        if checked.is_ok() {
            current.replace(Some((keep, pool)));
        }
        checked
    };
    let began = Instant::now();
    let done = runner.run(&generate::programs(), |program| {
        check(&program).map_err(TestCaseError::fail)
    });
    match done {
        Ok(()) => println!("{cases} programs in {:?}", began.elapsed()),
        Err(TestError::Abort(why)) => panic!("{why}"),
        Err(TestError::Fail(first, program)) => {
            let program = reduce::reduce(program, |program| check(program).is_err());
            let why = check(&program).err().unwrap_or_else(|| {
                format!("\n  fails at times; what was seen when it did:{first}")
            });
            panic!("SETTLED_MODEL_SEED={seed}\n  {program:?}{why}");
        }
    }
}

fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

async fn one<D: Backend>(pool: &D, program: &Program, number: i64) -> Result<(), String> {
    let expected = model::expect(program, D::DATABASE);
    let mut seen = real::run(pool, program, number).await;
    seen.push(format!("rows: {:?}", pool.rows(number).await));
    if seen == expected {
        return Ok(());
    }
    let same = seen
        .iter()
        .zip(&expected)
        .take_while(|(a, b)| a == b)
        .count();
    let rest = |notes: &[String]| notes.get(same..).unwrap_or_default().join("\n    ");
    Err(format!(
        "\n  the same:\n    {}\n  expected:\n    {}\n  seen:\n    {}\n ",
        expected[..same].join("\n    "),
        rest(&expected),
        rest(&seen)
    ))
}

/// How many programs SQLite runs, unless told otherwise, and each of the servers.
const PROGRAMS: u32 = 10_000;
const PROGRAMS_OF_A_SERVER: u32 = 400;

#[test]
fn programs_come_to_what_the_model_says_on_sqlite() {
    compare(PROGRAMS, backends::sqlite);
}

#[test]
fn programs_come_to_what_the_model_says_on_postgresql() {
    let server = match Postgres::start() {
        Ok(server) => server,
        Err(NoServer::NotInstalled(why)) => return skip("model_postgresql", &why),
        Err(broken) => panic!("{broken}"),
    };
    compare(PROGRAMS_OF_A_SERVER, async || {
        ((), backends::postgres(&server.url()).await)
    });
}

#[test]
fn programs_come_to_what_the_model_says_on_mariadb() {
    let server = match MariaDb::start() {
        Ok(server) => server,
        Err(NoServer::NotInstalled(why)) => return skip("model_mariadb", &why),
        Err(broken) => panic!("{broken}"),
    };
    compare(PROGRAMS_OF_A_SERVER, async || {
        ((), backends::mariadb(&server.url()).await)
    });
}
