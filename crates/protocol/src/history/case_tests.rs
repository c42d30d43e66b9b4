//! Histories of cases, in which each client is seen.

use super::Scope;
use super::notation::{Player, play};
use super::tests::{captured, holds};
use crate::wire::Version::{self, V3_1_1, V5};

fn case(version: Version, text: &str) -> Vec<String> {
    play(version, Scope::Case, text)
}

const SUBSCRIBED: &str = "1> session pub
    2> session sub
    2> sub t q2 #9
    2< suback q2 #9
    ";

#[test]
fn a_message_comes_once_for_each_subscription() {
    for (version, id) in [(V3_1_1, "MQTT-3.3.5-1"), (V5, "MQTT-3.3.4-2")] {
        let twice = [SUBSCRIBED, "1> pub t=a q0\n2< pub t=a\n2< pub t=a"].concat();
        assert_eq!(case(version, &twice), [format!("{id} broker 5→7")]);
        // In a capture, a client that is not seen may have published the other one.
        assert_eq!(captured(version, &twice), [""; 0]);
        let overlapping = twice.replace("1> pub", "2> sub # q0 #8\n2< suback q0 #8\n1> pub");
        holds(version, &overlapping);
        holds(version, &twice.replace("1> pub t=a q0", "1> pub t=a q0\n1> pub t=a q0"));
        // QoS 1 is at least once.
        holds(
            version,
            &[
                SUBSCRIBED,
                "1> pub t=a q1 #1\n1< puback #1\n2< pub t=a q1 #1\n2< pub t=a q1 #2",
            ]
            .concat(),
        );
        holds(
            version,
            &[SUBSCRIBED, "1> junk\n1> pub t=a q0\n2< pub t=a\n2< pub t=a"].concat(),
        );
    }
}

/// The publisher repeats its PUBLISH before PUBREL, on the same connection or on the next.
#[test]
fn qos_2_is_exactly_once() {
    for (version, id) in [(V3_1_1, "MQTT-4.3.3-2"), (V5, "MQTT-4.3.3-10")] {
        let begun = SUBSCRIBED.replace("session pub", "session pub keep");
        let cut = [
            &begun,
            "1> pub t=a q2 #1\n2< pub t=a q2 #1\n2> pubrec #1\n1> rst\n3> session pub keep present\n3> pub t=a q2 #1 dup\n",
        ]
        .concat();
        let twice = [&cut, "2< pub t=a q2 #2"].concat();
        assert_eq!(case(version, &twice), [format!("{id} broker 5→11")]);
        holds(version, &[&cut, "2< pub t=a q2 #1 dup"].concat());
        // After the session was lost it is a new message.
        holds(version, &twice.replace(" present", ""));
    }
}

/// A subscriber is cut off before PUBREC. What is sent again under the same identifier is the same delivery, also
/// without DUP, which is for another rule.
#[test]
fn a_repeat_without_dup_is_not_a_second_copy() {
    for (version, once) in [(V3_1_1, "MQTT-4.3.3-2"), (V5, "MQTT-4.3.3-10")] {
        let cut = [
            &SUBSCRIBED.replace("session sub", "session sub keep"),
            "1> pub t=a q2 #1\n1< pubrec #1\n2< pub t=a q2 #1\n2> rst\n3> session sub keep present\n",
        ]
        .concat();
        holds(version, &[&cut, "3< pub t=a q2 #1 dup"].concat());
        let again = [&cut, "3< pub t=a q2 #1"].concat();
        assert_eq!(case(version, &again), [""; 0]);
        // Twice on one connection, and under another identifier, it is a second one.
        let twice = [&cut, "3< pub t=a q2 #1 dup\n3< pub t=a q2 #2"].concat();
        assert_eq!(case(version, &twice), [format!("{once} broker 5→11")]);
    }
}

#[test]
fn a_subscription_brings_the_newest_retained_message() {
    for (version, replaced, removed) in [
        (V3_1_1, "MQTT-3.3.1-5", "MQTT-3.3.1-10"),
        (V5, "MQTT-3.3.1-5", "MQTT-3.3.1-6"),
    ] {
        let written = "1> session pub
            1> pub t=old q1 #1 retain
            1< puback #1
            1> pub t=new q1 #2 retain
            1< puback #2
            2> session sub
            2> sub t q0 #9
            ";
        let then = |text: &str| case(version, &[written, text].concat());
        assert_eq!(then("2< pub t=old retain"), [format!("{replaced} broker 4→8")]);
        assert_eq!(then("2< pub t=new retain"), [""; 0]);
        let empty = written.replace("t=new", "t=");
        assert_eq!(
            case(version, &[&empty, "2< pub t=old retain"].concat()),
            [format!("{removed} broker 4→8")]
        );
        // The newer one was not acknowledged when the client subscribed, or came from another client meanwhile.
        let late = written.replace("1< puback #2", "");
        holds(version, &[&late, "2< pub t=old retain"].concat());
        // A message of QoS 2 may be handed over when it is released, which comes after the other one here, or never.
        let released = written
            .replace("old q1", "old q2")
            .replace("1< puback #1", "1< pubrec #1");
        holds(version, &[&released, "2< pub t=old retain"].concat());
        // A shared subscription has none. With Retain As Published, an older message that waited for another member has RETAIN 1.
        let shared = written.replace("2> sub t q0", "2> sub $share/g/t q0");
        holds(version, &[&shared, "2< pub t=old retain"].concat());
        let restarted = written.replace("1< puback #2", "1< puback #2\nrestart");
        holds(version, &[&restarted, "2< pub t=old retain"].concat());
    }
}

