//! The oracle finds nothing in an obedient broker, and finds faults in a disobedient one.

use std::sync::Arc;

use super::*;
use crate::reference::{Combined, Config, Disobey, Free, packs};
use crate::statements::ids;
use crate::transcript::{Author, Transcript, What};
use crate::wire::{Side, Version};

pub fn obedient() -> Arc<Config> {
    Arc::new(Config::default())
}

pub fn disobeying(token: &str) -> Arc<Config> {
    Arc::new(Config {
        disobey: Disobey::parse(token).expect("a statement that can be disobeyed"),
        ..Config::default()
    })
}

fn free(names: &str) -> Arc<Config> {
    let config = Config {
        free: Free::parse(names).expect("a freedom with a switch"),
        ..Config::default()
    };
    Arc::new(config.with_free_limits())
}

/// The transcript as lines, for a test that fails.
pub fn show(transcript: &Transcript) -> String {
    let line = |(n, e): (usize, &crate::transcript::Event)| {
        let what = match &e.what {
            What::Packet { decoded, .. } => format!("{:?}", decoded.packet),
            other => format!("{other:?}"),
        };
        let way = if e.author == Author::Peer { "<-" } else { "->" };
        format!(
            "{n:3} {:>9.4} {} #{} {way} {what}",
            e.at.as_secs_f64(),
            e.client,
            e.connection
        )
    };
    transcript
        .events
        .iter()
        .enumerate()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first finding in the sequences of these seeds, made short, as text.
fn first_finding(config: &Arc<Config>, seeds: std::ops::Range<u64>) -> Option<String> {
    for seed in seeds {
        let (sequence, transcript) = generate_and_play(config, seed);
        if let Some(verdict) = judge(&transcript).into_iter().next() {
            let short = shrink(config, &sequence, &verdict);
            let transcript = play(config, &short);
            return Some(format!(
                "seed {seed}: {} {} at {}: {}\n{short}\n{}",
                verdict.rule,
                verdict.statement,
                verdict.event,
                verdict.text,
                show(&transcript)
            ));
        }
    }
    None
}

/// How many of the first sequences an environment variable asks for.
pub fn count(usual: u64) -> u64 {
    let wanted = std::env::var("FUZZ_SEQUENCES").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn nothing_is_found_in_an_obedient_broker() {
    let found = first_finding(&obedient(), 0..count(2000));
    assert!(found.is_none(), "{}", found.unwrap_or_default());
}

#[test]
fn a_seed_gives_one_sequence_and_playing_it_gives_one_transcript() {
    let config = obedient();
    for seed in 0..50 {
        let (sequence, transcript) = generate_and_play(&config, seed);
        assert_eq!(sequence, generate(&config, seed));
        assert_eq!(show(&transcript), show(&play(&config, &sequence)));
    }
}

#[test]
fn clients_send_nothing_malformed_whatever_is_left_out() {
    let config = obedient();
    for seed in 0..200 {
        let mut sequence = generate(&config, seed);
        let drop = seed as usize % sequence.actions.len();
        sequence.actions.remove(drop);
        sequence.actions.retain(|action| !matches!(action.act, Act::Violate(_)));
        let transcript = play(&config, &sequence);
        for event in transcript
            .events
            .iter()
            .filter(|e| e.side(Side::Client) == Side::Client)
        {
            let breaches = event.packet().map(|d| d.breaches.clone()).unwrap_or_default();
            assert!(breaches.is_empty(), "seed {seed}: {breaches:?}");
        }
    }
}

#[test]
fn nothing_is_found_under_any_freedom_of_the_core() {
    for set in packs() {
        let names = set.join(",");
        let found = first_finding(&free(&names), 0..count(40));
        assert!(found.is_none(), "{names}: {}", found.unwrap_or_default());
    }
}

/// A repeat without DUP is neither a second copy nor late.
#[test]
fn a_repeat_without_dup_breaks_one_statement() {
    let config = disobeying("v5:MQTT-3.3.1-1");
    let mut seen = 0;
    for seed in 0..count(600) {
        let (_, transcript) = generate_and_play(&config, seed);
        for verdict in judge(&transcript) {
            let id = verdict.statement.id;
            let is_dup = matches!(id, "MQTT-3.3.1-1" | "§2.1/dup-on-redelivery");
            assert!(is_dup, "seed {seed}: {id} {}", verdict.text);
            seen += 1;
        }
    }
    assert!(seen > 0);
}

/// Bits that 3.1 leaves unused should be 0.
#[test]
fn what_goes_against_a_should_is_no_violation() {
    const BITS: &str = "§2.6/unused-bits";
    let config = disobeying("v3.1:§2.6/unused-bits");
    let mut seen = 0;
    for seed in 0..count(100) {
        let (_, transcript) = generate_and_play(&config, seed);
        seen += crate::rules::check(&transcript)
            .iter()
            .filter(|f| f.statement.id == BITS)
            .count();
        assert!(judge(&transcript).iter().all(|v| v.statement.id != BITS), "seed {seed}");
    }
    assert!(seen > 0);
}

#[test]
fn a_fault_is_found_and_made_short() {
    for token in [
        "v3.1.1:MQTT-4.4.0-1",
        "v5:MQTT-3.3.4-9",
        "combined:resume-keeps-packet-size",
    ] {
        let config = disobeying(token);
        let found = (0..500).find_map(|seed| {
            let (sequence, transcript) = generate_and_play(&config, seed);
            judge(&transcript).into_iter().next().map(|verdict| (sequence, verdict))
        });
        let (sequence, verdict) = found.unwrap_or_else(|| panic!("{token} is not found"));
        let short = shrink(&config, &sequence, &verdict);
        assert!(
            judge(&play(&config, &short)).iter().any(|v| v.is_like(&verdict)),
            "{token}"
        );
        assert!(judge(&play(&obedient(), &short)).is_empty(), "{token}");
        assert!(short.actions.len() <= 12, "{token}: {short}");
    }
}

pub fn token(fault: Combined) -> String {
    format!("combined:{}", fault.name())
}

/// Exchanges that use one feature each.
fn plain(version: Version) -> Vec<Sequence> {
    let connect = |clean| {
        Act::Connect(Connection {
            clean,
            expiry: if clean { 0 } else { 300 },
            automatic: true,
            ..Connection::default()
        })
    };
    let subscribe = |qos| Act::Subscribe {
        filters: vec![(0, qos)],
        id: None,
    };
    let publish = |qos, retain| {
        Act::Publish(Message {
            qos,
            retain,
            size: 1,
            ..Message::default()
        })
    };
    let will = Act::Connect(Connection {
        clean: true,
        automatic: true,
        will: Some(WillMessage {
            qos: 1,
            retain: true,
            ..WillMessage::default()
        }),
        ..Connection::default()
    });
    let leave = Act::Disconnect { code: 0, expiry: None };
    let cut = Act::Cut { reset: true };
    let both = |clean| vec![(0, connect(clean)), (1, connect(true)), (0, subscribe(2))];
    let mut lists = Vec::new();
    for qos in 0..=2 {
        // A delivery, a retained message, and a message that waits for an absent client: after a DISCONNECT, a cut and a takeover.
        lists.push([both(true), vec![(1, publish(qos, false)), (1, publish(qos, false))]].concat());
        lists.push(
            [vec![
                (1, connect(true)),
                (1, publish(qos, true)),
                (0, connect(true)),
                (0, subscribe(2)),
            ]]
            .concat(),
        );
        for end in [leave.clone(), cut.clone()] {
            lists.push(
                [
                    both(false),
                    vec![(0, end), (1, publish(qos, false)), (0, connect(false))],
                ]
                .concat(),
            );
        }
        lists.push([both(false), vec![(0, connect(false)), (1, publish(qos, false))]].concat());
        for broker in [Act::Restart, Act::Kill] {
            let after = vec![
                (0, broker),
                (0, connect(false)),
                (1, connect(true)),
                (1, publish(qos, false)),
            ];
            lists.push([both(false), after].concat());
        }
    }
    lists.push([both(true), vec![(1, will), (1, cut)]].concat());
    lists.push(
        [
            both(true),
            vec![
                (0, subscribe(1)),
                (0, Act::Unsubscribe(vec![0])),
                (1, publish(1, false)),
            ],
        ]
        .concat(),
    );
    let sequence = |actions: Vec<(usize, Act)>| Sequence {
        versions: vec![version; 2],
        actions: actions
            .into_iter()
            .map(|(client, act)| Action { client, act })
            .collect(),
    };
    lists.into_iter().map(sequence).collect()
}

#[test]
fn plain_use_does_not_show_a_fault_in_a_combination() {
    for version in Version::ALL {
        for sequence in plain(version) {
            let right = show(&play(&obedient(), &sequence));
            for fault in Combined::ALL {
                let wrong = show(&play(&disobeying(&token(*fault)), &sequence));
                assert_eq!(wrong, right, "{}: {sequence}", fault.name());
            }
        }
    }
}

/// The cells of docs/fuzz-faults.md that do not depend on chance: name, what the broker does, and statements.
pub fn fault_cells(fault: Combined) -> String {
    let statements: Vec<String> = Version::ALL
        .into_iter()
        .flat_map(|version| fault.ids().at(version).iter().map(move |id| format!("{version}:{id}")))
        .collect();
    format!("| `{}` | {} | {} |", token(fault), fault.what(), statements.join(", "))
}

#[test]
fn the_page_of_faults_has_each_fault_as_it_is() {
    let page = include_str!("../../../../docs/fuzz-faults.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `combined:")).collect();
    assert_eq!(rows.len(), Combined::ALL.len());
    for (row, fault) in rows.iter().zip(Combined::ALL) {
        assert!(
            row.starts_with(&fault_cells(*fault)),
            "measure::fault_table writes the page: {row}"
        );
    }
}

/// The rules for lost messages that these sequences break.
fn losses(token: &str, seeds: u64) -> std::collections::BTreeSet<&'static str> {
    let config = disobeying(token);
    let verdicts = (0..seeds).flat_map(|seed| judge(&generate_and_play(&config, seed).1));
    verdicts
        .map(|v| v.rule)
        .filter(|rule| rule.starts_with("kept-"))
        .collect()
}

