//! Links that support makes on the command line.

use super::{NEW, Shop, is_invalid};
use crate::harness::{App, Binary, Mailbox, on_both_databases};

const ROSA: &str = "rosa@example.com";

/// The command line with the settings of a service that sends mail.
fn support(app: &App, mailbox: &Mailbox) -> Binary {
    Binary::on(app.database_url())
        .with("CLIENTELE__MAIL__TRANSPORT", "file")
        .with("CLIENTELE__MAIL__FOLDER", mailbox.folder().to_str().expect("UTF-8"))
        .with("CLIENTELE__SERVER__PUBLIC_URL", "https://accounts.shop.example/")
}

on_both_databases! {
    async fn support_prints_a_link_that_sets_a_password(app: App) {
        let shop = Shop::open(&app);
        shop.app.member(ROSA).await;
        let earlier = shop.reset_link(ROSA).await;
        let printed = support(&app, &shop.mailbox).run(&["customer", "set-password", ROSA, "--link", "--by", "Ann"]);
        let link = printed.done();
        let token = link.strip_prefix("https://accounts.shop.example/account/reset?token=").expect("a link");
        assert!(!printed.err.contains(token), "{printed:?}");
        // Nothing has changed yet, but the earlier link has ended.
        is_invalid(&shop.reset(&earlier, NEW).await);
        shop.signs_in(ROSA, super::OLD).await;
        shop.reset(token, NEW).await.expect(204);
        let rosa = shop.signs_in(ROSA, NEW).await;
        // Whoever got the link from support has not proved to read the mailbox.
        assert_eq!(app.number("SELECT COUNT(*) AS value FROM customers WHERE email_verified_at IS NOT NULL"), 0);
        assert!(shop.kinds(&rosa).await.contains(&"operator".to_owned()));
    }

    async fn support_mails_a_link(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let id = rosa.id.to_string();
        let printed = support(&app, &shop.mailbox).run(&["customer", "set-password", &id, "--mail-link"]);
        assert_eq!(printed.done(), "a link is on its way");
        let token = shop.mailbox.wait_for(ROSA, "Set a new password").await.token();
        shop.reset(&token, NEW).await.expect(204);
        shop.signs_in(ROSA, NEW).await;
    }

    async fn a_link_is_made_for_somebody_who_can_use_it(app: App) {
        let shop = Shop::open(&app);
        shop.app.member(ROSA).await;
        let support = support(&app, &shop.mailbox);
        support.run(&["customer", "disable", ROSA]).done();
        for option in ["--link", "--mail-link"] {
            support.run(&["customer", "set-password", ROSA, option]).refused(1, &["disabled"]);
            support.run(&["customer", "set-password", "4711", option]).refused(1, &["there is no customer 4711"]);
            let silent = Binary::on(app.database_url());
            silent.run(&["customer", "set-password", ROSA, option]).refused(1, &["mail.transport"]);
        }
        let both = support.run(&["customer", "set-password", ROSA, "--link", "--mail-link"]);
        assert_eq!(both.code, Some(2));
        assert!(!shop.links().contains(&"reset".to_owned()));
        assert_eq!(app.number("SELECT COUNT(*) AS value FROM outbox WHERE content LIKE '%reset_password%'"), 0);
    }
}
