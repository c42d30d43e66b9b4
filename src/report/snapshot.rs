//! The text of a snapshot: what of a case people review. It is the same for every run in which the broker does the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::case::{self, breaches, transcript_of};
use crate::suite::{CaseResult, RunResult, Verdict};
use crate::transcript::{Direction, Transcript, What, name, normalise, printable};

/// The tag of scenarios whose rows share one table.
pub const GRID: &str = "grid";

/// One snapshot: a case, or a grid as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The case's id, or of a grid its path; [`file_name`](super::review::file_name) makes its file's name of it.
    pub key: String,
    pub title: String,
    /// The scenario's file, as it is to be shown.
    pub scenario: String,
    pub text: String,
    /// Whether it is the table of a grid. One made from a run that left cases out is not to be compared or kept.
    pub is_grid: bool,
}

/// What `snapshots/<target>/` should hold of a run: for each case its text, and for each grid one table.
pub fn snapshots(run: &RunResult) -> Vec<Snapshot> {
    let mut grids: BTreeMap<&str, Vec<&CaseResult>> = BTreeMap::new();
    let mut all = Vec::new();
    for case in run.cases.iter().filter(|c| is_kept(c)) {
        if is_grid(case) {
            grids.entry(&case.header.path).or_default().push(case);
        } else {
            all.push(Snapshot {
                key: case.id.clone(),
                title: case.title.clone(),
                scenario: case.header.source.file.clone(),
                text: text(case),
                is_grid: false,
            });
        }
    }
    all.extend(grids.into_iter().map(|(path, cases)| Snapshot {
        key: path.to_owned(),
        title: cases[0].header.title.clone(),
        scenario: cases[0].header.source.file.clone(),
        text: grid(&cases),
        is_grid: true,
    }));
    all
}

/// Whether the rows of the case's scenario share one table, which only a complete run can write.
pub fn is_grid(case: &CaseResult) -> bool {
    case.header.tags.iter().any(|t| t == GRID)
}

/// Whether a case has something to be kept: what was skipped or was our own fault says nothing about the broker.
pub fn is_kept(case: &CaseResult) -> bool {
    !matches!(case.verdict, Verdict::Skip | Verdict::Error)
}

/// The text of one case.
pub fn text(case: &CaseResult) -> String {
    let mut out = format!("verdict: {}\n", case::verdict(case));
    let ns = case
        .transcript
        .as_ref()
        .map(|t| t.namespace.as_str())
        .unwrap_or_default();
    if let Some(reason) = &case.reason {
        let _ = writeln!(out, "reason: {}", without(ns, reason));
    }
    for (finding, control) in breaches(case) {
        let whose = if control { " in the control" } else { "" };
        let _ = writeln!(out, "breach: {} (rule {}{whose})", finding.statement, finding.rule);
    }
    if let Some(transcript) = &case.transcript {
        let _ = write!(out, "\n{}", normalise(transcript, &kept(case, false)));
    }
    if let Some(control) = &case.control {
        let _ = write!(out, "\ncontrol\n{}", normalise(control, &kept(case, true)));
    }
    out
}

/// Events that are shown although no step took them: the one at which it failed, and those that breach a rule.
fn kept(case: &CaseResult, control: bool) -> Vec<usize> {
    let failed = case.failure.as_ref().filter(|f| f.control == control);
    let breached = breaches(case).filter(|(_, c)| *c == control).map(|(f, _)| f.event);
    failed.and_then(|f| f.found).into_iter().chain(breached).collect()
}

/// The table of a grid: one line a case, with its verdict and how the broker answered.
pub fn grid(cases: &[&CaseResult]) -> String {
    let width = cases.iter().map(|c| row(c).chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for case in cases {
        let answer = transcript_of(case, false).map(answer).unwrap_or_default();
        let line = format!("{:<width$}  {:<14}  {answer}", row(case), case::verdict(case));
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// The case's id without the path that all share.
fn row(case: &CaseResult) -> &str {
    case.id.strip_prefix(case.header.path.as_str()).unwrap_or(&case.id)
}

/// What of the broker's packets steps took, and how the connection ended: `PUBREC, closed`.
fn answer(transcript: &Transcript) -> String {
    let mut events: Vec<_> = transcript
        .events
        .iter()
        .filter(|e| e.author.direction() == Direction::FromBroker && e.step.is_some())
        .collect();
    events.sort_by_key(|e| e.step.clone());
    let words: Vec<String> = events
        .into_iter()
        .filter_map(|e| match &e.what {
            What::Packet { decoded, .. } => {
                let code = decoded
                    .packet
                    .as_ref()
                    .and_then(|p| p.reason_code())
                    .filter(|c| *c != 0);
                Some(match code {
                    Some(code) => format!("{} 0x{code:02x}", name(decoded)),
                    None => name(decoded).to_owned(),
                })
            }
            What::Fragment(_) => Some("bytes".to_owned()),
            What::End(_) => Some("closed".to_owned()),
            _ => None,
        })
        .collect();
    if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join(", ")
    }
}

fn without(namespace: &str, text: &str) -> String {
    let text = printable(text).replace('\n', " ");
    if namespace.is_empty() {
        text
    } else {
        text.replace(namespace, "$ns")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, golden};
    use super::*;

    #[test]
    fn a_snapshot_is_the_normalised_exchange() {
        golden!("snapshot", &text(&testing::passed()));
    }

    #[test]
    fn a_failure_shows_the_packet_that_stood_in_the_way() {
        golden!("snapshot-failed", &text(&testing::failed()));
    }

    #[test]
    fn a_grid_is_one_table() {
        let mut run = testing::run();
        let mut header = testing::header();
        std::sync::Arc::get_mut(&mut header).unwrap().tags = vec![GRID.to_owned()];
        for case in &mut run.cases {
            case.header = header.clone();
        }
        let all = snapshots(&run);
        assert_eq!(all.len(), 1);
        assert!(all[0].is_grid);
        assert_eq!(all[0].key, "qos2/dup-before-pubrel");
        golden!("grid", &all[0].text);
    }
}
