//! Tables for people.

use crate::cli::{Failure, print};

/// Prints a table whose columns are as wide as their longest text.
pub(in crate::cli) fn print_table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Result<(), Failure> {
    let length = |text: &str| text.chars().count();
    let mut widths = head.map(length);
    for row in rows {
        for (width, text) in widths.iter_mut().zip(row) {
            *width = length(text).max(*width);
        }
    }
    print(line(&head, &widths))?;
    rows.iter().try_for_each(|row| print(line(row, &widths)))
}

fn line(row: &[impl AsRef<str>], widths: &[usize]) -> String {
    let padded = row.iter().zip(widths).map(|(text, width)| format!("{:<width$}", text.as_ref()));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}
