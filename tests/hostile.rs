//! Peers that are hostile or broken get a verdict like any broker: in bounded time, in bounded memory, and without a word
//! to say in the verdicts of cases that are played beside them.

#[path = "support/peers.rs"]
mod peers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mqttspec::cli::reference;
use mqttspec::play::{Player, Settings};
use mqttspec::scenario::{Case, Files};
use mqttspec::statements::Version;
use mqttspec::suite::{CaseResult, Session, Target, TargetInfo, Verdict};
use mqttspec::target::{Address, Fixed, Kept, Supports};
use peers::{Kind, Peer};
use tokio::task::JoinSet;

/// How long cases wait for what must come from a hostile peer.
const PATIENCE: Duration = Duration::from_millis(300);
/// When every case against a peer has to be over. Cases have deadlines of their own, far below it.
const DEADLINE: Duration = Duration::from_secs(60);
/// What this program may take on top of what the good broker and its cases take by themselves, after the peer with the
/// longest length. Three exchanges get 256 MB each, side by side, and two bytes for a packet after that.
const MEMORY_FOR_LENGTH: u64 = 96 * 1024 * 1024;
/// And after all of them: a peer that sends packets without end fills three exchanges up to the bound of what is kept.
const MEMORY: u64 = 160 * 1024 * 1024;

/// Everything but the four peers of `vacuity.rs`, which are merely useless.
const HOSTILE: [Kind; 9] = [
    // The first, since the peak of memory only grows.
    Kind::HugeLength,
    Kind::ClosesAtAccept,
    Kind::NeverAnswers,
    Kind::Http,
    Kind::TlsAlert,
    Kind::GarbageAfterConnack,
    Kind::Garbage,
    Kind::EndlessPublish,
    Kind::OneByteASecond,
];

/// Some cases of every version that need nothing special and no time of their own.
fn cases() -> Vec<Arc<Case>> {
    let quick = |case: &Case| {
        let tag = |name: &str| case.header.tags.iter().any(|tag| tag == name);
        !tag("timing") && !tag("heavy") && case.header.needs.is_empty()
    };
    let some = ["qos2/dup-before-pubrel@", "qos1/", "retain/", "subscribe/"];
    let cases: Vec<Arc<Case>> = Files::embedded()
        .load_all()
        .expect("the embedded scenarios are well-formed")
        .into_iter()
        .flat_map(|s| s.cases)
        .filter(|c| quick(c) && some.iter().any(|start| c.id.starts_with(start)))
        .map(Arc::new)
        .collect();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    cases
}

fn target(peer: &Peer) -> Target {
    let address: Address = peer.url().parse().expect("a peer's address");
    Target {
        info: TargetInfo {
            name: "hostile".to_owned(),
            version: None,
            address: peer.url(),
            transport: Default::default(),
            argument: None,
            options: Vec::new(),
            snapshots: Kept::All,
        },
        launcher: Arc::new(Fixed::new(&address, &Version::ALL)),
        supports: Supports::of(&["exclusive"], &[]),
        setups: Vec::new(),
        known: Vec::new(),
        broker_version: None,
        not_offered: BTreeMap::new(),
        jobs: 8,
        instances: 1,
        isolate: false,
    }
}

/// Plays the cases side by side.
async fn play(target: &Target, cases: &[Arc<Case>], patience: Duration) -> Vec<CaseResult> {
    let settings = Settings {
        patience,
        ..Settings::default()
    };
    let session = Arc::new(Session::new(target, &Player::new(settings, 1), false, None));
    let mut tasks = JoinSet::new();
    for case in cases {
        let (session, case) = (Arc::clone(&session), Arc::clone(case));
        tasks.spawn(async move { session.case(&case).await });
    }
    let results = tasks.join_all().await;
    session.end().await;
    results
}

/// The most memory that this program has held so far, in bytes. `None` where there is no `/proc`.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[test]
fn every_hostile_peer_gets_its_verdicts_and_disturbs_nobody() {
    let all = cases();
    // One case of each version is enough for a peer: what matters is how the harness reads, not what the script is.
    let few: Vec<Arc<Case>> = Version::ALL
        .into_iter()
        .filter_map(|v| all.iter().find(|c| c.version == v).cloned())
        .collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        play(&reference(), &all, Settings::default().patience).await;
        let alone = peak().unwrap_or_default();
        for kind in HOSTILE {
            let peer = Peer::start(kind);
            let target = target(&peer);
            let good = reference();
            let both = async {
                tokio::join!(
                    play(&target, &few, PATIENCE),
                    play(&good, &all, Settings::default().patience)
                )
            };
            let (hostile, beside) = tokio::time::timeout(DEADLINE, both)
                .await
                .unwrap_or_else(|_| panic!("{kind:?}: not over within {DEADLINE:?}"));
            assert_eq!(hostile.len(), few.len());
            for case in &hostile {
                let judged = matches!(case.verdict, Verdict::Fail | Verdict::Error);
                assert!(judged, "{kind:?}: {} is {:?}", case.id, case.verdict);
                assert!(case.reason.is_some(), "{kind:?}: nobody says why {} failed", case.id);
            }
            for case in &beside {
                let why = case.reason.as_deref().unwrap_or_default();
                assert_eq!(case.verdict, Verdict::Pass, "beside {kind:?}: {}: {why}", case.id);
            }
            if let Some(peak) = peak() {
                let most = match kind {
                    Kind::HugeLength => alone + MEMORY_FOR_LENGTH,
                    _ => alone + MEMORY,
                };
                assert!(peak < most, "{kind:?}: {} MB", peak / 1024 / 1024);
            }
        }
    });
}
