//! Gathers the table of places from the source.
//!
//! A place is found in three ways: a comment that names the statement, a decision that is one of its duties, and the
//! table here, for functions that implement a statement as a whole.

use std::fs;
use std::path::Path;

use super::SourceLine;
use crate::reference::duty::DUTIES;
use crate::statements::{StatementId, catalogue};
use crate::wire::decoder_statements;

/// Files that name statements for other reasons than to honour them.
const NOT_HONOURING: &[&str] = &[
    "sabotage/",
    "freedom/",
    "proxy/",
    "walk/",
    "tests",
    "combined.rs",
    "duty.rs",
    "disobey.rs",
    "tolerance.rs",
    "places/",
];

/// Where the source honours the statement.
fn places(source: &Source, statement: StatementId) -> Vec<SourceLine> {
    let token = statement.to_string();
    let duties: Vec<String> = DUTIES
        .iter()
        .filter(|row| {
            row.ids
                .at(statement.version)
                .iter()
                .any(|id| is_or_variant(id, statement.id))
        })
        .map(|row| format!("Duty::{:?}", row.duty))
        .collect();
    let mut places = Vec::new();
    for (file, text) in &source.broker {
        let functions: Vec<String> = FUNCTIONS
            .iter()
            .filter(|f| f.file == file && f.honours.contains(&token.as_str()))
            .map(|f| format!("fn {}(", f.name))
            .collect();
        for (i, line) in text.lines().enumerate() {
            let is_meant = names(line, &token)
                || duties.iter().any(|duty| names(line, duty))
                || functions.iter().any(|function| line.contains(function));
            if is_meant {
                places.push(SourceLine {
                    file: format!("crates/reference/src/reference/{file}"),
                    line: i + 1,
                });
            }
        }
    }
    if decoder_statements(statement.version).any(|id| id == statement) {
        let quoted = format!("\"{}\"", statement.id);
        let lines = source
            .decoder
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains(&quoted));
        places.extend(lines.take(1).map(|(i, _)| SourceLine {
            file: "crates/protocol/src/wire/ids.rs".to_owned(),
            line: i + 1,
        }));
    }
    places
}

/// A function that as a whole implements some statements.
struct Function {
    file: &'static str,
    name: &'static str,
    honours: &'static [&'static str],
}

macro_rules! functions {
    ($($file:literal $name:ident: [$($token:literal),* $(,)?];)*) => {
        &[$(Function { file: $file, name: stringify!($name), honours: &[$($token),*] }),*]
    };
}

