//! The fenced code blocks of a page.
//!
//! The first word after the fence is the language. The second says what the tests make of the block: `sh no-test`
//! is not run (`commands` has the reasons), `sh service` runs until the page or the next service begins, and
//! `json output` or `text output` is what the commands before it print.

use std::path::{Path, PathBuf};

/// The root of the checkout.
pub(super) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// One fenced block.
#[derive(Debug)]
pub(super) struct Block {
    /// The language, such as `sh`; empty where the page names none.
    pub(super) language: String,
    /// What the tests make of it; empty where the page says nothing.
    pub(super) role: String,
    /// The line of the opening fence.
    pub(super) line: usize,
    /// What stands between the fences.
    pub(super) text: String,
}

impl Block {
    /// Whether a reader runs this.
    pub(super) fn is_command(&self) -> bool {
        ["sh", "js"].contains(&self.language.as_str())
    }
}

/// A page by its path from the root of the checkout.
pub(super) fn read(page: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(page)).unwrap_or_else(|error| unreachable!("{page}: {error}"))
}

/// README.md and every page of docs/, by their paths from the root of the checkout.
pub(super) fn pages() -> Vec<String> {
    let mut found = vec!["README.md".to_owned()];
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(Path::new(ROOT).join(&folder)).expect("a folder").flatten() {
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// The fenced blocks of a page, in their order.
pub(super) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    // How far the fence of an open block is indented, as in a list.
    let mut open = None;
    for (index, line) in read(page).lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (fence, open) {
            (Some(_), Some(_)) => open = None,
            (Some(info), None) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let (language, role) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                blocks.push(Block { language, role, line: index + 1, text: String::new() });
                open = Some(line.len() - line.trim_start().len());
            }
            (None, Some(indent)) => {
                let block = blocks.last_mut().expect("an open block");
                block.text.push_str(line.get(indent..).unwrap_or_default());
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: the last code block has no end");
    blocks
}

/// A page without its fenced blocks.
pub(super) fn prose(page: &str) -> String {
    let mut open = false;
    let text = read(page);
    let kept = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        open ^= fence;
        !open && !fence
    });
    kept.collect::<Vec<_>>().join("\n")
}
