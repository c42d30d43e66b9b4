//! The verdict of every case, a line a scenario: its most frequent verdict, and below it what differs.
//!
//! ```text
//! connect/empty-client-id  pass
//!   [zero-bytes]  known
//!   [none]@v5  fail
//! dup/header-refused  pass
//! ```
//!
//! `[row]` stands for each version of a row and `@v5` for each row at a version, if all of those agree. A case has
//! the verdict of the most precise line: its own, then that of its version, of its row, of its scenario.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The verdict of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The path of the scenario.
    pub path: String,
    /// The rest of the case's id: `[row]@v5`.
    pub row: String,
    /// `None` if this run cannot say: the accepted one stays.
    pub verdict: Option<String>,
}

impl Line {
    /// The row without its version, and the version with its `@`.
    fn parts(&self) -> (&str, &str) {
        let at = self.row.rfind('@').unwrap_or(self.row.len());
        self.row.split_at(at)
    }
}

/// The text of the file. A case that was not judged keeps the verdict that it has in `accepted`; without one it is an
/// `error`. The cases of a scenario have to follow one another.
pub fn text(lines: &[Line], accepted: &str) -> String {
    let old = Verdicts::read(accepted);
    let mut out = String::new();
    for scenario in lines.chunk_by(|one, next| one.path == next.path) {
        let verdict = |line: &Line| match &line.verdict {
            Some(verdict) => verdict.clone(),
            None => old.of(line).unwrap_or("error").to_owned(),
        };
        let cases: Vec<(&Line, String)> = scenario.iter().map(|line| (line, verdict(line))).collect();
        let usual = most_frequent(&cases);
        let _ = writeln!(out, "{}  {usual}", scenario[0].path);
        out.push_str(&differing(&cases, usual));
    }
    out
}

/// The most frequent verdict; of equally frequent ones the first.
fn most_frequent<'c>(cases: &'c [(&Line, String)]) -> &'c str {
    let count = |verdict: &str| cases.iter().filter(|(_, v)| v == verdict).count();
    cases
        .iter()
        .map(|(_, verdict)| verdict.as_str())
        .min_by_key(|verdict| Reverse(count(verdict)))
        .unwrap_or_default()
}

/// The lines below a scenario's.
fn differing(cases: &[(&Line, String)], usual: &str) -> String {
    let mut out = String::new();
    let mut left: Vec<&(&Line, String)> = cases.iter().collect();
    let versions = distinct(cases.iter().map(|(line, _)| line.parts().1));
    if versions.len() > 1 {
        for version in versions {
            if let Some(verdict) = shared(&left, usual, |line| line.parts().1 == version) {
                let _ = writeln!(out, "  {version}  {verdict}");
                left.retain(|(line, _)| line.parts().1 != version);
            }
        }
    }
    for row in distinct(cases.iter().map(|(line, _)| line.parts().0)) {
        let in_row = |line: &Line| line.parts().0 == row;
        let count = left.iter().filter(|(line, _)| in_row(line)).count();
        match shared(&left, usual, in_row) {
            // Without a name a row has no line but those of its versions.
            Some(verdict) if count > 1 && !row.is_empty() => {
                let _ = writeln!(out, "  {row}  {verdict}");
            }
            _ => {
                for (line, verdict) in left.iter().filter(|(line, v)| in_row(line) && v != usual) {
                    let _ = writeln!(out, "  {}  {verdict}", line.row);
                }
            }
        }
    }
    out
}

/// The verdict that all of these share, if it is not the usual one.
fn shared<'c>(cases: &[&'c (&Line, String)], usual: &str, wanted: impl Fn(&Line) -> bool) -> Option<&'c str> {
    let mut wanted = cases.iter().filter(|(line, _)| wanted(line)).map(|(_, v)| v.as_str());
    let first = wanted.next()?;
    (first != usual && wanted.all(|v| v == first)).then_some(first)
}

fn distinct<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// What a file says.
struct Verdicts<'a> {
    /// By path, and by what is below a path with the path before it.
    lines: BTreeMap<String, &'a str>,
}

