//! The broker over real sockets. Every wait has a deadline; none is a sleep.

use std::net::TcpStream as Peer;
use std::path::Path;

use std::io::{Read, Write};

use super::*;
use crate::reference::config::Limits;
use crate::reference::disobey::Disobey;

const PATIENCE: Duration = Duration::from_secs(10);
const ACCEPTED: &[u8] = b"\x20\x02\x00\x00";

/// A client of 3.1.1 on a blocking socket.
struct Client(Peer);

impl Client {
    fn open(address: SocketAddr) -> Client {
        let socket = Peer::connect(address).expect("a connection");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Client(socket)
    }

    fn connected(address: SocketAddr, client_id: &str, clean: bool) -> Client {
        let mut client = Client::open(address);
        client.send(&connect(client_id, clean));
        assert_eq!(client.read(2), b"\x20\x02");
        assert_eq!(client.read(2)[1], 0);
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("a write");
    }

    fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("bytes in time");
        bytes
    }

    fn expect(&mut self, bytes: &[u8]) {
        assert_eq!(self.read(bytes.len()), bytes);
    }

    fn expect_close(&mut self) {
        let mut rest = Vec::new();
        // A reset is a close as well.
        let _ = self.0.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:02x?}");
    }
}

fn connect(client_id: &str, clean: bool) -> Vec<u8> {
    let mut packet = vec![0x10, 12 + client_id.len() as u8, 0, 4];
    packet.extend_from_slice(b"MQTT");
    packet.extend_from_slice(&[4, if clean { 2 } else { 0 }, 0, 60, 0, client_id.len() as u8]);
    packet.extend_from_slice(client_id.as_bytes());
    packet
}

/// Plays a client against a broker without blocking its runtime.
async fn play<T: Send + 'static>(client: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(client).await.expect("the client's part")
}

