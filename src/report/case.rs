//! What every report needs to know of a case.

use crate::suite::{CaseResult, Judged, RunResult, SecondLook, TargetInfo, Verdict};
use crate::sut::{Known, Ruling};
use crate::transcript::{Transcript, printable};

/// How many cases have which verdict, and how much advice there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// In the order of [`Verdict::ALL`].
    pub verdicts: [usize; Verdict::ALL.len()],
    /// Of played cases: violations of a SHOULD, and what else a broker's author should know.
    pub advice: usize,
    /// Failures that rest on the rigour clause alone.
    pub rigour_fail: usize,
    /// Known deviations that rest on it alone.
    pub rigour_known: usize,
}

impl Counts {
    pub fn of(run: &RunResult) -> Counts {
        Counts::tally(run.cases.iter().map(|c| (c.verdict, c.rigour, c.advice().count())))
    }

    /// The same of verdicts, each with whether it rests on the rigour clause alone, and how much advice came with it.
    pub fn tally(cases: impl Iterator<Item = (Verdict, bool, usize)>) -> Counts {
        let mut counts = Counts::default();
        for (verdict, rigour, advice) in cases {
            counts.verdicts[verdict as usize] += 1;
            counts.advice += advice;
            counts.rigour_fail += usize::from(rigour && verdict == Verdict::Fail);
            counts.rigour_known += usize::from(rigour && verdict == Verdict::Known);
        }
        counts
    }

    /// How many deviations rest on the rigour clause alone, known or not.
    pub fn rigour(&self) -> usize {
        self.rigour_fail + self.rigour_known
    }

    /// One line about the failures that rest on the rigour clause alone; `None` if there are none.
    pub fn rigour_line(&self) -> Option<String> {
        let part = |count: usize, verdict: Verdict, what: &str| {
            (count > 0).then(|| format!("{count} of {}", plural(self.get(verdict), what)))
        };
        let fail = part(self.rigour_fail, Verdict::Fail, "failure");
        let known = part(self.rigour_known, Verdict::Known, "known deviation");
        let parts: Vec<String> = fail.into_iter().chain(known).collect();
        let verb = if self.rigour() == 1 { "rests" } else { "rest" };
        (!parts.is_empty()).then(|| {
            let parts = parts.join(" and ");
            format!("{parts} {verb} on the rigour clause (5.0, section 4.13.1) alone")
        })
    }

    /// How many cases have this verdict.
    pub fn get(&self, verdict: Verdict) -> usize {
        self.verdicts[verdict as usize]
    }
}

/// The verdict's word, with `(control)` if the control failed.
pub fn verdict(case: &CaseResult) -> String {
    match &case.failure {
        Some(f) if f.control && case.verdict == Verdict::Fail => "fail (control)".to_owned(),
        _ if case.verdict == Verdict::Error && case.second_look == Some(SecondLook::Alone) => "error (load)".to_owned(),
        _ if case.verdict == Verdict::Error && case.second_look == Some(SecondLook::Late) => "error (late)".to_owned(),
        _ if case.verdict == Verdict::Error && case.second_look == Some(SecondLook::Unconfirmed) => {
            "error (unconfirmed)".to_owned()
        }
        _ => case.verdict.name().to_owned(),
    }
}

/// The same with `(rigour)` if the failure rests on the rigour clause alone.
pub fn marked_verdict(case: &CaseResult) -> String {
    let mark = if case.rigour { " (rigour)" } else { "" };
    format!("{}{mark}", verdict(case))
}

/// Whether a failure is not the broker's as far as is known: the case passes alone or late, or was not played alone although
/// cases disturbed each other.
pub fn is_excused(case: &CaseResult) -> bool {
    matches!(
        case.second_look,
        Some(SecondLook::Alone | SecondLook::Late | SecondLook::Unconfirmed)
    )
}

/// The target's name with its version.
pub fn target(target: &TargetInfo) -> String {
    named(&target.name, target.version.as_deref())
}

/// A broker's name with its version.
pub fn named(name: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => printable(&format!("{name} {version}")),
        None => printable(name),
    }
}

/// The reason as it is in every run in which the broker does the same, with the times out of it.
pub fn steady_reason(case: &CaseResult) -> Option<&str> {
    case.steady_reason.as_deref().or(case.reason.as_deref())
}

/// The reason on one line, with `$ns` for the names of the run and, if it is `steady`, `<time>` for its times.
pub fn plain_reason(case: &CaseResult, steady: bool) -> String {
    let reason = if steady {
        steady_reason(case)
    } else {
        case.reason.as_deref()
    };
    let mut text = reason.unwrap_or_default().to_owned();
    for transcript in case.transcript.iter().chain(&case.control) {
        text = super::snapshot::without(&transcript.namespace, &text);
    }
    printable(&text).lines().next().unwrap_or_default().to_owned()
}

/// What a finding is about and where it is, as words that go on from another: ` v5:MQTT-3.1.0-1 in the control`.
pub fn place(finding: &Judged) -> String {
    let statement = finding.statement.map(|id| format!(" {id}")).unwrap_or_default();
    let whose = if finding.in_control() { " in the control" } else { "" };
    format!("{statement}{whose}")
}

