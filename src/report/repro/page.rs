//! The report on one failure for the people who maintain the broker, in Markdown.

use std::fmt::Write as _;

use super::exchange::{Exchange, Op};
use crate::report::case;
use crate::report::github::markdown;
use crate::statements::{Statement, catalogue};
use crate::suite::{CaseResult, TargetInfo};
use crate::transcript::{Author, End, HexLine, Mark, Transcript, What, name, printable, secrets, shown, value};
use crate::wire::Blob;

/// The name of the script in the report.
const SCRIPT: &str = "repro.py";

/// What the report has besides the result.
pub struct Page<'p> {
    pub result: &'p CaseResult,
    pub target: &'p TargetInfo,
    pub transcript: &'p Transcript,
    pub exchange: &'p Exchange,
    pub script: &'p str,
    /// What is known of the script: whether it was run, and with which result.
    pub checked: String,
}

impl Page<'_> {
    /// The whole report.
    pub fn text(&self) -> String {
        let broker = case::target(self.target);
        let mut out = format!("# {}\n\n", markdown(&self.result.title));
        let _ = writeln!(out, "This does not hold for {}.\n", markdown(&broker));
        out.push_str("## The standard\n\n");
        for statement in self.statements() {
            let _ = writeln!(
                out,
                "- [{}]({}), section {}, {}: {}",
                statement.id,
                statement.url(),
                statement.section,
                statement.level.keyword(),
                markdown(&statement.says)
            );
        }
        if let Some(failure) = &self.result.failure {
            out.push_str("\n## What is wrong\n\n```text\n");
            for (at, awaited) in failure.awaited.iter().enumerate() {
                let label = if at == 0 { "expected" } else { "or      " };
                let _ = writeln!(out, "{label}  {}", self.steady(&awaited.what));
                let _ = writeln!(out, "          {}", self.steady(&awaited.why()));
            }
            if failure.awaited.is_empty() {
                let _ = writeln!(out, "{}", self.steady(&failure.to_string()));
            }
            out.push_str("```\n");
        }
        out.push_str("\n## The exchange\n\n`→` is what a client sends, `←` what the broker does.\n\n```text\n");
        out.push_str(&self.events());
        out.push_str("```\n\n## A script\n\n");
        let _ = writeln!(
            out,
            "It needs Python 3 and nothing else. `python3 {SCRIPT} HOST:PORT` exits 1 if the broker has the fault, 0 if not, \
             and 2 if that cannot be told. {}\n",
            self.checked
        );
        let _ = writeln!(out, "```python\n{}```", self.script);
        if let Some(line) = self.netcat() {
            out.push_str("\n## Without Python\n\n");
            let _ = writeln!(out, "```sh\n{line}\n```");
        }
        out
    }

    fn statements(&self) -> Vec<&'static Statement> {
        let found = self.result.breaches().filter_map(|finding| finding.statement);
        let mut ids = Vec::new();
        for id in self.result.proves.iter().copied().chain(found) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids.into_iter().filter_map(|id| catalogue().get(id)).collect()
    }

    fn steady(&self, text: &str) -> String {
        printable(&crate::transcript::without_namespace(&self.transcript.namespace, text)).replace("```", "'''")
    }

    /// Every event with all of its bytes.
    fn events(&self) -> String {
        let mut out = String::new();
        let is_shown = |author| !matches!(author, Author::Fence | Author::Cleanup);
        for event in self.transcript.events.iter().filter(|event| is_shown(event.author)) {
            let arrow = if self.transcript.is_from_broker(event) {
                '←'
            } else {
                '→'
            };
            let _ = match &event.what {
                What::Open => writeln!(out, "{}   connects", event.client),
                What::Packet { raw, decoded, .. } => {
                    let fields: Vec<String> = shown(decoded)
                        .iter()
                        .map(|field| format!("{}={}", field.name, value(&field.name, &field.value)))
                        .collect();
                    let marks = [secrets(decoded), self.namespace(raw)].concat();
                    let bytes = HexLine::new(raw, &marks, &[], usize::MAX).text();
                    let fields = self.steady(&fields.join(" "));
                    writeln!(out, "{} {arrow} {}  {fields}\n    {bytes}", event.client, name(decoded))
                }
                What::Fragment(bytes) => {
                    let raw = Blob::Whole(bytes.clone());
                    let bytes = HexLine::new(&raw, &self.namespace(&raw), &[], usize::MAX).text();
                    writeln!(
                        out,
                        "{} {arrow} bytes that are not a whole packet\n    {bytes}",
                        event.client
                    )
                }
                What::End(End::HalfClose) => writeln!(out, "{} {arrow} half-closes", event.client),
                What::End(end) => writeln!(out, "{} {arrow} closes the connection ({end})", event.client),
                What::WebSocket(_) | What::Gap(_) | What::Lifecycle(_) | What::Application(_) => Ok(()),
            };
        }
        out
    }

    /// The places of the namespace, which is another one in each run.
    fn namespace(&self, raw: &Blob) -> Vec<Mark> {
        let namespace = self.transcript.namespace.as_bytes();
        let places = raw.head().windows(namespace.len().max(1)).enumerate();
        let found = places.filter(|(_, window)| !namespace.is_empty() && *window == namespace);
        found
            .map(|(at, _)| Mark {
                span: at..at + namespace.len(),
                shown: "$ns".to_owned(),
            })
            .collect()
    }

    /// One command that shows the fault, if one client sends all that there is to send in one or two packets.
    fn netcat(&self) -> Option<String> {
        let mut bytes = Vec::new();
        let (mut opened, mut sent) = (0, 0);
        for op in &self.exchange.ops {
            match op {
                Op::Open { .. } => opened += 1,
                Op::Send { bytes: pieces, .. } => {
                    sent += 1;
                    bytes.extend(pieces.bytes(b"mqttspec")?);
                }
                Op::Take { .. } => {}
                _ => return None,
            }
        }
        if opened != 1 || sent == 0 || sent > 2 || bytes.len() > 200 {
            return None;
        }
        let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
        Some(format!("(printf '{octal}'; sleep 2) | nc 127.0.0.1 1883 | od -An -tx1"))
    }
}
