//! A short notation for histories, for tests.
//!
//! One event a line: the connection, `>` for the client and `<` for the broker, and what is said. 10 ms lie between two lines.
//!
//! ```text
//! 1> open
//! 1> connect dev keep will=t:gone     a CONNECT; `keep` for Clean Session 0 (5.0: an expiry of 1000 s), `user=U`
//! 1< connack present                  `code=5`
//! 1> pub t=x q1 #7 dup retain         a PUBLISH of payload `x` to `t`
//! 1< puback #7 code=128               also pubrec, pubrel, pubcomp
//! 1> sub t q1 #1                      1< suback q1 #1
//! 1> unsub t #2                       1< unsuback #2
//! 1> ping   1< pong   1> bye (`raise`: the session's expiry)   1> fin   1< rst   1> gap   1> junk
//! 1> session dev keep                 open, connect and connack in one; `present`
//! wait 20                             seconds
//! restart
//! end 1                               no more events of connection 1 come
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::{Checker, Finding, Place, Scope, Step};
use crate::rules::Outcome;
use crate::transcript::{End, Lifecycle, What};
use crate::wire::property::id;
use crate::wire::{
    Ack, ConnAck, Connect, Disconnect, Frame, Packet, PropertyValue, Publish, Side, SubAck, Subscribe, Subscription,
    Text, UnsubAck, Unsubscribe, Version, Will, decode, encode_bytes,
};

/// Plays a history, and gives what was found as `statement by outcome began→shown`, by the lines of the text from 1.
pub fn play(version: Version, scope: Scope, text: &str) -> Vec<String> {
    let mut player = Player::new(version, scope);
    player.say(text);
    player.finish()
}

pub struct Player {
    pub checker: Checker,
    version: Version,
    now: Duration,
    line: usize,
    pub found: Vec<Finding>,
}

impl Player {
    pub fn new(version: Version, scope: Scope) -> Player {
        Player {
            checker: Checker::new(scope),
            version,
            now: Duration::ZERO,
            line: 0,
            found: Vec::new(),
        }
    }

    pub fn say(&mut self, text: &str) {
        for line in text.lines() {
            self.line += 1;
            self.now += Duration::from_millis(10);
            self.one(line.trim());
        }
    }

    pub fn finish(mut self) -> Vec<String> {
        self.found.extend(self.checker.finish());
        let shown = |f: &Finding| {
            let by = match f.by {
                Side::Client => "client",
                Side::Server => "broker",
            };
            let outcome = match f.outcome {
                Outcome::Breach => "",
                Outcome::Unknown => " unknown",
            };
            format!("{} {by}{outcome} {}→{}", f.statement.id, f.began.event, f.shown.event)
        };
        self.found.iter().map(shown).collect()
    }