impl<'a> Verdicts<'a> {
    fn read(text: &'a str) -> Verdicts<'a> {
        let mut path = "";
        let mut lines = BTreeMap::new();
        for line in text.lines() {
            let Some((key, verdict)) = line.trim_start().split_once("  ") else {
                continue;
            };
            if line.starts_with(' ') {
                lines.insert(format!("{path}{key}"), verdict);
            } else {
                path = key;
                lines.insert(key.to_owned(), verdict);
            }
        }
        Verdicts { lines }
    }

    fn of(&self, case: &Line) -> Option<&'a str> {
        let (row, version) = case.parts();
        [&case.row, version, row, ""]
            .into_iter()
            .find_map(|end| self.lines.get(&format!("{}{end}", case.path)).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(all: &[(&str, &str, &str)]) -> Vec<Line> {
        let line = |(path, row, verdict): &(&str, &str, &str)| Line {
            path: (*path).to_owned(),
            row: (*row).to_owned(),
            verdict: (!verdict.is_empty()).then(|| (*verdict).to_owned()),
        };
        all.iter().map(line).collect()
    }

    /// Writes the verdicts, and proves that each case has its own again when they are read.
    fn written(all: &[(&str, &str, &str)]) -> String {
        let lines = lines(all);
        let text = text(&lines, "");
        let read = Verdicts::read(&text);
        for line in &lines {
            assert_eq!(read.of(line), line.verdict.as_deref(), "{line:?} in\n{text}");
        }
        text
    }

    #[test]
    fn a_scenario_of_which_all_rows_agree_is_one_line() {
        let text = written(&[
            ("a/b", "[x]@v3.1.1", "pass"),
            ("a/b", "[x]@v5", "pass"),
            ("a/b", "[y]@v5", "pass"),
            ("c", "@v5", "skip"),
        ]);
        assert_eq!(text, "a/b  pass\nc  skip\n");
    }

    #[test]
    fn what_differs_is_below_by_version_row_or_case() {
        let rows = ["[1]", "[2]", "[3]", "[4]"];
        let verdict = |row: usize, version: &str| match (row, version) {
            (_, "@v3.1") => "skip",
            (1, _) => "known",
            (2, "@v5") => "fail (control)",
            _ => "pass",
        };
        let mut all = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            for version in ["@v3.1", "@v3.1.1", "@v5"] {
                all.push((format!("{row}{version}"), verdict(at, version)));
            }
        }
        let all: Vec<_> = all
            .iter()
            .map(|(row, verdict)| ("a/b", row.as_str(), *verdict))
            .collect();
        assert_eq!(
            written(&all),
            "a/b  pass\n  @v3.1  skip\n  [2]  known\n  [3]@v5  fail (control)\n"
        );
    }

    #[test]
    fn versions_without_rows_are_lines_of_their_own() {
        let text = written(&[("a", "@v3.1", "known"), ("a", "@v3.1.1", "pass"), ("a", "@v5", "pass")]);
        assert_eq!(text, "a  pass\n  @v3.1  known\n");
        let text = written(&[("a", "@v3.1.1", "known"), ("a", "@v5", "pass")]);
        assert_eq!(text, "a  known\n  @v5  pass\n");
        let text = written(&[
            ("a", "[x]@v3.1.1", "known"),
            ("a", "[x]@v5", "pass"),
            ("a", "[y]@v5", "pass"),
        ]);
        assert_eq!(text, "a  pass\n  @v3.1.1  known\n");
    }

    #[test]
    fn one_case_that_changes_is_one_line() {
        let mut all: Vec<(&str, String, &str)> = (0..20).map(|n| ("a", format!("[{n}]@v5"), "pass")).collect();
        let text = |all: &[(&str, String, &str)]| {
            written(
                &all.iter()
                    .map(|(path, row, v)| (*path, row.as_str(), *v))
                    .collect::<Vec<_>>(),
            )
        };
        let before = text(&all);
        all[7].2 = "fail";
        assert_eq!(text(&all), format!("{before}  [7]@v5  fail\n"));
    }

    #[test]
    fn a_case_that_was_not_judged_keeps_its_verdict() {
        let accepted = "a  pass\n  @v3.1  skip\n  [x]  known\n  [y]@v5  fail\n";
        let all = lines(&[
            ("a", "[w]@v5", ""),
            ("a", "[x]@v3.1", ""),
            ("a", "[x]@v3.1.1", ""),
            ("a", "[x]@v5", ""),
            ("a", "[y]@v5", ""),
            ("a", "[z]@v5", "pass"),
            ("new", "@v5", ""),
        ]);
        let verdicts = text(&all, accepted);
        let read = Verdicts::read(&verdicts);
        let found: Vec<_> = all.iter().map(|line| read.of(line).unwrap()).collect();
        assert_eq!(found, ["pass", "skip", "known", "known", "fail", "pass", "error"]);
        // A line a case, as earlier versions wrote it, says the same.
        assert_eq!(Verdicts::read("a[x]@v5  known\n").of(&all[3]), Some("known"));
    }
}
