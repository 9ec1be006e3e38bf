//! One account that sends more than its share: it is told 429, and nobody else notices.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::harness::{Backend, Reply, on_both_databases};

/// Places in each queue; one account may have eight of them.
const NARROW: [(&str, &str); 2] =
    [("CLIENTELE__DATABASE__QUEUE", "64"), ("CLIENTELE__DATABASE__QUEUE_TIMEOUT_SECONDS", "30")];

/// What nobody can change customers beside.
fn lock(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "BEGIN IMMEDIATE",
        Backend::Postgres => "BEGIN; LOCK TABLE customers IN EXCLUSIVE MODE",
    }
}

fn is_told_to_wait(reply: &Reply) {
    reply.problem(429, "too_many_requests");
    assert!(reply.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|s| s > 0)));
}

fn count(replies: &[Reply], status: u16) -> usize {
    replies.iter().filter(|reply| reply.status() == status).count()
}

on_both_databases! {
    async fn an_account_may_have_an_eighth_of_the_places_and_others_have_the_rest(app: App) {
        let (john, others) = (app.john(), app.crowd(20));
        let service = app.instance(&NARROW);
        let mut blocker = app.connection();
        blocker.batch_execute(lock(app.backend())).expect("the lock");
        let bodies: Vec<Value> = (1..=20).map(|day| json!({"date_of_birth": format!("1990-01-{day:02}")})).collect();
        let johns = join_all(bodies.iter().map(|body| service.change(&john, body)));
        let others = join_all(others.iter().map(|other| service.change(other, &bodies[0])));
        let unlock = async {
            actix_rt::time::sleep(Duration::from_millis(700)).await;
            blocker.batch_execute("COMMIT").expect("the end of the lock");
        };
        let ((johns, others), ()) = join(join(johns, others), unlock).await;
        assert_eq!((count(&johns, 200), count(&johns, 429)), (8, 12));
        johns.iter().filter(|reply| reply.status() == 429).for_each(is_told_to_wait);
        assert_eq!(count(&others, 200), others.len());
        service.change(&john, &bodies[0]).await.expect(200);
    }

    async fn the_share_holds_for_the_account_s_other_endpoints_too(app: App) {
        let member = app.member("rosa@example.com").await;
        let service = app.instance(&NARROW);
        let mut blocker = app.connection();
        let sessions = match app.backend() {
            Backend::Sqlite => "BEGIN IMMEDIATE",
            Backend::Postgres => "BEGIN; LOCK TABLE sessions IN EXCLUSIVE MODE",
        };
        blocker.batch_execute(sessions).expect("the lock");
        let path = format!("{}sessions/1/", member.path());
        let floods = join_all((0..20).map(|_| service.delete(&path).token(&member.token).send()));
        let unlock = async {
            actix_rt::time::sleep(Duration::from_millis(700)).await;
            blocker.batch_execute("COMMIT").expect("the end of the lock");
        };
        let (replies, ()) = join(floods, unlock).await;
        assert_eq!((count(&replies, 404), count(&replies, 429)), (8, 12));
        replies.iter().filter(|reply| reply.status() == 429).for_each(is_told_to_wait);
    }

    async fn two_hundred_and_fifty_six_requests_of_one_account_at_once_are_all_served_in_their_order(app: App) {
        let john = app.john();
        let bodies: Vec<Value> = (1..=256).map(|number| json!({"last_name": format!("Number {number}")})).collect();
        for reply in join_all(bodies.iter().map(|body| app.change(&john, body))).await {
            reply.expect(200);
        }
        assert_eq!(app.etag(&john).await, "\"257\"");
        let shows = join_all((0..256).map(|_| app.get(&john.path()).token(&john.token).send())).await;
        assert_eq!(count(&shows, 200), 256);
    }
}
