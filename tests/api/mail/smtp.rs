//! `mail.transport = "smtp"`: what becomes of mails, whatever the server does.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{post, until};
use crate::harness::{App, Binary, SmtpServer, free_port, on_both_databases, plain_url};

/// Another instance, which sends its mails to this server and tries again after a second.
fn instance(app: &App, url: &str) -> App {
    app.instance(&settings(url))
}

fn settings(url: &str) -> [(&str, &str); 5] {
    [
        ("CLIENTELE__MAIL__TRANSPORT", "smtp"),
        ("CLIENTELE__MAIL__URL", url),
        ("CLIENTELE__MAIL__FROM", "Shop <accounts@shop.example>"),
        ("CLIENTELE__SERVER__PUBLIC_URL", "https://shop.example"),
        ("CLIENTELE__MAIL__RETRY_SECONDS", "1"),
    ]
}

fn notice() -> Value {
    json!({"mail": "password_changed", "language": "en"})
}

/// The errors of all rows, with whether they still wait.
fn errors(app: &App) -> Vec<String> {
    app.texts("SELECT (CASE WHEN due_at IS NULL THEN 'failed: ' ELSE 'waits: ' END) || error AS value FROM outbox")
}

on_both_databases! {
    async fn a_mail_arrives_and_its_row_goes(app: App) {
        let server = SmtpServer::start(&[]);
        app.john();
        post(&app, Some(123), &notice());
        instance(&app, &server.url());
        let [mail] = server.wait_for(1).await.try_into().expect("one mail");
        assert_eq!((mail.from.as_str(), mail.to.as_str()), ("accounts@shop.example", "john@example.com"));
        assert_eq!((mail.encrypted, mail.authenticated), (false, false));
        assert_eq!(mail.letter.subject, "Your password was changed");
        assert!(mail.letter.head.contains("From: Shop <accounts@shop.example>"), "{mail:?}");
        until(|| app.rows("outbox") == 0).await;
    }
}

on_both_databases! {
    async fn a_refused_mail_fails_for_good_and_costs_the_others_nothing(app: App) {
        let server = SmtpServer::start(&[]);
        app.john();
        app.customer(201, "never@example.com", "Nev", "Er");
        app.customer(202, "spam@example.com", "Spa", "M");
        for customer in [201, 123, 202, 123] {
            post(&app, Some(customer), &notice());
        }
        instance(&app, &server.url());
        server.wait_for(2).await;
        until(|| errors(&app).len() == 2).await;
        let mut errors = errors(&app);
        errors.sort();
        assert_eq!(errors, ["failed: the server replied 550", "failed: the server replied 554"]);
        assert_eq!(app.number("SELECT COUNT(*) AS value FROM outbox WHERE content <> ''"), 0);
        assert_eq!(server.received().len(), 2);
    }
}

on_both_databases! {
    async fn a_mail_that_is_refused_for_now_is_tried_again(app: App) {
        let server = SmtpServer::start(&[]);
        app.customer(201, "later@example.com", "La", "Ter");
        post(&app, Some(201), &json!({"mail": "reset_password", "language": "en"}));
        let app = instance(&app, &server.url());
        until(|| errors(&app) == ["waits: the server replied 451"]).await;
        let [mail] = server.wait_for(1).await.try_into().expect("one mail");
        assert!(mail.letter.token().contains('.'));
        until(|| app.rows("outbox") == 0).await;
        assert_eq!(app.rows("links"), 1);
    }
}

on_both_databases! {
    async fn a_mail_whose_acceptance_was_lost_is_sent_again_with_the_same_id_and_link(app: App) {
        let server = SmtpServer::start(&[]);
        app.customer(201, "dropped@example.com", "Dro", "P");
        post(&app, Some(201), &json!({"mail": "reset_password", "language": "en"}));
        let app = instance(&app, &server.url());
        let mails = server.wait_for(2).await;
        until(|| app.rows("outbox") == 0).await;
        let id = |head: &str| head.lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned);
        assert!(id(&mails[0].letter.head).is_some());
        assert_eq!(id(&mails[0].letter.head), id(&mails[1].letter.head));
        assert_eq!(mails[0].letter.token(), mails[1].letter.token());
    }
}

