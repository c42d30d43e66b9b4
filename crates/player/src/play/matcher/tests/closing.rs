//! "Closing and silence", without the fences, and "Time".

use super::*;

#[test]
fn closed_is_met_when_the_broker_closes_and_nothing_came_before() {
    let steps = "  - c <- closed\n";
    let mut rig = Rig::v5(steps);
    rig.closes("c");
    rig.met();
    Rig::v5(steps).fails("the connection is still open");
    let mut rig = Rig::v5(steps);
    rig.says("c", goodbye(0x81));
    rig.fails("DISCONNECT with 0x81 came before");
}

#[test]
fn refused_takes_the_goodbye_of_5_0_and_advises_on_its_code() {
    let steps = "  - c <- refused: 0x81 or 0x82\n";
    for (code, advice) in [
        (Some(0x81), ""),
        (Some(0x80), "the reason code is 0x80"),
        (None, "without saying why"),
    ] {
        let mut rig = Rig::v5(steps);
        if let Some(code) = code {
            rig.says("c", goodbye(code));
        }
        rig.closes("c");
        let given = rig.met();
        assert_eq!(given.is_empty(), advice.is_empty(), "{given:?}");
        assert!(given.iter().all(|a| a.contains(advice)), "{given:?}");
    }
    let mut rig = Rig::v5(steps);
    rig.says("c", goodbye(0x00));
    rig.closes("c");
    rig.fails("DISCONNECT came before");
}

#[test]
fn refused_without_a_code_or_with_any_gives_no_advice() {
    for steps in ["  - c <- refused\n", "  - c <- refused: any\n"] {
        for code in [None, Some(0x99)] {
            let mut rig = Rig::v5(steps);
            if let Some(code) = code {
                rig.says("c", goodbye(code));
            }
            rig.closes("c");
            assert_eq!(rig.met(), Vec::<String>::new());
        }
    }
}

#[test]
fn before_the_connack_a_connack_with_a_code_refuses_and_a_disconnect_does_not() {
    let steps = "  - c -> CONNECT: {}\n  - c <- refused\n";
    let clients = "c: { connect: false }";
    for version in [V::V3_1_1, V::V5] {
        let mut rig = Rig::new(version, clients, steps);
        rig.says("c", connack(if version == V::V5 { 0x85 } else { 2 }));
        rig.closes("c");
        rig.met();
    }
    let mut rig = Rig::new(V::V5, clients, steps);
    rig.says("c", goodbye(0x81));
    rig.closes("c");
    rig.fails("came before");
}

#[test]
fn in_3_1_1_nothing_may_come_before_the_close() {
    let mut rig = Rig::v3("  - c <- refused\n");
    rig.bytes("c", &[0xe0, 0x00]);
    rig.closes("c");
    rig.fails("came before the connection was closed");
}

#[test]
fn an_end_that_no_step_expects_is_a_failure() {
    let mut rig = Rig::v3("  - d <- PINGRESP\n");
    rig.closes("c");
    rig.says("d", Packet::PingResp);
    rig.fails("the broker closed the connection of c");
}

#[test]
fn a_disconnect_as_the_last_step_sends_fin_and_drains() {
    let mut rig = Rig::v3("  - c -> DISCONNECT\n  - d -> PINGREQ\n  - d <- PINGRESP\n");
    assert_eq!(rig.ends, [("c".to_owned(), End::Fin)]);
    assert!(
        rig.sent_by("d", Author::Script).is_empty(),
        "it waits for the broker to close"
    );
    rig.closes("c");
    rig.says("d", Packet::PingResp);
    rig.met();
}

#[test]
fn a_disconnect_with_more_steps_of_that_client_sends_no_fin() {
    for more in [
        "  - c -> PINGREQ\n",
        "  - c <- closed\n",
        "  - one of: [[d <- PINGRESP], [c <- closed]]\n",
        "  - repeat: { times: 1, steps: [c <- closed] }\n",
    ] {
        let rig = Rig::v3(&format!("  - c -> DISCONNECT\n{more}"));
        assert!(rig.ends.is_empty(), "{more}");
    }
    // Behind the end of a `repeat`, and in its next turn: only the last one ends the connection.
    let rig = Rig::v3("  - repeat: { times: 1, steps: [c -> DISCONNECT] }\n  - c <- closed\n");
    assert!(rig.ends.is_empty());
    let rig = Rig::v3("  - repeat: { times: 2, steps: [c -> DISCONNECT] }\n");
    let said = rig.sent_by("c", Author::Script);
    assert_eq!((said.len(), rig.ends.len()), (2, 1));
}

#[test]
fn close_drains_until_the_broker_closes_or_patience_ends() {
    let steps = "  - c -> close\n  - d -> PINGREQ\n  - d <- PINGRESP\n";
    let mut rig = Rig::v3(steps);
    assert!(rig.sent_by("d", Author::Script).is_empty());
    rig.after(1_999);
    assert!(rig.sent_by("d", Author::Script).is_empty());
    rig.after(1);
    assert_eq!(rig.sent_by("d", Author::Script), ["PINGREQ"]);
    rig.says("d", Packet::PingResp);
    rig.met();
}

#[test]
fn settle_is_waited_after_a_close() {
    let settings = Settings {
        settle: Duration::from_millis(50),
        ..Settings::default()
    };
    let steps = "  - c -> close\n  - c -> open\n";
    let mut rig = Rig::idle(V::V3_1_1, "c: {}", steps, settings);
    rig.run();
    while rig.ends.is_empty() {
        rig.after(50);
    }
    let opened = |rig: &Rig| {
        rig.matcher
            .events
            .iter()
            .filter(|e| matches!(e.what, What::Open))
            .count()
    };
    rig.closes("c");
    assert_eq!(opened(&rig), 1);
    rig.after(50);
    assert_eq!(opened(&rig), 2);
}

#[test]
fn a_restart_ends_every_connection_and_allows_the_goodbye_of_a_shutdown() {
    for code in [0x80, 0x89, 0x8b, 0x98, 0x9c, 0x9d] {
        let mut rig = Rig::v5("  - wait: 1ms\n");
        rig.says("c", goodbye(code));
        rig.note_at("", 0, None, Author::Script, What::Lifecycle(Lifecycle::Restart));
        rig.run();
        rig.met();
    }
}

#[test]
fn within_counts_from_the_end_of_the_previous_step() {
    let steps = "  - wait: 1s\n  - c <- PINGRESP: { within: 3s..5s }\n";
    for (ms, ends) in [
        (1_900, false),
        (2_500, true),
        (3_000, true),
        (5_000, true),
        (5_001, false),
    ] {
        let mut rig = Rig::v3(steps);
        rig.after(1_000);
        rig.now += Duration::from_millis(ms);
        rig.hear("c", &[0xd0, 0x00]);
        rig.run();
        let early = (2_000..3_000).contains(&ms);
        if ends {
            assert_eq!(rig.met().len(), usize::from(early), "{ms}")
        } else {
            assert!(matches!(rig.end(), PlayEnd::Failed(_)), "{ms}")
        }
    }
}

#[test]
fn patience_starts_anew_while_bytes_of_the_packet_keep_coming() {
    let mut rig = Rig::v3("  - c <- PINGRESP\n");
    rig.after(1_500);
    rig.partial("c");
    rig.after(1_000);
    assert!(!rig.is_over());
    rig.says("c", Packet::PingResp);
    rig.met();
    let mut rig = Rig::v3("  - c <- PINGRESP\n");
    rig.after(2_000);
    rig.fails("no PINGRESP came within 2 s");
}
