//! Freedoms: those that are only visible over sockets, those that a proxy can use in front of another broker, and that their
//! walk finds a case which is too strict.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mqttspec::coverage::{FreeWalker, walk_freely};
use mqttspec::harness::{reference_dialer, reference_free};
use mqttspec::play::Settings;
use mqttspec::reference::{Config, Disobey, Free, Proxy, Server};
use mqttspec::scenario::{Case, Files};
use mqttspec::wire::{Ack, Connect, Disconnect, Packet, Publish, Subscribe, Subscription, Version, encode_bytes};
use tokio::runtime::Runtime;

/// Longer than anything takes that is not delayed on purpose.
const PATIENCE: Duration = Duration::from_secs(20);

fn free(list: &str) -> Free {
    Free::parse(list).expect("a list that can be read")
}

/// Starts a broker with freedoms, or a proxy with them in front of a broker without any; returns the address.
fn broker(runtime: &Runtime, list: &str, behind_proxy: bool) -> (SocketAddr, Server, Option<Proxy>) {
    runtime.block_on(async {
        let config = Config {
            free: if behind_proxy { Free::default() } else { free(list) },
            ..Config::default()
        };
        let server = Server::start(config).await.expect("a broker starts");
        if !behind_proxy {
            return (server.address(), server, None);
        }
        let proxy = Proxy::start(server.address().to_string(), &Disobey::default(), &free(list)).await;
        let proxy = proxy.expect("a proxy starts");
        (proxy.address(), server, Some(proxy))
    })
}

struct Peer(TcpStream);

impl Peer {
    fn connect(address: SocketAddr, client_id: &str, clean: bool) -> Peer {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let mut peer = Peer(stream);
        let mut connect = Connect::new(Version::V3_1_1, client_id);
        connect.clean_start = clean;
        peer.send(&Packet::from(connect));
        assert_eq!(peer.packet()[0], 0x20);
        peer
    }

    fn send(&mut self, packet: &Packet) {
        let bytes = encode_bytes(packet, Version::V3_1_1);
        self.0.write_all(&bytes).expect("it is connected");
    }

    /// The next packet, which must be short.
    fn packet(&mut self) -> Vec<u8> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("a packet comes");
        let mut body = vec![0; head[1].into()];
        self.0.read_exact(&mut body).expect("all of it comes");
        [head.to_vec(), body].concat()
    }

    /// The time until the broker has answered a PINGREQ.
    fn ping(&mut self) -> Duration {
        let began = Instant::now();
        self.send(&Packet::PingReq);
        assert_eq!(self.packet(), [0xd0, 0]);
        began.elapsed()
    }

    /// How the connection ends, and after what time.
    fn end(mut self) -> (Result<usize, ErrorKind>, Duration) {
        let began = Instant::now();
        let end = self.0.read(&mut [0; 1]).map_err(|e| e.kind());
        (end, began.elapsed())
    }
}

fn subscribe(filter: &str) -> Packet {
    Packet::Subscribe(Subscribe {
        packet_id: 1,
        subscriptions: vec![Subscription::new(filter, 1)],
        ..Subscribe::default()
    })
}

fn publish(topic: &str) -> Packet {
    Packet::Publish(Publish {
        topic: topic.into(),
        qos: 1,
        packet_id: Some(7),
        ..Publish::default()
    })
}

