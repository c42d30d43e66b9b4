//! The places in this program that honour a statement, for a reader who wants to read the standard as code.
//!
//! In: a statement. Out: places in the source, from the table `table.tsv`. A test gathers the table from the source and
//! compares; `MQTTSPEC_BLESS=1 cargo test --lib places` rewrites it.

#[cfg(test)]
mod gather;

use crate::statements::StatementId;

/// One line per statement that has a place: its token, then each place as `file:line`, separated by tabs.
const TABLE: &str = include_str!("table.tsv");

/// A line of the program's source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceLine {
    /// The path, from the root of the repository.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
}

/// The places where the broker honours the statement. Empty if no single place does, as for the framing of packets.
pub fn honoured_at(statement: StatementId) -> Vec<SourceLine> {
    let token = statement.to_string();
    let row = TABLE.lines().find_map(|row| {
        let (name, places) = row.split_once('\t')?;
        (name == token).then_some(places)
    });
    row.unwrap_or_default().split('\t').filter_map(place).collect()
}

/// Reads `file:line`.
fn place(text: &str) -> Option<SourceLine> {
    let (file, line) = text.rsplit_once(':')?;
    Some(SourceLine {
        file: file.to_owned(),
        line: line.parse().ok()?,
    })
}
