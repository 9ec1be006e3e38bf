//! What is kept of mails and links: shown in an export, gone with the customer.

use serde_json::json;

use super::{OLD, Shop, id_of};
use crate::harness::on_both_databases;

const ROSA: &str = "rosa@example.com";

on_both_databases! {
    async fn an_export_lists_links_and_waiting_mails_and_no_token(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let export = async || shop.app.get(&format!("{}export/", rosa.path())).token(&rosa.token).send().await.expect(200).json();
        let verify = shop.verification(ROSA).await;
        assert_eq!(export().await["email_verified_at"], json!(null));
        shop.verify(&verify).await.expect(204);
        let reset = shop.reset_link(ROSA).await;
        shop.request_change(&rosa, "next@example.com", OLD).await.expect(202);
        let confirm = shop.confirmation("next@example.com").await;
        shop.mailbox.settle(&app).await;
        shop.hold_back(&rosa, id_of(&reset) + 1, &json!({"mail": "password_changed", "language": "en"}));
        let data = export().await;
        assert!(data["email_verified_at"].is_string(), "{data}");
        let links: Vec<_> = data["links"].as_array().expect("a list").iter().map(|link| (link["kind"].clone(), link["email"].clone())).collect();
        assert_eq!(links, [(json!("reset"), json!(null)), (json!("email_change"), json!("next@example.com"))]);
        let mails = data["mails"].as_array().expect("a list");
        assert_eq!((mails.len(), &mails[0]["kind"]), (1, &json!("password_changed")));
        let text = data.to_string();
        for token in [reset, confirm] {
            assert!(!text.contains(token.split_once('.').expect("two parts").1), "{text}");
        }
        for row in app.texts("SELECT hash AS value FROM links") {
            assert!(!text.contains(&row), "{text}");
        }
    }

    async fn an_erasure_takes_links_and_waiting_mails_with_it(app: App) {
        let shop = Shop::open(&app);
        let (rosa, jane) = (shop.app.member(ROSA).await, shop.app.member("jane@example.com").await);
        shop.mailbox.settle(&app).await;
        for member in [&rosa, &jane] {
            let link = app.link(member, clientele::tokens::LinkKind::Reset, None);
            shop.hold_back(member, id_of(&link), &json!({"mail": "password_changed", "language": "en"}));
        }
        shop.app.delete(&rosa.path()).token(&rosa.token).send().await.expect(204);
        for table in ["links", "outbox"] {
            let of = |id: i64| app.number(&format!("SELECT COUNT(*) AS value FROM {table} WHERE customer_id = {id}"));
            assert_eq!(of(rosa.id), 0, "{table}");
            assert!(of(jane.id) > 0, "{table}");
        }
    }
}
