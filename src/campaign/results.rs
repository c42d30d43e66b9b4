//! What came of a campaign as the results of a run, so that every report of a run can show it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::cause::{Cause, Outcome};
use super::fatal::Fatal;
use super::proof::{name_of, read_back, written};
use super::report::{Report, outcome};
use crate::fuzzer::scenario_that_ends;
use crate::reference::Free;
use crate::report::plural;
use crate::scenario::{Case, Header, SnapshotForm, Which};
use crate::source::Source;
use crate::statements::Version;
use crate::suite::{About, CaseResult, Judged, RunResult, TargetInfo, Verdict, Weight};
use crate::sut::Kept;
use crate::transcript::Transcript;
use crate::wire::Side;

impl Report {
    /// Each cause as the result of a case, and the cases: of a cause without a scenario there is none.
    pub fn as_run(&self, target: &TargetInfo, about: About) -> (RunResult, Vec<Arc<Case>>) {
        let mut cases = Vec::new();
        let mut results: Vec<CaseResult> = self.causes.iter().map(|cause| of_cause(cause, &mut cases)).collect();
        results.extend(self.fatal().map(|fatal| self.of_fatal(fatal, &mut cases)));
        let [sequences, packets] = [self.sequences, self.packets].map(|n| n as usize);
        let mut notes = vec![format!(
            "generated exchanges, seed {}: {}, {}",
            self.seed,
            plural(sequences, "sequence"),
            plural(packets, "packet")
        )];
        notes.extend(self.trouble.iter().map(|trouble| trouble.text.clone()));
        let run = RunResult {
            about,
            target: TargetInfo {
                snapshots: Kept::default(),
                ..target.clone()
            },
            duration: self.time + self.confirming,
            cases: results,
            notes,
            crashes_under_load: Vec::new(),
            interrupted: self.interrupted,
            unplayed: 0,
        };
        (run, cases)
    }

    fn of_fatal(&self, fatal: &Fatal, cases: &mut Vec<Arc<Case>>) -> CaseResult {
        let name = "ends-the-broker";
        let file = fatal.file.as_ref().and_then(|file| file.as_deref().ok());
        let text = scenario_that_ends(&fatal.sequence, &fatal.how);
        let header = header(name, file, &text, cases);
        let version = fatal.sequence.versions.first().copied().unwrap_or(Version::V5);
        CaseResult {
            reason: Some(fatal.how.clone()),
            log: self.trouble.as_ref().map(|trouble| trouble.text.clone()),
            ..result(
                format!("fuzz/{name}@{version}"),
                header,
                version,
                &fatal.transcript,
                Verdict::Crash,
            )
        }
    }
}

fn of_cause(cause: &Cause, cases: &mut Vec<Arc<Case>>) -> CaseResult {
    let verdict = match (&cause.known, cause.outcome) {
        (Some(_), _) => Verdict::Known,
        // Nobody can say yet that the broker does it.
        (None, Outcome::Unstable { .. }) => Verdict::Skip,
        (None, Outcome::Confirmed | Outcome::Unconfirmed) => Verdict::Fail,
    };
    let reason = match (&cause.known, verdict) {
        (Some(known), _) => known.because.clone(),
        (None, Verdict::Skip) => format!("{}: {}", outcome(cause), cause.verdict.text),
        (None, _) => cause.verdict.text.clone(),
    };
    let statement = cause.key.statement;
    let file = cause.proof.file().and_then(|file| fs::read_to_string(file).ok());
    let text = file.unwrap_or_else(|| written(cause, Free::default()));
    let header = header(&name_of(cause.key), cause.proof.file(), &text, cases);
    let id = cause.key.to_string();
    CaseResult {
        reason: Some(reason),
        known: cause.known.iter().cloned().collect(),
        proves: vec![statement],
        findings: vec![Judged {
            weight: Weight::Fails,
            origin: Which::Case,
            statement: Some(statement),
            rule: Some(cause.verdict.rule),
            text: cause.verdict.text.clone(),
            event: Some(cause.verdict.event),
            span: None,
        }],
        ..result(id, header, statement.version, &cause.transcript, verdict)
    }
}

