//! What `[mail]` takes: a wrong setting or template stops the start, in one line.

use std::path::Path;

use crate::harness::{Binary, Finished};

fn check(settings: &[(&str, &str)]) -> Finished {
    let binary = settings.iter().fold(Binary::bare(), |binary, (key, value)| {
        let (section, key) = key.split_once('.').expect("a section");
        binary.with(&format!("CLIENTELE__{}__{}", section.to_uppercase(), key.to_uppercase()), value)
    });
    binary.run(&["config", "check"])
}

const SMTP: [(&str, &str); 4] = [
    ("mail.transport", "smtp"),
    ("mail.url", "smtp://smtp.example"),
    ("mail.from", "accounts@shop.example"),
    ("server.public_url", "https://shop.example"),
];

#[test]
fn a_wrong_setting_is_named_in_one_line() {
    assert_eq!(check(&SMTP).done(), "the settings are valid");
    let with_links = [&SMTP[..3], &[("mail.links", "https://shop.example/account")]].concat();
    assert_eq!(check(&with_links).done(), "the settings are valid");
    let without_pages = [&with_links[..], &[("pages.enabled", "false")]].concat();
    assert_eq!(check(&without_pages).done(), "the settings are valid");
    for (changed, words) in [
        (("mail.transport", "sendmail"), &["mail.transport", "`file`, `smtp`, `none`"][..]),
        (("mail.transport", ""), &["mail.transport", "choose smtp, file or none"]),
        (("mail.url", ""), &["mail.url", "smtp://"]),
        (("mail.url", "smtp://smtp.example?tls=none"), &["mail.url", "on this machine only"]),
        (("mail.url", "smtp://john@smtp.example"), &["mail.url", "mail.password_file"]),
        (("mail.password", "hunter2"), &["mail.password", "a user in mail.url"]),
        (("mail.password_file", "missing"), &["mail.password_file", "missing"]),
        (("mail.from", ""), &["mail.from"]),
        (("mail.from", "shop"), &["mail.from", "Shop <accounts@shop.example>"]),
        (("mail.links", "shop.example"), &["mail.links", "https://shop.example/"]),
        (("mail.links", "https://shop.example/?a=b"), &["mail.links"]),
        (("server.public_url", ""), &["server.public_url"]),
        (("server.public_url", "ftp://shop.example"), &["server.public_url", "https://shop.example/"]),
        (("pages.enabled", "false"), &["pages.enabled = false needs mail.links"]),
        (("mail.retry_seconds", "0"), &["mail.retry_seconds takes 1 to 3600"]),
        (("mail.templates", "nowhere"), &["mail.templates", "nowhere"]),
    ] {
        let mut settings = SMTP.to_vec();
        settings.retain(|(key, _)| *key != changed.0);
        settings.push(changed);
        let refused = check(&settings);
        refused.refused(2, words);
        assert!(!refused.err.contains("hunter2"), "{refused:?}");
    }
}

#[test]
fn without_pages_the_links_in_mails_must_lead_elsewhere() {
    let without_pages = |more: &[(&str, &str)]| check(&[&[("pages.enabled", "false")], more].concat());
    // By default, mails are files.
    without_pages(&[]).refused(2, &["pages.enabled = false needs mail.links", "mail.transport = \"none\""]);
    without_pages(&[("mail.links", "https://shop.example/account/")]).done();
    without_pages(&[("mail.transport", "none")]).done();
}

#[test]
fn two_passwords_are_one_too_many() {
    let settings = [&SMTP[..], &[("mail.url", "smtp://john:one@smtp.example"), ("mail.password", "two")]].concat();
    check(&settings).refused(2, &["mail.url, mail.password and mail.password_file", "one password only"]);
}

#[test]
fn production_makes_the_operator_choose() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/production.toml");
    let binary = Binary::bare()
        .with("CLIENTELE_CONFIG", file.to_str().expect("UTF-8"))
        .with("CLIENTELE__AUTH__SECRET", &"s".repeat(32));
    binary.run(&["migrate", "run"]).done();
    binary.run(&["serve"]).refused(2, &["mail.transport: choose smtp, file or none"]);
    let binary = binary.with("CLIENTELE__MAIL__TRANSPORT", "none");
    assert_eq!(binary.run(&["config", "check"]).done(), "the settings are valid");
}

/// Checks the settings with a folder of templates that holds one file.
fn with_template(name: &str, change: impl Fn(&str) -> String) -> Finished {
    let binary = Binary::bare().with("CLIENTELE__MAIL__TEMPLATES", "templates");
    let folder = binary.folder().join("templates");
    std::fs::create_dir(&folder).expect("a folder");
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mail/templates").join(name);
    let text = std::fs::read_to_string(built_in).unwrap_or_default();
    std::fs::write(folder.join(name), change(&text)).expect("a file");
    let finished = binary.run(&["config", "check"]);
    if finished.code != Some(0) {
        assert!(binary.run(&["serve"]).err.ends_with(&finished.err), "{finished:?}");
    }
    finished
}

#[test]
fn a_template_that_does_not_render_stops_the_start_with_file_and_line() {
    with_template("layout.html", str::to_owned).done();
    with_template("de.toml", |text| text.replace("Guten Tag", "Moin")).done();
    for (name, from, to, words) in [
        ("layout.html", "{{ greeting }}", "{{ greting }}", &["templates/layout.html: line 11", "greting"][..]),
        ("layout.html", "{%- endfor %}", "", &["templates/layout.html: line 23"]),
        ("layout.txt", "{{ footer }}", "{{ footer", &["templates/layout.txt: line 12"]),
        ("en.toml", "Hello {{ name }}", "Hello {{ nmae }}", &["templates/en.toml: line 4", "nmae"]),
        ("en.toml", "[mails.test]", "[mails.tset]", &["templates/en.toml: line 94", "tset"]),
        (
            "en.toml",
            "button = \"Set a new password\"",
            "",
            &["templates/en.toml: line 19", "mails.forgotten_password needs a button"],
        ),
        ("fr.toml", "greeting = ", "greeting ", &["templates/fr.toml: line 5"]),
        ("es.toml", "{{ network }}", "{% network %}", &["templates/es.toml: line 82"]),
        ("de.toml", "{{ shop }}.\"", "{{ shop.name }}.\"", &["templates/de.toml: line 91"]),
        ("it.toml", "", "", &["templates/it.toml replaces nothing", "de.toml"]),
    ] {
        let refused = with_template(name, |text| text.replacen(from, to, 1));
        refused.refused(2, words);
    }
}

#[test]
fn a_replaced_text_is_the_one_that_is_sent() {
    let binary = Binary::bare().with("CLIENTELE__MAIL__TEMPLATES", "templates");
    let folder = binary.folder().join("templates");
    std::fs::create_dir(&folder).expect("a folder");
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mail/templates/en.toml");
    let text = std::fs::read_to_string(built_in).expect("the texts").replace("Test message", "Just testing");
    std::fs::write(folder.join("en.toml"), text).expect("a file");
    binary.run(&["mail", "test", "john@example.com"]).done();
    let file = std::fs::read_dir(binary.folder().join("data/mail")).expect("the folder").next().expect("a mail");
    let mail = std::fs::read_to_string(file.expect("an entry").path()).expect("the mail");
    assert!(mail.contains("Subject: Just testing"), "{mail}");
}

#[test]
fn a_folder_of_mails_that_is_a_file_stops_the_start() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let name = file.path().to_str().expect("UTF-8");
    check(&[("mail.folder", name)]).refused(2, &["mail.folder", name, "not a folder"]);
}
