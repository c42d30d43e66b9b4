//! MQTT 3.1.1 clients for a broker, or for a proxy in front of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mqttspec::wire::{Connect, Packet, Publish, Subscribe, Subscription, Version, encode_bytes};

/// A 3.1.1 client that sends a packet and reads an answer of a given length in bytes.
pub struct Client(TcpStream);

impl Client {
    pub fn connect(address: &str, id: &str) -> Client {
        let stream = TcpStream::connect(address).expect("the address accepts connections");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
        let mut client = Client(stream);
        let mut connect = Connect::new(Version::V3_1_1, id);
        connect.username = Some("me".into());
        connect.password = Some("topsecret".into());
        assert_eq!(client.ask(Packet::from(connect), 4), [0x20, 2, 0, 0]);
        client
    }

    pub fn send(&mut self, packet: Packet) {
        self.0
            .write_all(&encode_bytes(&packet, Version::V3_1_1))
            .expect("it is sent");
    }

    pub fn ask(&mut self, packet: Packet, answer: usize) -> Vec<u8> {
        self.send(packet);
        self.read(answer)
    }

    pub fn read(&mut self, answer: usize) -> Vec<u8> {
        let mut bytes = vec![0; answer];
        self.0.read_exact(&mut bytes).expect("an answer");
        bytes
    }

    pub fn leave(mut self) {
        self.send(Packet::Disconnect(Default::default()));
        assert_eq!(self.0.read(&mut [0]).expect("an orderly end"), 0);
    }
}

/// A subscriber and a publisher, through `address`: one message of QoS 1.
pub fn talk(address: &str) {
    let mut subscriber = Client::connect(address, "sub");
    let subscribe = Subscribe {
        packet_id: 5,
        subscriptions: vec![Subscription::new("a/b", 0)],
        ..Subscribe::default()
    };
    assert_eq!(subscriber.ask(Packet::Subscribe(subscribe), 5), [0x90, 3, 0, 5, 0]);
    let mut publisher = Client::connect(address, "pub");
    let publish = Publish {
        topic: "a/b".into(),
        qos: 1,
        packet_id: Some(7),
        payload: "hello".into(),
        ..Publish::default()
    };
    assert_eq!(publisher.ask(Packet::Publish(publish), 4), [0x40, 2, 0, 7]);
    assert_eq!(subscriber.read(12)[2..], *b"\x00\x03a/bhello");
    publisher.leave();
    subscriber.leave();
}
