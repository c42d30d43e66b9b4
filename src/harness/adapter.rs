//! Tries an adapter against the contract, without a case.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use crate::adapter::{Acknowledge, COMMANDS, Command, Endpoint, Message, PLAN, REQUIRED};
use crate::statements::Version;
use crate::sut::{Adapter, Process, Said, StartError};
use crate::wire::property::id;
use crate::wire::{Auth, Connect, Disconnect, PropertyValue, Publish, Subscribe, Unsubscribe};

/// How long an adapter may take to answer a command: none waits for the network.
const ANSWER: Duration = Duration::from_secs(2);

/// What was found, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterReport {
    pub lines: Vec<String>,
    /// Nothing violates the contract. What the adapter lacks is no violation.
    pub is_good: bool,
}

impl AdapterReport {
    fn good(&mut self, line: impl Into<String>) {
        self.lines.push(format!("ok    {}", line.into()));
    }

    fn lacks(&mut self, line: impl Into<String>) {
        self.lines.push(format!("lacks {}", line.into()));
    }

    fn wrong(&mut self, line: impl Into<String>) {
        self.is_good = false;
        self.lines.push(format!("wrong {}", line.into()));
    }
}

/// Starts the adapter, asks it for each command of the contract, and ends it. The server that it is told to connect to
/// accepts connections and says nothing. Words of the command that name a file in the folder `here` mean that file, although
/// the adapter runs in a folder of its own.
///
/// # Errors
/// The program is missing, or says nothing that makes it an adapter.
pub async fn check_adapter(command: Vec<String>, here: &Path, ready: Duration) -> Result<AdapterReport, StartError> {
    let command = command.into_iter().enumerate();
    let command = command.map(|(at, word)| from_here(word, at == 0, here)).collect();
    let source = Process::of_command(command, ready).adapters(here)?;
    let mut adapter = source.start().await?;
    let mut report = AdapterReport {
        lines: Vec::new(),
        is_good: true,
    };
    let abilities = adapter.abilities().clone();
    let version = abilities.version.as_deref().unwrap_or("no version");
    report.good(format!("ready: {} ({version})", abilities.name));
    let spoken: Vec<&str> = abilities.versions.iter().map(|v| v.name()).collect();
    match spoken.as_slice() {
        [] => report.wrong("`versions` names none of v3.1, v3.1.1 and v5"),
        spoken => report.good(format!("versions: {}", spoken.join(", "))),
    }
    let transports: Vec<&str> = abilities.transports.iter().map(|t| t.name()).collect();
    report.good(format!("transports: {}", transports.join(", ")));
    let is_known = |command: &str| COMMANDS.contains(&command) || command == PLAN;
    for unknown in abilities.commands.iter().filter(|c| !is_known(c)) {
        report.wrong(format!(
            "`commands` names `{unknown}`, which the contract does not have"
        ));
    }
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(StartError::Folder)?;
    let port = listener.local_addr().map_err(StartError::Folder)?.port();
    let silent = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let version = abilities.versions.last().copied().unwrap_or(Version::V3_1_1);
    for command in commands(port, version) {
        let name = command.name();
        let is_known = abilities.commands.iter().any(|known| known == name);
        if !is_known {
            let line = format!("`{name}`");
            if REQUIRED.contains(&name) {
                report.wrong(format!(
                    "`commands` does not name {line}: no case can be played without it"
                ));
            } else {
                report.lacks(format!("{line}: cases that need it are skipped"));
            }
            continue;
        }
        if !answered(&mut adapter, command, &mut report).await {
            silent.abort();
            return Ok(report);
        }
    }
    silent.abort();
    if adapter.end().await {
        report.good("it ended when its input ended");
    } else {
        report.wrong("it did not end within 2 s after its input had ended");
    }
    Ok(report)
}

/// The word with the path of the file in `here` that it names, if it does. A program without a slash is looked up in `PATH`.
fn from_here(word: String, is_program: bool, here: &Path) -> String {
    if is_program && !word.contains('/') {
        return word;
    }
    let file = here.join(&word);
    match file.to_str() {
        Some(path) if file.is_file() => path.to_owned(),
        _ => word,
    }
}

/// One command of each kind, in an order in which each has a meaning.
fn commands(port: u16, version: Version) -> Vec<Command> {
    let endpoint = Endpoint::tcp("127.0.0.1", port, version);
    let publish = Publish {
        topic: "mqttspec/check".into(),
        payload: "x".into(),
        qos: 1,
        ..Publish::default()
    };
    let subscribe = Subscribe {
        subscriptions: vec![crate::wire::Subscription::new("mqttspec/check", 1)],
        ..Subscribe::default()
    };
    let unsubscribe = Unsubscribe {
        filters: vec!["mqttspec/check".into()],
        ..Unsubscribe::default()
    };
    let mut auth = Auth {
        // Continue authentication (5.0, 3.15.2.1).
        reason_code: 0x18,
        ..Auth::default()
    };
    auth.properties
        .push(id::AUTHENTICATION_METHOD, PropertyValue::Text("mqttspec".into()));
    vec![
        Command::Connect(endpoint, Box::new(Connect::new(version, "mqttspeccheck"))),
        Command::Publish(publish),
        Command::Subscribe(subscribe),
        Command::Unsubscribe(unsubscribe),
        Command::Reconnect,
        Command::Auth(auth),
        Command::Ack(Acknowledge {
            packet_id: 1,
            payload: Bytes::from_static(b"x"),
            reason_code: 0,
        }),
        Command::Disconnect(Disconnect::default()),
        Command::End,
    ]
}

/// Gives a command and reports the answer. Returns whether the adapter can go on.
async fn answered(adapter: &mut Adapter, command: Command, report: &mut AdapterReport) -> bool {
    let name = command.name();
    let id = adapter.tell(command);
    let until = tokio::time::Instant::now() + ANSWER;
    loop {
        let Ok(said) = tokio::time::timeout_at(until, adapter.next()).await else {
            report.wrong(format!(
                "`{name}` was not answered within 2 s; a call must not wait for the network"
            ));
            return false;
        };
        match said {
            Said::Message(Message::Taken(answered)) if answered == id => report.good(format!("`{name}`")),
            // Without a connection a library may say no to most calls.
            Said::Message(Message::Refused(answered, why)) if answered == id => {
                if REQUIRED.contains(&name) {
                    report.wrong(format!("`{name}` was refused: {why}"));
                } else {
                    report.good(format!("`{name}` (refused without a connection: {why})"));
                }
            }
            Said::Message(Message::Unsupported(answered, why)) if answered == id => {
                report.lacks(format!("`{name}`: {why}"));
            }
            Said::Message(Message::Event(..)) => continue,
            Said::Message(other) => {
                report.wrong(format!("an answer to nothing: {}", other.line()));
                continue;
            }
            Said::Noise(line) => {
                report.wrong(format!(
                    "a line that is no message: {line}; logs belong on standard error"
                ));
                continue;
            }
            Said::Ended(how) => {
                report.wrong(format!("after `{name}`: {how}"));
                return false;
            }
        }
        return true;
    }
}
