//! `mail.transport = "file"`: where the mails are, who can read them, and when they go.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::post;
use crate::harness::{Binary, Mailbox, on_both_databases};

on_both_databases! {
    async fn mails_are_files_that_only_their_owner_reads(app: App) {
        let mailbox = Mailbox::new();
        let folder = mailbox.folder().join("deep/mail");
        let app = app.instance(&[
            ("CLIENTELE__MAIL__TRANSPORT", "file"),
            ("CLIENTELE__MAIL__FOLDER", folder.to_str().expect("UTF-8")),
        ]);
        app.john();
        let id = post(&app, Some(123), &json!({"mail": "password_changed", "language": "en"}));
        mailbox.settle(&app).await;
        let mode = |path: &std::path::Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(format!("123-{id}.eml"))), 0o600);
        assert_eq!(std::fs::read_dir(&folder).expect("the folder").count(), 1);
    }
}

on_both_databases! {
    async fn the_mails_about_a_customer_go_with_the_erasure(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        let (john, jane) = (app.john(), app.jane());
        let notice = json!({"mail": "password_changed", "language": "en"});
        for customer in [john.id, jane.id, john.id] {
            post(&app, Some(customer), &notice);
        }
        let erased = json!({"mail": "erased", "email": "john@example.com", "first_name": "John", "language": "en"});
        post(&app, None, &erased);
        mailbox.settle(&app).await;
        // The notice of an erasure is not kept, because it would keep the address.
        assert_eq!(mailbox.letters().len(), 3);
        app.delete(&john.path()).token(&john.token).send().await.expect(204);
        let left: Vec<_> = mailbox.letters().into_iter().map(|letter| letter.to).collect();
        assert_eq!(left, ["jane@example.com"]);
        let binary = Binary::on(app.database_url())
            .with("CLIENTELE__MAIL__TRANSPORT", "file")
            .with("CLIENTELE__MAIL__FOLDER", mailbox.folder().to_str().expect("UTF-8"));
        binary.run(&["customer", "erase", &jane.id.to_string()]).done();
        assert_eq!(mailbox.letters().len(), 0);
    }
}

on_both_databases! {
    async fn an_erasure_is_done_and_logged_even_if_the_folder_of_mails_cannot_be_read(app: App) {
        let john = app.john();
        let binary = Binary::on(app.database_url())
            .with("CLIENTELE__MAIL__TRANSPORT", "file")
            .with("CLIENTELE__MAIL__FOLDER", "no-folder");
        std::fs::write(binary.folder().join("no-folder"), "").expect("a file");
        let finished = binary.run(&["customer", "erase", "123"]);
        finished.refused(1, &["customer 123 was erased", "no-folder"]);
        assert!(finished.err.contains("event=erasure"), "{finished:?}");
        assert_eq!(app.rows("customers"), 0);
        binary.run(&["customer", "erase", &john.id.to_string()]).refused(1, &["there is no customer 123"]);
    }
}

on_both_databases! {
    async fn a_file_about_an_erased_customer_that_was_left_is_removed_at_the_start(app: App) {
        let mailbox = Mailbox::new();
        app.john();
        for name in ["123-1.eml", "124-1.eml", "0-1.eml", "notes.txt"] {
            std::fs::write(mailbox.folder().join(name), "To: a@b.example\n\n").expect("a file");
        }
        let app = mailbox.instance(&app, &[]);
        let started = std::time::Instant::now();
        while mailbox.folder().join("124-1.eml").exists() {
            assert!(started.elapsed().as_secs() < 10, "it is still there");
            actix_rt::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let mut left: Vec<_> = std::fs::read_dir(mailbox.folder()).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["0-1.eml", "123-1.eml", "notes.txt"]);
        drop(app);
    }
}
