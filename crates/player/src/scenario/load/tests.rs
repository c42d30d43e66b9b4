use super::*;
use crate::scenario::{Expect, ScenarioLevel, Send, SnapshotForm, StepKind, Take, render_all};

fn source(text: &str) -> Arc<Source> {
    Arc::new(Source {
        file: "a.yaml".to_owned(),
        text: text.to_owned(),
    })
}

pub(super) fn load_text(text: &str) -> Scenario {
    load(&source(text), "a").unwrap_or_else(|errors| panic!("{}", render_all(&errors, false)))
}

pub(super) fn messages(text: &str) -> Vec<String> {
    match load(&source(text), "a") {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|e| e.message).collect(),
    }
}

const HEAD: &str = "format: 1\ntitle: T\nversions: [v3.1.1, v5]\nclients: { c: {}, d: {} }\n";

fn steps(text: &str) -> Scenario {
    load_text(&format!("{HEAD}steps:\n{text}"))
}

fn step_errors(text: &str) -> Vec<String> {
    messages(&format!("{HEAD}steps:\n{text}"))
}

const DUP_BEFORE_PUBREL: &str = "\
format: 1
title: A QoS 2 PUBLISH resent with DUP before PUBREL reaches the subscriber once
versions: [v3.1.1, v5]
proves:
  v3.1.1: [MQTT-4.3.3-2]
  v5: [MQTT-4.3.3-10]
clients:
  sub: { subscribe: { $ns/dup: 2 } }      # connected and subscribed before the first step
  pub: {}
steps:
  - pub -> PUBLISH: { topic: $ns/dup, qos: 2, packet_id: 7, payload: once }
  - pub <- PUBREC:  { packet_id: 7 }
  - pub -> PUBLISH: { topic: $ns/dup, qos: 2, packet_id: 7, payload: once, dup: true }
  - pub <- PUBREC:  { packet_id: 7 }
  - pub -> PUBREL:  { packet_id: 7 }
  - pub <- PUBCOMP: { packet_id: 7 }
  - sub <- PUBLISH: { topic: $ns/dup, qos: 2, packet_id: $m, payload: once, dup: false }
  - sub -> PUBREC:  { packet_id: $m }     # $m was bound by the line above
  - sub <- PUBREL:  { packet_id: $m }
  - sub -> PUBCOMP: { packet_id: $m }
  - sub <- nothing
";

#[test]
fn the_example_of_the_design_is_loaded() {
    let text = DUP_BEFORE_PUBREL;
    let scenario = load(&source(text), "qos2/dup-before-pubrel").unwrap();
    let ids: Vec<&str> = scenario.cases.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids, ["qos2/dup-before-pubrel@v3.1.1", "qos2/dup-before-pubrel@v5"]);
    let case = &scenario.cases[1];
    assert_eq!(case.proves[0].to_string(), "v5:MQTT-4.3.3-10");
    assert_eq!(case.script.steps.len(), 11);
    let last = &case.script.steps[10];
    assert_eq!((last.number, last.place.line, last.place.column), (10, 21, 5));
    assert_eq!(&text[last.place.span.clone()], "sub <- nothing");
    let fourth = &case.script.steps[3];
    assert_eq!(&text[fourth.place.span.clone()], "pub <- PUBREC:  { packet_id: 7 }");
    assert!(case.script.clients[0].subscribe.is_some());
}

#[test]
fn every_kind_of_step_is_read() {
    let scenario = steps(
        "  - c -> open
  - c -> half close
  - c -> PUBLISH: { qos: 1, split: [1, 1, 3], pause: 5ms, probe: true }
  - c -> bytes: 'c0 00'
  - c -> frame: { hex: '30 s\"$ns\"', split: 1 }
  - c -> together: [CONNECT: {}, PINGREQ, bytes: 'c0 00']
  - c <- next PUBLISH: { payload: 007, within: 3s..15s }
  - c <- maybe PUBLISH
  - c <- bytes: '40 02 .. ...'
  - c <- nothing: 3s
  - c <- closed: { within: 1.5s }
  - c <- refused: 0x81 or 0x82
  - c <- one of: [PUBACK: { reason_code: any }, closed, [refused, nothing]]
  - d <- in any order: [PINGRESP, PUBACK, maybe PUBLISH]
  - one of: [[c <- PINGRESP], [d <- PINGRESP]]
  - repeat: { times: 100, steps: [c -> PUBLISH: { payload: '$i' }, c <- PINGRESP] }
  - wait: 1.5s
  - note: text
"
        .replace("closed, [refused, nothing]", "closed")
        .replace("reason_code: any", "packet_id: 1")
        .as_str(),
    );
    let all = &scenario.cases[0].script.steps;
    assert_eq!(all.len(), 18);
    let StepKind::Send {
        what: Send::Write(write),
        ..
    } = &all[2].what
    else {
        panic!("{:?}", all[2]);
    };
    assert!(write.probe && write.pause.as_millis() == 5);
    let StepKind::Expect {
        what: Expect::Packet(next),
        ..
    } = &all[6].what
    else {
        panic!("{:?}", all[6]);
    };
    assert_eq!(next.how, Take::Next);
    assert_eq!(next.within.to.unwrap().as_secs(), 15);
    // Steps are counted with those inside of others.
    assert_eq!(all[13].number, 15);
    assert_eq!(all[17].number, 26);
}

