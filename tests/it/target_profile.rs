//! Profile files: how they are read, and the error of each broken one.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use mqttspec::source::MAX_FILE;
use mqttspec::statements::Version;
use mqttspec::sut::{Endpoints, Fails, Login, Profile, Words};

fn parse(text: &str) -> Result<Profile, String> {
    Profile::parse(text, Path::new("p.yaml")).map_err(|e| e.to_string())
}

/// The first line of the message, without `error: `, and `line:column`.
fn refusal(text: &str) -> (String, String) {
    let message = parse(text).expect_err(text);
    let title = message.lines().next().unwrap().trim_start_matches("error: ").to_owned();
    let place = message.split("--> p.yaml:").nth(1).and_then(|rest| rest.lines().next());
    (title, place.unwrap_or_default().to_owned())
}

const WHOLE: &str = r##"
name: everything
process:
  command: [broker, -c, $dir/b.conf]
  files: { b.conf: "listen $port\n" }
  env: { HOME: $dir }
  version: [broker, --version]
  install: apt install broker
  ready_timeout: 60s
  stop_timeout: 1.5s
  container: true
mqtt: { v3.1.1: "mqtt://127.0.0.1:$port", v5: "mqtt://[::1]:$port2" }
versions: [v5, v3.1.1]
login: { username: u, password: p }
settle: 250ms
response_timeout: 5s
supports: [restart, persistence, max_qos: 1, retain: false]
denies: ["#", $SYS/#]
users: { good: { username: g, password: 007 } }
auth: { method: X, good: ["00 ff"], bad: [""] }
jobs: 64
instances: 4
isolate: true
known:
  - case: connect-flags/reserved@v5
    fails: v5:MQTT-3.1.2-3
    broker: "<2.0.18"
    sometimes: true
    because: answers instead of closing
    see: https://example.org/1
  - { case: "qos2/*", fails: crash, because: it dies, bytes: "10 00" }
  - { case: x, fails: sub <- nothing, untriaged: true, varies: true }
"##;

/// A profile that starts a broker, and one that does not, each with a configuration.
const STARTED: &str = r##"
name: x
process: { command: [broker], files: { a: one, b: two }, env: { E: "1" } }
mqtt: mqtt://127.0.0.1:$port
supports: [restart, max_qos: 2]
setups:
  users:
    files: { b: three }
    supports: [auth, max_qos: 1]
    login: { username: u, password: p }
    users: { other: { username: o } }
  plain: { command: [broker, --plain], supports: [retain: false] }
"##;

#[test]
fn a_setup_is_the_profile_with_overrides() {
    let profile = parse(STARTED).unwrap_or_else(|e| panic!("{e}"));
    let names: Vec<&str> = profile.setups.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["plain", "users"]);
    let (plain, users) = (&profile.setups[0].1, &profile.setups[1].1);
    let process = users.process.as_ref().unwrap();
    assert_eq!(process.command, ["broker"]);
    assert_eq!(
        (process.files["a"].as_str(), process.files["b"].as_str()),
        ("one", "three")
    );
    assert!(users.supports.has("auth") && users.supports.has("restart") && !plain.supports.has("auth"));
    assert_eq!(users.supports.limit("max_qos"), Some(1));
    assert_eq!(profile.supports.limit("max_qos"), Some(2));
    assert!(users.login.is_some() && users.users.contains_key("other"));
    assert_eq!(plain.process.as_ref().unwrap().command, ["broker", "--plain"]);
    assert!(!plain.supports.has("retain") && profile.supports.has("retain") && profile.login.is_none());
}

