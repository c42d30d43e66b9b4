//! Tests of clients, tested: the reference client passes every case, each claim fails when it breaks the statement, and
//! clients that do next to nothing pass no case. Adapters that misbehave get a verdict and leave nothing behind.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mqttspec::adapter::{Abilities, COMMANDS, Command, Message, Request};
use mqttspec::client::{self, Disobey, Free, Freedom};
use mqttspec::harness::{self, Ready, check_adapter, free_client, reference_client};
use mqttspec::play::{Player, Settings, Stage};
use mqttspec::scenario::{Case, Files};
use mqttspec::statements::Version;
use mqttspec::suite::{self, CaseResult, RunOptions, RunResult, Target, Verdict};
use mqttspec::sut::{Adapter, AdapterSource, BoxFuture, Clients, Process, StartError};
use mqttspec::transport::Transport;
use mqttspec::wire::{Packet, Side, encode_bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::program::run as mqttspec;

/// How many random sets of freedoms are tried.
const RANDOM_SETS: u64 = 2;
/// How many statements are walked at once.
const AT_ONCE: usize = 8;
/// How often a case is played again for which the machine was too slow.
const AGAIN: usize = 5;

fn cases() -> Vec<Arc<Case>> {
    let scenarios = Files::embedded_for(Side::Client)
        .load_all()
        .expect("they are well-formed");
    scenarios.into_iter().flat_map(|s| s.cases).map(Arc::new).collect()
}

/// Plays cases with a response timeout. One within which a busy machine gets nothing done is void, and the case is an error.
async fn play(cases: &[Arc<Case>], target: &Target, response_timeout: Duration) -> Arc<RunResult> {
    play_by(&player(response_timeout), cases, target).await
}

fn player(response_timeout: Duration) -> Player {
    let settings = Settings {
        patience: response_timeout,
        ..Settings::default()
    };
    Player::new(settings, 1)
}

async fn play_by(player: &Player, cases: &[Arc<Case>], target: &Target) -> Arc<RunResult> {
    let (events, _) = mpsc::unbounded_channel();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    // A SHOULD that a case asks for counts as well.
    let options = RunOptions {
        strict: true,
        ..RunOptions::default()
    };
    let result = suite::run(cases, target, player, &options, events, stopped).await;
    result.expect("the target can be started")
}

/// Plays cases until each has a verdict: a machine that was too slow for one gives none. A case counts in the last of the
/// results in which it occurs.
async fn settled(player: &Player, cases: &[Arc<Case>], target: &Target) -> Vec<RunResult> {
    let mut results = Vec::new();
    let mut open = cases.to_vec();
    for left in (0..=AGAIN).rev() {
        let result = play_by(player, &open, target).await;
        let is_void = |case: &&CaseResult| {
            let reason = case.reason.as_deref().unwrap_or_default();
            left > 0 && case.verdict == Verdict::Error && reason.starts_with("machine too slow")
        };
        let void: BTreeSet<String> = result
            .cases
            .iter()
            .filter(is_void)
            .map(|case| case.id.clone())
            .collect();
        let mut result = RunResult::clone(&result);
        result.cases.retain(|case| !void.contains(&case.id));
        results.push(result);
        open.retain(|case| void.contains(&case.id));
        if open.is_empty() {
            break;
        }
    }
    results
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime can be made")
}

fn unlike(result: &RunResult, wanted: &[Verdict]) -> Vec<String> {
    let others = result.cases.iter().filter(|case| !wanted.contains(&case.verdict));
    let shown = others.map(|case| format!("{} {}: {:?}", case.id, case.verdict.name(), case.reason));
    shown.collect()
}

#[test]
fn the_reference_client_passes_every_case() {
    let cases = cases();
    assert!(cases.len() >= 70, "{}", cases.len());
    let result = runtime().block_on(play(
        &cases,
        &reference_client(Disobey::default()),
        Duration::from_secs(5),
    ));
    let others = unlike(&result, &[Verdict::Pass]);
    assert!(others.is_empty(), "{}", others.join("\n"));
}

/// Whether a case fails by its script or by a rule. One that fails in its setup alone has shown nothing of its statement.
fn notices(case: &CaseResult) -> bool {
    let by_script = case
        .failure
        .as_ref()
        .is_some_and(|failure| failure.stage != Stage::Setup);
    let by_rule = case.findings.iter().any(|finding| finding.rule.is_some());
    case.verdict == Verdict::Fail && (by_script || by_rule)
}

/// Every statement that the reference client can break is claimed, and every claim notices that it is broken.
#[test]
fn every_claim_fails_if_the_statement_is_broken() {
    let cases = cases();
    let claimed: BTreeSet<_> = cases.iter().flat_map(|case| &case.proves).copied().collect();
    assert_eq!(
        claimed,
        client::statements(),
        "what cases claim, and what the reference client can break"
    );
    let unnoticed = runtime().block_on(async {
        let player = player(Duration::from_secs(2));
        let mut walk = tokio::task::JoinSet::new();
        let room = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
        for statement in claimed {
            let claim: Vec<Arc<Case>> = cases
                .iter()
                .filter(|c| c.proves.contains(&statement))
                .cloned()
                .collect();
            let (player, room) = (player.clone(), Arc::clone(&room));
            walk.spawn(async move {
                let _permit = room.acquire().await;
                let target = reference_client(Disobey::statement(statement));
                let results = settled(&player, &claim, &target).await;
                let missed = results
                    .iter()
                    .flat_map(|result| &result.cases)
                    .filter(|case| !notices(case));
                let missed = missed.map(|case| format!("{statement}: {} {:?}", case.id, case.reason));
                missed.collect::<Vec<_>>()
            });
        }
        walk.join_all().await.concat()
    });
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}

/// A client that uses what the standards leave to it is as correct as one that does not.
#[test]
fn freedoms_of_a_client_change_no_verdict() {
    let cases = cases();
    let sets = std::iter::once(Free::of(Freedom::ALL)).chain((0..RANDOM_SETS).map(Free::random));
    let alarms = runtime().block_on(async {
        let player = player(Duration::from_secs(5));
        let mut alarms = Vec::new();
        for free in sets {
            let results = settled(&player, &cases, &free_client(free.clone())).await;
            let others = results.iter().flat_map(|result| unlike(result, &[Verdict::Pass]));
            alarms.extend(others.map(|case| format!("{}: {case}", free.names())));
        }
        alarms
    });
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
}

/// What a dull client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dull {
    /// Says yes to everything, and opens no connection.
    SaysYes,
    /// Sends its CONNECT, reads what comes, and says nothing more.
    ConnectsOnly,
    /// Sends its CONNECT, and reads nothing.
    Mute,
    /// Sends its CONNECT, and closes when anything comes.
    ClosesAtOnce,
}

