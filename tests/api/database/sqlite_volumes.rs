//! SQLite on a disk that is full, small, or not to be written.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{App, Backend, Binary, Person, Serving, Volume, run, sqlite};

const MIB: u64 = 1024 * 1024;
/// Several times what a recovery takes.
const IN_TIME: Duration = Duration::from_secs(30);

fn on(volume: &Volume) -> Binary {
    Binary::on(&format!("sqlite://{}/clientele.db", volume.path().display())).inside(volume)
}

fn named(last_name: &str) -> Value {
    json!({"last_name": last_name})
}

/// The last change that was answered with 200, and a reply that was not.
async fn change_until_refused(app: &App, rosa: &Person) -> String {
    let mut kept = app.profile(rosa).await.expect(200).json()["last_name"].as_str().expect("a name").to_owned();
    for number in 0..2_000 {
        let name = format!("Number {number} {}", "x".repeat(100));
        let reply = app.patch(rosa, &named(&name)).await;
        if reply.status() != 200 {
            reply.problem(503, "database_unavailable");
            return kept;
        }
        kept = name;
    }
    unreachable!("the disk is full, and every change is kept");
}

async fn becomes_ready(app: &App, serving: &Serving) {
    let patience = Instant::now();
    while app.get("/health/ready").send().await.status() != 200 {
        assert!(patience.elapsed() < IN_TIME, "{}", serving.log());
        actix_rt::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn stops(serving: Serving) {
    serving.signal("TERM");
    assert_eq!(serving.wait().0, Some(0));
}

#[actix_rt::test]
async fn a_disk_that_was_full_and_has_room_again_is_written_again_and_nothing_is_lost() {
    run(Backend::Sqlite, async |app: App| {
        let volume = Volume::of(8 * MIB);
        let serving = on(&volume).serve();
        let service = app.at(serving.address);
        let rosa = service.member("rosa@example.com").await;
        for round in 0..3 {
            volume.fill();
            let kept = change_until_refused(&service, &rosa).await;
            // The log is emptied, which makes room for it to be begun anew, until that too is taken.
            actix_rt::time::sleep(Duration::from_millis(500)).await;
            let filler = volume.fill();
            // For longer than connections rest unchecked, so that they are opened anew.
            for _ in 0..5 {
                service.patch(&rosa, &named("Never")).await.problem(503, "database_unavailable");
                service.get("/health/ready").send().await.problem(503, "database_unavailable");
                assert_eq!(service.profile(&rosa).await.expect(200).json()["last_name"], kept.as_str());
                actix_rt::time::sleep(Duration::from_millis(400)).await;
            }
            serving.logged("is full").await;
            fs::remove_file(filler).expect("room");
            service.patch(&rosa, &named(&format!("Round {round}"))).await.expect(200);
            service.get("/health/ready").send().await.expect(200);
        }
        stops(serving).await;
        let file = volume.path().join("clientele.db").display().to_string();
        assert_eq!(volume.run(&["sqlite3", &file, "PRAGMA integrity_check"]), "ok");
        assert_eq!(volume.run(&["sqlite3", &file, "SELECT last_name FROM customers"]), "Round 2");
    })
    .await;
}

#[actix_rt::test]
async fn a_log_that_a_reader_let_grow_until_the_disk_was_full_is_begun_anew_when_the_reader_goes() {
    run(Backend::Sqlite, async |app: App| {
        let volume = Volume::of(6 * MIB);
        let serving = on(&volume).serve();
        let service = app.at(serving.address);
        let rosa = service.member("rosa@example.com").await;
        let mut reader = volume.reader("clientele.db");
        let kept = change_until_refused(&service, &rosa).await;
        service.get("/health/ready").send().await.problem(503, "database_unavailable");
        drop(reader.stdin.take());
        assert!(reader.wait().expect("the reader's end").success());
        becomes_ready(&service, &serving).await;
        assert_eq!(service.profile(&rosa).await.expect(200).json()["last_name"], kept.as_str());
        service.patch(&rosa, &named("Again")).await.expect(200);
        stops(serving).await;
    })
    .await;
}

/// Customers whose changes write as much as hundreds do in a database of a million customers.
struct Writers {
    service: App,
    members: Vec<Person>,
}

impl Writers {
    async fn of(service: App, volume: &Volume) -> Self {
        let emails: Vec<String> = (0..16).map(|number| format!("crowd{number}@example.com")).collect();
        let members = join_all(emails.iter().map(|email| service.member(email))).await;
        let amplifier = "CREATE TABLE ballast (id INTEGER PRIMARY KEY, bytes BLOB);
            CREATE TRIGGER amplify AFTER UPDATE ON customers BEGIN
                INSERT OR REPLACE INTO ballast VALUES (NEW.id % 64, randomblob(131072));
            END;";
        volume.run(&["sqlite3", &volume.path().join("clientele.db").display().to_string(), amplifier]);
        Self { service, members }
    }

    /// Each changes their name; the bytes of the log.
    async fn write(&self, round: u32, volume: &Volume) -> u64 {
        let body = named(&format!("Number {round}"));
        for reply in join_all(self.members.iter().map(|member| self.service.patch(member, &body))).await {
            reply.expect(200);
        }
        volume.file("clientele.db-wal").metadata().expect("the log").len()
    }
}

#[actix_rt::test]
async fn sustained_writing_needs_a_few_tens_of_megabytes_for_the_log() {
    run(Backend::Sqlite, async |app: App| {
        let volume = Volume::of(96 * MIB);
        let serving = on(&volume).serve();
        let writers = Writers::of(app.at(serving.address), &volume).await;
        let mut longest = 0;
        for round in 0..200 {
            longest = longest.max(writers.write(round, &volume).await);
        }
        assert!(longest > 16 * MIB, "the changes were too small to tell: {longest} bytes");
        assert!(longest < 72 * MIB, "{longest} bytes");
        stops(serving).await;
    })
    .await;
}

#[actix_rt::test]
async fn a_log_that_grew_while_somebody_read_is_short_again_though_writing_goes_on() {
    run(Backend::Sqlite, async |app: App| {
        let volume = Volume::of(320 * MIB);
        let serving = on(&volume).serve();
        let writers = Writers::of(app.at(serving.address), &volume).await;
        let mut reader = volume.reader("clientele.db");
        let mut rounds = 0..;
        let mut write = async || writers.write(rounds.next().expect("a number"), &volume).await;
        while write().await < 128 * MIB {}
        drop(reader.stdin.take());
        assert!(reader.wait().expect("the reader's end").success());
        let patience = Instant::now();
        while write().await > 72 * MIB {
            assert!(patience.elapsed() < IN_TIME);
        }
        stops(serving).await;
    })
    .await;
}

#[actix_rt::test]
async fn changes_that_the_system_refuses_to_write_are_told_by_the_readiness_until_it_does() {
    run(Backend::Sqlite, async |app: App| {
        let binary = Binary::on("sqlite://data/clientele.db").with_size_limits();
        let serving = binary.serve();
        let service = app.at(serving.address);
        let rosa = service.member("rosa@example.com").await;
        serving.limit_files("16384");
        let kept = change_until_refused(&service, &rosa).await;
        service.get("/health/ready").send().await.problem(503, "database_unavailable");
        assert_eq!(service.profile(&rosa).await.expect(200).json()["last_name"], kept.as_str());
        serving.limit_files("unlimited");
        becomes_ready(&service, &serving).await;
        service.patch(&rosa, &named("Again")).await.expect(200);
        service.get("/health/ready").send().await.expect(200);
        stops(serving).await;
    })
    .await;
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn serve_refuses_a_file_that_it_cannot_write() {
    let binary = Binary::on("sqlite://data/clientele.db").unprivileged();
    binary.run(&["migrate", "run"]).done();
    let binary = binary.with("CLIENTELE__DATABASE__MIGRATE_AT_START", "false");
    let (folder, file) = (binary.folder().join("data"), binary.folder().join("data/clientele.db"));
    for (path, forbidden, allowed) in [(&file, 0o444, 0o600), (&file, 0o000, 0o600), (&folder, 0o555, 0o700)] {
        set_mode(path, forbidden);
        for command in [&["serve"][..], &["config", "check"]] {
            binary.run(command).refused(1, &["cannot be written", "Permission denied"]);
        }
        set_mode(path, allowed);
    }
    binary.run(&["config", "check"]).done();
}

#[test]
fn serve_refuses_a_disk_that_is_read_only() {
    let volume = Volume::of(4 * MIB);
    let binary = on(&volume).with("CLIENTELE__DATABASE__MIGRATE_AT_START", "false");
    binary.run(&["migrate", "run"]).done();
    let path = volume.path().display().to_string();
    volume.run(&["mount", "-o", "remount,ro", &path]);
    binary.run(&["serve"]).refused(1, &["clientele.db cannot be written", "Read-only file system"]);
    volume.run(&["mount", "-o", "remount,rw", &path]);
    binary.run(&["config", "check"]).done();
}

#[actix_rt::test]
async fn a_file_that_becomes_read_only_is_told_by_the_readiness() {
    run(Backend::Sqlite, async |app: App| {
        let binary = Binary::on("sqlite://data/clientele.db").unprivileged();
        let serving = binary.serve();
        let service = app.at(serving.address);
        let rosa = service.member("rosa@example.com").await;
        for name in ["clientele.db", "clientele.db-wal"] {
            let path = binary.folder().join("data").join(name);
            set_mode(&path, 0o444);
            service.get("/health/ready").send().await.problem(503, "database_unavailable");
            serving.logged(&format!("{name} cannot be written")).await;
            service.profile(&rosa).await.expect(200);
            set_mode(&path, 0o600);
            becomes_ready(&service, &serving).await;
        }
        assert_eq!(sqlite(&binary.folder().join("data/clientele.db"), "SELECT COUNT(*) FROM customers"), "1");
        stops(serving).await;
    })
    .await;
}