#[test]
fn what_applies_at_one_version_is_there_at_that_version() {
    let scenario = steps(
        "  - c -> PUBLISH: { topic: $ns, v5: { topic_alias: 3 } }
  - only v5: [c -> PINGREQ, c <- PINGRESP]
  - c <- refused: { v3.1.1: 5, v5: 0x87 }
  - c <- PINGRESP
",
    );
    let [old, new] = scenario.cases.as_slice() else {
        panic!()
    };
    assert_eq!((old.script.steps.len(), new.script.steps.len()), (3, 5));
    let fields = |case: &Case| match &case.script.steps[0].what {
        StepKind::Send {
            what: Send::Write(w), ..
        } => match &w.parts[0] {
            crate::scenario::Part::Packet(t) => t.fields.iter().map(|f| f.name.clone()).collect::<Vec<_>>(),
            part => panic!("{part:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(fields(old), ["topic"]);
    assert_eq!(fields(new), ["topic", "topic_alias"]);
}

#[test]
fn rows_make_cases() {
    let scenario = load_text(
        "format: 1
title: $packet ($name) is $what
versions: [v3.1.1, v5]
proves: { v3.1.1: [MQTT-2.2.2-2], v5: ['MQTT-$s-1'] }
each:
  - { packet: PUBREL, what: odd, s: 3.1.0, fields: { packet_id: 7 } }
  - { packet: PUBREC, what: even, s: 3.1.0, fields: {}, name: two, versions: [v5], proves: [MQTT-2.1.3-1] }
clients: { c: {} }
steps:
  - c -> $packet: $fields
  - c <- PINGRESP
",
    );
    let ids: Vec<&str> = scenario.cases.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids, ["a[PUBREL]@v3.1.1", "a[PUBREL]@v5", "a[two]@v5"]);
    assert_eq!(scenario.cases[2].title, "PUBREC (two) is even");
    let proved: Vec<&str> = scenario.cases[2].proves.iter().map(|s| s.id).collect();
    assert_eq!(proved, ["MQTT-3.1.0-1", "MQTT-2.1.3-1"]);
}

#[test]
fn a_row_has_conditions_and_steps_of_its_own() {
    let scenario = load_text(
        "format: 1
title: T
versions: [v3.1.1, v5]
needs: [max_qos: 2]
tags: [sessions]
timeout: 5s
each:
  - { name: close, how: c -> close }
  - name: kill
    how: [wait: 2.5s, broker: kill]
    needs: [restart, durable, max_qos: 2]
    level: should
    timing: true
    tags: [slow]
    timeout: 60s
clients: { c: {} }
steps:
  - $how
  - c -> reconnect
",
    );
    let conditions: Vec<_> = scenario.cases.iter().map(|c| (*c.conditions).clone()).collect();
    let [close, kill] = [&conditions[0], &conditions[2]];
    let needs = |c: &Conditions| c.needs.iter().map(|n| n.feature.clone()).collect::<Vec<_>>();
    assert_eq!(needs(close), ["max_qos"]);
    assert_eq!(needs(kill), ["max_qos", "restart", "durable"]);
    assert_eq!((close.level, kill.level), (ScenarioLevel::Must, ScenarioLevel::Should));
    assert_eq!(close.tags, ["sessions"]);
    assert_eq!(kill.tags, ["sessions", "slow", "timing"]);
    assert_eq!((close.timeout.as_secs(), kill.timeout.as_secs()), (5, 60));
    let lengths: Vec<usize> = scenario.cases.iter().map(|c| c.script.steps.len()).collect();
    assert_eq!(lengths, [4, 4, 5, 5]);
    assert!(Arc::ptr_eq(
        &scenario.cases[0].conditions,
        &scenario.cases[1].conditions
    ));
    assert!(!scenario.cases[0].is_timed() && scenario.cases[2].is_timed());
    assert!(!scenario.cases[0].script.restarts() && scenario.cases[2].script.restarts());
}

#[test]
fn a_column_may_have_other_values_at_each_version() {
    let each = |each: &str| {
        format!(
            "format: 1
title: T
versions: [v3.1.1, v5]
each:
{each}clients: {{ c: {{}} }}
steps:
  - c -> PUBACK: {{ packet_id: 1, truncate: $cut, append: $more }}
  - c <- PINGRESP
"
        )
    };
    let scenario = load_text(&each(
        "  cut: { v3.1.1: [1, 2], v5: [2, 3] }\n  more: [{ name: a, value: '00' }, { name: b, value: '01' }]\n",
    ));
    let ids: Vec<&str> = scenario.cases.iter().map(|c| c.id.as_str()).collect();
    let expected = [
        "a[1.a]@v3.1.1",
        "a[1.b]@v3.1.1",
        "a[2.a]@v3.1.1",
        "a[2.a]@v5",
        "a[2.b]@v3.1.1",
        "a[2.b]@v5",
        "a[3.a]@v5",
        "a[3.b]@v5",
    ];
    assert_eq!(ids, expected);
    let missing = messages(&each("  cut: { v5: [2, 3] }\n  more: ['00']\n"));
    assert!(missing[0].contains("no values at v3.1.1"), "{missing:?}");
    let stranger = messages(&each("  cut: { v3.1: [1], v3.1.1: [1], v5: [1] }\n  more: ['00']\n"));
    assert!(stranger[0].contains("not played at v3.1"), "{stranger:?}");
}

#[test]
fn columns_make_a_row_a_combination() {
    let scenario = load_text(
        "format: 1
title: T
versions: [v5]
each:
  packet: [PUBACK, PUBREC]
  id: [1, { name: max, value: 0xffff }]
clients: { c: {} }
steps:
  - c -> $packet: { packet_id: $id }
  - c <- PINGRESP
",
    );
    let ids: Vec<&str> = scenario.cases.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "a[PUBACK.1]@v5",
            "a[PUBACK.max]@v5",
            "a[PUBREC.1]@v5",
            "a[PUBREC.max]@v5"
        ]
    );
}

