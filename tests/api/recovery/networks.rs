//! The notice of a sign-in from a network that was not seen before.

use serde_json::json;

use super::{NEW, OLD, Shop};
use crate::harness::{Reply, on_both_databases};

const ROSA: &str = "rosa@example.com";
const PROXY: (&str, &str) = ("CLIENTELE__THROTTLE__TRUSTED_PROXIES", "127.0.0.1");
const NOTIFY: (&str, &str) = ("CLIENTELE__AUTH__NOTIFY_NEW_NETWORKS", "true");

async fn from(shop: &Shop, address: &str, password: &str) -> Reply {
    let credentials = json!({"email": ROSA, "password": password});
    shop.app.post("/auth/token/").header("X-Forwarded-For", address).json(&credentials).send().await
}

/// The texts of the notices so far.
async fn notices(shop: &Shop) -> Vec<String> {
    shop.mailbox.settle(&shop.app).await;
    let letters = shop.mailbox.letters().into_iter();
    letters.filter(|letter| letter.subject.contains("new sign-in")).map(|letter| letter.text).collect()
}

on_both_databases! {
    async fn a_sign_in_from_a_new_network_is_told_once(app: App) {
        let shop = Shop::with(&app, &[PROXY, NOTIFY]);
        // The first network is not told: nothing is known to compare it with.
        shop.app.member(ROSA).await;
        for (address, told) in [("198.51.100.7", 1), ("198.51.100.200", 1), ("127.0.0.1", 1), ("2001:db8:7::1", 2), ("2001:db8:7:1::2", 2)] {
            from(&shop, address, OLD).await.expect(200);
            assert_eq!(notices(&shop).await.len(), told, "{address}");
        }
        from(&shop, "203.0.113.1", "wrong").await.problem(401, "bad_credentials");
        let notices = notices(&shop).await;
        assert!(notices[0].contains("198.51.100.0/24") && notices[1].contains("2001:db8:7::/48"), "{notices:?}");
    }

    async fn nothing_is_told_unless_it_is_wished(app: App) {
        let shop = Shop::with(&app, &[PROXY]);
        shop.app.member(ROSA).await;
        from(&shop, "198.51.100.7", OLD).await.expect(200);
        assert_eq!(notices(&shop).await, Vec::<String>::new());
    }

    async fn after_a_reset_the_next_network_is_new(app: App) {
        let shop = Shop::with(&app, &[PROXY, NOTIFY]);
        shop.app.member(ROSA).await;
        from(&shop, "198.51.100.7", OLD).await.expect(200);
        shop.reset(&shop.reset_link(ROSA).await, NEW).await.expect(204);
        from(&shop, "198.51.100.7", NEW).await.expect(200);
        assert_eq!(notices(&shop).await.len(), 2);
    }
}
