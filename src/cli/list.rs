//! `mqttspec list`

use serde_json::json;

use super::args::ListArgs;
use super::out::print;
use super::{Exit, set};

/// Lists the cases that are selected.
pub fn list(args: &ListArgs) -> Exit {
    let cases = match set::outlines(&args.set, &args.select) {
        Ok(cases) => cases,
        Err(exit) => return exit,
    };
    if args.json {
        let all: Vec<_> = cases
            .iter()
            .map(|case| {
                json!({
                    "id": case.id,
                    "title": case.title,
                    "version": case.version.name(),
                    "statements": case.proves.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "tags": case.conditions.tags,
                })
            })
            .collect();
        print(&format!("{:#}\n", json!({ "format": 1, "cases": all })));
        return Exit::Ok;
    }
    let width = cases
        .iter()
        .map(|c| c.id.chars().count())
        .max()
        .unwrap_or_default()
        .min(60);
    let lines: String = cases
        .iter()
        .map(|c| format!("{:<width$}  {}\n", c.id, c.title))
        .collect();
    print(&lines);
    Exit::Ok
}
