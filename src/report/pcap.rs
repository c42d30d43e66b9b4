//! The run as a capture: every exchange as TCP connections of its own in a pcapng file that Wireshark opens.
//!
//! Cases run in parallel; in the file they follow one another, so that each is one block. A case has a client
//! address of its own, counted from 10.0.0.1 in the order of the run, and so has its control.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::case;
use crate::capture::write::{Dialogue, PcapngFile};
use crate::suite::{CaseResult, Judged, RunResult, Verdict};
use crate::transcript::{Author, Direction, Event, Lifecycle, StepId, Transcript, What, name};

/// The broker's address, from the block that is kept for examples (RFC 5737), at the port by which Wireshark knows
/// MQTT.
const BROKER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1883);
/// What lies between two exchanges in the file.
const PAUSE: Duration = Duration::from_millis(10);

/// Writes the whole run. `began` is when it began, since 1970 (UTC).
///
/// # Errors
/// The file cannot be written.
pub fn write(run: &RunResult, began: Duration, out: impl Write) -> io::Result<()> {
    let about = format!(
        "exchanges of mqttspec with {}; the addresses are invented, and cases that ran in parallel follow one another",
        case::target(&run.target)
    );
    let mut file = PcapngFile::new(out, &about)?;
    let mut at = began;
    let mut number = 0;
    for case in &run.cases {
        for (transcript, control) in [(&case.transcript, false), (&case.control, true)] {
            let Some(transcript) = transcript else { continue };
            number += 1;
            at = exchange(&mut file, case, transcript, control, client(number), at)? + PAUSE;
        }
    }
    file.flush()
}

/// The client address of the exchange with this number, which counts from 1.
fn client(number: u32) -> IpAddr {
    let [_, a, b, c] = number.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, a, b, c))
}

/// Writes one exchange, and says when it is over.
fn exchange(
    file: &mut PcapngFile<impl Write>,
    case: &CaseResult,
    transcript: &Transcript,
    control: bool,
    client: IpAddr,
    began: Duration,
) -> io::Result<Duration> {
    let mut dialogue = Dialogue::new(client, BROKER);
    let mut now = Duration::ZERO;
    // What is to be said of events that no frame shows is with the next frame.
    let mut said = Vec::new();
    for (index, event) in transcript.events.iter().enumerate() {
        now = now.max(event.at);
        let drawn = dialogue.draw(event, transcript.scripted);
        said.extend(drawn.notes);
        said.extend(remarks(case, control, index, event));
        if drawn.frames.is_empty() {
            continue;
        }
        let comment = [
            vec![heading(case, control, transcript, event)],
            std::mem::take(&mut said),
        ]
        .concat();
        let comment = comment.join("\n");
        for frame in &drawn.frames {
            file.frame(began + now, frame, &comment)?;
        }
    }
    Ok(began + now)
}

/// `qos2/dup@v5 step 3: pub → PUBLISH`
fn heading(case: &CaseResult, control: bool, transcript: &Transcript, event: &Event) -> String {
    let control = if control { " (control)" } else { "" };
    let step = match (&event.step, event.author) {
        (Some(StepId { number: 0, .. }), _) | (None, Author::Setup) => " set-up".to_owned(),
        (Some(step), _) => numbered(step),
        (None, Author::Fence) => " fence".to_owned(),
        (None, Author::Auto) => " automatic answer".to_owned(),
        (None, Author::Cleanup) => " farewell".to_owned(),
        (None, Author::Script | Author::Peer) => " no step".to_owned(),
    };
    let arrow = match transcript.direction(event) {
        Direction::ToBroker => "→",
        Direction::FromBroker => "←",
    };
    let what = match &event.what {
        What::Open => "connection opened",
        What::Packet { decoded, .. } => name(decoded),
        What::Fragment(_) => "bytes that are not a whole packet",
        What::End(_) => "end",
        What::WebSocket(_) => "WebSocket",
        What::Application(_) => "application",
        What::Gap(_) => "gap",
        What::Lifecycle(_) => "broker",
    };
    format!("{}{control}{step}: {} {arrow} {what}", case.id, event.client)
}

/// ` step 3`, ` step 3, turn 2`
fn numbered(step: &StepId) -> String {
    let turns: Vec<String> = step.turns.iter().map(u32::to_string).collect();
    if turns.is_empty() {
        format!(" step {}", step.number)
    } else {
        format!(" step {}, turn {}", step.number, turns.join("."))
    }
}

/// What is wrong at an event, and what no frame shows.
fn remarks(case: &CaseResult, control: bool, index: usize, event: &Event) -> Vec<String> {
    let mut remarks = Vec::new();
    match &event.what {
        What::Packet { decoded, .. } if !event.is_from_peer() => {
            remarks.extend(
                decoded
                    .breaches
                    .first()
                    .map(|b| format!("wrong on purpose: {}", b.text)),
            );
        }
        What::Fragment(_) if !event.is_from_peer() => {
            remarks.push("wrong on purpose: nothing after these bytes can be decoded".to_owned());
        }
        What::Lifecycle(Lifecycle::Restart) => remarks.push("before this the broker was restarted".to_owned()),
        What::Lifecycle(Lifecycle::Kill) => {
            remarks.push("before this the broker was killed and started again".to_owned());
        }
        What::Gap(_) => remarks.push("before this bytes are missing".to_owned()),
        _ => {}
    }
    let here = |finding: &&Judged| finding.event == Some(index) && finding.in_control() == control;
    remarks.extend(
        case.breaches()
            .filter(here)
            .filter_map(|f| Some(format!("violation of {}: {}", f.statement?, f.text))),
    );
    let failure = case
        .failure
        .as_ref()
        .filter(|f| f.control == control && f.found == Some(index));
    if let (Some(failure), Verdict::Fail | Verdict::Known) = (failure, case.verdict) {
        remarks.push(format!("{}: {failure}", case.verdict.name()));
    }
    remarks.extend(case.advice().filter(here).map(|a| format!("advice: {}", a.text)));
    remarks
}

#[cfg(test)]
mod tests {
    use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
    use pcap_file::pcapng::{Block, PcapNgReader};

    use super::super::testing;
    use super::*;

    /// The comments of all frames.
    fn comments(run: &RunResult) -> Vec<String> {
        let mut out = Vec::new();
        write(run, Duration::from_secs(1_700_000_000), &mut out).expect("memory can be written");
        let mut reader = PcapNgReader::new(out.as_slice()).expect("a pcapng file");
        let mut comments = Vec::new();
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block.expect("a block") {
                let [EnhancedPacketOption::Comment(text)] = packet.options.as_slice() else {
                    panic!("no comment, or several")
                };
                comments.push(text.to_string());
            }
        }
        comments
    }

    #[test]
    fn every_frame_says_where_it_belongs_and_what_is_wrong() {
        let mut comments = comments(&testing::run());
        comments.dedup();
        testing::golden!("pcap-comments", &comments.join("\n"));
    }

    #[test]
    fn no_password_is_written() {
        let mut out = Vec::new();
        write(&testing::run(), Duration::ZERO, &mut out).expect("memory can be written");
        assert!(!out.windows(6).any(|w| w == b"secret"));
    }

    #[test]
    fn addresses_count_the_exchanges() {
        assert_eq!(client(1).to_string(), "10.0.0.1");
        assert_eq!(client(0x01_02_03).to_string(), "10.1.2.3");
    }
}
