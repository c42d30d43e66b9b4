//! `--write-known`: a first list of known deviations, each to be looked at by a person.

use crate::suite::{CaseResult, RunResult, Verdict};

/// The list, as a profile takes it.
pub fn list(result: &RunResult) -> String {
    let entries: String = result.cases.iter().map(entries).collect();
    if entries.is_empty() {
        return "known: []\n".to_owned();
    }
    format!("known:\n{entries}")
}

fn entries(case: &CaseResult) -> String {
    let mut names: Vec<String> = match case.verdict {
        Verdict::Crash => vec!["crash".to_owned()],
        Verdict::Fail => {
            let script = case
                .failure
                .as_ref()
                .and_then(|_| case.proves.first().map(ToString::to_string));
            let found = case.breaches().filter_map(|f| f.statement).map(|id| id.to_string());
            script.into_iter().chain(found).collect()
        }
        _ => Vec::new(),
    };
    names.sort();
    names.dedup();
    names.iter().map(|fails| entry(case, fails)).collect()
}

fn entry(case: &CaseResult, fails: &str) -> String {
    let why = case
        .reason
        .as_deref()
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default();
    format!(
        "  # {why}\n  - case: {}\n    fails: {}\n    untriaged: true\n",
        quoted(&case.id),
        quoted(fails)
    )
}

/// As a YAML scalar: JSON's strings are YAML too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
