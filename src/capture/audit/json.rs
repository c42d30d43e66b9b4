//! The audit as JSON, for programs: written stream by stream, so that it takes no memory. The format is described in
//! `docs/json.md`.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Found, Report, Totals};
use crate::capture::{Holes, Stream, Summary};
use crate::rules::Outcome;
use crate::transcript::End;
use crate::wire::{PacketType, Side, Text};

/// The number of the format.
const FORMAT: u32 = 2;

/// A document that grows. Nothing is written before the first stream, so that a file that is no capture leaves no half
/// of one; an error of the writer is kept, and returned at the end.
pub struct Json<W: Write> {
    out: W,
    file: String,
    is_begun: bool,
    refused: Option<io::Error>,
}

impl<W: Write> Json<W> {
    /// A document about this file.
    pub fn begin(out: W, file: &str) -> Json<W> {
        Json {
            out,
            file: file.to_owned(),
            is_begun: false,
            refused: None,
        }
    }

    /// Writes one stream, on a line of its own.
    pub fn stream(&mut self, report: &Report) {
        if self.refused.is_none() {
            self.refused = self.write_stream(report).err();
        }
    }

    /// Writes the end.
    ///
    /// # Errors
    /// What the writer refused.
    pub fn end(mut self, totals: &Totals, summary: &Summary) -> io::Result<W> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        if !self.is_begun {
            self.head()?;
        }
        write!(self.out, "\n],\"summary\":")?;
        serde_json::to_writer(&mut self.out, &summary_json(totals, summary))?;
        writeln!(self.out, "}}")?;
        Ok(self.out)
    }

    fn write_stream(&mut self, report: &Report) -> io::Result<()> {
        if std::mem::replace(&mut self.is_begun, true) {
            self.out.write_all(b",")?;
        } else {
            self.head()?;
        }
        self.out.write_all(b"\n")?;
        serde_json::to_writer(&mut self.out, &stream(report))?;
        Ok(())
    }

    fn head(&mut self) -> io::Result<()> {
        let file = serde_json::to_string(&self.file)?;
        let version = env!("CARGO_PKG_VERSION");
        write!(
            self.out,
            "{{\"format\":{FORMAT},\"mqttspec\":\"{version}\",\"file\":{file},\"streams\":["
        )
    }
}

/// One stream, as it is in the document.
#[derive(Serialize)]
pub struct Entry<'a> {
    stream: u32,
    client: std::net::SocketAddr,
    server: std::net::SocketAddr,
    transport: &'static str,
    version: Option<&'static str>,
    client_id: Option<Value>,
    bridge: bool,
    start: f64,
    seconds: f64,
    handshake: bool,
    end: Option<&'static str>,
    packets: Counts<'a>,
    qos: [u64; 4],
    gaps: Both,
    replayable: bool,
    reason: Option<String>,
    /// What of its session is not judged.
    session: Option<&'static str>,
    violations: Vec<Violation<'a>>,
}

/// Packets by the name of their type.
struct Counts<'a>(&'a Stream);

impl Serialize for Counts<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = self.0.packets.iter().enumerate().filter(|(_, n)| **n > 0);
        serializer.collect_map(counts.map(|(number, n)| (type_name(number), *n)))
    }
}

/// The name of a type by its number; 0 is reserved.
pub fn type_name(number: usize) -> &'static str {
    let kind = u8::try_from(number).ok().and_then(PacketType::from_number);
    kind.map_or("reserved 0", PacketType::name)
}

#[derive(Serialize)]
struct Both {
    client: Gap,
    server: Gap,
}

#[derive(Serialize)]
struct Gap {
    count: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Violation<'a> {
    outcome: &'static str,
    by: &'static str,
    statement: String,
    level: &'static str,
    rule: &'static str,
    text: &'a str,
    /// Of the capture: with the first byte, and with the last one if that is another.
    packet: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_packet: Option<u64>,
    event: usize,
    at: f64,
    /// The packet that began it, if that is another connection's or was long before.
    #[serde(skip_serializing_if = "Option::is_none")]
    began: Option<Began>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mqtt: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<[usize; 2]>,
    /// A whole packet inside: where, and its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    inside: Option<Inside>,
}

