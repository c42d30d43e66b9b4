//! Every transport over real sockets: cases that are played over it, the peers that TLS accepts, and WebSocket frames.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use mqttspec::harness::reference_over;
use mqttspec::play::{Player, Settings};
use mqttspec::reference::{Config, Disobey, Listen, Server};
use mqttspec::scenario::{Case, Files};
use mqttspec::statements::Version;
use mqttspec::suite::{CaseResult, Session, Target, TargetInfo, Verdict};
use mqttspec::sut::{Address, Ask, Dialer, Fixed, Kept, Supports};
use mqttspec::transport::tls::{self, Certificates, TlsOptions};
use mqttspec::transport::{Link, Stream, Transport, websocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);
const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a";
const ACCEPTED: &[u8] = b"\x20\x02\x00\x00";

fn cases(wanted: impl Fn(&Case) -> bool) -> Vec<Arc<Case>> {
    let all = Files::embedded().load_all().expect("the embedded scenarios load");
    let found: Vec<Arc<Case>> = all
        .into_iter()
        .flat_map(|s| s.cases)
        .filter(wanted)
        .map(Arc::new)
        .collect();
    assert!(!found.is_empty(), "no case meets the condition");
    found
}

async fn results(target: &Target, settings: Settings, cases: &[Arc<Case>]) -> Vec<CaseResult> {
    let settings = Settings {
        patience: PATIENCE,
        ..settings
    };
    let player = Player::new(settings, 7);
    let session = Arc::new(Session::new(target, &player, false, None));
    let mut tasks = tokio::task::JoinSet::new();
    for case in cases {
        let session = Arc::clone(&session);
        let case = Arc::clone(case);
        tasks.spawn(async move { session.case(&case).await });
    }
    let results = tasks.join_all().await;
    session.end().await;
    results
}

/// A broker with every transport, and the folder of its Unix socket.
async fn broker(asks_for_certificate: bool) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let free = "127.0.0.1:0".parse().expect("an address");
    let config = Config {
        listeners: vec![
            Listen::At(Transport::Mqtts, free),
            Listen::At(Transport::Ws, free),
            Listen::At(Transport::Wss, free),
            Listen::Unix(folder.path().join("b.sock")),
        ],
        tls: Some(tls::server(Certificates::shared(), asks_for_certificate)),
        ..Config::default()
    };
    (Server::start(config).await.expect("a broker"), folder)
}

fn at(server: &Server, transport: Transport) -> Address {
    let address = server.address_of(transport).expect("it listens there");
    Address::over(transport, "localhost", address.port())
}

fn dialer(options: TlsOptions) -> Dialer {
    Dialer::new(options)
}

fn trusting() -> TlsOptions {
    TlsOptions {
        made: true,
        ..TlsOptions::default()
    }
}