const FUNCTIONS: &[Function] = functions! {
    "core/acknowledge.rs" pub_rec: ["v3.1:§3.5/pubrel", "v5:MQTT-4.3.3-6"];
    "core/acknowledge.rs" pub_rel: ["v3.1:§3.6/pubcomp", "v3.1:§3.6/deliver", "v5:MQTT-4.3.3-13"];
    "core/acknowledge.rs" finish: ["v5:§4.9/send-quota"];
    "core/connect.rs" client_id: ["v3.1.1:MQTT-3.1.3-2", "v5:MQTT-3.1.3-2"];
    "core/connect.rs" refuse: ["v3.1:§3.1/invalid-connect", "v5:MQTT-3.2.2-20"];
    "core/connect.rs" take_session_over: ["v3.1:§3.1/client-id-unique", "v5:§3.1.4/taken-over"];
    "core/connect.rs" granted_expiry: ["v5:§3.1.2.11.2/never-expires"];
    "core/connect.rs" greet: [
        "v3.1:§3.1/connack", "v3.1.1:MQTT-3.2.2-2", "v3.1.1:MQTT-3.2.2-3", "v5:MQTT-3.2.0-2", "v5:MQTT-3.2.2-3",
    ];
    "core/connect.rs" announcements: ["v5:MQTT-3.1.2-28", "v5:MQTT-3.2.2-22", "v5:MQTT-4.12.0-6"];
    "core/connection.rs" opened: ["v3.1:§3.1/no-connect"];
    "core/connection.rs" accept: ["v3.1.1:MQTT-3.1.2-12"];
    "core/connection.rs" silent_until: ["v3.1:§2.2/keep-alive", "v3.1:§2.2/keep-alive-zero", "v5:MQTT-3.2.2-22"];
    "core/connection.rs" takes: [
        "v5:MQTT-3.4.2-2", "v5:MQTT-3.4.2-3", "v5:MQTT-3.5.2-2", "v5:MQTT-3.5.2-3", "v5:MQTT-3.6.2-2", "v5:MQTT-3.6.2-3",
        "v5:MQTT-3.7.2-2", "v5:MQTT-3.7.2-3", "v5:MQTT-3.9.2-1", "v5:MQTT-3.9.2-2", "v5:MQTT-3.11.2-1",
        "v5:MQTT-3.11.2-2", "v5:MQTT-3.15.2-2", "v5:MQTT-3.15.2-3",
    ];
    "core/deliver.rs" pump: ["v5:MQTT-3.3.4-10"];
    "core/deliver.rs" repeat: ["v3.1:§2.1/dup-on-redelivery", "v3.1:§4.2/dup-on-retry"];
    "core/deliver.rs" publish_packet: [
        "v3.1:§2.4/message-id-qos", "v3.1.1:MQTT-2.3.1-5", "v5:MQTT-2.2.1-2", "v5:MQTT-3.1.2-26", "v5:MQTT-3.1.2-27",
        "v5:MQTT-3.3.2-11", "v5:MQTT-4.3.2-2", "v5:MQTT-4.3.3-2",
    ];
    "core/deliver.rs" say_goodbye: ["v5:MQTT-3.14.2-4", "v5:MQTT-3.1.2-29", "v5:§4.13.1/disconnect-first"];
    "core/end.rs" disconnect: [
        "v3.1:§3.14/server-closes", "v3.1.1:§3.14.4/server-closes", "v5:§3.14.4/server-closes", "v5:§3.14.2.2.2/replaces",
    ];
    "core/end.rs" end: ["v5:MQTT-4.13.1-1"];
    "core/end.rs" publish_will: [
        "v3.1:§2.2/will-qos-published", "v3.1:§2.2/will-retain", "v3.1.1:MQTT-3.1.2-16", "v3.1.1:MQTT-3.1.2-17",
        "v5:MQTT-3.1.2-14", "v5:MQTT-3.1.2-15",
    ];
    "core/message.rs" passed_on: [
        "v5:MQTT-3.3.2-15", "v5:MQTT-3.3.2-16", "v5:MQTT-3.3.2-17", "v5:MQTT-3.3.2-18", "v5:MQTT-3.3.2-20",
    ];
    "core/message.rs" from_will: ["v5:MQTT-3.1.3-10"];
    "core/message.rs" from_publish: ["v3.1.1:MQTT-1.5.3-3", "v5:MQTT-1.5.4-3"];
    "core/mod.rs" later_packet: ["v3.1.1:MQTT-3.1.0-2", "v5:MQTT-3.1.0-2"];
    "core/mod.rs" ping: ["v3.1:§3.12/pingresp"];
    "core/publish.rs" publish: [
        "v3.1:§2.1/dup-hint", "v3.1:§3.3/qos-0", "v3.1:§3.3/puback", "v3.1:§3.3/pubrec", "v3.1:§4.1/qos-1-duplicate",
        "v3.1.1:MQTT-3.3.4-1", "v5:MQTT-3.3.4-1", "v5:MQTT-4.3.2-5",
    ];
    "core/publish.rs" distribute: [
        "v3.1.1:MQTT-4.6.0-5", "v3.1.1:MQTT-4.6.0-6", "v5:MQTT-4.6.0-5", "v5:MQTT-4.6.0-6",
    ];
    "core/publish.rs" retain: [
        "v3.1:§2.1/retain-stored", "v3.1:§2.1/retain-none", "v3.1.1:MQTT-3.3.1-7", "v3.1.1:MQTT-3.3.1-10",
        "v3.1.1:MQTT-3.3.1-12", "v3.1.1:§3.3.1.3/qos-0-stored", "v5:MQTT-3.3.1-6", "v5:MQTT-3.3.1-8",
        "v5:§3.3.1.3/qos-0-stored",
    ];
    "core/publish.rs" subscribers: ["v5:MQTT-3.3.4-5"];
    "core/publish.rs" delivery_for: ["v3.1:§2.1/retain-live", "v5:MQTT-3.3.1-13"];
    "core/session.rs" is_in_use: ["v3.1:§2.4/message-id-direction"];
    "core/session.rs" free_packet_id: ["v3.1:§2.4/message-id-unique", "v5:MQTT-4.3.2-1", "v5:MQTT-4.3.3-1"];
    "core/subscribe.rs" subscribe: ["v3.1:§3.8/suback", "v5:MQTT-3.2.2-10"];
    "core/subscribe.rs" refusal: ["v3.1:§3.8/not-authorized", "v3.1.1:MQTT-3.8.3-2"];
    "core/subscribe.rs" send_retained: [
        "v3.1:§2.1/retain-new-subscription", "v5:MQTT-3.3.1-10", "v5:MQTT-3.3.1-11",
    ];
    "core/subscribe.rs" unsubscribe: ["v3.1:§3.10/unsuback", "v5:MQTT-3.10.4-4"];
    "topic.rs" matches_levels: [
        "v3.1:§A/case", "v3.1:§A/space", "v3.1:§A/leading-slash", "v3.1:§A/multi-level-match", "v3.1:§A/single-level-match",
    ];
};

/// What is searched.
struct Source {
    /// The files that implement statements, by their path within the broker, and their text.
    broker: Vec<(String, String)>,
    /// The decoder's own list of statements.
    decoder: String,
}

