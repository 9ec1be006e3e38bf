//! config/clientele.service: systemd reads it, finds it hardened, and it fits the settings.

use std::process::Command;

use super::page::{blocks, read};
use crate::harness::Binary;

const UNIT: &str = "config/clientele.service";
const PAGE: &str = "docs/operations/deployment.md";

/// The values of a key of the unit, in their order.
fn values(unit: &str, key: &str) -> Vec<String> {
    let values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.map(str::to_owned).collect()
}

fn number(unit: &str, key: &str) -> i64 {
    values(unit, key).first().and_then(|text| text.parse().ok()).unwrap_or_else(|| unreachable!("{key} is no number"))
}

/// What `systemd-analyze` says of the unit, with the program under test in the place of the installed one.
fn analyze(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("clientele.service");
    let unit = read(UNIT)
        .replace("ExecStart=/usr/local/bin/clientele", concat!("ExecStart=", env!("CARGO_BIN_EXE_clientele")));
    std::fs::write(&file, unit).expect("a unit");
    let output = Command::new("systemd-analyze").args(arguments).arg(&file).output();
    let output = output.expect("systemd-analyze, which tests/run installs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said.into_owned()
}

#[test]
fn systemd_has_nothing_to_say_against_the_unit() {
    assert_eq!(analyze(&["verify", "--man=no"]), "");
}

#[test]
fn the_exposure_of_the_unit_is_below_2() {
    let said = analyze(&["security", "--offline=true", "--no-pager"]);
    let (_, level) = said.split_once("Overall exposure level for clientele.service: ").expect("a level");
    let level: f64 = level.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    // The page says so.
    assert!(level < 2.0 && read(PAGE).contains("exposure below 2."), "{said}");
}

#[test]
fn the_unit_starts_what_there_is_and_fits_the_defaults() {
    let (unit, settings) = (read(UNIT), read("config/default.toml"));
    let settings: toml::Table = settings.parse().expect("TOML");
    let default = |key: &str| settings["server"][key].as_integer().expect("a number");
    assert!(number(&unit, "TimeoutStopSec") > default("shutdown_timeout_seconds") + 5);
    assert!(number(&unit, "LimitNOFILE") > default("max_connections") + 100);
    let command = values(&unit, "ExecStart").concat();
    let arguments: Vec<&str> = command.split(' ').skip(1).collect();
    Binary::bare().run(&[arguments.as_slice(), &["--help"]].concat()).done();
}

/// Each `toml` block of a page is a whole settings file.
#[test]
fn the_settings_that_the_page_proposes_are_taken() {
    let binary = Binary::bare();
    let secret = binary.folder().join("secret").display().to_string();
    std::fs::write(binary.folder().join("settings.toml"), {
        let block = blocks(PAGE).into_iter().find(|block| block.language == "toml").expect("settings");
        std::fs::write(binary.folder().join("mail-password"), "secret").expect("a password");
        block.text.replace("/etc/clientele/secret", &secret).replace("/etc/clientele/mail-password", "mail-password")
    })
    .expect("a file");
    let check = ["--config", "settings.toml", "config", "check"];
    binary.run(&["--config", "settings.toml", "migrate", "run"]).done();
    binary.run(&check).refused(2, &["secret"]);
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.write(true).create(true).open(&secret).expect("a file");
    std::io::Write::write_all(&mut &file, "0123456789abcdef".repeat(4).as_bytes()).expect("a secret");
    binary.run(&check).done();
    let shown = binary.run(&["--config", "settings.toml", "config", "show"]);
    assert!(shown.done().contains("127.0.0.1"), "{shown:?}");
}
