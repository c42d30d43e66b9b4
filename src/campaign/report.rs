//! What came of a campaign, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::Options;
use super::cause::{Cause, Outcome};
use super::explore::Trouble;
use super::fatal::{Fatal, Search};
use super::proof::Proof;
use super::shared::Shared;
use crate::fuzzer::live::Until;
use crate::report::plural;
use crate::statements::catalogue;
use crate::transcript::{printable, trace};

/// How many events of an exchange are shown.
const EVENTS: usize = 120;
/// How many ways of failing of one cause are listed.
const WAYS: usize = 3;

/// What came of all sequences.
#[derive(Debug)]
pub struct Report {
    pub target: String,
    pub version: Option<String>,
    pub seed: u64,
    pub sequences: u64,
    /// In both directions.
    pub packets: u64,
    /// How long sequences were played.
    pub time: Duration,
    /// How long what was found was played again and made short.
    pub confirming: Duration,
    /// How many pairs of state and action were reached.
    pub pairs: usize,
    /// Why sequences were cut short, and how many.
    pub cut_short: BTreeMap<String, u64>,
    pub causes: Vec<Cause>,
    /// Why the target was given up.
    pub trouble: Option<Trouble>,
    /// Which sequence is why, if it was searched for.
    pub fatal: Option<Search>,
    pub interrupted: bool,
    /// On the reference core without connections.
    pub in_process: bool,
}

impl Report {
    pub fn new(target: &str, version: Option<&str>, options: &Options) -> Report {
        Report {
            target: target.to_owned(),
            version: version.map(str::to_owned),
            seed: options.seed,
            sequences: 0,
            packets: 0,
            time: Duration::ZERO,
            confirming: Duration::ZERO,
            pairs: 0,
            cut_short: BTreeMap::new(),
            causes: Vec::new(),
            trouble: None,
            fatal: None,
            interrupted: false,
            in_process: false,
        }
    }

    pub fn take(&mut self, shared: &Shared, time: Duration) {
        self.sequences = shared.sequences;
        self.packets = shared.packets;
        self.pairs = shared.coverage.len();
        self.cut_short.clone_from(&shared.cut_short);
        self.time = time;
    }

    /// The causes that a person must act on.
    pub fn new_causes(&self) -> impl Iterator<Item = &Cause> {
        self.causes.iter().filter(|cause| cause.is_new())
    }

    pub(super) fn fatal(&self) -> Option<&Fatal> {
        match &self.fatal {
            Some(Search::Found(fatal)) => Some(fatal),
            Some(Search::None(_)) | None => None,
        }
    }

    /// Sequences and packets a second.
    fn rates(&self) -> [f64; 2] {
        let seconds = self.time.as_secs_f64().max(1e-9);
        [self.sequences as f64 / seconds, self.packets as f64 / seconds]
    }

    fn name(&self) -> String {
        let version = self.version.iter().map(|version| format!(" {version}"));
        self.target.clone() + &version.collect::<String>()
    }

    /// For the terminal: each cause with the exchange that shows it, then the figures. `wrap` is the width for sentences.
    pub fn text(&self, wrap: usize) -> String {
        let mut out = String::new();
        for cause in &self.causes {
            out.push_str(&of_cause(cause, wrap));
            out.push('\n');
        }
        let [sequences, packets] = self.rates();
        let _ = writeln!(
            out,
            "{}, seed {}: {}, {} in {:.1} s ({sequences:.0} and {packets:.0} a second)",
            printable(&self.name()),
            self.seed,
            plural(self.sequences as usize, "sequence"),
            plural(self.packets as usize, "packet"),
            self.time.as_secs_f64()
        );
        let _ = writeln!(out, "{} of state and action reached", plural(self.pairs, "pair"));
        for (why, count) in &self.cut_short {
            let _ = writeln!(
                out,
                "{} cut short, of which nothing is said: {}",
                plural(*count as usize, "sequence"),
                printable(why)
            );
        }
        out.push_str(&self.summary());
        if let Some(trouble) = &self.trouble {
            let lines = trouble.text.lines().map(printable);
            let _ = writeln!(out, "ended early: {}", lines.collect::<Vec<_>>().join("\n"));
        }
        match &self.fatal {
            Some(Search::Found(fatal)) => out.push_str(&of_fatal(fatal, wrap)),
            Some(Search::None(number)) => {
                let were = plural(*number, "sequence");
                let _ = writeln!(
                    out,
                    "{were} in progress at that time: none of them ends the broker alone"
                );
            }
            None => {}
        }
        if self.interrupted {
            out.push_str("interrupted\n");
        }
        out
    }