#[test]
fn freedoms_visible_over_sockets() {
    let runtime = Runtime::new().expect("a runtime can be made");
    for behind_proxy in [false, true] {
        let (address, _server, _proxy) = broker(&runtime, "input-late=200,close-late=200", behind_proxy);
        let mut peer = Peer::connect(address, "a", true);
        assert!(peer.ping() >= Duration::from_millis(200));
        peer.send(&Packet::Disconnect(Disconnect::default()));
        let (end, after) = peer.end();
        assert_eq!(end, Ok(0));
        assert!(
            after >= Duration::from_millis(200),
            "{after:?}, behind a proxy: {behind_proxy}"
        );

        let (address, _server, _proxy) = broker(&runtime, "close-reset", behind_proxy);
        let mut peer = Peer::connect(address, "a", true);
        peer.send(&Packet::Disconnect(Disconnect::default()));
        assert_eq!(
            peer.end().0,
            Err(ErrorKind::ConnectionReset),
            "behind a proxy: {behind_proxy}"
        );

        // The broker notices the loss of a connection late, and so publishes the will late.
        let (address, _server, _proxy) = broker(&runtime, "loss-noticed-late=300", behind_proxy);
        let mut watcher = Peer::connect(address, "watcher", true);
        watcher.send(&subscribe("will"));
        assert_eq!(watcher.packet()[0], 0x90);
        let mut dying = Connect::new(Version::V3_1_1, "dying");
        dying.will = Some(mqttspec::wire::Will {
            topic: "will".into(),
            ..Default::default()
        });
        let mut lost = TcpStream::connect(address).expect("it listens");
        lost.write_all(&encode_bytes(&Packet::from(dying), Version::V3_1_1))
            .expect("it is connected");
        lost.read_exact(&mut [0; 4]).expect("a CONNACK comes");
        let began = Instant::now();
        drop(lost);
        assert_eq!(watcher.packet()[0], 0x30);
        assert!(began.elapsed() >= Duration::from_millis(300));

        // A PUBACK that arrives together with the close is lost: the message is sent again.
        let (address, _server, _proxy) = broker(&runtime, "fin-drops-acknowledgements", behind_proxy);
        let mut peer = Peer::connect(address, "lasting", false);
        peer.send(&subscribe("t"));
        assert_eq!(peer.packet()[0], 0x90);
        let mut publisher = Peer::connect(address, "publisher", true);
        publisher.send(&publish("t"));
        assert_eq!(publisher.packet()[0], 0x40);
        assert_eq!(peer.packet()[0], 0x32);
        peer.send(&Packet::PubAck(Ack::new(1)));
        drop(peer);
        let mut peer = Peer::connect(address, "lasting", false);
        assert_eq!(peer.packet()[0], 0x3a);
    }
}

#[test]
fn a_proxy_uses_freedoms_in_front_of_another_broker() {
    let runtime = Runtime::new().expect("a runtime can be made");
    let (address, _server, _proxy) = broker(&runtime, "pingresp-late=200,split-bytes", true);
    let mut peer = Peer::connect(address, "a", true);
    peer.send(&Packet::PingReq);
    peer.send(&publish("t"));
    // The PUBACK overtakes the PINGRESP.
    assert_eq!(peer.packet(), [0x40, 2, 0, 7]);
    assert_eq!(peer.packet(), [0xd0, 0]);
}

/// The cases of one scenario that is too strict, and of some scenarios of the suite.
fn cases(yaml: &str) -> Vec<Arc<Case>> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("strict.yaml"), yaml).expect("it can be written");
    let set = Files::of_dir(folder.path()).load_all().expect("it is well-formed");
    set.into_iter().flat_map(|s| s.cases).map(Arc::new).collect()
}

#[test]
fn the_walk_finds_a_case_that_is_too_strict_and_the_freedom_that_shows_it() {
    let cases = cases(
        "format: 1\n\
         title: Wants a PUBACK without User Properties\n\
         versions: [v5]\n\
         proves: [MQTT-4.3.2-4]\n\
         clients:\n  c: {}\n\
         steps:\n\
         \x20 - c -> PUBLISH: { topic: $ns/t, qos: 1, packet_id: 7, payload: m }\n\
         \x20 - c <- PUBACK: { packet_id: 7, user_properties: absent }\n",
    );
    let walker = FreeWalker {
        cases: &cases,
        target: &reference_free,
        sets: vec![
            "long-forms,user-properties,properties-reversed".to_owned(),
            "maximum-qos-0".to_owned(),
        ],
        settings: Settings {
            dialer: reference_dialer(),
            ..Settings::default()
        },
        side_by_side: 2,
        seed: 1,
        done: &|_, _, _| {},
    };
    let runtime = Runtime::new().expect("a runtime can be made");
    let trials = runtime.block_on(walk_freely(walker)).expect("the brokers start");
    let [found, skipped] = trials.as_slice() else {
        panic!("{trials:?}");
    };
    assert_eq!(found.failed.len(), 1, "{found:?}");
    assert_eq!(found.failed[0].freedoms, ["user-properties"]);
    assert_eq!(found.failed[0].names(&found.set), ["user-properties strict@v5"]);
    assert!(skipped.failed.is_empty());
    assert_eq!(
        skipped.skipped,
        [(
            "strict@v5".to_owned(),
            "the broker offers QoS up to 0, this needs 1".to_owned()
        )]
    );
}
