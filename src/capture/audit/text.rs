//! The audit for people: a table of connections, with what was found below each.

use std::fmt::Write as _;

use super::json::{side, type_name};
use super::{Found, Report, Totals};
use crate::capture::{Holes, LINKS, NAMED, Stream, Summary, Transport};
use crate::rules::Outcome;
use crate::transcript::{End, printable, seconds};

const HEAD: &str = "stream  version  packets  seconds    client                 server                 client id\n";

/// The head of the table.
pub fn head() -> &'static str {
    HEAD
}

/// One connection: its row, what it holds, what is missing, and what was found.
pub fn stream(report: &Report) -> String {
    let stream = report.stream;
    let mut out = String::new();
    let version = stream.version.map_or("?", |v| v.name().trim_start_matches('v'));
    let packets: u64 = stream.packets.iter().sum();
    let id = stream
        .client_id
        .as_ref()
        .map(|id| printable(&id.to_string()))
        .unwrap_or_default();
    let _ = writeln!(
        out,
        "{:<6}  {version:<7}  {packets:>7}  {:<9}  {:<21}  {:<21}  {id}",
        stream.id,
        format!("{:.3}", stream.duration.as_secs_f64()),
        stream.client.to_string(),
        stream.server.to_string(),
    );
    let _ = writeln!(out, "        {}", contents(stream));
    for remark in remarks(stream).into_iter().chain(report.session.map(str::to_owned)) {
        let _ = writeln!(out, "        {remark}");
    }
    let is_doubt = |found: &&Found| found.finding.outcome == Outcome::Unknown;
    for (i, found) in report.found.iter().enumerate() {
        let alike = |other: &&Found| is_doubt(other) && other.finding.rule == found.finding.rule;
        if !is_doubt(&found) {
            out.push_str(&finding(found));
        } else if !report.found[..i].iter().any(|f| alike(&f)) {
            // A persistent session that began before the capture makes the same doubt with every message.
            out.push_str(&finding(found));
            let more = report.found[i + 1..].iter().filter(alike).count();
            if more > 0 {
                let _ = writeln!(out, "      and {more} more like it");
            }
        }
    }
    out
}

/// Packets by type, PUBLISHes by QoS.
fn contents(stream: &Stream) -> String {
    let counts = stream.packets.iter().enumerate().filter(|(_, n)| **n > 0);
    let parts: Vec<String> = counts
        .map(|(number, n)| {
            let mut part = format!("{} {n}", type_name(number));
            if number == 3 {
                let qos = stream.qos.iter().enumerate().filter(|(_, n)| **n > 0);
                let qos: Vec<String> = qos.map(|(qos, n)| format!("QoS {qos}: {n}")).collect();
                let _ = write!(part, " ({})", qos.join(", "));
            }
            part
        })
        .collect();
    if parts.is_empty() {
        "no whole packet".to_owned()
    } else {
        parts.join("  ")
    }
}

fn remarks(stream: &Stream) -> Vec<String> {
    let mut remarks = Vec::new();
    if stream.transport == Transport::WebSocket {
        remarks.push("over WebSocket".to_owned());
    }
    if let Some(level) = stream.bridge {
        remarks.push(format!(
            "a bridge: bit 7 of its protocol level 0x{level:02x} is set, read as {}",
            level & 0x7f
        ));
    }
    let holes = [("client", stream.client_holes), ("broker", stream.server_holes)];
    for (who, Holes { count, bytes }) in holes.into_iter().filter(|(_, h)| h.count > 0) {
        let bytes = if bytes == 1 {
            "1 byte".to_owned()
        } else {
            format!("{bytes} bytes")
        };
        let places = if count == 1 {
            "one place".to_owned()
        } else {
            format!("{count} places")
        };
        remarks.push(format!("{bytes} of the {who} missing, in {places}"));
    }
    match stream.end {
        Some(End::Reset) => remarks.push("ended by a reset".to_owned()),
        None => remarks.push("the capture ends before it".to_owned()),
        _ => {}
    }
    if let Err(why) = stream.replayable() {
        remarks.push(format!("cannot be replayed: {why}"));
    }
    remarks
}