#[test]
fn variables_need_a_value_before_they_are_sent() {
    assert_eq!(
        step_errors("  - c -> PUBACK: { packet_id: $m }\n  - c <- PINGRESP\n"),
        ["`$m` has no value here"]
    );
    assert!(step_errors("  - c <- PUBLISH: { packet_id: $m }\n  - c -> PUBACK: { packet_id: $m }\n").is_empty());
    assert_eq!(
        step_errors(
            "  - c <- maybe PUBLISH: { packet_id: $m }\n  - c -> PUBACK: { packet_id: $m }\n  - c <- PINGRESP\n"
        )
        .len(),
        1
    );
    assert_eq!(
        step_errors("  - c <- PUBLISH: { packet_id: not $m }\n"),
        ["`$m` has no value here"]
    );
    assert!(step_errors("  - c -> PUBLISH: { payload: '$c.receive_maximum' }\n  - c <- PINGRESP\n").is_empty());
    assert_eq!(
        step_errors("  - c -> PUBLISH: { payload: '$x.receive_maximum' }\n  - c <- PINGRESP\n"),
        ["`$x.receive_maximum` names no client"]
    );
    assert_eq!(
        step_errors(
            "  - one of: [[c <- PUBACK: { packet_id: $m }], [c <- PUBREC: { packet_id: $n }]]\n  - c -> PUBREL: { packet_id: $m }\n"
        ),
        ["`$m` has no value here"]
    );
}

#[test]
fn a_control_is_needed_where_all_is_closed() {
    let wanted = "the only expectation is a close or refusal, and there is no `control`";
    assert_eq!(step_errors("  - c <- closed\n"), [wanted]);
    assert_eq!(step_errors("  - c <- nothing\n  - c <- refused\n"), [wanted]);
    assert_eq!(step_errors("  - c <- one of: [PUBACK, closed]\n"), [wanted]);
    assert!(step_errors("  - c <- one of: [PUBACK, PUBREC]\n  - c <- closed\n").is_empty());
    assert!(step_errors("  - c <- closed\ncontrol: [c <- PINGRESP]\n").is_empty());
}

