//! `mqttspec serve`: the examples of its page and a case of the suite, each with a client of a few bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::program::{Ended, Listening, run as mqttspec};

/// CONNECT of 3.1.1 with Clean Session 0, Keep Alive 60 and the client identifier `c`.
const CONNECT: &[u8] = &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 60, 0, 1, b'c'];
/// The same of 5.0.
const CONNECT_5: &[u8] = &[0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 60, 0, 0, 1, b'c'];
/// CONNACK of 3.1.1 with Session Present 0.
const CONNACK: &[u8] = &[0x20, 2, 0, 0];
/// CONNACK of 3.1.1 with Session Present 1.
const RESUMED: &[u8] = &[0x20, 2, 1, 0];
/// PUBLISH with QoS 1, the identifier 7, and `x` to `a`.
const PUBLISH: &[u8] = &[0x32, 6, 0, 1, b'a', 0, 7, b'x'];
const PUBLISH_WITH_DUP: &[u8] = &[0x3a, 6, 0, 1, b'a', 0, 7, b'x'];
const PUBACK: &[u8] = &[0x40, 2, 0, 7];
/// SUBSCRIBE of 5.0 with the identifier 1 to `a` with QoS 1, and its SUBACK.
const SUBSCRIBE_5: &[u8] = &[0x82, 7, 0, 1, 0, 0, 1, b'a', 1];
const GRANTED_5: &[u8] = &[0x90, 4, 0, 1, 0, 1];
const DISCONNECT: &[u8] = &[0xe0, 0];

/// A client that a person operates.
struct Client(TcpStream);

impl Client {
    fn open(server: &Listening) -> Client {
        let stream = TcpStream::connect(&server.address).expect("it listens");
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).expect("a limit can be set");
        Client(stream)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the server is there");
    }

    fn receives(&mut self, wanted: &[u8]) {
        let mut bytes = vec![0; wanted.len()];
        self.0.read_exact(&mut bytes).expect("the server answers");
        assert_eq!(bytes, wanted);
    }

    /// The server ends the connection, with FIN or RST.
    fn sees_the_end(mut self) {
        let read = self.0.read(&mut [0; 64]);
        let timed_out = matches!(&read, Err(e) if e.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!timed_out && !matches!(read, Ok(1..)), "{read:?}");
    }
}

/// A folder with this example of the page.
fn example(name: &str) -> TempDir {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/serve.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once(&format!("```yaml {name}\n")).expect("the page has it");
    let (text, _) = rest.split_once("```").expect("it ends");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    folder
}

fn serve(folder: &Path, scenario: &str, more: &[&str]) -> Listening {
    let arguments = [&["serve", scenario, "--listen", "127.0.0.1:0"], more].concat();
    Listening::start(folder, &arguments)
}

/// Publishes, is cut off, and publishes again with these bytes.
fn cut_off(again: &[u8]) -> Ended {
    let folder = example("cut.yaml");
    let server = serve(folder.path(), "cut.yaml", &[]);
    let mut first = Client::open(&server);
    first.send(CONNECT);
    first.receives(CONNACK);
    first.send(PUBLISH);
    first.sees_the_end();
    let mut second = Client::open(&server);
    second.send(CONNECT);
    second.receives(RESUMED);
    second.send(again);
    if again == PUBLISH_WITH_DUP {
        second.receives(PUBACK);
        // A person's client ends when its work is done.
        second.send(DISCONNECT);
    }
    let ended = server.wait();
    drop(second);
    ended
}

#[test]
fn a_connection_is_cut_and_the_session_resumed() {
    let good = cut_off(PUBLISH_WITH_DUP);
    assert_eq!(good.code, Some(0), "{}", good.text);
    assert!(
        good.text.contains("c → PUBLISH      3a 06 00 01 61 00 07 78"),
        "{}",
        good.text
    );
    assert!(good.text.contains("closed (RST)"), "{}", good.text);
    assert!(good.text.contains("pass "), "{}", good.text);
    let bad = cut_off(PUBLISH);
    assert_eq!(bad.code, Some(1), "{}", bad.text);
    assert!(bad.text.contains("FAIL  cut@v3.1.1  by hand"), "{}", bad.text);
    assert!(!bad.text.contains("again  "), "{}", bad.text);
}

