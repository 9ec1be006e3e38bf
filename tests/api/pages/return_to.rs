//! Where signing in leads.

use super::visitor::{Visitor, urlencoded, value_of};
use crate::harness::{App, PASSWORD, on_both_databases};

const SHOP: &str = "https://shop.example/de/";

fn instance(app: &App) -> App {
    app.instance(&[("CLIENTELE__PAGES__RETURN_URLS", "https://shop.example/de/,http://localhost:3000/")])
}

on_both_databases! {
    async fn a_permitted_address_is_returned_to(app: App) {
        let app = instance(&app);
        app.member("ada@example.com").await;
        for (given, expected) in [
            ("https://shop.example/de/", SHOP),
            ("https://shop.example/de/cart?x=1&y=ü#z", "https://shop.example/de/cart?x=1&y=%C3%BC#z"),
            ("HTTPS://SHOP.example/de/cart", "https://shop.example/de/cart"),
            ("http://localhost:3000/a", "http://localhost:3000/a"),
        ] {
            let visitor = Visitor::new(&app);
            let query = urlencoded(&[("return_to", given)]);
            let page = visitor.page(&format!("/account/sign-in?{query}")).await;
            let return_to = value_of(&page, "return_to");
            assert_eq!(return_to, expected);
            assert!(page.contains(&format!("/account/register?{}", urlencoded(&[("return_to", expected)]))), "{page}");
            let form = [("email", "ada@example.com"), ("password", "wrong"), ("return_to", return_to.as_str())];
            let page = visitor.submit("/account/sign-in", &form).await.expect(401).page();
            assert_eq!(value_of(&page, "return_to"), expected);
            let form = [("email", "ada@example.com"), ("password", PASSWORD), ("return_to", return_to.as_str())];
            visitor.submit("/account/sign-in", &form).await.leads_to(expected);
            visitor.get(&format!("/account/sign-in?{query}")).await.leads_to(expected);
        }
    }

    async fn any_other_address_is_ignored(app: App) {
        let app = instance(&app);
        app.member("ada@example.com").await;
        for hostile in [
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example/",
            "\\\\evil.example",
            "https:evil.example",
            "https://shop.example/",
            "https://shop.example/den",
            "https://shop.example/de/../",
            "https://shop.example/de/%2e%2e/",
            "https://shop.example.evil.example/de/",
            "https://shop.example@evil.example/de/",
            "https://shop.example:444/de/",
            "https://evil.example/https://shop.example/de/",
            "http://shop.example/de/",
            "javascript:alert(1)//https://shop.example/de/",
            "data:text/html,https://shop.example/de/",
            " https://evil.example/",
            "https://shop.example/de/\r\nSet-Cookie: a=b".get(..15).unwrap_or_default(),
            "",
        ] {
            let visitor = Visitor::new(&app);
            let query = urlencoded(&[("return_to", hostile)]);
            let page = visitor.page(&format!("/account/sign-in?{query}")).await;
            assert!(!page.contains("return_to") && !page.contains("Back to the shop"), "{hostile}: {page}");
            let form = [("email", "ada@example.com"), ("password", PASSWORD), ("return_to", hostile)];
            visitor.submit("/account/sign-in", &form).await.leads_to("/account/");
        }
    }

    async fn a_line_break_in_an_address_adds_no_header(app: App) {
        let app = instance(&app);
        app.member("ada@example.com").await;
        let visitor = Visitor::new(&app);
        let address = "https://shop.example/de/\r\nSet-Cookie: a=b";
        let form = [("email", "ada@example.com"), ("password", PASSWORD), ("return_to", address)];
        let reply = visitor.submit("/account/sign-in", &form).await;
        reply.leads_to("https://shop.example/de/Set-Cookie:%20a=b");
        assert!(reply.header("set-cookie").is_some_and(|cookie| cookie.starts_with("clientele=")));
    }

    async fn only_pages_of_our_own_are_next(app: App) {
        app.member("ada@example.com").await;
        for (next, expected) in [
            ("profile", "/account/profile"),
            ("history", "/account/history"),
            ("/account/profile", "/account/"),
            ("//evil.example", "/account/"),
            ("sign-out", "/account/"),
            ("", "/account/"),
        ] {
            let form = [("email", "ada@example.com"), ("password", PASSWORD), ("next", next)];
            Visitor::new(&app).submit("/account/sign-in", &form).await.leads_to(expected);
        }
    }

    async fn a_registration_returns_to_the_shop_too_and_the_policy_lets_it(app: App) {
        let app = instance(&app);
        let visitor = Visitor::new(&app);
        let query = urlencoded(&[("return_to", SHOP)]);
        let reply = visitor.get(&format!("/account/register?{query}")).await.expect(200);
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(policy.contains("form-action 'self' https://shop.example http://localhost:3000;"), "{policy}");
        let form = [("email", "a@example.com"), ("first_name", "A"), ("password", PASSWORD), ("return_to", SHOP)];
        visitor.submit("/account/register", &form).await.expect(422).page();
        let form = [("email", "a@example.com"), ("first_name", "A"), ("last_name", ""), ("password", PASSWORD), ("return_to", SHOP)];
        visitor.submit("/account/register", &form).await.leads_to(SHOP);
        visitor.page("/account/").await;
    }
}
