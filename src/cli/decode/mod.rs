//! `mqttspec decode`

mod dump;
mod text;

use std::io::{IsTerminal, Read};
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

    /// Overwrites the password of a CONNECT; says whether there was one.
    fn mask(&mut self, version: Version) -> bool {
        let spans = match self.frame() {
            Some(frame) => Policy::Run.spans(&frame.raw, &decode_frame(&frame, version, self.from)),
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
