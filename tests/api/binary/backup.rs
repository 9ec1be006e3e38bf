//! `clientele backup`: a copy that is whole, whatever goes on meanwhile, and from which the shop can be opened again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{App, Backend, Binary, PASSWORD, Person, Volume, run, sqlite};

fn files(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[actix_rt::test]
async fn a_backup_under_changes_holds_all_that_was_answered_before_it_and_nothing_half_done() {
    run(Backend::Sqlite, async |app: App| {
        let binary = Binary::on("sqlite://data/clientele.db");
        let serving = binary.serve();
        let service = app.at(serving.address);
        let emails: Vec<String> = (0..8).map(|number| format!("crowd{number}@example.com")).collect();
        let members: Vec<Person> = join_all(emails.iter().map(|email| service.member(email))).await;
        for round in 0..5 {
            let (before, name) = (format!("Before {round}"), format!("copy{round}.db"));
            let body = json!({"first_name": before, "last_name": before, "address": {"city": before, "street_address": "1 Main Street", "country": "Norway"}});
            for reply in join_all(members.iter().map(|member| service.patch(member, &body))).await {
                reply.expect(200);
            }
            let mut backup = binary.start(&["backup", &name]);
            let mut changes = 0;
            while backup.try_wait().expect("its state").is_none() {
                let after = format!("After {changes}");
                let body = json!({"first_name": after, "last_name": after, "address": {"city": after}});
                for reply in join_all(members.iter().map(|member| service.patch(member, &body))).await {
                    reply.expect(200);
                }
                changes += 1;
            }
            assert!(backup.wait_with_output().expect("its end").status.success());
            assert!(changes > 0);
            let copy = binary.folder().join(&name);
            assert_eq!(fs::metadata(&copy).expect("the copy").permissions().mode() & 0o777, 0o600);
            assert_eq!(sqlite(&copy, "PRAGMA integrity_check; SELECT COUNT(*) FROM customers"), "ok\n8");
            // A change is in it whole or not at all, and what had been answered is.
            let torn = "SELECT COUNT(*) FROM customers c JOIN addresses a ON a.customer_id = c.id
                WHERE c.first_name = c.last_name AND c.first_name = a.city
                AND (c.first_name LIKE 'After %' OR c.first_name = '";
            assert_eq!(sqlite(&copy, &format!("{torn}{before}')")), "8");
        }
        let left: Vec<String> = files(binary.folder()).into_iter().filter(|name| name.starts_with('.')).collect();
        assert_eq!(left, Vec::<String>::new());
    })
    .await;
}

#[actix_rt::test]
async fn a_shop_is_opened_again_from_its_backup() {
    run(Backend::Sqlite, async |app: App| {
        let binary = Binary::on("sqlite://data/clientele.db");
        let serving = binary.serve();
        let service = app.at(serving.address);
        let rosa = service.member("rosa@example.com").await;
        service.patch(&rosa, &json!({"last_name": "Kept"})).await.expect(200);
        binary.run(&["backup", "copy.db"]).done();
        service.patch(&rosa, &json!({"last_name": "Later"})).await.expect(200);
        serving.signal("TERM");
        assert_eq!(serving.wait().0, Some(0));
        for name in ["clientele.db", "clientele.db-wal", "clientele.db-shm"] {
            drop(fs::remove_file(binary.folder().join("data").join(name)));
        }
        fs::rename(binary.folder().join("copy.db"), binary.folder().join("data/clientele.db")).expect("its place");
        let serving = binary.serve();
        let service = app.at(serving.address);
        service.get("/health/ready").send().await.expect(200);
        let again = service.session_of("rosa@example.com", PASSWORD).await;
        assert_eq!(service.profile(&again).await.expect(200).json()["last_name"], "Kept");
        service.refresh(&rosa.refresh).await.expect(200);
        service.patch(&again, &json!({"last_name": "Onwards"})).await.expect(200);
    })
    .await;
}

#[test]
fn a_backup_never_replaces_a_file_unless_it_is_told_to() {
    let binary = Binary::on("sqlite://data/clientele.db");
    binary.run(&["migrate", "run"]).done();
    let path = binary.folder().join("copy.db");
    fs::write(&path, "precious").expect("a file");
    std::os::unix::fs::symlink("copy.db", binary.folder().join("link.db")).expect("a link");
    std::os::unix::fs::symlink("nowhere.db", binary.folder().join("dangling.db")).expect("a link");
    for name in ["copy.db", "link.db", "dangling.db"] {
        binary.run(&["backup", name]).refused(1, &[name, "there is a file already"]);
    }
    assert_eq!(fs::read_to_string(&path).expect("the file"), "precious");
    for (name, reason) in [("data", "this is a directory"), ("/dev/null", "this is not a file")] {
        binary.run(&["backup", name]).refused(1, &[name, reason]);
        binary.run(&["backup", "--force", name]).refused(1, &[name, reason]);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
    assert!(binary.run(&["backup", "link.db", "--force"]).done().contains("link.db"));
    assert_eq!(sqlite(&path, "PRAGMA integrity_check"), "ok");
    assert_eq!(fs::metadata(&path).expect("the copy").permissions().mode() & 0o777, 0o600);
    assert!(binary.folder().join("link.db").is_symlink());
}

#[test]
fn a_backup_is_no_way_to_overwrite_the_database() {
    let binary = Binary::on("sqlite://data/clientele.db");
    binary.run(&["migrate", "run"]).done();
    fs::hard_link(binary.folder().join("data/clientele.db"), binary.folder().join("other.db")).expect("another name");
    for name in ["data/clientele.db", "./data/../data/clientele.db", "other.db"] {
        binary.run(&["backup", "--force", name]).refused(1, &["the database itself"]);
    }
    binary.run(&["migrate", "status"]).done();
}

#[test]
fn a_backup_that_cannot_be_completed_leaves_the_old_one_and_nothing_beside_it() {
    let volume = Volume::of(256 * 1024);
    let binary = Binary::on("sqlite://data/clientele.db").inside(&volume);
    binary.run(&["seed", "--customers", "2000"]).done();
    let (target, old) = (volume.path().join("copy.db"), volume.file("copy.db"));
    fs::write(&old, "yesterday's").expect("a file");
    let target = target.to_str().expect("UTF-8");
    binary.run(&["backup", "--force", target]).refused(1, &["full"]);
    assert_eq!(fs::read_to_string(&old).expect("the file"), "yesterday's");
    assert_eq!(files(&volume.file("")), ["copy.db"]);
}

#[test]
fn a_database_that_is_damaged_is_not_backed_up() {
    let binary = Binary::on("sqlite://data/clientele.db");
    binary.run(&["seed", "--customers", "2000"]).done();
    let path = binary.folder().join("data/clientele.db");
    let mut bytes = fs::read(&path).expect("the database");
    let (from, to) = (bytes.len() / 2, bytes.len() - 4096);
    bytes[from..to].fill(0x55);
    fs::write(&path, bytes).expect("damage");
    binary.run(&["backup", "copy.db"]).refused(1, &[]);
    assert!(!binary.folder().join("copy.db").exists());
    assert_eq!(files(binary.folder()), ["data"]);
}

#[test]
fn what_cannot_be_backed_up_is_one_line_and_the_exit_code_says_whose_fault_it_is() {
    let binary = Binary::on("sqlite://data/clientele.db");
    binary.run(&["backup", "copy.db"]).refused(1, &["there is no database at data/clientele.db"]);
    assert!(!binary.folder().join("data").exists());
    binary.run(&["migrate", "run"]).done();
    binary.run(&["backup", "nowhere/copy.db"]).refused(1, &["nowhere/copy.db", "No such file"]);
    let finished = binary.run(&["backup"]);
    assert_eq!((finished.code, finished.out.as_str()), (Some(2), ""), "{finished:?}");
    Binary::on("postgres://shop:hunter2@127.0.0.1/shop").run(&["backup", "copy.db"]).refused(2, &["pg_dump"]);
}