fn stored(folder: &Path) -> Config {
    Config {
        store: Some(folder.to_owned()),
        ..Config::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_may_come_in_any_pieces() {
    let server = Server::start(Config::default()).await.expect("a broker");
    let address = server.address();
    play(move || {
        let stream = [
            &connect("a", true)[..],
            b"\x82\x06\x00\x01\x00\x01t\x00",
            b"\x30\x04\x00\x01tx",
            b"\xc0\x00",
        ]
        .concat();
        let answers = b"\x20\x02\x00\x00\x90\x03\x00\x01\x00\x30\x04\x00\x01tx\xd0\x00";
        let mut client = Client::open(address);
        client.send(&stream);
        client.expect(answers);
        let mut client = Client::open(address);
        client.0.set_nodelay(true).expect("no delay");
        for byte in stream {
            client.send(&[byte]);
        }
        client.expect(answers);
        client.send(b"\xe0\x00");
        client.expect_close();
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_packets_are_closed_unless_that_is_disobeyed() {
    let server = Server::start(Config::default()).await.expect("a broker");
    let lax = Config {
        disobey: Disobey::parse("v3.1.1:MQTT-2.2.2-2").expect("a statement"),
        ..Config::default()
    };
    let lax = Server::start(lax).await.expect("a broker");
    let (address, lax_address) = (server.address(), lax.address());
    play(move || {
        for bytes in [
            &b"\xc1\x00"[..],
            b"\x00\x00",
            b"\x82\x02\x00\x01",
            b"\x36\x05\x00\x01t\x00\x01",
            b"\xc0\xff\xff\xff\xff\x01",
        ] {
            let mut client = Client::connected(address, "a", true);
            client.send(bytes);
            client.expect_close();
        }
        let mut client = Client::connected(lax_address, "a", true);
        client.send(b"\xc1\x00");
        client.expect(b"\xd0\x00");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(stored(folder.path())).await.expect("a broker");
    let address = server.address();
    play(move || {
        let mut sub = Client::connected(address, "sub", false);
        sub.send(b"\x82\x06\x00\x01\x00\x01t\x02");
        sub.expect(b"\x90\x03\x00\x01\x02");
        sub.send(b"\xe0\x00");
        sub.expect_close();
        let mut publisher = Client::connected(address, "pub", false);
        publisher.send(b"\x33\x06\x00\x01t\x00\x07x");
        publisher.expect(b"\x40\x02\x00\x07");
        publisher.send(b"\x34\x06\x00\x01t\x00\x08y");
        publisher.expect(b"\x50\x02\x00\x08");
    })
    .await;
    server.kill().await;
    let server = Server::start(stored(folder.path())).await.expect("a broker");
    let address = server.address();
    play(move || {
        // The half-done handshake goes on, and the message is not accepted twice.
        let mut publisher = Client::connected(address, "pub", false);
        publisher.send(b"\x3c\x06\x00\x01t\x00\x08y");
        publisher.expect(b"\x50\x02\x00\x08");
        publisher.send(b"\x62\x02\x00\x08");
        publisher.expect(b"\x70\x02\x00\x08");
        let mut sub = Client::open(address);
        sub.send(&connect("sub", false));
        sub.expect(b"\x20\x02\x01\x00\x32\x06\x00\x01t\x00\x01x\x34\x06\x00\x01t\x00\x02y");
        sub.send(b"\xc0\x00");
        sub.expect(b"\xd0\x00");
        let mut late = Client::connected(address, "late", true);
        late.send(b"\x82\x06\x00\x01\x00\x01t\x00");
        late.expect(b"\x90\x03\x00\x01\x00\x31\x04\x00\x01tx");
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_payloads_pass_through() {
    const LEN: usize = 3_000_000;
    let server = Server::start(Config::default()).await.expect("a broker");
    let address = server.address();
    play(move || {
        let mut sub = Client::connected(address, "sub", true);
        sub.send(b"\x82\x06\x00\x01\x00\x01t\x00");
        sub.expect(b"\x90\x03\x00\x01\x00");
        let mut publisher = Client::connected(address, "pub", true);
        let header = [&[0x30][..], &crate::wire::encode_variable(LEN as u32 + 3), b"\x00\x01t"].concat();
        publisher.send(&header);
        publisher.send(&vec![b'x'; LEN]);
        publisher.send(b"\x30\x04\x00\x01ty");
        sub.expect(&header);
        assert!(sub.read(LEN).iter().all(|b| *b == b'x'));
        sub.expect(b"\x30\x04\x00\x01ty");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_packet_above_the_limit_is_refused_before_it_is_read() {
    let config = Config {
        limits: Limits {
            maximum_packet_size: Some(1_000),
            ..Limits::default()
        },
        ..Config::default()
    };
    let server = Server::start(config).await.expect("a broker");
    let address = server.address();
    play(move || {
        let mut client = Client::connected(address, "a", true);
        client.send(b"\x30\xff\xff\xff\x7f\x00\x01t");
        client.expect_close();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_arrives_even_when_the_client_goes_on_sending() {
    let server = Server::start(Config::default()).await.expect("a broker");
    let address = server.address();
    play(move || {
        let mut client = Client::open(address);
        client.send(&[&connect("", false)[..], &b"\xc0\x00".repeat(10_000)].concat());
        client.expect(b"\x20\x02\x00\x02");
        client.expect_close();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_broker_says_goodbye_and_a_killed_one_does_not() {
    for (stops, goodbye) in [(true, 1), (false, 0)] {
        let server = Server::start(Config::default()).await.expect("a broker");
        let address = server.address();
        let client = play(move || {
            let mut client = Client::open(address);
            client.send(b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a");
            assert_eq!(client.read(1), b"\x20");
            let length = usize::from(client.read(1)[0]);
            assert_eq!(client.read(length)[1], 0);
            client
        })
        .await;
        if stops {
            server.stop().await;
        } else {
            server.kill().await;
        }
        play(move || {
            let mut client = client;
            let mut rest = Vec::new();
            let _ = client.0.read_to_end(&mut rest);
            assert_eq!(rest.len().min(1), goodbye, "{rest:02x?}");
            assert!(rest.is_empty() || rest[0] == 0xe0 && rest[2] == 0x8b);
            assert!(Peer::connect(address).is_err(), "nobody listens any more");
        })
        .await;
    }
}

#[tokio::test]
async fn only_loopback_addresses_are_taken() {
    let config = Config {
        address: ([0, 0, 0, 0], 0).into(),
        ..Config::default()
    };
    let error = Server::start(config).await.expect_err("a refusal");
    assert!(error.to_string().contains("loopback"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_work_side_by_side() {
    let first = Server::start(Config::default()).await.expect("a broker");
    let second = Server::start(Config::default()).await.expect("another");
    let (a, b) = (first.address(), second.address());
    assert_ne!(a, b);
    play(move || {
        let mut client = Client::connected(a, "a", true);
        client.send(b"\x31\x04\x00\x01tx");
        client.send(b"\xc0\x00");
        client.expect(b"\xd0\x00");
        let mut other = Client::connected(b, "a", true);
        other.send(b"\x82\x06\x00\x01\x00\x01t\x00\xc0\x00");
        other.expect(b"\x90\x03\x00\x01\x00\xd0\x00");
        client.send(b"\xc0\x00");
        client.expect(b"\xd0\x00");
        let mut same = Client::open(a);
        same.send(&connect("b", true));
        same.expect(ACCEPTED);
    })
    .await;
}
