//! What the proxy does with a packet, and with a close.
//!
//! In: whole packets of either direction, and the end of the broker's. Out: the bytes to pass on. What no act changes is
//! passed on byte by byte as it came, wrong or not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::reference::disobey::Disobey;
use crate::reference::freedom::{Editor, Free, Parcel};
use crate::reference::ids::{Cause, ConnectionId};
use crate::reference::outgoing;
use crate::reference::sabotage::{Arrival, How, Outgoing, Saboteur};
use crate::wire::{Frame, Overrides, Packet, Side, Text, Version, check};

/// The saboteur between clients and a broker.
pub struct Relay {
    saboteur: Saboteur,
    editor: Editor,
    /// Whether packets from clients may be changed. If not, they pass at once, half a packet too.
    pub changes_arrivals: bool,
    clients: BTreeMap<ConnectionId, Client>,
}

/// What is known of a connection.
struct Client {
    version: Option<Version>,
    client_id: Text,
    keep_alive: Duration,
    is_accepted: bool,
    has_disconnected: bool,
    last_sent: Instant,
}

/// Where the bytes of a client's packet go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Onward {
    pub to_broker: Vec<Bytes>,
    pub to_client: Vec<Bytes>,
}

impl Relay {
    /// Applies the acts of `disobey` and the edits of `free`; their other ways need the broker itself and are left out.
    pub fn new(disobey: &Disobey, free: &Free) -> Relay {
        let acts = disobey.acts();
        Relay {
            saboteur: Saboteur::new(acts),
            editor: free.editor(),
            changes_arrivals: acts.iter().any(|act| matches!(act.how, How::Receive(_))),
            clients: BTreeMap::new(),
        }
    }

    /// A client has opened a connection.
    pub fn opened(&mut self, id: ConnectionId, now: Instant) {
        let client = Client {
            version: None,
            client_id: Text::default(),
            keep_alive: Duration::ZERO,
            is_accepted: false,
            has_disconnected: false,
            last_sent: now,
        };
        self.clients.insert(id, client);
    }

    /// A packet of the client.
    pub fn arrival(&mut self, id: ConnectionId, raw: Bytes, now: Instant) -> Onward {
        let as_it_is = |raw| Onward {
            to_broker: vec![raw],
            to_client: Vec::new(),
        };
        let (Some(client), Some(frame)) = (self.clients.get_mut(&id), Frame::loose(raw.clone())) else {
            return as_it_is(raw);
        };
        client.last_sent = now;
        if let Some(level) = frame.connect_level().filter(|_| client.version.is_none()) {
            let named = Version::ALL.into_iter().find(|v| v.protocol_level() == level);
            // A client that names another version is most likely refused in the form of this one.
            client.version = Some(named.unwrap_or(Version::V3_1_1));
        }
        let Some(version) = client.version else {
            return as_it_is(raw);
        };
        let Some(packet) = check(&frame, version, Side::Client).packet else {
            return as_it_is(raw);
        };
        match &packet {
            Packet::Connect(connect) => {
                client.client_id = connect.client_id.clone();
                client.keep_alive = Duration::from_secs(connect.keep_alive.into());
                self.editor.connect(id, version, connect);
            }
            Packet::Disconnect(_) => client.has_disconnected = true,
            _ => {}
        }
        match self.saboteur.receive(id, version, packet.clone()) {
            Arrival::Pass(same) if same == packet => as_it_is(raw),
            Arrival::Pass(changed) => as_it_is(bytes(&changed.into(), version)),
            Arrival::Swallow(answers) => Onward {
                to_broker: Vec::new(),
                to_client: answers.iter().map(|answer| bytes(answer, version)).collect(),
            },
        }
    }

    /// A packet of the broker. Returns what goes to the client.
    pub fn departure(&mut self, id: ConnectionId, raw: Bytes) -> Vec<Parcel> {
        let Some((client, version)) = self.clients.get_mut(&id).and_then(|c| c.version.map(|v| (c, v))) else {
            return vec![Parcel::raw(raw)];
        };
        let packet = Frame::loose(raw.clone()).and_then(|frame| check(&frame, version, Side::Server).packet);
        let Some(packet) = packet else {
            return vec![Parcel::raw(raw)];
        };
        if matches!(&packet, Packet::ConnAck(ack) if ack.reason_code == 0) {
            client.is_accepted = true;
        }
        let sent = self.saboteur.send(id, packet.clone());
        let sent: Vec<Outgoing> = sent.into_iter().filter_map(|one| self.editor.send(id, one)).collect();
        match sent.as_slice() {
            [one] if one.packet == packet && one.overrides == Overrides::default() => {
                vec![Parcel::new(&packet, vec![raw])]
            }
            changed => changed
                .iter()
                .map(|outgoing| Parcel::new(&outgoing.packet, vec![bytes(outgoing, version)]))
                .collect(),
        }
    }