    /// One line that counts the causes.
    fn summary(&self) -> String {
        let unstable = |c: &&Cause| matches!(c.outcome, Outcome::Unstable { .. });
        let known = self.causes.iter().filter(|c| c.known.is_some()).count();
        let unstable = self
            .causes
            .iter()
            .filter(|c| c.known.is_none())
            .filter(unstable)
            .count();
        let new = self.new_causes().count();
        format!(
            "{} found, {known} known, {unstable} unstable\n",
            plural(new, "new cause")
        )
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let causes: Vec<Value> = self.causes.iter().map(as_json).collect();
        let whole = json!({
            "target": self.target,
            "version": self.version,
            "in_process": self.in_process,
            "seed": self.seed,
            "sequences": self.sequences,
            "packets": self.packets,
            "seconds": self.time.as_secs_f64(),
            "confirming_seconds": self.confirming.as_secs_f64(),
            "pairs": self.pairs,
            "cut_short": self.cut_short,
            "causes": causes,
            "trouble": self.trouble.as_ref().map(|trouble| &trouble.text),
            "crash": self.trouble.as_ref().is_some_and(|trouble| trouble.crash),
            "fatal": self.fatal().map(|fatal| json!({
                "how": fatal.how,
                "sequence": fatal.sequence,
                "exchange": trace(&fatal.transcript, usize::MAX),
                "scenario": fatal.file.as_ref().and_then(|file| Some(file.as_ref().ok()?.display().to_string())),
            })),
            "interrupted": self.interrupted,
        });
        format!("{whole:#}\n")
    }

    /// As JUnit XML: one test case a cause, and one for the sequences themselves.
    pub fn junit(&self) -> String {
        let mut suite = TestSuite::new(xml(&format!("fuzz {}", self.name())));
        suite.set_time(self.time);
        suite.add_property(("seed", self.seed.to_string().as_str()));
        suite.add_property(("sequences", self.sequences.to_string().as_str()));
        suite.add_property(("packets", self.packets.to_string().as_str()));
        let mut status = TestCaseStatus::success();
        if let Some(trouble) = &self.trouble {
            status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(xml(&trouble.text));
            if let Some(fatal) = self.fatal() {
                status.set_description(xml(&of_fatal(fatal, usize::MAX)));
            }
        }
        let mut all = TestCase::new("sequences", status);
        all.set_classname("fuzz");
        suite.add_test_case(all);
        for cause in &self.causes {
            let mut status = match (&cause.known, cause.is_new()) {
                (Some(known), _) => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(xml(&format!("known: {}", known.because)));
                    status
                }
                (None, false) => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(xml(&outcome(cause)));
                    status
                }
                (None, true) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_message(xml(&format!("{}: {}", cause.key.statement, cause.verdict.text)));
                    status
                }
            };
            if cause.is_new() {
                status.set_description(xml(&trace(&cause.transcript, EVENTS)));
            }
            let mut test = TestCase::new(xml(&cause.key.to_string()), status);
            test.set_classname("fuzz");
            suite.add_test_case(test);
        }
        let mut report = Junit::new("mqttspec");
        report.add_test_suite(suite);
        report.to_string().unwrap_or_default()
    }
}

