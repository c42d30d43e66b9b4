//! `mqttspec decode`

use crate::wire::{PacketType, Side, describe_bytes};

use super::Exit;
use super::args::{DecodeArgs, Sender};
use super::out::{fail, print};

/// Decodes bytes and names every violation in them.
pub fn decode(args: &DecodeArgs) -> Exit {
    let digits: String = args
        .hex
        .join("")
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .collect();
    let digits = digits.strip_prefix("0x").unwrap_or(&digits);
    let bytes = match hex::decode(digits) {
        Ok(bytes) if bytes.is_empty() => return fail(Exit::Usage, "there are no bytes to decode"),
        Ok(bytes) => bytes,
        Err(error) => return fail(Exit::Usage, format!("this is not hex: {error}")),
    };
    let side = match args.from {
        Some(Sender::Client) => Side::Client,
        Some(Sender::Server) => Side::Server,
        // Who may send it at all; of what both may send, the server's side is what is looked at more often.
        None => match PacketType::from_number(bytes[0] >> 4) {
            Some(kind) if !kind.from_server(args.mqtt) => Side::Client,
            _ => Side::Server,
        },
    };
    let description = describe_bytes(&bytes, args.mqtt, side);
    print(&format!("{}\n", description.text.trim_end()));
    if description.breaches > 0 { Exit::Bad } else { Exit::Ok }
}
