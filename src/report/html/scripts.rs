//! The scenarios' texts, for a page that shows alongside an exchange the script that it follows.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::scenario::{Case, Header, every};

/// Scenarios by their path.
#[derive(Debug, Clone, Default)]
pub struct Scripts(BTreeMap<String, Script>);

/// One scenario.
#[derive(Debug, Clone)]
pub struct Script {
    pub header: Arc<Header>,
    /// The line at which each step begins, from 1. The steps are numbered as in transcripts: from 1 in the order of the
    /// file, 0 being the set-up.
    pub lines: BTreeMap<u32, u32>,
}

impl Scripts {
    /// The scripts of these cases.
    pub fn of<'c>(cases: impl IntoIterator<Item = &'c Case>) -> Scripts {
        let mut scripts = BTreeMap::new();
        for case in cases {
            scripts.entry(case.header.path.clone()).or_insert_with(|| {
                let steps = case.script.exchanges().flat_map(|steps| every(steps));
                let lines = steps.map(|step| (step.number + 1, step.place.line)).collect();
                Script {
                    header: Arc::clone(&case.header),
                    lines,
                }
            });
        }
        Scripts(scripts)
    }

    /// The scenario with this path.
    pub fn get(&self, path: &str) -> Option<&Script> {
        self.0.get(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Files;

    #[test]
    fn a_step_has_its_line() {
        let scenarios = Files::embedded().load(|path| path == "qos2/dup-before-pubrel").unwrap();
        let scripts = Scripts::of(scenarios.iter().flat_map(|s| &s.cases));
        let script = scripts.get("qos2/dup-before-pubrel").unwrap();
        let line = |number| {
            script
                .header
                .source
                .text
                .lines()
                .nth(script.lines[&number] as usize - 1)
        };
        let first = script.lines.keys().next().copied();
        assert_eq!(first, Some(1));
        assert!(line(1).unwrap().contains("pub -> PUBLISH"));
        assert!(line(11).unwrap().contains("sub <- nothing"));
    }
}
