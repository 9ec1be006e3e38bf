//! Many at once: the constraint decides, exactly one wins, nobody meets a 500.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{App, Reply, on_both_databases};

fn count(replies: &[Reply], status: u16) -> usize {
    replies.iter().filter(|reply| reply.status() == status).count()
}

/// Fifty customers send the same change at once, half of them to another instance on the same database.
async fn fifty_at_once(app: &App, change: Value) -> Vec<Reply> {
    let other = app.instance(&[]);
    let crowd = app.crowd(50);
    let change = &change;
    let asked = crowd.iter().enumerate().map(|(number, person)| {
        let instance = if number % 2 == 0 { app } else { &other };
        instance.change(person, change)
    });
    join_all(asked).await
}

on_both_databases! {
    async fn of_fifty_writers_who_claim_one_email_one_gets_it(app: App) {
        let replies = fifty_at_once(&app, json!({"email": "wanted@example.com"})).await;
        assert_eq!((count(&replies, 200), count(&replies, 409)), (1, 49), "{replies:?}");
        for reply in replies.iter().filter(|reply| reply.status() == 409) {
            reply.problem(409, "email_taken");
        }
    }

    async fn one_instance_alone_gives_an_email_to_one_of_fifty(app: App) {
        let crowd = app.crowd(50);
        let wanted = json!({"email": "wanted@example.com"});
        let replies = join_all(crowd.iter().map(|person| app.change(person, &wanted))).await;
        assert_eq!((count(&replies, 200), count(&replies, 409)), (1, 49), "{replies:?}");
    }

    async fn fifty_customers_who_take_one_name_get_fifty_slugs(app: App) {
        let replies = fifty_at_once(&app, json!({"first_name": "John", "last_name": "Doe"})).await;
        assert_eq!(count(&replies, 200), 50, "{replies:?}");
        let slugs: BTreeSet<String> = replies.iter().map(|reply| reply.json()["slug"].to_string()).collect();
        assert_eq!(slugs.len(), 50);
        assert_eq!(slugs.iter().filter(|slug| *slug == "\"john-doe\"").count(), 1);
    }

    async fn of_two_writers_with_one_if_match_one_wins(app: App) {
        let john = app.john();
        let other = app.instance(&[]);
        for version in 1..=20 {
            let ask = |instance: &App, name: &str| {
                let condition = format!("\"{version}\"");
                let ask = instance.put(&john.path()).token(&john.token).header("If-Match", &condition);
                ask.json(&json!({"first_name": format!("{name}{version}")})).send()
            };
            let replies = join_all([ask(&app, "A"), ask(&other, "B")]).await;
            assert_eq!((count(&replies, 200), count(&replies, 412)), (1, 1), "{replies:?}");
            let winner = replies.iter().find(|reply| reply.status() == 200).expect("a winner").json();
            assert_eq!(app.show(&john).await, winner);
        }
        assert_eq!(app.etag(&john).await, "\"21\"");
    }

    async fn writers_of_one_customer_all_count_and_the_last_state_is_one_of_theirs(app: App) {
        let john = app.john();
        let bodies: Vec<Value> = (0..40)
            .map(|number| {
                let city = format!("City {number}");
                json!({"last_name": city, "address": {"street_address": city, "city": city, "country": city}})
            })
            .collect();
        let replies = join_all(bodies.iter().map(|body| app.change(&john, body))).await;
        assert_eq!(count(&replies, 200), 40, "{replies:?}");
        assert_eq!(app.etag(&john).await, "\"41\"");
        let last = app.show(&john).await;
        for member in ["street_address", "city", "country"] {
            assert_eq!(last["address"][member], last["last_name"], "a torn write: {last}");
        }
        for (reply, body) in replies.iter().zip(&bodies) {
            assert_eq!(reply.json()["last_name"], body["last_name"]);
        }
    }

    async fn two_customers_who_exchange_emails_never_share_one(app: App) {
        let (john, jane) = (app.john(), app.jane());
        let other = app.instance(&[]);
        for _ in 0..20 {
            let (to_jane, to_john) = (json!({"email": "jane@example.com"}), json!({"email": "john@example.com"}));
            let replies = join_all([app.change(&john, &to_jane), other.change(&jane, &to_john)]).await;
            assert!(replies.iter().all(|reply| [200, 409].contains(&reply.status())), "{replies:?}");
            let emails = [app.show(&john).await["email"].clone(), app.show(&jane).await["email"].clone()];
            assert_ne!(emails[0], emails[1]);
        }
    }

    async fn one_members_conflict_fails_nobody_else_in_its_batch(app: App) {
        let _jane = app.jane();
        let crowd = app.crowd(60);
        let bodies: Vec<Value> = (0..60)
            .map(|number| match number % 3 {
                0 => json!({"email": "jane@example.com"}),
                1 => json!({"first_name": "Same", "last_name": "Name"}),
                _ => json!({"date_of_birth": "1990-01-15", "address": {"street_address": "1", "city": "B", "country": "Peru"}}),
            })
            .collect();
        let asked = crowd.iter().zip(&bodies).map(|(person, body)| app.change(person, body));
        let replies = join_all(asked).await;
        for (number, reply) in replies.iter().enumerate() {
            assert_eq!(reply.status(), if number % 3 == 0 { 409 } else { 200 }, "{number}: {reply:?}");
        }
    }
}
