//! The text of a snapshot: what of a case people review. It is the same for every run in which the broker does the
//! same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::case::{self, transcript_of};
pub use super::grid::grid;
use super::grid::row;
use super::verdicts;
use crate::scenario::SnapshotForm;
use crate::suite::{CaseResult, Judged, RunResult, Verdict};
use crate::sut::Kept;
use crate::transcript::{Usual, connacks, normalise, normalise_sent, printable, without_namespace};

/// The snapshot that holds the verdict of every case, of targets that keep no more than that of cases that pass.
pub const VERDICTS: &str = "verdicts";

/// The snapshot that holds the CONNACK with which the broker usually answers; the others write `CONNACK` for it.
pub const USUAL: &str = "usual";

/// What the heading of a section begins with.
const HEADING: &str = "=== ";

/// One snapshot: all cases of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The scenario's path; [`file_name`](super::review::file_name) makes its file's name of it.
    pub key: String,
    pub title: String,
    pub body: Body,
}

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A section a case, by its heading, in the order of the suite.
    Cases(Vec<(String, Section)>),
    /// The table of a grid; `None` if a case of it tells nothing of the broker this time.
    Grid(Option<String>),
    /// The verdict of every case, in the order of the suite.
    Verdicts(Vec<verdicts::Line>),
    /// The usual CONNACK of each version.
    Usual(Usual),
}

/// What a case gives to its scenario's snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Section {
    Text(String),
    /// It tells nothing of the broker this time: what was accepted stays.
    Unjudged,
    /// There is to be none.
    Absent,
}

impl Snapshot {
    /// The text that the file should hold. `accepted` is what it holds, from which the sections of cases are taken that
    /// this run has not judged. `whole` says that the run has every case of the set: sections of others are dropped
    /// then. `None` if the run cannot say: the table of a grid takes all of its rows.
    pub fn text(&self, accepted: Option<&str>, whole: bool) -> Option<String> {
        let cases = match &self.body {
            Body::Grid(table) => return table.clone().filter(|_| whole),
            Body::Verdicts(lines) => return whole.then(|| verdicts::text(lines, accepted.unwrap_or_default())),
            Body::Usual(usual) => return Some(usual.text()),
            Body::Cases(cases) => cases,
        };
        let old = sections(accepted.unwrap_or_default());
        let mut all: Vec<(&str, &str)> = if whole { Vec::new() } else { old.clone() };
        let mut behind = 0;
        for (heading, section) in cases {
            let before = old.iter().find(|(h, _)| h == heading).map(|(_, text)| *text);
            let text = match section {
                Section::Text(text) => Some(text.as_str()),
                Section::Unjudged => before,
                Section::Absent => {
                    all.retain(|(h, _)| h != heading);
                    behind = behind.min(all.len());
                    None
                }
            };
            let Some(text) = text else { continue };
            match all.iter().position(|(h, _)| h == heading) {
                Some(at) => {
                    all[at].1 = text;
                    behind = at + 1;
                }
                None => {
                    all.insert(behind, (heading, text));
                    behind += 1;
                }
            }
        }
        let text = |(heading, text): &(&str, &str)| format!("{HEADING}{heading}\n{}\n", text.trim_end());
        (!all.is_empty()).then(|| all.iter().map(text).collect::<Vec<_>>().join("\n"))
    }

    /// Whether the run has something for the file to hold.
    pub fn is_wanted(&self) -> bool {
        match &self.body {
            Body::Grid(_) | Body::Verdicts(_) => true,
            Body::Usual(usual) => !usual.is_empty(),
            Body::Cases(cases) => cases.iter().any(|(_, section)| *section != Section::Absent),
        }
    }
}

/// The sections of a file's contents: each heading with what is below it.
fn sections(contents: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    // No other line begins so: those of an exchange begin with a client's name or a blank.
    for part in contents.split(&format!("\n{HEADING}")) {
        let part = part.strip_prefix(HEADING).unwrap_or(part);
        if let Some((heading, text)) = part.split_once('\n') {
            found.push((heading.trim_end(), text));
        }
    }
    found
}