impl AdapterSource for Dull {
    fn start(&self) -> BoxFuture<'_, Result<Adapter, StartError>> {
        let (requests, mut inbox) = mpsc::unbounded_channel::<String>();
        let (outbox, lines) = mpsc::unbounded_channel();
        let dull = *self;
        tokio::spawn(async move {
            let ready = Message::Ready(Abilities {
                name: "dull".to_owned(),
                versions: Version::ALL.to_vec(),
                commands: COMMANDS.map(str::to_owned).to_vec(),
                ..Abilities::default()
            });
            let _ = outbox.send(ready.line());
            let mut connection = None;
            let mut last = None;
            while let Some(line) = inbox.recv().await {
                let request = Request::read(&line).expect("requests are right");
                match request.command {
                    Command::Connect(endpoint, connect) => last = Some((endpoint, connect)),
                    Command::End => (last, connection) = (None, None),
                    Command::Reconnect => {}
                    _ => {
                        let _ = outbox.send(Message::Taken(request.id).line());
                        continue;
                    }
                }
                if let (Some((endpoint, connect)), true) = (&last, dull != Dull::SaysYes) {
                    let mut stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
                        .await
                        .unwrap();
                    let bytes = encode_bytes(&Packet::Connect(connect.clone()), endpoint.version);
                    stream.write_all(&bytes).await.unwrap();
                    connection = Some(tokio::spawn(async move {
                        let mut buffer = [0; 1024];
                        match dull {
                            Dull::ClosesAtOnce => drop(stream.read(&mut buffer).await),
                            Dull::Mute => std::future::pending().await,
                            _ => while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {},
                        }
                    }));
                }
                let _ = outbox.send(Message::Taken(request.id).line());
            }
            drop(connection);
        });
        Box::pin(async move {
            let started = Adapter::within_process(requests, lines).await;
            started.map_err(|error| StartError::Own {
                broker: "a dull client",
                error: error.into(),
            })
        })
    }

    fn log_tail(&self, _limit: usize) -> Option<String> {
        None
    }
}

