//! The account pages in a real browser: what a customer notices. The walks are in tests/js/pages.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{App, Backend, free_port, node, run};

/// Walks through the pages of an instance that writes its mails as files.
async fn walk(name: &str, order: Value) {
    run(Backend::Sqlite, async |app: App| {
        let mails = TempDir::new().expect("a folder");
        let folder = mails.path().to_str().expect("UTF-8");
        let shop = format!("http://localhost:{}/", free_port());
        let app = app.instance(&[
            ("CLIENTELE__MAIL__TRANSPORT", "file"),
            ("CLIENTELE__MAIL__FOLDER", folder),
            ("CLIENTELE__PAGES__NAME", "Acorn & Co."),
            ("CLIENTELE__PAGES__RETURN_URLS", &shop),
        ]);
        let mut all = json!({"address": format!("http://{}", app.address), "mail": folder, "shop": shop});
        let more = order.as_object().into_iter().flatten();
        all.as_object_mut().expect("an object").extend(more.map(|(name, value)| (name.clone(), value.clone())));
        node("pages.mjs", &[name, &all.to_string()]).await;
    })
    .await;
}

#[actix_rt::test]
async fn an_account_lives_from_its_registration_to_its_erasure() {
    walk("everything", json!({"javascript": true})).await;
}

#[actix_rt::test]
async fn an_account_lives_without_javascript() {
    walk("everything", json!({"javascript": false})).await;
}

#[actix_rt::test]
async fn everybody_can_read_every_page_in_both_schemes_on_a_narrow_screen() {
    walk("looks", json!({})).await;
}

#[actix_rt::test]
async fn a_keyboard_is_enough() {
    walk("keyboard", json!({})).await;
}

#[actix_rt::test]
async fn nothing_is_lost_in_two_tabs_by_going_back_by_reloading_or_when_the_session_ends() {
    walk("tabs", json!({})).await;
}

#[actix_rt::test]
async fn other_sites_change_nothing_and_nobody_is_led_to_them() {
    walk("strangers", json!({})).await;
}

#[actix_rt::test]
async fn a_customer_reads_german_and_a_name_is_written_from_right_to_left() {
    walk("languages", json!({})).await;
}
