//! `clientele migrate run|revert|status`

use crate::harness::{Binary, on_both_databases};

on_both_databases! {
    async fn migrate_run_applies_all_and_revert_takes_back_one(app: App) {
        let empty = app.empty_database();
        let binary = Binary::on(&empty.url);
        let before = binary.run(&["migrate", "status"]);
        assert_eq!(before.code, Some(1), "{before:?}");
        let known = before.out.lines().count();
        assert!(before.out.lines().all(|line| line.starts_with("pending ")), "{before:?}");

        assert_eq!(binary.run(&["migrate", "run"]).done().lines().count(), known);
        let after = binary.run(&["migrate", "status"]);
        assert!(after.done().lines().all(|line| line.starts_with("applied ")), "{after:?}");
        assert_eq!(binary.run(&["migrate", "run"]).done(), "nothing to apply");

        let last = after.done().lines().last().and_then(|line| line.strip_prefix("applied ")).expect("the last one");
        let reverted = binary.run(&["migrate", "revert"]);
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        assert_eq!(digits(reverted.done()), digits(last.split('_').next().unwrap_or_default()), "{reverted:?}");
        let status = binary.run(&["migrate", "status"]);
        assert_eq!(status.code, Some(1), "{status:?}");
        assert_eq!(status.out.lines().last(), Some(format!("pending {last}").as_str()));
        assert_eq!(status.out.lines().filter(|line| line.starts_with("pending")).count(), 1);
    }

    async fn every_migration_can_be_reverted_and_run_again(app: App) {
        let empty = app.empty_database();
        let binary = Binary::on(&empty.url);
        for _ in 0..2 {
            let known = binary.run(&["migrate", "run"]).done().lines().count();
            for _ in 0..known {
                binary.run(&["migrate", "revert"]).done();
            }
            let status = binary.run(&["migrate", "status"]);
            assert!(status.out.lines().all(|line| line.starts_with("pending ")), "{status:?}");
        }
        binary.run(&["migrate", "revert"]).refused(1, &[]);
    }

    async fn commands_say_which_migration_is_pending_where_they_must_not_migrate(app: App) {
        let empty = app.empty_database();
        let binary = Binary::on(&empty.url).with("CLIENTELE__DATABASE__MIGRATE_AT_START", "false");
        for command in [&["customer", "show", "1"][..], &["seed", "--customers", "1"]] {
            binary.run(command).refused(1, &["pending", "migrate run"]);
        }
        binary.run(&["migrate", "run"]).done();
        binary.run(&["seed", "--customers", "1"]).done();
    }
}
