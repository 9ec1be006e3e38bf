//! Whether an email is verified, and the links that verify it.

use serde_json::json;

use super::{OLD, Shop, is_invalid, settled};
use crate::harness::{Person, Reply, on_both_databases};

const ROSA: &str = "rosa@example.com";

async fn ask_again(shop: &Shop, member: &Person) -> Reply {
    shop.app.post(&format!("{}email/verification/", member.path())).token(&member.token).send().await
}

on_both_databases! {
    async fn the_link_of_a_registration_verifies_the_email(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let token = shop.verification(ROSA).await;
        assert_eq!(shop.email(&rosa).await, settled(ROSA, false));
        assert_eq!(shop.verify(&token).await.expect(204).text(), "");
        assert_eq!(shop.email(&rosa).await, settled(ROSA, true));
        is_invalid(&shop.verify(&token).await);
        // The session goes on, and the profile has no new version.
        assert_eq!(shop.app.etag(&rosa).await, "\"1\"");
        assert_eq!(shop.kinds(&rosa).await, ["registration", "sign_in", "email_verified"]);
    }

    async fn a_new_link_can_be_asked_for_until_the_email_is_verified(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let first = shop.verification(ROSA).await;
        assert_eq!(ask_again(&shop, &rosa).await.expect(202).text(), "");
        let second = shop.verification(ROSA).await;
        is_invalid(&shop.verify(&first).await);
        shop.verify(&second).await.expect(204);
        ask_again(&shop, &rosa).await.expect(202);
        shop.mailbox.settle(&app).await;
        assert_eq!(shop.mailbox.letters().len(), 2);
    }

    async fn a_changed_email_is_unverified_and_the_link_to_the_one_before_ends(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let first = shop.verification(ROSA).await;
        shop.verify(&first).await.expect(204);
        shop.patch_email(&rosa, "new@example.com").await;
        assert_eq!(shop.email(&rosa).await, settled("new@example.com", false));
        let second = shop.verification("new@example.com").await;
        shop.patch_email(&rosa, "newer@example.com").await;
        is_invalid(&shop.verify(&second).await);
        shop.verify(&shop.verification("newer@example.com").await).await.expect(204);
        // Another spelling is the same mailbox.
        shop.patch_email(&rosa, "Newer@example.com").await;
        assert_eq!(shop.email(&rosa).await, settled("Newer@example.com", true));
    }

    async fn nobody_else_sees_or_changes_the_email(app: App) {
        let shop = Shop::open(&app);
        let (rosa, jane) = (shop.app.member(ROSA).await, shop.app.member("jane@example.com").await);
        let path = format!("{}email/", rosa.path());
        shop.app.get(&path).token(&jane.token).send().await.problem(403, "not_owner");
        shop.app.delete(&path).token(&jane.token).send().await.problem(403, "not_owner");
        app.delete("/api/v1/customers/me/sessions/").token(&rosa.token).send().await.expect(204);
        for path in [path.clone(), "/api/v1/customers/me/email/".to_owned()] {
            shop.app.get(&path).token(&rosa.token).send().await.problem(401, "session_ended");
            shop.app.delete(&path).token(&rosa.token).send().await.problem(401, "session_ended");
            let body = json!({"email": "new@example.com", "current_password": OLD});
            shop.app.post(&path).token(&rosa.token).json(&body).send().await.problem(401, "session_ended");
            shop.app.post(&format!("{path}verification/")).token(&rosa.token).send().await.problem(401, "session_ended");
        }
        let nobody = app.person(4711);
        let path = "/api/v1/customers/me/email/";
        shop.app.get(path).token(&nobody.token).send().await.problem(404, "not_found");
        shop.app.delete(path).token(&nobody.token).send().await.problem(404, "not_found");
        shop.app.post(&format!("{path}verification/")).token(&nobody.token).send().await.problem(404, "not_found");
        let body = json!({"email": "new@example.com", "current_password": OLD});
        shop.app.post(path).token(&nobody.token).json(&body).send().await.problem(404, "not_found");
    }
}
