//! The start of a file, which tells the format and the separator.

use std::io::{BufRead, Cursor, Read, Result};

use crate::http::LONGEST_BODY;

/// The byte order mark that some editors put at the start of a file.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// A file whose start was read ahead.
pub(super) struct Started {
    /// The first line with text, and empty lines before it, without a byte order mark. A line that is too long for a
    /// row is not read to its end.
    pub(super) start: Vec<u8>,
    /// The whole file, without a byte order mark.
    pub(super) reader: Box<dyn BufRead>,
}

impl Started {
    /// Reads the start. A pipe may hold only a part of it at first, so this waits for the rest.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(mut reader: Box<dyn BufRead>) -> Result<Self> {
        let mut start = Vec::new();
        let mut ahead = reader.by_ref().take(LONGEST_BODY as u64);
        while ahead.read_until(b'\n', &mut start)? > 0 {
            if start.starts_with(MARK) {
                start.drain(..MARK.len());
            }
            if !start.trim_ascii().is_empty() {
                break;
            }
        }
        Ok(Self { reader: Box::new(Cursor::new(start.clone()).chain(reader)), start })
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn a_start_that_comes_in_pieces_is_read_to_the_end_of_its_line() {
        let starts = |file: &'static str| {
            let mut started = Started::read(Box::new(BufReader::with_capacity(1, file.as_bytes()))).expect("a start");
            let mut whole = String::new();
            started.reader.read_to_string(&mut whole).expect("the file");
            (String::from_utf8(started.start).expect("UTF-8"), whole)
        };
        for (file, start, whole) in [
            ("\u{feff}a;b\n1;2\n", "a;b\n", "a;b\n1;2\n"),
            ("a\tb", "a\tb", "a\tb"),
            ("\u{feff}\r\n \n{}\n{}", "\r\n \n{}\n", "\r\n \n{}\n{}"),
            ("", "", ""),
            ("\u{feff}", "", ""),
            ("\n\n", "\n\n", "\n\n"),
        ] {
            assert_eq!(starts(file), (start.to_owned(), whole.to_owned()), "{file:?}");
        }
    }

    #[test]
    fn of_a_line_without_an_end_only_a_part_is_read_ahead() {
        let started = Started::read(Box::new(BufReader::new(std::io::repeat(b'a')))).expect("a start");
        assert_eq!(started.start.len(), LONGEST_BODY);
    }
}
