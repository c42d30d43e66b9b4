//! Histories that hold, that break an invariant, and that leave it open.

use super::notation::{Player, play};
use super::{MOST, Scope};
use crate::wire::Version::{self, V3_1_1, V5};

pub fn captured(version: Version, text: &str) -> Vec<String> {
    play(version, Scope::Capture, text)
}

pub fn holds(version: Version, text: &str) {
    for scope in [Scope::Capture, Scope::Case] {
        assert_eq!(play(version, scope, text), [""; 0], "{version} {scope:?}: {text}");
    }
}

/// A QoS 2 exchange that is cut after PUBREL, and the session that goes on.
const CUT_AFTER_PUBREL: &str = "1> session dev keep
    1> pub t=x q2 #1
    1< pubrec #1
    1> pubrel #1
    1> rst
    2> session dev keep present
    ";

#[test]
fn a_client_does_not_publish_again_after_pubrel() {
    for (version, id) in [(V3_1_1, "MQTT-4.3.3-1"), (V5, "MQTT-4.3.3-6")] {
        let again = [CUT_AFTER_PUBREL, "2> pub t=x q2 #1 dup"].concat();
        assert_eq!(captured(version, &again), [format!("{id} client 2→7")]);
        holds(
            version,
            &[CUT_AFTER_PUBREL, "2> pubrel #1\n2< pubcomp #1\n2> bye"].concat(),
        );
        // The exchange was complete, though its client may not know.
        let complete = CUT_AFTER_PUBREL.replace("1> rst", "1< pubcomp #1\n1> rst");
        holds(version, &[&complete, "2> pub t=y q2 #1"].concat());
        holds(version, &[&complete, "2> pubrel #1"].concat());
        // Bytes are missing: PUBCOMP may be among them.
        let gap = CUT_AFTER_PUBREL.replace("1> rst", "1< gap\n1> rst");
        holds(version, &[&gap, "2> pub t=x q2 #1 dup"].concat());
        // The broker has lost the session.
        let lost = CUT_AFTER_PUBREL.replace(" present", "");
        holds(version, &[&lost, "2> pub t=x q2 #1 dup"].concat());
    }
}

const CUT_AFTER_PUBLISH: &str = "1> session dev keep
    1> pub t=x q1 #1
    1> rst
    2> session dev keep present
    ";

#[test]
fn what_is_repeated_has_dup_and_its_identifier() {
    for (version, in_use) in [(V3_1_1, "MQTT-2.3.1-2"), (V5, "MQTT-2.2.1-3")] {
        let then = |text: &str| captured(version, &[CUT_AFTER_PUBLISH, text].concat());
        assert_eq!(then("2> pub t=x q1 #1"), ["MQTT-3.3.1-1 client 2→5"]);
        assert_eq!(then("2> pub t=y q1 #1"), [format!("{in_use} client 2→5")]);
        assert_eq!(then("2> pub t=x q1 #1 dup\n2< puback #1\n2> pub t=y q1 #1"), [""; 0]);
        // PUBACK was sent: whether the client has read it is not known.
        let acked = CUT_AFTER_PUBLISH.replace("1> rst", "1< puback #1\n1> rst");
        for next in ["2> pub t=x q1 #1 dup", "2> pub t=y q1 #1", "2> pub t=x q1 #2"] {
            holds(version, &[&acked, next].concat());
        }
    }
}

#[test]
fn a_broker_repeats_as_a_client_does() {
    let begun = "9> session other
        1> session dev keep
        1> sub t q1 #9
        1< suback q1 #9
        1< pub t=x q1 #1
        1> rst
        2> session dev keep present
        ";
    for version in [V3_1_1, V5] {
        let then = |text: &str| captured(version, &[begun, text].concat());
        // Another connection shows that the broker was there all the time.
        let up = "9> ping\n9< pong\n2< pub t=x q1 #1\n";
        assert_eq!(then(up), ["MQTT-3.3.1-1 broker 5→10"]);
        assert_eq!(then("2< pub t=x q1 #1 dup\n2> puback #1\n2< pub t=y q1 #1"), [""; 0]);
        let away = begun.replace("9> session other", "");
        assert_eq!(
            captured(version, &[&away, "2< pub t=x q1 #1"].concat()),
            ["MQTT-3.3.1-1 broker unknown 5→8"]
        );
    }
}