/// The causes of the known deviations of a run, those with the most cases first, each with how many cases it has. A
/// case with two causes counts for both.
pub fn causes(run: &RunResult) -> Vec<(&Known, usize)> {
    let mut causes: Vec<(&Known, usize)> = Vec::new();
    let known = run.cases.iter().filter(|c| c.verdict == Verdict::Known);
    for cause in known.flat_map(|case| &case.known) {
        match causes.iter_mut().find(|(known, _)| std::ptr::eq(*known, &**cause)) {
            Some((_, count)) => *count += 1,
            None => causes.push((cause, 1)),
        }
    }
    causes.sort_by_key(|(cause, count)| (usize::MAX - count, &cause.because));
    causes
}

/// How many causes have each ruling, the firmest first: `15 must, 6 strict, 1 without a ruling`. Empty if none has one.
pub fn rulings(causes: &[(&Known, usize)]) -> String {
    let count = |ruling: Option<Ruling>| causes.iter().filter(|(cause, _)| cause.ruling == ruling).count();
    let mut parts: Vec<String> = Ruling::ALL
        .into_iter()
        .map(|ruling| (count(Some(ruling)), ruling))
        .filter(|(count, _)| *count > 0)
        .map(|(count, ruling)| format!("{count} {ruling}"))
        .collect();
    let without = count(None);
    if !parts.is_empty() && without > 0 {
        parts.push(format!("{without} without a ruling"));
    }
    parts.join(", ")
}

/// What of a cause is behind its reason: the severity, the ruling and the links, in parentheses.
pub fn details(cause: &Known) -> String {
    let severity = cause.severity.map(|severity| severity.name());
    let ruling = cause.ruling.map(|ruling| ruling.name());
    let parts: Vec<&str> = severity
        .into_iter()
        .chain(ruling)
        .chain(cause.links.iter().map(String::as_str))
        .collect();
    match &*parts {
        [] => String::new(),
        parts => format!(" ({})", parts.join(", ")),
    }
}

/// The transcript in which a finding, or the failure, lies.
pub fn transcript_of(case: &CaseResult, control: bool) -> Option<&Transcript> {
    if control {
        case.control.as_deref()
    } else {
        case.transcript.as_deref()
    }
}