/// What the broker of a run usually answers with. `accepted` is the text of the accepted snapshot [`USUAL`]. The most
/// frequent CONNACKs of a `whole` run are the usual ones; a part of the cases may be those with unusual ones, so that
/// it only adds the versions that the accepted one does not have.
pub fn usual(run: &RunResult, accepted: Option<&str>, whole: bool) -> Usual {
    let transcripts = run.cases.iter().flat_map(|c| [&c.transcript, &c.control]).flatten();
    let found = Usual::most_frequent(transcripts.flat_map(|transcript| connacks(transcript)));
    match accepted {
        Some(text) if !whole => Usual::read(text).or(found),
        _ => found,
    }
}

/// What `snapshots/<target>/` should hold of a run: a snapshot for each scenario of which a case was not skipped, and
/// one with the [`usual`] CONNACKs. If the target keeps failures only, each has what does not pass, which may be
/// nothing, and one more has every verdict.
pub fn snapshots(run: &RunResult, usual: &Usual) -> Vec<Snapshot> {
    let kept = run.target.snapshots;
    let mut scenarios: BTreeMap<&str, Vec<&CaseResult>> = BTreeMap::new();
    for case in run.cases.iter().filter(|c| c.verdict != Verdict::Skip) {
        scenarios.entry(&case.header.path).or_default().push(case);
    }
    let body = |cases: &[&CaseResult]| {
        if is_grid(cases[0]) {
            let complete = cases.iter().all(|c| is_kept(c));
            let rows: Vec<&CaseResult> = cases.iter().copied().filter(|c| is_shown(c, kept)).collect();
            return if rows.is_empty() {
                Body::Cases(Vec::new())
            } else {
                Body::Grid(complete.then(|| grid(&rows)))
            };
        }
        let section = |c: &&CaseResult| (row(c).to_owned(), section(c, kept, usual));
        Body::Cases(cases.iter().map(section).collect())
    };
    let verdict = |c: &CaseResult| verdicts::Line {
        path: c.header.path.clone(),
        row: row(c).to_owned(),
        verdict: verdict_word(c),
    };
    let verdicts = (kept == Kept::Failures).then(|| Snapshot {
        key: VERDICTS.to_owned(),
        title: "The verdict of every case".to_owned(),
        body: Body::Verdicts(run.cases.iter().map(verdict).collect()),
    });
    let usual = Snapshot {
        key: USUAL.to_owned(),
        title: "What CONNACK means in the other snapshots".to_owned(),
        body: Body::Usual(usual.clone()),
    };
    let snapshots = scenarios.into_iter().map(|(path, cases)| Snapshot {
        key: path.to_owned(),
        title: cases[0].header.title.clone(),
        body: body(&cases),
    });
    [usual].into_iter().chain(verdicts).chain(snapshots).collect()
}

/// The paths of the scenarios that may have a file: of one that was skipped throughout, the run cannot say.
pub fn wanted<'a>(run: &'a RunResult, snapshots: &'a [Snapshot]) -> Vec<&'a str> {
    let all = run.cases.iter().map(|c| c.header.path.as_str());
    let judged: BTreeSet<&str> = snapshots.iter().map(|s| s.key.as_str()).collect();
    let skipped = all.filter(|path| !judged.contains(path));
    let held = snapshots.iter().filter(|s| s.is_wanted()).map(|s| s.key.as_str());
    skipped.chain(held).collect()
}

/// Whether a case is one that the target keeps. What varies from run to run is not kept if only failures are.
fn is_shown(case: &CaseResult, kept: Kept) -> bool {
    kept == Kept::All || (case.verdict != Verdict::Pass && !case.sometimes && !case.varies)
}

fn section(case: &CaseResult, kept: Kept, usual: &Usual) -> Section {
    match (is_kept(case), is_shown(case, kept)) {
        (false, _) => Section::Unjudged,
        (true, true) => Section::Text(text(case, usual)),
        (true, false) => Section::Absent,
    }
}

