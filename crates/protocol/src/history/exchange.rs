//! Exchanges that a session carries from one connection to the next (3.1.1 and 5.0, section 4.4).

use std::collections::BTreeMap;

use super::finding::{Finding, Invariant, Place};
use crate::rules::Outcome;
use crate::statements::{PerVersion, ids};
use crate::wire::property::id;
use crate::wire::{Ack, Packet, Publish, Side, Version};

const RESENT: PerVersion = ids![v3_1_1: "MQTT-3.3.1-1", v5: "MQTT-3.3.1-1"];
const RELEASED: PerVersion = ids![v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-6"];
const CLIENT_IN_USE: PerVersion = ids![v3_1_1: "MQTT-2.3.1-2", v5: "MQTT-2.2.1-3"];
const BROKER_IN_USE: PerVersion = ids![v3_1_1: "MQTT-2.3.1-4", v5: "MQTT-2.2.1-4"];
const AGAIN: PerVersion = ids![v3_1_1: "MQTT-4.4.0-1", v5: "MQTT-4.4.0-1"];

pub const REPEAT: Invariant = Invariant {
    name: "repeat-on-resume",
    about: "In a session that goes on, a PUBLISH that is not acknowledged is repeated with DUP 1 and its own packet \
            identifier, and not after its PUBREL; no other PUBLISH has that identifier.",
    ids: &[RESENT, RELEASED, CLIENT_IN_USE, BROKER_IN_USE],
    in_cases: false,
    in_captures: true,
};

pub const RESUMED: Invariant = Invariant {
    name: "exchange-resumed",
    about: "In a session that goes on, each PUBLISH and PUBREL that is not acknowledged is sent again.",
    ids: &[AGAIN],
    in_cases: false,
    in_captures: true,
};

/// A PUBLISH of QoS 1 or 2 that its sender has not seen acknowledged to its end.
#[derive(Debug, Clone)]
struct Exchange {
    qos: u8,
    /// Digests of topic and payload.
    content: (u64, u64),
    stage: Stage,
    /// Its first PUBLISH, and so the connection on which it began.
    began: Place,
    /// The newest connection on which something of it was sent.
    newest: u32,
    /// 5.0: it has a Message Expiry Interval.
    expires: bool,
    /// See [`Exchanges::may_end`].
    may_have_ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Sent,
    /// PUBREC was seen. Whether the sender has it is not known.
    Received,
    /// The sender sent PUBREL.
    Released,
}

/// The open exchanges of one session, begun by one side.
#[derive(Debug, Clone)]
pub struct Exchanges {
    sender: Side,
    open: BTreeMap<u16, Exchange>,
}

/// What a PUBLISH carries that matters here.
pub struct Sent<'a> {
    pub publish: &'a Publish,
    pub content: (u64, u64),
    pub place: Place,
    /// The connection has resumed the session.
    pub resumed: bool,
    pub version: Version,
}