impl Source {
    fn read() -> Source {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut broker = Vec::new();
        gather(&src.join("reference"), "", &mut broker);
        broker.sort();
        let ids = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/src/wire/ids.rs");
        let decoder = fs::read_to_string(ids).expect("the decoder's list can be read");
        Source { broker, decoder }
    }
}

/// The files below a folder whose path within the broker is `within`: empty, or ending in `/`.
fn gather(folder: &Path, within: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("the source can be read") {
        let entry = entry.expect("the source can be read");
        let path = format!("{within}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            gather(&entry.path(), &format!("{path}/"), files);
        } else if !NOT_HONOURING.iter().any(|part| path.contains(part)) {
            let text = fs::read_to_string(entry.path()).expect("the source can be read");
            files.push((path, text));
        }
    }
}

/// Whether a line contains the word: it must not continue, as `MQTT-4.1.0-1` does in `MQTT-4.1.0-10`.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let next = line[at + word.len()..].chars().next();
        !next.is_some_and(|c| c.is_alphanumeric() || c == '-')
    })
}

/// Whether an id of a table is this one, or a variant of it.
fn is_or_variant(id: &str, statement: &str) -> bool {
    let rest = id.strip_prefix(statement);
    rest.is_some_and(|rest| rest.is_empty() || rest.len() == 2 && rest.starts_with('/'))
}

mod tests {
    use super::super::{TABLE, honoured_at};
    use super::*;
    use crate::reference::disobey::UNBREAKABLE;

    /// The table of the places that honour each statement.
    fn table(places: impl Fn(StatementId) -> Vec<SourceLine>) -> String {
        let mut table = String::new();
        for statement in catalogue().iter() {
            let places = places(statement.id);
            if !places.is_empty() {
                table.push_str(&statement.id.to_string());
                for place in places {
                    table.push_str(&format!("\t{}:{}", place.file, place.line));
                }
                table.push('\n');
            }
        }
        table
    }

    #[test]
    fn the_table_is_in_step_with_the_source() {
        let source = Source::read();
        let found = table(|id| places(&source, id));
        if std::env::var_os("MQTTSPEC_BLESS").is_some() {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/reference/places/table.tsv");
            fs::write(file, found).expect("the table can be written");
        } else {
            let stale = found.lines().zip(TABLE.lines()).find(|(found, stands)| found != stands);
            assert!(
                found == TABLE,
                "src/reference/places/table.tsv is not what the source says (first difference: {stale:?}); \
                 `MQTTSPEC_BLESS=1 cargo test --lib places` writes it anew"
            );
        }
    }

    #[test]
    fn the_table_is_read_as_it_is_written() {
        assert!(!TABLE.is_empty());
        assert_eq!(table(honoured_at), TABLE);
    }

    #[test]
    fn a_comment_a_duty_a_function_and_the_decoder_are_places() {
        let files = |token: &str| -> Vec<String> {
            let statement = catalogue().resolve(token).expect("a statement").id;
            honoured_at(statement).into_iter().map(|place| place.file).collect()
        };
        assert!(files("v5:MQTT-3.12.4-1").contains(&"crates/reference/src/reference/core/mod.rs".to_owned()));
        assert!(files("v5:MQTT-4.3.3-10").contains(&"crates/reference/src/reference/core/publish.rs".to_owned()));
        assert_eq!(files("v3.1:§A/case"), ["crates/reference/src/reference/topic.rs"]);
        assert!(files("v5:MQTT-3.1.2-3").contains(&"crates/protocol/src/wire/ids.rs".to_owned()));
    }

    #[test]
    fn the_functions_name_functions_and_statements_that_there_are() {
        let source = Source::read();
        for function in FUNCTIONS {
            let found = source.broker.iter().find(|(file, _)| file == function.file);
            let (_, text) = found.unwrap_or_else(|| panic!("no file {}", function.file));
            let header = format!("fn {}(", function.name);
            assert!(text.contains(&header), "{} has no `{header}`", function.file);
            for token in function.honours {
                assert!(catalogue().resolve(token).is_ok(), "{token}");
            }
        }
    }

    #[test]
    fn every_statement_that_can_be_broken_is_honoured_somewhere() {
        let is_unbreakable = |id: StatementId| UNBREAKABLE.iter().any(|(v, i, _)| (*v, *i) == (id.version, id.id));
        let missing: Vec<String> = catalogue()
            .iter()
            .filter(|s| s.observe.is_observable() && !is_unbreakable(s.id))
            .filter(|s| honoured_at(s.id).is_empty())
            .filter(|s| !s.enforced_by.iter().any(|id| !honoured_at(*id).is_empty()))
            .map(|s| s.id.to_string())
            .collect();
        assert!(missing.is_empty(), "nothing honours {missing:?}");
    }
}
