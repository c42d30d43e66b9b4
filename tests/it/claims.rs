//! What a case claims about the packets that it sends is what is wrong with them: the decoder, which judges the script's
//! own packets as it judges the broker's, names each statement that the case blames. It names none that is not violated,
//! such as the reserved flag of a CONNECT whose reserved flag is clear.

use std::collections::BTreeSet;
use std::sync::Arc;

use mqttspec::coverage::Exceptions;
use mqttspec::harness::reference_that;
use mqttspec::play::{Player, Settings};
use mqttspec::reference::Disobey;
use mqttspec::scenario::{Case, Files};
use mqttspec::statements::{Binds, StatementId, Version, catalogue};
use mqttspec::suite::{CaseResult, Session};
use mqttspec::transcript::Author;
use mqttspec::wire::{PacketType, decoder_statements};
use tokio::task::JoinSet;

/// What a scenario claims though its packets violate something else, with the reason.
const LIST: &str = include_str!("claims.txt");

/// The cases that claim something that the decoder can see in a client's packet, and whose target needs nothing special.
fn cases() -> Vec<Arc<Case>> {
    let visible: BTreeSet<StatementId> = Version::ALL.into_iter().flat_map(decoder_statements).collect();
    let is_about_clients =
        |id: &StatementId| visible.contains(id) && catalogue().get(*id).is_some_and(|s| s.binds != Binds::Server);
    let scenarios = Files::embedded().load_all().expect("the scenarios are well-formed");
    let cases = scenarios.into_iter().flat_map(|s| s.cases);
    let quick = cases.filter(|case| !case.conditions.heavy && !case.is_timed() && !case.script.restarts());
    let wanted = quick.filter(|case| case.proves.iter().any(is_about_clients));
    wanted.map(Arc::new).collect()
}

fn played(cases: &[Arc<Case>]) -> Vec<(Arc<Case>, CaseResult)> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        let target = reference_that(Disobey::default());
        let player = Player::new(Settings::default(), 1);
        let session = Arc::new(Session::new(&target, &player, false, None));
        let mut tasks = JoinSet::new();
        for case in cases {
            let (session, case) = (Arc::clone(&session), Arc::clone(case));
            tasks.spawn(async move {
                let result = session.case(&case).await;
                (case, result)
            });
        }
        let results = tasks.join_all().await;
        session.end().await;
        results
    })
}

/// What is wrong with the packets that the script sends, and whether one of the wrong ones is a CONNECT.
fn wrong(result: &CaseResult) -> (BTreeSet<StatementId>, bool) {
    let events = result.transcript.iter().flat_map(|t| &t.events);
    let sent = events.filter(|e| e.author == Author::Script).filter_map(|e| e.packet());
    let mut statements = BTreeSet::new();
    let mut connect = false;
    for packet in sent.filter(|packet| !packet.breaches.is_empty()) {
        connect |= packet.packet_type == Some(PacketType::Connect);
        for breach in &packet.breaches {
            statements.insert(breach.statement);
            statements.extend(&breach.also);
        }
    }
    (statements, connect)
}

#[test]
fn a_case_blames_what_is_wrong_with_its_packets() {
    let visible: BTreeSet<StatementId> = Version::ALL.into_iter().flat_map(decoder_statements).collect();
    let cases = cases();
    let mut compared = 0;
    let mut mistaken = Vec::new();
    for (case, result) in played(&cases) {
        let (wrong, connect) = wrong(&result);
        if wrong.is_empty() {
            continue;
        }
        compared += 1;
        let claims = case
            .proves
            .iter()
            .filter(|id| visible.contains(id) && !wrong.contains(id));
        mistaken.extend(claims.map(|id| format!("{} {id}", case.header.path)));
        assert!(
            !connect || !case.rests_on_rigour(),
            "{} sends a malformed CONNECT: MQTT-3.1.4-1 obliges the server",
            case.id
        );
    }
    assert!(compared > 1000, "only {compared} cases were compared");
    let (unlisted, stale) = Exceptions::read(LIST).expect("each has a reason").compare(&mistaken);
    assert!(
        unlisted.is_empty() && stale.is_empty(),
        "claimed, not violated by the packets of the script, and not in claims.txt:\n  {}\nin claims.txt, yet violated:\n  {}",
        unlisted.join("\n  "),
        stale.join("\n  "),
    );
}
