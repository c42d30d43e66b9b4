//! Exchanges that all versions have.

use super::*;

pub fn play(rig: &mut Rig) {
    connecting(rig);
    delivering(rig);
    subscribing(rig);
    retaining(rig);
    resuming(rig);
    willing(rig);
    lasting_and_timing(rig);
}

fn connecting(rig: &mut Rig) {
    rig.client("a");
    rig.client("b");
    rig.ping("a");
    // Taken over, while the older connection goes on sending.
    let (older, frames) = rig.clients.remove("a").expect("a connection");
    rig.client("a");
    rig.clients.insert("older".to_owned(), (older, frames));
    rig.ping("older");
    rig.ping("a");
    for id in ["z", "ABCDEFGHIJKLMNOPQRSTUVW", "abcdefghijklmnopqrstuvwx"] {
        rig.client(id);
        rig.ping(id);
    }
    for name in ["anonymous", "also anonymous"] {
        rig.connect(name, Connect::new(rig.version, ""));
        rig.ping(name);
    }
    // A refused CONNECT, and what follows it.
    let mut connect = rig.lasting_connect("");
    connect.protocol_level = 0x7f;
    rig.connect("unknown level", connect);
    rig.retain("unknown level", "unknown", 0, "x");
    let empty = rig.lasting_connect("");
    rig.connect("empty", empty);
    rig.retain("empty", "empty", 0, "x");
    rig.subscribe("a", 1, &[("unknown", 0), ("empty", 0)]);
    // In pieces.
    rig.raw("a", b"\xc0");
    rig.raw("a", b"\x00");
    rig.open("silent");
    rig.wait(11.0);
}

fn delivering(rig: &mut Rig) {
    rig.client("pub");
    for granted in 0..=2 {
        rig.client("sub");
        rig.subscribe("sub", 2, &[("d/+", granted)]);
        for qos in 0..=2 {
            rig.publish("pub", "d/x", qos, 10, "one");
            rig.publish("pub", "d/x", qos, 10, "two");
            rig.send("pub", Packet::PubRel(Ack::new(10)));
        }
        // Handshakes of the first deliveries, and packets that answer nothing.
        for packet_id in 1..=3 {
            rig.send("sub", Packet::PubAck(Ack::new(packet_id)));
            rig.send("sub", Packet::PubRec(Ack::new(packet_id)));
            rig.send("sub", Packet::PubComp(Ack::new(packet_id)));
        }
        rig.goodbye("sub");
    }
    rig.client("sub");
    rig.subscribe("sub", 3, &[("d/#", 2)]);
    // QoS 2: the same three times, and again after its end.
    for dup in [false, true, true] {
        let Packet::Publish(mut publish) = publish("d/once", 2, 11, "once") else {
            return;
        };
        publish.dup = dup;
        rig.send("pub", Packet::Publish(publish));
    }
    rig.send("pub", Packet::PubRel(Ack::new(11)));
    rig.send("pub", Packet::PubRel(Ack::new(11)));
    rig.publish("pub", "d/once", 2, 11, "new");
    rig.send("pub", Packet::PubRel(Ack::new(11)));
    // QoS 1: the same identifier is a new message, whatever its DUP.
    rig.publish("pub", "d/one", 1, 12, "a");
    let Packet::Publish(mut again) = publish("d/one", 1, 12, "b") else {
        return;
    };
    again.dup = true;
    rig.send("pub", Packet::Publish(again));
    // The identifiers of both directions are independent.
    rig.publish("sub", "d/own", 1, 1, "own");
    rig.publish("pub", "d", 0, 0, "parent");
    rig.publish("pub", "/d", 0, 0, "slash");
    rig.ping("sub");
    rig.subscribe("sub", 4, &[("E\u{301}/a b/\u{feff}c//d", 0), ("#", 0), ("+/x", 0)]);
    for topic in ["E\u{301}/a b/\u{feff}c//d", "e\u{301}", "$t/x", "/"] {
        rig.publish("pub", topic, 0, 0, "x");
    }
    rig.goodbye("sub");
    rig.goodbye("pub");
}

fn subscribing(rig: &mut Rig) {
    rig.client("s");
    rig.client("p");
    rig.retain("p", "s/kept", 1, "kept");
    rig.subscribe("s", 0xabcd, &[("s/#", 0), ("s/+", 2), ("s/x", 1)]);
    rig.publish("p", "s/x", 2, 20, "overlap");
    rig.send("p", Packet::PubRel(Ack::new(20)));
    rig.subscribe("s", 22, &[("s/#", 2)]);
    rig.publish("p", "s/x/y", 1, 21, "replaced");
    rig.unsubscribe("s", 23, &["s/+"]);
    rig.publish("p", "s/x/y", 0, 0, "still there");
    rig.unsubscribe("s", 24, &["s/x/y", "S/#", "s/#", "s/x"]);
    // In flight since before the UNSUBSCRIBE.
    rig.send("s", Packet::PubRec(Ack::new(1)));
    rig.send("s", Packet::PubRec(Ack::new(2)));
    rig.publish("p", "s/x", 1, 25, "nobody");
    rig.unsubscribe("s", 26, &["never"]);
    rig.ping("s");
    rig.retain("p", "s/kept", 0, "");
    rig.goodbye("s");
    rig.goodbye("p");
}

