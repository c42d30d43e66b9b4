//! What a broker states that it does not go beyond: a case that does is skipped, with the figure, unless its step says
//! `probe: true`.

use std::time::Duration;

use crate::scenario::{Built, BuiltPart, Facts, Scope};
use crate::statements::Version;
use crate::wire::property::id;
use crate::wire::{self, ConnAck, Connect, Overrides, Packet, Publish, Subscribe, Will};

use super::matcher::Client;
use super::{Limits, Settings};

/// The largest packet of 3.x and of a 5.0 connection without a limit, in bytes: the fixed header and 268 435 455 bytes.
const LARGEST: u64 = wire::VARIABLE_MAX as u64 + 5;

/// Why what is to be sent goes beyond a stated limit; `None` if it does not.
pub fn beyond(built: &Built, version: Version, client: &Client, scope: &Scope, settings: &Settings) -> Option<String> {
    let stated = Stated::new(&settings.limits, client, scope, version);
    let mut open = client.outgoing.len() as u64;
    for part in &built.parts {
        let size = size(part, version);
        if size > stated.maximum_packet_size {
            return Some(format!(
                "the broker takes packets of up to {} bytes, this one has {size}",
                stated.maximum_packet_size
            ));
        }
        let BuiltPart::Packet { packet, .. } = part else {
            continue;
        };
        let reason = match packet {
            Packet::Connect(connect) => connect.will.as_ref().and_then(|will| stated.will(will)),
            Packet::Publish(publish) => {
                open += u64::from(publish.qos > 0 && !publish.dup);
                stated.publish(publish, open)
            }
            Packet::Subscribe(subscribe) => stated.subscribe(subscribe),
            _ => None,
        };
        if reason.is_some() {
            return reason;
        }
    }
    None
}

/// Why a broker's answer to CONNECT leaves no case to be played: it takes back what the client asked for, as 5.0 lets it.
/// `silence` is how long the steps are silent by themselves.
///
/// - Session Expiry Interval (3.2.2.3.2): a shorter one than was asked for, which the steps may outlast.
/// - Server Keep Alive (3.2.2.3.14): the client has to send something within that time, and the steps do not (MQTT-3.2.2-21); or it
///   is longer than one that the case asks for in order to see it end.
/// - 0x9A and 0x9B: the will's RETAIN or QoS is what the broker does not offer (MQTT-3.2.2-12, MQTT-3.2.2-13), unless the profile
///   says that it does.
/// - 0x95: the CONNECT is larger than the broker takes (3.2.2.3.6), unless the profile says that it takes as much.
pub fn taken_back(connect: &Connect, connack: &ConnAck, silence: Duration, settings: &Settings) -> Option<String> {
    let number = |id| connack.properties.number(id);
    match (connack.reason_code, &connect.will) {
        (0, _) => {}
        (0x9a, Some(will)) if will.retain && settings.limits.retain_available != Some(true) => {
            return Some("the broker takes no retained will (0x9a)".to_owned());
        }
        (0x9b, Some(will)) if settings.limits.maximum_qos.is_none_or(|most| most < will.qos) => {
            return Some(format!("the broker takes no will of QoS {} (0x9b)", will.qos));
        }
        (0x95, _) => {
            let size: u64 = (wire::encode(&Packet::from(connect.clone()), Version::V5, &Overrides::default()).iter())
                .map(|chunk| chunk.len())
                .sum();
            let takes = settings.limits.maximum_packet_size;
            return takes
                .is_none_or(|most| most < size)
                .then(|| format!("the broker takes no CONNECT of {size} bytes (0x95)"));
        }
        _ => return None,
    }
    let asked = connect.properties.number(id::SESSION_EXPIRY_INTERVAL).unwrap_or(0);
    // What the steps take on a slow machine is no more than a broker's patience twice: an answer before the end, one after.
    let needed = (silence + settings.patience * 2).as_secs();
    if let Some(granted) = number(id::SESSION_EXPIRY_INTERVAL).filter(|granted| *granted < asked)
        && u64::from(granted) < needed
    {
        return Some(format!(
            "the broker keeps a session for {granted} s instead of {asked} s; the case needs {needed} s"
        ));
    }
    let stated = number(id::SERVER_KEEP_ALIVE)
        .filter(|s| *s > 0 && (connect.keep_alive == 0 || *s < u32::from(connect.keep_alive)));
    // A case whose Keep Alive expires within its steps waits for that.
    if let Some(longer) =
        number(id::SERVER_KEEP_ALIVE).filter(|s| connect.keep_alive > 0 && *s > u32::from(connect.keep_alive))
        && u64::from(connect.keep_alive) * 3 / 2 <= needed
    {
        return Some(format!(
            "the broker's Keep Alive is {longer} s instead of {} s",
            connect.keep_alive
        ));
    }
    stated
        .filter(|stated| silence >= Duration::from_secs(u64::from(*stated)))
        .map(|stated| {
            format!(
                "the broker's Keep Alive is {stated} s, and the steps are silent for {} s",
                silence.as_secs_f32()
            )
        })
}