#[test]
fn a_will_is_not_published_after_disconnect() {
    for version in Version::ALL {
        let id = if version == Version::V3_1 {
            "§2.2/will-not-on-disconnect"
        } else {
            "MQTT-3.14.4-3"
        };
        let left = "1> session watch
            1> sub w q0 #1
            1< suback q0 #1
            2> session dev will=w:gone
            2> bye
            2> fin
            2< fin
            1< pub w=gone
            ";
        assert_eq!(case(version, left), [format!("{id} broker 5→8")]);
        holds(version, &left.replace("2> bye", ""));
        // Somebody else published the same.
        holds(version, &left.replace("1< pub w=gone", "1> pub w=gone\n1< pub w=gone"));
        // The next connection took the place of this one before it was over for the broker.
        holds(version, &left.replace("2< fin", "3> session dev\n2< fin"));
    }
    // An interval that was 0 cannot be raised: this is no valid DISCONNECT.
    let raised = "1> session watch\n1> sub w q0 #1\n1< suback q0 #1\n2> session dev will=w:gone\n2> bye raise\n2> fin\n2< fin\n1< pub w=gone";
    holds(V5, raised);
    let with_will = "1> session watch\n1> sub w q0 #1\n1< suback q0 #1\n2> session dev will=w:gone\n2> bye code=4\n2> fin\n2< fin\n1< pub w=gone";
    holds(V5, with_will);
}

#[test]
fn properties_are_forwarded_as_they_are() {
    use crate::wire::property::id;
    use crate::wire::{Packet, PropertyValue, Publish, Side};
    let message = |pairs: &[(&str, &str)]| {
        let mut p = Publish {
            topic: "t".into(),
            payload: "a".into(),
            ..Publish::default()
        };
        for (name, value) in pairs {
            let pair = PropertyValue::Pair((*name).into(), (*value).into());
            p.properties.push(id::USER_PROPERTY, pair);
        }
        Packet::Publish(p)
    };
    let sent = [("a", "1"), ("b", "2")];
    for (came, expected) in [
        (&[("a", "1"), ("b", "2")][..], None),
        (&[("b", "2"), ("a", "1")], Some("MQTT-3.3.2-18 broker 4→5")),
        (&[("a", "1")], Some("MQTT-3.3.2-17 broker 4→5")),
        // A pair of the broker's own.
        (&[("a", "1"), ("b", "2"), ("c", "3")], None),
        (&[("a", "1"), ("c", "3")], Some("MQTT-3.3.2-17 broker 4→5")),
    ] {
        let mut player = Player::new(V5, Scope::Case);
        player.say(SUBSCRIBED.trim());
        player.packet(1, Side::Client, &message(&sent));
        player.say("");
        player.say("2> ping");
        player.packet(2, Side::Server, &message(came));
        assert_eq!(player.finish(), Vec::from_iter(expected.map(str::to_owned)));
    }
}

#[test]
fn a_message_like_one_from_before_a_restart_is_not_told_apart() {
    let text = [
        SUBSCRIBED,
        "1> pub t=a q0\nrestart\n1> session pub\n2> session sub keep present\n1> pub t=a q0\n2< pub t=a\n2< pub t=a",
    ];
    for version in [V3_1_1, V5] {
        holds(version, &text.concat().replace("session sub\n", "session sub keep\n"));
    }
}

#[test]
fn a_repeat_after_a_restart_is_no_newer_retained_message() {
    for version in [V3_1_1, V5] {
        let text = "1> session pub keep
            1> pub t=old q2 #1 retain
            restart
            2> session other
            2> pub t=new q2 #1 retain
            2< pubrec #1
            2> pubrel #1
            2< pubcomp #1
            3> session pub keep present
            3> pub t=old q2 #1 dup retain
            3< pubrec #1
            3> pubrel #1
            3< pubcomp #1
            4> session late
            4> sub t q2 #9
            4< suback q2 #9
            4< pub t=new q2 #1 retain";
        holds(version, text);
    }
}
