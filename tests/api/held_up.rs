//! PostgreSQL takes its time, over one customer or over each commit: nobody else waits for it.
//!
//! SQLite admits one writer at a time, whatever that one waits for.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::pin::{Pin, pin};
use std::time::Duration;

use clientele::db::{Batch, DbConnection, DbResult};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};
use futures_util::future::{Either, join_all, select};
use serde_json::json;

use crate::harness::{App, Backend, run};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Waits until a statement waits for a lock.
async fn somebody_waits(app: &App) {
    let waiting = "SELECT COUNT(*) AS count FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE a.datname = current_database() AND NOT l.granted";
    let mut connection = app.connection();
    let mut is_waited_for = || {
        let count: Count = diesel::sql_query(waiting).get_result(&mut connection).expect("a count");
        count.count > 0
    };
    while !is_waited_for() {
        actix_rt::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What `first` yields, which must be done before `second` is.
async fn before<T, U: Debug>(second: Pin<&mut impl Future<Output = U>>, first: impl Future<Output = T>) -> T {
    match select(pin!(first), second).await {
        Either::Left((yielded, _)) => yielded,
        Either::Right((early, _)) => unreachable!("others waited for {early:?}"),
    }
}

#[actix_rt::test]
async fn a_customer_whose_row_is_locked_holds_up_no_other() {
    run(Backend::Postgres, async |app: App| {
        let (john, others) = (app.john(), app.crowd(3));
        let body = json!({"date_of_birth": "1990-01-15"});
        let mut blocker = app.connection();
        blocker.batch_execute("BEGIN; SELECT FROM customers WHERE id = 123 FOR UPDATE").expect("the lock");
        let mut johns = pin!(app.change(&john, &body));
        before(johns.as_mut(), async {
            somebody_waits(&app).await;
            for other in &others {
                app.change(other, &body).await.expect(200);
            }
        })
        .await;
        blocker.batch_execute("COMMIT").expect("the end of the lock");
        // Served, or told to come back, by when the lock ended.
        let reply = johns.await;
        if reply.status() != 200 {
            reply.problem(503, "overloaded");
        }
        app.change(&john, &body).await.expect(200);
    })
    .await;
}

#[actix_rt::test]
async fn whoever_shares_a_batch_with_such_a_customer_is_served_before() {
    run(Backend::Postgres, async |app: App| {
        let (john, jane, others) = (app.john(), app.jane(), app.crowd(30));
        let body = json!({"date_of_birth": "1990-01-15"});
        let mut blocker = app.connection();
        blocker.batch_execute("BEGIN; SELECT FROM customers WHERE id IN (123, 124) FOR UPDATE").expect("the locks");
        // While John holds up the lane, those who follow gather.
        let mut johns = pin!(app.change(&john, &body));
        before(johns.as_mut(), somebody_waits(&app)).await;
        let mut janes = pin!(app.change(&jane, &body));
        let replies = before(janes.as_mut(), join_all(others.iter().map(|other| app.change(other, &body)))).await;
        for reply in replies {
            reply.expect(200);
        }
        blocker.batch_execute("COMMIT").expect("the end of the locks");
        johns.await;
        janes.await;
        app.change(&jane, &body).await.expect(200);
    })
    .await;
}

/// An entry in a customer's book.
struct Entry {
    book: i64,
    text: i64,
}

/// Adds entries, and tells which of the server's processes did.
struct Entries;

impl Batch for Entries {
    type Member = Entry;
    type Outcome = i32;

    const NAME: &'static str = "entries";
    const WRITES: bool = true;

    fn key(entry: &Entry) -> Option<i64> {
        Some(entry.book)
    }

    fn repeatable(_: &Entry) -> bool {
        false
    }

    fn apply(connection: &mut DbConnection, entries: &[Entry]) -> DbResult<Vec<DbResult<i32>>> {
        let rows: Vec<String> = entries.iter().map(|entry| format!("({}, {})", entry.book, entry.text)).collect();
        let insert =
            format!("INSERT INTO entries (book, text) VALUES {} RETURNING pg_backend_pid() AS pid", rows.join(", "));
        let writers = diesel::sql_query(insert).load::<Writer>(connection)?;
        Ok(writers.into_iter().map(|writer| Ok(writer.pid)).collect())
    }
}

#[derive(QueryableByName)]
struct Writer {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

/// A commit that takes ten milliseconds, as on a disk far away.
const SLOW_COMMITS: &str = "
    CREATE TABLE entries (place BIGSERIAL, book BIGINT NOT NULL, text BIGINT NOT NULL);
    CREATE FUNCTION take_time() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.01); RETURN NULL; END $$;
    CREATE TABLE commits (number BIGSERIAL);
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON commits DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION take_time();
    CREATE FUNCTION count_commit() RETURNS TRIGGER LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO commits DEFAULT VALUES; RETURN NULL; END $$;
    CREATE TRIGGER counted AFTER INSERT ON entries FOR EACH STATEMENT EXECUTE FUNCTION count_commit()";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    book: i64,
    #[diesel(sql_type = BigInt)]
    text: i64,
}

#[actix_rt::test]
async fn where_commits_are_slow_several_batches_are_under_way_and_each_customer_keeps_the_order() {
    const BOOKS: i64 = 100;
    run(Backend::Postgres, async |app: App| {
        app.connection().batch_execute(SLOW_COMMITS).expect("slow commits");
        let lane = app.lane::<Entries>();
        let (mut text, mut writers) = (0, BTreeSet::new());
        for _ in 0..200 {
            let entries = (0..5 * BOOKS).map(|number| Entry { book: number % BOOKS, text: text + number });
            let outcomes = join_all(entries.map(|entry| lane.submit(entry))).await;
            writers.extend(outcomes.into_iter().map(|outcome| outcome.expect("an entry")));
            text += 5 * BOOKS;
            if writers.len() > 1 {
                break;
            }
        }
        assert!(writers.len() > 1, "one batch at a time");
        let rows = diesel::sql_query("SELECT book, text FROM entries ORDER BY book, place");
        let rows = rows.load::<Row>(&mut app.connection()).expect("rows");
        assert_eq!(rows.len() as i64, text);
        for pair in rows.windows(2) {
            assert!(pair[0].book != pair[1].book || pair[0].text < pair[1].text, "{} came late", pair[0].text);
        }
    })
    .await;
}
