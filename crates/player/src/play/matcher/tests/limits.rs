//! "Limits", and "Login".

use super::*;
use crate::play::Limits;
use crate::wire::PropertyValue;
use crate::wire::property::id;

/// What becomes of one step at a broker whose CONNACK and profile say this.
fn sends(step: &str, limit: Option<(u32, PropertyValue)>, limits: Limits) -> Result<(), String> {
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    let mut rig = Rig::idle(V::V5, "c: {}", &format!("  - {step}\n"), settings);
    if let Some((id, value)) = limit {
        rig.connack.properties.push(id, value);
    }
    rig.run();
    match rig.end() {
        PlayEnd::Skipped(reason) => Err(reason),
        PlayEnd::Met => Ok(()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_goes_beyond_the_connack_is_skipped_with_the_figure() {
    let byte = PropertyValue::Byte;
    for (step, limit, words) in [
        ("c -> PUBLISH: { qos: 2 }", (id::MAXIMUM_QOS, byte(1)), "QoS up to 1"),
        (
            "c -> SUBSCRIBE: { filters: [{ filter: $ns, qos: 2 }] }",
            (id::MAXIMUM_QOS, byte(1)),
            "QoS up to 1",
        ),
        (
            "c -> PUBLISH: { retain: true }",
            (id::RETAIN_AVAILABLE, byte(0)),
            "retained",
        ),
        (
            "c -> PUBLISH: { payload: { size: 100, fill: x } }",
            (id::MAXIMUM_PACKET_SIZE, PropertyValue::U32(50)),
            "up to 50 bytes",
        ),
        (
            "c -> PUBLISH: { topic_alias: 3 }",
            (id::TOPIC_ALIAS_MAXIMUM, PropertyValue::U16(2)),
            "aliases up to 2",
        ),
        (
            "c -> together: [PUBLISH: { qos: 1 }, PUBLISH: { qos: 1, packet_id: 2 }]",
            (id::RECEIVE_MAXIMUM, PropertyValue::U16(1)),
            "number 2",
        ),
        (
            "c -> SUBSCRIBE: { filters: [{ filter: $ns/#, qos: 0 }] }",
            (id::WILDCARD_SUBSCRIPTION_AVAILABLE, byte(0)),
            "wildcards",
        ),
        (
            "c -> SUBSCRIBE: { filters: [{ filter: $share/g/$ns, qos: 0 }] }",
            (id::SHARED_SUBSCRIPTION_AVAILABLE, byte(0)),
            "shared",
        ),
    ] {
        let skipped = sends(step, Some(limit.clone()), Limits::default()).expect_err(step);
        assert!(skipped.contains(words), "{skipped}");
        // The step that probes the limit is sent.
        if step.ends_with(" }") && !step.contains("together") {
            let probing = format!("{}, probe: true }}", step.strip_suffix(" }").unwrap_or_default());
            assert_eq!(sends(&probing, Some(limit), Limits::default()), Ok(()), "{probing}");
        }
    }
}

#[test]
fn a_connect_beyond_what_another_client_was_told_is_skipped_and_one_refused_for_its_size_too() {
    let will =
        "  - c -> CONNECT: { will: { topic: $ns/w, qos: 0, payload: { size: 100, fill: x } } }\n  - c <- CONNACK\n";
    let idle = |limits| {
        let settings = Settings {
            limits,
            ..Settings::default()
        };
        Rig::idle(V::V5, "d: {}, c: { connect: false }", will, settings)
    };
    let mut rig = idle(Limits::default());
    rig.connack
        .properties
        .push(id::MAXIMUM_PACKET_SIZE, PropertyValue::U32(100));
    rig.run();
    let PlayEnd::Skipped(why) = rig.end() else {
        panic!("the case is not skipped")
    };
    assert!(why.starts_with("the broker takes packets of up to 100 bytes"), "{why}");
    let refused = |limits| {
        let mut rig = idle(limits);
        rig.run();
        rig.says("c", connack(0x95));
        rig.end()
    };
    let PlayEnd::Skipped(why) = refused(Limits::default()) else {
        panic!("the case is not skipped")
    };
    assert!(why.starts_with("the broker takes no CONNECT of"), "{why}");
    // The profile says that it takes more.
    let profile = Limits {
        maximum_packet_size: Some(5_000),
        ..Limits::default()
    };
    assert!(matches!(refused(profile), PlayEnd::Failed(_)));
}

#[test]
fn what_stays_within_is_sent() {
    assert_eq!(
        sends(
            "c -> PUBLISH: { qos: 1 }",
            Some((id::MAXIMUM_QOS, PropertyValue::Byte(1))),
            Limits::default()
        ),
        Ok(())
    );
    assert_eq!(
        sends(
            "c -> PUBLISH: { qos: 1 }",
            Some((id::RECEIVE_MAXIMUM, PropertyValue::U16(1))),
            Limits::default()
        ),
        Ok(())
    );
}

#[test]
fn what_the_profile_states_counts_like_the_connack() {
    let profile = Limits {
        maximum_qos: Some(1),
        denies: vec!["#".to_owned()],
        ..Limits::default()
    };
    assert!(sends("c -> PUBLISH: { qos: 2 }", None, profile.clone()).is_err());
    let denied = sends(
        "c -> SUBSCRIBE: { filters: [{ filter: '#', qos: 0 }] }",
        None,
        profile.clone(),
    );
    assert!(denied.is_err_and(|r| r.contains("access list refuses the filter #")));
    assert_eq!(sends("c -> PUBLISH: { qos: 1 }", None, profile), Ok(()));
}

#[test]
fn a_grant_below_the_request_is_a_skip_with_both_figures() {
    let mut rig = Rig::new(
        V::V3_1_1,
        "c: {}",
        "  - c -> SUBSCRIBE: { packet_id: 2, filters: [{ filter: $ns, qos: 2 }] }\n  - c <- SUBACK: { packet_id: 2, return_codes: [2] }\n",
    );
    rig.says(
        "c",
        Packet::SubAck(SubAck {
            packet_id: 2,
            reason_codes: vec![1],
            ..SubAck::default()
        }),
    );
    let PlayEnd::Skipped(why) = rig.end() else {
        panic!("the case is not skipped")
    };
    assert_eq!(why, "the broker grants QoS 1 instead of 2");
}

#[test]
fn a_connect_without_a_place_for_the_login_is_skipped_where_one_is_needed() {
    let settings = || Settings {
        login: Some(crate::scenario::Login {
            username: "u".into(),
            password: None,
        }),
        ..Settings::default()
    };
    let connect = "  - c -> bytes: '10 0d 00 04 \"MQTT\" 04 02 00 3c 00 01 \"x\"'\n";
    let mut rig = Rig::idle(V::V3_1_1, "c: { connect: false }", connect, settings());
    rig.run();
    assert!(matches!(rig.end(), PlayEnd::Skipped(_)));
}