#[test]
fn alternatives_are_told_apart() {
    let ambiguous = "this alternative could take the same first packet as another";
    assert_eq!(
        step_errors("  - c <- one of: [PUBACK: { packet_id: 1 }, PUBACK: { packet_id: $m }]\n"),
        [ambiguous]
    );
    assert!(step_errors("  - c <- one of: [PUBLISH: { payload: a }, PUBLISH: { payload: b }]\n").is_empty());
    assert!(step_errors("  - one of: [[c <- PUBLISH], [d <- PUBLISH]]\n").is_empty());
    let v5 = "  - only v5: [c <- one of: [PUBACK: { packet_id: 1 }, PUBACK: { packet_id: 1, reason_code: 0x87 }]]\n  - c <- PINGRESP\n";
    assert!(step_errors(v5).is_empty());
}

#[test]
fn names_carry_the_namespace() {
    assert_eq!(
        step_errors("  - c -> PUBLISH: { topic: a }\n  - c <- PINGRESP\n"),
        ["a topic without `$ns`"]
    );
    assert_eq!(
        step_errors("  - c -> SUBSCRIBE: { filters: { a/#: 1 } }\n  - c <- SUBACK\n"),
        ["a filter without `$ns`"]
    );
    assert!(
        step_errors("  - c -> SUBSCRIBE: { filters: { '#': 1, $SYS/#: 0, +/$ns: 1 } }\n  - c <- SUBACK\n").is_empty()
    );
    assert!(step_errors("  - c -> CONNECT: { client_id: '' }\n  - c <- CONNACK\n").is_empty());
    assert!(step_errors("  - c -> PUBLISH: { topic: { hex: 'c3 28' } }\n  - c <- PINGRESP\n").is_empty());
}

#[test]
fn all_errors_come_in_one_go_each_once() {
    let errors = messages(
        "format: 1
title: T
versions: [v3.1.1, v5]
proves: { v3.1.1: [MQTT-9.9.9-9], v5: [] }
clients: { c: {} }
steps:
  - c -> PUBLISH: { tpoic: $ns, qos: 4 }
  - x <- PUBACK
",
    );
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors[0].starts_with("no statement `MQTT-9.9.9-9`"));
    assert!(errors[1].starts_with("PUBLISH has no field `tpoic`"));
    assert!(errors[2].starts_with("4 is more than 3"));
    assert!(errors[3].starts_with("no client `x`"));
}

