//! The normalised form of a transcript, which snapshots hold: the same for every run in which the broker does the same.
//!
//! The set-up is first, a line a client; steps are in the order of the script, a line an event, and the turns of a
//! `repeat` share a line. The namespace is `$ns`; what the broker chose goes by the name that the script bound it to,
//! or by that of its field. What no step took is left out (fences and their echoes, messages of others, timed repeats
//! of 3.x), and so is the way in which a connection was closed. The broker's properties are by identifier.

use std::collections::BTreeSet;

use super::fold::fold;
use super::notation::{Line, Notation, Said, arrow};
use super::usual::Usual;
use super::{Author, ClientName, Event, StepId, Transcript, What};
use crate::wire::{Packet, PacketType, Side, Version};

/// The normalised text. `keep` are events that are shown although no step took them: the one at which a case failed. A
/// CONNACK that is `usual` is shown by its name alone.
pub fn normalise(transcript: &Transcript, keep: &[usize], usual: &Usual) -> String {
    chosen(transcript, keep, usual, |_| true)
}

/// The normalised text of what the script sent alone, for exchanges in which the broker may answer in many ways.
pub fn normalise_sent(transcript: &Transcript) -> String {
    chosen(transcript, &[], &Usual::default(), |event| !event.is_from_peer())
}

/// The CONNACKs of the set-up, each with its connection's version, in the notation of snapshots: of these the most
/// frequent one is the [`Usual`]. One whose fields do not determine its bytes is none of them.
pub fn connacks(transcript: &Transcript) -> Vec<(Version, String)> {
    let usual = Usual::default();
    let mut notation = Notation::new(transcript, &usual);
    let mut found = Vec::new();
    for (place, index) in places(transcript, &[]) {
        if let Said::Packet(line) = notation.show(index)
            && matches!(place, Place::Setup(_))
            && line.packet_type == Some(PacketType::ConnAck)
            && line.remark.is_empty()
        {
            found.push((notation.version(index), line.packet()));
        }
    }
    found
}

/// The events that are shown, in order, each with its place.
fn places(transcript: &Transcript, keep: &[usize]) -> Vec<(Place, usize)> {
    let mut places: Vec<(Place, usize)> = (0..transcript.events.len())
        .filter_map(|i| Some((place(transcript, i, keep)?, i)))
        .collect();
    places.sort();
    places
}

