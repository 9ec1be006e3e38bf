//! The mails that a service writes into a folder.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mail_parser::MessageParser;
use tempfile::TempDir;

use super::app::App;

/// How long a mail may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder for mails.
pub(crate) struct Mailbox {
    folder: TempDir,
    seen: RefCell<BTreeSet<PathBuf>>,
}

/// A mail.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// The file's name.
    pub(crate) file: String,
    /// The address that it goes to.
    pub(crate) to: String,
    pub(crate) subject: String,
    /// The plain text.
    pub(crate) text: String,
    pub(crate) html: String,
    /// Everything before the first empty line, as sent.
    pub(crate) head: String,
}

impl Mailbox {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), seen: RefCell::default() }
    }

    /// Where the files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another instance of the service on the same database, which writes its mails here.
    pub(crate) fn instance(&self, app: &App, overrides: &[(&str, &str)]) -> App {
        let folder = self.folder().to_str().expect("a name in UTF-8");
        let own = [("CLIENTELE__MAIL__TRANSPORT", "file"), ("CLIENTELE__MAIL__FOLDER", folder)];
        app.instance(&[&own, overrides].concat())
    }

    /// All mails, the oldest first.
    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.files().iter().map(|file| Letter::read(file)).collect()
    }

    /// The oldest mail to this address whose subject has this part, and which was not returned before. Waits for it.
    pub(crate) async fn wait_for(&self, to: &str, subject: &str) -> Letter {
        let started = Instant::now();
        loop {
            let new = self.files().into_iter().filter(|file| !self.seen.borrow().contains(file));
            let mut new = new.map(|file| (Letter::read(&file), file));
            if let Some((letter, file)) = new.find(|(letter, _)| letter.to == to && letter.subject.contains(subject)) {
                self.seen.borrow_mut().insert(file);
                return letter;
            }
            let there = || self.letters().into_iter().map(|letter| (letter.to, letter.subject)).collect::<Vec<_>>();
            assert!(started.elapsed() < PATIENCE, "no mail to {to} about {subject:?}: {:?}", there());
            actix_rt::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until nothing waits to be delivered.
    pub(crate) async fn settle(&self, app: &App) {
        let started = Instant::now();
        while app.number("SELECT COUNT(*) AS value FROM outbox WHERE due_at IS NOT NULL") > 0 {
            assert!(started.elapsed() < PATIENCE, "mails still wait");
            actix_rt::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder()).expect("the folder");
        let files = entries.map(|entry| entry.expect("an entry").path());
        let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|ending| ending == "eml")).collect();
        // The row's id tells the time.
        let row = |file: &PathBuf| {
            let name = file.file_stem().and_then(|name| name.to_str()).expect("a name");
            name.split_once('-').and_then(|(_, row)| row.parse::<i64>().ok()).expect("a row")
        };
        files.sort_by_key(row);
        files
    }
}

impl Letter {
    fn read(file: &Path) -> Self {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        Self::parse(name, &std::fs::read(file).expect("a mail"))
    }

    /// Parses a mail.
    pub(crate) fn parse(file: &str, bytes: &[u8]) -> Self {
        let mail = MessageParser::default().parse(bytes).expect("a mail");
        let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address()).expect("a recipient");
        let raw = String::from_utf8(bytes.to_vec()).expect("ASCII");
        Self {
            file: file.to_owned(),
            to: to.to_owned(),
            subject: mail.subject().expect("a subject").to_owned(),
            text: mail.body_text(0).expect("a text").into_owned(),
            html: mail.body_html(0).expect("HTML").into_owned(),
            head: raw.split("\r\n\r\n").next().expect("a head").to_owned(),
        }
    }

    /// The URL of the mail's link, if it has one.
    pub(crate) fn link(&self) -> Option<&str> {
        self.text.lines().map(str::trim).find(|line| line.starts_with("http"))
    }

    /// The token in the mail's link.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        let token = self.link().and_then(|link| link.split_once("?token=")).map(|(_, token)| token.to_owned());
        token.unwrap_or_else(|| unreachable!("no link: {self:?}"))
    }
}