#[test]
fn a_rows_value_has_its_versions_too() {
    let scenario = load_text(
        "format: 1
title: T
versions: [v3.1.1, v5]
each:
  - { name: one, fields: { qos: 1, v5: { topic_alias: 3 } } }
clients: { c: {} }
steps:
  - c -> PUBLISH: $fields
  - c <- PUBACK
",
    );
    let fields = |case: &Case| match &case.script.steps[0].what {
        StepKind::Send {
            what: Send::Write(w), ..
        } => match &w.parts[0] {
            crate::scenario::Part::Packet(t) => t.fields.len(),
            part => panic!("{part:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!((fields(&scenario.cases[0]), fields(&scenario.cases[1])), (1, 2));
}

#[test]
fn a_version_without_a_step_is_an_error() {
    assert_eq!(
        step_errors("  - only v5: [c <- PINGRESP]\n"),
        ["there is no step at v3.1.1"]
    );
}

mod hostile {
    use super::*;
    use proptest::prelude::*;

    const WHOLE: &str = "format: 1
title: $packet is größer
versions: [v3.1.1, v5]
proves: { v3.1.1: [MQTT-2.2.2-2], v5: ['MQTT-$s-1'] }
needs: [restart, max_packet: 3]
each:
  - { packet: PUBREL, s: 3.1.0, fields: { packet_id: 7, v5: { reason_code: 0 } } }
clients: { c: { connect: { keep_alive: 1 }, subscribe: { $ns/a: 1 } }, d: { acks: auto } }
steps:
  - c -> $packet: $fields
  - c -> bytes: |   # comment
      30 s\"$ns/ö\" 00 03|$login
  - c <- PUBLISH: { packet_id: $m }
  - c <- one of: [PUBACK: { packet_id: $m }, closed: { within: 3s..15s }]
  - c <- PUBLISH: { topic: '${ns}x', payload: not $m or any, packet_id: 5..9 }
  - repeat: { times: 3, steps: [d -> PUBLISH: { payload: '$i', v5: { user_properties: [[a, b]] } }] }
  - only v5: [d <- refused: 0x81 or 0x82]
control: [c <- PINGRESP]
";

    /// Neither panics nor yields a place outside of the file.
    fn survives(text: String) {
        let source = source(&text);
        if let Err(errors) = load(&source, "a") {
            assert!(!errors.is_empty());
            for error in &errors {
                assert!(
                    text.get(error.place.span.clone()).is_some() || error.source.text.is_empty(),
                    "{error:?}"
                );
            }
            assert!(!render_all(&errors, false).is_empty());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\nöß€]{0,80}") {
            survives(text);
        }

        #[test]
        fn any_change_of_a_scenario_is_read_or_refused(
            at in 0..WHOLE.chars().count(),
            cut in 0usize..12,
            with in "[ -~\nö]{0,6}",
        ) {
            let before: String = WHOLE.chars().take(at).collect();
            let after: String = WHOLE.chars().skip(at + cut).collect();
            survives(format!("{before}{with}{after}"));
        }
    }

    #[test]
    fn the_scenario_that_is_changed_is_right() {
        let errors = load(&source(WHOLE), "a").err().unwrap_or_default();
        assert!(errors.is_empty(), "{}", render_all(&errors, false));
    }
}

#[test]
fn silence_before_the_connack_needs_a_time() {
    let opened = "  - c -> open\n  - c -> CONNECT: {}\n";
    let told = ["`nothing` before the CONNACK needs a time"];
    assert_eq!(
        step_errors(&format!("{opened}  - c <- nothing\n  - c <- CONNACK\n")),
        told
    );
    assert!(step_errors(&format!("{opened}  - c <- nothing: 1s\n  - c <- CONNACK\n")).is_empty());
    assert!(step_errors(&format!("{opened}  - c <- CONNACK\n  - c <- nothing\n")).is_empty());
    assert!(step_errors(&format!("{opened}  - d <- nothing\n  - c <- CONNACK\n")).is_empty());
    let raw = "format: 1\ntitle: T\nversions: [v5]\nclients: { c: { connect: false } }\nsteps:\n  - c <- nothing\n  - c -> CONNECT: {}\n  - c <- CONNACK\n";
    assert_eq!(messages(raw), told);
}

#[test]
fn an_alternative_begins_with_what_is_waited_for() {
    let told = ["an alternative starts with the packet that selects it: `c <- ...`, without `maybe`"];
    let one_of = |first: &str| format!("  - one of:\n      - [{first}, c <- PINGRESP]\n      - [d <- PINGRESP]\n");
    assert_eq!(step_errors(&one_of("c -> PINGREQ")), told);
    assert!(step_errors(&one_of("c <- PUBLISH")).is_empty());
    assert!(step_errors(&one_of("in any order: [c <- PUBLISH, c <- UNSUBACK]")).is_empty());
}

/// A file with twenty thousand wrong names took minutes: for each the nearest right one was looked for.
#[test]
fn of_many_errors_the_first_are_told() {
    let wrong: Vec<String> = (0..20_000).map(|i| format!("MQTT-9.{i}")).collect();
    let steps = "steps:\n  - c -> PINGREQ\n";
    let text = format!(
        "format: 1\ntitle: t\nversions: [v5]\nproves: [{}]\nclients: {{ c: {{}} }}\n{steps}",
        wrong.join(", ")
    );
    let messages = messages(&text);
    assert_eq!(messages.len(), 101);
    assert!(messages[99].contains("MQTT-9.99"), "{}", messages[99]);
    assert_eq!(messages[100], "there are more errors, which are not shown");
}

#[test]
fn keys_that_change_how_a_case_is_played_select_it_too() {
    let of = |keys: &str| {
        let steps = "steps: [c -> PINGREQ, c <- PINGRESP]\n";
        let scenario = load_text(&format!("{HEAD}{keys}{steps}"));
        ((*scenario.cases[0].conditions).clone(), scenario.header.snapshot)
    };
    let (all, snapshot) = of("tags: [mine]\ntiming: true\nheavy: true\nsnapshot: sent\n");
    assert!(all.timing && all.heavy && snapshot == SnapshotForm::Sent);
    assert_eq!(all.tags, ["mine", "timing", "heavy", "varied"]);
    assert_eq!(of("snapshot: table\n").0.tags, ["grid"]);
    let (none, snapshot) = of("timing: false\n");
    assert_eq!((none, snapshot), (Conditions::default(), SnapshotForm::Exchange));
}
