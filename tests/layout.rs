//! The modules of `src/` form layers: no two of them import each other, however long the way around.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The modules that each module names.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let mut sources = BTreeMap::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut sources);
    let imports = imports(&sources);
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 100, "the imports are found: {imports:?}");
    assert_eq!(circle(&imports), None);
}

#[test]
fn a_circle_is_found_by_its_names() {
    let source = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let sources = BTreeMap::from([
        source("a", "use crate::b::{self, c::Thing}; // use crate::d::Other;"),
        source("b", "pub use self::c::Thing;"),
        source("b::c", "fn f() { super::super::d::f::<u8>() }\n#[cfg(test)]\nmod tests { use crate::b::B; }"),
        source("d", "use std::{fmt, io};\nfn f() -> crate::a::Thing {}"),
    ]);
    let imports = imports(&sources);
    assert_eq!(imports["a"], BTreeSet::from(["b".to_owned(), "b::c".to_owned()]));
    let circle = circle(&imports).expect("a circle");
    assert_eq!(circle, ["a", "b", "b::c", "d", "a"]);
}

/// Reads the source of every module below a folder. The two roots, `lib.rs` and `main.rs`, import what they like.
fn read(folder: &Path, parent: &str, sources: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let name = if parent.is_empty() { stem.to_owned() } else { format!("{parent}::{stem}") };
        if path.is_dir() {
            read(&path, &name, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !["lib", "main"].contains(&&*name) {
            let name = if stem == "mod" { parent.to_owned() } else { name };
            sources.insert(name, std::fs::read_to_string(&path).expect("a source"));
        }
    }
}

fn imports(sources: &BTreeMap<String, String>) -> Imports {
    let of = |(module, text): (&String, &String)| {
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code: String =
            code.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect();
        let paths = paths(&code).into_iter().map(|path| absolute(module, &path));
        let modules = paths.filter_map(|path| longest_module(path, sources)).filter(|named| named != module);
        (module.clone(), modules.collect())
    };
    sources.iter().map(of).collect()
}

/// The paths that begin with `crate`, `super` or `self`, as their parts.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            // The middle of another path or word.
            if before.is_none_or(|c| !is_word(c) && c != ':') {
                let mut rest = &code[at..];
                read_path(&mut rest, &mut Vec::new(), &mut found);
            }
        }
    }
    found
}

/// Reads one path of a `use` or of an expression, with all its branches.
fn read_path(rest: &mut &str, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    *rest = rest.trim_start();
    if let Some(inner) = rest.strip_prefix('{') {
        *rest = inner;
        while !rest.starts_with('}') && !rest.is_empty() {
            read_path(rest, &mut before.clone(), found);
            // Past `as name`, to the next branch.
            *rest = rest.trim_start_matches(|c: char| !matches!(c, ',' | '}'));
            *rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        }
        *rest = rest.strip_prefix('}').unwrap_or(rest);
        return;
    }
    let word = rest.find(|c| !is_word(c)).map_or(*rest, |end| &rest[..end]);
    *rest = &rest[word.len()..];
    if !word.is_empty() && (word != "self" || before.is_empty()) {
        before.push(word.to_owned());
    }
    match rest.strip_prefix("::") {
        Some(next) => {
            *rest = next;
            read_path(rest, before, found);
        }
        None => found.push(before.clone()),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A path from the crate's root, for one that stands in a module.
fn absolute(module: &str, path: &[String]) -> Vec<String> {
    let mut parts: Vec<String> = match path.first().map(String::as_str) {
        Some("crate") => Vec::new(),
        _ => module.split("::").map(ToOwned::to_owned).collect(),
    };
    for part in path {
        match part.as_str() {
            "crate" | "self" => {}
            "super" => drop(parts.pop()),
            _ => parts.push(part.clone()),
        }
    }
    parts
}

/// The module that a path leads into; what follows are its items.
fn longest_module(mut path: Vec<String>, sources: &BTreeMap<String, String>) -> Option<String> {
    while !path.is_empty() {
        let name = path.join("::");
        if sources.contains_key(&name) {
            return Some(name);
        }
        path.pop();
    }
    None
}

/// Modules of which each imports the next, and the last is the first.
fn circle(imports: &Imports) -> Option<Vec<&str>> {
    let mut done = BTreeSet::new();
    imports.keys().find_map(|module| follow(module, imports, &mut Vec::new(), &mut done))
}

fn follow<'a>(
    module: &'a str,
    imports: &'a Imports,
    way: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if let Some(start) = way.iter().position(|passed| *passed == module) {
        return Some(way[start..].iter().copied().chain([module]).collect());
    }
    if done.contains(module) {
        return None;
    }
    way.push(module);
    let found = imports[module].iter().find_map(|next| follow(next, imports, way, done));
    way.pop();
    done.insert(module);
    found
}