/// The length in bytes of one part of a write.
fn size(part: &BuiltPart, version: Version) -> u64 {
    match part {
        BuiltPart::Packet { packet, overrides } => {
            wire::encode(packet, version, overrides).iter().map(|c| c.len()).sum()
        }
        BuiltPart::Bytes(bytes) => bytes.len() as u64,
    }
}

/// The limits in force on one connection.
struct Stated<'a> {
    maximum_qos: u8,
    maximum_packet_size: u64,
    receive_maximum: u16,
    retain: bool,
    wildcard: bool,
    shared: bool,
    identifiers: bool,
    /// `None` before the CONNACK: the limit is not known yet.
    topic_alias_maximum: Option<u16>,
    denies: &'a [String],
}

impl<'a> Stated<'a> {
    /// Those of the profile, and at 5.0 of the client's CONNACK. For its CONNECT, those that other clients of the case, or the
    /// same before, were told: a broker need not say why it closes.
    fn new(profile: &'a Limits, client: &Client, scope: &Scope, version: Version) -> Stated<'a> {
        let own = client.is_connected().then(|| scope.facts(&client.name)).flatten();
        let told: Vec<&Facts> = match own {
            _ if version != Version::V5 => Vec::new(),
            Some(facts) => vec![facts],
            None => scope.all_facts().collect(),
        };
        let available = |profile: Option<bool>, connack: fn(&Facts) -> bool| {
            profile.unwrap_or(true) && told.iter().all(|facts| connack(facts))
        };
        let sizes = told.iter().filter_map(|f| f.maximum_packet_size.map(u64::from));
        let qos = told.iter().map(|f| f.maximum_qos);
        let open = told.iter().map(|f| f.receive_maximum);
        Stated {
            maximum_qos: qos.chain(profile.maximum_qos).min().unwrap_or(2),
            maximum_packet_size: sizes.chain(profile.maximum_packet_size).min().unwrap_or(LARGEST),
            receive_maximum: open.chain(profile.receive_maximum).min().unwrap_or(u16::MAX),
            retain: available(profile.retain_available, |f| f.retain_available),
            wildcard: available(profile.wildcard_subscription_available, |f| {
                f.wildcard_subscription_available
            }),
            shared: available(profile.shared_subscription_available, |f| {
                f.shared_subscription_available
            }),
            identifiers: available(None, |f| f.subscription_identifier_available),
            topic_alias_maximum: own.filter(|_| version == Version::V5).map(|f| f.topic_alias_maximum),
            denies: &profile.denies,
        }
    }

    fn will(&self, will: &Will) -> Option<String> {
        if will.qos <= 2 && will.qos > self.maximum_qos {
            return Some(self.qos(will.qos));
        }
        (will.retain && !self.retain).then(|| "the broker does not keep retained messages".to_owned())
    }

    fn publish(&self, publish: &Publish, open: u64) -> Option<String> {
        // QoS 3 is wrong at every broker, and no limit.
        if publish.qos <= 2 && publish.qos > self.maximum_qos {
            return Some(self.qos(publish.qos));
        }
        if publish.retain && !self.retain {
            return Some("the broker does not keep retained messages".to_owned());
        }
        if publish.qos > 0 && open > u64::from(self.receive_maximum) {
            return Some(format!(
                "the broker takes {} unacknowledged messages at a time, this would be number {open}",
                self.receive_maximum
            ));
        }
        match (publish.properties.number(id::TOPIC_ALIAS), self.topic_alias_maximum) {
            (Some(alias), Some(most)) if alias > u32::from(most) => Some(format!(
                "the broker takes topic aliases up to {most}, this one is {alias}"
            )),
            _ => None,
        }
    }

    fn subscribe(&self, subscribe: &Subscribe) -> Option<String> {
        if !self.identifiers && subscribe.properties.get(id::SUBSCRIPTION_IDENTIFIER).is_some() {
            return Some("the broker does not take subscription identifiers".to_owned());
        }
        for subscription in &subscribe.subscriptions {
            let filter = subscription.filter.as_bytes();
            if subscription.qos() <= 2 && subscription.qos() > self.maximum_qos {
                return Some(self.qos(subscription.qos()));
            }
            if !self.shared && filter.starts_with(b"$share/") {
                return Some("the broker does not take shared subscriptions".to_owned());
            }
            if !self.wildcard && filter.iter().any(|b| matches!(b, b'+' | b'#')) {
                return Some("the broker does not take wildcards".to_owned());
            }
            if let Some(denied) = self.denies.iter().find(|d| d.as_bytes() == filter) {
                return Some(format!("the broker's access list refuses the filter {denied}"));
            }
        }
        None
    }

    fn qos(&self, asked: u8) -> String {
        format!("the broker offers QoS up to {}, this needs {asked}", self.maximum_qos)
    }
}
