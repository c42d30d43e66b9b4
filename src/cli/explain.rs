//! `mqttspec explain`

use crate::reference::{Disobey, honoured_at};
use crate::scenario::{Case, Scenario};
use crate::statements::{
    Binds, Freedom, Observe, Statement, StatementId, SwitchLevel, Version, catalogue, freedoms, section_url,
};
use crate::sut::Glob;

use super::args::ExplainArgs;
use super::out::{fail, print};
use super::{Exit, set};

/// Prints a statement, how an exchange shows it, and the cases that prove it; or a freedom, and the cases of its sections.
pub fn explain(args: &ExplainArgs) -> Exit {
    if let Some(freedom) = freedoms().iter().find(|f| f.name == args.statement) {
        return explain_freedom(freedom, args);
    }
    let found = meant(&args.statement);
    let Some(first) = found.first() else {
        return fail(Exit::Usage, set::no_statement(&args.statement));
    };
    // The same id at several versions is explained at each, other statements are listed.
    if found.iter().any(|statement| statement.id.id != first.id.id) {
        print(&found.iter().map(|statement| line(statement)).collect::<String>());
        return Exit::Ok;
    }
    let scenarios = match set::scenarios(&args.set) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let texts: Vec<String> = found
        .iter()
        .map(|statement| whole(statement, &scenarios, args.verbose))
        .collect();
    print(&texts.join("\n"));
    Exit::Ok
}

/// The statements that a word means: a token or an id, in letters of either case and with or without brackets; a pattern over
/// ids; the end of an id, such as `4.3.3-2`; or a section, such as `4.3.3`.
pub fn meant(word: &str) -> Vec<&'static Statement> {
    let word = word.trim_matches(['[', ']']).to_ascii_lowercase();
    let (version, bare) = match word.split_once(':') {
        Some((version, bare)) => match version.parse::<Version>() {
            Ok(version) => (Some(version), bare),
            Err(_) => return Vec::new(),
        },
        None => (None, word.as_str()),
    };
    let (glob, behind) = (Glob::new(bare), format!("mqtt-{bare}"));
    let fits = |statement: &&Statement| {
        let id = statement.id.id.to_ascii_lowercase();
        glob.matches(&id) || id == behind || statement.section == bare
    };
    let of_version = |statement: &&Statement| version.is_none_or(|version| statement.id.version == version);
    catalogue().iter().filter(of_version).filter(fits).collect()
}

/// A statement among others.
fn line(statement: &Statement) -> String {
    format!("{}  {}  {}\n", statement.id, statement.level.keyword(), statement.says)
}

/// All that is known of a statement; with `verbose` also its places in the source.
fn whole(statement: &Statement, scenarios: &[Scenario], verbose: bool) -> String {
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
    if verbose && !places.is_empty() {
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
    out
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
