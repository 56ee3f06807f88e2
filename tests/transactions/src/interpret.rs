//! Runs programs: one word after the other, and what each word does.

use std::future::pending;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use settled_transaction::{HookPhase, Tx};

use crate::databases::Base;
use crate::hooks::{Telling, phase};
use crate::program::{Block, Item};
use crate::recorded::Recorded;
use crate::scopes::{duration, propagation, scope};
use crate::words::{ask, hidden, look, raw, send, write};
use crate::world::{Beyond, Failure, Ran, Way, World, shown};

type Within<'a, D> = Option<&'a Tx<Recorded<D>>>;

/// How long a meeting is waited for, and how often it is looked at.
const MEETING: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(5);
/// How long what is left to do in the background may take.
const AFTERWARDS: Duration = Duration::from_millis(100);

/// Runs a block within a scope, or outside of any.
pub fn run<D: Base>(
    world: Arc<World<D>>,
    block: Block,
    within: Option<Tx<Recorded<D>>>,
) -> BoxFuture<'static, Ran> {
    Box::pin(async move {
        let mut value = None;
        for item in block.iter() {
            let done = word(&world, item, within.as_ref()).await;
            let done = match done {
                Err(Failure::Wrong(wrong)) => return Err(Failure::Wrong(wrong)),
                done if item.caught => {
                    let told = format!("{} -> {}", item.word, shown(&done));
                    world.recorder.tell(told);
                    None
                }
                done => done?,
            };
            value = done.or(value);
        }
        Ok(value)
    })
}

/// The scope that a word works in.
fn here<D: Base>(world: &World<D>, within: Within<'_, D>) -> Result<Tx<Recorded<D>>, Failure> {
    let outside = || Failure::wrong("there is no scope here");
    let handed = within.ok_or_else(outside)?;
    match world.way {
        Way::Handed => Ok(handed.clone()),
        Way::Found => handed.manager().current().ok_or_else(outside),
    }
}

fn argument(item: &Item, place: usize) -> Result<&str, Failure> {
    let missing = || Failure::Wrong(format!("`{}` lacks an argument", item.word));
    item.argument(place).ok_or_else(missing)
}

fn number<T: std::str::FromStr>(item: &Item) -> Result<T, Failure> {
    let wrong = |_| Failure::Wrong(format!("`{}` needs a number", item.word));
    argument(item, 0)?.parse().map_err(wrong)
}

async fn word<D: Base>(world: &Arc<World<D>>, item: &Item, within: Within<'_, D>) -> Ran {
    if propagation(&item.word).is_some() {
        return scope(world, item, within).await;
    }
    let tx = || here(world, within);
    match item.word.as_str() {
        "fail" => Err(Failure::Own(
            item.argument(0).unwrap_or_default().to_owned(),
        )),
        "value" => Ok(Some(argument(item, 0)?.to_owned())),
        "panic" => resume_unwind(Box::new("a program's own panic")),
        "sleep" => {
            let length = duration(argument(item, 0)?).map_err(Failure::Wrong)?;
            tokio::time::sleep(length).await;
            Ok(None)
        }
        "stop" => {
            world.recorder.stop.notify_one();
            pending().await
        }
        "meet" => meet(world, number(item)?).await,
        "settle" => {
            settle(world, number(item).unwrap_or(0)).await?;
            // Hooks are told after the connection is gone.
            tokio::time::sleep(AFTERWARDS).await;
            Ok(None)
        }
        "plain" => {
            let sql = insert(argument(item, 0)?);
            let done = (world.outside)(Beyond::Send(sql)).await;
            done.map(|_| None).map_err(Failure::Wrong)
        }
        "join" | "tasks" | "spawn" | "dropped" | "panics" => several(world, item, within).await,
        "kept" => {
            let kept = world.kept()?;
            match argument(item, 0)? {
                "mark" => kept.mark_rollback_only()?,
                "write" => write(&kept, insert("kept")).await?,
                "hook" => kept.register(telling(world, item, "kept")?)?,
                "scope" => kept.required().run(async |_| Ok::<_, Failure>(())).await?,
                other => return Err(Failure::Wrong(format!("`kept({other})`"))),
            }
            Ok(None)
        }
        _ => in_scope(world, item, &tx()?).await,
    }
}

fn insert(what: &str) -> String {
    format!("INSERT INTO entry VALUES ('{what}')")
}