    /// The broker has closed. Returns whether the client's connection stays open.
    pub fn keeps_open(&mut self, id: ConnectionId, now: Instant) -> bool {
        self.saboteur.keeps_open(id, self.cause(id, now))
    }

    /// The connection is gone.
    pub fn gone(&mut self, id: ConnectionId) {
        self.clients.remove(&id);
        self.saboteur.gone(id);
        self.editor.gone(id);
    }

    /// Why the broker closes, as far as the packets show it.
    fn cause(&self, id: ConnectionId, now: Instant) -> Cause {
        let Some(client) = self.clients.get(&id) else {
            return Cause::Fault;
        };
        let is_younger = |(other, c): (&ConnectionId, &Client)| *other > id && c.client_id == client.client_id;
        // A broker closes after one and a half times the Keep Alive, and it may use a coarse clock.
        let is_silent = !client.keep_alive.is_zero() && now - client.last_sent >= client.keep_alive.mul_f32(1.4);
        match client.version {
            None => Cause::NotConnected,
            Some(_) if client.has_disconnected => Cause::Disconnected,
            Some(_) if !client.is_accepted => Cause::Refused,
            Some(_) if !client.client_id.is_empty() && self.clients.iter().any(is_younger) => Cause::TakenOver,
            Some(_) if is_silent => Cause::KeepAlive,
            Some(_) => Cause::Fault,
        }
    }
}

fn bytes(outgoing: &Outgoing, version: Version) -> Bytes {
    outgoing::chunks(&outgoing.packet, version, &outgoing.overrides)
        .concat()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Ack, ConnAck, Connect, Disconnect, Publish, encode_bytes};

    const ID: ConnectionId = ConnectionId(1);

    fn relay(token: &str) -> Relay {
        let mut relay = Relay::new(&Disobey::parse(token).expect("a token of the list"), &Free::default());
        relay.opened(ID, Instant::now());
        connect(&mut relay, ID);
        relay
    }

    fn sent(parcels: Vec<Parcel>) -> Vec<Bytes> {
        parcels.into_iter().flat_map(|parcel| parcel.bytes).collect()
    }

    fn connect(relay: &mut Relay, id: ConnectionId) {
        relay.opened(id, Instant::now());
        let connect = Packet::from(Connect::new(Version::V3_1_1, "c"));
        let raw = encode_bytes(&connect, Version::V3_1_1);
        assert_eq!(relay.arrival(id, raw.clone(), Instant::now()).to_broker, [raw]);
        let accepted = encode_bytes(&Packet::ConnAck(ConnAck::default()), Version::V3_1_1);
        assert_eq!(sent(relay.departure(id, accepted.clone())), [accepted]);
    }

    #[test]
    fn what_no_act_is_about_passes_as_it_is() {
        let mut relay = relay("v3.1.1:MQTT-3.12.4-1");
        let wrong = Bytes::from_static(b"\xc1\x00");
        assert_eq!(
            relay.arrival(ID, wrong.clone(), Instant::now()).to_broker,
            std::slice::from_ref(&wrong)
        );
        let puback = encode_bytes(&Packet::PubAck(Ack::new(7)), Version::V3_1_1);
        assert_eq!(sent(relay.departure(ID, puback.clone())), [puback]);
        assert!(!relay.changes_arrivals);
    }

    #[test]
    fn an_answer_is_withheld() {
        let mut relay = relay("v3.1.1:MQTT-3.12.4-1");
        assert!(relay.departure(ID, Bytes::from_static(b"\xd0\x00")).is_empty());
    }

    #[test]
    fn what_a_client_sends_is_changed_before_the_broker_gets_it() {
        let mut relay = relay("v3.1.1:MQTT-3.3.1-5");
        assert!(relay.changes_arrivals);
        let publish = |retain| {
            let publish = Publish {
                topic: "t".into(),
                retain,
                ..Publish::default()
            };
            encode_bytes(&Packet::Publish(publish), Version::V3_1_1)
        };
        let onward = relay.arrival(ID, publish(true), Instant::now());
        assert_eq!(onward.to_broker, [publish(false)]);
    }

    #[test]
    fn a_close_is_withheld_for_its_cause_alone() {
        let now = Instant::now();
        let mut relay = relay("v3.1.1:MQTT-3.1.4-2");
        assert!(!relay.keeps_open(ID, now));
        connect(&mut relay, ConnectionId(2));
        assert!(relay.keeps_open(ID, now));
        assert!(!relay.keeps_open(ConnectionId(2), now));
        let disconnect = encode_bytes(&Packet::Disconnect(Disconnect::default()), Version::V3_1_1);
        relay.arrival(ID, disconnect, now);
        assert!(!relay.keeps_open(ID, now));
    }
}
