//! A test that cannot check what its name says fails: none goes home early, and none is ignored.

use std::path::{Path, PathBuf};

/// What lets a test pass that has tested nothing.
const EXCUSES: [&str; 4] = ["else { return }", "else { return; }", "else { return Ok(()) }", "#[ignore"];

/// Every source file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let here = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    here.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// The excuses in a file's tests, with their lines.
fn excuses(code: &str) -> Vec<String> {
    // In src/, the tests of a file stand at its end.
    let begin = code.find("#[cfg(test)]").unwrap_or(0);
    let lines = code[begin..].lines().filter(|line| EXCUSES.iter().any(|excuse| line.contains(excuse)));
    lines.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn no_test_goes_home_early_or_is_ignored() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let this = Path::new(file!()).file_name().expect("a name");
    let mut seen = 0;
    for path in ["src", "tests"].iter().flat_map(|folder| sources(&root.join(folder))) {
        let code = std::fs::read_to_string(&path).expect("a source file");
        let has_tests = ["#[test]", "#[actix_rt::test]", "on_both_databases! {"].iter().any(|mark| code.contains(mark));
        if has_tests && path.file_name() != Some(this) {
            assert_eq!(excuses(&code), Vec::<String>::new(), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn an_excuse_is_noticed() {
    let early =
        "fn f() { g() else { return }; }\n#[cfg(test)]\n#[test]\nfn t() {\n    let Some(x) = y() else { return };\n}";
    assert_eq!(excuses(early), ["let Some(x) = y() else { return };"]);
    assert_eq!(excuses("#[test]\n#[ignore = \"slow\"]\nfn t() {}").len(), 1);
    assert_eq!(excuses("#[test]\nfn t() { assert!(true) }").len(), 0);
}