fn target(source: Arc<dyn AdapterSource>) -> Target {
    Target {
        launcher: Arc::new(Clients::new(source)),
        ..reference_client(Disobey::default())
    }
}

#[test]
fn clients_that_do_next_to_nothing_pass_no_case() {
    let cases = cases();
    // They mostly wait, so they are played side by side.
    std::thread::scope(|scope| {
        for dull in [Dull::SaysYes, Dull::ConnectsOnly, Dull::Mute, Dull::ClosesAtOnce] {
            let cases = &cases;
            scope.spawn(move || passes_nothing(dull, cases));
        }
    });
}

fn passes_nothing(dull: Dull, cases: &[Arc<Case>]) {
    let result = runtime().block_on(play(cases, &target(Arc::new(dull)), Duration::from_secs(2)));
    let passed: Vec<&str> = result
        .cases
        .iter()
        .filter(|c| c.verdict == Verdict::Pass)
        .map(|c| c.id.as_str())
        .collect();
    assert!(passed.is_empty(), "{dull:?} passes {}", passed.join(", "));
    if dull == Dull::SaysYes {
        // It violates nothing, and shows nothing. Only a machine that is too slow gives no verdict.
        let mut others = unlike(&result, &[Verdict::Skip]);
        others.retain(|other| !other.contains("machine too slow"));
        assert!(others.is_empty(), "{}", others.join("\n"));
    }
}

/// A client behind a shell script.
fn script(text: &str) -> Target {
    let command = ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
    let process = Process::of_command(command, Duration::from_secs(10));
    target(process.adapters(Path::new("/")).expect("a folder can be made"))
}

const READY: &str =
    r#"echo '{"event":"ready","contract":1,"name":"x","versions":["v5"],"commands":["connect","publish","end"]}'"#;

#[test]
fn an_adapter_that_misbehaves_gets_a_verdict_and_leaves_nothing() {
    let all = cases();
    let one: Vec<Arc<Case>> = all
        .iter()
        .filter(|case| case.id == "clients/connect/basic@v5")
        .cloned()
        .collect();
    let verdict = |text: String| {
        let result = runtime().block_on(play(&one, &script(&text), Duration::from_secs(2)));
        // The shell has the text of the script as an argument.
        #[cfg(target_os = "linux")]
        assert!(!runs_with(&text), "{text}");
        (
            result.cases[0].verdict,
            result.cases[0].reason.clone().unwrap_or_default(),
        )
    };
    let (crash, why) = verdict(format!("{READY}; read -r line; exit 3"));
    assert_eq!(crash, Verdict::Crash, "{why}");
    // No other process sleeps for so long.
    let (hang, why) = verdict(format!("{READY}; sleep 91919 & sleep 91919"));
    assert_eq!(hang, Verdict::Fail, "{why}");
    // On a machine that is too busy it is played again, with twice the time.
    let mute = "the adapter is mute: it did not answer its first command, `connect`, within ";
    assert!(why.starts_with(mute), "{why}");
    let once = r#"{ read -r line; echo '{"id":1}'; cat >/dev/null; }"#;
    let (hang, why) = verdict(format!("{READY}; {once}"));
    assert_eq!(hang, Verdict::Skip, "{why}");
    assert_eq!(why, "not provoked: no CONNECT came");
    let (flood, why) = verdict(format!("{READY}; read -r line; while :; do echo rubbish; done"));
    assert_eq!(flood, Verdict::Fail, "{why}");
    assert!(why.starts_with("the client does not stop sending"), "{why}");
    let (none, why) = verdict("echo hello; exit 1".to_owned());
    assert_eq!(none, Verdict::Error, "{why}");
    assert!(why.contains("it wrote: \"hello\""), "{why}");
    #[cfg(target_os = "linux")]
    assert!(!runs_with("91919"));
}