impl Exchanges {
    pub fn of(sender: Side) -> Exchanges {
        Exchanges {
            sender,
            open: BTreeMap::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn clear(&mut self) {
        self.open.clear();
    }

    /// The client has set a limit of size: the broker may have ended exchanges whose packets are too large for it.
    pub fn may_end(&mut self) {
        self.open.values_mut().for_each(|known| known.may_have_ended = true);
    }

    /// Forgets an identifier, since it is not clear any more what it is used for.
    pub fn forget(&mut self, id: u16) {
        self.open.remove(&id);
    }

    /// Whether a PUBLISH repeats the one that is open.
    pub fn is_repeat(&self, p: &Publish, content: (u64, u64)) -> bool {
        let known = p.packet_id.and_then(|id| self.open.get(&id));
        p.dup && known.is_some_and(|k| k.qos == p.qos && k.content == content && k.stage != Stage::Released)
    }

    /// Whether a PUBLISH on this connection repeats one that is open since an earlier connection, whatever its DUP flag says.
    pub fn goes_on(&self, p: &Publish, content: (u64, u64), here: u32) -> bool {
        let known = p.packet_id.and_then(|id| self.open.get(&id));
        known.is_some_and(|k| {
            let is_same = k.qos == p.qos && k.content == content;
            is_same && k.stage != Stage::Released && k.newest != here
        })
    }

    /// The sender publishes. What it does on the connection on which the exchange began is for the rules.
    pub fn publish(&mut self, sent: &Sent) -> Option<Finding> {
        let packet_id = sent.publish.packet_id?;
        let here = sent.place.connection;
        let p = sent.publish;
        let known = self.open.get_mut(&packet_id);
        let same = known
            .as_ref()
            .is_some_and(|k| k.qos == p.qos && k.content == sent.content);
        let mut found = None;
        if let Some(known) = known {
            let earlier = known.newest != here && sent.resumed;
            if p.dup && same && known.stage != Stage::Released {
                known.newest = here;
                return None;
            }
            if earlier && !known.may_have_ended {
                found = self.misused(packet_id, same, sent);
            }
        }
        let new = Exchange {
            qos: p.qos,
            content: sent.content,
            stage: Stage::Sent,
            began: sent.place,
            newest: here,
            expires: p.properties.number(id::MESSAGE_EXPIRY_INTERVAL).is_some(),
            may_have_ended: false,
        };
        self.open.insert(packet_id, new);
        found
    }

    fn misused(&self, id: u16, same: bool, sent: &Sent) -> Option<Finding> {
        let known = self.open.get(&id)?;
        let (duty, text) = match (same, sent.publish.dup) {
            (true, true) => (
                RELEASED,
                format!("PUBLISH {id} was sent again when the session resumed, after its PUBREL"),
            ),
            (true, false) => (
                RESENT,
                format!(
                    "PUBLISH {id} was sent again when the session resumed, or another with its identifier, with DUP 0"
                ),
            ),
            (false, _) => (
                if self.sender == Side::Client {
                    CLIENT_IN_USE
                } else {
                    BROKER_IN_USE
                },
                format!(
                    "packet identifier {id} is used for another message, its exchange of an earlier connection is open"
                ),
            ),
        };
        REPEAT.broken(duty, sent.version, self.sender, [known.began, sent.place], text)
    }

    /// The sender says PUBREL.
    pub fn release(&mut self, ack: &Ack, here: u32) {
        if let Some(known) = self.open.get_mut(&ack.packet_id) {
            known.stage = Stage::Released;
            known.newest = here;
        }
    }

    /// The receiver acknowledges.
    pub fn acknowledged(&mut self, packet: &Packet) {
        match packet {
            Packet::PubRec(a) if a.reason_code < 0x80 => {
                if let Some(known) = self.open.get_mut(&a.packet_id)
                    && known.stage == Stage::Sent
                {
                    known.stage = Stage::Received;
                }
            }
            // Whether the sender has read it or not, nothing that it does with the identifier now is wrong for sure.
            Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubComp(a) => self.forget(a.packet_id),
            _ => {}
        }
    }

    /// How many of them something was sent of on this connection.
    pub fn on(&self, connection: u32) -> usize {
        self.open.values().filter(|e| e.newest == connection).count()
    }

    /// The exchanges of earlier connections of which nothing was sent on this one, as one finding.
    pub fn left(&self, shown: Place, version: Version, seconds: f64) -> Option<Finding> {
        let left = || {
            self.open
                .iter()
                .filter(|(_, e)| e.newest != shown.connection && !e.expires && !e.may_have_ended)
        };
        let (id, first) = left().min_by_key(|(_, e)| e.began.at)?;
        let what = match first.stage {
            Stage::Sent => "PUBLISH",
            Stage::Received => "PUBLISH or PUBREL",
            Stage::Released => "PUBREL",
        };
        let more = match left().count() {
            1 => String::new(),
            n => format!("; {} more are missing", n - 1),
        };
        let text = format!("no {what} {id} came again in {seconds:.1} s after the session resumed{more}");
        let found = RESUMED.broken(AGAIN, version, self.sender, [first.began, shown], text)?;
        Some(Finding {
            outcome: Outcome::Breach,
            ..found
        })
    }
}
