//! Every command of README.md and docs/ that can run in a test does.

use std::collections::BTreeSet;

use super::page::{blocks, pages};
use super::terminal::Terminal;

/// A test for each page that has commands, and the list of these pages.
macro_rules! run {
    ($($page:literal: $name:ident on $terminal:expr;)*) => {
        const RUN: &[&str] = &[$($page),*];

        $(
            #[test]
            fn $name() {
                $terminal.run($page);
            }
        )*
    };
}

run! {
    "README.md": the_commands_of_the_readme_work on Terminal::new();
    "docs/account-pages.md": the_commands_of_the_account_pages_page_work on Terminal::new();
    "docs/api.md": the_commands_of_the_api_page_work on Terminal::new().serving();
    "docs/load-testing.md": the_commands_of_the_load_testing_page_work on Terminal::on_postgresql("POSTGRES_URL");
    "docs/operations.md": the_commands_of_the_operations_page_work on Terminal::new().serving();
    "docs/operations/import.md": the_commands_of_the_import_page_work on Terminal::new();
    "docs/operations/postgresql.md": the_commands_of_the_postgresql_page_work on Terminal::on_postgresql("DATABASE_URL");
    "docs/operations/upgrades.md": the_commands_of_the_upgrades_page_work_on_postgresql on Terminal::on_postgresql("DATABASE_URL");
    "docs/operations/upgrades.md": the_commands_of_the_upgrades_page_work_on_sqlite on Terminal::new().serving();
    "docs/recovery.md": the_commands_of_the_recovery_page_work on Terminal::new().serving();
    "docs/support.md": the_commands_of_the_support_page_work on Terminal::new().serving();
}

/// Blocks marked `no-test`: the page, how the block begins, and why it cannot run here.
const UNTESTED: &[(&str, &str, &str)] = &[
    ("README.md", "tests/run", "it runs this test"),
    ("docs/operations/deployment.md", "useradd", "it needs root, and makes a user and files of the system"),
    ("docs/operations/deployment.md", "cd /var/lib", "it needs systemd and this user; `systemd` tries the settings"),
    ("docs/operations/deployment.md", "install -m 644 config/nginx.conf", "it needs root; `nginx` tries the file"),
    ("docs/operations/deployment.md", "journalctl", "it needs systemd's journal"),
    ("docs/operations/deployment.md", "install -d -m 750 /var/log", "it needs root; `rotation` tries the file"),
    ("docs/operations/postgresql.md", "cargo build", "it compiles for minutes"),
    ("docs/operations/upgrades.md", "systemctl", "it needs systemd"),
    ("docs/performance.md", "benches/run", "it measures for minutes"),
    ("docs/recovery.md", "const token", "it is a part of a page"),
];

#[test]
fn no_page_with_commands_is_forgotten() {
    for page in pages() {
        let blocks = blocks(&page);
        let (commands, ran): (Vec<_>, Vec<_>) =
            blocks.iter().filter(|block| block.is_command()).partition(|block| block.role == "no-test");
        assert_eq!(RUN.contains(&page.as_str()), !ran.is_empty(), "{page}: {commands:?}");
        for block in blocks {
            let known = match block.language.as_str() {
                "sh" => ["", "no-test", "service"].as_slice(),
                "js" => &["", "no-test"],
                "json" | "text" => &["", "output"],
                // A shell under another name would not be run.
                "" | "css" | "mermaid" | "nginx" | "sql" | "toml" | "ts" | "yaml" => &[""],
                other => unreachable!("{page}:{}: what is {other}?", block.line),
            };
            assert!(known.contains(&block.role.as_str()), "{page}:{}: what is {}?", block.line, block.role);
        }
    }
}

#[test]
fn each_command_that_is_not_run_has_its_reason() {
    let mut found = BTreeSet::new();
    for page in pages() {
        for block in blocks(&page).into_iter().filter(|block| block.role == "no-test") {
            let listed = UNTESTED.iter().find(|(of, begin, _)| *of == page && block.text.starts_with(begin));
            let (of, begin, _) = listed.unwrap_or_else(|| unreachable!("{page}:{}: why not?", block.line));
            found.insert((*of, *begin));
        }
    }
    let listed: BTreeSet<_> = UNTESTED.iter().map(|(page, begin, _)| (*page, *begin)).collect();
    assert_eq!(listed, found, "listed, but not in the page");
}
