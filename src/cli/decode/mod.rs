//! `mqttspec decode`

mod dump;
mod text;

use std::io::{IsTerminal, Read};
use std::ops::Range;
use std::path::Path;

use crate::secret::{Policy, part_of_connect};
use crate::wire::{PacketType, Piece, Side, Splitter, Version, decode as decode_frame, describe_bytes};

use super::Exit;
use super::args::{DecodeArgs, Sender};
use super::out::{fail, print};
use text::Part;

/// Decodes bytes and names every violation in them.
pub fn decode(args: &DecodeArgs) -> Exit {
    let parts = match input(&args.bytes) {
        Ok(parts) => parts,
        Err(message) => return fail(Exit::Usage, message),
    };
    let forced = args.from.map(|from| match from {
        Sender::Client => Side::Client,
        Sender::Server => Side::Server,
    });
    let mut packets = packets(&parts, forced);
    let versions = match args.mqtt {
        Some(version) => Versions::Given(version),
        None => Versions::of(&packets),
    };
    let mut masked = false;
    let mut version = versions.first();
    let (mut texts, mut breaches) = (Vec::new(), 0);
    for packet in &mut packets {
        if let Some(own) = packet.own_version().filter(|_| args.mqtt.is_none()) {
            version = own;
        }
        if !args.show_secrets {
            masked |= packet.mask(version);
        }
        let description = describe_bytes(&packet.bytes, version, packet.from);
        breaches += description.breaches;
        texts.push(description.text.trim_end().to_owned() + "\n");
    }
    let mut out = texts.join("\n");
    if let Versions::Guessed(version) = versions {
        out.push_str(&format!(
            "\nDecoded as {version}: at {} these bytes are malformed. --mqtt sets the version.\n",
            Version::V3_1_1
        ));
    }
    if masked {
        out.push_str("\nThe password is masked; --show-secrets shows it.\n");
    }
    print(&out);
    if breaches > 0 { Exit::Bad } else { Exit::Ok }
}

/// The bytes that the arguments name: themselves, `@FILE`, or standard input with `-` or without an argument.
fn input(arguments: &[String]) -> Result<Vec<Part>, String> {
    let read = match arguments {
        [] if std::io::stdin().is_terminal() => {
            return Err(
                "there are no bytes to decode: pass them as arguments, as @FILE, or on standard input".to_owned(),
            );
        }
        [] => standard_input()?,
        [one] if one == "-" => standard_input()?,
        [one] if one.starts_with('@') => {
            let file = Path::new(&one[1..]);
            std::fs::read(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?
        }
        several => several.join(" ").into_bytes(),
    };
    // Text has no control characters but blanks; a packet nearly always has some.
    let is_text = |text: &&str| !text.chars().any(|c| c.is_control() && !c.is_whitespace());
    match std::str::from_utf8(&read).ok().filter(is_text) {
        Some(text) => text::parse(text),
        None => Ok(vec![Part {
            from: None,
            bytes: read,
        }]),
    }
}

fn standard_input() -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match std::io::stdin().lock().read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(e) => Err(format!("cannot read standard input: {e}")),
    }
}

/// One packet, or what is left of the bytes of a side.
struct Packet {
    from: Side,
    bytes: Vec<u8>,
}

/// The packets in order. Parts of one side are one stream, so a packet may be in several of them; it is listed where it ends.
fn packets(parts: &[Part], forced: Option<Side>) -> Vec<Packet> {
    let mut streams: Vec<(Option<Side>, Splitter, Vec<u8>)> = Vec::new();
    let mut found: Vec<(Option<Side>, Vec<u8>)> = Vec::new();
    for part in parts {
        let at = streams
            .iter()
            .position(|(from, ..)| *from == part.from)
            .unwrap_or_else(|| {
                streams.push((part.from, Splitter::new(), Vec::new()));
                streams.len() - 1
            });
        let (from, splitter, held) = &mut streams[at];
        held.extend_from_slice(&part.bytes);
        for piece in splitter.push(&part.bytes) {
            // Framing has ended at the broken piece: all that is left goes with it.
            if let Piece::Frame(frame) = piece {
                let len = usize::try_from(frame.raw.len()).unwrap_or(usize::MAX).min(held.len());
                found.push((*from, held.drain(..len).collect()));
            }
        }
    }
    let left = streams.into_iter().filter(|(_, _, held)| !held.is_empty());
    found.extend(left.map(|(from, _, held)| (from, held)));

    // A packet that both sides send is the client's if the others are.
    let kind = |bytes: &[u8]| bytes.first().and_then(|first| PacketType::from_number(first >> 4));
    let only = |side: Side| {
        found.iter().any(|(_, bytes)| {
            kind(bytes).is_some_and(|kind| match side {
                Side::Client => !kind.from_server(Version::V5),
                Side::Server => !kind.from_client(Version::V5),
            })
        })
    };
    let of_both = if only(Side::Client) && !only(Side::Server) {
        Side::Client
    } else {
        Side::Server
    };
    let sender = |bytes: &[u8]| match kind(bytes) {
        Some(kind) if !kind.from_server(Version::V5) => Side::Client,
        Some(kind) if !kind.from_client(Version::V5) => Side::Server,
        // DISCONNECT of 3.1.1 is a client's; of two bytes it is at 5.0 as well nearly always.
        Some(PacketType::Disconnect) if bytes.len() == 2 => Side::Client,
        _ => of_both,
    };
    let packets = found.iter().map(|(from, bytes)| Packet {
        from: forced.or(*from).unwrap_or_else(|| sender(bytes)),
        bytes: bytes.clone(),
    });
    packets.collect()
}