#[test]
fn what_was_not_acknowledged_is_sent_again() {
    for version in [V3_1_1, V5] {
        let then = |text: &str| captured(version, &[CUT_AFTER_PUBLISH, text].concat());
        let late = "2> pub t=z q1 #2\n2< puback #2\nwait 21\n2> ping\n2< pong\n2> bye";
        assert_eq!(then(late), ["MQTT-4.4.0-1 client 2→10"]);
        let in_time = late.replace("wait 21", "wait 19");
        assert_eq!(then(&in_time), [""; 0]);
        let again = ["2> pub t=x q1 #1 dup\n", late].concat();
        assert_eq!(then(&again), [""; 0]);
        // The broker had lost the session: 3.1.1 leaves it to the client, 5.0 forbids it.
        let lost = CUT_AFTER_PUBLISH.replace(" present", "");
        assert_eq!(captured(version, &[&lost, late].concat()), [""; 0]);
        // The client is gone: nothing is known of it.
        assert_eq!(then("wait 21\n2< rst"), [""; 0]);
    }
}

#[test]
fn a_broker_that_was_up_sends_again() {
    let begun = "9> session other
        1> session dev keep
        1> sub t q1 #9
        1< suback q1 #9
        1< pub t=x q1 #1
        1> rst
        2> session dev keep present
        wait 21
        2> ping
        2< pong
        ";
    for version in [V3_1_1, V5] {
        let up = [begun, "9> ping\n9< pong\n2> bye"].concat();
        assert_eq!(captured(version, &up), ["MQTT-4.4.0-1 broker 5→13"]);
        let unknown = [begun, "2> bye"].concat();
        assert_eq!(captured(version, &unknown), ["MQTT-4.4.0-1 broker unknown 5→11"]);
        // A client that owes acknowledgements may be the reason.
        let busy = [begun, "2< pub t=z q1 #2\n9> ping\n9< pong\n2> bye"].concat();
        assert_eq!(captured(version, &busy), [""; 0]);
    }
}

#[test]
fn a_session_that_ended_is_not_present() {
    let clean = "1> session dev
        1> bye
        1> fin
        1< fin
        2> session dev keep present
        ";
    for version in [V3_1_1, V5] {
        assert_eq!(captured(version, clean), ["MQTT-3.2.2-3 broker 1→5"]);
        // The broker may not know yet that the connection is over.
        let open = clean.replace("1< fin", "");
        assert_eq!(captured(version, &open), [""; 0]);
        // Who else had this client id in between?
        let unanswered = clean.replace("1< fin", "1< fin\n3> open\n3> connect dev keep\n3> rst");
        assert_eq!(captured(version, &unanswered), [""; 0]);
        let two = clean.replace("2> session dev", "2> session dev user=u");
        assert_eq!(captured(version, &two), [""; 0]);
        holds(version, &clean.replace(" present", ""));
        holds(version, &clean.replace("1> session dev", "1> session dev keep"));
    }
}

#[test]
fn one_connection_of_a_client_id_is_served() {
    for (version, id) in [(V3_1_1, "MQTT-3.1.4-2"), (V5, "MQTT-3.1.4-3")] {
        let both = "1> session dev
            2> session dev
            wait 21
            1> ping
            1< pong
            1> ping
            1< pong
            ";
        for scope in [Scope::Capture, Scope::Case] {
            assert_eq!(play(version, scope, both), [format!("{id} broker 2→5")]);
        }
        holds(version, &both.replace("wait 21", "wait 5"));
        holds(version, &both.replace("2> session dev", "2> session other"));
        // Two users may have two sessions.
        holds(version, &both.replace("2> session dev", "2> session dev user=u"));
    }
}