/// The header of a scenario as `mqttspec check` reads it. `file` is where it was written, if it was.
fn header(name: &str, file: Option<&Path>, text: &str, cases: &mut Vec<Arc<Case>>) -> Arc<Header> {
    let source = Arc::new(Source {
        file: file.map_or_else(|| format!("{name}.yaml"), |file| file.display().to_string()),
        text: text.to_owned(),
    });
    if let Ok(case) = read_back(name, text) {
        let header = Arc::new(Header {
            source,
            ..Header::clone(&case.header)
        });
        let mut case = Case::clone(&case);
        case.outline.header = Arc::clone(&header);
        cases.push(Arc::new(case));
        return header;
    }
    Arc::new(Header {
        path: name.to_owned(),
        source,
        embedded: false,
        tests: Side::Server,
        title: name.to_owned(),
        about: None,
        snapshot: SnapshotForm::Exchange,
    })
}

fn result(id: String, header: Arc<Header>, version: Version, transcript: &Transcript, verdict: Verdict) -> CaseResult {
    CaseResult {
        id,
        title: header.title.clone(),
        header,
        version,
        verdict,
        reason: None,
        steady_reason: None,
        known: Vec::new(),
        sometimes: false,
        varies: false,
        proves: Vec::new(),
        failure: None,
        missed: None,
        rigour: false,
        findings: Vec::new(),
        duration: transcript.events.last().map_or(Duration::ZERO, |event| event.at),
        transcript: Some(Arc::new(transcript.clone())),
        control: None,
        plays: 1,
        second_look: None,
        log: None,
        report: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::cause::Causes;
    use crate::campaign::tests::options;
    use crate::fuzzer::{Act, Action, Connection, Sequence, Verdict as Seen, play};
    use crate::harness;
    use crate::reference::{Config, Disobey};
    use crate::statements::StatementId;
    use crate::transport::Transport;

    /// A report with a cause at each version, each with another outcome.
    fn run() -> (RunResult, Vec<Arc<Case>>) {
        let mut report = Report::new("reference", None, &options());
        let outcomes = [
            Outcome::Confirmed,
            Outcome::Unstable { shown: 1, of: 3 },
            Outcome::Unconfirmed,
        ];
        for (version, outcome) in Version::ALL.into_iter().zip(outcomes) {
            let sequence = Sequence {
                versions: vec![version],
                actions: vec![Action {
                    client: 0,
                    act: Act::Connect(Connection::default()),
                }],
            };
            let seen = Seen {
                rule: "newest-is-retained",
                statement: StatementId {
                    version,
                    id: "MQTT-3.3.1-5",
                },
                event: 1,
                text: "it did not come".to_owned(),
            };
            let mut causes = Causes::default();
            causes.add(&sequence, &[seen], &play(&Arc::new(Config::default()), &sequence));
            let mut cause = Cause::unconfirmed(causes.into_list().remove(0));
            cause.outcome = outcome;
            report.causes.push(cause);
        }
        let (target, _) = harness::reference_as(Disobey::default(), Free::default(), Transport::Mqtt);
        report.as_run(&target.info, About::default())
    }

    #[test]
    fn a_cause_is_a_case_with_its_exchange_and_scenario() {
        let (run, cases) = run();
        let verdicts: Vec<(&str, Verdict)> = run.cases.iter().map(|c| (c.id.as_str(), c.verdict)).collect();
        assert_eq!(
            verdicts,
            [
                ("fuzz/newest-is-retained@v3.1", Verdict::Fail),
                ("fuzz/newest-is-retained@v3.1.1", Verdict::Skip),
                ("fuzz/newest-is-retained@v5", Verdict::Fail),
            ]
        );
        let unstable = run.cases[1].reason.as_deref();
        assert_eq!(unstable, Some("unstable: shown alone 1 times of 3: it did not come"));
        assert_eq!(run.notes, ["generated exchanges, seed 7: 0 sequences, 0 packets"]);
        // 3.1 has no statement of this name, so its scenario is none.
        assert_eq!(cases.len(), 2);
        for (result, case) in run.cases[1..].iter().zip(&cases) {
            assert_eq!(result.breaches().count(), 1);
            assert!(result.transcript.as_ref().is_some_and(|t| !t.events.is_empty()));
            // No folder of this machine.
            assert_eq!(case.header.source.file, format!("{}.yaml", case.header.path));
            assert!(result.header.source.text.contains("steps:"));
        }
    }
}