on_both_databases! {
    async fn a_used_link_is_not_sent_again(app: App) {
        let server = SmtpServer::start(&[]);
        app.customer(201, "dropped@example.com", "Dro", "P");
        let app = app.instance(&[&settings(&server.url())[..4], &[("CLIENTELE__MAIL__RETRY_SECONDS", "3")]].concat());
        post(&app, Some(201), &json!({"mail": "reset_password", "language": "en"}));
        server.wait_for(1).await;
        app.execute("DELETE FROM links");
        until(|| app.rows("outbox") == 0).await;
        assert_eq!((server.received().len(), app.rows("links")), (1, 0));
    }
}

on_both_databases! {
    async fn mails_wait_for_a_server_that_is_down_while_requests_answer_as_always(app: App) {
        let port = free_port();
        let app = instance(&app, &plain_url(port));
        let john = app.john();
        for _ in 0..15 {
            post(&app, Some(123), &notice());
        }
        until(|| errors(&app).len() == 15).await;
        let connection_refused = vec!["waits: connection refused".to_owned(); 15];
        assert_eq!(errors(&app), connection_refused);
        assert_eq!(app.number("SELECT MAX(attempts) AS value FROM outbox"), 0);
        let started = Instant::now();
        app.change(&john, &json!({"first_name": "Jon"})).await.expect(200);
        app.member("rosa@example.com").await;
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        let server = SmtpServer::start_at(port, &[]);
        server.wait_for(15).await;
        until(|| app.rows("outbox") == 0).await;
        assert_eq!(server.received().len(), 15);
    }
}

on_both_databases! {
    async fn a_server_that_says_nothing_costs_one_time_out(app: App) {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = silent.local_addr().expect("an address").port();
        app.john();
        for _ in 0..5 {
            post(&app, Some(123), &notice());
        }
        let started = Instant::now();
        let app = instance(&app, &plain_url(port));
        until(|| errors(&app).len() == 5).await;
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
        assert_eq!(errors(&app), vec!["waits: timed out".to_owned(); 5]);
        drop(silent);
        let server = SmtpServer::start_at(port, &[]);
        server.wait_for(5).await;
    }
}

on_both_databases! {
    async fn a_server_that_never_answers_for_one_mail_delays_the_others_once(app: App) {
        let server = SmtpServer::start(&[]);
        app.john();
        app.customer(201, "slow@example.com", "Slo", "W");
        for customer in [201, 123, 123] {
            post(&app, Some(customer), &notice());
        }
        let app = instance(&app, &server.url());
        server.wait_for(2).await;
        until(|| errors(&app) == ["waits: timed out"]).await;
    }
}

on_both_databases! {
    async fn several_instances_send_each_mail_once(app: App) {
        let server = SmtpServer::start(&[]);
        let people = app.crowd(80);
        for person in &people {
            post(&app, Some(person.id), &notice());
        }
        for _ in 0..3 {
            instance(&app, &server.url());
        }
        server.wait_for(people.len()).await;
        until(|| app.rows("outbox") == 0).await;
        let mut counts = BTreeMap::<String, usize>::new();
        for mail in server.received() {
            *counts.entry(mail.to).or_default() += 1;
        }
        assert_eq!(counts.len(), people.len());
        assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    }
}

on_both_databases! {
    async fn a_mail_outlives_the_sudden_death_of_the_service(app: App) {
        app.john();
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = plain_url(silent.local_addr().expect("an address").port());
        let binary = settings(&url).iter().fold(Binary::on(app.database_url()), |binary, (name, value)| binary.with(name, value));
        let serving = binary.serve();
        post(&app, Some(123), &notice());
        until(|| app.number("SELECT MAX(attempts) AS value FROM outbox") == 1).await;
        serving.signal("KILL");
        serving.wait();
        let server = SmtpServer::start(&[]);
        let app = instance(&app, &server.url());
        // The row is not due before the dead instance's lease ends.
        actix_rt::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(server.received().len(), 0);
        app.execute("UPDATE outbox SET due_at = '2026-01-01 00:00:00'");
        server.wait_for(1).await;
        until(|| app.rows("outbox") == 0).await;
        assert_eq!(server.received().len(), 1);
    }
}
