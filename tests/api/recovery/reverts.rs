//! The link in the notice to an old email: whoever had the account first gets it back.

use clientele::tokens::LinkKind;
use serde_json::json;

use super::{NEW, OLD, Shop, id_of, is_invalid, is_out, settled};
use crate::harness::on_both_databases;

const ROSA: &str = "rosa@example.com";
const THIEF: &str = "thief@example.net";

on_both_databases! {
    async fn the_old_email_gets_the_account_back(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        // Somebody who knows the password takes the account over.
        let thief = shop.signs_in(ROSA, OLD).await;
        shop.patch_email(&thief, THIEF).await;
        let change = json!({"current_password": OLD, "new_password": NEW});
        shop.app.post(&format!("{}password/", thief.path())).token(&thief.token).json(&change).send().await.expect(204);
        shop.request_change(&thief, "thief2@example.net", NEW).await.expect(202);
        let verify = shop.verification(THIEF).await;
        let pending = shop.confirmation("thief2@example.net").await;
        let token = shop.revert_link(ROSA).await;
        assert_eq!(shop.revert(&token).await.expect(204).text(), "");
        is_out(&app, &thief).await;
        is_out(&app, &rosa).await;
        for token in [&token, &verify, &pending] {
            is_invalid(&shop.revert(token).await);
            is_invalid(&shop.verify(token).await);
        }
        // Nobody signs in before a new password is set, because the thief knows the old one.
        for (email, password) in [(ROSA, NEW), (ROSA, OLD), (THIEF, NEW)] {
            app.sign_in(email, password).await.problem(401, "bad_credentials");
        }
        let token = shop.mailbox.wait_for(ROSA, "Set a new password").await.token();
        shop.reset(&token, "yet another Passw0rd!").await.expect(204);
        let rosa = shop.signs_in(ROSA, "yet another Passw0rd!").await;
        assert_eq!(shop.email(&rosa).await, settled(ROSA, true));
        assert_eq!(shop.app.etag(&rosa).await, "\"3\"");
        let kinds = shop.kinds(&rosa).await;
        let after = ["email_change", "password_change", "email_reverted", "sign_in_failed", "sign_in_failed", "password_reset", "sign_in"];
        assert_eq!(kinds[4..], after);
    }

    async fn the_link_of_the_first_owner_beats_those_that_came_later(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        shop.patch_email(&rosa, THIEF).await;
        shop.verify(&shop.verification(THIEF).await).await.expect(204);
        shop.patch_email(&rosa, "thief2@example.net").await;
        shop.patch_email(&rosa, "thief3@example.net").await;
        let (first, second) = (shop.revert_link(ROSA).await, shop.revert_link(THIEF).await);
        let third = shop.revert_link("thief2@example.net").await;
        // A later owner can go back too, but not past an earlier one.
        shop.revert(&second).await.expect(204);
        is_invalid(&shop.revert(&third).await);
        shop.mailbox.wait_for(THIEF, "Set a new password").await;
        shop.revert(&first).await.expect(204);
        is_invalid(&shop.revert(&second).await);
        let token = shop.mailbox.wait_for(ROSA, "Set a new password").await.token();
        shop.reset(&token, NEW).await.expect(204);
        assert_eq!(shop.email(&shop.signs_in(ROSA, NEW).await).await, settled(ROSA, true));
    }

    async fn changing_back_and_forth_does_not_weaken_the_first_owner(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        for email in [THIEF, ROSA, THIEF] {
            shop.patch_email(&rosa, email).await;
            shop.verify(&shop.verification(email).await).await.expect(204);
        }
        let (_, last) = (shop.revert_link(ROSA).await, shop.revert_link(ROSA).await);
        let thiefs = shop.revert_link(THIEF).await;
        shop.revert(&last).await.expect(204);
        is_invalid(&shop.revert(&thiefs).await);
        shop.reset(&shop.mailbox.wait_for(ROSA, "Set a new password").await.token(), NEW).await.expect(204);
        shop.signs_in(ROSA, NEW).await;
    }

    async fn a_notice_that_still_waits_makes_no_link_after_a_reversal(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        shop.patch_email(&rosa, THIEF).await;
        let token = shop.revert_link(ROSA).await;
        let later = id_of(&app.link(&rosa, LinkKind::Verify, None));
        shop.hold_back(&rosa, later, &json!({"mail": "email_changed", "old_email": THIEF, "verified": true, "language": "en"}));
        shop.revert(&token).await.expect(204);
        shop.release().await;
        assert_eq!(shop.links(), ["reset"]);
        assert!(shop.mailbox.letters().iter().all(|letter| letter.to != THIEF || !letter.subject.contains("was changed")));
    }

    async fn an_old_email_that_somebody_else_has_now_is_409_until_it_is_free_again(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        shop.patch_email(&rosa, THIEF).await;
        let token = shop.revert_link(ROSA).await;
        // The thief squats it.
        let squatter = shop.app.member(ROSA).await;
        shop.revert(&token).await.problem(409, "email_taken");
        shop.app.profile(&rosa).await.expect(200);
        // Whoever reads the mailbox gets that account too, and erases it.
        shop.reset(&shop.reset_link(ROSA).await, NEW).await.expect(204);
        is_out(&app, &squatter).await;
        let own = shop.signs_in(ROSA, NEW).await;
        shop.app.delete(&own.path()).token(&own.token).send().await.expect(204);
        shop.revert(&token).await.expect(204);
        is_out(&app, &rosa).await;
    }

    async fn a_reset_by_the_new_mailbox_does_not_end_the_link_of_a_verified_owner(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        shop.patch_email(&rosa, THIEF).await;
        let token = shop.revert_link(ROSA).await;
        shop.reset(&shop.reset_link(THIEF).await, NEW).await.expect(204);
        let thief = shop.signs_in(THIEF, NEW).await;
        shop.revert(&token).await.expect(204);
        is_out(&app, &thief).await;
        shop.reset(&shop.mailbox.wait_for(ROSA, "Set a new password").await.token(), OLD).await.expect(204);
        shop.signs_in(ROSA, OLD).await;
    }
}
