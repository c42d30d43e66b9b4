use super::*;

#[test]
fn session_present_tells_whether_there_was_one() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut bench = Bench::new();
        let mut present = |clean: bool| {
            let mut connect = lasting(version, "a");
            connect.clean_start = clean;
            let id = bench.open(Packet::from(connect));
            let present = conn_ack(&bench.taken(id)).session_present;
            bench.disconnect(id);
            bench.taken(id);
            present
        };
        assert!(!present(false));
        assert!(present(false));
        assert!(!present(true));
        // A clean session of 3.1.1 ends with its connection; in 5.0 that depends on the Session Expiry Interval.
        assert_eq!(present(false), version == Version::V5);
    }
}

#[test]
fn messages_wait_for_a_client_that_is_away() {
    for (token, expected) in [(None, vec!["one", "two"]), (Some("v3.1.1:MQTT-3.1.2-5"), vec![])] {
        let mut bench = token.map_or_else(Bench::new, Bench::disobeying);
        let publisher = bench.client("p");
        let id = bench.connect(lasting(Version::V3_1_1, "a"));
        bench.subscribe(id, &[("t", 2)]);
        bench.disconnect(id);
        bench.taken(id);
        bench.publish(publisher, "t", 0, "lost");
        bench.publish(publisher, "t", 1, "one");
        bench.publish(publisher, "t", 2, "two");
        let id = bench.open(Packet::from(lasting(Version::V3_1_1, "a")));
        let taken = bench.taken(id);
        assert!(conn_ack(&taken).session_present);
        let deliveries: Vec<Publish> = (taken.into_iter().flatten())
            .filter_map(|packet| match packet {
                Packet::Publish(publish) => Some(publish),
                _ => None,
            })
            .collect();
        assert_eq!(payloads(&deliveries), expected, "{token:?}");
        assert!(deliveries.iter().all(|d| !d.dup));
    }
}

#[test]
fn open_exchanges_are_taken_up_again() {
    for version in Version::ALL {
        let mut bench = Bench::new();
        let publisher = bench.client("p");
        let mut id = bench.connect(lasting(version, "a"));
        bench.subscribe(id, &[("t", 2)]);
        bench.taken(id);
        for (qos, payload) in [(1, "first"), (2, "second"), (2, "third"), (1, "fourth")] {
            bench.send(publisher, Packet::PubRel(Ack::new(7)));
            bench.publish(publisher, "t", qos, payload);
        }
        let first: Vec<Publish> = bench.deliveries(id);
        assert_eq!(payloads(&first), ["first", "second", "third", "fourth"]);
        let released = first[1].packet_id.expect("an identifier");
        bench.send(id, Packet::PubRec(Ack::new(released)));
        bench.send(id, Packet::PubAck(Ack::new(first[3].packet_id.expect("an identifier"))));
        bench.taken(id);
        // Twice over a broken connection, the second time over a restart as well.
        for restart in [false, true] {
            bench.cut(id);
            if restart {
                bench.restart();
            }
            id = bench.open(Packet::from(lasting(version, "a")));
            let packets = bench.packets(id);
            assert!(matches!(packets[0], Packet::ConnAck(_)));
            assert_eq!(packets[1], Packet::PubRel(Ack::new(released)));
            let again = |publish: &Publish| {
                Packet::Publish(Publish {
                    dup: true,
                    ..publish.clone()
                })
            };
            assert_eq!(
                packets[2..],
                [again(&first[0]), again(&first[2])],
                "{version}, restart {restart}"
            );
        }
    }
}

#[test]
fn a_half_done_qos_2_publish_outlives_a_restart() {
    let mut bench = Bench::new();
    let publisher = bench.connect(lasting(Version::V3_1_1, "p"));
    bench.publish(publisher, "t", 2, "x");
    bench.restart();
    let subscriber = bench.client("s");
    bench.subscribe(subscriber, &[("t", 0)]);
    bench.taken(subscriber);
    let publisher = bench.connect(lasting(Version::V3_1_1, "p"));
    bench.publish(publisher, "t", 2, "x");
    assert_eq!(bench.packets(publisher), [Packet::PubRec(Ack::new(7))]);
    assert_eq!(bench.deliveries(subscriber), []);
    bench.send(publisher, Packet::PubRel(Ack::new(7)));
    assert_eq!(bench.packets(publisher), [Packet::PubComp(Ack::new(7))]);
}

#[test]
fn a_clean_session_is_gone_after_a_restart_and_its_older_self_too() {
    let mut bench = Bench::new();
    let id = bench.connect(lasting(Version::V3_1_1, "a"));
    bench.disconnect(id);
    bench.client("a");
    bench.restart();
    let id = bench.open(Packet::from(lasting(Version::V3_1_1, "a")));
    assert!(!conn_ack(&bench.taken(id)).session_present);
}

#[test]
fn a_v5_session_lasts_as_long_as_its_expiry_interval() {
    for (restart, wait, present) in [
        (false, 299.0, true),
        (false, 301.0, false),
        (true, 299.0, true),
        (true, 301.0, false),
    ] {
        let mut bench = Bench::new();
        let id = bench.connect(lasting(Version::V5, "a"));
        bench.cut(id);
        if restart {
            bench.restart();
        }
        bench.wait(wait);
        let id = bench.open(Packet::from(lasting(Version::V5, "a")));
        assert_eq!(
            conn_ack(&bench.taken(id)).session_present,
            present,
            "restart {restart}, after {wait} s"
        );
    }
}

#[test]
fn disconnect_changes_the_expiry_interval_but_not_from_zero() {
    let with_expiry = |seconds| {
        let mut disconnect = Disconnect::default();
        disconnect
            .properties
            .push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(seconds));
        Packet::Disconnect(disconnect)
    };
    let mut bench = Bench::new();
    let id = bench.connect(lasting(Version::V5, "a"));
    bench.send(id, with_expiry(0));
    let id = bench.open(Packet::from(lasting(Version::V5, "a")));
    assert!(!conn_ack(&bench.taken(id)).session_present);

    let id = bench.connect(Connect::new(Version::V5, "b"));
    bench.send(id, with_expiry(60));
    let taken = bench.taken(id);
    assert!(matches!(&taken[..], [Some(Packet::Disconnect(d)), None] if d.reason_code == reason::PROTOCOL_ERROR));
}

#[test]
fn what_the_client_refused_is_not_repeated() {
    for (token, repeats) in [(None, 0), (Some("v5:MQTT-4.4.0-2"), 2)] {
        let mut bench = token.map_or_else(Bench::new, Bench::disobeying);
        let publisher = bench.client("p");
        let id = bench.connect(lasting(Version::V5, "a"));
        bench.subscribe(id, &[("t", 2)]);
        bench.taken(id);
        bench.publish(publisher, "t", 1, "x");
        bench.publish(publisher, "t", 2, "y");
        let refused = |packet_id| Ack {
            reason_code: 0x80,
            ..Ack::new(packet_id)
        };
        let sent = bench.deliveries(id);
        bench.send(id, Packet::PubAck(refused(sent[0].packet_id.expect("an identifier"))));
        bench.send(id, Packet::PubRec(refused(sent[1].packet_id.expect("an identifier"))));
        assert_eq!(bench.packets(id), []);
        bench.cut(id);
        let id = bench.open(Packet::from(lasting(Version::V5, "a")));
        assert_eq!(bench.deliveries(id).len(), repeats, "{token:?}");
    }
}
