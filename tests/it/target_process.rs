//! Brokers as processes: how they start, fail to start, restart, and end. The broker here is this test program itself, which
//! runs a stub on a port (`as_a_broker`), in some tests as the child of a shell script.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::support::peers::{Kind, Peer};
use mqttspec::statements::Version;
use mqttspec::sut::{Broker, Launcher, ProcessLauncher, Profile, StartError, ask_version};

/// Not a test: the broker that the tests start. Only a signal ends it.
#[test]
#[ignore = "this is the broker of the other tests"]
fn as_a_broker() {
    let (Ok(port), Ok(kind)) = (std::env::var("TEST_BROKER_PORT"), std::env::var("TEST_BROKER_KIND")) else {
        return;
    };
    let kind = match kind.as_str() {
        "mute" => Kind::Mute,
        "never answers" => Kind::NeverAnswers,
        "http" => Kind::Http,
        other => panic!("no such kind: {other}"),
    };
    let _peer = Peer::start_at(kind, port.parse().unwrap());
    loop {
        std::thread::park();
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A profile whose command is a shell script. In it, `"$BROKER" "$@"` is the broker.
fn profile(script: &str, kind: &str, more: &str) -> Arc<Profile> {
    let exe = std::env::current_exe().unwrap();
    let command = [
        "/bin/sh",
        "-c",
        script,
        "sh",
        "--exact",
        "target_process::as_a_broker",
        "--ignored",
        "--nocapture",
    ];
    let command: Vec<String> = command.into_iter().map(quoted).collect();
    let env = BTreeMap::from([
        ("BROKER", exe.to_str().unwrap()),
        ("TEST_BROKER_PORT", "$port"),
        ("TEST_BROKER_KIND", kind),
    ]);
    let mut text = format!(
        "name: test\nmqtt: mqtt://127.0.0.1:$port\nprocess:\n  command: [{}]\n  env:\n",
        command.join(", ")
    );
    for (name, value) in env {
        writeln!(text, "    {name}: {}", quoted(value)).unwrap();
    }
    text += more;
    Arc::new(Profile::parse(&text, Path::new("test.yaml")).unwrap_or_else(|e| panic!("{e}")))
}

const DIRECTLY: &str = r#"exec "$BROKER" "$@""#;

async fn failure(profile: Arc<Profile>) -> StartError {
    match Broker::start(profile, false).await {
        Ok(_) => panic!("it started"),
        Err(e) => e,
    }
}

/// Whether a process exists and is not a zombie.
fn runs(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with(['Z', 'X']))
}

#[tokio::test]
async fn a_missing_program_is_named_with_a_hint() {
    let text =
        "name: x\nmqtt: mqtt://127.0.0.1:$port\nprocess: { command: [no-such-broker], install: apt install x }\n";
    let profile = Profile::parse(text, Path::new("x.yaml")).unwrap();
    let error = failure(Arc::new(profile)).await;
    assert_eq!(
        error.to_string(),
        "the program `no-such-broker` is missing; to install it: apt install x"
    );
}

#[tokio::test]
async fn one_that_ends_at_once_shows_what_it_wrote() {
    let error = failure(profile("echo one; echo 'bad config' >&2; exit 7", "mute", "")).await;
    assert_eq!(
        error.to_string(),
        "`/bin/sh` ended before it was ready (exit status 7); the end of its output:\n    one\n    bad config"
    );
    let error = failure(profile("kill -SEGV $$", "mute", "")).await;
    assert_eq!(
        error.to_string(),
        "`/bin/sh` ended before it was ready (killed by SIGSEGV); it wrote nothing"
    );
}

#[tokio::test]
async fn one_that_never_answers_is_not_ready_and_ends() {
    let script = r#"echo $$ > "$PIDS"; exec "$BROKER" "$@""#;
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let more = format!("    PIDS: {}\n  ready_timeout: 300ms\n", quoted(pids.to_str().unwrap()));
    let error = failure(profile(script, "never answers", &more)).await;
    let message = error.to_string();
    assert!(
        message.starts_with("`/bin/sh` was not ready within 300ms: "),
        "{message}"
    );
    let id: u32 = std::fs::read_to_string(pids).unwrap().trim().parse().unwrap();
    assert!(!runs(id));
}

#[tokio::test]
async fn one_that_speaks_http_is_no_broker() {
    let message = failure(profile(DIRECTLY, "http", "")).await.to_string();
    assert!(
        message.starts_with("`/bin/sh` does not speak MQTT at mqtt://127.0.0.1:"),
        "{message}"
    );
    assert!(
        message.contains("it answers a CONNECT with HTTP (HTTP/1.1 400 Bad)"),
        "{message}"
    );
}

#[tokio::test]
async fn a_port_in_use_is_reported() {
    let other = Peer::start(Kind::Mute);
    let text = format!(
        "name: x\nmqtt: {}\nprocess: {{ command: [sleep, '60'] }}\n",
        other.url()
    );
    let error = failure(Arc::new(Profile::parse(&text, Path::new("x.yaml")).unwrap())).await;
    assert_eq!(
        error.to_string(),
        format!(
            "{} is in use: another program listens there, and would be tested instead of the started broker",
            other.url()
        )
    );
}

/// A profile whose broker does not listen, and a peer that takes the port that was meant for it.
async fn with_a_stranger(
    more: &str,
    start: impl AsyncFnOnce(Arc<Profile>) -> Result<(), StartError>,
) -> Result<(), StartError> {
    let script = r#"echo "$TEST_BROKER_PORT" > "$PORT_FILE"; exec sleep 60"#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("port");
    let more = format!("    PORT_FILE: {}\n{more}", quoted(file.to_str().unwrap()));
    let stranger = async {
        let port = loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if text.ends_with('\n') {
                break text.trim().parse().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        Peer::start_at(Kind::Mute, port)
    };
    let (result, _stranger) = tokio::join!(start(profile(script, "mute", &more)), stranger);
    result
}

#[tokio::test]
async fn another_program_on_the_port_is_not_mistaken_for_the_broker() {
    let start = async |profile| Broker::start(profile, false).await.map(drop);
    let error = with_a_stranger("", start).await.unwrap_err();
    assert!(matches!(error, StartError::PortTaken { .. }), "{error}");
}

#[tokio::test]
async fn the_port_of_a_container_belongs_to_its_engine() {
    let start = async |profile| Broker::start(profile, false).await.map(drop);
    with_a_stranger("  container: true\n", start)
        .await
        .expect("the broker is elsewhere");
}

#[tokio::test]
async fn restarts_and_kills_keep_folder_and_port() {
    let broker = Broker::start(profile(DIRECTLY, "mute", ""), false).await.unwrap();
    let (folder, address) = (broker.folder(), broker.address(Version::V5).unwrap().clone());
    let mut ids = vec![broker.process_id().await.unwrap()];
    broker.restart().await.unwrap();
    ids.push(broker.process_id().await.unwrap());
    broker.kill().await.unwrap();
    ids.push(broker.process_id().await.unwrap());
    assert_eq!(ids.iter().map(|id| runs(*id)).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(
        (broker.folder(), broker.address(Version::V5)),
        (folder.clone(), Some(&address))
    );
    assert!(broker.alive());
    broker.stop().await;
    assert!(!broker.alive() && !runs(ids[2]));
    assert!(
        folder.exists(),
        "the folder, which has the log, stays until the broker is dropped"
    );
    drop(broker);
    assert!(!folder.exists());
}

#[tokio::test]
async fn dropping_a_broker_ends_all_its_processes() {
    // The shell is the first process of the group, and the broker is its child.
    let script = r#"sh -c 'echo $$ > child; exec "$BROKER" "$@"' sh "$@" & wait"#;
    let broker = Broker::start(profile(script, "mute", ""), false).await.unwrap();
    let folder = broker.folder();
    let child = std::fs::read_to_string(folder.join("child"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let shell = broker.process_id().await.unwrap();
    assert!(runs(child) && runs(shell) && child != shell);
    drop(broker);
    assert!(!runs(shell) && !runs(child) && !folder.exists());
}

#[tokio::test]
async fn one_that_ignores_sigterm_is_killed_after_the_timeout() {
    let script = r#"trap '' TERM; exec "$BROKER" "$@""#;
    let broker = Broker::start(profile(script, "mute", "  stop_timeout: 100ms\n"), false)
        .await
        .unwrap();
    let first = broker.process_id().await.unwrap();
    broker.restart().await.unwrap();
    assert!(!runs(first));
    assert!(broker.log_tail(10_000).contains("it did not end in time: SIGKILL"));
}

#[tokio::test]
async fn only_an_unintended_end_is_a_crash() {
    let broker = Broker::start(profile(DIRECTLY, "mute", ""), false).await.unwrap();
    let died = broker.died();
    tokio::pin!(died);
    tokio::select! {
        exit = &mut died => panic!("an intended restart was reported as a crash: {exit}"),
        restarted = broker.restart() => restarted.unwrap(),
    }
    let id = broker.process_id().await.unwrap();
    assert!(
        std::process::Command::new("kill")
            .args(["-ABRT", &id.to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(died.await.to_string(), "killed by SIGABRT");
    assert!(!broker.alive());
    broker.kill().await.unwrap();
    assert!(broker.alive());
}

#[tokio::test]
async fn one_that_fails_to_restart_is_down() {
    // It starts only once.
    let script = r#"[ -e started ] && { echo 'not again'; exit 3; }; touch started; exec "$BROKER" "$@""#;
    let broker = Broker::start(profile(script, "mute", ""), false).await.unwrap();
    let message = broker.restart().await.unwrap_err().to_string();
    assert!(
        message.contains("exit status 3") && message.contains("not again"),
        "{message}"
    );
    assert!(!broker.alive());
}

#[tokio::test]
async fn placeholders_are_replaced_everywhere() {
    let more = "    WHERE: $dir/sub\n  files:\n    sub/a.conf: |\n      port $port and ${port2} at $dir for $USER\n";
    let error = failure(profile("echo \"$WHERE\"; pwd; cat sub/a.conf; exit 1", "mute", more)).await;
    let StartError::Died { log, .. } = error else {
        panic!("{error}")
    };
    let lines: Vec<&str> = log.lines().collect();
    let [env, folder, file] = lines[..] else {
        panic!("{log}")
    };
    assert_eq!(env, format!("{folder}/sub"));
    let words: Vec<&str> = file.split(' ').collect();
    let (port, port2) = (words[1].parse::<u16>().unwrap(), words[3].parse::<u16>().unwrap());
    assert_ne!(port, port2);
    assert_eq!(file, format!("port {port} and {port2} at {folder} for $USER"));
}

#[tokio::test]
async fn the_version_comes_from_what_is_printed() {
    let ask = async |version: &str| ask_version(&profile("", "mute", &format!("  version: {version}\n"))).await;
    let found = ask(r#"[sh, -c, "echo broker v1.2.3 >&2; exit 3"]"#).await.unwrap();
    assert_eq!(found.map(|v| v.to_string()).as_deref(), Some("1.2.3"));
    assert_eq!(ask("[echo, nothing]").await.unwrap(), None);
    assert!(matches!(
        ask("[no-such-program]").await,
        Err(StartError::Missing { .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_start_in_parallel_on_ports_of_their_own() {
    let launcher = Arc::new(ProcessLauncher::new(profile(DIRECTLY, "mute", ""), false));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let launcher = launcher.clone();
            tokio::spawn(async move { launcher.launch().await })
        })
        .collect();
    let mut instances = Vec::new();
    for task in tasks {
        instances.push(task.await.unwrap().unwrap());
    }
    let mut ports: Vec<u16> = instances
        .iter()
        .map(|i| i.address(Version::V5).unwrap().port())
        .collect();
    ports.sort();
    ports.dedup();
    assert_eq!(ports.len(), 8);
    assert!(instances.iter().all(|i| i.alive()));
    for instance in instances {
        instance.stop().await;
    }
}
