//! The table of a grid: its rows are short, and all of them share one snapshot.

use std::fmt::Write as _;

use super::case::{self, transcript_of};
use crate::suite::CaseResult;
use crate::transcript::{Transcript, What, name};

/// The table of a grid: one line a case, with its verdict and how the broker answered.
pub fn grid(cases: &[&CaseResult]) -> String {
    let width = cases.iter().map(|c| row(c).chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for case in cases {
        let answer = if case.varies {
            "varies".to_owned()
        } else {
            transcript_of(case, false).map(answer).unwrap_or_default()
        };
        let line = format!("{:<width$}  {:<14}  {answer}", row(case), case::verdict(case));
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// The case's id without the path that all share.
pub(super) fn row(case: &CaseResult) -> &str {
    case.id.strip_prefix(case.header.path.as_str()).unwrap_or(&case.id)
}

/// What of the broker's packets steps took, and how the connection ended: `PUBREC, closed`.
fn answer(transcript: &Transcript) -> String {
    let mut events: Vec<_> = transcript
        .events
        .iter()
        .filter(|e| transcript.is_from_broker(e) && e.step.is_some())
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
