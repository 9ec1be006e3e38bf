//! Settings: layers, unknown keys, secrets that stay secret.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{Binary, SECRET};

fn file(binary: &Binary, text: &str) -> String {
    let path = binary.folder().join("clientele.toml");
    std::fs::write(&path, text).expect("the settings are written");
    path.to_string_lossy().into_owned()
}

/// `key = value` of a section that `config show` printed.
fn shown(text: &str, section: &str, key: &str) -> String {
    let table: toml::Table = text.parse().expect("TOML");
    table[section][key].to_string()
}

#[test]
fn config_show_prints_every_key_and_the_defaults() {
    let finished = Binary::bare().run(&["config", "show"]);
    let text = finished.done();
    let defaults: toml::Table = clientele::settings::DEFAULTS.parse().expect("TOML");
    assert_eq!(text.parse::<toml::Table>().expect("TOML"), defaults);
    assert_eq!(shown(text, "server", "bind"), "\"127.0.0.1:8080\"");
    assert_eq!(shown(text, "database", "url"), "\"sqlite://data/clientele.db\"");
}

#[test]
fn a_file_overlays_the_defaults_and_a_variable_overlays_the_file() {
    let binary = Binary::bare();
    let path = file(&binary, "[server]\nworkers = 3\nkeep_alive_seconds = 9\n[database]\nurl = \"sqlite://file.db\"\n");
    for show in [binary.run(&["--config", &path, "config", "show"]), {
        let configured = Binary::bare().with("CLIENTELE_CONFIG", &path);
        configured.run(&["config", "show"])
    }] {
        assert_eq!(shown(show.done(), "server", "workers"), "3");
        assert_eq!(shown(show.done(), "database", "url"), "\"sqlite://file.db\"");
        assert_eq!(shown(show.done(), "server", "bind"), "\"127.0.0.1:8080\"");
    }
    let layered = Binary::bare().with("CLIENTELE__SERVER__WORKERS", "5").with("DATABASE_URL", "sqlite://variable.db");
    let show = layered.run(&["config", "show", "--config", &path]);
    assert_eq!(shown(show.done(), "server", "workers"), "5");
    assert_eq!(shown(show.done(), "server", "keep_alive_seconds"), "9");
    assert_eq!(shown(show.done(), "database", "url"), "\"sqlite://variable.db\"");
}

fn hides_the_password(url: &str) {
    let binary = Binary::bare().with("DATABASE_URL", url).with("CLIENTELE__AUTH__SECRET", SECRET);
    let finished = binary.run(&["config", "show"]);
    let text = finished.done();
    assert!(!text.contains("hunter2") && !text.contains(SECRET), "{text}");
    assert_eq!(shown(text, "auth", "secret"), "\"[redacted]\"");
}

#[test]
fn config_show_redacts_secrets_and_passwords() {
    for url in [
        "postgres://shop:hunter2@db.example/shop",
        "postgres://shop:hunter2@db1.example:5432,db2.example/shop?sslmode=require",
        "postgres://db.example/shop?user=shop&password=hunter2&sslmode=require",
        "postgres://db.example/shop?sslkey=k&sslpassword=hunter2",
        "postgresql://shop:hunter2%40x@db.example/shop",
    ] {
        hides_the_password(url);
    }
}

#[test]
fn config_show_redacts_a_password_whose_signs_were_not_escaped() {
    hides_the_password("postgres://shop:hunter2/x@db.example/shop");
    hides_the_password("postgres://shop:p@hunter2@db.example/shop");
}

#[test]
fn config_show_redacts_every_password_of_a_query() {
    hides_the_password("postgres://shop@db.example/shop?password=first&password=hunter2");
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    let cases = [
        ("CLIENTELE__SERVER__BNID", "server.bind"),
        ("CLIENTELE__DATABASE__URI", "database.url"),
        ("CLIENTELE__AUTH__SECRETS", "auth.secret"),
        ("CLIENTELE__AUHT__ISSUER", "auth.issuer"),
        ("CLIENTELE__LOG__FORMATT", "log.format"),
    ];
    for (variable, nearest) in cases {
        Binary::bare().with(variable, "x").run(&["config", "check"]).refused(2, &[variable, nearest]);
    }
    for (text, nearest) in
        [("[server]\nbnid = \"127.0.0.1:1\"\n", "server.bind"), ("[databse]\nurl = \"x\"\n", "database.url")]
    {
        let binary = Binary::bare();
        let path = file(&binary, text);
        binary.run(&["--config", &path]).refused(2, &["clientele.toml", nearest]);
    }
}