#[test]
fn a_mock_broker_refuses_as_often_as_it_is_told_and_goes_on_forever() {
    let folder = example("busy.yaml");
    let mut server = serve(folder.path(), "busy.yaml", &["--forever"]);
    for _ in 0..2 {
        for _ in 0..2 {
            let mut refused = Client::open(&server);
            refused.send(CONNECT_5);
            refused.receives(&[0x20, 3, 0, 0x89, 0]);
            refused.sees_the_end();
        }
        let mut taken = Client::open(&server);
        taken.send(CONNECT_5);
        taken.receives(&[0x20, 3, 0, 0, 0]);
        // As many programs do at once; no step waits for it.
        taken.send(SUBSCRIBE_5);
        taken.receives(GRANTED_5);
        drop(taken);
        server.until("pass ");
    }
    let ended = server.end();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

#[test]
fn a_malformed_packet_has_to_end_the_connection_and_the_control_must_not() {
    let folder = example("malformed.yaml");
    let play = |closes: bool| {
        let mut server = serve(folder.path(), "malformed.yaml", &["--timeout", "5s"]);
        let mut client = Client::open(&server);
        client.send(CONNECT);
        client.receives(CONNACK);
        client.receives(&[0xd1, 0]);
        if !closes {
            return server.wait();
        }
        drop(client);
        server.until("the control: the same exchange without the fault");
        let mut again = Client::open(&server);
        again.send(CONNECT);
        again.receives(CONNACK);
        again.send(DISCONNECT);
        server.wait()
    };
    let closes = play(true);
    assert_eq!(closes.code, Some(0), "{}", closes.text);
    let stays = play(false);
    assert_eq!(stays.code, Some(1), "{}", stays.text);
}

#[test]
fn a_case_of_the_suite_says_what_the_application_has_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve(folder.path(), "clients/resume/qos1", &["--mqtt", "v3.1.1"]);
    let text = server.until("now: ");
    assert!(text.contains("\nclients/resume/qos1@v3.1.1  A client sends"), "{text}");
    let wanted = format!(
        "now: connect to {} with v3.1.1, client ID \"mqttspecc\", kept session, keep alive 60 s\n",
        server.address
    );
    assert!(text.ends_with(&wanted), "{text}");
    let mut first = Client::open(&server);
    first.send(CONNECT);
    first.receives(CONNACK);
    let text = server.until("now: ");
    assert!(
        text.ends_with("now: publish \"x\" to \"mqttspec/a\" with QoS 1\n"),
        "{text}"
    );
    let publish = |flags: u8| [&[flags, 15, 0, 10], b"mqttspec/a".as_slice(), &[0, 7, b'x']].concat();
    first.send(&publish(0x32));
    first.sees_the_end();
    server.until("now: connect again");
    let mut second = Client::open(&server);
    second.send(CONNECT);
    second.receives(RESUMED);
    second.send(&publish(0x3a));
    second.receives(PUBACK);
    drop(second);
    let ended = server.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

#[test]
fn every_example_of_the_page_is_well_formed() {
    for name in ["cut.yaml", "busy.yaml", "silent.yaml", "malformed.yaml"] {
        let folder = example(name);
        let ended = mqttspec(folder.path(), &["check", name]);
        assert_eq!(ended.code, Some(0), "{}", ended.text);
    }
}

#[test]
fn what_cannot_be_served_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |arguments: &[&str]| mqttspec(folder.path(), &[&["serve"], arguments].concat());
    let several = serve(&["clients/resume/qos1"]);
    assert_eq!(several.code, Some(2), "{}", several.text);
    assert!(several.text.contains("\n  clients/resume/qos1@v5"), "{}", several.text);
    let none = serve(&["clients/limits/receive-maximum", "--mqtt", "v3.1"]);
    assert_eq!(none.code, Some(4), "{}", none.text);
    let broker = "format: 1\ntitle: T\nversions: [v5]\nclients: { c: {} }\nsteps: [c -> PINGREQ, c <- PINGRESP]\n";
    std::fs::write(folder.path().join("broker.yaml"), broker).unwrap();
    let broker = serve(&["broker.yaml"]);
    assert_eq!(broker.code, Some(2), "{}", broker.text);
    assert!(broker.text.contains("tests brokers"), "{}", broker.text);
    let unknown = serve(&["clients/resume/qos9"]);
    assert_eq!(unknown.code, Some(4), "{}", unknown.text);
}
