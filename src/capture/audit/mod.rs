//! A capture's connections, judged: what its clients and brokers did against the standard.
//!
//! In: a capture. Out: a [`Report`] for each MQTT connection, as soon as it has ended. Nothing else of it is kept.

mod histories;
mod json;
mod text;

use std::collections::HashMap;
use std::io::Read;
use std::time::Duration;

use bytes::Bytes;

pub use json::{Entry, Json, stream as stream_json};
pub use text::{head as head_text, stream as stream_text, summary as summary_text};

use self::histories::Histories;
use self::json::type_name;
use super::talk::{Shape, shape};
use super::{Error, Seen, Settings, Stream, Summary, Watch, read};
use crate::history;
use crate::rules::{Finding, Judge, Outcome, Sight};
use crate::secret::{Policy, shown};
use crate::statements::{Level, catalogue};
use crate::transcript::{Event, HexLine, Mark, What, name};
use crate::wire::Side;

/// How many bytes of a packet are kept with what was found in it.
const BYTES: usize = 4096;
/// How many are shown to people.
const SHOWN: usize = 32;

/// One connection, judged.
#[derive(Debug)]
pub struct Report<'a> {
    pub stream: &'a Stream,
    /// In the order of its events.
    pub found: &'a [Found],
    /// What of its session is not judged, and why, as a clause.
    pub session: Option<&'static str>,
}

/// What a rule found.
#[derive(Debug)]
pub struct Found {
    pub finding: Finding,
    /// Of the statement.
    pub level: Level,
    /// The packet of the file with its first byte, from 1, and the one that completed it.
    pub frame: u64,
    pub last_frame: u64,
    /// Since the connection began.
    pub at: Duration,
    /// The packet that began it, if it is another connection's or was long before: its stream, and the packet of the file.
    pub began: Option<(u32, u64)>,
    /// Where it lies in a packet of MQTT.
    pub packet: Option<Offender>,
    /// A whole packet that begins at the violation: its first byte's place and its name. The one around it was perhaps
    /// not written to its end.
    pub inside: Option<(usize, &'static str)>,
}

/// The packet of MQTT in which something was found.
#[derive(Debug)]
pub struct Offender {
    pub name: &'static str,
    /// Its length in bytes.
    pub len: u64,
    /// Its first bytes, with `*` for those of a password.
    pub bytes: Bytes,
    /// Its bytes in hex, and a line that underlines those at fault, for people.
    pub hex: String,
    pub underline: String,
}

impl Found {
    /// Whether it is certain that a MUST was violated.
    pub fn is_certain_must(&self) -> bool {
        self.finding.outcome == Outcome::Breach && self.level.is_must()
    }
}

/// How much was found in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// MQTT connections.
    pub streams: u64,
    /// Packets of MQTT.
    pub packets: u64,
    /// Violations of a MUST by clients, and by brokers.
    pub by_clients: u64,
    pub by_brokers: u64,
    /// Violations of a SHOULD.
    pub advice: u64,
    /// What is undecided.
    pub doubts: u64,
}

/// Reads a capture and gives a report of each MQTT connection to `tell`.
///
/// # Errors
/// If the file is no capture, or cannot be read.
pub fn audit<R: Read>(reader: R, settings: &Settings, tell: impl FnMut(&Report)) -> Result<(Totals, Summary), Error> {
    let mut auditor = Auditor::new(tell);
    auditor.strict = settings.strict;
    let summary = read(reader, settings, &mut auditor)?;
    Ok((auditor.totals, summary))
}

/// Judges connections as their events come.
pub struct Auditor<F> {
    tell: F,
    open: HashMap<u32, Open>,
    histories: Histories,
    /// What a gap leaves open counts as a violation.
    strict: bool,
    pub totals: Totals,
}

struct Open {
    judge: Judge,
    found: Vec<Found>,
    started: Duration,
    /// How many events it had.
    events: usize,
    /// The last packet of the file that brought something.
    last_frame: u64,
}

impl<F: FnMut(&Report)> Auditor<F> {
    /// Tells what it finds to `tell`, at the end of each connection.
    pub fn new(tell: F) -> Auditor<F> {
        Auditor {
            tell,
            open: HashMap::new(),
            histories: Histories::default(),
            strict: false,
            totals: Totals::default(),
        }
    }
}

