//! The report on one case that failed, in the order in which a person asks: what, where, what was expected, what came,
//! which statements, everything that happened, and how to see it again.

use std::fmt::Write as _;
use std::ops::Range;

use super::case::{self, transcript_of};
use super::style::{self, BOLD, CYAN, DIM, RED, paint, wrapped};
use crate::play::{Failure, Mismatch, Stage};
use crate::source::{Diagnostic, Look, Place};
use crate::statements::{RIGOUR_CLAUSE, StatementId, catalogue};
use crate::suite::{CaseResult, SecondLook, TargetInfo, Verdict};
use crate::transcript::{
    Event, HexLine, Transcript, What, codes, line, name, precise_seconds, printable, seconds, secrets, shown, trace,
    value,
};
use crate::wire::Side;

/// How much of the packet that came is shown, in bytes.
const HEX: usize = 32;
/// How many events of the trace are shown.
const EVENTS: usize = 120;
/// How many lines of a crashed broker's log are shown.
const LOG_LINES: usize = 40;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether the trace is part of it.
    pub trace: bool,
    /// Columns of the terminal, for the excerpt of the scenario.
    pub width: usize,
    /// Columns in which sentences are wrapped; `usize::MAX` for a file or a pipe.
    pub wrap: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            trace: true,
            width: 120,
            wrap: usize::MAX,
        }
    }
}

/// The whole report.
pub fn report(case: &CaseResult, target: &TargetInfo, options: Options) -> String {
    if let Some(written) = &case.report {
        return written.clone();
    }
    let mut out = account(case, target, options);
    let _ = writeln!(out, "{}{}", label("again"), again(case, target));
    out
}

/// The report without the command that plays the case again.
pub fn account(case: &CaseResult, target: &TargetInfo, options: Options) -> String {
    let mut out = headline(case, target, options);
    out.push('\n');
    if let Some(failure) = &case.failure {
        out.push_str(&excerpt(case, failure, options));
        out.push_str(&expected(failure, options));
        out.push_str(&came(case, failure));
    } else if let Some(reason) = &case.reason {
        let _ = writeln!(out, "{}", options.wrapped(&printable(reason), 0));
    }
    out.push_str(&statements(case, options));
    out.push_str(&rigour(case));
    out.push_str(&log(case));
    if options.trace {
        out.push_str(&traces(case));
    }
    out
}

/// The command that runs this one case again.
pub fn again(case: &CaseResult, target: &TargetInfo) -> String {
    let argument = target
        .argument
        .as_deref()
        .map(|a| format!(" {}", quoted(a)))
        .unwrap_or_default();
    let options: String = target.options.iter().map(|word| format!(" {}", quoted(word))).collect();
    format!("mqttspec run{argument}{options} -e {} --trace always", quoted(&case.id))
}

/// As a word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", printable(word).replace('\'', "'\\''"))
    }
}

impl Options {
    /// A sentence in the columns of the terminal.
    fn wrapped(&self, text: &str, indent: usize) -> String {
        wrapped(text, self.wrap, indent)
    }
}

fn headline(case: &CaseResult, target: &TargetInfo, options: Options) -> String {
    let verdict = paint(style::of(case.verdict), case::marked_verdict(case).to_uppercase());
    let mut out = format!(
        "{verdict}  {}  {}  {}\n",
        paint(BOLD, &case.id),
        case::target(target),
        seconds(case.duration)
    );
    let _ = writeln!(out, "{}", options.wrapped(&printable(&case.title), 0));
    match (case.second_look, &case.reason) {
        (Some(SecondLook::Alone | SecondLook::Late | SecondLook::Unconfirmed), Some(reason)) => {
            let _ = writeln!(out, "{}", options.wrapped(&printable(reason), 0));
        }
        (Some(_), _) => {
            let _ = writeln!(
                out,
                "played once more, alone and with a longer response timeout: it fails again"
            );
        }
        (None, _) if case.plays > 1 => {
            let _ = writeln!(
                out,
                "played {} times: before that, this machine was too slow",
                case.plays
            );
        }
        (None, _) => {}
    }
    out
}

