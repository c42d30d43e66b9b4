//! `mqttspec new`

use std::io::Write;

use crate::statements::{Statement, Version, catalogue};

use super::args::NewArgs;
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
    let text = template(statement, depth);
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

fn template(statement: Option<&Statement>, depth: usize) -> String {
    let version = statement.map_or(Version::V3_1_1, |s| s.id.version);
    let id = statement.map_or("MQTT-3.12.4-1", |s| s.id.id);
    let about = match statement {
        Some(s) => format!("# {}\n# {}\n", s.says, s.how),
        None => String::new(),
    };
    format!(
        "# yaml-language-server: $schema={}docs/scenario.schema.json\n\
         {about}format: 1\n\
         title: A PINGREQ is answered\n\
         versions: [{version}]\n\
         proves: [{id}]\n\
         clients:\n  c: {{}}\n\
         steps:\n  - c -> PINGREQ: {{}}\n  - c <- PINGRESP: {{}}\n",
        "../".repeat(depth)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scenario::{Source, format};

    #[test]
    fn what_is_written_is_well_formed_and_formatted_for_every_statement() {
        for statement in catalogue().iter().map(Some).chain([None]) {
            let source = Arc::new(Source {
                file: "scenarios/a/b.yaml".to_owned(),
                text: template(statement, 2),
            });
            let formatted = format(&source, "a/b");
            assert_eq!(formatted.as_ref(), Ok(&source.text), "{:?}", statement.map(|s| s.id));
        }
    }
}
