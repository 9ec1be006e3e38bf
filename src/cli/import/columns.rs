//! What becomes of each column of a CSV file.

use std::collections::BTreeMap;
use std::io::Write;

use csv::StringRecord;

use crate::cli::Failure;
use crate::cli::format::COLUMNS;

/// Columns that every file has.
const REQUIRED: [&str; 3] = ["email", "first_name", "last_name"];
/// Columns that are known and not stored.
const NOT_STORED: [&str; 2] = ["updated_at", "last_purchase_date"];

/// An option `--map THEIRS=OURS`.
#[derive(Clone)]
pub(super) struct Mapping {
    theirs: String,
    /// One of [`COLUMNS`], or `None` to ignore the column.
    ours: Option<&'static str>,
}

impl Mapping {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (theirs, ours) = text.rsplit_once('=').ok_or("write THEIRS=OURS")?;
        let known = known(ours);
        if known.is_none() && !ours.trim().is_empty() {
            return Err(format!("OURS is one of {}, or empty", COLUMNS.join(", ")));
        }
        Ok(Self { theirs: theirs.to_owned(), ours: known })
    }
}

/// A column of the file.
struct Column {
    name: String,
    fate: Fate,
}

/// What becomes of a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is read as one of [`COLUMNS`].
    Read(&'static str),
    /// `--map` says to ignore it.
    Ignored,
    /// The database does not store it.
    NotStored,
    Unknown,
}

/// The columns of a file, in order.
pub(super) struct Columns(Vec<Column>);

impl Columns {
    /// Decides what becomes of the columns of a header, and says so on standard error.
    ///
    /// # Errors
    /// A required column is missing, two columns have the same meaning, a mapping has no column, or a column is
    /// unknown.
    pub(super) fn new(header: &StringRecord, mappings: &[Mapping], ignore_unknown: bool) -> Result<Self, Failure> {
        let column = |name: &str| Column { name: name.trim().to_owned(), fate: fate(name, mappings) };
        let columns = Self(header.iter().map(column).collect());
        if !columns.0.iter().any(|column| column.fate != Fate::Unknown) {
            return Err(Failure::Failed("the first line names no known column; it must be a header".into()));
        }
        columns.show(ignore_unknown)?;
        let problems = columns.problems(mappings, ignore_unknown);
        if problems.is_empty() { Ok(columns) } else { Err(Failure::Failed(problems.join("; "))) }
    }

    fn show(&self, ignore_unknown: bool) -> Result<(), Failure> {
        for Column { name, fate } in &self.0 {
            let fate = match fate {
                Fate::Read(member) => format!("is read as {member}"),
                Fate::Ignored => "is ignored".into(),
                Fate::NotStored => "is ignored: the database does not store it".into(),
                Fate::Unknown if ignore_unknown => "is ignored: it is unknown".into(),
                Fate::Unknown => "is unknown".into(),
            };
            writeln!(std::io::stderr(), "column {name:?} {fate}")?;
        }
        Ok(())
    }

    fn problems(&self, mappings: &[Mapping], ignore_unknown: bool) -> Vec<String> {
        let mut problems = Vec::new();
        let mut meanings: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for Column { name, fate } in &self.0 {
            if let Fate::Read(member) = fate {
                meanings.entry(member).or_default().push(format!("{name:?}"));
            }
        }
        for (member, names) in meanings.iter().filter(|(_, names)| names.len() > 1) {
            problems.push(format!("the columns {} are all {member}", names.join(", ")));
        }
        for member in REQUIRED.iter().filter(|member| !meanings.contains_key(*member)) {
            problems.push(format!("no column is {member}: use --map THEIRS={member}"));
        }
        let is_in_file = |theirs: &str| self.0.iter().any(|column| simple(&column.name) == simple(theirs));
        for Mapping { theirs, .. } in mappings.iter().filter(|mapping| !is_in_file(&mapping.theirs)) {
            problems.push(format!("there is no column {theirs:?} to map"));
        }
        let unknown = self.0.iter().filter(|column| column.fate == Fate::Unknown).count();
        if unknown > 0 && !ignore_unknown {
            problems.push(format!("{unknown} columns are unknown: use --map THEIRS=OURS, or --ignore-unknown"));
        }
        problems
    }

    /// Returns the number of columns.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the name and the meaning of a column, if it is read.
    pub(super) fn read(&self, index: usize) -> Option<(&str, &'static str)> {
        match self.0.get(index)? {
            Column { name, fate: Fate::Read(member) } => Some((name, member)),
            _ => None,
        }
    }

    /// Returns the place of a member for people: its column, or if it has none its name.
    pub(super) fn place(&self, member: &str) -> String {
        match self.0.iter().find(|column| matches!(column.fate, Fate::Read(read) if read == member)) {
            Some(column) => format!("column {:?}", column.name),
            None => member.to_owned(),
        }
    }
}

fn fate(name: &str, mappings: &[Mapping]) -> Fate {
    let simple_name = simple(name);
    match mappings.iter().find(|mapping| simple(&mapping.theirs) == simple_name) {
        Some(mapping) => mapping.ours.map_or(Fate::Ignored, Fate::Read),
        None if NOT_STORED.contains(&simple_name.as_str()) => Fate::NotStored,
        None => known(name).map_or(Fate::Unknown, Fate::Read),
    }
}

/// Returns the one of [`COLUMNS`] that a name means. A member of the address needs no `address.` before it.
fn known(name: &str) -> Option<&'static str> {
    let name = simple(name);
    COLUMNS.into_iter().find(|column| *column == name || column.strip_prefix("address.") == Some(&name))
}

/// Returns a name in small letters, with `_` between words.
fn simple(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}