/// `1 case`, `2 cases`.
pub fn plural(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

#[cfg(test)]
mod ruled {
    use std::path::Path;

    use super::*;

    /// The causes with these rulings, each with one case.
    fn of(words: &[&str]) -> String {
        let list: String = words
            .iter()
            .enumerate()
            .map(|(i, word)| format!("  - {{ because: b{i}, bytes: b, {word} cases: {{ a@v5: MQTT-1 }} }}\n"))
            .collect();
        let known = Known::parse(&format!("known:\n{list}"), Path::new("k.yaml")).expect("a list");
        rulings(&known.iter().map(|cause| (&**cause, 1)).collect::<Vec<_>>())
    }

    #[test]
    fn rulings_are_counted_the_firmest_first() {
        let [must, strict] = ["ruling: must,", "ruling: strict,"];
        assert_eq!(of(&[strict, must, strict, ""]), "1 must, 2 strict, 1 without a ruling");
        assert_eq!(of(&[must, "ruling: disputed, about: w,"]), "1 must, 1 disputed");
        assert_eq!(of(&["", ""]), "");
    }
}

#[cfg(test)]
mod tests {
    use super::super::{failure, github, json, junit, snapshot, terminal, testing};
    use super::*;
    use crate::play::{Awaited, Failure, FailureKind, PlayEnd, Played, Stage};
    use crate::scenario::Files;
    use crate::statements::Version;
    use crate::suite::{About, Judge, Rigour, Weight};
    use crate::transcript::Usual;
    use crate::transcript::testing::{NS, Talk};
    use crate::transcript::{Author, End, What};
    use crate::wire::{Connect, Packet, Side, Version as V};

    /// A broker that sets a bit which 3.1 reserves: a violation of a SHOULD.
    fn odd_answer() -> Transcript {
        Talk::at(V::V3_1)
            .event("pub", None, Author::Setup, What::Open)
            .packet("pub", None, Author::Setup, Packet::from(Connect::new(V::V3_1, NS)))
            .bytes("pub", None, Author::Peer, &[0x20, 2, 1, 0])
            .event("pub", None, Author::Cleanup, What::End(End::Fin))
            .transcript()
    }

    /// A run of one case whose control shows the violation.
    fn judged(strict: bool) -> RunResult {
        let path = "retain/not-available-publish";
        let scenarios = Files::embedded().load(|p| p == path).unwrap();
        let played = Played {
            transcript: testing::talk("once").transcript(),
            control: Some(odd_answer()),
            end: PlayEnd::Met,
            advice: Vec::new(),
            control_advice: Vec::new(),
            missed: None,
        };
        let target = testing::judged_against();
        let judge = Judge {
            target: &target,
            strict,
            rigour: Rigour::Fail,
        };
        RunResult {
            about: About::default(),
            cases: vec![judge.judge(&scenarios[0].cases[0], played, false)],
            notes: Vec::new(),
            crashes_under_load: Vec::new(),
            ..testing::run()
        }
    }

    /// What each report says of the run.
    fn reports(run: &RunResult) -> String {
        let case = &run.cases[0];
        let options = failure::Options {
            trace: false,
            width: 80,
            wrap: usize::MAX,
        };
        let mut model: serde_json::Value = serde_json::from_str(&json::run(run)).unwrap();
        let model = model["cases"][0].take();
        [
            terminal::ended(case, &run.target, true, options),
            terminal::last_line(run),
            snapshot::text(case, &Usual::default())
                .lines()
                .take(3)
                .collect::<Vec<_>>()
                .join("\n"),
            github::annotations(run),
            github::summary(run).lines().take(5).collect::<Vec<_>>().join("\n"),
            junit::run(run).lines().skip(8).collect::<Vec<_>>().join("\n"),
            format!("{:#}\n{:#}\n", model["violations"], model["advice"]),
        ]
        .join("\n")
    }

    /// A run of one case: a broker that answers a PINGREQ with a reserved flag.
    fn unnoticed(rigour: Rigour) -> RunResult {
        let path = "fixed-header/reserved-flags-pingreq";
        let scenarios = Files::embedded().load(|p| p == path).unwrap();
        let case = scenarios[0]
            .cases
            .iter()
            .find(|case| case.version == Version::V5)
            .unwrap();
        let served = FailureKind::BeforeTheEnd("PINGRESP".to_owned());
        let refused = Failure {
            tests: Side::Server,
            control: false,
            stage: Stage::Script,
            kind: served.clone(),
            place: Some(case.script.steps[1].place.clone()),
            awaited: vec![Awaited {
                tests: Side::Server,
                what: "c <- refused: 0x81".to_owned(),
                why: served,
            }],
            found: None,
            mismatches: Vec::new(),
        };
        let played = Played {
            transcript: Talk::at(V::V5).transcript(),
            control: None,
            end: PlayEnd::Failed(refused),
            advice: Vec::new(),
            control_advice: Vec::new(),
            missed: None,
        };
        let judge = Judge {
            target: &testing::judged_against(),
            strict: false,
            rigour,
        };
        RunResult {
            about: About::default(),
            cases: vec![judge.judge(case, played, false)],
            notes: Vec::new(),
            crashes_under_load: Vec::new(),
            ..testing::run()
        }
    }

    #[test]
    fn what_rests_on_the_rigour_clause_alone_is_a_marked_failure() {
        let run = unnoticed(Rigour::Fail);
        assert!(run.cases[0].rigour);
        assert_eq!(run.cases[0].verdict, Verdict::Fail);
        assert_eq!(Counts::of(&run).rigour_fail, 1);
        testing::golden!("rigour", &(reports(&run) + &terminal::summary(&run, false, usize::MAX)));
    }

    #[test]
    fn what_rests_on_the_rigour_clause_alone_may_be_advice() {
        let run = unnoticed(Rigour::Advice);
        assert!(!run.cases[0].rigour);
        assert_eq!(run.cases[0].verdict, Verdict::Pass);
        assert_eq!((Counts::of(&run).advice, Counts::of(&run).rigour()), (1, 0));
        assert_eq!(
            run.cases[0].findings[0].text,
            "c <- refused: 0x81: PINGRESP came before the connection was closed"
        );
    }

    #[test]
    fn the_line_about_the_rigour_clause_counts_failures_and_known_deviations() {
        let line = |cases: &[(Verdict, bool)]| {
            Counts::tally(cases.iter().map(|(verdict, rigour)| (*verdict, *rigour, 0))).rigour_line()
        };
        let (fail, known) = (Verdict::Fail, Verdict::Known);
        assert_eq!(line(&[(fail, false), (known, false), (Verdict::Pass, false)]), None);
        assert_eq!(
            line(&[(fail, true)]).unwrap(),
            "1 of 1 failure rests on the rigour clause (5.0, section 4.13.1) alone"
        );
        assert_eq!(
            line(&[(fail, true), (fail, false), (known, true), (known, true)]).unwrap(),
            "1 of 2 failures and 2 of 2 known deviations rest on the rigour clause (5.0, section 4.13.1) alone"
        );
    }

    #[test]
    fn a_should_in_the_control_is_advice() {
        let run = judged(false);
        assert_eq!(run.cases[0].verdict, Verdict::Pass);
        assert_eq!(Counts::of(&run).advice, 1);
        testing::golden!("should-in-control", &reports(&run));
    }

    #[test]
    fn a_should_in_the_control_fails_a_strict_run_and_is_shown() {
        let run = judged(true);
        assert_eq!(run.cases[0].verdict, Verdict::Fail);
        assert_eq!(run.cases[0].findings[0].weight, Weight::Fails);
        testing::golden!("should-in-control-strict", &reports(&run));
    }
}
