//! The method by hand: what Settled does for all operations, written out for one.

use rusqlite::Connection;

/// A platform that does what it is told, and may lose the answer.
#[derive(Default)]
pub(crate) struct Platform {
    shelved: std::cell::RefCell<Vec<i64>>,
    loses_answers: bool,
}

#[derive(Debug)]
struct NoAnswer;

impl Platform {
    fn auto_shelve(&self, number: i64, _goods: &str) -> Result<(), NoAnswer> {
        self.shelved.borrow_mut().push(number);
        if self.loses_answers {
            Err(NoAnswer)
        } else {
            Ok(())
        }
    }

    fn is_operated(&self, number: i64) -> bool {
        self.shelved.borrow().contains(&number)
    }
}

fn shelve_job(database: &mut Connection, platform: &Platform, goods: &str) -> rusqlite::Result<()> {
    let number = start_shelve(database, goods)?;
    shelve_operation(database, platform, number, goods)
}

/// Committed by itself, whatever comes after (`REQUIRES_NEW`).
fn start_shelve(database: &mut Connection, goods: &str) -> rusqlite::Result<i64> {
    let tx = database.transaction()?;
    tx.execute(
        "INSERT INTO operation (goods, status) VALUES (?, 'started')",
        [goods],
    )?;
    let number = tx.last_insert_rowid();
    tx.commit()?;
    Ok(number)
}

/// The call, and its result in the business transaction.
fn shelve_operation(
    database: &mut Connection,
    platform: &Platform,
    number: i64,
    goods: &str,
) -> rusqlite::Result<()> {
    let tx = database.transaction()?;
    let status = match platform.auto_shelve(number, goods) {
        Ok(()) => "done",
        Err(NoAnswer) => "failed",
    };
    tx.execute(
        "UPDATE operation SET status = ? WHERE number = ?",
        (status, number),
    )?;
    tx.commit()
}

/// Every few minutes: what was left behind.
fn shelve_ope_recovery(database: &mut Connection, platform: &Platform) -> rusqlite::Result<()> {
    for (number, goods, status) in unfinished(database)? {
        if status == "started" && platform.is_operated(number) {
            database.execute(
                "UPDATE operation SET status = 'done' WHERE number = ?",
                [number],
            )?;
        } else {
            shelve_operation(database, platform, number, &goods)?;
        }
    }
    Ok(())
}

fn unfinished(database: &Connection) -> rusqlite::Result<Vec<(i64, String, String)>> {
    database
        .prepare("SELECT number, goods, status FROM operation WHERE status != 'done'")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}

/// The hole that the guide names first: a lost answer is written down as a failure.
#[test]
fn by_hand_a_lost_answer_is_done_twice() {
    let mut database = Connection::open_in_memory().unwrap();
    database
        .execute_batch(
            "CREATE TABLE operation (number INTEGER PRIMARY KEY, goods TEXT, status TEXT)",
        )
        .unwrap();
    let mut platform = Platform::default();
    shelve_job(&mut database, &platform, "kettle").unwrap();
    assert_eq!(platform.shelved.take(), [1]);

    platform.loses_answers = true;
    shelve_job(&mut database, &platform, "lamp").unwrap();
    platform.loses_answers = false;
    shelve_ope_recovery(&mut database, &platform).unwrap();
    assert_eq!(platform.shelved.take(), [2, 2]);
}
