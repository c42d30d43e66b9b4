//! `mqttspec coverage`

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::Arc;

use crate::coverage::{self, Coverage, Evidence, Exceptions, Pairs};
use crate::harness;
use crate::reference::{Disobey, Free};
use crate::scenario::Case;
use crate::transport::Transport;
use crate::wire::Side;

use super::args::CoverageArgs;
use super::out::{fail, print, print_error};
use super::{Exit, explain, set};

/// Prints which statements the cases prove, and which of their violations they notice.
pub fn coverage(args: &CoverageArgs) -> Exit {
    let scenarios = match set::of_both_sides(&args.set) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let cases: Vec<Arc<Case>> = scenarios.into_iter().flat_map(|s| s.cases).map(Arc::new).collect();
    if args.walk_free {
        return super::freely::walk(args, of_brokers(&cases));
    }
    if args.pairs {
        return pairs(args, &of_brokers(&cases));
    }
    let is_embedded = args.set.scenarios.is_none() && args.set.also.is_empty();
    let list = Exceptions::embedded();
    let (evidence, missed) = if args.walk {
        let walk = match walk(&of_brokers(&cases)) {
            Ok(walk) => walk,
            Err(exit) => return exit,
        };
        let (unlisted, _) = list.compare(&walk.missed());
        (Evidence::Walked(walk, list), unlisted)
    } else if is_embedded {
        (Evidence::Listed(list), Vec::new())
    } else {
        (Evidence::None, Vec::new())
    };
    let mut coverage = Coverage::of(&cases, &evidence);
    if !args.statement.is_empty() {
        let mut wanted = BTreeSet::new();
        for word in &args.statement {
            let found = explain::meant(word);
            if found.is_empty() {
                return fail(Exit::Nothing, set::no_statement(word));
            }
            wanted.extend(found.into_iter().map(|statement| statement.id));
        }
        coverage.rows.retain(|row| wanted.contains(&row.statement.id));
    }
    if args.gaps {
        for row in &mut coverage.rows {
            row.client.take_if(|side| !side.is_gap());
        }
        coverage.rows.retain(|row| row.is_gap() || row.client.is_some());
    }
    print(&match (args.json, args.markdown) {
        (true, _) => format!("{:#}\n", coverage::json(&coverage)),
        (_, true) => coverage::markdown(&coverage),
        _ => coverage::terminal(&coverage, args.gaps),
    });
    if missed.is_empty() {
        return Exit::Ok;
    }
    let lines: String = missed.iter().map(|what| format!("  {what}\n")).collect();
    print_error(&format!(
        "not noticed (a claim, or a fault that no scenario notices):\n{lines}"
    ));
    Exit::Bad
}

/// Prints which features meet in the cases, and in generated sequences.
fn pairs(args: &CoverageArgs, cases: &[Arc<Case>]) -> Exit {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, error),
    };
    let (target, settings) = harness::reference_as(Disobey::default(), Free::default(), Transport::Mqtt);
    let pairs = match runtime.block_on(Pairs::play(cases, &target, &settings, harness::seed())) {
        Ok(pairs) => pairs,
        Err(error) => return fail(Exit::Unreachable, error),
    };
    print(&match (args.json, args.markdown) {
        (true, _) => format!("{:#}\n", pairs.json()),
        (_, true) => pairs.markdown(),
        _ => pairs.terminal(args.gaps),
    });
    Exit::Ok
}

/// The cases that test brokers.
fn of_brokers(cases: &[Arc<Case>]) -> Vec<Arc<Case>> {
    let of_brokers = cases.iter().filter(|case| case.header.tests == Side::Server);
    of_brokers.cloned().collect()
}

fn walk(cases: &[Arc<Case>]) -> Result<coverage::Walk, Exit> {
    let runtime = tokio::runtime::Runtime::new().map_err(|e| fail(Exit::Unreachable, e))?;
    let shows = std::io::stderr().is_terminal();
    let progress = |done: usize, total: usize| {
        if shows {
            let end = if done == total { "\r\x1b[K" } else { "" };
            print_error(&format!("\r{done} of {total} faults{end}"));
        }
    };
    runtime
        .block_on(coverage::walk(cases, harness::reference_that, progress))
        .map_err(|e| fail(Exit::Unreachable, e))
}