#[derive(Serialize)]
struct Began {
    stream: u32,
    packet: u64,
}

#[derive(Serialize)]
struct Inside {
    at: usize,
    mqtt: &'static str,
}

/// One stream.
pub fn stream<'a>(report: &'a Report) -> Entry<'a> {
    let stream = report.stream;
    let replayable = stream.replayable();
    let gap = |Holes { count, bytes }| Gap { count, bytes };
    Entry {
        stream: stream.id,
        client: stream.client,
        server: stream.server,
        transport: stream.transport.name(),
        version: stream.version.map(|v| v.name()),
        client_id: stream.client_id.as_ref().map(text),
        bridge: stream.bridge.is_some(),
        start: stream.started.as_secs_f64(),
        seconds: stream.duration.as_secs_f64(),
        handshake: stream.handshake,
        end: stream.end.map(|end| match end {
            End::Fin | End::HalfClose => "fin",
            End::Reset => "reset",
        }),
        packets: Counts(stream),
        qos: stream.qos,
        gaps: Both {
            client: gap(stream.client_holes),
            server: gap(stream.server_holes),
        },
        replayable: replayable.is_ok(),
        reason: replayable.err(),
        session: report.session,
        violations: report.found.iter().map(violation).collect(),
    }
}

fn text(of: &Text) -> Value {
    match of.as_str() {
        Some(text) => json!(text),
        None => json!({ "hex": hex::encode(of.as_bytes()) }),
    }
}

fn violation(found: &Found) -> Violation<'_> {
    let finding = &found.finding;
    let packet = found.packet.as_ref();
    Violation {
        outcome: match finding.outcome {
            Outcome::Breach => "violation",
            Outcome::Unknown => "unknown",
        },
        by: side(finding.by),
        statement: finding.statement.to_string(),
        level: found.level.keyword(),
        rule: finding.rule,
        text: &finding.text,
        packet: found.frame,
        last_packet: (found.last_frame != found.frame).then_some(found.last_frame),
        event: finding.event,
        at: found.at.as_secs_f64(),
        began: found.began.map(|(stream, packet)| Began { stream, packet }),
        mqtt: packet.map(|p| p.name),
        bytes: packet.map(|p| hex::encode(&p.bytes)),
        length: packet.map(|p| p.len),
        span: finding.span.as_ref().map(|s| [s.start, s.end]),
        inside: found.inside.map(|(at, mqtt)| Inside { at, mqtt }),
    }
}

/// `client` or `broker`.
pub fn side(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "broker",
    }
}

fn summary_json(totals: &Totals, summary: &Summary) -> Value {
    let tls: Vec<Value> = summary
        .tls_streams
        .iter()
        .map(|s| json!({ "stream": s.stream, "client": s.client, "server": s.server }))
        .collect();
    let damage = summary.damage.as_ref();
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("packets", json!(summary.packets));
    put("connections", json!(summary.connections));
    put("streams", json!(totals.streams));
    put("mqtt_packets", json!(totals.packets));
    put("violations_by_clients", json!(totals.by_clients));
    put("violations_by_brokers", json!(totals.by_brokers));
    put("advice", json!(totals.advice));
    put("unknown", json!(totals.doubts));
    put("tls", json!({ "count": summary.tls, "streams": tls }));
    put("compressed_websocket", json!(summary.compressed));
    put("ip_fragments", json!(summary.fragments));
    put("broken_packets", json!(summary.broken));
    put(
        "unknown_link",
        json!({ "count": summary.unknown_link, "type": summary.unknown_link_type }),
    );
    put("unread_tunnels", json!(summary.tunnels));
    put(
        "damage",
        json!(damage.map(|d| json!({ "offset": d.offset, "text": d.what, "packets": d.packets }))),
    );
    Value::Object(out)
}
