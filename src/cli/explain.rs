//! `mqttspec explain`

use crate::reference::{Disobey, honoured_at};
use crate::statements::{Binds, Observe, Statement, catalogue};

use super::args::ExplainArgs;
use super::out::{fail, print};
use super::{Exit, set};

/// Prints a statement, how an exchange shows it, and the cases that prove it.
pub fn explain(args: &ExplainArgs) -> Exit {
    let statement = match catalogue().resolve(&args.statement) {
        Ok(statement) => statement,
        Err(message) => return fail(Exit::Usage, message),
    };
    let scenarios = match set::scenarios(&args.set) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let mut out = text(statement);
    let cases: Vec<&str> = scenarios
        .iter()
        .flat_map(|s| &s.cases)
        .filter(|case| case.proves.contains(&statement.id))
        .map(|case| case.id.as_str())
        .collect();
    match cases.as_slice() {
        [] => out.push_str("\nNo case proves it.\n"),
        cases => {
            out.push_str("\nCases that prove it:\n");
            cases.iter().for_each(|id| out.push_str(&format!("  {id}\n")));
        }
    }
    let places: Vec<String> = honoured_at(statement.id)
        .into_iter()
        .map(|place| format!("  {}:{}\n", place.file, place.line))
        .collect();
    if !places.is_empty() {
        out.push_str("\nWhere the reference broker honours it:\n");
        out.extend(places);
    }
    let ways: Vec<String> = Disobey::all()
        .iter()
        .filter(|d| d.statement == statement.id)
        .map(|d| format!("  --disobey {}  {}\n", d.token(), d.what))
        .collect();
    if !ways.is_empty() {
        out.push_str("\nHow the reference broker can break it:\n");
        out.extend(ways);
    }
    print(&out);
    Exit::Ok
}

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
        Observe::Peer => "only by playing the server towards a client",
        Observe::Internal => "not from outside",
    };
    let own = if statement.id.is_own() {
        " (an entry of our own: the standard does not number it)"
    } else {
        ""
    };
    let mut out = format!(
        "{}{own}\n  section {}, {}\n  {} {}\n\n  {}\n\nSeen {observe}:\n  {}\n",
        statement.id,
        statement.section,
        statement.title,
        statement.level.keyword(),
        binds,
        statement.says,
        statement.how
    );
    if !statement.enforced_by.is_empty() {
        let ids: Vec<String> = statement.enforced_by.iter().map(ToString::to_string).collect();
        out.push_str(&format!("\nThe server must react by {}.\n", ids.join(", ")));
    }
    out
}
