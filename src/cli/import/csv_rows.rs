//! CSV (RFC 4180) with a header, separated by commas, semicolons or tabs, in UTF-8.

use std::io::{BufRead, Read};

use csv::{ByteRecord, ErrorKind, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::columns::Columns;
use super::counted::Counted;
use super::row::{Row, Rows, parse};
use super::start::Started;
use crate::cli::Failure;
use crate::customers::ImportLine;

/// Columns whose empty text is a value, or is refused as one.
const NEVER_ABSENT: [&str; 3] = ["email", "first_name", "last_name"];
/// The only column that may have line breaks, which become spaces.
const STREET: &str = "address.street_address";

/// A CSV file.
pub(super) struct CsvRows {
    reader: csv::Reader<Counted<Box<dyn BufRead>>>,
    columns: Columns,
    record: ByteRecord,
    /// The rows that were read.
    count: u64,
}

impl CsvRows {
    /// Reads the header and gives it to `columns`.
    ///
    /// # Errors
    /// There is no header, or it cannot be read, or the failure of `columns`.
    pub(super) fn open(
        started: Started,
        columns: impl FnOnce(&StringRecord) -> Result<Columns, Failure>,
    ) -> Result<Self, Failure> {
        let mut builder = ReaderBuilder::new();
        // The first record is read like the others, and their lengths are compared in `parse_record`.
        builder.has_headers(false).flexible(true).delimiter(delimiter(&started.start));
        let mut reader = builder.from_reader(Counted::new(started.reader));
        let mut record = ByteRecord::new();
        if read(&mut reader, &mut record)?.is_none() {
            return Err(Failure::Failed("the file is empty; its first line must name the columns".into()));
        }
        let header = StringRecord::from_byte_record(record.clone());
        let header = header.map_err(|_| Failure::Failed("the first line is not UTF-8".into()))?;
        Ok(Self { reader, columns: columns(&header)?, record, count: 0 })
    }

    fn parse_record(&self, last_line: u64) -> Result<ImportLine, String> {
        let (found, expected) = (self.record.len(), self.columns.len());
        if found != expected {
            return Err(format!("{found} fields instead of {expected}, up to line {last_line}"));
        }
        let json = self.to_json()?.to_string();
        parse(json.as_bytes(), |pointer| self.place(pointer))
    }

    /// Returns the row as a line of JSON Lines. An empty field is an absent member.
    fn to_json(&self) -> Result<Value, String> {
        let (mut customer, mut address) = (Map::new(), Map::new());
        for (index, field) in self.record.iter().enumerate() {
            let Some((name, member)) = self.columns.read(index) else { continue };
            let text = std::str::from_utf8(field).map_err(|_| format!("column {name:?}: This is not UTF-8."))?;
            if text.trim().is_empty() && !NEVER_ABSENT.contains(&member) {
                continue;
            }
            if text.trim().contains(['\r', '\n']) && member != STREET {
                return Err(format!("column {name:?}: This has a line break; perhaps a quotation mark is not closed."));
            }
            match member.strip_prefix("address.") {
                Some(member) => address.insert(member.to_owned(), text.into()),
                None => customer.insert(member.to_owned(), value(member, text)),
            };
        }
        if !address.is_empty() {
            customer.insert("address".into(), address.into());
        }
        Ok(customer.into())
    }
}

impl Rows for CsvRows {
    fn next_row(&mut self) -> Result<Option<Row>, Failure> {
        let Some((line, last)) = read(&mut self.reader, &mut self.record)? else {
            return Ok(None);
        };
        self.count += 1;
        Ok(Some(Row { line, parsed: self.parse_record(last) }))
    }

    fn count(&self) -> u64 {
        self.count
    }

    fn place(&self, pointer: &str) -> String {
        self.columns.place(&pointer.trim_start_matches("#/").replace('/', "."))
    }

    fn noun(&self) -> &'static str {
        "rows"
    }
}

fn value(member: &str, text: &str) -> Value {
    match text.trim().parse::<u64>() {
        Ok(id) if member == "id" => id.into(),
        _ => text.into(),
    }
}

/// Returns the separator that the header has most of.
fn delimiter(header: &[u8]) -> u8 {
    let count = |delimiter: &u8| header.iter().filter(|byte| *byte == delimiter).count();
    // The last of equal ones counts.
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// Reads a record. Returns its first and its last line, or `None` at the end.
fn read<R: Read>(reader: &mut csv::Reader<Counted<R>>, record: &mut ByteRecord) -> Result<Option<(u64, u64)>, Failure> {
    let found = reader.read_byte_record(record);
    let end = reader.position().byte();
    let (first, last) = reader.get_mut().take(end);
    match found.map_err(csv::Error::into_kind) {
        Ok(found) => Ok(found.then_some((first, last))),
        Err(ErrorKind::Io(error)) => Err(Failure::Failed(format!("line {first}: {error}"))),
        Err(_) => Err(Failure::Failed(format!("line {first}: this is not CSV"))),
    }
}