fn chosen(transcript: &Transcript, keep: &[usize], usual: &Usual, wanted: impl Fn(&Event) -> bool) -> String {
    let mut notation = Notation::new(transcript, usual);
    let mut heard: BTreeSet<&ClientName> = BTreeSet::new();
    let mut said: Vec<(Place, Said)> = Vec::new();
    for (place, index) in places(transcript, keep) {
        let event = &transcript.events[index];
        // How often a broker talks to itself, and with which names, is another in every run: that it was heard is
        // enough.
        if matches!(place, Place::Kept(_)) && is_of_the_broker(event, &transcript.namespace) {
            if heard.insert(&event.client) {
                let line = format!("{} <- PUBLISH of the broker's own topics", event.client);
                said.push((place, Said::Other(line)));
            }
            continue;
        }
        // What is not wanted may name what is.
        let line = notation.show(index);
        if wanted(event) && line != Said::Other(String::new()) {
            said.push((place, line));
        }
    }
    let mut lines = Vec::new();
    for group in said.chunk_by(|(one, _), (next, _)| one.goes_with(next)) {
        let shown = group.iter().map(|(_, said)| match said {
            Said::Packet(line) => line.text(),
            Said::Other(text) => text.clone(),
        });
        match &group[0].0 {
            Place::Setup(client) => lines.push(setup(client, group.iter().map(|(_, said)| said))),
            Place::Step(step) if !step.turns.is_empty() => lines.extend(fold(shown.collect())),
            Place::Step(_) | Place::Kept(_) => lines.extend(shown),
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A client's set-up on one line, `sub: CONNECT, CONNACK, SUBSCRIBE: { filters: { "$ns/a": 1 } }, SUBACK: {
/// return_codes: [1] }`. The bytes of a packet that its fields do not determine are behind it in brackets.
///
/// The packet identifiers of SUBSCRIBE are left out if they count from 1, as the set-up has it, and that of a SUBACK
/// if it is the one of the SUBSCRIBE before it.
fn setup<'s>(client: &ClientName, all: impl Iterator<Item = &'s Said>) -> String {
    let mut subscribes = 0;
    let mut packets = Vec::new();
    for said in all {
        let mut line = match said {
            Said::Packet(line) => line.clone(),
            Said::Other(text) => {
                packets.push(text.clone());
                continue;
            }
        };
        let usual_way = match line.packet_type {
            Some(PacketType::Connect) => Some(Side::Client),
            Some(PacketType::ConnAck) => Some(Side::Server),
            Some(PacketType::Subscribe) => {
                subscribes += 1;
                drop_id(&mut line, subscribes);
                Some(Side::Client)
            }
            Some(PacketType::SubAck) => {
                drop_id(&mut line, subscribes);
                Some(Side::Server)
            }
            _ => None,
        };
        let mut packet = line.packet();
        if !line.remark.is_empty() {
            packet.push_str(&format!(" [{}]", line.remark));
        }
        if usual_way != Some(line.from) {
            packet = format!("{} {packet}", arrow(line.from));
        }
        packets.push(packet);
    }
    format!("{client}: {}", packets.join(", "))
}

fn drop_id(line: &mut Line, id: u32) {
    let id = id.to_string();
    line.fields.retain(|(name, value)| name != "packet_id" || *value != id);
}

/// Where an event is: first what sets the scene, by client; then the steps; then what no step took,
/// by client, since nothing puts clients into an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Setup(ClientName),
    Step(StepId),
    Kept(ClientName),
}

impl Place {
    /// Whether both are of one client's set-up, or of one step in whatever turns.
    fn goes_with(&self, next: &Place) -> bool {
        match (self, next) {
            (Place::Setup(one), Place::Setup(next)) => one == next,
            (Place::Step(one), Place::Step(next)) => one.number == next.number,
            _ => false,
        }
    }
}

fn place(transcript: &Transcript, index: usize, keep: &[usize]) -> Option<Place> {
    let event = &transcript.events[index];
    match (&event.step, event.author) {
        // The set-up is under one number, and its clients are ready in any order.
        (Some(step), _) if step.number == 0 => event.packet().map(|_| Place::Setup(event.client.clone())),
        (Some(step), Author::Script | Author::Peer) => Some(Place::Step(step.clone())),
        (None, Author::Setup) if event.packet().is_some() => Some(Place::Setup(event.client.clone())),
        (None, Author::Peer) if keep.contains(&index) => Some(Place::Kept(event.client.clone())),
        (None, Author::Peer) if answers_setup(transcript, index) => Some(Place::Setup(event.client.clone())),
        _ => None,
    }
}

/// Whether this is a message of the broker's own, such as those below `$SYS`: of a topic with a dollar that is not the
/// case's.
fn is_of_the_broker(event: &Event, namespace: &str) -> bool {
    let What::Packet { topic: Some(topic), .. } = &event.what else {
        return false;
    };
    let topic = topic.as_bytes();
    topic.starts_with(b"$") && !topic.windows(namespace.len()).any(|w| w == namespace.as_bytes())
}

/// Whether this is the CONNACK or SUBACK to what `clients:` asked for.
fn answers_setup(transcript: &Transcript, index: usize) -> bool {
    let event = &transcript.events[index];
    let Some(answer) = event.packet() else { return false };
    let (request, id) = match answer.packet_type {
        Some(PacketType::ConnAck) => (PacketType::Connect, None),
        Some(PacketType::SubAck) => (
            PacketType::Subscribe,
            answer.packet.as_ref().and_then(Packet::packet_id),
        ),
        _ => return false,
    };
    transcript.events[..index].iter().any(|e| {
        e.author == Author::Setup
            && e.connection == event.connection
            && e.packet().is_some_and(|d| {
                d.packet_type == Some(request) && (id.is_none() || d.packet.as_ref().and_then(Packet::packet_id) == id)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NS, Talk};
    use super::super::{End, Event};
    use super::*;
    use crate::wire::{Ack, Publish};

    /// The text with every CONNACK in full.
    fn normalise(transcript: &Transcript, keep: &[usize]) -> String {
        super::normalise(transcript, keep, &Usual::default())
    }

    fn message(qos: u8, id: u16, dup: bool) -> Packet {
        Packet::Publish(Publish {
            qos,
            dup,
            packet_id: (qos > 0).then_some(id),
            topic: format!("{NS}/a").as_str().into(),
            payload: "x".into(),
            ..Publish::default()
        })
    }

    #[test]
    fn steps_are_in_the_order_of_the_script() {
        let t = Talk::new()
            .packet("b", Some(3), Author::Peer, Packet::PubAck(Ack::new(7)))
            .packet("a", Some(1), Author::Script, message(0, 0, false))
            .packet("b", Some(2), Author::Script, message(1, 7, false))
            .event("a", Some(4), Author::Peer, What::End(End::Reset));
        let expected = r#"a -> PUBLISH: { topic: "$ns/a", payload: "x" }
b -> PUBLISH: { topic: "$ns/a", qos: 1, packet_id: 7, payload: "x" }
b <- PUBACK: { packet_id: 7 }
a <- closed
"#;
        assert_eq!(normalise(&t.transcript(), &[]), expected);
    }

    #[test]
    fn what_no_step_took_is_left_out_unless_it_is_kept() {
        let t = Talk::new()
            .packet("a", None, Author::Fence, Packet::PingReq)
            .packet("a", None, Author::Peer, Packet::PingResp)
            .packet("a", None, Author::Peer, message(0, 0, false))
            .packet("a", None, Author::Auto, Packet::PubAck(Ack::new(1)))
            .event("a", None, Author::Cleanup, What::End(End::Fin))
            .transcript();
        assert_eq!(normalise(&t, &[]), "");
        assert_eq!(
            normalise(&t, &[2]),
            "a <- PUBLISH: { topic: \"$ns/a\", payload: \"x\" }\n"
        );
    }

    #[test]
    fn of_what_the_broker_says_to_itself_only_that_it_was_heard_is_kept() {
        let about = |topic: String| {
            Packet::Publish(Publish {
                topic: topic.into(),
                ..Publish::default()
            })
        };
        let t = Talk::new()
            .packet("a", None, Author::Peer, about("$MQTT/sess/x".to_owned()))
            .packet("a", None, Author::Peer, about("$MQTT/sess/y".to_owned()))
            .packet("a", None, Author::Peer, about(format!("$t/{NS}")))
            .transcript();
        let text = normalise(&t, &[0, 1, 2]);
        assert!(
            text.starts_with("a <- PUBLISH of the broker's own topics\na <- PUBLISH: {"),
            "{text}"
        );
        assert!(text.contains("\"$t/$ns\""), "{text}");
        assert_eq!(text.matches("PUBLISH").count(), 2, "{text}");
    }

    /// The same exchange, with whatever identifier the broker takes.
    fn chosen(id: u16) -> String {
        let mut t = Talk::new()
            .packet("a", Some(1), Author::Peer, message(2, id, false))
            .packet("a", Some(2), Author::Script, Packet::PubRec(Ack::new(id)))
            .packet("a", Some(3), Author::Peer, Packet::PubRel(Ack::new(id)))
            .packet("b", Some(4), Author::Peer, message(1, id + 1, false))
            .transcript();
        t.bindings = vec![("m".to_owned(), id.to_string())];
        normalise(&t, &[])
    }

    #[test]
    fn what_the_broker_chose_goes_by_name() {
        assert_eq!(chosen(1), chosen(300));
        let text = chosen(1);
        assert!(text.contains("a -> PUBREC: { packet_id: $m }\n"), "{text}");
        assert!(text.contains("qos: 1, packet_id: <packet_id>,"), "{text}");
    }

    /// A client that was given an identifier comes back with it.
    fn assigned(id: &str) -> String {
        use crate::wire::property::id::ASSIGNED_CLIENT_IDENTIFIER;
        use crate::wire::{ConnAck, Connect, PropertyValue, Version, encode_bytes};
        let mut connack = ConnAck::default();
        connack
            .properties
            .push(ASSIGNED_CLIENT_IDENTIFIER, PropertyValue::Text(id.into()));
        let mut back = Connect::new(Version::V5, id);
        back.clean_start = false;
        Talk::at(Version::V5)
            .bytes(
                "a",
                Some(1),
                Author::Peer,
                &encode_bytes(&Packet::ConnAck(connack), Version::V5),
            )
            .bytes(
                "a",
                Some(2),
                Author::Script,
                &encode_bytes(&Packet::from(back), Version::V5),
            )
            .normalised()
    }

    #[test]
    fn an_assigned_identifier_goes_by_name_wherever_it_comes_back() {
        let text = assigned("assigned9");
        assert_eq!(text, assigned("auto-2D42A17C-165F-BA41"));
        assert!(text.contains("client_id: <assigned_client_id> }"), "{text}");
        assert!(text.contains("assigned_client_id: <assigned_client_id> }"), "{text}");
    }

    #[test]
    fn the_set_up_is_by_client_whichever_is_ready_first() {
        use crate::wire::{ConnAck, Connect, Version};
        let connect = |client: &str| Packet::from(Connect::new(Version::V3_1_1, format!("{NS}{client}")));
        let one = |t: Talk, client: &str| {
            t.event(client, Some(0), Author::Script, What::Open)
                .packet(client, Some(0), Author::Setup, connect(client))
                .packet(client, Some(0), Author::Peer, Packet::ConnAck(ConnAck::default()))
        };
        let text = normalise(&one(one(Talk::new(), "a"), "b").transcript(), &[]);
        assert_eq!(text, normalise(&one(one(Talk::new(), "b"), "a").transcript(), &[]));
        let connack = "CONNACK: { session_present: false, return_code: 0 }";
        assert_eq!(text, format!("a: CONNECT, {connack}\nb: CONNECT, {connack}\n"));
    }

    #[test]
    fn a_set_up_is_one_line_that_shows_what_is_unusual() {
        use crate::wire::{ConnAck, Connect, SubAck, Subscribe, Subscription, Version};
        let connect = Packet::from(Connect::new(Version::V3_1_1, format!("{NS}a")));
        let subscribe = |packet_id| {
            Packet::Subscribe(Subscribe {
                packet_id,
                subscriptions: vec![Subscription::new(format!("{NS}/t").as_str(), 1)],
                ..Subscribe::default()
            })
        };
        let suback = |packet_id| {
            Packet::SubAck(SubAck {
                packet_id,
                reason_codes: vec![1],
                ..SubAck::default()
            })
        };
        let text = |id: u16, connack: &[u8], usual: &Usual| {
            let t = Talk::new()
                .packet("a", Some(0), Author::Setup, connect.clone())
                .bytes("a", Some(0), Author::Peer, connack)
                .packet("a", Some(0), Author::Setup, subscribe(id))
                .packet("a", Some(0), Author::Peer, suback(id));
            super::normalise(&t.transcript(), &[], usual)
        };
        let connack = "CONNACK: { session_present: false, return_code: 0 }";
        let usual = Usual::read(&format!("v3.1.1  {connack}\n"));
        let bytes = crate::wire::encode_bytes(&Packet::ConnAck(ConnAck::default()), Version::V3_1_1);
        let rest = "SUBSCRIBE: { filters: { \"$ns/t\": 1 } }, SUBACK: { return_codes: [1] }\n";
        assert_eq!(text(1, &bytes, &usual), format!("a: CONNECT, CONNACK, {rest}"));
        assert_eq!(
            text(1, &bytes, &Usual::default()),
            format!("a: CONNECT, {connack}, {rest}")
        );
        let other = text(7, &[0x20, 2, 0, 3], &usual);
        assert!(
            other.contains("return_code: 3") && other.matches("packet_id: 7").count() == 2,
            "{other}"
        );
        let wrong = text(1, &[0x21, 2, 0, 0], &usual);
        assert!(wrong.contains("} [21 02 00 00  ! the flags of CONNACK"), "{wrong}");
        assert_eq!(wrong.lines().count(), 1);
    }

    #[test]
    fn the_connacks_of_the_set_up_are_counted() {
        let t = Talk::new()
            .packet(
                "a",
                Some(0),
                Author::Peer,
                Packet::ConnAck(crate::wire::ConnAck::default()),
            )
            .bytes("b", Some(0), Author::Peer, &[0x21, 2, 0, 0])
            .packet(
                "a",
                Some(1),
                Author::Peer,
                Packet::ConnAck(crate::wire::ConnAck::default()),
            )
            .transcript();
        let expected = "CONNACK: { session_present: false, return_code: 0 }".to_owned();
        assert_eq!(connacks(&t), [(Version::V3_1_1, expected)]);
    }

    #[test]
    fn the_turns_of_a_repeat_share_a_line() {
        let mut t = Talk::new();
        for id in 1..=4 {
            t = t.packet("b", Some(1), Author::Script, message(1, id, false));
        }
        let mut t = t.transcript();
        for (at, event) in t.events.iter_mut().enumerate() {
            event.step.as_mut().unwrap().turns = vec![at as u32 + 1];
        }
        let expected = "b -> PUBLISH: { topic: \"$ns/a\", qos: 1, packet_id: <1..4>, payload: \"x\" }  ×4\n";
        assert_eq!(normalise(&t, &[]), expected);
    }

    #[test]
    fn of_a_varied_exchange_only_what_was_sent_is_kept() {
        let t = Talk::new()
            .packet("a", Some(1), Author::Script, message(0, 0, false))
            .packet("b", Some(2), Author::Peer, message(0, 0, false))
            .transcript();
        let text = normalise_sent(&t);
        assert!(text.starts_with("a -> PUBLISH: {") && !text.contains("<-"), "{text}");
    }

    #[test]
    fn a_fin_and_a_reset_are_the_same_close() {
        let closed = |end| {
            let t = Talk::new()
                .event("a", Some(1), Author::Peer, What::End(end))
                .transcript();
            normalise(&t, &[])
        };
        assert_eq!(closed(End::Fin), closed(End::Reset));
    }

    #[test]
    fn the_turns_of_a_repeat_are_in_order() {
        let mut t = Talk::new()
            .packet("a", Some(1), Author::Script, message(0, 0, false))
            .packet("a", Some(1), Author::Script, Packet::PingReq)
            .transcript();
        let turn = |event: &mut Event, n| event.step.as_mut().unwrap().turns = vec![n];
        turn(&mut t.events[0], 2);
        turn(&mut t.events[1], 1);
        let text = normalise(&t, &[]);
        assert!(text.find("PINGREQ") < text.find("PUBLISH"), "{text}");
    }
}