impl<F: FnMut(&Report)> Watch for Auditor<F> {
    fn event(&mut self, stream: &Stream, seen: Seen, event: Event) {
        let open = self.open.entry(stream.id).or_insert_with(|| Open {
            judge: Judge::of_capture(stream.read_as),
            found: Vec::new(),
            started: stream.started,
            events: 0,
            last_frame: 0,
        });
        let sight = Sight {
            crossed: seen.crossed,
            arrived: seen.arrived,
            last: false,
        };
        open.last_frame = seen.frame;
        for finding in open.judge.take(&event, sight) {
            open.found.push(found(settled(finding, self.strict), &event, seen));
        }
        let number = open.events;
        open.events += 1;
        for finding in self.histories.event(stream, seen, &event, number) {
            let shown = finding.shown;
            let Some(open) = self.open.get_mut(&shown.connection) else {
                continue;
            };
            let mut found = if (shown.connection, shown.event) == (stream.id, number) {
                found(finding.as_rule(), &event, seen)
            } else {
                found_before(&finding, open.started)
            };
            found.began = Some((finding.began.connection, finding.began.frame));
            open.found.push(found);
        }
    }

    fn ended(&mut self, stream: &Stream) {
        let mut found = Vec::new();
        let (findings, session) = self.histories.ended(stream);
        if let Some(mut open) = self.open.remove(&stream.id) {
            let at_the_end = open.judge.finish(stream.duration).into_iter().map(|finding| Found {
                level: catalogue().level(finding.statement),
                frame: open.last_frame,
                last_frame: open.last_frame,
                at: stream.duration,
                began: None,
                packet: None,
                inside: None,
                finding: settled(finding, self.strict),
            });
            found = open.found;
            found.extend(at_the_end);
            found.extend(findings.iter().map(|finding| found_before(finding, open.started)));
            found.sort_by_key(|found| found.finding.event);
        }
        let totals = &mut self.totals;
        totals.streams += 1;
        totals.packets += stream.packets.iter().sum::<u64>();
        for found in &found {
            *match (found.finding.outcome, found.level.is_must(), found.finding.by) {
                (Outcome::Unknown, ..) => &mut totals.doubts,
                (Outcome::Breach, false, _) => &mut totals.advice,
                (Outcome::Breach, true, Side::Client) => &mut totals.by_clients,
                (Outcome::Breach, true, Side::Server) => &mut totals.by_brokers,
            } += 1;
        }
        (self.tell)(&Report {
            stream,
            found: &found,
            session,
        });
    }
}

/// Whoever is strict takes the capture for complete. What no capture settles stays a doubt.
fn settled(mut finding: Finding, strict: bool) -> Finding {
    if strict && !finding.open {
        finding.outcome = Outcome::Breach;
    }
    finding
}

/// A whole packet of the same side that begins at the violation or just before it, and reaches into it.
fn inside(finding: &Finding, event: &Event) -> Option<(usize, &'static str)> {
    let What::Packet { raw, decoded, .. } = &event.what else {
        return None;
    };
    let (span, bytes) = (finding.span.as_ref()?, raw.bytes()?);
    let is_text = decoded.breaches.iter().any(|b| b.span == *span);
    // PUBACK and the like have four bytes, so that the one at fault is among the first four of what lies inside.
    let starts = span.start.saturating_sub(3).max(2)..=span.start;
    let whole = starts.filter(|_| is_text).find_map(|start| {
        let rest = bytes.get(start..)?;
        match shape(rest, finding.by) {
            Shape::Whole(len) if start + len > span.start => Some((start, *rest.first()?)),
            _ => None,
        }
    })?;
    Some((whole.0, type_name((whole.1 >> 4).into())))
}

fn found(finding: Finding, event: &Event, seen: Seen) -> Found {
    let packet = match &event.what {
        What::Packet { raw, decoded, .. } => {
            let spans: Vec<_> = finding.span.clone().into_iter().collect();
            // A capture is not ours: more is taken for a password than in a run's own packets.
            let secrets = Mark::passwords(Policy::Capture.spans(raw, decoded));
            let hex = HexLine::new(raw, &secrets, &spans, SHOWN);
            let mut bytes = shown(raw, decoded).head;
            bytes.truncate(BYTES);
            bytes.shrink_to_fit();
            Some(Offender {
                name: name(decoded),
                len: raw.len(),
                bytes: bytes.into(),
                hex: hex.text(),
                underline: hex.underline(&spans),
            })
        }
        _ => None,
    };
    Found {
        level: catalogue().level(finding.statement),
        frame: seen.began,
        last_frame: seen.frame,
        at: event.at,
        began: None,
        packet,
        inside: inside(&finding, event),
        finding,
    }
}

/// What a history shows at a packet of a connection that is not at hand any more.
fn found_before(finding: &history::Finding, started: Duration) -> Found {
    let history::Place { frame, at, .. } = finding.shown;
    Found {
        level: catalogue().level(finding.statement),
        frame,
        last_frame: frame,
        at: at.saturating_sub(started),
        began: Some((finding.began.connection, finding.began.frame)),
        packet: None,
        inside: None,
        finding: finding.as_rule(),
    }
}
