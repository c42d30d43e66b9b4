//! The JSON Schema of profiles, for editors. It is made of the same tables as the loader reads: the keys of each map, and the
//! words under them.
//!
//! What no schema can say (a `$port` without a `process`, a pattern that fits no case) the loader says.

use serde_json::{Map, Value, json};

use super::known::{CASE_KEYS, CAUSE_KEYS, ENTRY_KEYS};
use super::{HowToDisconnect, Profile, Ruling, Severity, Supports, check, client, command_line, setups};
use crate::source::DURATION_PATTERN as DURATION;
use crate::statements::Version;
use crate::transport::Transport;

impl Profile {
    /// The schema (JSON Schema 2020-12) of a profile, and of a file with nothing but expected failures.
    pub fn schema() -> Value {
        let mut properties = Map::new();
        for key in check::KEYS {
            properties.insert(key.to_owned(), top(key));
        }
        for (former, present) in check::FORMER_KEYS {
            let mut schema = top(present);
            schema["description"] = format!("The former name of `{present}`.").into();
            schema["deprecated"] = true.into();
            properties.insert(former.to_owned(), schema);
        }
        let transports = Transport::ALL.map(|transport| json!({ "required": [transport.name()] }));
        let of_broker = client::BROKER_KEYS.map(|key| json!({ "required": [key] }));
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "A profile of mqttspec",
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
            "anyOf": [
                { "required": ["name", "client"], "not": { "anyOf": of_broker } },
                { "required": ["name"], "not": { "required": ["client"] }, "anyOf": transports },
                { "required": ["known"] },
                { "required": ["known_from"] },
            ],
            "$defs": definitions(),
        })
    }

    /// The schema as text, as it is committed.
    pub fn schema_text() -> String {
        format!("{:#}\n", Profile::schema())
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// A map from any names to values.
fn map(values: &Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

/// A map of these keys; `mandatory` names those that it needs.
fn keyed(keys: &[&str], mandatory: &[&str], value: impl Fn(&str) -> (&'static str, Value)) -> Value {
    let mut properties = Map::new();
    for key in keys {
        properties.insert((*key).to_owned(), described(value(key)));
    }
    json!({ "type": "object", "properties": properties, "required": mandatory, "additionalProperties": false })
}

fn described((about, mut schema): (&str, Value)) -> Value {
    schema["description"] = about.into();
    schema
}

fn versions() -> [&'static str; 3] {
    Version::ALL.map(Version::name)
}

/// The key at the top of a file.
fn top(key: &str) -> Value {
    described(match key {
        "name" => (
            "The name in reports and of the folder of snapshots.",
            json!({ "type": "string", "pattern": "^[A-Za-z0-9](?!.*__)[A-Za-z0-9._-]{0,63}$" }),
        ),
        "client" => (
            "The target is a client library: how to start its adapter.",
            reference("client"),
        ),
        "process" => ("How to start the broker.", reference("process")),
        "mqtt" => ("The address, such as mqtt://127.0.0.1:$port.", reference("address")),
        "mqtts" => ("The address over TLS.", reference("address")),
        "ws" => ("The address over WebSocket.", reference("address")),
        "wss" => ("The address over WebSocket with TLS.", reference("address")),
        "unix" => ("The address of a Unix socket.", reference("address")),
        "tls" => ("How TLS addresses are verified.", reference("tls")),
        "versions" => (
            "The versions to play; unless given, those that the broker serves.",
            json!({ "type": "array", "items": { "enum": versions() }, "minItems": 1, "uniqueItems": true }),
        ),
        "login" => ("What every client sends in CONNECT.", reference("login")),
        "settle" => (
            "How long the broker needs until other connections see a change.",
            reference("duration"),
        ),
        "response_timeout" => (
            "How long to wait for an expected packet or close.",
            reference("duration"),
        ),
        "supports" => ("Features and limits of the broker.", reference("supports")),
        "denies" => (
            "Topic filters that the broker's access lists refuse.",
            list(&reference("text")),
        ),
        "users" => ("Further logins by name.", map(&reference("login"))),
        "auth" => ("Enhanced authentication (5.0, section 4.12).", reference("auth")),
        "jobs" => ("How many cases run in parallel.", reference("count")),
        "instances" => (
            "How many brokers run at once, for cases that have one of their own.",
            reference("count"),
        ),
        "isolate" => (
            "Whether every case gets a broker of its own.",
            json!({ "type": "boolean" }),
        ),
        "snapshots" => ("Which cases have a snapshot.", json!({ "enum": ["all", "failures"] })),
        "setups" => ("Other configurations of the broker, by name.", map(&reference("setup"))),
        "known" => ("Expected failures, by cause.", list(&reference("known"))),
        _ => (
            "Files with further expected failures, relative to the folder of this file.",
            json!({ "anyOf": [reference("text"), list(&reference("text"))] }),
        ),
    })
}

fn definitions() -> Value {
    let text = json!({ "type": ["string", "number", "boolean"] });
    let transports = Transport::ALL.map(Transport::name);
    let files = map(&reference("text"));
    let mut by_transport = Map::new();
    for transport in transports {
        by_transport.insert(transport.to_owned(), files.clone());
    }
    let mut by_version = Map::new();
    for version in versions() {
        by_version.insert(version.to_owned(), reference("text"));
    }
    let login = json!({ "type": "object", "minProperties": 1, "additionalProperties": false,
        "properties": { "username": reference("text"), "password": reference("text") } });
    let auth = keyed(&["method", "good", "bad"], &["method"], |key| match key {
        "method" => ("The Authentication Method.", reference("text")),
        "good" => ("The data that leads to success, in hex.", list(&reference("text"))),
        _ => ("The data that the broker refuses, in hex.", list(&reference("text"))),
    });
    json!({
        "text": text,
        "duration": { "type": "string", "pattern": DURATION },
        "count": { "type": "integer", "minimum": 1, "maximum": check::MOST_AT_ONCE },
        "address": { "anyOf": [
            { "type": "string" },
            { "type": "object", "properties": by_version, "minProperties": 1, "additionalProperties": false },
        ] },
        "command": { "type": "array", "items": reference("text"), "minItems": 1 },
        "files_over": { "type": "object", "properties": by_transport, "additionalProperties": false },
        "login": login,
        "auth": auth,
        "process": process(),
        "client": of_client(),
        "tls": tls(),
        "setup": setup(),
        "supports": supports(),
        "fails": { "anyOf": [reference("text"), list(&reference("text"))] },
        "known": { "anyOf": [cause(), entry()] },
    })
}

fn process() -> Value {
    keyed(&check::PROCESS_KEYS, &["command"], |key| match key {
        "command" => ("The program and its arguments.", reference("command")),
        "files" => ("Files by name, written into $dir.", map(&reference("text"))),
        "files_over" => ("Further files by transport.", reference("files_over")),
        "certificates" => (
            "The folder in $dir into which certificates are written.",
            reference("text"),
        ),
        "env" => ("Environment variables.", map(&reference("text"))),
        "version" => ("A command that prints the broker's version.", reference("command")),
        "install" => ("How to install the broker.", reference("text")),
        "ready_timeout" => (
            "How long the broker may take until it answers a CONNECT.",
            reference("duration"),
        ),
        "stop_timeout" => (
            "How long the broker may take to end after SIGTERM.",
            reference("duration"),
        ),
        _ => (
            "Whether `command` runs the broker in a container.",
            json!({ "type": "boolean" }),
        ),
    })
}

fn of_client() -> Value {
    let mut schema = keyed(&client::CLIENT_KEYS, &[], |key| match key {
        "adapter" => ("The program of the adapter and its arguments.", reference("command")),
        "command" => (
            "A client that is a command: the program and its arguments, with $host, $port, $topic and the like.",
            reference("command"),
        ),
        "version" => ("A command that prints the version of the client.", reference("command")),
        "speaks" => (
            "What $version is for each version of MQTT that the command speaks.",
            keyed(&versions(), &[], |_| ("", reference("text"))),
        ),
        "options" => (
            "Arguments that are added if a case asks for the option.",
            keyed(&command_line::OPTIONS, &[], |_| ("", list(&reference("text")))),
        ),
        "input" => (
            "What is written to the standard input for each message.",
            reference("text"),
        ),
        "disconnect" => (
            "How the command is told to disconnect.",
            json!({ "enum": HowToDisconnect::ALL.map(|(name, _)| name) }),
        ),
        "leaves" => (
            "Whether the command disconnects by itself when it is done.",
            json!({ "type": "boolean" }),
        ),
        "env" => ("Environment variables.", map(&reference("text"))),
        "install" => ("How to install the library.", reference("text")),
        _ => (
            "How long the adapter may take until it says that it is ready.",
            reference("duration"),
        ),
    });
    schema["oneOf"] = json!([{ "required": ["adapter"] }, { "required": ["command", "speaks"] }]);
    schema
}

fn tls() -> Value {
    keyed(&check::TLS_KEYS, &[], |key| match key {
        "ca" => ("The certificates to trust, in PEM.", reference("text")),
        "certificate" => ("The client certificate, in PEM.", reference("text")),
        "key" => ("The private key of the client certificate, in PEM.", reference("text")),
        "server_name" => ("The name to verify in the broker's certificate.", reference("text")),
        _ => ("Whether no certificate is verified.", json!({ "type": "boolean" })),
    })
}

fn setup() -> Value {
    keyed(&setups::KEYS, &[], |key| match key {
        "command" => ("Replaces that of `process`.", reference("command")),
        "files" => ("Added to those of `process`.", map(&reference("text"))),
        "files_over" => ("Added to those of `process`.", reference("files_over")),
        "env" => ("Added to that of `process`.", map(&reference("text"))),
        "mqtt" => ("The address of a broker with this configuration.", reference("address")),
        "login" => ("Replaces that of the profile.", reference("login")),
        "supports" => ("Added to that of the profile.", reference("supports")),
        "denies" => ("Replaces that of the profile.", list(&reference("text"))),
        "users" => ("Added to those of the profile.", map(&reference("login"))),
        _ => ("Replaces that of the profile.", reference("auth")),
    })
}

/// A list of features, and of maps with a feature that is there or not, or a limit with its number.
fn supports() -> Value {
    let mut listed = Vec::new();
    let mut valued = Map::new();
    for (name, meaning, is_limit) in Supports::entries() {
        let value = match (name, is_limit) {
            ("max_qos", _) => json!({ "type": "integer", "minimum": 0, "maximum": 2 }),
            (_, true) => json!({ "type": "integer", "minimum": 0 }),
            (_, false) => json!({ "type": "boolean" }),
        };
        valued.insert(name.to_owned(), described((meaning, value)));
        if !is_limit {
            listed.push(json!({ "const": name, "description": meaning }));
        }
    }
    let entry = json!({ "type": "object", "properties": valued, "additionalProperties": false,
        "minProperties": 1, "maxProperties": 1 });
    listed.push(entry);
    json!({ "type": "array", "items": { "anyOf": listed } })
}

/// One cause of expected failures.
fn cause() -> Value {
    let of_case = keyed(&CASE_KEYS, &["fails"], |key| match key {
        "fails" => ("What fails in the case.", reference("fails")),
        "sometimes" => ("Whether it may pass.", json!({ "type": "boolean" })),
        _ => (
            "Whether it fails in another way each time.",
            json!({ "type": "boolean" }),
        ),
    });
    keyed(&CAUSE_KEYS, &["cases"], |key| match key {
        "because" => ("What the broker does instead, in one sentence.", reference("text")),
        "bytes" => ("The exchange that shows it.", reference("text")),
        "link" => ("An upstream issue or another page about it.", reference("text")),
        "links" => ("Pages about it.", list(&reference("text"))),
        "severity" => ("How bad it is.", json!({ "enum": Severity::ALL.map(Severity::name) })),
        "ruling" => (
            "How firmly the standard forbids it.",
            json!({ "enum": Ruling::ALL.map(Ruling::name) }),
        ),
        "about" => (
            "The readings of the standard that lead to the ruling.",
            reference("text"),
        ),
        "effect" => ("What it does to a user, in one sentence.", reference("text")),
        "broker" => (
            "The versions that have the deviation, such as <2.0.18.",
            reference("text"),
        ),
        "over" => (
            "The transports that show it.",
            list(&json!({ "enum": Transport::ALL.map(Transport::name) })),
        ),
        "sometimes" => ("Whether its cases may pass.", json!({ "type": "boolean" })),
        "varies" => (
            "Whether its cases fail in another way each time.",
            json!({ "type": "boolean" }),
        ),
        "untriaged" => ("Whether no one has looked at it.", json!({ "type": "boolean" })),
        "fails" => ("What fails in all cases, if it is the same.", reference("fails")),
        _ => (
            "The cases that fail because of it: with what fails in each, or a list next to `fails`.",
            json!({ "anyOf": [
                { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                { "type": "object", "minProperties": 1,
                  "additionalProperties": { "anyOf": [reference("fails"), of_case] } },
            ] }),
        ),
    })
}

/// The first form of an expected failure, one case at a time.
fn entry() -> Value {
    keyed(&ENTRY_KEYS, &["case", "fails"], |key| match key {
        "case" => ("The id of a case, or a pattern.", reference("text")),
        "fails" => ("What fails in it.", reference("text")),
        "broker" => ("The versions that have the deviation.", reference("text")),
        "over" => (
            "The transports that show it.",
            list(&json!({ "enum": Transport::ALL.map(Transport::name) })),
        ),
        "because" => ("What the broker does instead.", reference("text")),
        "see" => ("A page about it.", reference("text")),
        "bytes" => ("The exchange that shows it.", reference("text")),
        "sometimes" => ("Whether it may pass.", json!({ "type": "boolean" })),
        "varies" => (
            "Whether it fails in another way each time.",
            json!({ "type": "boolean" }),
        ),
        _ => ("Whether no one has looked at it.", json!({ "type": "boolean" })),
    })
}
