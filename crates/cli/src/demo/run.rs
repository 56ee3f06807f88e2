//! One demo from beginning to end: set the scene, play, hear the coordinator, read the books,
//! give the verdict.
//!
//! Leaves no process behind, and no files unless something went wrong with them in it.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Instant;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tempfile::TempDir;

use super::DemoArgs;
use super::audit::{self, Evidence, Ledger};
use super::child::Program;
use super::coordinator::{Coordinator, Saga};
use super::error::DemoError;
use super::order::Order;
use super::play::{self, Ending, Play};
use super::progress::Progress;
use super::report::Report;
use super::scene::{self, Scene, Setting};
use super::shop::Kind;

/// Sagas that are asked for at the same time.
const ASKING_MAX: usize = 32;

/// Runs the demo and prints its result. Success only if the books balance.
pub(crate) async fn run(args: DemoArgs) -> Result<ExitCode, DemoError> {
    let directory = TempDir::with_prefix("settled-demo-").map_err(DemoError::Directory)?;
    let executable = std::env::current_exe().map_err(DemoError::Executable)?;
    let program = Program {
        executable,
        directory: directory.path().to_owned(),
    };
    let result = tokio::select! {
        result = perform(&args, program) => result,
        () = interrupted() => Err(DemoError::Interrupted),
    };
    match result {
        Ok(report) => {
            report.print(args.format).map_err(DemoError::Output)?;
            if report.books_balance {
                return Ok(ExitCode::SUCCESS);
            }
            keep(directory);
            Ok(ExitCode::FAILURE)
        }
        Err(DemoError::Interrupted) => Err(DemoError::Interrupted),
        Err(error) => {
            keep(directory);
            Err(error)
        }
    }
}

async fn perform(args: &DemoArgs, program: Program) -> Result<Report, DemoError> {
    let began = Instant::now();
    let (seed, count) = (args.seed, args.orders);
    let orders: Vec<_> = (1..=count)
        .map(|number| Order::generate(seed, number, count))
        .collect();
    let setting = Setting {
        orders: count,
        seed,
        faults: args.faults,
    };
    let mut scene = Scene::set(program.clone(), setting).await?;
    let coordinator = Coordinator::new(scene.url());
    let progress = Progress::new(count, args.kill);
    let play = Play::new(&orders, scene.addresses(), &coordinator, &progress);
    let ending = play
        .perform(&mut scene, play::kill_points(seed, args.kill, count))
        .await?;
    let sagas = ask_all(&coordinator, &orders).await?;
    scene.end();
    let books = read_books(&program)?;
    let evidence = Evidence {
        orders: &orders,
        acknowledged: &play.acknowledged(),
        sagas: &sagas,
        books: &books,
    };
    let verdict = audit::audit(&evidence);
    let gave_up = match ending {
        Ending::Settled => None,
        Ending::GaveUp(why) => Some(why),
    };
    Ok(Report::new(
        args,
        progress.killed(),
        began.elapsed(),
        verdict,
        &books,
        gave_up,
    ))
}

/// What the coordinator says of every order, each asked for by its id.
async fn ask_all(
    coordinator: &Coordinator,
    orders: &[Order],
) -> Result<HashMap<String, Saga>, DemoError> {
    stream::iter(orders)
        .map(|order| coordinator.saga(&order.id))
        .buffer_unordered(ASKING_MAX)
        .try_filter_map(|saga| std::future::ready(Ok(saga.map(|saga| (saga.id.clone(), saga)))))
        .try_collect()
        .await
}

fn read_books(program: &Program) -> Result<Vec<(Kind, Ledger)>, DemoError> {
    Kind::ALL
        .into_iter()
        .map(|kind| {
            let path = scene::books_path(program, kind);
            match Ledger::read(&path) {
                Ok(ledger) => Ok((kind, ledger)),
                Err(source) => Err(DemoError::Books { path, source }),
            }
        })
        .collect()
}

/// Keeps the files for whoever wants to know what went wrong.
fn keep(directory: TempDir) {
    let path = directory.keep();
    anstream::eprintln!("books, journal and logs are kept in {}", path.display());
}

/// Returns when the user or the system wants the demo to end.
async fn interrupted() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupt => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
