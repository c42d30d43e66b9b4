//! The fuzzing targets handle the whole corpus with any toolchain: the seeds, and every input that revealed a bug.
//!
//! The seeds are made here: `MQTTSPEC_SEEDS=1 cargo test --test it fuzz_corpus` rewrites them.

#[path = "../../fuzz/bodies.rs"]
mod bodies;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::captures::{Connection, File, exchange, said, talk};
use crate::wire_oracle::vectors;
use mqttspec::wire::{Side, Version};

/// The greatest total size of the files, in bytes.
const CORPUS_MAX: u64 = 300 * 1024;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn no_input_of_the_corpus_causes_a_panic() {
    if std::env::var_os("MQTTSPEC_SEEDS").is_some() {
        write_seeds();
    }
    let mut size = 0;
    for (target, body) in bodies::TARGETS {
        let inputs = files(&root().join("fuzz/corpus").join(target));
        assert!(inputs.len() >= 10, "{target} has too few seeds");
        for input in inputs {
            let data = fs::read(&input).unwrap();
            size += data.len() as u64;
            // If an input panics, its name is in the test's output.
            println!("{}", input.display());
            body(&data);
        }
    }
    assert!(
        size <= CORPUS_MAX,
        "the corpus has {size} bytes, more than {CORPUS_MAX}"
    );
}

/// Writes the seeds of each target; inputs with other names, which revealed bugs, are left alone.
fn write_seeds() {
    let seeds: [(&str, Vec<Vec<u8>>); 6] = [
        ("decoder", packets()),
        ("splitter", streams()),
        ("scenario", scenarios()),
        ("profile", profiles()),
        ("notation", notations()),
        ("capture", some_captures()),
    ];
    for (target, inputs) in seeds {
        let dir = root().join("fuzz/corpus").join(target);
        fs::create_dir_all(&dir).unwrap();
        for old in files(&dir) {
            if old
                .file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("seed-"))
            {
                fs::remove_file(old).unwrap();
            }
        }
        for (n, input) in inputs.iter().enumerate() {
            fs::write(dir.join(format!("seed-{n:03}")), input).unwrap();
        }
    }
}

/// Packets that differ in version, sender, type or length.
fn packets() -> Vec<Vec<u8>> {
    let mut kinds = BTreeMap::new();
    for (version, side, hex, _) in vectors::VECTORS {
        let packet = hex::decode(hex.replace(' ', "")).unwrap();
        let version = Version::ALL.iter().position(|v| v == version).unwrap() as u8;
        let manner = version << 1 | u8::from(*side == Side::Server);
        let kind = (manner, packet[0] >> 4, packet.len() / 8);
        kinds.entry(kind).or_insert_with(|| [&[manner], &packet[..]].concat());
    }
    kinds.into_values().collect()
}

fn streams() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for version in Version::ALL {
        for from_client in [true, false] {
            let stream: Vec<u8> = exchange(version)
                .into_iter()
                .filter(|(client, _)| *client == from_client)
                .flat_map(|(_, bytes)| bytes)
                .collect();
            for size in [1, 7, 200] {
                let chunks = stream.chunks(size).flat_map(|c| [&[c.len() as u8], c].concat());
                inputs.push(chunks.collect());
            }
        }
    }
    // Packets too long to be kept whole, one of them truncated, and a Remaining Length of five bytes.
    inputs.push(b"\x09\x30\x80\x80\x50\x00\x03abc\xf0\xa0x\xf0\xa0y".to_vec());
    inputs.push(b"\x04\x32\x80\x80\x60\xf0\xa8\x00".to_vec());
    inputs.push(b"\x07\xc0\x00\x30\xff\xff\xff\xff\x05hello".to_vec());
    inputs
}

/// The shortest scenario of each folder, and the shorter ones among those with errors.
fn scenarios() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for folder in fs::read_dir(root().join("scenarios")).unwrap() {
        let mut of_folder: Vec<Vec<u8>> = files(&folder.unwrap().path())
            .iter()
            .map(|f| fs::read(f).unwrap())
            .collect();
        of_folder.sort_by_key(Vec::len);
        inputs.extend(of_folder.into_iter().take(2));
    }
    let broken = files(&root().join("fixtures/broken"));
    inputs.extend(
        broken
            .iter()
            .step_by(2)
            .map(|f| fs::read(f).unwrap())
            .filter(|t| t.len() < 1000),
    );
    inputs.sort();
    inputs
}

/// The profiles of real brokers without their long lists, and one with every kind of key.
fn profiles() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for file in files(&root().join("ci/brokers"))
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "yaml"))
    {
        let text = fs::read_to_string(file).unwrap();
        let known = text.find("\nknown:").unwrap_or(text.len());
        let few: String = text[known..].lines().take(12).collect::<Vec<_>>().join("\n");
        let text = format!("{}{few}\n", &text[..known]);
        inputs.push(text.into_bytes());
    }
    inputs.push(b"name: a\nmqtt: mqtt://h:1\nmqtts: mqtts://h:2\nws: ws://h/x\nversions: [3.1, 3.1.1, 5.0]\nsettle: 10ms\njobs: 2\n".to_vec());
    inputs
}

/// Lines of the notation from the scenarios, each with a packet to compare it with.
fn notations() -> Vec<Vec<u8>> {
    let mut lines = std::collections::BTreeSet::new();
    for file in files(&root().join("scenarios")) {
        for line in fs::read_to_string(file).unwrap().lines() {
            let Some((_, text)) = line.split_once("bytes: ").or_else(|| line.split_once("frame: ")) else {
                continue;
            };
            let text = text.trim_matches(['\'', '}', ' ']);
            if text.len() < 60 && (text.contains(['"', '$', '.', '|']) || lines.len() % 8 == 0) {
                lines.insert(text.to_owned());
            }
        }
    }
    let mut inputs: Vec<Vec<u8>> = lines
        .into_iter()
        .step_by(5)
        .take(60)
        .map(|text| format!("{text}\n\x10\x0d\x00\x04MQTT").into_bytes())
        .collect();
    inputs.push(b"40 02 .. $m ...\n\x40\x02\x00\x07\x00".to_vec());
    inputs.push(b"10 0d s\"MQTT\" 04 03|$login # CONNECT\n".to_vec());
    inputs
}

/// Captures of both formats, with every link type and time resolution.
fn some_captures() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for version in [Version::V3_1_1, Version::V5] {
        let short = |c: Connection| said(c.handshake(), &exchange(version)[..4]).close();
        inputs.push(short(Connection::new()).pcap());
        inputs.push(talk(version).pcap());
        for resolution in [None, Some(9), Some(0x8a)] {
            let file = File {
                pcapng: true,
                resolution,
                ..File::default()
            };
            inputs.push(short(Connection::new()).file(&file));
            inputs.push(short(Connection::new().between("[::1]:50000", "[::1]:1883")).file(&file));
        }
    }
    inputs
}
