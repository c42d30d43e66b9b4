//! `mqttspec explain`

use crate::reference::{Disobey, honoured_at};
use crate::scenario::Case;
use crate::statements::{
    Binds, Freedom, Observe, Statement, StatementId, SwitchLevel, catalogue, freedoms, section_url,
};

use super::args::ExplainArgs;
use super::out::{fail, print};
use super::{Exit, set};

/// Prints a statement, how an exchange shows it, and the cases that prove it; or a freedom, and the cases of its sections.
pub fn explain(args: &ExplainArgs) -> Exit {
    if let Some(freedom) = freedoms().iter().find(|f| f.name == args.statement) {
        return explain_freedom(freedom, args);
    }
    let statement = match catalogue().resolve(&args.statement) {
        Ok(statement) => statement,
        Err(message) => return fail(Exit::Usage, message),
    };
    let scenarios = match set::scenarios(&args.set) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let mut out = text(statement);
    let cases: Vec<&Case> = scenarios
        .iter()
        .flat_map(|s| &s.cases)
        .filter(|case| case.proves.contains(&statement.id))
        .collect();
    match cases.as_slice() {
        [] => out.push_str("\nNo case proves it.\n"),
        cases => {
            out.push_str("\nCases that prove it:\n");
            for case in cases {
                let mark = if case.rests_on_rigour() { "  (rigour)" } else { "" };
                out.push_str(&format!("  {}{mark}\n", case.id));
            }
        }
    }
    let places: Vec<String> = honoured_at(statement.id)
        .into_iter()
        .map(|place| format!("  {}:{}\n", place.file, place.line))
        .collect();
    if !places.is_empty() {
        out.push_str("\nWhere the reference broker implements it:\n");
        out.extend(places);
    }
    let ways: Vec<String> = Disobey::all()
        .iter()
        .filter(|d| d.statement == statement.id)
        .map(|d| format!("  --fault {}  {}\n", d.token(), d.what))
        .collect();
    if !ways.is_empty() {
        out.push_str("\nFaults of the reference broker that break it:\n");
        out.extend(ways);
    }
    let left_open: Vec<String> = freedoms()
        .iter()
        .filter(|f| f.section(statement.id.version) == Some(statement.section.as_str()))
        .map(|f| format!("  {}  {}\n", switch(f), f.text()))
        .collect();
    if !left_open.is_empty() {
        out.push_str("\nWhat its section leaves open:\n");
        out.extend(left_open);
    }
    print(&out);
    Exit::Ok
}

/// What is said of a statement that binds a server only so far as it detects an error.
const RIGOUR: &str = "
A server has to react to an error that it detects. How rigorously it checks is a compromise that the standard leaves to
it (5.0, section 4.13.1, the rigour clause): a failure that rests on this clause alone is marked.
";

fn text(statement: &Statement) -> String {
    let binds = match statement.binds {
        Binds::Client => "the client",
        Binds::Server => "the server",
        Binds::Both => "client and server",
    };
    let observe = match statement.observe {
        Observe::Wire => "in the bytes",
        Observe::Time => "in the bytes and their time",
        Observe::Restart => "across a restart of the broker",
        Observe::Peer => "only by a test that plays the server",
        Observe::Internal => "not from outside",
    };
    let own = if statement.id.is_own() {
        " (not numbered in the standard; the id is ours)"
    } else {
        ""
    };
    let mut out = format!(
        "{}{own}\n  section {}, {}\n  {}\n  {} {}\n\n  {}\n\nSeen {observe}:\n  {}\n",
        statement.id,
        statement.section,
        statement.title,
        statement.url(),
        statement.level.keyword(),
        binds,
        statement.says,
        statement.how
    );
    if !statement.enforced_by.is_empty() {
        let ids: Vec<String> = statement.enforced_by.iter().map(ToString::to_string).collect();
        out.push_str(&format!(
            "\nA violation obliges the server to react: {}.\n",
            ids.join(", ")
        ));
    }
    if statement.rests_on_rigour() {
        out.push_str(RIGOUR);
    }
    out
}

/// Prints what a server may do, how the reference broker does it, and the cases of the sections that leave it open: those are the
/// ones that meet it first.
fn explain_freedom(freedom: &Freedom, args: &ExplainArgs) -> Exit {
    let scenarios = match set::scenarios(&args.set) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let mut out = freedom_text(freedom);
    let is_of_section = |id: &StatementId| {
        let section = catalogue().get(*id).map(|s| s.section.as_str());
        section.is_some() && section == freedom.section(id.version)
    };
    let cases: Vec<&str> = scenarios
        .iter()
        .flat_map(|s| &s.cases)
        .filter(|case| case.proves.iter().any(is_of_section))
        .map(|case| case.id.as_str())
        .collect();
    if !cases.is_empty() {
        out.push_str("\nCases that prove a statement of these sections:\n");
        cases.iter().for_each(|id| out.push_str(&format!("  {id}\n")));
    }
    print(&out);
    Exit::Ok
}

fn freedom_text(freedom: &Freedom) -> String {
    let mut out = format!(
        "{} (a freedom: a server that does this is right)\n  {}\n  {}\n\n  {}\n",
        freedom.name,
        freedom.places(),
        freedom.kind.name(),
        freedom.text()
    );
    let place = match freedom.switch {
        Some(SwitchLevel::Core) => "by a decision of the reference broker alone",
        Some(SwitchLevel::Packets) => "by changing packets on their way out, in front of any broker",
        Some(SwitchLevel::Bytes) => "by when and in which pieces bytes pass, in front of any broker",
        None => "",
    };
    for (version, section) in &freedom.sections {
        out.push_str(&format!("  {}\n", section_url(*version, section)));
    }
    match &freedom.why_not {
        None => out.push_str(&format!("\n{}  {place}\n", switch(freedom))),
        Some(why) => out.push_str(&format!("\nNo switch: {why}\n")),
    }
    out
}

/// How a freedom is switched on; its name if it cannot be.
fn switch(freedom: &Freedom) -> String {
    match (freedom.switch, freedom.value) {
        (None, _) => freedom.name.to_owned(),
        (_, None) => format!("--free {}", freedom.name),
        (_, Some(value)) => format!("--free {}={value}", freedom.name),
    }
}