impl Packet {
    /// The version that a CONNECT states. Bit 7 is a private mark of bridges.
    fn own_version(&self) -> Option<Version> {
        let level = self.frame().filter(|_| self.from == Side::Client)?.connect_level()?;
        Version::ALL.into_iter().find(|v| v.protocol_level() == level & 0x7f)
    }

    fn frame(&self) -> Option<crate::wire::Frame> {
        crate::wire::Frame::loose(self.bytes.clone())
    }

    /// How many MUST statements it violates at `version`.
    fn breaches(&self, version: Version) -> usize {
        describe_bytes(&self.bytes, version, self.from).breaches
    }

    /// Overwrites the password of a CONNECT; says whether there was one. The length before it stays, or the packet would
    /// be malformed.
    fn mask(&mut self, version: Version) -> bool {
        const LENGTH: usize = 2;
        let spans: Vec<Range<usize>> = match self.frame() {
            Some(frame) => Policy::Run
                .spans(&frame.raw, &decode_frame(&frame, version, self.from))
                .into_iter()
                .map(|span| (span.start + LENGTH).min(span.end)..span.end)
                .collect(),
            None => part_of_connect(&self.bytes).into_iter().collect(),
        };
        let mut masked = false;
        for span in spans {
            if let Some(secret) = self.bytes.get_mut(span).filter(|secret| !secret.is_empty()) {
                secret.fill(crate::secret::MASK);
                masked = true;
            }
        }
        masked
    }
}

/// Which version the packets before the first CONNECT are decoded at.
#[derive(Clone, Copy)]
enum Versions {
    /// The one that the user names, for all packets.
    Given(Version),
    /// 3.1.1, or the one that a CONNECT states.
    Stated(Version),
    /// They fit this one alone.
    Guessed(Version),
}

impl Versions {
    fn of(packets: &[Packet]) -> Versions {
        if let Some(stated) = packets.iter().find_map(Packet::own_version) {
            return Versions::Stated(stated);
        }
        let breaches = |version| packets.iter().map(|p| p.breaches(version)).sum::<usize>();
        if breaches(Version::V3_1_1) > 0 && breaches(Version::V5) == 0 {
            Versions::Guessed(Version::V5)
        } else {
            Versions::Stated(Version::V3_1_1)
        }
    }

    fn first(self) -> Version {
        match self {
            Versions::Given(version) | Versions::Stated(version) | Versions::Guessed(version) => version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(hex: &str) -> Vec<Packet> {
        packets(&text::parse(hex).unwrap(), None)
    }

    /// A CONNECT of 5.0 with the user name `u` and the password `secret`.
    const LOGIN: &str = "10 1c 00 04 4d 51 54 54 05 c2 00 3c 00 00 04 61 62 63 64 00 01 75 00 06 73 65 63 72 65 74";

    #[test]
    fn the_password_is_masked_and_the_packet_stays_well_formed() {
        let mut packet = parts(LOGIN).remove(0);
        assert!(packet.mask(Version::V5));
        assert!(packet.bytes.ends_with(b"\0\x06******"));
        assert_eq!(packet.breaches(Version::V5), 0);
        let mut cut = parts(&LOGIN[..LOGIN.len() - 6]).remove(0);
        assert!(cut.mask(Version::V5) && !cut.bytes.windows(4).any(|w| w == b"secr"));
        let mut other = parts("c0 00").remove(0);
        assert!(!other.mask(Version::V5));
    }

    #[test]
    fn a_connect_states_its_version_and_other_packets_show_theirs() {
        let version = |hex: &str| Versions::of(&parts(hex)).first();
        assert_eq!(version(LOGIN), Version::V5);
        assert_eq!(version("20 02 00 00"), Version::V3_1_1);
        assert!(matches!(
            Versions::of(&parts("20 03 00 00 00")),
            Versions::Guessed(Version::V5)
        ));
        // What fits no version is decoded as 3.1.1.
        assert_eq!(version("21 02 00 00"), Version::V3_1_1);
        // Bit 7 of the level is a bridge's.
        assert_eq!(
            version("10 13 00 04 4d 51 54 54 84 02 00 3c 00 07 6d 65 74 65 72 2d 37"),
            Version::V3_1_1
        );
    }

    #[test]
    fn the_sender_of_a_packet_of_both_sides_follows_the_others() {
        let from = |hex: &str| parts(hex).iter().map(|p| p.from).collect::<Vec<_>>();
        assert_eq!(from("c0 00 40 02 00 01"), [Side::Client, Side::Client]);
        assert_eq!(from("d0 00 40 02 00 01"), [Side::Server, Side::Server]);
        assert_eq!(from("40 02 00 01"), [Side::Server]);
        assert_eq!(from("> 40 02 00 01"), [Side::Client]);
        // A packet may be in several parts of its side.
        let both = parts("> c0\n< d0 00\n> 00");
        assert_eq!(
            both.iter().map(|p| p.bytes.clone()).collect::<Vec<_>>(),
            [vec![0xd0, 0], vec![0xc0, 0]]
        );
    }
}