fn as_json(cause: &Cause) -> Value {
    let (outcome, shown, of) = match cause.outcome {
        Outcome::Confirmed => ("confirmed", None, None),
        Outcome::Unstable { shown, of } => ("unstable", Some(shown), Some(of)),
        Outcome::Unconfirmed => ("unconfirmed", None, None),
    };
    let file = cause.proof.file().map(|file| file.display().to_string());
    json!({
        "id": cause.key.to_string(),
        "rule": cause.key.rule,
        "statement": cause.key.statement.to_string(),
        "outcome": outcome,
        "shown": shown,
        "of": of,
        "known": cause.known.as_ref().map(|known| known.because.clone()),
        "sequences": cause.count,
        "ways": cause.ways,
        "text": cause.verdict.text,
        "sequence": cause.sequence,
        "exchange": trace(&cause.transcript, usize::MAX),
        "scenario": file,
    })
}

pub(super) fn outcome(cause: &Cause) -> String {
    match cause.outcome {
        Outcome::Confirmed => "confirmed".to_owned(),
        Outcome::Unstable { shown, of } => format!("unstable: shown alone {shown} times of {of}"),
        Outcome::Unconfirmed => "not played again".to_owned(),
    }
}

fn of_cause(cause: &Cause, wrap: usize) -> String {
    let mut out = String::new();
    let word = match (&cause.known, cause.is_new()) {
        (Some(_), _) => "known",
        (None, true) => "FOUND",
        (None, false) => "unstable",
    };
    let mut line = |text: String, indent| {
        let _ = writeln!(out, "{}", crate::report::wrapped(&text, wrap, indent));
    };
    line(
        format!(
            "{word}  {}  {}, in {}: {}",
            cause.key,
            cause.key.statement,
            plural(cause.count as usize, "sequence"),
            outcome(cause)
        ),
        0,
    );
    line(format!("  {}", printable(&cause.verdict.text)), 2);
    if let Some(known) = &cause.known {
        line(format!("  known: {}", printable(&known.because)), 2);
        return out;
    }
    if let Some(statement) = catalogue().get(cause.key.statement) {
        line(format!("  {}: {}", cause.key.statement, statement.says), 2);
    }
    let others = cause.ways.iter().filter(|_| cause.ways.len() > 1);
    for (way, count) in others.take(WAYS) {
        line(format!("  {count} × {}", printable(way)), 2);
    }
    match &cause.proof {
        Proof::File(file) => line(
            format!(
                "  scenario: {} (passes on the reference broker, fails on this one)",
                file.display()
            ),
            2,
        ),
        Proof::Unplayed(file) => line(format!("  scenario: {} (not played yet)", file.display()), 2),
        Proof::None(why) => line(format!("  no scenario: {}", printable(why)), 2),
        Proof::Wanted => {}
    }
    let steps = plural(cause.sequence.actions.len(), "action");
    line(format!("  the shortest sequence, {steps}:"), 2);
    for action in cause.sequence.to_string().lines() {
        let _ = writeln!(out, "    {action}");
    }
    out.push_str(&trace(&cause.transcript, EVENTS));
    out
}

fn of_fatal(fatal: &Fatal, wrap: usize) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        let _ = writeln!(out, "{}", crate::report::wrapped(&text, wrap, 2));
    };
    let actions = plural(fatal.sequence.actions.len(), "action");
    line(format!(
        "This sequence is enough, {actions}{}, {} times of {1} on a fresh broker: {}",
        match fatal.until {
            Until::LastAction => "",
            Until::TheEnd => " and the end of every sequence",
        },
        fatal.times,
        printable(&fatal.how)
    ));
    match &fatal.file {
        Some(Ok(file)) => line(format!("  scenario: {}", file.display())),
        Some(Err(why)) => line(format!("  no scenario: {}", printable(why))),
        None => {}
    }
    for action in fatal.sequence.to_string().lines() {
        let _ = writeln!(out, "    {action}");
    }
    out + &trace(&fatal.transcript, EVENTS)
}

