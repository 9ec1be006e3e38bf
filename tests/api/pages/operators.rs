//! What an operator may set: name, logo, style sheet, templates, texts.

use super::visitor::Visitor;
use crate::harness::{Binary, on_both_databases};

on_both_databases! {
    async fn a_shop_has_its_name_logo_and_style(app: App) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
        std::fs::write(path("logo.svg"), "<svg xmlns=\"http://www.w3.org/2000/svg\"/>").expect("a file");
        std::fs::write(path("shop.css"), "body { color: red }").expect("a file");
        let app = app.instance(&[
            ("CLIENTELE__PAGES__NAME", "Acorn & Co."),
            ("CLIENTELE__PAGES__LOGO", &path("logo.svg")),
            ("CLIENTELE__PAGES__STYLESHEET", &path("shop.css")),
        ]);
        let page = Visitor::new(&app).page("/account/sign-in").await;
        assert!(page.contains("<title>Sign in – Acorn & Co.</title>"), "{page}");
        let file = |stem: &str| {
            page.split('"').find(|text| text.starts_with(&format!("/account/assets/{stem}."))).expect("a file").to_owned()
        };
        let logo = app.get(&file("logo")).send().await.expect(200);
        assert_eq!(logo.header("content-type"), Some("image/svg+xml"));
        assert!(logo.header("content-security-policy").is_some_and(|policy| policy.contains("sandbox")));
        let style = app.get(&file("shop")).send().await.expect(200);
        assert_eq!((style.text(), style.header("content-type")), ("body { color: red }", Some("text/css; charset=utf-8")));
    }

    async fn a_template_and_a_text_of_the_shop_s_replace_ours(app: App) {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        write("erased.html", "{% extends \"layout.html\" %}{% block content %}<h1>Farewell from {{ site.name }}</h1>{% endblock %}");
        write("de.toml", "[sign_in]\ntitle = \"Hereinspaziert\"\n");
        let app = app.instance(&[("CLIENTELE__PAGES__TEMPLATES", folder.path().to_str().expect("UTF-8"))]);
        let visitor = Visitor::new(&app);
        assert!(visitor.page("/account/erased").await.contains("<h1>Farewell from Your account</h1>"));
        let german = app.get("/account/sign-in").header("Accept-Language", "de").send().await.expect(200).page();
        assert!(german.contains("<h1>Hereinspaziert</h1>"), "{german}");
        visitor.page("/account/register").await;
    }
}

#[test]
fn what_cannot_be_shown_stops_the_start_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    std::fs::create_dir(path("broken")).expect("a folder");
    std::fs::write(path("broken/overview.html"), "one\n{{ nobody }}").expect("a file");
    std::fs::create_dir(path("misspelt")).expect("a folder");
    std::fs::write(path("misspelt/de.toml"), "[sign_in]\ntittle = \"x\"").expect("a file");
    std::fs::write(path("logo.exe"), "x").expect("a file");
    for (key, value, expected) in [
        ("TEMPLATES", path("broken"), "overview.html:2: undefined value"),
        ("TEMPLATES", path("misspelt"), "de.toml: there is no text sign_in.tittle"),
        ("TEMPLATES", path("nothing"), "pages.templates"),
        ("LOGO", path("logo.exe"), "pages.logo"),
        ("LOGO", path("nothing.svg"), "pages.logo"),
        ("STYLESHEET", path("logo.exe"), "pages.stylesheet"),
        ("RETURN_URLS", "https://shop.example".into(), "pages.return_urls: expected addresses with a scheme"),
        ("RETURN_URLS", "https://shop.example/?x".into(), "pages.return_urls: expected addresses without a query"),
    ] {
        let binary = Binary::bare().with(&format!("CLIENTELE__PAGES__{key}"), &value);
        binary.run(&["config", "check"]).refused(2, &[expected]);
    }
}
