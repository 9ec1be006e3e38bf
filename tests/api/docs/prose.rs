//! What pages name in passing: subcommands and their options, settings, links, options of `benches/run`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::page::{ROOT, blocks, pages, prose, read};
use crate::harness::Binary;

/// The code that stands within sentences and tables.
fn spans(page: &str) -> Vec<String> {
    prose(page)
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

fn is_option(word: &&str) -> bool {
    word.starts_with("--") && word.len() > 2
}

#[test]
fn every_subcommand_and_option_that_a_page_names_exists() {
    let binary = Binary::bare();
    let mut seen = 0;
    for page in pages() {
        for span in spans(&page) {
            let Some(rest) = span.strip_prefix("clientele ") else { continue };
            let words: Vec<&str> = rest.split(' ').collect();
            let is_subcommand =
                |word: &&&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'|');
            let path: Vec<&str> = words
                .iter()
                .take_while(is_subcommand)
                .filter(|word| !word.starts_with('-'))
                .flat_map(|word| word.split('|').take(1))
                .collect();
            let help = binary.run(&[path.as_slice(), &["--help"]].concat());
            let help = help.done();
            for option in words.iter().copied().filter(is_option) {
                assert!(help.contains(option), "{page}: {span}: {option}");
            }
            seen += 1;
        }
    }
    assert!(seen > 2, "{seen}");
}

#[test]
fn every_setting_that_a_page_names_exists() {
    let settings: toml::Table = read("config/default.toml").parse().expect("TOML");
    let mut seen = BTreeSet::new();
    for page in pages().into_iter().filter(|page| !page.starts_with("docs/decisions/")) {
        for span in spans(&page) {
            let Some((section, key)) = span.split_once('.') else { continue };
            let Some(section) = settings.get(section).and_then(toml::Value::as_table) else { continue };
            let key = key.split([' ', '=']).next().unwrap_or_default();
            assert!(section.contains_key(key), "{page}: {span}");
            seen.insert(span);
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
}

#[test]
fn every_option_of_benches_run_that_a_page_names_exists() {
    let output = Command::new(Path::new(ROOT).join("benches/run")).arg("--help").output().expect("benches/run");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let mut seen = 0;
    for block in pages().iter().flat_map(|page| blocks(page)).filter(|block| block.text.contains("benches/run")) {
        for option in block.text.split_whitespace().filter(is_option) {
            assert!(help.contains(option), "{option}: {help}");
            seen += 1;
        }
    }
    assert!(seen > 3, "{seen}");
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let top = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned);
    for page in pages().into_iter().chain(top) {
        for target in prose(&page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let folder = Path::new(&page).parent().expect("a folder");
            let path = if path.is_empty() { page.clone() } else { folder.join(path).to_string_lossy().into_owned() };
            assert!(Path::new(ROOT).join(&path).exists(), "{page}: {target}");
            assert!(heading.is_empty() || headings(&path).contains(heading), "{page}: {target}");
        }
    }
}

/// The headings of a page, as GitHub makes them part of a link.
fn headings(page: &str) -> BTreeSet<String> {
    let prose = prose(page);
    let titles = prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |title: &str| {
        title.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>()
    };
    titles.map(|title| kept(title).replace(' ', "-")).collect()
}
