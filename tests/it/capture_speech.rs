//! MQTT is detected by its bytes, on any port and over WebSocket; other protocols are ignored, and TLS is reported.

use crate::support::captures::{self, Connection, exchange, one, said, sides, streams, talk, truth};
use mqttspec::capture::{Settings, Transport, read_streams};
use mqttspec::wire::Version;

const V: Version = Version::V3_1_1;

#[test]
fn mqtt_is_found_on_any_port() {
    let recorded = one(&talk(V).between("10.0.0.1:1883", "10.0.0.2:47110").pcap());
    assert_eq!(sides(&recorded), truth(V));
    assert_eq!(recorded.stream.server.port(), 47110);
    // Without the handshake the CONNECT shows which side is the client.
    let bare = said(Connection::new().between("10.0.0.1:22", "10.0.0.2:47110"), &exchange(V));
    assert_eq!(one(&bare.pcap()).stream.client.port(), 22);
}

#[test]
fn ports_and_numbers_narrow_what_is_read() {
    let mut both = talk(V);
    let other = talk(V).between("10.0.0.1:40001", "10.0.0.2:9999");
    let mut packets = both.packets();
    packets.extend(other.packets());
    both.segments.clear();
    let file = captures::File::default().write(&packets);
    let read = |settings: Settings| {
        let (found, _) = read_streams(&file[..], &settings).expect("a capture");
        found.iter().map(|r| r.stream.id).collect::<Vec<u32>>()
    };
    assert_eq!(read(Settings::default()), [0, 1]);
    let port = |port| Settings {
        ports: vec![port],
        ..Settings::default()
    };
    assert_eq!(read(port(9999)), [1]);
    assert_eq!(read(port(1)), [0; 0]);
    let stream = Settings {
        stream: Some(0),
        ..Settings::default()
    };
    assert_eq!(read(stream), [0]);
}

#[test]
fn other_protocols_are_ignored() {
    let talks: [&[(bool, &[u8])]; 3] = [
        &[
            (true, b"GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n"),
            (false, b"HTTP/1.1 200 OK\r\n\r\nhello"),
        ],
        &[
            (false, b"SSH-2.0-server\r\n"),
            (true, b"SSH-2.0-client\r\n"),
            (true, &[0; 40]),
        ],
        &[(true, b"hello")],
    ];
    for talk in talks {
        let talk: Vec<(bool, Vec<u8>)> = talk.iter().map(|(by, bytes)| (*by, bytes.to_vec())).collect();
        let (found, summary) = streams(&said(Connection::new().handshake(), &talk).close().pcap());
        assert!(found.is_empty(), "{:?}", found[0].stream);
        assert_eq!((summary.connections, summary.mqtt, summary.tls), (1, 0, 0));
    }
}

#[test]
fn tls_is_named() {
    let hello = [&[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3][..], &[7; 190]].concat();
    let connection = Connection::new().handshake().to(&hello).from(&hello).close();
    let (found, summary) = streams(&connection.between("10.0.0.1:40000", "10.0.0.2:8883").pcap());
    assert!(found.is_empty());
    assert_eq!(summary.tls, 1);
    assert_eq!(summary.tls_streams[0].server.port(), 8883);
}

/// A frame of binary data, masked if the client sends it.
fn frame(masked: bool, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let bit = if masked { 0x80 } else { 0 };
    match payload.len() {
        len @ 0..=125 => bytes.push(bit | len as u8),
        len => bytes.extend([bit | 126, (len >> 8) as u8, len as u8]),
    }
    let mask = [9, 8, 7, 6];
    if masked {
        bytes.extend(mask);
        bytes.extend(payload.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]));
    } else {
        bytes.extend(payload);
    }
    bytes
}

fn upgraded(protocol: &str) -> Connection {
    let ask = format!("GET /mqtt HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{protocol}\r\n");
    Connection::new()
        .between("10.0.0.1:40000", "10.0.0.2:8080")
        .handshake()
        .to(ask.as_bytes())
        .from(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
}

#[test]
fn mqtt_over_websocket_is_unwrapped() {
    for protocol in ["Sec-WebSocket-Protocol: mqtt\r\n", ""] {
        let mut connection = upgraded(protocol);
        for (by_client, bytes) in exchange(V) {
            // Each packet in two frames, with a ping between them.
            let (first, rest) = bytes.split_at(bytes.len() / 2);
            let frames = [
                frame(by_client, 0x82, first),
                frame(by_client, 0x89, b"ping"),
                frame(by_client, 0x82, rest),
            ];
            connection = said(connection, &[(by_client, frames.concat())]);
        }
        let recorded = one(&connection.close().pcap());
        assert_eq!(sides(&recorded), truth(V), "{protocol:?}");
        assert_eq!(recorded.stream.transport, Transport::WebSocket);
    }
}

#[test]
fn a_gap_in_websocket_is_a_gap() {
    let mut connection = upgraded("Sec-WebSocket-Protocol: mqtt\r\n");
    for (by_client, bytes) in exchange(V) {
        connection = said(connection, &[(by_client, frame(by_client, 0x82, &bytes))]);
    }
    let mut connection = connection.close();
    // The frame with the PINGREQ.
    connection
        .segments
        .retain(|s| s.payload != frame(true, 0x82, &[0xc0, 0]));
    let recorded = one(&connection.pcap());
    assert_eq!(recorded.stream.client_holes.count, 1);
    assert!(recorded.stream.packets[12] == 0 && recorded.stream.packets[3] == 2);
}

#[test]
fn compressed_websocket_is_named() {
    let connection = upgraded("Sec-WebSocket-Protocol: mqtt\r\n")
        .to(&frame(true, 0xc2, b"squeezed"))
        .close();
    let (found, summary) = streams(&connection.pcap());
    assert!(found.is_empty());
    assert_eq!(summary.compressed, 1);
}