/// Only what XML 1.0 can hold (section 2.2, production 2).
fn xml(text: &str) -> String {
    let legal = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    crate::report::plain(text).chars().filter(legal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::cause::{Causes, Gathered};
    use crate::campaign::tests::options;
    use crate::fuzzer::{Sequence, Verdict};
    use crate::reference::Config;
    use crate::statements::{StatementId, Version};

    /// A cause that the first sequence of the reference core is said to show.
    fn gathered() -> Gathered {
        let config = std::sync::Arc::new(Config::default());
        let sequence = Sequence {
            versions: vec![Version::V5],
            actions: vec![crate::fuzzer::Action {
                client: 0,
                act: crate::fuzzer::Act::Connect(crate::fuzzer::Connection::default()),
            }],
        };
        let transcript = crate::fuzzer::play(&config, &sequence);
        let verdict = Verdict {
            rule: "newest-is-retained",
            statement: StatementId {
                version: Version::V5,
                id: "MQTT-3.3.1-5",
            },
            event: 1,
            text: "the newest <retained> message did not come".to_owned(),
        };
        let mut causes = Causes::default();
        causes.add(&sequence, &[verdict], &transcript);
        causes.into_list().remove(0)
    }

    fn report(outcome: Outcome) -> Report {
        let mut cause = Cause::unconfirmed(gathered());
        cause.outcome = outcome;
        let mut report = Report::new("broker", Some("1.2"), &options());
        report.sequences = 20;
        report.packets = 400;
        report.time = Duration::from_secs(2);
        report.pairs = 1;
        report.cut_short.insert("no answer within 10 s".to_owned(), 1);
        report.causes.push(cause);
        report
    }

    #[test]
    fn the_figures_come_last() {
        let text = report(Outcome::Confirmed).text(usize::MAX);
        let figures = "\
broker 1.2, seed 7: 20 sequences, 400 packets in 2.0 s (10 and 200 a second)
1 pair of state and action reached
1 sequence cut short, of which nothing is said: no answer within 10 s
1 new cause found, 0 known, 0 unstable
";
        assert!(text.ends_with(figures), "{text}");
        let first = "FOUND  fuzz/newest-is-retained@v5  v5:MQTT-3.3.1-5, in 1 sequence: confirmed\n";
        assert!(text.starts_with(first), "{text}");
        assert!(text.contains(" → CONNECT "), "{text}");
    }

    #[test]
    fn only_a_certain_cause_that_nobody_expects_is_a_failure() {
        let junit = report(Outcome::Confirmed).junit();
        assert!(junit.contains("failures=\"1\""), "{junit}");
        assert!(junit.contains("the newest &lt;retained&gt; message"), "{junit}");
        let unstable = report(Outcome::Unstable { shown: 1, of: 4 });
        assert!(unstable.new_causes().next().is_none());
        assert!(unstable.junit().contains("failures=\"0\""));
        assert!(unstable.text(usize::MAX).contains("unstable: shown alone 1 times of 4"));
        let unplayed = report(Outcome::Unconfirmed);
        assert_eq!(unplayed.new_causes().count(), 1);
    }

    #[test]
    fn json_has_the_sequence_and_the_figures() {
        let json: Value = serde_json::from_str(&report(Outcome::Confirmed).json()).unwrap();
        assert_eq!((&json["sequences"], &json["seed"]), (&json!(20), &json!(7)));
        let cause = &json["causes"][0];
        assert_eq!(cause["id"], "fuzz/newest-is-retained@v5");
        let sequence: Sequence = serde_json::from_value(cause["sequence"].clone()).unwrap();
        assert_eq!(sequence.actions.len(), 1);
        assert_eq!(cause["scenario"], Value::Null);
    }
}
