//! Hostile and broken peers get a verdict like any broker: in bounded time, in bounded memory, and without an effect on the
//! verdicts of cases that run in parallel. This is a test program of its own because it measures the memory of the whole
//! process.

mod support;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::support::peers::{Kind, Peer};
use mqttspec::Target;
use mqttspec::harness::{Ready, reference};
use mqttspec::play::{Player, Settings};
use mqttspec::scenario::{Case, Files};
use mqttspec::statements::Version;
use mqttspec::suite::{self, CaseResult, Session, Verdict};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// How long cases wait for a packet that a hostile peer has to send.
const PATIENCE: Duration = Duration::from_millis(300);
/// Every case against a peer must end within this time. The deadlines of the cases themselves are far shorter.
const DEADLINE: Duration = Duration::from_secs(60);
/// How much memory a packet of the greatest length may cost, on top of what this program holds already, or of what the good
/// broker and its cases take by themselves. Three exchanges receive 256 MB each in parallel, and then two bytes per packet.
const MEMORY_FOR_LENGTH: u64 = 96 * 1024 * 1024;
/// The same for any other peer: one that never stops sending fills three exchanges up to the limit of what is kept.
const MEMORY: u64 = 160 * 1024 * 1024;

/// Some cases of every version that have no requirements and no waits.
fn cases() -> Vec<Arc<Case>> {
    let quick = |case: &Case| {
        let conditions = &case.conditions;
        !conditions.timing && !conditions.heavy && conditions.needs.is_empty()
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

async fn target(peer: &Peer) -> suite::Target {
    let described = Target::at(peer.url())
        .name("hostile")
        .versions(Version::ALL)
        .exclusive()
        .jobs(8);
    let Ready { target, .. } = described.ready(|_| ()).await.expect("a peer's address");
    target
}

/// Plays the cases in parallel.
async fn play(target: &suite::Target, cases: &[Arc<Case>], patience: Duration) -> Vec<CaseResult> {
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

/// What the system reports of this program's memory under a name such as `VmRSS`, in bytes. `None` if there is no `/proc`.
fn memory(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Resets the peak to what the program holds now. Returns whether the system can do that.
fn forget_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The peak memory of this program while it plays only the good broker's cases; measured once.
fn alone(runtime: &Runtime, all: &[Arc<Case>]) -> u64 {
    static ALONE: OnceLock<u64> = OnceLock::new();
    *ALONE.get_or_init(|| {
        forget_peak();
        runtime.block_on(play(&reference(), all, Settings::default().patience));
        memory("VmHWM").unwrap_or_default()
    })
}

/// Plays a case of each version against a peer, and many cases against a good broker in parallel.
fn meet(kind: Kind, most: u64) {
    // One peer at a time, because the memory of the whole program is measured.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let all = cases();
    // One case of each version is enough: the test is about how the harness reads, not about the script.
    let few: Vec<Arc<Case>> = Version::ALL
        .into_iter()
        .filter_map(|v| all.iter().find(|c| c.version == v).cloned())
        .collect();
    let runtime = Runtime::new().expect("a runtime can be made");
    let held = alone(&runtime, &all).max(memory("VmRSS").unwrap_or_default());
    let measured = forget_peak();

    let peer = Peer::start(kind);
    let (target, good) = (runtime.block_on(target(&peer)), reference());
    let (hostile, beside) = runtime.block_on(async {
        let both = async {
            tokio::join!(
                play(&target, &few, PATIENCE),
                play(&good, &all, Settings::default().patience)
            )
        };
        tokio::time::timeout(DEADLINE, both)
            .await
            .unwrap_or_else(|_| panic!("still running after {DEADLINE:?}"))
    });
    assert_eq!(hostile.len(), few.len());
    for case in &hostile {
        let judged = matches!(case.verdict, Verdict::Fail | Verdict::Error);
        assert!(judged, "{} is {:?}", case.id, case.verdict);
        assert!(case.reason.is_some(), "{} failed without a reason", case.id);
    }
    for case in &beside {
        let why = case.reason.as_deref().unwrap_or_default();
        assert_eq!(case.verdict, Verdict::Pass, "in parallel: {}: {why}", case.id);
    }
    if let Some(peak) = memory("VmHWM").filter(|_| measured) {
        let megabytes = |bytes: u64| bytes / 1024 / 1024;
        let (peak, held, most) = (megabytes(peak), megabytes(held), megabytes(most));
        assert!(peak < held + most, "the peak is {peak} MB, after {held} MB before");
    }
}

/// A test for each peer, named after what it does.
macro_rules! peers {
    ($($name:ident: $kind:ident, $most:expr;)*) => {
        $(#[test]
        fn $name() {
            meet(Kind::$kind, $most);
        })*
    };
}

// All peers except the four of `vacuity.rs`, which only do nothing useful.
peers! {
    it_sends_nothing_after_accepting: NeverAnswers, MEMORY;
    it_accepts_and_closes_at_once: ClosesAtAccept, MEMORY;
    it_sends_one_byte_a_second: OneByteASecond, MEMORY;
    it_sends_garbage_without_end: Garbage, MEMORY;
    it_sends_garbage_after_connack: GarbageAfterConnack, MEMORY;
    it_sends_a_packet_of_256_megabytes: HugeLength, MEMORY_FOR_LENGTH;
    it_sends_valid_packets_without_end: EndlessPublish, MEMORY;
    it_sends_ten_thousand_unsolicited_publishes: UnsolicitedPublishes, MEMORY;
    it_answers_before_it_is_asked: AnswersUnasked, MEMORY;
    it_half_closes_after_connack: HalfCloses, MEMORY;
    it_resets_in_the_middle_of_a_packet: ResetsInAPacket, MEMORY;
    it_is_an_http_server: Http, MEMORY;
    it_is_a_tls_server: TlsAlert, MEMORY;
}