fn retaining(rig: &mut Rig) {
    rig.client("p");
    rig.client("present");
    rig.subscribe("present", 1, &[("r/#", 2)]);
    for (topic, qos, payload) in [
        ("r/1", 1, "old"),
        ("r/1", 1, "new"),
        ("r/2", 2, "two"),
        ("r/2", 0, "at zero"),
        ("r/3", 1, "away"),
        ("r/3", 1, ""),
        ("r/4", 0, ""),
        ("r/5", 1, "five"),
    ] {
        rig.retain("p", topic, qos, payload);
    }
    rig.publish("p", "r/5", 0, 0, "not kept");
    rig.publish("p", "r/6", 0, 0, "");
    rig.publish("p", "r/7", 0, 0, "not kept");
    rig.goodbye("p");
    rig.client("late");
    rig.subscribe("late", 2, &[("r/+", 2)]);
    rig.subscribe("late", 3, &[("r/+", 0)]);
    rig.restart();
    rig.client("late");
    rig.subscribe("late", 2, &[("r/+", 2)]);
}

fn resuming(rig: &mut Rig) {
    rig.lasting("s");
    rig.subscribe("s", 1, &[("q/#", 2)]);
    rig.client("p");
    for (packet_id, qos) in [(1, 1), (2, 2), (3, 2), (4, 1), (5, 2)] {
        rig.publish("p", "q/x", qos, packet_id, "in flight");
    }
    rig.send("s", Packet::PubRec(Ack::new(2)));
    rig.send("s", Packet::PubAck(Ack::new(4)));
    rig.send("s", Packet::PubRec(Ack::new(5)));
    rig.send("s", Packet::PubComp(Ack::new(5)));
    rig.cut("s");
    for qos in 0..=2 {
        rig.publish("p", "q/x", qos, 6, "while away");
    }
    rig.lasting("s");
    rig.goodbye("s");
    rig.restart();
    rig.lasting("s");
    rig.goodbye("s");
    rig.client("s");
    rig.goodbye("s");
    rig.lasting("s");
    rig.lasting("other");
    rig.ping("s");
    // A handshake that the client started.
    rig.publish("s", "q/x", 2, 9, "half");
    rig.cut("s");
    rig.lasting("s");
    rig.publish("s", "q/x", 2, 9, "half");
    rig.send("s", Packet::PubRel(Ack::new(9)));
    // The session of a clean client ends with it.
    rig.client("clean");
    rig.subscribe("clean", 1, &[("q/#", 1)]);
    rig.goodbye("clean");
    rig.lasting("clean");
    rig.client("p");
    rig.publish("p", "q/x", 1, 7, "x");
    // The subscriptions last as long as the connection.
    rig.subscribe("clean", 1, &[("q/#", 1)]);
    rig.ping("clean");
    rig.publish("p", "q/x", 1, 8, "x");
}

fn willing(rig: &mut Rig) {
    rig.client("watcher");
    rig.subscribe("watcher", 1, &[("w/#", 2)]);
    for (n, retain) in [(1, false), (2, true)] {
        let mut connect = Connect::new(rig.version, "w");
        connect.will = Some(will(&format!("w/{n}"), 1, retain));
        rig.connect("w", connect.clone());
        rig.goodbye("w");
        rig.connect("w", connect);
        rig.cut("w");
        rig.client("w");
        rig.cut("w");
    }
    rig.client("late");
    rig.subscribe("late", 1, &[("w/#", 2)]);
}

fn lasting_and_timing(rig: &mut Rig) {
    for keep_alive in [0, 8] {
        let mut connect = rig.lasting_connect("k");
        connect.keep_alive = keep_alive;
        connect.will = Some(will("w/k", 0, false));
        rig.connect("k", connect);
        rig.subscribe("k", 1, &[("k", 1)]);
        for seconds in [2.0, 5.0, 7.0] {
            rig.wait(seconds);
        }
        rig.client("p");
        rig.publish("p", "k", 1, 1, "while away");
        rig.lasting("k");
    }
    rig.wait(400.0);
}

/// Against a broker with users and limits.
pub fn play_narrow(rig: &mut Rig) {
    rig.client("a");
    rig.subscribe("a", 1, &[("no/#", 0), ("#", 0)]);
    for qos in 0..=2 {
        rig.publish("a", "no/x", qos, 3, "x");
    }
    rig.ping("a");
    let mut connect = Connect::new(rig.version, "b");
    connect.username = Some("u".into());
    connect.password = Some(Bytes::from_static(b"wrong"));
    rig.connect("b", connect);
    rig.ping("b");
    rig.client("c");
    rig.publish("c", "t", 0, 0, &"x".repeat(300));
    rig.ping("c");
}
