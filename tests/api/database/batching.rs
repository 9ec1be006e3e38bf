//! The batching lane itself: what a panic, a client that left and the order of arrival do to a batch.

use std::time::Duration;

use clientele::db::{Batch, Constraint, DbConnection, DbError, DbResult, Lane};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use futures_util::FutureExt;
use futures_util::future::{join_all, poll_immediate};

use crate::harness::{App, connect, on_both_databases};

/// A note to be written under a number; some make the batch fail as a defect or a conflict would.
struct Note {
    key: i64,
    text: &'static str,
}

/// Adds notes, one row each, in the batch's transaction; tells how many notes were in the batch.
struct Notes;

impl Batch for Notes {
    type Item = Note;
    type Output = usize;

    const NAME: &'static str = "notes";
    const WRITES: bool = true;

    fn customer(note: &Note) -> i64 {
        note.key
    }

    fn apply(connection: &mut DbConnection, notes: &[Note]) -> DbResult<Vec<DbResult<usize>>> {
        for note in notes {
            if note.text == "slow" {
                std::thread::sleep(Duration::from_millis(600));
            }
            assert_ne!(note.text, "panic", "a defect in one item");
            if note.text == "conflict" {
                return Err(DbError::Unique(Constraint::Other));
            }
            let insert = diesel::sql_query(format!(
                "INSERT INTO notes (place, key, text) SELECT COUNT(*), {}, '{}' FROM notes",
                note.key, note.text
            ));
            insert.execute(connection)?;
        }
        Ok(notes.iter().map(|_| Ok(notes.len())).collect())
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = Text)]
    text: String,
}

/// A lane of its own on the test's database, its thread held up by a first note so that the next ones gather.
async fn gathered(app: &App, notes: Vec<Note>) -> Vec<DbResult<usize>> {
    let lane = lane(app);
    let mut first = Box::pin(lane.submit(Note { key: 0, text: "slow" }).shared_error());
    assert!(poll_immediate(&mut first).await.is_none());
    // Let the lane's thread take the first alone.
    actix_rt::time::sleep(Duration::from_millis(50)).await;
    let outcomes = join_all(notes.into_iter().map(|note| lane.submit(note))).await;
    assert_eq!(first.await, Some(1));
    outcomes
}

/// The outcome without its error, which cannot be compared.
trait SharedError: Future<Output = DbResult<usize>> + Sized {
    fn shared_error(self) -> impl Future<Output = Option<usize>> {
        self.map(Result::ok)
    }
}

impl<F: Future<Output = DbResult<usize>>> SharedError for F {}

fn lane(app: &App) -> Lane<Notes> {
    let table = "CREATE TABLE notes (place BIGINT NOT NULL, key BIGINT NOT NULL, text TEXT NOT NULL)";
    connect(app.database_url()).batch_execute(table).expect("a table");
    app.lane()
}

fn written(app: &App) -> Vec<(i64, String)> {
    let rows = diesel::sql_query("SELECT key, text FROM notes ORDER BY place").load::<Row>(&mut app.connection());
    rows.expect("rows").into_iter().map(|row| (row.key, row.text)).collect()
}

on_both_databases! {
    async fn what_waits_together_shares_a_batch(app: App) {
        let notes = (1..=200).map(|key| Note { key, text: "plain" }).collect();
        let sizes: Vec<usize> = gathered(&app, notes).await.into_iter().flatten().collect();
        assert_eq!(sizes, [vec![128; 128], vec![72; 72]].concat());
        assert_eq!(written(&app).len(), 201);
    }

    async fn a_panic_over_one_item_fails_that_item_alone(app: App) {
        let texts = ["plain", "panic", "plain", "plain"];
        let notes = (1..).zip(texts).map(|(key, text)| Note { key, text }).collect();
        let outcomes = gathered(&app, notes).await;
        assert!(matches!(outcomes[1], Err(DbError::Internal(_))), "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
        assert_eq!(written(&app).iter().map(|(key, _)| *key).collect::<Vec<_>>(), [0, 1, 3, 4]);
    }

    async fn a_conflict_of_one_item_fails_that_item_alone(app: App) {
        let texts = ["plain", "plain", "conflict", "plain"];
        let notes = (1..).zip(texts).map(|(key, text)| Note { key, text }).collect();
        let outcomes = gathered(&app, notes).await;
        assert!(matches!(outcomes[2], Err(DbError::Unique(_))), "{outcomes:?}");
        assert_eq!(written(&app).iter().map(|(key, _)| *key).collect::<Vec<_>>(), [0, 1, 2, 4]);
    }

    async fn items_of_one_customer_share_a_batch_and_keep_their_order(app: App) {
        let texts = ["a", "b", "c", "d"];
        let notes = texts.into_iter().flat_map(|text| [Note { key: 1, text }, Note { key: 2, text }]).collect();
        let outcomes = gathered(&app, notes).await;
        assert_eq!(outcomes.into_iter().flatten().collect::<Vec<_>>(), [8; 8]);
        let of_one: Vec<String> = written(&app).into_iter().filter(|(key, _)| *key == 1).map(|(_, text)| text).collect();
        assert_eq!(of_one, texts);
    }

    async fn a_client_that_left_changes_nothing_for_the_others(app: App) {
        let lane = lane(&app);
        let mut first = Box::pin(lane.submit(Note { key: 0, text: "slow" }));
        assert!(poll_immediate(&mut first).await.is_none());
        actix_rt::time::sleep(Duration::from_millis(50)).await;
        let mut leaving = Box::pin(lane.submit(Note { key: 1, text: "left" }));
        let mut staying = Box::pin(lane.submit(Note { key: 2, text: "stayed" }));
        assert!(poll_immediate(&mut leaving).await.is_none());
        assert!(poll_immediate(&mut staying).await.is_none());
        drop(leaving);
        assert_eq!((first.await.ok(), staying.await.ok()), (Some(1), Some(1)));
        assert_eq!(written(&app).iter().map(|(key, _)| *key).collect::<Vec<_>>(), [0, 2]);
    }
}
