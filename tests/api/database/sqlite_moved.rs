//! SQLite's file is deleted, replaced or moved away under a running service, which then answers nothing that would be
//! lost.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{App, Backend, Binary, PASSWORD, Person, Serving, run, sqlite};

/// A service in a process of its own, on `data/clientele.db` in its folder, with a customer.
struct Shop {
    binary: Binary,
    serving: Serving,
    app: App,
    rosa: Person,
}

impl Shop {
    async fn open(app: &App) -> Self {
        Self::run(app, Binary::on("sqlite://data/clientele.db")).await
    }

    async fn run(app: &App, binary: Binary) -> Self {
        let serving = binary.serve();
        let app = app.at(serving.address);
        let rosa = app.member("rosa@example.com").await;
        Self { binary, serving, app, rosa }
    }

    /// Stops, and starts again on whatever is there now.
    async fn restart(self) -> Self {
        let Self { binary, serving, app, rosa } = self;
        serving.signal("TERM");
        assert_eq!(serving.wait().0, Some(0));
        let serving = binary.serve();
        Self { app: app.at(serving.address), binary, serving, rosa }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.binary.folder().join(name)
    }

    async fn is_well(&self) {
        self.app.get("/health/ready").send().await.expect(200);
        self.app.patch(&self.rosa, &json!({"last_name": "Still There"})).await.expect(200);
    }

    /// Nothing is answered that a restart would take back, and the log says why, once.
    async fn is_cut_off(&self, reason: &str) {
        let refused = [
            self.app.get("/health/ready").send().await,
            self.app.patch(&self.rosa, &json!({"last_name": "Lost"})).await,
            self.app.profile(&self.rosa).await,
            self.app.refresh(&self.rosa.refresh).await,
        ];
        for reply in refused {
            reply.problem(503, "database_unavailable");
        }
        self.app.get("/health/live").send().await.expect(200);
        self.serving.logged(reason).await;
        actix_rt::time::sleep(std::time::Duration::from_millis(500)).await;
        let log = self.serving.log();
        // Beside the line of each request that was refused for it.
        let told = |line: &&str| line.contains("ERROR clientele::db::") && line.contains(reason);
        assert_eq!(log.lines().filter(told).count(), 1, "{log}");
    }
}

fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    fs::rename(from, to).expect("another name");
}

#[actix_rt::test]
async fn a_file_that_is_deleted_is_noticed_and_no_other_is_made() {
    run(Backend::Sqlite, async |app: App| {
        let shop = Shop::open(&app).await;
        shop.is_well().await;
        let file = shop.path("data/clientele.db");
        fs::remove_file(&file).expect("the file goes");
        shop.is_cut_off("clientele.db is gone").await;
        assert!(!file.exists());
    })
    .await;
}

#[actix_rt::test]
async fn an_older_copy_that_takes_the_files_place_is_noticed_and_is_whole_after_a_restart() {
    run(Backend::Sqlite, async |app: App| {
        let shop = Shop::open(&app).await;
        let (file, copy) = (shop.path("data/clientele.db"), shop.path("data/older.db"));
        // A copy of a moment when the log is empty is whole.
        actix_rt::time::sleep(std::time::Duration::from_secs(1)).await;
        fs::copy(&file, &copy).expect("a copy");
        for number in 0..50 {
            shop.app.patch(&shop.rosa, &json!({"last_name": format!("Number {number}")})).await.expect(200);
        }
        rename(&copy, &file);
        shop.is_cut_off("clientele.db is another file").await;
        let shop = shop.restart().await;
        let again = shop.app.session_of(&shop.rosa.email, PASSWORD).await;
        assert_eq!(shop.app.profile(&again).await.expect(200).json()["last_name"], "Delgado");
        assert_eq!(sqlite(&file, "PRAGMA integrity_check"), "ok");
        shop.is_well().await;
    })
    .await;
}

#[actix_rt::test]
async fn a_file_that_comes_back_is_served_again_and_another_one_is_not() {
    run(Backend::Sqlite, async |app: App| {
        let shop = Shop::open(&app).await;
        let (file, aside) = (shop.path("data/clientele.db"), shop.path("data/aside.db"));
        rename(&file, &aside);
        shop.is_cut_off("clientele.db is gone").await;
        fs::copy(&aside, &file).expect("a copy");
        shop.is_cut_off("clientele.db is another file").await;
        rename(&aside, &file);
        shop.is_well().await;
        shop.serving.logged("usable again").await;
        assert_eq!(shop.app.profile(&shop.rosa).await.expect(200).json()["last_name"], "Still There");
    })
    .await;
}

#[actix_rt::test]
async fn a_folder_that_gets_another_name_is_noticed() {
    run(Backend::Sqlite, async |app: App| {
        let shop = Shop::open(&app).await;
        rename(shop.path("data"), shop.path("renamed"));
        shop.is_cut_off("clientele.db is gone").await;
        assert!(!shop.path("data").exists());
        rename(shop.path("renamed"), shop.path("data"));
        shop.is_well().await;
    })
    .await;
}

#[actix_rt::test]
async fn a_log_that_is_deleted_is_noticed_and_its_changes_are_kept() {
    for part in ["-wal", "-shm"] {
        run(Backend::Sqlite, async |app: App| {
            let shop = Shop::open(&app).await;
            shop.is_well().await;
            fs::remove_file(shop.path(&format!("data/clientele.db{part}"))).expect("the file goes");
            shop.is_cut_off(&format!("clientele.db{part} is gone")).await;
            let shop = shop.restart().await;
            assert_eq!(shop.app.profile(&shop.rosa).await.expect(200).json()["last_name"], "Still There");
            assert_eq!(sqlite(&shop.path("data/clientele.db"), "PRAGMA integrity_check"), "ok");
        })
        .await;
    }
}

#[actix_rt::test]
async fn a_link_that_leads_elsewhere_is_noticed() {
    run(Backend::Sqlite, async |app: App| {
        let binary = Binary::on("sqlite://link.db");
        let link = binary.folder().join("link.db");
        for name in ["one", "two"] {
            fs::create_dir(binary.folder().join(name)).expect("a folder");
            fs::write(binary.folder().join(name).join("shop.db"), "").expect("a file");
        }
        std::os::unix::fs::symlink("one/shop.db", &link).expect("a link");
        let shop = Shop::run(&app, binary).await;
        shop.is_well().await;
        for (target, is_right) in [("two/shop.db", false), ("one/shop.db", true)] {
            fs::remove_file(&link).expect("the link goes");
            std::os::unix::fs::symlink(target, &link).expect("a link");
            if is_right {
                shop.is_well().await;
            } else {
                shop.is_cut_off("link.db is another file").await;
            }
        }
    })
    .await;
}
