//! `mqttspec import`

use std::sync::Arc;

use crate::capture::{self, Recorded};
use crate::scenario::{Source, format};

use super::args::ImportArgs;
use super::out::{fail, print};
use super::{Exit, files, set};

/// Writes the scenario of a connection. What is written is well-formed, or nothing is.
pub fn import(args: &ImportArgs) -> Exit {
    if let Some(output) = args.output.as_deref().filter(|o| !files::is_scenario_file(o)) {
        return fail(Exit::Usage, files::no_scenario_file(output));
    }
    let settings = capture::Settings {
        stream: args.stream,
        ..capture::Settings::default()
    };
    let (streams, _) = match files::capture(&args.file, &settings) {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let file = args.file.file_name().map_or_else(
        || args.file.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    let recorded = match streams.as_slice() {
        [one] => one,
        [] => {
            return fail(
                Exit::Nothing,
                format!("{file} has no MQTT connection that was selected"),
            );
        }
        many => {
            let list: String = many
                .iter()
                .map(|r| format!("\n  --stream {}  {}", r.stream.id, who(r)))
                .collect();
            return fail(
                Exit::Usage,
                format!("{file} has {} MQTT connections; choose one:{list}", many.len()),
            );
        }
    };
    let text = match capture::import(recorded, &file) {
        Ok(text) => text,
        Err(why) => {
            return fail(
                Exit::Nothing,
                format!("connection {} cannot be imported: {why}", recorded.stream.id),
            );
        }
    };
    let shown = args
        .output
        .as_ref()
        .map_or_else(|| "scenario".into(), |p| p.display().to_string());
    let source = Arc::new(Source {
        file: shown.clone(),
        text,
    });
    let text = match format(&source, "imported") {
        Ok(text) => text,
        Err(diagnostics) => return set::malformed(&diagnostics),
    };
    let Some(output) = &args.output else {
        print(&text);
        return Exit::Ok;
    };
    match files::make_parent(output).and_then(|()| std::fs::write(output, &text)) {
        Ok(()) => {
            print(&format!("wrote {shown}\n"));
            Exit::Ok
        }
        Err(error) => fail(Exit::Unreachable, format!("cannot write {shown}: {error}")),
    }
}

fn who(recorded: &Recorded) -> String {
    let stream = &recorded.stream;
    let id = stream
        .client_id
        .as_ref()
        .map_or_else(|| "no client identifier".to_owned(), |id| id.to_string());
    let version = recorded.transcript.version;
    crate::transcript::printable(&format!(
        "{id}, {version}, {} packets",
        stream.packets.iter().sum::<u64>()
    ))
}
