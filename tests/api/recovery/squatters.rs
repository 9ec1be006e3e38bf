//! Somebody who registered another's email is out as soon as the owner of the mailbox resets the password.

use clientele::tokens::LinkKind;
use serde_json::json;

use super::{NEW, OLD, Shop, id_of, is_invalid, is_out, settled};
use crate::harness::on_both_databases;

const OWNER: &str = "owner@example.com";
const SQUATTER: &str = "squatter@example.net";

on_both_databases! {
    async fn a_squatter_is_thrown_out_by_the_owner_of_the_mailbox(app: App) {
        let shop = Shop::open(&app);
        let squatter = shop.app.member(OWNER).await;
        let phone = shop.signs_in(OWNER, OLD).await;
        shop.request_change(&squatter, SQUATTER, OLD).await.expect(202);
        let pending = shop.confirmation(SQUATTER).await;
        shop.reset(&shop.reset_link(OWNER).await, NEW).await.expect(204);
        is_out(&app, &squatter).await;
        is_out(&app, &phone).await;
        app.sign_in(OWNER, OLD).await.problem(401, "bad_credentials");
        is_invalid(&shop.verify(&pending).await);
        let owner = shop.signs_in(OWNER, NEW).await;
        assert_eq!(shop.email(&owner).await, settled(OWNER, true));
        assert_eq!(shop.links(), Vec::<String>::new());
    }

    async fn a_squatter_who_went_away_and_came_back_holds_no_link(app: App) {
        let shop = Shop::open(&app);
        for verifies in [false, true] {
            let (owner, squatters) = (format!("{verifies}@example.com"), format!("{verifies}@example.net"));
            let squatter = shop.app.member(&owner).await;
            shop.mailbox.settle(&app).await;
            shop.patch_email(&squatter, &squatters).await;
            if verifies {
                shop.verify(&shop.verification(&squatters).await).await.expect(204);
            }
            shop.patch_email(&squatter, &owner).await;
            let held = shop.revert_link(&squatters).await;
            shop.reset(&shop.reset_link(&owner).await, NEW).await.expect(204);
            is_invalid(&shop.revert(&held).await);
            assert_eq!(shop.email(&shop.signs_in(&owner, NEW).await).await, settled(&owner, true));
        }
    }

    async fn a_mailbox_that_was_never_proved_has_no_claim_after_a_reset(app: App) {
        let shop = Shop::open(&app);
        let squatter = shop.app.member(SQUATTER).await;
        shop.patch_email(&squatter, OWNER).await;
        let held = shop.revert_link(SQUATTER).await;
        shop.reset(&shop.reset_link(OWNER).await, NEW).await.expect(204);
        is_invalid(&shop.revert(&held).await);
        shop.signs_in(OWNER, NEW).await;
    }

    async fn a_notice_that_still_waits_gives_no_claim_either(app: App) {
        let shop = Shop::open(&app);
        let squatter = shop.app.member(OWNER).await;
        let id = id_of(&app.link(&squatter, LinkKind::Verify, None));
        shop.hold_back(&squatter, id, &json!({"mail": "email_changed", "old_email": SQUATTER, "verified": false, "language": "en"}));
        shop.reset(&shop.reset_link(OWNER).await, NEW).await.expect(204);
        shop.release().await;
        assert_eq!(shop.links(), Vec::<String>::new());
        assert!(shop.mailbox.letters().iter().all(|letter| letter.to == OWNER));
    }
}