/// Whether a process runs that was started with this argument.
#[cfg(target_os = "linux")]
fn runs_with(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("it is there").flatten();
    processes
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .any(|line| line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes()))
}

#[cfg(target_os = "linux")]
#[test]
fn what_an_adapter_forks_ends_with_it() {
    let one: Vec<Arc<Case>> = cases()
        .into_iter()
        .filter(|case| case.id == "clients/connect/basic@v5")
        .collect();
    // No other process sleeps for so long.
    let seconds = format!("1000.{}", std::process::id());
    let text = format!("sleep {seconds} & {READY}; read -r line; exit 3");
    let result = runtime().block_on(play(&one, &script(&text), Duration::from_secs(2)));
    assert_eq!(result.cases[0].verdict, Verdict::Crash);
    assert!(!runs_with(&seconds));
    let text = format!("sleep {seconds} & {READY}; while read -r line; do :; done");
    let result = runtime().block_on(play(&one, &script(&text), Duration::from_secs(2)));
    assert_eq!(result.cases[0].verdict, Verdict::Fail);
    assert!(!runs_with(&seconds));
}

#[test]
fn an_adapter_that_hangs_leaves_the_other_cases_alone() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_mqttspec");
    let ready = Message::Ready(Abilities {
        name: "hangs".to_owned(),
        versions: Version::ALL.to_vec(),
        commands: COMMANDS.map(str::to_owned).to_vec(),
        ..Abilities::default()
    });
    // No other process sleeps for so long.
    let seconds = format!("2000.{}", std::process::id());
    // The first process hangs; every other one is a good client.
    let text = format!(
        "if mkdir {}/first 2>/dev/null; then echo '{}'; exec sleep {seconds}; fi; exec {program} client",
        folder.path().display(),
        ready.line()
    );
    let some: Vec<Arc<Case>> = cases()
        .into_iter()
        .filter(|case| case.id.starts_with("clients/connect/") || case.id.starts_with("clients/qos1/"))
        .collect();
    let result = runtime().block_on(play(&some, &script(&text), Duration::from_secs(5)));
    let others = unlike(&result, &[Verdict::Pass]);
    assert_eq!(others.len(), 1, "{}", others.join("\n"));
    assert!(others[0].contains("the adapter is mute"), "{}", others[0]);
    #[cfg(target_os = "linux")]
    assert!(!runs_with(&seconds));
}

