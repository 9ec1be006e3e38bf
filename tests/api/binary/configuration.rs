//! Settings: layers, unknown keys, secrets that stay secret.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{Binary, Cluster, Finished, SECRET, hs256};

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
        ("CLIENTELE__AUTH__ALGORITHM", "none", "auth.algorithm: expected `HS256` or `EdDSA`"),
        ("CLIENTELE__LOG__FORMAT", "xml", "log.format: expected `text` or `json`"),
        ("CLIENTELE__THROTTLE__TRUSTED_PROXIES", "10.0.0.0/8, nobody", "throttle.trusted_proxies: expected"),
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
fn two_variables_that_set_one_key_differently_are_both_named() {
    for (one, other) in [
        ("DATABASE_URL", "CLIENTELE__DATABASE__URL"),
        ("CLIENTELE__DATABASE__URL", "DATABASE_URL"),
        ("CLIENTELE__DATABASE__URL", "CLIENTELE__database__url"),
    ] {
        let binary = Binary::bare().with(one, "sqlite://one.db");
        binary.with(other, "sqlite://other.db").run(&["config", "check"]).refused(2, &[one, other]);
        let binary = Binary::bare().with(one, "sqlite://one.db").with(other, "sqlite://one.db");
        assert_eq!(shown(binary.run(&["config", "show"]).done(), "database", "url"), "\"sqlite://one.db\"");
    }
    let secrets = Binary::bare().with("CLIENTELE__AUTH__SECRET", "hunter2").with("CLIENTELE__Auth__Secret", "hunter22");
    let finished = secrets.run(&["config", "check"]);
    finished.refused(2, &["CLIENTELE__AUTH__SECRET", "CLIENTELE__Auth__Secret"]);
    assert!(!finished.err.contains("hunter2"), "{finished:?}");
}

#[test]
fn a_variable_that_is_no_text_is_refused_by_name() {
    for name in ["DATABASE_URL", "CLIENTELE__AUTH__SECRET", "CLIENTELE__SERVER__WORKERS", "RUST_LOG"] {
        let value = OsStr::from_bytes(b"sqlite://caf\xe9.db");
        for command in [&["serve"][..], &["config", "check"], &["migrate", "run"]] {
            let binary = Binary::bare().with_bytes(name, value);
            binary.run(command).refused(2, &[name, "UTF-8"]);
            assert_eq!(std::fs::read_dir(binary.folder()).expect("the folder").count(), 0);
        }
    }
}

#[test]
fn a_filter_that_is_no_level_is_refused_with_the_levels() {
    for filter in ["warning", "inof", "info,actix_http=warning", "clientele"] {
        for name in ["CLIENTELE__LOG__FILTER", "RUST_LOG"] {
            let finished = Binary::bare().with(name, filter).run(&["serve"]);
            finished.refused(2, &["off, error, warn, info, debug, trace"]);
        }
    }
    for filter in ["warn", "Info,actix_http=OFF", "clientele::access=info"] {
        for name in ["CLIENTELE__LOG__FILTER", "RUST_LOG"] {
            Binary::bare().with(name, filter).run(&["config", "check"]).done();
        }
    }
}

#[test]
fn every_number_has_a_least_and_a_most() {
    let defaults: toml::Table = clientele::settings::DEFAULTS.parse().expect("TOML");
    let mut numbers = 0;
    for (section, values) in &defaults {
        for (key, _) in values.as_table().expect("a section").iter().filter(|(_, value)| value.is_integer()) {
            let variable = format!("CLIENTELE__{}__{}", section.to_uppercase(), key.to_uppercase());
            for beyond in ["-1", &i64::MAX.to_string(), "99999999999999999999"] {
                let name = if beyond.len() > 19 { variable.clone() } else { format!("{section}.{key}") };
                Binary::bare().with(&variable, beyond).run(&["config", "check"]).refused(2, &[&name]);
            }
            numbers += 1;
        }
    }
    assert!(numbers > 15, "{numbers}");
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
fn where_no_key_is_near_the_keys_of_the_section_are_named() {
    for (variable, words) in [
        ("CLIENTELE__SERVER__PORT", ["server.port", "bind"]),
        ("CLIENTELE__LOG__LEVEL", ["log.level", "filter"]),
        ("CLIENTELE__AUTH__KID", ["auth.kid", "secret_file"]),
        ("CLIENTELE__NONSENSE__KEY", ["nonsense.key", "throttle"]),
        ("CLIENTELE__SERVER", ["server", "bind"]),
    ] {
        let finished = Binary::bare().with(variable, "80").run(&["config", "check"]);
        finished.refused(2, &[&[variable][..], &words].concat());
        assert!(!finished.err.contains("did you mean"), "{finished:?}");
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

/// Checks that `serve` and `config check` refuse alike.
fn both_refuse(binary: &Binary, code: i32, words: &[&str]) {
    let [serve, check] = [&["serve"][..], &["config", "check"]].map(|command| binary.run(command));
    serve.refused(code, words);
    check.refused(code, words);
    let told = |finished: &Finished| finished.err.lines().last().map(ToOwned::to_owned);
    assert_eq!(told(&serve), told(&check));
}

#[test]
fn config_check_refuses_what_serve_refuses() {
    let eddsa = || Binary::bare().with("CLIENTELE__AUTH__ALGORITHM", "EdDSA").with("CLIENTELE__AUTH__SECRET", SECRET);
    both_refuse(&eddsa().with("CLIENTELE__AUTH__KEY_FILE", "missing.pem"), 2, &["missing.pem"]);
    let broken = eddsa().with("CLIENTELE__AUTH__KEY_FILE", "broken.pem");
    std::fs::write(broken.folder().join("broken.pem"), "no key").expect("a file");
    both_refuse(&broken, 2, &["broken.pem", "Ed25519"]);
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let url = format!("postgres://shop:hunter2@127.0.0.1:{port}/shop");
    both_refuse(&Binary::bare().with("DATABASE_URL", &url), 1, &["postgresql", "refused"]);
    let text = Binary::bare().with("DATABASE_URL", "sqlite://notes.txt");
    std::fs::write(text.folder().join("notes.txt"), "This has never been a database. ".repeat(200)).expect("a file");
    both_refuse(&text, 1, &["sqlite"]);
    if !cfg!(feature = "postgres-tls") {
        both_refuse(&Binary::bare().with("DATABASE_URL", &format!("{url}?sslmode=require")), 1, &["sslmode"]);
    }
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