#[test]
fn a_loss_is_named_after_what_held_the_queue_up() {
    let too_large = losses("combined:too-large-uses-window", 1500);
    assert_eq!(too_large, ["kept-behind-too-large"].into());
    let expired = losses("combined:expired-uses-window", 4500);
    assert!(
        expired.contains("kept-behind-expired") && !expired.contains("kept-until-delivered"),
        "{expired:?}"
    );
    let refused = losses("combined:refusal-uses-window", 3000);
    assert!(
        refused.contains("kept-after-refusal") && !refused.contains("kept-until-delivered"),
        "{refused:?}"
    );
    assert!(losses("combined:away-matches-first", 1500).contains("kept-until-delivered"));
}

fn sequence(versions: [Version; 2], actions: Vec<(usize, Act)>) -> Sequence {
    let action = |(client, act)| Action { client, act };
    Sequence {
        versions: versions.into(),
        actions: actions.into_iter().map(action).collect(),
    }
}

fn rules(transcript: &Transcript) -> Vec<&'static str> {
    judge(transcript).into_iter().map(|v| v.rule).collect()
}

#[test]
fn a_server_that_shuts_down_may_publish_the_wills_that_wait() {
    let connect = |will| {
        Act::Connect(Connection {
            expiry: 300,
            will,
            automatic: true,
            ..Connection::default()
        })
    };
    let will = WillMessage {
        qos: 1,
        delay: 10,
        ..WillMessage::default()
    };
    let subscribe = Act::Subscribe {
        filters: vec![(0, 1)],
        id: None,
    };
    let found = |between: Option<Act>| {
        let mut actions = vec![
            (0, connect(None)),
            (0, subscribe.clone()),
            (1, connect(Some(will.clone()))),
        ];
        actions.push((1, Act::Cut { reset: false }));
        actions.extend(between.map(|act| (0, act)));
        actions.extend([(0, Act::Wait(11)), (1, connect(None))]);
        let mut transcript = play(&obedient(), &sequence([Version::V5; 2], actions));
        // All of it happens in a hundredth of the time: the will comes too early.
        transcript.events.iter_mut().for_each(|e| e.at /= 100);
        rules(&transcript).contains(&"will-waits")
    };
    assert!(found(None));
    assert!(found(Some(Act::Kill)));
    assert!(!found(Some(Act::Restart)));
}