#[test]
fn a_profile_with_an_adapter_is_a_target() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_mqttspec");
    let profile = format!("name: own\nclient: {{ adapter: [{program}, client] }}\n");
    std::fs::write(folder.path().join("own.yaml"), profile).unwrap();
    let ended = mqttspec(folder.path(), &["run", "own.yaml", "-e", "clients/qos1/"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(ended.text.contains("own mqttspec-client"), "{}", ended.text);
    let ended = mqttspec(
        folder.path(),
        &[
            "run",
            "--tests",
            "client",
            "--fault",
            "v5:MQTT-4.3.2-4",
            "-e",
            "clients/qos1/received@v5",
        ],
    );
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(
        ended
            .text
            .contains("c -> PUBACK: { packet_id: 7 }: no PUBACK came within"),
        "{}",
        ended.text
    );
    // A profile of a client plays no case of a broker, and a broker none of a client.
    let ended = mqttspec(folder.path(), &["run", "own.yaml", "-e", "qos2/dup-before-pubrel"]);
    assert!(ended.text.contains("no case"), "{}", ended.text);
    let ended = mqttspec(folder.path(), &["run", "-e", "clients/qos1/received"]);
    assert!(ended.text.contains("no case"), "{}", ended.text);
}

#[test]
fn clients_are_served_over_tls_and_websocket() {
    let some: Vec<Arc<Case>> = cases()
        .into_iter()
        .filter(|case| {
            ["clients/connect/", "clients/qos1/", "clients/resume/"]
                .iter()
                .any(|folder| case.id.starts_with(folder))
        })
        .collect();
    for transport in [Transport::Mqtts, Transport::Ws, Transport::Wss] {
        let result = runtime().block_on(async {
            let described = harness::Target::reference_client(Disobey::default()).transport(Some(transport));
            let Ready { target, settings } = described.ready(|_| {}).await.expect("it can be made");
            let settings = Settings {
                patience: Duration::from_secs(5),
                ..settings
            };
            play_by(&Player::new(settings, 1), &some, &target).await
        });
        assert_eq!(result.target.transport, transport);
        let others = unlike(&result, &[Verdict::Pass]);
        assert!(others.is_empty(), "{transport}: {}", others.join("\n"));
    }
}

/// A client that uses an identifier again fails at the second of the many messages.
#[test]
fn the_slow_case_notices_an_identifier_that_is_used_again() {
    let slow = concat!(env!("CARGO_MANIFEST_DIR"), "/ci/clients/slow");
    let folder = tempfile::tempdir().unwrap();
    let fault = [
        "run",
        "--tests",
        "client",
        "--scenarios",
        slow,
        // One version has to do: this takes long.
        "--mqtt",
        "v3.1.1",
        "--fault",
        "v3.1.1:MQTT-2.3.1-2",
    ];
    let ended = mqttspec(folder.path(), &fault);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(ended.text.contains("is used again before"), "{}", ended.text);
}

#[test]
fn an_adapter_is_tried_against_the_contract() {
    let report = |command: Vec<String>| {
        runtime()
            .block_on(check_adapter(command, Path::new("/"), Duration::from_secs(10)))
            .expect("it starts")
    };
    let own = report([env!("CARGO_BIN_EXE_mqttspec"), "client"].map(str::to_owned).to_vec());
    assert!(own.is_good, "{:#?}", own.lines);
    assert_eq!(
        own.lines,
        [
            &format!("ok    ready: mqttspec-client ({})", env!("CARGO_PKG_VERSION")),
            "ok    versions: v3.1, v3.1.1, v5",
            "ok    transports: mqtt, mqtts, ws, wss",
            "ok    `connect`",
            "ok    `publish`",
            "ok    `subscribe` (refused without a connection: it is not connected)",
            "ok    `unsubscribe` (refused without a connection: it is not connected)",
            "ok    `reconnect`",
            "ok    `auth` (refused without a connection: there is no authentication to go on with)",
            "ok    `ack` (refused without a connection: the client acknowledges messages by itself)",
            "ok    `disconnect` (refused without a connection: it is not connected)",
            "ok    `end`",
            "ok    it ended when its input ended",
        ]
    );
    // Files are named as the user sees them, although the adapter runs in a folder of its own.
    let folder = tempfile::tempdir().unwrap();
    let text = format!("exec {} client", env!("CARGO_BIN_EXE_mqttspec"));
    std::fs::write(folder.path().join("adapter.sh"), text).unwrap();
    let relative = ["/bin/sh", "adapter.sh"].map(str::to_owned).to_vec();
    let checked = runtime().block_on(check_adapter(relative, folder.path(), Duration::from_secs(10)));
    assert!(checked.expect("it starts").is_good);
    let deaf = ["/bin/sh", "-c", &format!("{READY}; echo hm; exec sleep 1000")]
        .map(str::to_owned)
        .to_vec();
    let deaf = report(deaf);
    assert!(!deaf.is_good);
    assert!(
        deaf.lines[3].starts_with("wrong a line that is no message: \"hm\""),
        "{:#?}",
        deaf.lines
    );
    assert!(
        deaf.lines[4].starts_with("wrong `connect` was not answered within 2 s"),
        "{:#?}",
        deaf.lines
    );
}
