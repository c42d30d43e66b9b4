//! From the text of a step to bytes, and from bytes to the answer whether they are what a step waits for.

use std::sync::Arc;

use ::bytes::Bytes;

use super::*;
use crate::statements::Version;
use crate::wire::{
    Ack, Blob, Chunk, ConnAck, Frame, Packet, Payload, Publish, Side, SubAck, Text, Value, decode, decode_bytes,
    encode_bytes,
};

mod building;
mod matching;

fn scope() -> Scope {
    Scope::new("ms00abcd")
}

/// The step of a scenario with this one step, at a version.
fn step_at(text: &str, version: Version) -> Step {
    let text = format!(
        "format: 1\ntitle: T\nversions: [{version}]\nserial: true\nclients: {{ c: {{}} }}\nsteps:\n  - {text}\ncontrol:\n  - c <- PINGRESP\n"
    );
    let source = Arc::new(Source {
        file: "a.yaml".to_owned(),
        text,
    });
    let scenario = load(&source, "a").unwrap_or_else(|errors| panic!("{}", render_all(&errors, false)));
    scenario.cases[0].script.steps[0].clone()
}

fn built(text: &str, version: Version, scope: &Scope) -> Result<Built, BuildError> {
    let step = step_at(text, version);
    match &step.what {
        StepKind::Send {
            client,
            what: Send::Write(write),
        } => write.build(version, scope, client, &step.place),
        other => panic!("{other:?}"),
    }
}

/// The bytes of each write, in hex.
fn writes(text: &str, version: Version) -> Vec<String> {
    let writes = built(text, version, &scope()).unwrap().writes;
    writes
        .iter()
        .map(|write| {
            write
                .iter()
                .map(|chunk| match chunk {
                    Chunk::Bytes(bytes) => hex::encode(bytes),
                    Chunk::Fill { len, byte } => format!("<{len}x{byte:02x}>"),
                })
                .collect()
        })
        .collect()
}

fn one(text: &str, version: Version) -> String {
    let writes = writes(text, version);
    assert_eq!(writes.len(), 1, "{writes:?}");
    writes.concat()
}

fn pattern_at(text: &str, version: Version) -> PacketPattern {
    match step_at(text, version).what {
        StepKind::Expect {
            what: Expect::Packet(pattern),
            ..
        } => pattern,
        other => panic!("{other:?}"),
    }
}

fn matched(text: &str, packet: &Packet, version: Version, scope: &mut Scope) -> Result<(), Vec<Mismatch>> {
    let decoded = decode_bytes(&encode_bytes(packet, version), version, Side::Server);
    pattern_at(text, version).matches(&decoded, None, version, scope)
}

/// The names of the fields that differ.
fn differs(text: &str, packet: &Packet, version: Version) -> Vec<String> {
    let result = matched(text, packet, version, &mut scope());
    result.err().unwrap_or_default().into_iter().map(|m| m.field).collect()
}