/// The line of the script, with a caret under the step.
fn excerpt(case: &CaseResult, failure: &Failure, options: Options) -> String {
    let summary = printable(&failure.to_string());
    let Some(place) = failure.place.as_ref().filter(|p| fits(p, &case.header.source.text)) else {
        return format!("{}: {summary}\n\n", paint(RED, "error"));
    };
    let source = &case.header.source;
    let where_ = match (failure.stage, failure.control) {
        (Stage::Setup, false) => "while the clients were set up",
        (Stage::Setup, true) => "while the clients of the control were set up",
        (Stage::Script, false) => "",
        (Stage::Script, true) => "in the control (the same exchange without the fault)",
        (Stage::Account | Stage::Fence, false) => "at the end of the case",
        (Stage::Account | Stage::Fence, true) => "at the end of the control (the same exchange without the fault)",
    };
    let mut shown = Diagnostic::new(source, place, summary);
    if !where_.is_empty() {
        shown = shown.label(where_);
    }
    // Escapes are always there; who prints takes them out.
    let look = Look {
        colour: true,
        width: options.width,
        whole: true,
    };
    format!("{}\n", shown.render_as(&look))
}

fn fits(place: &Place, text: &str) -> bool {
    place.span.start <= place.span.end
        && text.is_char_boundary(place.span.start)
        && text.is_char_boundary(place.span.end)
}

fn expected(failure: &Failure, options: Options) -> String {
    let mut out = String::new();
    for (i, awaited) in failure.awaited.iter().enumerate() {
        let label = label(if i == 0 { "expected" } else { "or" });
        let what = format!("{label}{}", printable(&awaited.what));
        let _ = writeln!(out, "{}", options.wrapped(&what, INDENT.len()));
        let why = format!("{INDENT}{}", paint(DIM, printable(&awaited.why())));
        let _ = writeln!(out, "{}", options.wrapped(&why, INDENT.len()));
    }
    out
}

/// What came instead, field by field, with the wrong bytes underlined.
fn came(case: &CaseResult, failure: &Failure) -> String {
    match event_of(case, failure.control, failure.found) {
        Some((transcript, event)) => {
            let spans: Vec<_> = failure.mismatches.iter().filter_map(|m| m.span.clone()).collect();
            format!(
                "{}{}",
                label("came"),
                packet(transcript, event, &spans, &failure.mismatches)
            )
        }
        None if failure.mismatches.is_empty() => String::new(),
        None => format!("{}{}", label("came"), fields(&[], &failure.mismatches)),
    }
}

/// An event of the exchange or of its control, and the transcript that it is in.
fn event_of(case: &CaseResult, control: bool, index: Option<usize>) -> Option<(&Transcript, &Event)> {
    let transcript = transcript_of(case, control)?;
    Some((transcript, transcript.events.get(index?)?))
}

/// An event with its bytes underlined and its fields one a line. The first line goes on after a label.
fn packet(transcript: &Transcript, event: &Event, spans: &[Range<usize>], mismatches: &[Mismatch]) -> String {
    let What::Packet { raw, decoded, .. } = &event.what else {
        return format!("{}\n", line(event, transcript.scripted, 0).trim_start());
    };
    let arrow = if transcript.is_from_broker(event) { '←' } else { '→' };
    let mut out = format!(
        "{} {arrow} {} at {}\n",
        event.client,
        name(decoded),
        precise_seconds(event.at)
    );
    let hex = HexLine::new(raw, &secrets(decoded), spans, HEX);
    let _ = writeln!(out, "{INDENT}{}", hex.text());
    let underline = hex.underline(spans);
    if !underline.is_empty() {
        let _ = writeln!(out, "{INDENT}{}", paint(RED, underline));
    }
    let shown: Vec<(String, String)> = shown(decoded)
        .iter()
        .map(|f| {
            let value = codes(decoded, f).unwrap_or_else(|| value(&f.name, &f.value));
            (f.name.to_string(), value)
        })
        .collect();
    out.push_str(&fields(&shown, mismatches));
    out
}