fn finding(found: &Found) -> String {
    let finding = &found.finding;
    let who = match finding.outcome {
        Outcome::Breach => side(finding.by),
        Outcome::Unknown => "undecided",
    };
    let mut out = format!(
        "    {who}: {} {}  {}\n",
        finding.statement,
        found.level.keyword(),
        printable(&finding.text)
    );
    let _ = write!(out, "      packet {}", found.frame);
    if found.last_frame != found.frame {
        let _ = write!(out, " to {}", found.last_frame);
    }
    let _ = write!(out, " at {}", seconds(found.at));
    if let Some(packet) = &found.packet {
        let _ = write!(out, "  {}\n        {}", packet.name, packet.hex);
        if !packet.underline.is_empty() {
            let _ = write!(out, "\n        {}", packet.underline);
        }
    }
    if let Some((stream, frame)) = found.began {
        let _ = write!(out, "\n        it began with packet {frame}, in stream {stream}");
    }
    if let Some((at, name)) = found.inside {
        let _ = write!(
            out,
            "\n        a whole {name} lies in it from byte {at}: it may have been sent before this packet was complete"
        );
    }
    out.push('\n');
    out
}

/// What was found in all, and what could not be read.
pub fn summary(totals: &Totals, summary: &Summary) -> String {
    let count = |n: u64, one: &str, more: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {more}"),
    };
    let mut out = format!(
        "{} in {} of the capture ({}): {} by clients and {} by brokers",
        count(totals.streams, "MQTT connection", "MQTT connections"),
        count(summary.packets, "packet", "packets"),
        count(summary.connections.into(), "TCP connection", "TCP connections"),
        count(totals.by_clients, "violation", "violations"),
        totals.by_brokers,
    );
    if totals.advice > 0 {
        let _ = write!(out, ", {} of a SHOULD", count(totals.advice, "violation", "violations"));
    }
    if totals.doubts > 0 {
        let _ = write!(out, ", {} undecided", totals.doubts);
    }
    out.push('\n');
    if summary.tls > 0 {
        let named = summary
            .tls_streams
            .iter()
            .take(5)
            .map(|s| format!("{} ({} to {})", s.stream, s.client, s.server));
        let named: Vec<String> = named.collect();
        let more = if summary.tls as usize > named.len().min(NAMED) {
            ", ..."
        } else {
            ""
        };
        let streams = count(summary.tls.into(), "connection is", "connections are");
        let _ = writeln!(out, "{streams} TLS, which cannot be read: {}{more}", named.join(", "));
    }
    if summary.compressed > 0 {
        let streams = count(summary.compressed.into(), "connection is", "connections are");
        let _ = writeln!(out, "{streams} WebSocket with compressed frames, which are not read");
    }
    if summary.fragments > 0 {
        let packets = count(summary.fragments, "packet is a fragment", "packets are fragments");
        let _ = writeln!(out, "{packets} of IP; their bytes count as missing");
    }
    if summary.broken > 0 {
        let packets = count(summary.broken, "packet is", "packets are");
        let _ = writeln!(out, "{packets} too short for the headers, or has wrong ones");
    }
    for (tunnel, n) in &summary.tunnels {
        let packets = count(*n, "packet is", "packets are");
        let _ = writeln!(out, "{packets} in a tunnel that is not read: {tunnel}");
    }
    if let Some(link) = summary.unknown_link_type {
        let mut known: Vec<&str> = LINKS.iter().map(|(_, name)| *name).collect();
        known.dedup();
        let packets = count(summary.unknown_link, "packet is", "packets are");
        let _ = writeln!(
            out,
            "{packets} of link type {link}, which is not read; those that are: {}",
            known.join(", ")
        );
    }
    out
}