/// The verdict for the file of verdicts; `None` if the run cannot say.
fn verdict_word(case: &CaseResult) -> Option<String> {
    match case.verdict {
        Verdict::Error => None,
        _ if case.sometimes => Some("sometimes".to_owned()),
        _ => Some(case::verdict(case)),
    }
}

/// Whether the rows of the case's scenario share one table, which only a complete run can write.
pub fn is_grid(case: &CaseResult) -> bool {
    case.header.snapshot == SnapshotForm::Table
}

/// Whether a case has something to be kept: what was skipped or was our own fault says nothing about the broker.
pub fn is_kept(case: &CaseResult) -> bool {
    !matches!(case.verdict, Verdict::Skip | Verdict::Error)
}

/// The text of one case. `CONNACK` alone stands for one that is `usual`.
pub fn text(case: &CaseResult, usual: &Usual) -> String {
    let mut out = format!("verdict: {}\n", case::verdict(case));
    if case.varies {
        // At which step it fails may vary too, and with it what was sent.
        out.push_str("varies: what came differs in every run\n");
        return out;
    }
    let ns = case
        .transcript
        .as_ref()
        .map(|t| t.namespace.as_str())
        .unwrap_or_default();
    if let Some(reason) = case::steady_reason(case) {
        let _ = writeln!(out, "reason: {}", without(ns, reason));
    }
    let mut breached: Vec<String> = shown_breaches(case)
        .filter_map(|finding| {
            let whose = if finding.in_control() { " in the control" } else { "" };
            let (statement, rule) = (finding.statement?, finding.rule?);
            Some(format!("violation: {statement} (rule {rule}{whose})\n"))
        })
        .collect();
    // They were found in the order of arrival, which clients do not share.
    breached.sort();
    // How many packets violate the same may be chance, such as those of a broker's talk with itself.
    breached.dedup();
    out.extend(breached);
    let exchange = |transcript, control| match case.header.snapshot {
        SnapshotForm::Sent => normalise_sent(transcript),
        SnapshotForm::Exchange | SnapshotForm::Table => normalise(transcript, &kept(case, control), usual),
    };
    if let Some(transcript) = &case.transcript {
        out.push_str(&exchange(transcript, false));
    }
    if let Some(control) = &case.control {
        let _ = write!(out, "control\n{}", exchange(control, true));
    }
    out
}

/// Events that are shown although no step took them: the one at which it failed, and those that violate a rule.
fn kept(case: &CaseResult, control: bool) -> Vec<usize> {
    let failed = case.failure.as_ref().filter(|f| f.control == control);
    let breached = shown_breaches(case).filter(|f| f.in_control() == control);
    let breached = breached.filter_map(|f| f.event);
    failed.and_then(|f| f.found).into_iter().chain(breached).collect()
}

/// The violations except for those of which it is chance that they came in before the packet at which the case had
/// failed: that packet ended the exchange. Of its own connection that are those behind it. Connections are read in any
/// order, so that of the others that is whatever no step had taken.
fn shown_breaches(case: &CaseResult) -> impl Iterator<Item = &Judged> {
    case.breaches().filter(|finding| {
        let failed = case.failure.as_ref().filter(|f| f.control == finding.in_control());
        let Some(found) = failed.and_then(|f| f.found) else {
            return true;
        };
        let Some(at) = finding.event else { return true };
        let events = transcript_of(case, finding.in_control())
            .map(|t| &t.events[..])
            .unwrap_or_default();
        match (events.get(at), events.get(found)) {
            (Some(event), Some(end)) if event.connection != end.connection => at < found && event.step.is_some(),
            _ => at <= found,
        }
    })
}

