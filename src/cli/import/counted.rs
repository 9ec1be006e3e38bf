//! Counts the lines of CSV records, and bounds their length.

use std::io::{Error, ErrorKind, Read};

use crate::http::LONGEST_BODY;

/// A reader that keeps what it read until the record's end is known. It fails if a record is longer than a request
/// body, so a quotation mark that is never closed does not cost the memory of the whole file.
pub(super) struct Counted<R> {
    reader: R,
    /// What was read and not yet taken.
    ahead: Vec<u8>,
    /// The place in the file at which `ahead` begins, and its line.
    offset: u64,
    line: u64,
}

impl<R> Counted<R> {
    /// Begins in line 1.
    pub(super) fn new(reader: R) -> Self {
        Self { reader, ahead: Vec::new(), offset: 0, line: 1 }
    }

    /// Takes the record that ends at this place in the file. Returns its first and its last line.
    pub(super) fn take(&mut self, end: u64) -> (u64, u64) {
        let length = usize::try_from(end.saturating_sub(self.offset)).map_or(usize::MAX, |length| length);
        let taken: Vec<u8> = self.ahead.drain(..length.min(self.ahead.len())).collect();
        self.offset = end;
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        // The end of the previous record, and empty lines, which the parser skips.
        let start = taken.iter().position(|byte| !is_end(byte)).unwrap_or(taken.len());
        let (before, record) = taken.split_at(start);
        let ends = record.iter().rev().take_while(|byte| is_end(byte)).count();
        let (text, after) = record.split_at(record.len() - ends);
        let first = self.line + lines(before);
        let last = first + lines(text);
        self.line = last + lines(after);
        (first, last)
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.ahead.len() > LONGEST_BODY {
            let reason = format!("a row of more than {LONGEST_BODY} bytes; perhaps a quotation mark is not closed");
            return Err(Error::new(ErrorKind::InvalidData, reason));
        }
        let read = self.reader.read(buffer)?;
        self.ahead.extend_from_slice(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