const TWO: &str = "1> session pub
    2> session sub
    2> sub t q1 #9
    2< suback q1 #9
    1> pub t=a q1 #1
    1> pub t=b q1 #2
    1< puback #1
    1< puback #2
    ";

#[test]
fn messages_of_another_connection_keep_their_order() {
    for (version, id) in [(V3_1_1, "MQTT-4.6.0-6"), (V5, "MQTT-4.6.0-5")] {
        let then = |text: &str| captured(version, &[TWO, text].concat());
        assert_eq!(
            then("2< pub t=b q1 #1\n2< pub t=a q1 #2\n2> bye"),
            [format!("{id} broker 9→10")]
        );
        assert_eq!(then("2< pub t=a q1 #1\n2< pub t=b q1 #2\n2> bye"), [""; 0]);
        // The first `b` was of a client that is not in the capture.
        assert_eq!(
            then("2< pub t=b q1 #1\n2< pub t=a q1 #2\n2< pub t=b q1 #3\n2> bye"),
            [""; 0]
        );
        // A retained message, and a repeat, have no place in the order.
        assert_eq!(
            then("2< pub t=b q1 #1 retain\n2< pub t=a q1 #2\n2< pub t=b q1 #3\n2> bye"),
            [""; 0]
        );
        assert_eq!(then("2< pub t=b q1 #1\n2< pub t=a q1 #2 dup\n2> bye"), [""; 0]);
        // Two subscriptions may bring two copies.
        let overlapping = TWO.replace("1> pub t=a", "2> sub # q1 #8\n2< suback q1 #8\n1> pub t=a");
        let text = [&overlapping, "2< pub t=b q1 #1\n2< pub t=a q1 #2\n2> bye"].concat();
        assert_eq!(captured(version, &text), [""; 0]);
        // Messages that cannot be told apart.
        let alike = TWO.replace("t=b", "t=a");
        assert_eq!(
            captured(
                version,
                &[&alike, "2< pub t=a q1 #1\n2< pub t=a q1 #2\n2> bye"].concat()
            ),
            [""; 0]
        );
    }
    // A shared subscription promises no order.
    let shared = TWO.replace("sub t q1", "sub $share/g/t q1");
    assert_eq!(
        captured(V5, &[&shared, "2< pub t=b q1 #1\n2< pub t=a q1 #2\n2> bye"].concat()),
        [""; 0]
    );
}

#[test]
fn at_qos_2_the_order_is_that_of_publish_and_of_pubrel() {
    let crossed = "1> session pub
        2> session sub
        2> sub t q0 #9
        2< suback q0 #9
        1> pub t=a q2 #1
        1> pub t=b q2 #2
        1< pubrec #1
        1< pubrec #2
        1> pubrel #2
        1> pubrel #1
        ";
    let wrong = crossed.replace(
        "1> pubrel #2\n        1> pubrel #1",
        "1> pubrel #1\n        1> pubrel #2",
    );
    let come = "2< pub t=b\n2< pub t=a\n2> bye";
    assert_eq!(captured(V5, &[crossed, come].concat()), [""; 0]);
    assert_eq!(captured(V5, &[&wrong, come].concat()), ["MQTT-4.6.0-5 broker 11→12"]);
}