#[test]
fn an_impossible_setup_is_an_error() {
    let head = "name: x\nmqtt: mqtt://127.0.0.1:1883\nsetups:\n";
    let refused = |setup: &str| refusal(&format!("{head}{setup}"));
    let (title, place) = refused("  users: { supports: [auth] }\n");
    assert_eq!(
        (title.as_str(), place.as_str()),
        ("a setup without an address of its own", "4:3")
    );
    let (title, _) = refused("  users: { command: [broker], mqtt: mqtt://127.0.0.1:1884 }\n");
    assert!(title.contains("starts a broker"), "{title}");
    let (title, place) = refused("  users: { mqtt: mqtt://127.0.0.1:1884, supports: [fly] }\n");
    assert_eq!(
        (title.as_str(), place.as_str()),
        ("unknown feature or limit `fly`", "4:52")
    );
    let good = format!("{head}  users: {{ mqtt: mqtt://127.0.0.1:1884, supports: [auth] }}\n");
    assert!(parse(&good).is_ok());
}

#[test]
fn a_former_key_is_accepted_but_not_together_with_the_present_one() {
    let head = "name: x\nmqtt: mqtt://127.0.0.1:1883\n";
    let former = parse(&format!("{head}patience: 5s\n")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(former.response_timeout, Some(Duration::from_secs(5)));
    let (title, place) = refusal(&format!("{head}patience: 5s\nresponse_timeout: 5s\n"));
    assert_eq!(
        (title.as_str(), place.as_str()),
        (
            "`patience` is the former name of `response_timeout`: give only one",
            "3:1"
        )
    );
}

#[test]
fn everything_that_a_profile_can_say() {
    let profile = parse(WHOLE).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(profile.name, "everything");
    let process = profile.process.as_ref().unwrap();
    assert_eq!(process.command, ["broker", "-c", "$dir/b.conf"]);
    assert_eq!(process.files["b.conf"], "listen $port\n");
    assert_eq!(process.env["HOME"], "$dir");
    assert_eq!(
        (process.ready_timeout, process.stop_timeout),
        (Duration::from_secs(60), Duration::from_millis(1500))
    );
    assert!(process.container);
    let words = Words {
        ports: BTreeMap::from([("port".into(), 1), ("port2".into(), 2)]),
        ..Words::default()
    };
    let address = |version| {
        profile
            .transports
            .in_use()
            .address(version, &words)
            .map(|a| a.unwrap().to_string())
    };
    assert_eq!(address(Version::V3_1), None);
    assert_eq!(address(Version::V5).as_deref(), Some("mqtt://[::1]:2"));
    assert_eq!(profile.versions, Some(vec![Version::V3_1_1, Version::V5]));
    assert_eq!(
        (profile.settle, profile.response_timeout),
        (Duration::from_millis(250), Some(Duration::from_secs(5)))
    );
    assert!(profile.supports.has("restart") && !profile.supports.has("retain") && profile.supports.has("shared"));
    assert_eq!(profile.supports.limit("max_qos"), Some(1));
    assert_eq!(profile.denies, ["#", "$SYS/#"]);
    let good = Login {
        username: Some("g".into()),
        password: Some("007".into()),
    };
    assert_eq!(profile.users["good"], good);
    let auth = profile.auth.as_ref().unwrap();
    assert_eq!((&auth.good, &auth.bad), (&vec![vec![0, 255]], &vec![vec![]]));
    assert_eq!((profile.jobs, profile.instances), (Some(64), Some(4)));
    assert!(profile.isolate);

    let [first, second, third] = &profile.known[..] else {
        panic!("{:?}", profile.known)
    };
    assert_eq!(first.cases[0].fails, [Fails::By("v5:MQTT-3.1.2-3".into())]);
    assert_eq!(first.holds_for(Some(&"2.0.11".parse().unwrap())), Some(true));
    assert_eq!(first.holds_for(Some(&"2.0.18".parse().unwrap())), Some(false));
    assert_eq!((first.holds_for(None), second.holds_for(None)), (None, Some(true)));
    let (first, second, listed) = (&first.cases[0], &second.cases[0], &third.cases[0]);
    assert!(first.sometimes && second.fails == [Fails::Crash] && second.case.matches("qos2/a@v5"));
    assert!(third.untriaged && listed.varies && !first.varies);
    let stale = third.error_at(&listed.place, "matches no case").to_string();
    assert!(stale.contains("--> p.yaml:32:13"), "{stale}");
}

#[test]
fn the_least_that_a_profile_can_say() {
    let profile = parse("name: x\nmqtt: mqtt://broker.example\n").unwrap();
    assert_eq!(
        *profile.transports.in_use(),
        Endpoints::One("mqtt://broker.example".into())
    );
    assert_eq!(
        (profile.versions, profile.jobs, profile.settle),
        (None, None, Duration::ZERO)
    );
}

#[test]
fn a_message_shows_line_caret_and_what_is_allowed() {
    assert_eq!(
        parse("name: x\nmqtt: mqtt://h\nsettle: 250\n").unwrap_err(),
        "error: `settle`: `250` has no unit\n --> p.yaml:3:9\n  |\n3 | settle: 250\n  |         ^^^\n  |\n  = help: a number and its unit, as in 250ms, 1.5s or 2min"
    );
}

/// All errors are reported at once, so that the user can fix them together.
#[test]
fn all_errors_are_reported_with_suggestions() {
    let text = r#"name: x
mqtt: mqtt://h
jbos: 3
versions: [v3.1.1, v4]
supports: [retian, max_qos: high]
snapshots: failure
setups:
  other: { mqtt: mqtt://h, supprots: [auth] }
known:
  - { case: a, fials: b, over: [wsss], because: c, see: d }
"#;
    let expected = r#"error: unknown key `jbos`
 --> p.yaml:3:1
  |
3 | jbos: 3
  | ^^^^
  |
  = help: did you mean `jobs`?

error: unknown version `v4`
 --> p.yaml:4:20
  |
4 | versions: [v3.1.1, v4]
  |                    ^^
  |
  = help: did you mean `v5`?

error: unknown feature or limit `retian`
 --> p.yaml:5:12
  |
5 | supports: [retian, max_qos: high]
  |            ^^^^^^
  |
  = help: did you mean `retain`?

error: `max_qos` is a whole number, true or false, not `high`
 --> p.yaml:5:29
  |
5 | supports: [retian, max_qos: high]
  |                             ^^^^

error: `snapshots` is all or failures, not `failure`
 --> p.yaml:6:12
  |
6 | snapshots: failure
  |            ^^^^^^^
  |
  = help: did you mean `failures`?

error: unknown key `supprots`
 --> p.yaml:8:28
  |
8 |   other: { mqtt: mqtt://h, supprots: [auth] }
  |                            ^^^^^^^^
  |
  = help: did you mean `supports`?

error: missing key `fails`
  --> p.yaml:10:5
   |
10 |   - { case: a, fials: b, over: [wsss], because: c, see: d }
   |     ^
   |
   = help: the statement (MQTT-3.1.2-3), the text of the step that fails, or crash

error: unknown key `fials`
  --> p.yaml:10:16
   |
10 |   - { case: a, fials: b, over: [wsss], because: c, see: d }
   |                ^^^^^
   |
   = help: did you mean `fails`?

error: unknown transport `wsss`
  --> p.yaml:10:33
   |
10 |   - { case: a, fials: b, over: [wsss], because: c, see: d }
   |                                 ^^^^
   |
   = help: did you mean `wss`?"#;
    assert_eq!(parse(text).unwrap_err(), expected);
}

/// The message shows nothing of the value, which may be a secret.
#[test]
fn a_password_that_is_too_long_is_refused_but_not_shown() {
    let message = parse(&format!(
        "name: x\nmqtt: mqtt://h\nlogin: {{ password: {} }}\n",
        "s".repeat(70_000)
    ))
    .unwrap_err();
    assert_eq!(
        message,
        "error: a password of more than 65535 bytes does not fit into a CONNECT\n--> p.yaml:3:10"
    );
}

#[test]
fn errors_are_reported_with_their_place() {
    let head = "name: x\nmqtt: mqtt://h\n";
    let started = "name: x\nmqtt: mqtt://h:$port\nprocess:\n  command: [b]\n";
    let entry = "  - case: a\n    fails: b\n";
    for (text, title, place) in [
        ("name: x\n".to_owned(), "missing key `mqtt`", "1:1"),
        ("mqtt: mqtt://h\n".to_owned(), "missing key `name`", "1:1"),
        ("- a\n".to_owned(), "a profile is a map, not a list", "1:1"),
        (
            "name: a/b\nmqtt: mqtt://h\n".to_owned(),
            "`a/b` cannot be the name of a target",
            "1:7",
        ),
        (
            "name: x\nmqtt: tcp://h\n".to_owned(),
            "unknown scheme `tcp:` in `tcp://h`: an address starts",
            "2:7",
        ),
        (
            "name: x\nmqtt: wss://h\n".to_owned(),
            "`wss://h` is no mqtt address",
            "2:7",
        ),
        (
            "name: x\nmqtt: mqtt://h:$port\n".to_owned(),
            "`$port` without a `process`",
            "2:7",
        ),
        ("name: x\nmqtt: {}\n".to_owned(), "`mqtt` has no address", "2:7"),
        (
            "name: x\nmqtt: 5\n".to_owned(),
            "no scheme in `5`: an address reads mqtt://host",
            "2:7",
        ),
        (
            "name: x\nmqtt: { v4: mqtt://h }\n".to_owned(),
            "unknown version `v4`",
            "2:9",
        ),
        (format!("{head}versions: [v5, v6]\n"), "unknown version `v6`", "3:16"),
        (format!("{head}versions: [v5, v5]\n"), "v5 is listed twice", "3:16"),
        (format!("{head}versions: []\n"), "no version", "3:11"),
        (
            "name: x\nmqtt: { v5: mqtt://h }\nversions: [v3.1]\n".into(),
            "v3.1 has no address under `mqtt`",
            "3:12",
        ),
        (
            format!("{head}login: {{}}\n"),
            "a login without username and password",
            "3:8",
        ),
        (
            format!("{head}login: {{ user: u, password: p }}\n"),
            "unknown key `user`",
            "3:10",
        ),
        (
            format!("{head}response_timeout: 0s\n"),
            "`response_timeout` cannot be 0",
            "3:19",
        ),
        (
            format!("{head}jobs: 0\n"),
            "`jobs` is a number from 1 to 1024, not `0`",
            "3:7",
        ),
        (
            format!("{head}isolate: true\n"),
            "an instance for every case needs a `process`",
            "3:1",
        ),
        (
            format!("{head}jobs: many\n"),
            "`jobs` is a number from 1 to 1024, not `many`",
            "3:7",
        ),
        (
            format!("{head}supports: [fly]\n"),
            "unknown feature or limit `fly`",
            "3:12",
        ),
        (format!("{head}supports: [max_qos: 7]\n"), "max_qos 7", "3:12"),
        (
            format!("{head}supports: [restart]\n"),
            "`restart` without a `process`",
            "3:12",
        ),
        (
            format!("{head}supports: [max_qos: high]\n"),
            "`max_qos` is a whole number, true or false, not `high`",
            "3:21",
        ),
        (
            format!("{head}auth: {{ method: X, good: [0g] }}\n"),
            "`0g` is not hex",
            "3:27",
        ),
        (format!("{head}denies: ['']\n"), "an empty topic filter", "3:10"),
        (format!("{started}  comand: [c]\n"), "unknown key `comand`", "5:3"),
        (
            format!("{started}  files: {{ ../x: y }}\n"),
            "`../x` is not a path inside $dir",
            "5:12",
        ),
        (
            format!("{started}  files: {{ /x: y }}\n"),
            "`/x` is not a path inside $dir",
            "5:12",
        ),
        (
            format!("{started}  version: []\n"),
            "`version` names no program",
            "5:12",
        ),
        (
            format!("{started}  ready_timeout: soon\n"),
            "`ready_timeout`: `soon` is no span of time",
            "5:18",
        ),
        (
            format!("{head}known:\n{entry}    see: u\n"),
            "a known deviation without its reason",
            "4:5",
        ),
        (
            format!("{head}known:\n{entry}    because: c\n"),
            "a known deviation without a link or bytes",
            "4:5",
        ),
        (
            format!("{head}known:\n{entry}    because: ''\n    see: u\n"),
            "a known deviation without its reason",
            "4:5",
        ),
        (
            format!("{head}known:\n{entry}    because: c\n    see: u\n    sometimes: true\n    varies: true\n"),
            "`sometimes` and `varies` exclude each other",
            "9:13",
        ),
        (format!("{head}known:\n  - case: a\n"), "missing key `fails`", "4:5"),
        (
            format!("{head}known:\n{entry}    because: c\n    see: u\n    broker: 2.0\n"),
            "`2.0` has no sign: a condition is <, <=, =, >= or > and a version, as in <2.0.18",
            "8:13",
        ),
        (
            format!("{head}known:\n{entry}    because: c\n    see: u\n    over: [wss, wd]\n"),
            "unknown transport `wd`",
            "8:17",
        ),
        (format!("{head}name: y\n"), "the key `name` occurs twice", "3:1"),
        (
            format!("{head}---\n{head}"),
            "a second YAML document in one file",
            "3:1",
        ),
        (format!("{head}users: [\n"), "this is not YAML", "3:10"),
        (
            format!("{head}users: {}\n", "[".repeat(80)),
            "maps and lists are nested more than 64 deep",
            "3:71",
        ),
    ] {
        let (said, at) = refusal(&text);
        assert!(said.starts_with(title), "{text}\n gives `{said}`");
        assert_eq!(at, place, "{text}\n gives `{said}`");
    }
}

#[test]
fn a_file_that_is_no_profile_gives_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    // 100 MB without writing them: a sparse file.
    let huge = folder.path().join("huge.yaml");
    std::fs::File::create(&huge)
        .unwrap()
        .set_len(100 * 1024 * 1024)
        .unwrap();
    for (path, expected) in [
        (folder.path().to_owned(), "this is a folder, not a file"),
        (
            folder.path().join("none.yaml"),
            "the file cannot be read: No such file or directory",
        ),
        (write("empty.yaml", b""), "the file is empty"),
        (write("comment.yaml", b"# nothing\n"), "the file is empty"),
        (
            write("binary.yaml", b"\x7fELF\x02\x01\x00\xff"),
            "the file is not text: byte 7 is no UTF-8",
        ),
        (
            write("nul.yaml", b"name: \0"),
            "the file is not text: it holds a NUL byte",
        ),
        (huge, "the file is larger than 1048576 bytes"),
        ("/dev/zero".into(), "this is no regular file"),
    ] {
        let begin = Instant::now();
        let message = Profile::read(&path).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("error: {expected}"))
                && message.ends_with(&format!("\n--> {}", path.display())),
            "{message}"
        );
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

/// The time that this thread has used the processor.
fn processor_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    nix::time::clock_gettime(clock).expect("a clock of this thread").into()
}

#[test]
fn hostile_text_of_the_largest_size_is_refused_quickly() {
    let size = MAX_FILE;
    let bomb = {
        let mut text = String::from("name: x\nmqtt: mqtt://h\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..30 {
            text += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "));
        }
        text
    };
    for (what, text) in [
        ("an alias bomb", bomb),
        ("brackets", "[".repeat(size)),
        ("braces", "{a: ".repeat(size / 4)),
        ("dashes", "- ".repeat(size / 2)),
        ("items", format!("[{}]", "x,".repeat(size / 2 - 1))),
        ("a long key", format!("{}: x\n", "k".repeat(size - 10))),
        ("anchors", "&a ".repeat(size / 3)),
        ("quotes", "\"".repeat(size)),
    ] {
        // The processor's time: a busy machine is no fault of the parser.
        let begin = processor_time();
        let message = parse(&text).expect_err(what);
        let took = processor_time() - begin;
        assert!(took < Duration::from_secs(10), "{what} took {took:?}");
        assert!(message.len() < 20_000, "{what}: a message of {} bytes", message.len());
    }
}
