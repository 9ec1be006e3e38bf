//! Settings: layers, unknown keys, values that are refused.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;

use crate::harness::{Binary, Finished, SECRET};

pub(super) fn file(binary: &Binary, text: &str) -> String {
    let path = binary.folder().join("clientele.toml");
    std::fs::write(&path, text).expect("the settings are written");
    path.to_string_lossy().into_owned()
}

/// `key = value` of a section that `config show` printed.
pub(super) fn shown(text: &str, section: &str, key: &str) -> String {
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
fn both_listeners_need_addresses_of_their_own() {
    let check = |server: &str, metrics: &str| {
        let binary = Binary::bare().with("CLIENTELE__SERVER__BIND", server).with("CLIENTELE__METRICS__BIND", metrics);
        binary.run(&["config", "check"])
    };
    for (server, metrics) in [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("127.0.0.1:8080", "0.0.0.0:8080"),
        ("[::]:8080", "127.0.0.1:8080"),
        ("[::1]:8080", "[::]:8080"),
        ("0.0.0.0:8080", "[::]:8080"),
    ] {
        check(server, metrics).refused(2, &["metrics.bind", "server.bind"]);
    }
    for (server, metrics) in [
        ("127.0.0.1:8080", "127.0.0.1:9100"),
        ("127.0.0.1:8080", "127.0.0.2:8080"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("0.0.0.0:8080", "[::1]:8080"),
        ("127.0.0.1:8080", "[::1]:8080"),
    ] {
        check(server, metrics).done();
    }
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
fn an_origin_that_no_browser_sends_is_refused_in_one_line() {
    const VARIABLE: &str = "CLIENTELE__SERVER__CORS_ORIGINS";
    for (origins, word) in [
        ("*", "wildcards"),
        ("https://*.shop.example", "wildcards"),
        ("null", "https://"),
        ("shop.example", "https://"),
        ("[\"https://shop.example\"]", "https://"),
        ("https://shop.example/", "slash"),
        ("http://localhost:3000, https://shop.example/app", "path"),
        ("https://Shop.example", "lower case"),
        ("https://shop.example:443", "port"),
        ("https://a.example https://b.example", "one origin per entry"),
        ("https://user:hunter2@shop.example", "browsers"),
    ] {
        let binary = Binary::bare().with(VARIABLE, origins);
        both_refuse(&binary, 2, &["server.cors_origins: expected ", word]);
        assert!(!binary.run(&["config", "check"]).err.contains("hunter2"));
    }
    for (text, word) in [
        ("cors_origins = [\"https://shop.example/\"]", "slash"),
        ("cors_origins = [\"https://shop.example\", \"\"]", "https://"),
        ("cors_origins = [443]", "string"),
        ("cors_origins = \"https://shop.example\"", "array"),
    ] {
        let binary = Binary::bare();
        let path = file(&binary, &format!("[server]\n{text}\n"));
        let binary = binary.with("CLIENTELE_CONFIG", &path);
        both_refuse(&binary, 2, &["server.cors_origins", word]);
    }
}

#[test]
fn origins_are_listed_in_a_file_or_in_a_variable() {
    let binary = Binary::bare();
    let path = file(&binary, "[server]\ncors_origins = [\"https://shop.example\", \"http://[::1]:3000\"]\n");
    let show = binary.run(&["--config", &path, "config", "show"]);
    assert_eq!(shown(show.done(), "server", "cors_origins"), "[\"https://shop.example\", \"http://[::1]:3000\"]");
    for (origins, listed) in [
        (" https://shop.example , http://localhost:3000,", "[\"https://shop.example\", \"http://localhost:3000\"]"),
        ("https://xn--bcher-kva.example", "[\"https://xn--bcher-kva.example\"]"),
        ("", "[]"),
    ] {
        let show = Binary::bare().with("CLIENTELE__SERVER__CORS_ORIGINS", origins).run(&["config", "show"]);
        assert_eq!(shown(show.done(), "server", "cors_origins"), listed);
    }
}
