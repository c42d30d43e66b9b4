//! `mqttspec audit`

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};

use crate::capture::audit::{Json, Report, Totals, audit as read_and_judge, head_text, stream_text, summary_text};
use crate::capture::{Error, Settings, Summary};

use super::args::AuditArgs;
use super::out::{fail, print, print_error};
use super::{Exit, files};

/// Tells what the clients and brokers of a capture did against the standard.
pub fn audit(args: &AuditArgs) -> Exit {
    let name = args.file.display().to_string();
    let reader: Box<dyn Read> = if name == "-" {
        Box::new(io::stdin().lock())
    } else {
        match File::open(&args.file) {
            Ok(file) => Box::new(file),
            Err(error) => return fail(Exit::Usage, format!("cannot open {name}: {error}")),
        }
    };
    let settings = Settings {
        ports: args.port.clone(),
        stream: args.stream,
        strict: args.strict,
    };
    let result = if args.json {
        as_json(reader, &name, &settings)
    } else {
        as_text(reader, &settings)
    };
    let (totals, summary) = match result {
        Ok(found) => found,
        // The format is what is wrong with the file; that it cannot be read is not its fault.
        Err(Error::Io(error)) => return fail(files::unreadable(&error), format!("cannot read {name}: {error}")),
        Err(error) => return fail(Exit::Malformed, format!("cannot read {name}: {error}")),
    };
    if let Some(damage) = &summary.damage {
        print_error(&format!("warning: {name}: {damage}\n"));
    }
    if totals.streams == 0 {
        let hint = if args.stream.is_some() || !args.port.is_empty() {
            " that was selected"
        } else {
            ""
        };
        print_error(&format!("warning: {name}: it contains no MQTT connection{hint}\n"));
        match &summary.damage {
            // Of a file that is damaged from its first packet on, nothing was audited.
            Some(damage) if damage.packets == 0 => return Exit::Malformed,
            _ if !hint.is_empty() => return Exit::Nothing,
            _ => {}
        }
    }
    let advice = if args.strict { totals.advice } else { 0 };
    if totals.by_clients + totals.by_brokers + advice > 0 {
        Exit::Bad
    } else {
        Exit::Ok
    }
}

fn as_text(reader: impl Read, settings: &Settings) -> Result<(Totals, Summary), Error> {
    /// Output is written in blocks of this size if it does not go to a terminal.
    const GATHER: usize = 64 * 1024;
    let at_once = io::stdout().is_terminal();
    let mut text = String::new();
    let mut is_first = true;
    let (totals, summary) = read_and_judge(reader, settings, |report: &Report| {
        if std::mem::take(&mut is_first) {
            text.push_str(head_text());
        }
        text.push_str(&stream_text(report));
        if at_once || text.len() > GATHER {
            print(&std::mem::take(&mut text));
        }
    })?;
    if !is_first {
        text.push('\n');
    }
    text.push_str(&summary_text(&totals, &summary));
    print(&text);
    Ok((totals, summary))
}

fn as_json(reader: impl Read, name: &str, settings: &Settings) -> Result<(Totals, Summary), Error> {
    let mut json = Json::begin(BufWriter::new(io::stdout().lock()), name);
    let (totals, summary) = read_and_judge(reader, settings, |report: &Report| json.stream(report))?;
    if let Ok(mut out) = json.end(&totals, &summary) {
        // A closed pipe is not an error.
        let _ = out.flush();
    }
    Ok((totals, summary))
}
