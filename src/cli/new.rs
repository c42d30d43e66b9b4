//! `mqttspec new`

use std::io::Write;
use std::path::Path;

use crate::statements::{Statement, Version, catalogue};

use super::args::{NewArgs, Tested};
use super::files::{is_scenario_file, no_scenario_file};
use super::out::{fail, print};
use super::{Exit, files};

/// Writes a scenario to begin with. It is well-formed, and plays.
pub fn new(args: &NewArgs) -> Exit {
    let statement = match args
        .statement
        .as_deref()
        .map(|token| catalogue().resolve(token))
        .transpose()
    {
        Ok(statement) => statement,
        Err(message) => return fail(Exit::Usage, message),
    };
    let depth = args.file.components().count().saturating_sub(1);
    let is_below_clients = args.file.parent().into_iter().flat_map(Path::components);
    let is_below_clients = is_below_clients.into_iter().any(|part| part.as_os_str() == "clients");
    let text = match args.tests {
        Some(Tested::Client) => of_client(statement, depth),
        None if is_below_clients => of_client(statement, depth),
        _ => of_broker(statement, depth),
    };
    if !is_scenario_file(&args.file) {
        return fail(Exit::Usage, no_scenario_file(&args.file));
    }
    let created = files::make_parent(&args.file).and_then(|()| {
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&args.file)
    });
    match created.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => {
            print(&format!("wrote {}\n", args.file.display()));
            Exit::Ok
        }
        Err(error) => fail(Exit::Usage, format!("cannot write {}: {error}", args.file.display())),
    }
}

fn of_broker(statement: Option<&Statement>, depth: usize) -> String {
    let steps = "  - c -> PINGREQ: {}\n  - c <- PINGRESP: {}\n";
    template(
        statement,
        "MQTT-3.12.4-1",
        depth,
        "title: A PINGREQ is answered\n",
        steps,
    )
}

fn of_client(statement: Option<&Statement>, depth: usize) -> String {
    let header = "tests: client\ntitle: A client sends the QoS 1 message of its application\n";
    let steps = "  - c does publish: { topic: $ns/a, qos: 1, payload: x }\n  \
                 - c -> PUBLISH: { topic: $ns/a, qos: 1, packet_id: $m, payload: x }\n  \
                 - c <- PUBACK: { packet_id: $m }\n";
    template(statement, "MQTT-4.3.2-1", depth, header, steps)
}

/// A scenario with these lines and steps. `id` is what it proves if no statement is given.
fn template(statement: Option<&Statement>, id: &str, depth: usize, header: &str, steps: &str) -> String {
    let version = statement.map_or(Version::V3_1_1, |s| s.id.version);
    let id = statement.map_or(id, |s| s.id.id);
    let about = match statement {
        Some(s) => format!("# {}\n# {}\n", s.says, s.how),
        None => String::new(),
    };
    format!(
        "# yaml-language-server: $schema={}docs/scenario.schema.json\n\
         {about}format: 1\n\
         {header}\
         versions: [{version}]\n\
         proves: [{id}]\n\
         clients:\n  c: {{}}\n\
         steps:\n{steps}",
        "../".repeat(depth)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scenario::{Source, format, load, render_all};

    #[test]
    fn what_is_written_is_well_formed_and_formatted_for_every_statement() {
        for statement in catalogue().iter().map(Some).chain([None]) {
            for text in [of_broker(statement, 2), of_client(statement, 2)] {
                let source = Arc::new(Source {
                    file: "scenarios/a/b.yaml".to_owned(),
                    text,
                });
                let formatted = format(&source, "a/b");
                assert_eq!(formatted.as_ref(), Ok(&source.text), "{:?}", statement.map(|s| s.id));
                load(&source, "a/b").unwrap_or_else(|errors| panic!("{}", render_all(&errors, false)));
            }
        }
    }
}