#[test]
fn a_bad_value_is_one_line_and_exit_code_2() {
    for (variable, value, word) in [
        ("CLIENTELE__SERVER__BIND", "nowhere", "server.bind"),
        ("CLIENTELE__SERVER__WORKERS", "many", "CLIENTELE__SERVER__WORKERS"),
        ("CLIENTELE__SERVER__WORKERS", "-1", "workers"),
        ("CLIENTELE__SERVER__WORKERS", "100000", "server.workers"),
        ("CLIENTELE__DATABASE__QUEUE", "0", "database.queue"),
        ("CLIENTELE__DATABASE__MIGRATE_AT_START", "yes", "CLIENTELE__DATABASE__MIGRATE_AT_START"),
        ("CLIENTELE__AUTH__ALGORITHM", "none", "none"),
        ("CLIENTELE__LOG__FORMAT", "xml", "xml"),
        ("CLIENTELE__AUTH__SECRET", "too short", "32"),
        ("DATABASE_URL", "mysql://localhost/x", "database.url"),
        ("DATABASE_URL", "", "database.url"),
        ("DATABASE_URL", "sqlite://", "database.url"),
        ("DATABASE_URL", "clientele.db", "database.url"),
    ] {
        for command in [&["config", "check"][..], &["serve"], &[]] {
            Binary::bare().with(variable, value).run(command).refused(2, &[word]);
        }
    }
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_exit_code_2() {
    let binary = Binary::bare();
    binary.run(&["--config", "missing.toml", "config", "check"]).refused(2, &["missing.toml"]);
    let path = file(&binary, "[server\nbind");
    binary.run(&["--config", &path, "config", "check"]).refused(2, &["clientele.toml"]);
    let path = file(&binary, "[server]\nbind = 8080\n");
    binary.run(&["--config", &path, "config", "check"]).refused(2, &["clientele.toml", "server.bind"]);
    let path = file(&binary, "server = 1\n");
    binary.run(&["--config", &path, "config", "check"]).refused(2, &["clientele.toml", "server"]);
}

#[test]
fn a_bad_database_url_never_shows_its_password() {
    for url in ["mysql://shop:hunter2@db.example/shop", "postgres//shop:hunter2@db.example/shop", "shop:hunter2@db"] {
        let finished = Binary::bare().with("DATABASE_URL", url).run(&["serve"]);
        finished.refused(2, &["database.url"]);
        assert!(!finished.err.contains("hunter2"), "{finished:?}");
    }
}

#[test]
fn production_refuses_to_start_without_a_configured_secret() {
    let production = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/production.toml");
    let production = production.to_string_lossy();
    for command in ["serve", "config"] {
        let arguments: &[&str] = if command == "config" { &["config", "check"] } else { &["serve"] };
        let binary = Binary::bare();
        binary.run(&[&["--config", &production], arguments].concat()).refused(2, &["CLIENTELE__AUTH__SECRET"]);
        assert!(!binary.folder().join("data/secret").exists());
    }
    let configured = Binary::bare().with("CLIENTELE__AUTH__SECRET", SECRET);
    configured.run(&["--config", &production, "config", "check"]).done();
}

#[test]
fn a_secret_is_made_once_with_mode_0600_and_used_again() {
    let binary = Binary::bare();
    let issue = ["token", "issue", "--customer", "123"];
    binary.run(&issue).done();
    let path = binary.folder().join("data/secret");
    let mode = |path: &Path| std::fs::metadata(path).expect("its metadata").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&binary.folder().join("data")), 0o700);
    let secret = std::fs::read(&path).expect("the secret");
    assert!(secret.trim_ascii().len() >= 32);
    binary.run(&issue).done();
    assert_eq!(std::fs::read(&path).expect("the secret"), secret);
}

#[test]
fn a_secret_file_that_is_short_missing_or_open_to_all_is_refused() {
    let binary = Binary::bare().with("CLIENTELE__AUTH__SECRET_FILE", "key");
    let path = binary.folder().join("key");
    std::fs::write(&path, "short\n").expect("a key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    binary.run(&["config", "check"]).refused(2, &["auth.secret_file", "32"]);
    std::fs::write(&path, SECRET).expect("a key");
    binary.run(&["config", "check"]).done();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    binary.run(&["config", "check"]).refused(2, &["auth.secret_file"]);
    let nowhere = Binary::bare()
        .with("CLIENTELE__AUTH__SECRET_FILE", "nowhere")
        .with("CLIENTELE__AUTH__GENERATE_SECRET", "false");
    nowhere.run(&["serve"]).refused(2, &["auth.secret_file", "nowhere"]);
}

#[test]
fn config_check_makes_nothing() {
    let binary = Binary::bare();
    binary.run(&["config", "check"]).done();
    assert_eq!(std::fs::read_dir(binary.folder()).expect("the folder").count(), 0);
}
