//! JSON Lines: one JSON object per line. Empty lines are skipped.

use std::io::{BufRead, Read};

use super::row::{Row, Rows, parse};
use crate::cli::Failure;
use crate::customers::ImportLine;
use crate::http::LONGEST_BODY;

/// A file of JSON Lines.
pub(super) struct JsonLines<R> {
    reader: R,
    /// The lines that were read.
    count: u64,
}

impl<R: BufRead> JsonLines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, count: 0 }
    }

    /// Reads the next line, without its end. A line longer than a request body is cut to one byte more than is allowed,
    /// so [`parse_line`] refuses it.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut line = Vec::new();
        let most = LONGEST_BODY as u64 + 1;
        if self.reader.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        self.count += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > LONGEST_BODY {
            self.reader.skip_until(b'\n')?;
        }
        Ok(Some(line))
    }
}

impl<R: BufRead> Rows for JsonLines<R> {
    fn next_row(&mut self) -> Result<Option<Row>, Failure> {
        while let Some(line) = self.next_line()? {
            if !line.trim_ascii().is_empty() {
                return Ok(Some(Row { line: self.count, parsed: parse_line(&line) }));
            }
        }
        Ok(None)
    }

    fn count(&self) -> u64 {
        self.count
    }

    fn place(&self, pointer: &str) -> String {
        pointer.to_owned()
    }

    fn noun(&self) -> &'static str {
        "lines"
    }
}

fn parse_line(line: &[u8]) -> Result<ImportLine, String> {
    if line.len() > LONGEST_BODY {
        return Err(format!("longer than {LONGEST_BODY} bytes"));
    }
    parse(line.trim_ascii(), ToOwned::to_owned)
}
