//! A shared broker: the suite runs alongside the traffic of others and leaves the broker as it was, even if a run is killed
//! and cleaned up afterwards.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mqttspec::reference::store::Store;
use mqttspec::reference::{Config, Server};
use mqttspec::wire::{
    Ack, Connect, Packet, Piece, Publish, Side, Splitter, Subscribe, Subscription, Version, decode, encode_bytes,
};

/// The longest that any wait may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The reference broker with a store, in a runtime of its own.
struct Broker {
    runtime: tokio::runtime::Runtime,
    server: Server,
}

impl Broker {
    fn start(store: &Path) -> Broker {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        let config = Config {
            store: Some(store.to_owned()),
            ..Config::default()
        };
        let server = runtime.block_on(Server::start(config)).expect("the broker starts");
        Broker { runtime, server }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn stop(self) {
        self.runtime.block_on(self.server.stop());
    }
}

/// The content of the broker's store: each session with its subscriptions and queue, and each retained message.
fn holds(store: &Path) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let (_, state) = Store::open(store).expect("the store can be read");
    let sessions = state.sessions.iter().map(|(id, session)| {
        let filters: Vec<String> = session.subscriptions.iter().map(|held| format!("{held:?}")).collect();
        (id.to_string(), format!("{filters:?} {} waiting", session.queue.len()))
    });
    let retained = state
        .retained
        .iter()
        .map(|(topic, message)| (topic.to_string(), format!("{message:?}")));
    (sessions.collect(), retained.collect())
}

/// Another user's client.
struct Client {
    stream: TcpStream,
    splitter: Splitter,
}

impl Client {
    fn connect(address: SocketAddr, id: &str, clean: bool) -> Client {
        let stream = TcpStream::connect(address).expect("the broker accepts connections");
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a timeout");
        let mut client = Client {
            stream,
            splitter: Splitter::default(),
        };
        client.send(Packet::from(Connect {
            clean_start: clean,
            ..Connect::new(Version::V3_1_1, id)
        }));
        client.await_type(2);
        client
    }

    fn send(&mut self, packet: Packet) {
        self.stream
            .write_all(&encode_bytes(&packet, Version::V3_1_1))
            .expect("the broker reads");
    }

    fn subscribe(&mut self, filter: &str) {
        self.send(Packet::Subscribe(Subscribe {
            packet_id: 1,
            subscriptions: vec![Subscription::new(filter, 1)],
            ..Subscribe::default()
        }));
        self.await_type(9);
    }

    fn publish(&mut self, topic: &str, payload: &str, retain: bool) {
        self.send(Packet::Publish(Publish {
            qos: 1,
            retain,
            topic: topic.into(),
            packet_id: Some(7),
            payload: payload.into(),
            ..Publish::default()
        }));
        self.await_type(4);
    }

    /// The types of the packets that have arrived. Acknowledges each PUBLISH: on a slow machine there are more of them than
    /// packet identifiers.
    fn read(&mut self) -> Vec<u8> {
        let mut buffer = [0; 4096];
        let pieces = match self.stream.read(&mut buffer) {
            Ok(0) => panic!("the broker has closed another user's connection"),
            Ok(n) => self.splitter.push(&buffer[..n]),
            Err(_) => Vec::new(),
        };
        let mut types = Vec::new();
        for piece in pieces {
            let Piece::Frame(frame) = piece else { continue };
            types.push(frame.first_byte >> 4);
            if let Some(Packet::Publish(publish)) = decode(&frame, Version::V3_1_1, Side::Server).packet
                && let Some(packet_id) = publish.packet_id
            {
                self.send(Packet::PubAck(Ack::new(packet_id)));
            }
        }
        types
    }

    fn await_type(&mut self, wanted: u8) {
        let deadline = Instant::now() + PATIENCE;
        while !self.read().contains(&wanted) {
            assert!(Instant::now() < deadline, "no packet of type {wanted} came");
        }
    }
}

/// State of other users on the broker before the run: a session without a connection, and retained messages, one of them
/// with a topic that the suite might use.
fn others(address: SocketAddr) {
    let mut away = Client::connect(address, "pump-7", false);
    away.subscribe("plant/alarms/#");
    away.send(Packet::Disconnect(Default::default()));
    let mut sensor = Client::connect(address, "sensor", true);
    sensor.publish("plant/state", "running", true);
    sensor.publish("msoffice/licences", "12", true);
    sensor.publish("plant/alarms/7", "too hot", false);
    sensor.send(Packet::Disconnect(Default::default()));
}

/// Traffic of other users while `what` runs: each of their messages must arrive once, and nothing else.
fn beside_traffic<T>(address: SocketAddr, what: impl FnOnce() -> T) -> T {
    let over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&over);
    let mut reader = Client::connect(address, "reader", true);
    reader.subscribe("plant/flow/+");
    let publisher = std::thread::spawn(move || {
        let mut meter = Client::connect(address, "meter", true);
        let mut sent = 0;
        while !stop.load(Ordering::Relaxed) {
            meter.publish("plant/flow/1", "42", false);
            sent += 1;
        }
        sent
    });
    // The subscriber learns how many were sent once the last of them is acknowledged. A PUBACK does not mean that the
    // message has been delivered, so it then reads until all have arrived, and once more to detect duplicates.
    let (total, expected) = mpsc::channel::<usize>();
    let subscriber = std::thread::spawn(move || {
        let mut came = 0;
        let mut sent = None;
        let mut deadline = None;
        loop {
            let new = reader.read().into_iter().filter(|t| *t == 3).count();
            came += new;
            sent = sent.or_else(|| expected.try_recv().ok());
            if sent.is_some_and(|sent| new == 0 && came >= sent) {
                return came;
            }
            if let Some(sent) = sent {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
                assert!(
                    Instant::now() < deadline,
                    "{came} of {sent} messages of other users arrived"
                );
            }
        }
    });
    let out = what();
    over.store(true, Ordering::Relaxed);
    let sent = publisher
        .join()
        .expect("the publisher of the other users does not panic");
    total.send(sent).expect("the subscriber still receives");
    let came = subscriber
        .join()
        .expect("the subscriber of the other users does not panic");
    assert_eq!(came, sent, "messages of other users: arrived, and sent");
    assert!(came > 0);
    out
}

