//! The scenarios and cases that a command works on.

use std::sync::Arc;

use crate::scenario::{Case, Diagnostic, Files, Outline, Scenario, render_all};
use crate::suite::{Selection, nearest};

use super::args::{SelectArgs, SetArgs};
use super::{Exit, colour, fail, print_error};

/// Reads every scenario that the arguments name.
pub fn scenarios(args: &SetArgs) -> Result<Vec<Scenario>, Exit> {
    files(args).load_all().map_err(|diagnostics| malformed(&diagnostics))
}

fn files(args: &SetArgs) -> Files {
    let mut files = match &args.scenarios {
        Some(dir) => Files::of_dir(dir),
        None => Files::embedded(),
    };
    for dir in &args.also {
        files = files.also_dir(dir);
    }
    files
}

/// Shows what is wrong with scenario files.
pub fn malformed(diagnostics: &[Diagnostic]) -> Exit {
    print_error(&render_all(diagnostics, colour()));
    Exit::Malformed
}

/// Every case that is selected, in the order of the set.
pub fn cases(set: &SetArgs, select: &SelectArgs, only: Option<Vec<String>>) -> Result<Vec<Arc<Case>>, Exit> {
    let all: Vec<Case> = scenarios(set)?.into_iter().flat_map(|s| s.cases).collect();
    Ok(taken(all, select, only)?.into_iter().map(Arc::new).collect())
}

/// The outlines of every case that is selected, in the order of the set. The scripts of the set inside the binary are not
/// read for it, since there is nothing wrong with them; those of other folders are.
pub fn outlines(set: &SetArgs, select: &SelectArgs) -> Result<Vec<Outline>, Exit> {
    let all = match (&set.scenarios, &*set.also) {
        (None, []) => files(set).outlines().map_err(|diagnostics| malformed(&diagnostics))?,
        _ => {
            let cases = scenarios(set)?.into_iter().flat_map(|s| s.cases);
            cases.map(|case| case.outline).collect()
        }
    };
    taken(all, select, None)
}

fn taken<T: AsRef<Outline>>(all: Vec<T>, select: &SelectArgs, only: Option<Vec<String>>) -> Result<Vec<T>, Exit> {
    let selection = selection(select, only).map_err(|message| fail(Exit::Usage, message))?;
    // A pattern that fits nothing is most likely a slip, also where others fit.
    for glob in &selection.globs {
        let alone = Selection {
            globs: vec![glob.trim_start_matches('!').to_owned()],
            ..Selection::default()
        };
        if !all.iter().any(|case| alone.takes(case.as_ref())) {
            let hint = nearest(glob, &all)
                .map(|n| format!("; the nearest is `{n}`"))
                .unwrap_or_default();
            return Err(fail(Exit::Nothing, format!("no case fits `{glob}`{hint}")));
        }
    }
    let taken: Vec<T> = all.into_iter().filter(|case| selection.takes(case.as_ref())).collect();
    if taken.is_empty() {
        return Err(fail(Exit::Nothing, "no case fits all that is asked for"));
    }
    Ok(taken)
}

fn selection(args: &SelectArgs, only: Option<Vec<String>>) -> Result<Selection, String> {
    let mut globs = Vec::new();
    for glob in &args.select {
        match glob.strip_prefix('@') {
            None => globs.push(glob.clone()),
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|e| format!("cannot read {file}: {e}"))?;
                let lines = text
                    .lines()
                    .map(str::trim)
                    .filter(|l| !l.is_empty() && !l.starts_with('#'));
                globs.extend(lines.map(str::to_owned));
            }
        }
    }
    Ok(Selection {
        globs,
        versions: args.mqtt.clone(),
        statements: args.statement.clone(),
        tags: args.tag.clone(),
        shard: args.shard,
        only,
    })
}