/// The words that need a scope.
async fn in_scope<D: Base>(world: &Arc<World<D>>, item: &Item, tx: &Tx<Recorded<D>>) -> Ran {
    match item.word.as_str() {
        "w" => write(tx, insert(argument(item, 0)?)).await?,
        "raw" => raw(tx, insert(argument(item, 0)?)).await?,
        "hidden" => hidden(tx).await?,
        "r" => {
            let what = argument(item, 0)?;
            let sql = format!("SELECT what FROM entry WHERE what = '{what}'");
            let rows = send(tx, sql, false, false).await?;
            let sees = if rows.is_empty() { "lacks" } else { "sees" };
            world.recorder.tell(format!("{sees} {what}"));
        }
        "u" => {
            let what = argument(item, 0)?;
            let sql = format!("UPDATE counter SET n = n + 1 WHERE name = '{what}'");
            write(tx, sql).await?;
        }
        "sql" => {
            let sql = ask::<D>(argument(item, 0)?)?;
            send(tx, sql, true, true).await?;
        }
        "ask" => {
            let what = argument(item, 0)?;
            let rows = send(tx, ask::<D>(what)?, false, false).await?;
            world.recorder.tell(format!("{what}={}", rows.join(" ")));
        }
        "kill" => {
            let own = send(tx, ask::<D>("own")?, false, false).await?;
            let killed = (world.outside)(Beyond::Kill(own.join(" "))).await;
            killed.map_err(Failure::Wrong)?;
            // Until it has really gone.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        "mark" => tx.mark_rollback_only()?,
        "look" => world.recorder.tell(look(tx)),
        "keep" => world.keep(tx.clone()),
        "hook" => tx.register(telling(world, item, argument(item, 0)?)?)?,
        "listen" => listen(world, item, tx)?,
        "savepoint" => {
            let number = tx.savepoint().await?;
            world.recorder.tell(format!("savepoint {number}"));
        }
        "to" => tx.roll_back_to(number(item)?).await?,
        "release" => tx.release(number(item)?).await?,
        other => return Err(Failure::Wrong(format!("`{other}` does nothing"))),
    }
    Ok(None)
}

fn telling<D: Base>(world: &Arc<World<D>>, item: &Item, name: &str) -> Result<Telling<D>, Failure> {
    let order = item.named("order").map(str::parse).transpose();
    let when = item.arguments.iter().find_map(|when| phase(when).ok());
    Ok(Telling {
        name: name.to_owned(),
        order: order.map_err(|_| Failure::wrong("`order` needs a number"))?,
        runs: when.map(|when| (when, item.block())),
        world: Arc::clone(world),
    })
}

/// A hook that is but a closure.
fn listen<D: Base>(
    world: &Arc<World<D>>,
    item: &Item,
    tx: &Tx<Recorded<D>>,
) -> Result<(), Failure> {
    let recorder = Arc::clone(&world.recorder);
    let name = argument(item, 0)?.to_owned();
    match phase(argument(item, 1)?)? {
        HookPhase::BeforeCommit => tx.before_commit(move || async move {
            recorder.tell(name);
            Ok(())
        })?,
        HookPhase::AfterCommit => tx.after_commit(move || async move {
            recorder.tell(name);
            Ok(())
        })?,
        HookPhase::AfterCompletion => tx.after_completion(move |outcome| async move {
            recorder.tell(format!("{name}({outcome:?})"));
            Ok(())
        })?,
        HookPhase::BeforeCompletion => return Err(Failure::wrong("no closure runs then")),
    }
    Ok(())
}

/// The words that run blocks in another way than one after the other.
async fn several<D: Base>(world: &Arc<World<D>>, item: &Item, within: Within<'_, D>) -> Ran {
    let begin = |block: Block| run(Arc::clone(world), block, within.cloned());
    match item.word.as_str() {
        "join" => {
            let all = join_all(item.blocks.iter().cloned().map(begin)).await;
            all.into_iter().find(Result::is_err).unwrap_or(Ok(None))
        }
        "tasks" => {
            let block = item.block();
            let copies = (0..number::<usize>(item)?).map(|_| begin(Arc::clone(&block)));
            let mut ended: Vec<String> = join_all(copies).await.iter().map(shown).collect();
            ended.sort();
            world.recorder.tell(format!("tasks -> {}", ended.join(" ")));
            Ok(None)
        }
        "spawn" => {
            let spawned = tokio::spawn(run(Arc::clone(world), item.block(), None));
            spawned
                .await
                .map_err(|error| Failure::Wrong(error.to_string()))?
        }
        "dropped" => {
            let mut work = begin(item.block());
            tokio::select! {
                biased;
                () = world.recorder.stop.notified() => {}
                done = &mut work => {
                    let done = shown(&done);
                    return Err(Failure::Wrong(format!("it was not dropped: {done}")));
                }
            }
            if item.has("elsewhere") {
                // On a thread that knows no runtime.
                let gone = std::thread::spawn(move || drop(work)).join();
                gone.map_err(|_| Failure::wrong("to drop it panicked"))?;
            }
            Ok(None)
        }
        _ => {
            let work = AssertUnwindSafe(begin(item.block())).catch_unwind();
            let told = match work.await {
                Ok(ran) => shown(&ran),
                Err(_) => "panicked".to_owned(),
            };
            world.recorder.tell(told);
            Ok(None)
        }
    }
}

/// Waits until so many have come, or for a while.
async fn meet<D: Base>(world: &World<D>, wanted: usize) -> Ran {
    world.met.fetch_add(1, Ordering::SeqCst);
    let all_there = async {
        while world.met.load(Ordering::SeqCst) < wanted {
            tokio::time::sleep(STEP).await;
        }
    };
    let _patience_is_over = tokio::time::timeout(MEETING, all_there).await;
    Ok(None)
}

/// Waits until no more connections than these are held.
pub(crate) async fn settle<D: Base>(world: &World<D>, held: usize) -> Ran {
    let settled = async {
        while world.recorder.held() > held {
            tokio::time::sleep(STEP).await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(5), settled).await;
    settled.map_err(|_| Failure::wrong("connections are still held"))?;
    Ok(None)
}