/// Sends CONNECT, and returns the first bytes of the answer.
async fn greet(dialer: &Dialer, address: &Address) -> std::io::Result<Vec<u8>> {
    let Link { mut reader, mut writer } = dialer.dial(address, Ask::default()).await?.link;
    writer.write_all(CONNECT).await?;
    writer.flush().await?;
    let mut answer = vec![0; ACCEPTED.len()];
    reader.read_exact(&mut answer).await?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cases_pass_over_every_transport() {
    let some = [
        "connect/accepted",
        "takeover/closes-the-first",
        "qos2/handshake-in",
        "session/resume-open-qos-1[close]",
        "session/resume-open-qos-1[reset]",
        "session/resume-open-qos-1[restart]",
        "fixed-header/split-writes",
        "truncated/inside-a-field",
        "will/connection-lost",
        "websocket/",
    ];
    let cases = cases(|case| some.iter().any(|start| case.id.starts_with(start)));
    for transport in Transport::ALL {
        let (target, settings) = reference_over(Disobey::default(), transport);
        for result in results(&target, settings, &cases).await {
            assert_eq!(
                result.verdict,
                Verdict::Pass,
                "{transport} {}: {:?}",
                result.id,
                result.reason
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_mebibyte_crosses_every_transport() {
    let (server, folder) = broker(false).await;
    let topic = "long";
    let mut addresses: Vec<Address> = [Transport::Mqtt, Transport::Mqtts, Transport::Ws, Transport::Wss]
        .map(|t| at(&server, t))
        .to_vec();
    addresses.push(Address::unix(folder.path().join("b.sock").to_string_lossy()));
    for address in addresses {
        let dialled = dialer(trusting()).dial(&address, Ask::default()).await;
        let Link { mut reader, mut writer } = dialled.unwrap_or_else(|e| panic!("{address}: {e}")).link;
        let payload = vec![b'x'; 1 << 20];
        let mut publish = vec![0x30];
        let mut length = 2 + topic.len() + payload.len();
        while length > 0 {
            publish.push((length % 128) as u8 | if length > 127 { 0x80 } else { 0 });
            length /= 128;
        }
        publish.extend_from_slice(&[0, topic.len() as u8]);
        publish.extend_from_slice(topic.as_bytes());
        publish.extend_from_slice(&payload);
        let subscribe = [b"\x82\x09\x00\x01\x00\x04".as_slice(), topic.as_bytes(), b"\x00"].concat();
        let expected = [ACCEPTED, b"\x90\x03\x00\x01\x00", &publish].concat();
        let write = async {
            for packet in [CONNECT, &subscribe, &publish] {
                writer.announce(packet.len() as u64, false);
                writer.write_all(packet).await.expect("a write");
            }
            writer.flush().await.expect("a flush");
        };
        let read = async {
            let mut came = vec![0; expected.len()];
            reader.read_exact(&mut came).await.expect("all of it");
            came
        };
        let (came, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(read, write) })
            .await
            .expect("in time");
        assert!(came == expected, "{address}: other bytes came back");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_trusts_only_the_given_authority() {
    let (server, _folder) = broker(false).await;
    let files = tempfile::tempdir().expect("a folder");
    Certificates::shared()
        .write(&files.path().join("ours"))
        .expect("certificates");
    Certificates::make()
        .write(&files.path().join("other"))
        .expect("certificates");
    let ca = |folder: &str| TlsOptions {
        ca: Some(files.path().join(folder).join("ca.pem")),
        ..TlsOptions::default()
    };
    for transport in [Transport::Mqtts, Transport::Wss] {
        let address = at(&server, transport);
        let said = |options: TlsOptions| {
            let address = address.clone();
            async move {
                match greet(&dialer(options), &address).await {
                    Ok(answer) => format!("{answer:02x?}"),
                    Err(error) => error.to_string(),
                }
            }
        };
        let accepted = format!("{ACCEPTED:02x?}");
        assert_eq!(said(ca("ours")).await, accepted);
        let unknown = said(ca("other")).await;
        let refused = unknown.contains("invalid peer certificate") && unknown.contains("--ca");
        assert!(refused, "{unknown}");
        // By default the system's certificates are trusted, and ours are not among them.
        let system = said(TlsOptions::default()).await;
        assert!(system.contains("UnknownIssuer"), "{system}");
        let named = said(TlsOptions {
            server_name: Some("broker.example".to_owned()),
            ..ca("ours")
        })
        .await;
        assert!(
            named.contains("not valid for name") || named.contains("NotValidForName"),
            "{named}"
        );
        let insecure = said(TlsOptions {
            insecure: true,
            ..TlsOptions::default()
        })
        .await;
        assert_eq!(insecure, accepted);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_sent_if_the_server_asks_for_it() {
    let (server, _folder) = broker(true).await;
    let files = tempfile::tempdir().expect("a folder");
    Certificates::shared().write(files.path()).expect("certificates");
    let file = |name: &str| Some(files.path().join(name));
    let address = at(&server, Transport::Mqtts);
    let with = TlsOptions {
        ca: file("ca.pem"),
        certificate: file("client.pem"),
        key: file("client.key"),
        ..TlsOptions::default()
    };
    let without = TlsOptions {
        ca: file("ca.pem"),
        ..TlsOptions::default()
    };
    assert_eq!(greet(&dialer(with), &address).await.expect("let in"), ACCEPTED);
    let error = greet(&dialer(without), &address).await.expect_err("not let in");
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
    server.stop().await;
}

#[test]
fn wrong_tls_files_are_reported_before_connecting() {
    let files = tempfile::tempdir().expect("a folder");
    let made = Certificates::make();
    made.write(files.path()).expect("certificates");
    let file = |name: &str| Some(files.path().join(name));
    std::fs::write(files.path().join("empty.pem"), "").expect("a file");
    let error = |options: TlsOptions| dialer(options).prepare().expect_err("a wrong file").to_string();
    let wrong_ca = |name| TlsOptions {
        ca: file(name),
        ..TlsOptions::default()
    };
    assert!(error(wrong_ca("missing.pem")).contains("missing.pem"));
    assert!(error(wrong_ca("empty.pem")).contains("it holds none"));
    let pair = |certificate, key| TlsOptions {
        certificate: file(certificate),
        key: file(key),
        made: true,
        ..TlsOptions::default()
    };
    assert!(error(pair("client.pem", "client.pem")).contains("no private key"));
    assert!(error(pair("client.pem", "server.key")).contains("do not fit"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_transport_is_reported() {
    let (server, _folder) = broker(false).await;
    let plain = server.address();
    let of = |transport| Address::over(transport, "localhost", plain.port());
    let error = greet(&dialer(trusting()), &of(Transport::Mqtts))
        .await
        .expect_err("no TLS");
    assert!(error.to_string().contains("is this a port with TLS?"), "{error}");
    let error = greet(&dialer(trusting()), &of(Transport::Ws))
        .await
        .expect_err("no WebSocket");
    assert!(error.to_string().contains("WebSocket upgrade"), "{error}");
    // A WebSocket port without TLS, and a client that offers another subprotocol.
    let websocket = at(&server, Transport::Ws);
    let ask = Ask {
        subprotocols: &["x"],
        ..Ask::default()
    };
    let error = dialer(trusting()).dial(&websocket, ask).await.expect_err("refused");
    assert!(mqttspec::sut::refused_upgrade(&error), "{error}");
    assert!(error.to_string().contains("400"), "{error}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_connections_in_parallel() {
    let (server, _folder) = broker(false).await;
    let dialer = dialer(trusting());
    let address = at(&server, Transport::Wss);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (dialer, address) = (dialer.clone(), address.clone());
        tasks.spawn(async move { greet(&dialer, &address).await });
    }
    for answer in tokio::time::timeout(PATIENCE, tasks.join_all()).await.expect("in time") {
        assert_eq!(answer.expect("a connection"), ACCEPTED);
    }
    server.stop().await;
}

/// A WebSocket server that serves one client at a time, and answers the first bytes of each with these frames.
async fn peer(frames: &'static [u8]) -> (Address, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serve = tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let choose = |_: &[&str]| Some("mqtt".to_owned());
                websocket::accept(&mut tcp, choose).await.expect("an upgrade");
                tcp.read_exact(&mut [0; 2]).await.expect("a frame");
                tcp.write_all(frames).await.expect("a write");
                // Stays open until the client has closed.
                tokio::io::copy(&mut tcp, &mut tokio::io::sink()).await.ok();
            });
        }
    });
    (Address::over(Transport::Ws, "127.0.0.1", port), serve)
}

#[tokio::test]
async fn frames_may_be_fragmented_and_interleaved_with_control_frames() {
    // CONNACK in three fragments, with an empty one and a ping between them, and then a close frame.
    let frames: &[u8] = b"\x02\x01\x20\x89\x02hi\x00\x00\x00\x02\x02\x00\x80\x01\x00\x88\x02\x03\xe8";
    let (address, server) = peer(frames).await;
    let Link { mut reader, mut writer } = Dialer::default()
        .dial(&address, Ask::default())
        .await
        .expect("a connection")
        .link;
    writer.write_all(CONNECT).await.expect("a write");
    writer.flush().await.expect("a flush");
    let mut came = Vec::new();
    tokio::time::timeout(PATIENCE, reader.read_to_end(&mut came))
        .await
        .expect("a close frame is an orderly end")
        .expect("an orderly one");
    assert_eq!(came, ACCEPTED);
    server.abort();
}

#[tokio::test]
async fn invalid_websocket_frames_end_the_connection() {
    for (frames, why) in [
        (&b"\xc2\x01\x20"[..], "a reserved bit"),
        (b"\x82\x81\x00\x00\x00\x00\x20", "is masked"),
        (b"\x83\x01\x20", "invalid opcode"),
        (b"\x80\x01\x20", "continuation of nothing"),
        (b"\x02\x01\x20\x82\x01\x02", "inside another"),
        (b"\x89\x7e\x00\x80", "more than 125"),
        (b"\x09\x00", "in pieces"),
    ] {
        let (address, server) = peer(frames).await;
        let Link { mut reader, mut writer } = Dialer::default()
            .dial(&address, Ask::default())
            .await
            .expect("a connection")
            .link;
        writer.write_all(CONNECT).await.expect("a write");
        writer.flush().await.expect("a flush");
        let mut came = Vec::new();
        let read = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut came));
        let error = read.await.expect("at once").expect_err("an error");
        assert!(error.to_string().contains(why), "{error} is not: {why}");
        server.abort();
    }
}

#[tokio::test]
async fn a_ping_is_answered_while_nothing_is_written() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.expect("a client");
        let choose = |_: &[&str]| Some("mqtt".to_owned());
        websocket::accept(&mut tcp, choose).await.expect("an upgrade");
        tcp.write_all(b"\x89\x03abc").await.expect("a ping");
        let mut pong = [0; 9];
        tcp.read_exact(&mut pong).await.expect("a pong");
        let mask = [pong[2], pong[3], pong[4], pong[5]];
        let payload: Vec<u8> = pong[6..].iter().zip(mask).map(|(b, m)| b ^ m).collect();
        // The connection stays open until the pong has been checked.
        (pong[0], pong[1], payload, tcp)
    });
    let address = Address::over(Transport::Ws, "127.0.0.1", port);
    let mut link = Dialer::default()
        .dial(&address, Ask::default())
        .await
        .expect("a connection")
        .link;
    let read = link.reader.read_u8();
    let pong = tokio::select! {
        biased;
        pong = server => pong.expect("a pong"),
        _ = read => panic!("a ping is no byte of MQTT"),
        () = tokio::time::sleep(PATIENCE) => panic!("no pong in time"),
    };
    assert_eq!((pong.0, pong.1, pong.2), (0x8a, 0x83, b"abc".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_frame_of_the_broker_is_a_finding() {
    // A CONNACK in a text frame.
    let (address, server) = peer(b"\x81\x04\x20\x02\x00\x00").await;
    let target = Target {
        info: TargetInfo {
            name: "text".to_owned(),
            version: None,
            address: address.to_string(),
            transport: Transport::Ws,
            argument: None,
            options: Vec::new(),
            snapshots: Kept::All,
        },
        launcher: Arc::new(Fixed::new(&address, &Version::ALL)),
        supports: Supports::of(&["websocket"], &[]),
        setups: Vec::new(),
        known: Vec::new(),
        broker_version: None,
        not_offered: Default::default(),
        states_versions: false,
        jobs: 8,
        instances: 1,
        isolate: false,
        tests: mqttspec::wire::Side::Server,
    };
    let case = cases(|case| case.id == "websocket/subprotocol[alone]@v3.1.1");
    let settings = Settings::default();
    let result = results(&target, settings, &case).await.remove(0);
    let found = result
        .findings
        .iter()
        .any(|f| f.statement.is_some_and(|s| s.id == "MQTT-6.0.0-1"));
    assert!(found, "{:?}: {:?}", result.verdict, result.reason);
    server.abort();
}

#[tokio::test]
async fn a_reset_is_reported_over_every_transport() {
    for transport in [Transport::Mqtt, Transport::Mqtts, Transport::Ws] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("a client");
            let mut link = served(transport, tcp).await;
            // The client completes the TLS handshake before the server does: only now may the server reset.
            link.writer.write_all(b"x").await.expect("a write");
            link.writer.flush().await.expect("a flush");
            let mut rest = Vec::new();
            link.reader.read_to_end(&mut rest).await
        });
        let address = Address::over(transport, "localhost", port);
        let address = match transport {
            Transport::Mqtts => address,
            other => Address::over(other, "127.0.0.1", port),
        };
        let link = dialer(trusting())
            .dial(&address, Ask::default())
            .await
            .expect("a connection")
            .link;
        let mut reader = link.reader;
        assert_eq!(reader.read_u8().await.expect("a byte"), b'x');
        drop(reader);
        link.writer.reset();
        let end = tokio::time::timeout(PATIENCE, server)
            .await
            .expect("an end")
            .expect("no panic");
        let error = end.expect_err("a reset is no orderly end");
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::ConnectionReset,
            "{transport}: {error}"
        );
    }
}

async fn served(transport: Transport, mut tcp: TcpStream) -> Link {
    match transport {
        Transport::Mqtts => {
            let config = tls::server(Certificates::shared(), false);
            let accepted = tokio_rustls::TlsAcceptor::from(config).accept(tcp).await;
            Link::tls(accepted.expect("a handshake").into())
        }
        Transport::Ws => {
            let choose = |_: &[&str]| Some("mqtt".to_owned());
            let (_, rest): (_, BytesMut) = websocket::accept(&mut tcp, choose).await.expect("an upgrade");
            Link::websocket(Stream::Tcp(tcp), websocket::Side::Server, rest)
        }
        _ => Link::tcp(tcp),
    }
}