/// One line of text with `$ns` for the namespace.
pub(super) fn without(namespace: &str, text: &str) -> String {
    without_namespace(namespace, &printable(text).replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, golden};
    use super::*;
    use crate::transcript::{What, name};

    /// The text with every CONNACK in full.
    fn text(case: &CaseResult) -> String {
        super::text(case, &Usual::default())
    }

    /// Every case under the path that its id has.
    fn under_their_paths(run: &mut RunResult) {
        for case in &mut run.cases {
            let mut header = testing::header();
            let path = case.id.split(['[', '@']).next().unwrap_or_default().to_owned();
            std::sync::Arc::get_mut(&mut header).unwrap().path = path;
            case.header = header;
        }
    }

    /// The snapshots except for that of the usual CONNACKs, of which there are none.
    fn snapshots(run: &RunResult) -> Vec<Snapshot> {
        super::snapshots(run, &Usual::default()).split_off(1)
    }

    #[test]
    fn a_snapshot_is_the_normalised_exchange() {
        golden!("snapshot", &text(&testing::passed()));
    }

    #[test]
    fn a_failure_shows_the_packet_that_stood_in_the_way() {
        golden!("snapshot-failed", &text(&testing::failed()));
    }

    #[test]
    fn what_came_in_behind_the_failing_packet_leaves_no_trace() {
        let mut case = testing::failed();
        let before = text(&case);
        let mut finding = case.breaches().next().cloned().unwrap();
        finding.event = case.failure.as_ref().and_then(|f| f.found).map(|found| found + 1);
        case.findings.push(finding.clone());
        assert_eq!(text(&case), before);
        // One that had come in before does.
        case.findings.clear();
        let without = text(&case);
        finding.event = Some(0);
        case.findings.push(finding);
        assert_ne!(text(&case), without);
    }

    #[test]
    fn one_byte_that_changes_is_one_line_that_changes() {
        let case = testing::passed();
        let transcript = case.transcript.clone().unwrap();
        let usual = usual(&testing::run(), None, true);
        let of = |case: &CaseResult| {
            let mut run = testing::run();
            run.cases = vec![case.clone()];
            super::snapshots(&run, &usual)[1].text(None, true).unwrap()
        };
        let before = of(&case);
        let mut changes = 0;
        for (index, event) in transcript.events.iter().enumerate().filter(|(_, e)| e.is_from_peer()) {
            let What::Packet { raw, decoded, .. } = &event.what else {
                continue;
            };
            // The answer to a fence is no part of a snapshot: a step that was not met says what else came.
            if name(decoded) == "PINGRESP" && event.step.is_none() {
                continue;
            }
            for at in 0..raw.head().len() {
                for bit in 0..8 {
                    let other = transcript.with_bit(index, at, bit);
                    // The identifier that a broker chooses for a message is in the answers as well.
                    let id = |t: &crate::transcript::Transcript| {
                        let packet = t.events[index].packet().and_then(|d| d.packet.clone())?;
                        Some((packet.packet_type(), packet.packet_id()))
                    };
                    if name(decoded) == "PUBLISH" && id(&other) != id(&transcript) {
                        continue;
                    }
                    let mut changed = case.clone();
                    changed.transcript = Some(std::sync::Arc::new(other));
                    let after = of(&changed);
                    let diff = similar::TextDiff::from_lines(&before, &after);
                    let count = |tag| diff.iter_all_changes().filter(|c| c.tag() == tag).count();
                    let counts = (count(similar::ChangeTag::Delete), count(similar::ChangeTag::Insert));
                    assert_eq!(counts, (1, 1), "byte {at} bit {bit} of {event:?}\n{before}\n{after}");
                    changes += 1;
                }
            }
        }
        assert!(changes > 200, "{changes}");
    }

    #[test]
    fn what_other_connections_had_before_the_failure_is_no_matter_of_chance() {
        // `pub` fails; of `sub` a message is there that violates a rule and that no step took, or it is not there yet.
        let mut case = testing::failed();
        let found = case.failure.as_ref().and_then(|f| f.found).unwrap();
        let transcript = case.transcript.clone().unwrap();
        let other = transcript.events[found].connection + 1;
        let before = text(&case);
        let mut finding = case.breaches().next().cloned().unwrap();
        let mut with = (*transcript).clone();
        let mut stray = with.events[found].clone();
        stray.connection = other;
        stray.step = None;
        // It is read first, at the place of the failing packet, which moves behind it.
        with.events.insert(found, stray);
        case.transcript = Some(std::sync::Arc::new(with));
        case.failure.as_mut().unwrap().found = Some(found + 1);
        for judged in &mut case.findings {
            judged.event = judged.event.map(|at| if at >= found { at + 1 } else { at });
        }
        finding.event = Some(found);
        case.findings.push(finding);
        assert_eq!(text(&case), before);
    }

    #[test]
    fn a_part_of_the_cases_leaves_the_usual_connack_as_it_was_accepted() {
        let run = testing::run();
        let found = usual(&run, None, true);
        assert_eq!(
            found.text(),
            "v3.1.1  CONNACK: { session_present: false, return_code: 0 }\n"
        );
        let accepted = "v3.1.1  CONNACK: { session_present: true, return_code: 0 }\n";
        assert_eq!(usual(&run, Some(accepted), false).text(), accepted);
        assert_eq!(usual(&run, Some(accepted), true), found);
        let other = "v5  CONNACK: { session_present: false, reason_code: 0 }\n";
        assert_eq!(usual(&run, Some(other), false).text(), found.text() + other);
        let all = super::snapshots(&run, &found);
        assert_eq!(
            (all[0].key.as_str(), all[0].text(None, false)),
            (USUAL, Some(found.text()))
        );
        assert!(!super::snapshots(&run, &Usual::default())[0].is_wanted());
    }

    #[test]
    fn a_grid_is_one_table() {
        let mut run = testing::run();
        let mut header = testing::header();
        std::sync::Arc::get_mut(&mut header).unwrap().snapshot = SnapshotForm::Table;
        for case in &mut run.cases {
            case.header = header.clone();
        }
        run.cases.retain(is_kept);
        let all = snapshots(&run);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].key, "qos2/dup-before-pubrel");
        golden!("grid", &all[0].text(None, true).unwrap());
        assert_eq!(all[0].text(None, false), None);
        run.cases[0].verdict = Verdict::Error;
        assert_eq!(snapshots(&run)[0].text(None, true), None);
    }

    fn of(cases: &[(&str, Option<&str>)]) -> Snapshot {
        let owned = |(heading, text): &(&str, Option<&str>)| {
            let section = text.map_or(Section::Unjudged, |text| Section::Text(text.to_owned()));
            (heading.to_string(), section)
        };
        Snapshot {
            key: "a".to_owned(),
            title: String::new(),
            body: Body::Cases(cases.iter().map(owned).collect()),
        }
    }

    const ABC: &str = "=== [a]@v5\nverdict: pass\n\n=== [b]@v5\nverdict: pass\n\n=== [c]@v5\nverdict: pass\n";

    #[test]
    fn a_case_that_was_not_judged_keeps_its_section() {
        let pass = Some("verdict: pass\n");
        let all = of(&[("[a]@v5", pass), ("[b]@v5", pass), ("[c]@v5", pass)]);
        assert_eq!(all.text(None, true).as_deref(), Some(ABC));
        let error = of(&[("[a]@v5", pass), ("[b]@v5", None), ("[c]@v5", pass)]);
        assert_eq!(error.text(Some(ABC), true).as_deref(), Some(ABC));
        assert_eq!(error.text(None, true).unwrap().matches("===").count(), 2);
        assert_eq!(of(&[("[a]@v5", None)]).text(None, true), None);
    }

    #[test]
    fn a_part_of_the_cases_changes_its_sections_alone() {
        let fail = Some("verdict: fail\n");
        let text = of(&[("[b]@v5", fail), ("[new]@v5", fail)])
            .text(Some(ABC), false)
            .unwrap();
        let expected = ABC.replace(
            "[b]@v5\nverdict: pass\n",
            "[b]@v5\nverdict: fail\n\n=== [new]@v5\nverdict: fail\n",
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_whole_run_drops_the_sections_of_cases_that_are_gone() {
        let text = of(&[("[c]@v5", Some("verdict: pass\n"))])
            .text(Some(ABC), true)
            .unwrap();
        assert_eq!(text, "=== [c]@v5\nverdict: pass\n");
    }

    #[test]
    fn a_case_that_passes_now_loses_its_section_where_only_failures_are_kept() {
        let mut snapshot = of(&[("[a]@v5", Some("verdict: fail\n")), ("[b]@v5", None)]);
        let Body::Cases(cases) = &mut snapshot.body else {
            unreachable!()
        };
        cases[1].1 = Section::Absent;
        for whole in [true, false] {
            let text = snapshot.text(Some(ABC), whole).unwrap();
            assert!(
                text.contains("[a]@v5\nverdict: fail") && !text.contains("[b]"),
                "{text}"
            );
            assert_eq!(text.contains("[c]"), !whole);
        }
    }

    #[test]
    fn failures_alone_are_kept_with_one_file_of_verdicts() {
        let mut run = testing::run();
        run.target.snapshots = Kept::Failures;
        run.cases[3].sometimes = true;
        let mut by_path = run.clone();
        under_their_paths(&mut by_path);
        let verdicts = snapshots(&by_path)[0].text(Some("connect/late@v3.1.1  known\n"), true);
        golden!("verdicts", &verdicts.unwrap());
        let all = snapshots(&run);
        assert_eq!(all[0].key, VERDICTS);
        assert_eq!(all[0].text(None, false), None);
        let kept = all[1].text(None, true).unwrap();
        assert!(
            kept.contains("verdict: fail") && !kept.contains("verdict: pass"),
            "{kept}"
        );
        assert_eq!(wanted(&run, &all), [VERDICTS, "qos2/dup-before-pubrel"]);
        run.cases.truncate(1);
        assert_eq!(wanted(&run, &snapshots(&run)), [VERDICTS]);
        run.cases[0].verdict = Verdict::Skip;
        assert_eq!(wanted(&run, &snapshots(&run)), ["qos2/dup-before-pubrel", VERDICTS]);
    }

    #[test]
    fn a_failure_that_varies_keeps_its_verdict_and_no_exchange() {
        let mut run = testing::run();
        run.cases[3].varies = true;
        assert_eq!(
            text(&run.cases[3]),
            "verdict: known\nvaries: what came differs in every run\n"
        );
        let known = run.cases[3].id.clone();
        run.target.snapshots = Kept::Failures;
        run.cases.retain(|c| c.id == known);
        let all = snapshots(&run);
        assert_eq!(all[0].text(None, true).unwrap(), "qos2/dup-before-pubrel  known\n");
        assert!(!all[1].is_wanted());
    }

    #[test]
    fn a_reason_holds_neither_times_nor_the_namespace() {
        let mut case = testing::failed();
        case.reason = Some("nothing of it came within 2.013 s".to_owned());
        case.steady_reason = Some("nothing of it came within <time>".to_owned());
        assert!(text(&case).contains("\nreason: nothing of it came within <time>\n"));
        assert_eq!(without("mqs0k3f9", "topic mqs0k3f9/a"), "topic $ns/a");
        assert_eq!(
            without("mqs0k3f9", "client mqs0k3f9pub and mqs0k3f9"),
            "client ${ns}pub and $ns"
        );
    }

    #[test]
    fn a_varied_exchange_shows_no_answer() {
        let mut case = testing::passed();
        let mut header = testing::header();
        std::sync::Arc::get_mut(&mut header).unwrap().snapshot = SnapshotForm::Sent;
        case.header = header;
        let text = text(&case);
        assert!(text.contains("pub -> PUBLISH") && !text.contains("<-"), "{text}");
    }
}