    fn one(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            ["wait", seconds] => self.now += Duration::from_secs(seconds.parse().unwrap()),
            ["restart"] => self.event(0, Side::Client, What::Lifecycle(Lifecycle::Restart)),
            ["end", number] => {
                let found = self.checker.close(number.parse().unwrap());
                self.found.extend(found);
            }
            [who, what, ..] => {
                let (number, way) = who.split_at(who.len() - 1);
                let from = if way == ">" { Side::Client } else { Side::Server };
                self.said(number.parse().unwrap(), from, what, &words[2..]);
            }
            _ => panic!("{line}"),
        }
    }

    fn said(&mut self, number: u32, from: Side, what: &str, words: &[&str]) {
        // `#` alone is a filter.
        let value = |key: &str| words.iter().filter(|w| **w != key).find_map(|w| w.strip_prefix(key));
        let has = |word: &str| words.contains(&word);
        let packet_id: u16 = value("#").map_or(0, |n| n.parse().unwrap());
        let qos: u8 = value("q").map_or(0, |n| n.parse().unwrap());
        let code: u8 = value("code=").map_or(0, |n| n.parse().unwrap());
        let ack = Ack {
            packet_id,
            reason_code: code,
            ..Ack::default()
        };
        let packet: Packet = match what {
            "open" => return self.event(number, from, What::Open),
            "fin" => return self.event(number, from, What::End(End::Fin)),
            "rst" => return self.event(number, from, What::End(End::Reset)),
            "gap" => return self.event(number, from, What::Gap(3)),
            "junk" => return self.event(number, from, What::Fragment(vec![0].into())),
            "session" => {
                self.event(number, Side::Client, What::Open);
                self.said(number, Side::Client, "connect", words);
                return self.said(number, Side::Server, "connack", words);
            }
            "connect" => self.connect(words).into(),
            "connack" => Packet::ConnAck(ConnAck {
                session_present: has("present"),
                reason_code: code,
                ..ConnAck::default()
            }),
            "pub" => {
                let (topic, payload) = words[0].split_once('=').unwrap();
                let mut p = Publish {
                    dup: has("dup"),
                    retain: has("retain"),
                    qos,
                    topic: topic.into(),
                    packet_id: (qos > 0).then_some(packet_id),
                    payload: payload.into(),
                    ..Publish::default()
                };
                if let Some(seconds) = value("expiry=") {
                    let seconds = PropertyValue::U32(seconds.parse().unwrap());
                    p.properties.push(id::MESSAGE_EXPIRY_INTERVAL, seconds);
                }
                Packet::Publish(p)
            }
            "puback" => Packet::PubAck(ack),
            "pubrec" => Packet::PubRec(ack),
            "pubrel" => Packet::PubRel(ack),
            "pubcomp" => Packet::PubComp(ack),
            "sub" => Packet::Subscribe(Subscribe {
                packet_id,
                subscriptions: vec![Subscription::new(words[0], qos)],
                ..Subscribe::default()
            }),
            "suback" => Packet::SubAck(SubAck {
                packet_id,
                reason_codes: vec![if code > 0 { code } else { qos }],
                ..SubAck::default()
            }),
            "unsub" => Packet::Unsubscribe(Unsubscribe {
                packet_id,
                filters: vec![words[0].into()],
                ..Unsubscribe::default()
            }),
            "unsuback" => Packet::UnsubAck(UnsubAck {
                packet_id,
                reason_codes: if self.version == Version::V5 { vec![0] } else { vec![] },
                ..UnsubAck::default()
            }),
            "ping" => Packet::PingReq,
            "pong" => Packet::PingResp,
            "bye" => {
                let mut p = Disconnect {
                    reason_code: code,
                    ..Disconnect::default()
                };
                if has("raise") {
                    let seconds = PropertyValue::U32(60);
                    p.properties.push(id::SESSION_EXPIRY_INTERVAL, seconds);
                }
                Packet::Disconnect(p)
            }
            other => panic!("{other}"),
        };
        self.packet(number, from, &packet);
    }

    fn connect(&self, words: &[&str]) -> Connect {
        let value = |key: &str| words.iter().find_map(|w| w.strip_prefix(key));
        let mut connect = Connect::new(self.version, words[0]);
        connect.clean_start = !words.contains(&"keep");
        if words.contains(&"keep") && self.version == Version::V5 {
            let seconds = PropertyValue::U32(1000);
            connect.properties.push(id::SESSION_EXPIRY_INTERVAL, seconds);
        }
        if let Some(maximum) = value("receive=") {
            let maximum = PropertyValue::U16(maximum.parse().unwrap());
            connect.properties.push(id::RECEIVE_MAXIMUM, maximum);
        }
        if let Some(limit) = value("size=") {
            let limit = PropertyValue::U32(limit.parse().unwrap());
            connect.properties.push(id::MAXIMUM_PACKET_SIZE, limit);
        }
        connect.username = value("user=").map(Text::from);
        connect.will = value("will=").map(|will| {
            let (topic, payload) = will.split_once(':').unwrap();
            Will {
                topic: topic.into(),
                payload: payload.as_bytes().to_vec().into(),
                ..Will::default()
            }
        });
        connect
    }

    pub fn packet(&mut self, number: u32, from: Side, packet: &Packet) {
        let frame = Frame::loose(encode_bytes(packet, self.version)).expect("a packet has bytes");
        let decoded = Arc::new(decode(&frame, self.version, from));
        let topic = match &decoded.packet {
            Some(Packet::Publish(p)) => Some(p.topic.clone()),
            _ => None,
        };
        let raw = frame.raw;
        self.event(number, from, What::Packet { raw, decoded, topic });
    }

    fn event(&mut self, connection: u32, from: Side, what: What) {
        let place = Place {
            connection,
            event: self.line,
            frame: 0,
            at: self.now,
        };
        let found = self.checker.take(&Step {
            place,
            from,
            what: &what,
            crossed: false,
        });
        self.found.extend(found);
    }
}
