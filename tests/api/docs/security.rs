//! SECURITY.md names a test for each threat, and each of them exists.

use std::path::Path;

use super::page::{ROOT, prose};

/// The rows of the table of threats: their last cells hold tests, as `module::name`.
fn tests_of_threats() -> Vec<(String, Vec<String>)> {
    let page = prose("SECURITY.md");
    let rows = page.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    let named = cells.map(|cells| {
        let (threat, tests) = (cells[0].to_owned(), cells.last().expect("a cell"));
        (threat, tests.split('`').skip(1).step_by(2).map(str::to_owned).collect())
    });
    named.collect()
}

fn exists(test: &str) -> bool {
    let Some((module, name)) = test.rsplit_once("::") else { return false };
    let file = Path::new(ROOT).join("tests/api").join(module.replace("::", "/")).with_extension("rs");
    std::fs::read_to_string(file).is_ok_and(|code| code.contains(&format!("fn {name}(")))
}

#[test]
fn each_threat_has_a_test_that_exists() {
    let threats = tests_of_threats();
    assert!(threats.len() > 10, "{threats:?}");
    for (threat, tests) in threats {
        assert!(!tests.is_empty(), "{threat}");
        for test in tests {
            assert!(exists(&test), "{threat}: {test}");
        }
    }
}

#[test]
fn a_test_that_does_not_exist_is_noticed() {
    assert!(exists("docs::security::each_threat_has_a_test_that_exists"));
    for wrong in ["docs::security::each_threat_has_a_test", "nothing::exists", "exists", ""] {
        assert!(!exists(wrong), "{wrong}");
    }
}
