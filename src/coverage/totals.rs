//! The figures: how many statements there are, can be seen, have a case, and are caught.

use super::{Caught, Coverage, Row};
use crate::statements::Version;

/// A part of the catalogue that is counted separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub version: Version,
    /// The unnumbered entries, for duties that the standard does not number; else the numbered ones.
    pub own: bool,
}

impl Part {
    /// Every part that has statements.
    pub const ALL: [Part; 5] = [
        Part::new(Version::V3_1_1, false),
        Part::new(Version::V5, false),
        Part::new(Version::V3_1, true),
        Part::new(Version::V3_1_1, true),
        Part::new(Version::V5, true),
    ];

    const fn new(version: Version, own: bool) -> Part {
        Part { version, own }
    }

    /// Its name.
    pub fn name(self) -> String {
        let what = if self.own { "unnumbered" } else { "numbered" };
        format!("{} {what}", self.version)
    }

    fn holds(self, row: &Row) -> bool {
        let id = row.statement.id;
        id.version == self.version && id.is_own() == self.own
    }
}

/// The figures of one part, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub statements: usize,
    /// How many of them an exchange with a server can show.
    pub observable: usize,
    /// How many of the observable ones have a case.
    pub with_a_case: usize,
    /// How many of the observable ones are caught when they are broken.
    pub caught: usize,
    /// For how many of the observable ones no fault is possible; each has its reason.
    pub not_possible: usize,
}

impl Totals {
    /// The figures of one part.
    pub fn of(coverage: &Coverage, part: Part) -> Totals {
        Totals::count(coverage.rows.iter().filter(|row| part.holds(row)))
    }

    /// The figures of the numbered statements, which the project promises to cover.
    pub fn numbered(coverage: &Coverage) -> Totals {
        Totals::count(coverage.rows.iter().filter(|row| !row.statement.id.is_own()))
    }

    /// The figures of everything.
    pub fn all(coverage: &Coverage) -> Totals {
        Totals::count(coverage.rows.iter())
    }

    fn count<'a>(rows: impl Iterator<Item = &'a Row>) -> Totals {
        let mut totals = Totals::default();
        for row in rows {
            totals.statements += 1;
            if row.statement.observe.is_observable() {
                totals.observable += 1;
                totals.with_a_case += usize::from(!row.cases.is_empty());
                totals.caught += usize::from(row.caught == Caught::Yes);
                totals.not_possible += usize::from(matches!(row.caught, Caught::NotPossible(_)));
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::super::Evidence;
    use super::*;

    #[test]
    fn the_parts_are_the_whole() {
        let coverage = Coverage::of(&[], &Evidence::None);
        let sum: usize = Part::ALL.map(|p| Totals::of(&coverage, p).statements).iter().sum();
        assert_eq!(sum, coverage.rows.len());
        let numbered = Totals::numbered(&coverage);
        assert_eq!((numbered.statements, numbered.observable), (141 + 251, 123 + 234));
        assert_eq!((numbered.with_a_case, numbered.caught), (0, 0));
    }
}
