//! The operator makes customers who can sign in, and erases them.

use std::time::Duration;

use diesel::connection::SimpleConnection;

use crate::harness::{Binary, Finished, PASSWORD, on_both_databases};

const CREATE: [&str; 8] =
    ["customer", "create", "--email", "rosa@example.com", "--first-name", "Rosa", "--last-name", "Delgado"];

on_both_databases! {
    async fn a_customer_made_with_a_password_can_sign_in(app: App) {
        let binary = Binary::on(app.database_url());
        let finished = binary.run_with(&[&CREATE[..], &["--password-stdin"]].concat(), &format!("{PASSWORD}\nnot this\n"));
        let id: i64 = finished.done().parse().expect("the id alone");
        let member = app.session_of("rosa@example.com", PASSWORD).await;
        assert_eq!(member.id, id);
        app.profile(&member).await.expect(200);
        assert!(!finished.err.contains(PASSWORD), "{finished:?}");
    }

    async fn a_customer_made_without_a_password_cannot_sign_in(app: App) {
        Binary::on(app.database_url()).run(&CREATE).done();
        for password in ["", PASSWORD] {
            app.sign_in("rosa@example.com", password).await.problem(401, "bad_credentials");
        }
        assert_eq!(app.rows("passwords"), 0);
    }

    async fn a_password_begins_after_a_byte_order_mark_and_ends_before_the_line_does(app: App) {
        for (number, input) in [format!("\u{feff}{PASSWORD}\r\n"), format!("{PASSWORD}\n\n"), PASSWORD.into()].iter().enumerate() {
            let email = format!("rosa{number}@example.com");
            let create = ["customer", "create", "--email", &email, "--first-name", "R", "--last-name", "D", "--password-stdin"];
            Binary::on(app.database_url()).run_with(&create, input).done();
            app.sign_in(&email, PASSWORD).await.expect(200);
        }
    }

    async fn a_weak_password_is_refused_on_the_command_line_too(app: App) {
        let binary = Binary::on(app.database_url());
        let create = [&CREATE[..], &["--password-stdin"]].concat();
        for (password, reason) in [("", "8 characters"), ("short", "8 characters"), ("password1", "guessed"), ("rosadelgado", "guessed")] {
            let finished = binary.run_with(&create, &format!("{password}\n"));
            finished.refused(2, &[reason]);
        }
        assert_eq!(app.rows("customers"), 0);
    }

    async fn an_erasure_waits_for_a_transaction_that_is_in_the_way(app: App) {
        app.john();
        let mut other = app.connection();
        other.batch_execute("BEGIN; UPDATE customers SET version = version WHERE id = 123").expect("a transaction");
        let erasing = Binary::on(app.database_url()).start(&["customer", "erase", "123"]);
        actix_rt::time::sleep(Duration::from_secs(1)).await;
        other.batch_execute("COMMIT").expect("a commit");
        Finished::from(erasing.wait_with_output().expect("its end")).done();
        assert_eq!(app.rows("customers"), 0);
    }

    async fn an_erasure_by_the_operator_ends_everything(app: App) {
        let member = app.member("rosa@example.com").await;
        let id = member.id.to_string();
        let binary = Binary::on(app.database_url());
        let finished = binary.run(&["customer", "erase", &id]);
        assert_eq!((finished.code, finished.out.as_str()), (Some(0), ""), "{finished:?}");
        app.profile(&member).await.problem(401, "session_ended");
        app.refresh(&member.refresh).await.problem(401, "session_ended");
        for table in ["customers", "addresses", "passwords", "sessions", "history"] {
            assert_eq!(app.rows(table), 0, "{table}");
        }
        binary.run(&["customer", "erase", &id]).refused(1, &["no customer", &id]);
        let usage = binary.run(&["customer", "erase", "0"]);
        assert_eq!(usage.code, Some(2), "{usage:?}");
    }
}
