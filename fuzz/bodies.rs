//! The bodies of the fuzzing targets: each reads its input in every way, and asserts the properties of the result.
//!
//! `fuzz_targets/` passes these to libFuzzer; `tests/it/fuzz_corpus.rs` runs them over the corpus with any toolchain.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use mqttspec::capture::audit::{audit, stream_json, stream_text};
use mqttspec::capture::{Settings, import, read_streams};
use mqttspec::scenario::{ByteTemplate, Scope, Source, load, outlines, print, render_all};
use mqttspec::secret::redacted;
use mqttspec::sut::Profile;
use mqttspec::wire::{
    BROKEN_MAX, Blob, Checked, Frame, Piece, Side, Splitter, Version, WHOLE_MAX, check, decode, decode_bytes,
    describe_bytes, encode_bytes,
};

/// The body of a target: it has no visible effect, unless it panics.
pub type Body = fn(&[u8]);

/// Every target by its name, which is also that of its folder in the corpus.
pub const TARGETS: [(&str, Body); 6] = [
    ("decoder", decoder),
    ("splitter", splitter),
    ("scenario", scenario),
    ("profile", profile),
    ("notation", notation),
    ("capture", capture),
];

/// The version and the sender, encoded in the first byte of an input of `decoder`.
fn manner(byte: u8) -> (Version, Side) {
    let side = if byte & 1 == 0 { Side::Client } else { Side::Server };
    (Version::ALL[usize::from(byte >> 1) % Version::ALL.len()], side)
}

/// A byte for version and sender, then a packet, complete or not.
pub fn decoder(data: &[u8]) {
    let Some((first, packet)) = data.split_first() else {
        return;
    };
    let (version, from) = manner(*first);
    let bytes = Bytes::copy_from_slice(packet);
    let decoded = decode_bytes(&bytes, version, from);
    let mut at = 0;
    for field in &decoded.fields {
        assert_eq!(field.span.start, at, "the fields have a gap");
        at = field.span.end;
    }
    assert_eq!(at, bytes.len(), "the fields do not cover the packet");
    for breach in &decoded.breaches {
        assert!(breach.span.start <= breach.span.end && breach.span.end <= bytes.len());
    }
    if !bytes.is_empty() && decoded.packet.is_none() {
        assert!(!decoded.breaches.is_empty(), "neither a packet nor a violation");
    }
    if let (Some(packet), []) = (&decoded.packet, &decoded.breaches[..]) {
        let again = decode_bytes(&encode_bytes(packet, version), version, from);
        assert_eq!(again.packet.as_ref(), Some(packet), "a round trip changes the packet");
    }
    describe_bytes(&bytes, version, from);
    if let Some(frame) = Frame::loose(bytes) {
        assert_eq!(check(&frame, version, from), Checked::from(decoded.clone()));
        frame.connect_level();
        redacted(&frame.raw, &decoded);
    }
}

/// Chunks of a stream: a length byte and that many bytes, or, from 0xf0 on, two bytes that encode up to 2 MiB of one byte.
/// The pieces must be the same as for a single chunk, and have the same content if the version is known. The memory must be
/// bounded.
pub fn splitter(mut data: &[u8]) {
    const MOST: usize = 4 * 1024 * 1024;
    let mut cut = Splitter::new();
    let mut pieces = Vec::new();
    let mut whole = Vec::new();
    while let Some((op, rest)) = data.split_first() {
        if let (0xf0.., [len, byte, rest @ ..]) = (*op, rest) {
            let mut len = usize::from(*len) << 13;
            // Long chunks are only for the inside of a long packet. Elsewhere they would be a million packets of two bytes,
            // which take long to compare.
            if cut.expected_len().is_none() {
                len = len.min(1024);
            }
            if whole.len() + len > MOST {
                break;
            }
            pieces.extend(cut.push_fill(len as u64, *byte));
            whole.resize(whole.len() + len, *byte);
            data = rest;
        } else {
            let (chunk, rest) = rest.split_at(rest.len().min(usize::from(*op)));
            pieces.extend(cut.push(chunk));
            whole.extend_from_slice(chunk);
            data = rest;
        }
        assert!(cut.pending().len() as u64 <= WHOLE_MAX.max(BROKEN_MAX as u64));
    }
    let mut at_once = Splitter::new();
    assert_eq!(pieces, at_once.push(&whole), "the pieces depend on the chunks");
    assert_eq!(
        (cut.pending(), cut.pending_len()),
        (at_once.pending(), at_once.pending_len())
    );
    assert_eq!(
        (cut.is_broken(), cut.received()),
        (at_once.is_broken(), whole.len() as u64)
    );
    let mut told = cut.pending_len();
    for piece in &pieces {
        told += match piece {
            Piece::Broken { bytes, .. } => bytes.len() as u64,
            Piece::Frame(frame) => {
                assert_eq!(
                    frame.raw.len(),
                    frame.header_len as u64 + u64::from(frame.remaining_length)
                );
                frame.raw.len()
            }
        };
    }
    for version in Version::ALL {
        let mut knows = Splitter::new();
        knows.speaks(Some(version));
        let again = knows.push(&whole);
        assert_eq!(pieces.len(), again.len());
        for (piece, again) in pieces.iter().zip(&again) {
            if let (Piece::Frame(frame), Piece::Frame(again)) = (piece, again)
                && let Blob::Long(_) = frame.raw
            {
                let (one, other) = (
                    decode(frame, version, Side::Server),
                    decode(again, version, Side::Server),
                );
                assert_eq!(one, other, "a known version changes the content");
            }
        }
    }
    assert_eq!(told, whole.len() as u64, "bytes were lost");
}

/// The text of a scenario file.
pub fn scenario(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let source = Arc::new(Source {
        file: "fuzz.yaml".to_owned(),
        text: text.to_owned(),
    });
    let outlined = outlines(&source, "folder/fuzz");
    match load(&source, "folder/fuzz") {
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            render_all(&errors, false);
        }
        Ok(scenario) => {
            assert_eq!(outlined.map(|o| o.len()).ok(), Some(scenario.cases.len()));
            let scope = Scope::new("ns");
            for step in scenario.cases.iter().flat_map(|case| case.script.steps.iter()) {
                print::step(step, &scope);
            }
        }
    }
}

/// The text of a profile.
pub fn profile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Profile::parse(text, Path::new("fuzz.yaml")) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(profile) => {
            let _ = profile.addresses(&Default::default());
            let _ = profile.websocket_addresses(&Default::default());
        }
    }
}

/// The bytes notation: a line of it, and after the first line break the bytes to compare it with.
pub fn notation(data: &[u8]) {
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let Ok(text) = std::str::from_utf8(&data[..end]) else {
        return;
    };
    let raw = data.get(end + 1..).unwrap_or_default();
    let mut scope = Scope::new("ns");
    for awaited in [false, true] {
        match ByteTemplate::parse(text, awaited) {
            Err((range, _)) => assert!(text.get(range).is_some(), "the error is outside of the text"),
            Ok(template) => {
                print::bytes(&template, &scope);
                let _ = template.matches(raw, &mut scope);
            }
        }
    }
}

/// A capture, pcap or pcapng.
pub fn capture(data: &[u8]) {
    let settings = Settings::default();
    if let Ok((streams, _)) = read_streams(data, &settings) {
        for recorded in &streams {
            let _ = import(recorded, "fuzz.pcap");
        }
    }
    let _ = audit(data, &settings, |report| {
        stream_text(report);
        stream_json(report);
    });
}