#[test]
fn a_delivery_at_3_1_1_of_a_message_that_expires_may_end() {
    let connect = |clean| {
        Act::Connect(Connection {
            clean,
            expiry: 300,
            ..Connection::default()
        })
    };
    let found = |expiry, is_empty: bool| {
        let publish = Act::Publish(Message {
            qos: 1,
            expiry,
            retain: is_empty,
            size: usize::from(!is_empty),
            ..Message::default()
        });
        let subscribe = Act::Subscribe {
            filters: vec![(0, 1)],
            id: None,
        };
        let cut = Act::Cut { reset: false };
        let actions = vec![
            (0, connect(false)),
            (1, connect(true)),
            (0, subscribe),
            (1, publish),
            (0, cut),
        ];
        let sequence = sequence([Version::V3_1_1, Version::V5], actions);
        rules(&play(&disobeying("v3.1.1:MQTT-4.4.0-1"), &sequence)).contains(&"exchange-goes-on")
    };
    for is_empty in [false, true] {
        assert!(found(None, is_empty));
        assert!(!found(Some(60), is_empty));
    }
}

#[test]
fn a_scenario_has_the_answers_of_the_broker_that_it_is_written_for() {
    let connect = Act::Connect(Connection {
        automatic: true,
        ..Connection::default()
    });
    let subscribe = Act::Subscribe {
        filters: vec![(0, 2)],
        id: None,
    };
    let publish = Act::Publish(Message {
        qos: 2,
        size: 1,
        ..Message::default()
    });
    let actions = vec![(0, connect.clone()), (1, connect), (0, subscribe), (1, publish)];
    let sequence = sequence([Version::V5; 2], actions);
    let verdict = Verdict {
        rule: "kept-until-delivered",
        statement: ids![v5: "MQTT-4.5.0-1"].first(Version::V5).expect("it has one"),
        event: 0,
        text: String::new(),
    };
    let delivery_comes_first = |config: &Arc<Config>| {
        let text = scenario(config, &sequence, &verdict);
        text.find("c0 <- PUBLISH").expect("a delivery") < text.find("c1 -> PUBREL").expect("a release")
    };
    assert!(delivery_comes_first(&obedient()));
    assert!(!delivery_comes_first(&free("qos-2-at-pubrel")));
}