#[test]
fn what_was_acknowledged_arrives() {
    for version in [V3_1_1, V5] {
        let then = |scope, text: &str| play(version, scope, &[TWO, text].concat());
        // The later message came, so that the earlier one was lost.
        for scope in [Scope::Capture, Scope::Case] {
            assert_eq!(
                then(scope, "2< pub t=b q1 #1\n2> puback #1\n2> bye"),
                ["MQTT-4.5.0-1 broker 5→11"]
            );
        }
        // Nothing came at all: this client may not be allowed to read the topic.
        let nothing = "wait 21\n2> ping\n2< pong\n2> bye";
        assert_eq!(then(Scope::Capture, nothing), ["MQTT-4.5.0-1 broker unknown 5→12"]);
        assert_eq!(then(Scope::Case, nothing), [""; 0]);
        // Another one of this stream shows that it is.
        let flows = "2< pub t=a q1 #1\n2> puback #1\nwait 21\n2> ping\n2< pong\n2> bye";
        assert_eq!(then(Scope::Capture, flows), ["MQTT-4.5.0-1 broker 6→14"]);
        assert_eq!(then(Scope::Capture, &flows.replace("wait 21", "wait 9")), [""; 0]);
        // It was refused, or its acknowledgement is not seen.
        let refused = TWO.replace("1< puback #1", if version == V5 { "1< puback #1 code=135" } else { "" });
        assert_eq!(
            captured(version, &[&refused, "2< pub t=b q1 #1\n2> puback #1\n2> bye"].concat()),
            [""; 0]
        );
        // The client left the subscription meanwhile.
        assert_eq!(
            then(
                Scope::Capture,
                "2> unsub t #3\n2< unsuback #3\n2< pub t=b q1 #1\n2> bye"
            ),
            [""; 0]
        );
        // The publication came before the subscription was granted.
        let early = TWO
            .replace("2< suback q1 #9", "")
            .replace("1< puback #2", "1< puback #2\n2< suback q1 #9");
        assert_eq!(
            captured(version, &[&early, "2< pub t=b q1 #1\n2> bye"].concat()),
            [""; 0]
        );
        // QoS 0 promises nothing.
        let zero = TWO.replace("sub t q1", "sub t q0").replace("suback q1", "suback q0");
        assert_eq!(captured(version, &[&zero, "2< pub t=b\n2> bye"].concat()), [""; 0]);
        // Bytes of the subscriber are missing.
        assert_eq!(then(Scope::Capture, "2< gap\n2< pub t=b q1 #1\n2> bye"), [""; 0]);
    }
    let expires = TWO.replace("t=a q1 #1", "t=a q1 #1 expiry=1");
    assert_eq!(
        captured(V5, &[&expires, "2< pub t=b q1 #1\n2> puback #1\n2> bye"].concat()),
        [""; 0]
    );
}

#[test]
fn what_was_queued_arrives() {
    let queued = "1> session pub
        2> session sub keep
        2> sub t q1 #9
        2< suback q1 #9
        2> bye
        2< fin
        1> pub t=a q1 #1
        1< puback #1
        1> pub t=b q1 #2
        1< puback #2
        3> session sub keep present
        3< pub t=b q1 #1
        3> puback #1
        3> bye
        ";
    for version in [V3_1_1, V5] {
        // A capture does not show how much the broker queues for a client that is away.
        assert_eq!(captured(version, queued), ["MQTT-4.5.0-1 broker unknown 7→14"]);
        holds(
            version,
            &queued.replace("3< pub t=b q1 #1", "3< pub t=a q1 #2\n3< pub t=b q1 #1"),
        );
        holds(version, &queued.replace("keep present", "keep"));
    }
}

#[test]
fn a_will_comes() {
    let died = "1> session watch
        1> sub w q0 #1
        1< suback q0 #1
        2> session dev will=w:gone
        2> rst
        ";
    for version in Version::ALL {
        let then = |text: &str| captured(version, &[died, text].concat());
        let id = if version == Version::V3_1 {
            "§2.2/will-published"
        } else {
            "MQTT-3.1.2-8"
        };
        let late = "wait 30\n1> ping\n1< pong\n1> bye";
        // Whether the broker saw the end, no capture shows.
        let expected = [format!("{id} broker unknown 5→9")];
        assert_eq!(then(late), expected);
        assert_eq!(then(&["1< pub w=gone\n", late].concat()), [""; 0]);
        assert_eq!(then(&late.replace("wait 30", "wait 3")), [""; 0]);
        let before = died.replace("2> rst", "1< pub w=gone\n2> rst");
        assert_eq!(captured(version, &[&before, late].concat()), [""; 0]);
        let left = died.replace("2> rst", "2> bye\n2> fin");
        assert_eq!(captured(version, &[&left, late].concat()), [""; 0]);
    }
}

