//! Captured packets made fit for another broker: names of our own, another login, and identifiers that this broker
//! chose.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Login;
use crate::wire::property::id;
use crate::wire::{Connect, Packet, Properties, PropertyValue, Text, Version, encode_bytes};

/// The bytes of a packet with changes made to it. If there are none to make they are what they were.
///
/// # Errors
/// The packet is not one that we would write the same, so that a change would change more than is meant.
pub fn edited(
    raw: &Bytes,
    packet: &Packet,
    version: Version,
    edit: impl FnOnce(&mut Packet),
) -> Result<Bytes, &'static str> {
    let mut changed = packet.clone();
    edit(&mut changed);
    if changed == *packet {
        return Ok(raw.clone());
    }
    if encode_bytes(packet, version) != *raw {
        return Err("its bytes are not the ones that the standard's plain form has");
    }
    Ok(encode_bytes(&changed, version))
}

/// Puts a prefix on names.
#[derive(Debug, Clone)]
pub struct Rename(String);

impl Rename {
    pub fn new(prefix: &str) -> Rename {
        Rename(prefix.to_owned())
    }

    /// Every topic, filter and client identifier of a client's packet.
    pub fn packet(&self, packet: &mut Packet) {
        match packet {
            Packet::Connect(p) => {
                if !p.client_id.is_empty() {
                    p.client_id = self.joined("", &p.client_id);
                }
                if let Some(will) = &mut p.will {
                    will.topic = self.topic(&will.topic);
                    self.properties(&mut will.properties);
                }
            }
            Packet::Publish(p) => {
                p.topic = self.topic(&p.topic);
                self.properties(&mut p.properties);
            }
            Packet::Subscribe(p) => {
                for s in &mut p.subscriptions {
                    s.filter = self.filter(&s.filter);
                }
            }
            Packet::Unsubscribe(p) => {
                for filter in &mut p.filters {
                    *filter = self.filter(filter);
                }
            }
            _ => {}
        }
    }

    /// A topic that the broker sent, without the prefix.
    pub fn captured(&self, topic: &Text) -> Text {
        let prefix = format!("{}/", self.0);
        match topic.as_bytes().strip_prefix(prefix.as_bytes()) {
            Some(_) => topic.slice(prefix.len()..topic.len()),
            None => topic.clone(),
        }
    }

    /// The same for the Response Topic, the other topic of a PUBLISH.
    pub fn captured_properties(&self, properties: &mut Properties) {
        for property in &mut properties.0 {
            if let (id::RESPONSE_TOPIC, PropertyValue::Text(topic)) = (property.id, &mut property.value) {
                *topic = self.captured(topic);
            }
        }
    }

    fn properties(&self, properties: &mut Properties) {
        for property in &mut properties.0 {
            if let (id::RESPONSE_TOPIC, PropertyValue::Text(topic)) = (property.id, &mut property.value) {
                *topic = self.topic(topic);
            }
        }
    }

    fn topic(&self, topic: &Text) -> Text {
        // Without a topic an alias stands for it; what begins with `$` is the broker's own.
        match topic.as_bytes().first() {
            None | Some(b'$') => topic.clone(),
            _ => self.joined("/", topic),
        }
    }

    fn filter(&self, filter: &Text) -> Text {
        let bytes = filter.as_bytes();
        let inner = bytes
            .strip_prefix(b"$share/")
            .and_then(|rest| rest.iter().position(|b| *b == b'/'))
            .map(|slash| b"$share/".len() + slash + 1);
        match inner {
            Some(at) => {
                let group = &bytes[b"$share/".len()..at];
                let topic = self.topic(&filter.slice(at..bytes.len()));
                [b"$share/", self.0.as_bytes(), group, topic.as_bytes()].concat().into()
            }
            None => self.topic(filter),
        }
    }

    fn joined(&self, between: &str, text: &Text) -> Text {
        [self.0.as_bytes(), between.as_bytes(), text.as_bytes()].concat().into()
    }
}

/// Logs in as someone else.
pub fn log_in(connect: &mut Connect, login: &Login) {
    connect.username = Some(login.username.clone());
    connect.password.clone_from(&login.password);
}

/// What the target's broker chose in the place of what the captured one chose.
#[derive(Debug, Default)]
pub struct Chosen {
    /// The packet identifiers of its deliveries, by those in the capture.
    ids: BTreeMap<u16, u16>,
}

impl Chosen {
    pub fn delivery(&mut self, captured: Option<u16>, came: Option<u16>) {
        if let (Some(captured), Some(came)) = (captured, came) {
            self.ids.insert(captured, came);
        }
    }

    pub fn id(&self, captured: u16) -> Option<u16> {
        self.ids.get(&captured).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Publish, Subscribe, Subscription};

    fn renamed(packet: Packet) -> Packet {
        let mut packet = packet;
        Rename::new("ns").packet(&mut packet);
        packet
    }

    #[test]
    fn every_name_gets_the_prefix_and_the_brokers_own_do_not() {
        for (filter, expected) in [
            ("a/b", "ns/a/b"),
            ("#", "ns/#"),
            ("/+", "ns//+"),
            ("$SYS/#", "$SYS/#"),
            ("$share/g/a", "$share/nsg/ns/a"),
            ("$share/g", "$share/g"),
        ] {
            let subscribe = Subscribe {
                subscriptions: vec![Subscription::new(filter, 1)],
                ..Subscribe::default()
            };
            let Packet::Subscribe(p) = renamed(Packet::Subscribe(subscribe)) else {
                panic!("another packet")
            };
            assert_eq!(p.subscriptions[0].filter, Text::from(expected));
        }
        let mut publish = Publish::default();
        publish
            .properties
            .push(id::RESPONSE_TOPIC, PropertyValue::Text("r".into()));
        let Packet::Publish(p) = renamed(Packet::Publish(publish)) else {
            panic!("another packet")
        };
        assert!(p.topic.is_empty(), "an alias stands for the topic");
        assert_eq!(
            p.properties.get(id::RESPONSE_TOPIC),
            Some(&PropertyValue::Text("ns/r".into()))
        );
        assert_eq!(Rename::new("ns").captured(&"ns/a".into()), "a".into());
    }

    #[test]
    fn only_a_packet_in_plain_form_is_changed() {
        let packet = Packet::Publish(Publish {
            topic: "a".into(),
            ..Publish::default()
        });
        let rename = |p: &mut Packet| Rename::new("ns").packet(p);
        let plain = encode_bytes(&packet, Version::V3_1_1);
        let changed = edited(&plain, &packet, Version::V3_1_1, rename).unwrap();
        assert_eq!(changed[..], *b"\x30\x06\x00\x04ns/a");
        // The remaining length in two bytes if one is enough.
        let odd = Bytes::from_static(b"\x30\x83\x00\x00\x01a");
        assert!(edited(&odd, &packet, Version::V3_1_1, rename).is_err());
        assert_eq!(edited(&odd, &packet, Version::V3_1_1, |_| ()).unwrap(), odd);
    }
}
