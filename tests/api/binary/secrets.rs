//! Secrets and the passwords of URLs: used from wherever they stand, and never told.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::configuration::{file, shown};
use crate::harness::{Binary, Cluster, Finished, SECRET, hs256};

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
fn config_show_redacts_a_password_with_signs_that_need_no_escape() {
    hides_the_password("postgres://shop:hunter2?x=y@db.example/shop");
    hides_the_password("postgres://shop:a?hunter2@db.example/shop");
    hides_the_password("postgres://shop:#hunter2#@db.example/shop");
    hides_the_password("postgres://shop:a&b=hunter2:c@db.example/shop");
}

/// Runs what reads the settings and returns all that it says, at every level of the log.
fn said_with_url(url: &str) -> Vec<Finished> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let url = url.replace("HOST", &format!("127.0.0.1:{port}"));
    let commands: [&[&str]; 6] = [
        &["serve"],
        &["config", "check"],
        &["config", "show"],
        &["migrate", "run"],
        &["migrate", "status"],
        &["customer", "show", "1"],
    ];
    let binary = Binary::bare().with("DATABASE_URL", &url).with("RUST_LOG", "trace");
    commands.iter().map(|command| binary.run(command)).collect()
}

#[test]
fn a_password_that_must_be_percent_encoded_is_one_line_that_says_so_and_nothing_of_it() {
    for url in [
        "postgres://shop:hunter2%zzhunter2@HOST/shop",
        "postgres://shop:hunter2/hunter2@HOST/shop",
        "postgres://shop:hunter2@hunter2@HOST/shop",
        "postgres://shop:hunter2@hunter2?hunter2@HOST/shop",
        "postgres://shop:hunter2%@HOST/shop",
        "postgresql://shop:hunter2@HOST:hunter2/shop",
    ] {
        for finished in said_with_url(url) {
            finished.refused(2, &["database.url", "percent-encode"]);
            assert!(!finished.err.contains("hunter2"), "{finished:?}");
        }
    }
}

#[test]
fn nothing_that_is_said_holds_a_part_of_a_password() {
    for url in [
        "postgres://shop:hunter2@HOST/shop",
        "postgres://shop:hunter2?hunter2@HOST/shop",
        "postgres://shop:hunter2%25hunter2@HOST/shop?sslmode=disable",
        "postgres://HOST/shop?user=shop&password=hunter2%40",
        "postgres://HOST/shop?password=hunter2&hunter2",
        "postgres://HOST/shop?password=hunter2&hunter2=hunter2",
        "postgres://shop:hunter2@HOST/shop?sslmode=nonsense",
    ] {
        for finished in said_with_url(url) {
            assert!(!finished.err.contains("hunter2") && !finished.out.contains("hunter2"), "{finished:?}");
        }
    }
}

#[test]
fn config_show_redacts_every_password_of_a_query() {
    hides_the_password("postgres://shop@db.example/shop?password=first&password=hunter2");
}

#[test]
fn a_value_that_is_refused_is_not_repeated() {
    for (section, key) in [
        ("server", "bind"),
        ("server", "workers"),
        ("auth", "algorithm"),
        ("log", "format"),
        ("log", "filter"),
        ("database", "url"),
        ("database", "migrate_at_start"),
    ] {
        let variable = format!("CLIENTELE__{}__{}", section.to_uppercase(), key.to_uppercase());
        let finished = Binary::bare().with(&variable, "hunter2, expected hunter2").run(&["config", "check"]);
        finished.refused(2, &[]);
        assert!(!finished.err.contains("hunter2"), "{finished:?}");
        let binary = Binary::bare();
        let path = file(&binary, &format!("[{section}]\n{key} = \"hunter2\"\n"));
        let finished = binary.run(&["--config", &path, "config", "check"]);
        finished.refused(2, &[&format!("{section}.{key}")]);
        assert!(!finished.err.contains("hunter2"), "{finished:?}");
    }
}

#[test]
fn a_mistake_in_the_line_of_a_secret_names_key_and_line_and_nothing_of_the_text() {
    for (text, words) in [
        ("[auth]\nissuer = \"x\"\nsecret = \"hunter2\n", ["line 3", "auth.secret"]),
        ("[auth]\nsecret = hunter2\n", ["line 2", "auth.secret"]),
        ("[database]\nurl = \"postgres://u:hunter2@h/d\"hunter2\n", ["line 2", "database.url"]),
        ("[auth]\nsecret = \"a\"\nsecret = \"hunter2\"\n", ["line 3", "auth.secret"]),
        ("[auth]\nsecret = \"\"\"\nhunter2\nhunter2\n", ["line", "auth.secret"]),
        ("[auth]\nsecret = \"hunter2\\q\"\n", ["line 2", "auth.secret"]),
        ("auth.secret = \"hunter2\n", ["line 1", "auth.secret"]),
        ("\u{feff}# hunter2\n[ auth ]\n  secret=hunter2", ["line 3", "auth.secret"]),
        ("[auth]\nhunter2\n", ["line 2", "not TOML"]),
        ("[auth]\nsecret = [\"hunter2\"]\n", ["auth.secret", "string"]),
    ] {
        let binary = Binary::bare();
        let path = file(&binary, text);
        for command in [&["config", "check"][..], &["config", "show"], &["serve"]] {
            let finished = binary.run(&[&["--config", &path], command].concat());
            finished.refused(2, &["clientele.toml", words[0], words[1]]);
            assert!(!finished.err.contains("hunter2"), "{finished:?}");
        }
    }
}

#[test]
fn a_secret_is_the_same_wherever_it_stands() {
    let issue = ["token", "issue", "--customer", "123"];
    let (mark, end) = ("\u{feff}", " \r\n\n");
    let decorated = format!("{mark}{SECRET}{end}");
    let by_variable = Binary::bare().with("CLIENTELE__AUTH__SECRET", &decorated);
    let by_file = Binary::bare().with("CLIENTELE__AUTH__SECRET_FILE", "key");
    let path = by_file.folder().join("key");
    std::fs::write(&path, &decorated).expect("a secret file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let by_toml = Binary::bare();
    let settings = file(&by_toml, &format!("{mark}[auth]\nsecret = \"{mark}{SECRET} \\n\"\n"));
    for token_of in
        [by_variable.run(&issue), by_file.run(&issue), by_toml.with("CLIENTELE_CONFIG", &settings).run(&issue)]
    {
        let (signed, signature) = token_of.done().rsplit_once('.').expect("a token");
        assert_eq!(signature, hs256(SECRET, signed), "{token_of:?}");
    }
}

#[test]
fn a_url_that_ends_in_a_newline_names_the_same_database() {
    let binary = Binary::bare().with("DATABASE_URL", "\u{feff}sqlite://here.db\n");
    assert_eq!(shown(binary.run(&["config", "show"]).done(), "database", "url"), "\"sqlite://here.db\"");
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
    let configured = Binary::bare().with("CLIENTELE__AUTH__SECRET", SECRET).with("CLIENTELE__MAIL__TRANSPORT", "none");
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
fn a_url_that_psql_takes_connects_with_any_sign_in_its_password() {
    // It asks for no password, so any will do, if it is taken for one.
    let cluster = Cluster::throwaway().expect("PostgreSQL");
    let url = cluster.url("postgres");
    let (scheme, rest) = url.split_once("postgres@").expect("a user");
    for password in ["s3c?ret", "s3c?x=y&z", "#s3c#", "s3:c'r\\et", "s3c%2Fret%40", ""] {
        let binary = Binary::on(&format!("{scheme}postgres:{password}@{rest}"));
        binary.run(&["migrate", "run"]).done();
    }
}