fn fields(shown: &[(String, String)], mismatches: &[Mismatch]) -> String {
    let names = shown.iter().map(|(n, _)| n).chain(mismatches.iter().map(|m| &m.field));
    let width = names.map(|n| n.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in shown {
        match mismatches.iter().find(|m| m.field == *name) {
            Some(m) => wrong(&mut out, m, width),
            None => {
                let _ = writeln!(out, "{INDENT}{name:<width$}  {value}");
            }
        }
    }
    for m in mismatches
        .iter()
        .filter(|m| shown.iter().all(|(name, _)| *name != m.field))
    {
        wrong(&mut out, m, width);
    }
    out
}

fn wrong(out: &mut String, m: &Mismatch, width: usize) {
    let found = paint(RED, printable(&m.found));
    let _ = writeln!(
        out,
        "{INDENT}{:<width$}  {found}  expected {}",
        m.field,
        printable(&m.expected)
    );
}

/// The statements violated, with level and text: what rules found, and if the script failed, what the case proves.
fn statements(case: &CaseResult, options: Options) -> String {
    let mut out = String::new();
    for finding in case.breaches() {
        let control = finding.in_control();
        let found = event_of(case, control, finding.event);
        let first = if out.is_empty() { "violated" } else { "" };
        out.extend(finding.statement.map(|id| statement(id, first, options)));
        let whose = if control { " in the control" } else { "" };
        let rule = format!(
            "{INDENT}rule {}{whose}: {}",
            paint(CYAN, finding.rule.unwrap_or_default()),
            printable(&finding.text)
        );
        let _ = writeln!(out, "{}", options.wrapped(&rule, INDENT.len()));
        // What came was shown above already.
        let shown_before = case
            .failure
            .as_ref()
            .is_some_and(|f| f.found == finding.event && f.control == control);
        if let Some((transcript, event)) = found.filter(|_| !shown_before) {
            let spans: Vec<_> = finding.span.iter().cloned().collect();
            let shown = packet(transcript, event, &spans, &[]);
            // The fields are in the trace; here the bytes say it.
            for part in shown.lines().take(if spans.is_empty() { 2 } else { 3 }) {
                let _ = writeln!(out, "{INDENT}{}", part.trim_start_matches(INDENT).trim_end());
            }
        }
    }
    let script_failed = case
        .failure
        .as_ref()
        .is_some_and(|f| matches!(f.stage, Stage::Script | Stage::Account));
    if (script_failed && !case::is_excused(case)) || case.verdict == Verdict::Crash {
        for (i, id) in case.proves.iter().enumerate() {
            out.push_str(&statement(*id, if i == 0 { "at stake" } else { "" }, options));
        }
    }
    out
}

/// Why the failure is open to dispute, if it rests on the rigour clause alone.
fn rigour(case: &CaseResult) -> String {
    if !case.rigour {
        return String::new();
    }
    format!(
        "{}no other statement obliges the server to react: {RIGOUR_CLAUSE} is about errors that it detects,\n\
         {INDENT}and section 4.13.1 leaves the rigour of checking to the implementation\n",
        label("rigour")
    )
}

fn statement(id: StatementId, first: &str, options: Options) -> String {
    match catalogue().get(id) {
        Some(s) => {
            format!(
                "{}{} {}\n{}\n{INDENT}{}\n",
                label(first),
                paint(BOLD, id),
                paint(RED, s.level.keyword()),
                options.wrapped(&format!("{INDENT}{}", s.says), INDENT.len()),
                paint(DIM, s.url())
            )
        }
        None => format!("{}{}\n", label(first), paint(BOLD, id)),
    }
}

fn log(case: &CaseResult) -> String {
    let Some(log) = case.log.as_deref().filter(|l| !l.trim().is_empty()) else {
        return String::new();
    };
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES);
    let heading = match case.header.tests {
        Side::Client => "log of the adapter",
        Side::Server => "log of the broker",
    };
    let mut out = paint(BOLD, heading);
    if from > 0 {
        let _ = write!(out, " (the last {LOG_LINES} of {} lines)", lines.len());
    }
    out.push('\n');
    for text in &lines[from..] {
        let _ = writeln!(out, "  {}", printable(text));
    }
    out
}

fn traces(case: &CaseResult) -> String {
    let part = |title: &str, transcript: Option<&Transcript>| match transcript {
        Some(t) if !t.events.is_empty() => format!("{}\n{}", paint(BOLD, title), trace(t, EVENTS)),
        _ => String::new(),
    };
    part("trace", case.transcript.as_deref()) + &part("trace of the control", case.control.as_deref())
}

const INDENT: &str = "          ";

fn label(text: &str) -> String {
    paint(BOLD, format!("{text:<10}"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn a_failure_is_told_from_verdict_to_command() {
        golden!("failure", &report(&failed(), &target(), Options::default()));
    }

    #[test]
    fn a_crash_shows_the_log() {
        let run = run();
        golden!(
            "crash",
            &report(
                &run.cases[2],
                &target(),
                Options {
                    trace: false,
                    width: 80,
                    wrap: 80,
                }
            )
        );
    }

    #[test]
    fn the_command_is_fit_for_a_shell() {
        let mut case = failed();
        case.id = "a/b[it's; rm]@v5".to_owned();
        let here = TargetInfo {
            argument: None,
            ..target()
        };
        assert_eq!(
            again(&case, &here),
            r"mqttspec run -e 'a/b[it'\''s; rm]@v5' --trace always"
        );
    }

    #[test]
    fn neither_a_control_character_nor_a_password_is_shown() {
        let text = anstream::adapter::strip_str(&report(&failed(), &target(), Options::default())).to_string();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(
            !text.contains("secret") && !text.contains("73 65 63 72 65 74"),
            "{text}"
        );
    }
}