fn mqttspec(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqttspec"));
    command
        .args(args)
        .current_dir(folder)
        .env("MQTTSPEC_STATE", folder.join("state"))
        .stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// Compares the state of a shared broker before and after `what`, which gets its address.
fn before_and_after(what: impl FnOnce(SocketAddr)) {
    let store = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(store.path());
    others(broker.address());
    broker.stop();
    let before = holds(store.path());
    assert_eq!((before.0.len(), before.1.len()), (1, 2), "{before:?}");
    let broker = Broker::start(store.path());
    what(broker.address());
    broker.stop();
    assert_eq!(holds(store.path()), before);
}

#[test]
fn a_run_leaves_a_shared_broker_as_it_was() {
    before_and_after(|address| {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("mqtt://{address}");
        let (_, text) = beside_traffic(address, || output(&mut mqttspec(folder.path(), &["run", &url])));
        // On a busy machine a case may be void, which is no failure.
        let verdicts = text.lines().last().unwrap_or_default();
        assert!(verdicts.contains(" pass") && !verdicts.contains(" fail"), "{text}");
        // Cases that affect the whole broker are not played here.
        assert!(
            text.contains("affects the whole broker, which others may use"),
            "{text}"
        );
        assert_eq!(diaries(folder.path()), Vec::<String>::new());
    });
}

#[test]
fn sweep_removes_what_a_killed_run_left() {
    before_and_after(|address| {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("mqtt://{address}");
        beside_traffic(address, || {
            let mut run = mqttspec(folder.path(), &["run", &url, "-e", "session/*", "-e", "retain/*"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the program starts");
            await_traces(folder.path(), &mut run);
            // SIGKILL: the run cannot clean up.
            run.kill().expect("the run can be killed");
            run.wait().expect("it has ended");
        });
        let (good, text) = output(&mut mqttspec(folder.path(), &["sweep", &url]));
        assert!(good, "{text}");
        assert!(!text.contains("removed 0 sessions and 0 retained"), "{text}");
        // The retained message of another user looks like one of the suite's, and must stay.
        assert!(text.contains("msoffice/licences"), "{text}");
        assert_eq!(diaries(folder.path()), Vec::<String>::new());
    });
}

#[test]
fn an_interrupted_run_cleans_up() {
    before_and_after(|address| {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("mqtt://{address}");
        let mut run = mqttspec(folder.path(), &["run", &url, "-e", "session/*", "-e", "retain/*"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        await_traces(folder.path(), &mut run);
        let id = nix::unistd::Pid::from_raw(run.id() as i32);
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).expect("the run is there");
        assert_eq!(run.wait().expect("it has ended").code(), Some(130));
        assert_eq!(diaries(folder.path()), Vec::<String>::new());
    });
}

/// Without its diary, the state that a run left is only reported; it is removed if the user names its namespace.
#[test]
fn sweep_removes_a_namespace_without_a_diary() {
    before_and_after(|address| {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("mqtt://{address}");
        let mut lost = Client::connect(address, "ms00zz99sub", false);
        lost.publish("ms00zz99/t", "left", true);
        lost.publish("$t/ms00zz99/t", "left", true);
        drop(lost);
        let (good, text) = output(&mut mqttspec(folder.path(), &["sweep", &url]));
        assert!(good && text.contains("ms00zz99/t"), "{text}");
        let (good, text) = output(&mut mqttspec(
            folder.path(),
            &["sweep", &url, "--namespace", "ms00zz99"],
        ));
        assert!(good && !text.contains("ms00zz99/t"), "{text}");
        let (good, text) = output(&mut mqttspec(folder.path(), &["sweep", &url, "--namespace", "plant"]));
        assert!(!good && text.contains("is not a namespace of mqttspec"), "{text}");
    });
}

/// The diaries of runs that left state on the broker.
fn diaries(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.join("state/left")) else {
        return Vec::new();
    };
    let file = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").path();
    entries
        .map(file)
        .map(|path| std::fs::read_to_string(path).expect("a diary can be read"))
        .collect()
}

/// Waits until the run has left both a session and a retained message.
fn await_traces(folder: &Path, run: &mut Child) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = diaries(folder).concat();
        let open = |kind: &str| {
            text.lines().any(|line| {
                let namespace = line.split(' ').next().unwrap_or_default();
                line.contains(kind) && !text.contains(&format!("{namespace} done"))
            })
        };
        if open(" session ") && open(" topic ") {
            return;
        }
        assert!(Instant::now() < deadline, "the run has left nothing yet: {text}");
        let ended = run.try_wait().expect("the run can be waited for");
        assert!(ended.is_none(), "the run has ended before it could be stopped");
        std::thread::sleep(Duration::from_millis(2));
    }
}