#[test]
fn a_new_connection_may_remove_a_will_that_waits_for_its_delay() {
    let connect = |will| {
        Act::Connect(Connection {
            clean: true,
            will,
            automatic: true,
            ..Connection::default()
        })
    };
    let found = |delay| {
        let will = WillMessage {
            qos: 1,
            delay,
            ..WillMessage::default()
        };
        let subscribe = Act::Subscribe {
            filters: vec![(0, 1)],
            id: None,
        };
        let actions = vec![
            (0, connect(None)),
            (0, subscribe),
            (1, connect(Some(will))),
            (1, connect(None)),
        ];
        let sequence = sequence([Version::V5; 2], actions);
        rules(&play(&disobeying("v5:MQTT-3.1.2-8"), &sequence)).contains(&"will-comes")
    };
    assert!(found(0));
    assert!(!found(3));
}

#[test]
fn a_broker_may_notice_late_that_the_delay_of_a_will_has_passed() {
    let connect = |will| {
        Act::Connect(Connection {
            expiry: 300,
            will,
            automatic: true,
            ..Connection::default()
        })
    };
    let found = |seconds| {
        let will = WillMessage {
            qos: 1,
            delay: 3,
            ..WillMessage::default()
        };
        let subscribe = Act::Subscribe {
            filters: vec![(0, 1)],
            id: None,
        };
        let mut actions = vec![(0, connect(None)), (0, subscribe), (1, connect(Some(will)))];
        actions.extend([
            (1, Act::Cut { reset: false }),
            (0, Act::Wait(seconds)),
            (1, connect(None)),
        ]);
        let sequence = sequence([Version::V5; 2], actions);
        rules(&play(&disobeying("v5:MQTT-3.1.2-8"), &sequence)).contains(&"will-comes")
    };
    assert!(!found(3));
    assert!(found(8));
}

#[test]
fn another_member_of_the_same_share_may_get_what_was_left_open() {
    let connect = |expiry, automatic| {
        Act::Connect(Connection {
            clean: expiry == 0,
            expiry,
            automatic,
            ..Connection::default()
        })
    };
    let subscribe = |filter, options| Act::Subscribe {
        filters: vec![(filter, options)],
        id: None,
    };
    let publish = |retain| {
        Act::Publish(Message {
            qos: 1,
            retain,
            ..Message::default()
        })
    };
    let holds = |actions: Vec<(usize, Act)>| {
        let sequence = sequence([Version::V5; 2], actions);
        let played = play(&free("share-redistributed"), &sequence);
        assert_eq!(rules(&played), [""; 0], "{}", show(&played));
    };
    // A delivery of another subscription, and one of another share, come again to the same session.
    for (filter, options) in [(0, 1), (7, 1)] {
        let mut actions = vec![(0, connect(300, false)), (0, subscribe(filter, options))];
        actions.extend([(1, connect(0, true)), (1, subscribe(10, 1)), (1, publish(false))]);
        actions.extend([
            (0, Act::Unsubscribe(vec![0])),
            (0, Act::Disconnect { code: 0, expiry: None }),
        ]);
        holds(actions);
    }
    // One that was published with RETAIN 1 keeps it for a member with Retain As Published, and may be older than what is retained.
    let mut actions = vec![(0, connect(300, false)), (0, subscribe(7, 1)), (1, connect(0, true))];
    actions.extend([(1, publish(true)), (1, publish(true)), (1, subscribe(7, 0x19))]);
    actions.extend([(0, Act::Cut { reset: false })]);
    holds(actions);
}
