//! `mqttspec show`

use crate::scenario::{Case, Scenario, aliases};
use crate::statements::catalogue;
use crate::suite::nearest;

use super::args::{SetArgs, ShowArgs, Tested};
use super::out::{fail, print, print_error};
use super::{Exit, set};

/// Shows a scenario's file, and what its cases prove.
pub fn show(args: &ShowArgs) -> Exit {
    // The name of a scenario says which side it tests.
    let tests = args.case.starts_with("clients/").then_some(Tested::Client);
    let set = SetArgs {
        tests: args.set.tests.or(tests),
        ..args.set.clone()
    };
    let scenarios = match set::scenarios(&set) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let called = |name: &str| {
        let is_meant = |s: &&Scenario| s.header.path == name || s.cases.iter().any(|case| case.id == name);
        scenarios.iter().find(is_meant)
    };
    let today = aliases().current(&args.case);
    // A scenario may have become a row of another one, whose file is shown.
    let path = today.split(['[', '@']).next().unwrap_or_default();
    let found = called(&args.case)
        .or_else(|| called(&today))
        .or_else(|| called(path).filter(|_| *today != *args.case));
    let Some(scenario) = found else {
        let all = scenarios.iter().flat_map(|s| &s.cases);
        let hint = nearest(&args.case, all)
            .map(|n| format!("; the nearest is `{n}`"))
            .unwrap_or_default();
        return fail(
            Exit::Nothing,
            format!("there is no case or scenario `{}`{hint}", args.case),
        );
    };
    if scenario.header.path != args.case && *today != *args.case {
        print_error(&format!("note: `{}` is `{today}` today\n", args.case));
    }
    let chosen: Vec<&Case> = scenario.cases.iter().filter(|c| *c.id == *today).collect();
    let cases = if chosen.is_empty() {
        scenario.cases.iter().collect()
    } else {
        chosen
    };
    let source = &scenario.header.source;
    let mut out = format!("# {}\n{}\n", source.file, source.text.trim_end());
    for case in cases {
        out.push_str(&format!("\n{}\n", case.id));
        for id in &case.proves {
            let says = catalogue().get(*id).map(|s| s.says.as_str()).unwrap_or_default();
            out.push_str(&format!("  {id}  {says}\n"));
        }
    }
    print(&out);
    Exit::Ok
}