#[test]
fn a_restart_leaves_it_open() {
    for version in [V3_1_1, V5] {
        let restarted = TWO.replace("1< puback #2", "1< puback #2\nrestart");
        holds(
            version,
            &[&restarted, "2< pub t=b q1 #1\n2> puback #1\n2> bye"].concat(),
        );
        let cut = CUT_AFTER_PUBLISH.replace("1> rst", "1> rst\nrestart");
        holds(version, &[&cut, "2> pub t=x q1 #1"].concat());
    }
}

#[test]
fn what_the_client_did_wrong_excuses_the_broker() {
    let wrong = TWO.replace("1> pub t=a", "2> junk\n1> pub t=a");
    holds(V5, &[&wrong, "2< pub t=b q1 #1\n2> puback #1\n2> bye"].concat());
}

/// What is held grows with what is open.
#[test]
fn a_long_history_takes_no_more_room() {
    let mut player = Player::new(V3_1_1, Scope::Capture);
    player.say("1> session sub keep\n1> sub t/# q1 #1\n1< suback q1 #1\n9> session pub keep");
    let mut largest = 0;
    for round in 0..3_000u32 {
        let (id, next) = (round % 500 + 1, round + 10);
        player.say(&format!(
            "9> pub t/{}=m{round} q1 #{id}
            1< pub t/{}=m{round} q1 #{id}
            1> puback #{id}
            9< puback #{id}
            {next}> session c{round} will=t:w{round}
            {next}> pub t/x=c{round} q2 #1
            {next}< pubrec #1
            {next}> pubrel #1
            1< pub t/x=c{round} q1 #777
            1> puback #777
            {next}< pubcomp #1
            {next}> bye
            {next}< fin
            end {next}",
            round % 7,
            round % 7,
        ));
        if round == 100 {
            largest = player.checker.size();
        }
    }
    // A client id whose session ended is remembered, up to a bound.
    let clients = 2 * 2_900;
    assert!(
        player.checker.size() < largest + clients + 100,
        "{} at first, {} now",
        largest,
        player.checker.size()
    );
    assert_eq!(player.finish(), [""; 0]);
}

#[test]
fn what_never_comes_takes_bounded_room() {
    let mut player = Player::new(V3_1_1, Scope::Capture);
    player.say("1> session sub\n1> sub # q1 #1\n1< suback q1 #1\n2> session pub");
    for round in 0..20_000u32 {
        let id = round % 60_000 + 1;
        player.say(&format!(
            "2> pub t/{}=m{round} q1 #{id}\n2< puback #{id}",
            round % 3_000
        ));
    }
    assert!(player.checker.size() < 3 * 4_096 + 100, "{}", player.checker.size());
}

#[test]
fn an_invariant_does_not_speak_without_end() {
    let mut player = Player::new(V5, Scope::Capture);
    player.say("1> session dev keep");
    for id in 1..=100 {
        player.say(&format!("1> pub t=m{id} q1 #{id}"));
    }
    player.say("1> rst\n2> session dev keep present");
    for id in 1..=100 {
        player.say(&format!("2> pub t=m{id} q1 #{id}"));
    }
    assert_eq!(player.found.len(), MOST);
}

#[test]
fn what_may_be_too_large_for_a_newer_connection_frees_its_identifier() {
    let text = "1> session sub keep
        1> sub t q1 #9
        1< suback q1 #9
        1< pub t=long q1 #1
        1> rst
        2> open
        2> connect sub keep size=20
        2< connack present
        2< pub t=b q1 #1";
    assert_eq!(captured(V5, text), [""; 0]);
    assert_eq!(
        captured(V5, &text.replace(" size=20", "")),
        ["MQTT-2.2.1-4 broker unknown 4→9"]
    );
}
