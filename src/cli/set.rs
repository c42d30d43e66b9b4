//! The scenarios and cases that a command works on.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::harness::{check_pattern, side_of};
use crate::scenario::{Case, Diagnostic, Files, Outline, Scenario, render_all};
use crate::source::nearest;
use crate::statements::catalogue;
use crate::suite::{self, Selected, Selection, Shard, Target, check_known as check_list};
use crate::sut::{Address, Glob};
use crate::wire::Side;

use super::Exit;
use super::args::{SelectArgs, SetArgs, Tested};
use super::out::{colour, fail, print_error};

/// How many scenarios of a former name a note lists.
const NAMED: usize = 3;

/// Reads every scenario that the arguments name.
pub fn scenarios(args: &SetArgs) -> Result<Vec<Scenario>, Exit> {
    let mut all = files(args).load_all().map_err(|diagnostics| malformed(&diagnostics))?;
    all.retain(|scenario| scenario.header.tests == tested(args));
    Ok(all)
}

/// Reads every scenario that the arguments name, of both sides unless they name one.
pub fn of_both_sides(args: &SetArgs) -> Result<Vec<Scenario>, Exit> {
    if args.tests.is_some() {
        return scenarios(args);
    }
    let mut all = Vec::new();
    for tests in [Tested::Broker, Tested::Client] {
        all.extend(scenarios(&SetArgs {
            tests: Some(tests),
            ..args.clone()
        })?);
    }
    Ok(all)
}

/// The side under test: the broker, unless the arguments say otherwise.
pub fn tested(args: &SetArgs) -> Side {
    args.tests.map_or(Side::Server, Side::from)
}

/// The arguments with the side that a target puts under test, if it is a profile that can be read. What is wrong with
/// one is reported when the target is made.
pub fn for_target(args: &SetArgs, target: Option<&str>) -> SetArgs {
    let profile = target.filter(|target| !Address::is_address(target));
    let side = profile.and_then(|profile| side_of(Path::new(profile)).ok());
    let tests = side.map(|side| match side {
        Side::Client => Tested::Client,
        Side::Server => Tested::Broker,
    });
    SetArgs {
        tests: args.tests.or(tests),
        ..args.clone()
    }
}

fn files(args: &SetArgs) -> Files {
    let mut files = match &args.scenarios {
        Some(dir) => Files::of_dir(dir),
        None => Files::embedded_for(tested(args)),
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

/// The cases of a run.
pub struct Chosen {
    /// In the order of the set; none if the shard has none of those that are selected.
    pub cases: Vec<Arc<Case>>,
    pub selected: Selected,
    pub shard: Option<Shard>,
}

/// Every case that is selected.
pub fn chosen(set: &SetArgs, select: &SelectArgs, only: Option<Vec<String>>) -> Result<Chosen, Exit> {
    let failed = only.is_some().then(|| "--failed".to_owned());
    let is_embedded = set.scenarios.is_none() && set.also.is_empty();
    let is_part = only.is_some() || select.shard.is_some() || !select.words().is_empty();
    let (cases, mut selected) = if is_embedded && is_part {
        // Most of the time goes into reading scripts, and the set inside the program is well-formed.
        let all = files(set).outlines().map_err(|diagnostics| malformed(&diagnostics))?;
        let (outlines, selected) = taken(all, select, only)?;
        (with_scripts(set, &outlines)?, selected)
    } else {
        let all: Vec<Case> = scenarios(set)?.into_iter().flat_map(|s| s.cases).collect();
        taken(all, select, only)?
    };
    selected.arguments = [set.words(), select.words(), failed.into_iter().collect()].concat();
    Ok(Chosen {
        cases: cases.into_iter().map(Arc::new).collect(),
        selected,
        shard: select.shard.map(|(index, count)| Shard { index, count }),
    })
}

/// The cases that have these outlines, in the order of the set.
fn with_scripts(set: &SetArgs, outlines: &[Outline]) -> Result<Vec<Case>, Exit> {
    let paths: BTreeSet<&str> = outlines.iter().map(|case| case.header.path.as_str()).collect();
    let ids: BTreeSet<&str> = outlines.iter().map(|case| case.id.as_str()).collect();
    let scenarios = files(set).load(|path| paths.contains(path));
    let cases = scenarios.map_err(|diagnostics| malformed(&diagnostics))?;
    let cases = cases.into_iter().flat_map(|scenario| scenario.cases);
    Ok(cases.filter(|case| ids.contains(case.id.as_str())).collect())
}

/// The outlines of every case that is selected, in the order of the set. The scripts of the set inside the binary are
/// not read for it, since there is nothing wrong with them; those of other folders are.
pub fn outlines(set: &SetArgs, select: &SelectArgs) -> Result<Vec<Outline>, Exit> {
    let all = match (&set.scenarios, &*set.also) {
        (None, []) => files(set).outlines().map_err(|diagnostics| malformed(&diagnostics))?,
        _ => {
            let cases = scenarios(set)?.into_iter().flat_map(|s| s.cases);
            cases.map(|case| case.outline).collect()
        }
    };
    Ok(taken(all, select, None)?.0)
}

/// The cases of the shard, and a description of those of all shards. That nothing is selected is an error, that a shard
/// has nothing of it is none.
fn taken<T: AsRef<Outline>>(
    all: Vec<T>,
    select: &SelectArgs,
    only: Option<Vec<String>>,
) -> Result<(Vec<T>, Selected), Exit> {
    let mut selection = selection(select, only).map_err(|message| fail(Exit::Usage, message))?;
    let globs = std::mem::take(&mut selection.globs);
    selection.globs = globs.into_iter().flat_map(|glob| of_today(glob, &all)).collect();
    for glob in &selection.globs {
        check_pattern(glob, &all).map_err(|error| fail(Exit::Nothing, error))?;
    }
    check_filters(select, &all)?;
    let shard = Selection {
        shard: selection.shard.take(),
        ..Selection::default()
    };
    let of_all: Vec<&T> = all.iter().filter(|case| selection.takes((*case).as_ref())).collect();
    if of_all.is_empty() {
        let words = select.words().join(" ");
        let message = if several_kinds(select) {
            format!("no case fits all of `{words}` at once")
        } else {
            "no case matches the selection".to_owned()
        };
        return Err(fail(Exit::Nothing, message));
    }
    let selected = Selected::of(Vec::new(), &all, &of_all);
    let takes: Vec<bool> = (all.iter())
        .map(|case| selection.takes(case.as_ref()) && shard.takes(case.as_ref()))
        .collect();
    let cases = all
        .into_iter()
        .zip(takes)
        .filter_map(|(case, takes)| takes.then_some(case));
    Ok((cases.collect(), selected))
}

/// Checks that each `--statement` and `--tag` fits a case: one that fits none is most likely a slip, also if others fit.
fn check_filters(select: &SelectArgs, all: &[impl AsRef<Outline>]) -> Result<(), Exit> {
    let cases = || all.iter().map(AsRef::as_ref);
    for glob in &select.statement {
        if !cases().any(|case| suite::proves(glob, case)) {
            return Err(fail(Exit::Nothing, no_statement(glob)));
        }
    }
    let tags: BTreeSet<&str> = cases()
        .flat_map(|case| case.conditions.tags.iter().map(String::as_str))
        .collect();
    if let Some(tag) = select.tag.iter().find(|tag| !tags.contains(tag.as_str())) {
        let all: Vec<&str> = tags.iter().copied().collect();
        let help = match nearest(tag, all.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? "),
            None => String::new(),
        };
        let message = format!("no case has the tag `{tag}`; {help}tags: {}", all.join(", "));
        return Err(fail(Exit::Nothing, message));
    }
    Ok(())
}

/// Why no case proves what `--statement` asks for, or why there is no statement of this name.
pub fn no_statement(glob: &str) -> String {
    let plain = glob.trim_matches(['[', ']']).to_ascii_lowercase();
    let pattern = Glob::new(plain.as_str());
    let there = |text: &str| pattern.matches(&text.to_ascii_lowercase());
    if catalogue().iter().any(|s| there(s.id.id) || there(&s.id.to_string())) {
        return format!("no case proves `{glob}`; `mqttspec coverage` lists what each statement has");
    }
    let ids: Vec<String> = catalogue().iter().map(|s| s.id.to_string()).collect();
    let tokens = || ids.iter().map(String::as_str);
    let bare = tokens().map(|id| id.split_once(':').map_or(id, |(_, bare)| bare));
    let near = if plain.contains(':') {
        nearest(&plain, tokens())
    } else {
        nearest(&plain, bare)
    };
    match near {
        Some(near) => format!("no statement fits `{glob}`; did you mean `{near}`?"),
        None => format!("no statement fits `{glob}`; `mqttspec coverage` lists them"),
    }
}

/// Whether more than one kind of option selects, each of which fits some cases.
fn several_kinds(select: &SelectArgs) -> bool {
    let kinds = [
        !select.select.is_empty(),
        !select.mqtt.is_empty(),
        !select.statement.is_empty(),
        !select.tag.is_empty(),
    ];
    kinds.into_iter().filter(|is_given| *is_given).count() > 1
}

/// A pattern, or the cases that it named formerly, with a note of their names.
fn of_today(glob: String, all: &[impl AsRef<Outline>]) -> Vec<String> {
    let Some(renamed) = suite::renamed(&glob, all) else {
        return vec![glob];
    };
    let mut names = renamed
        .paths
        .iter()
        .take(NAMED)
        .map(|path| format!("`{path}`"))
        .collect::<Vec<_>>();
    if renamed.paths.len() > NAMED {
        names.push(format!("{} more", renamed.paths.len() - NAMED));
    }
    print_error(&format!(
        "note: `{glob}` is a former name; today: {}\n",
        names.join(", ")
    ));
    renamed.globs
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

/// Checks the known deviations of a target against the cases of the set. `whole` has the identifiers of all of them,
/// if they are at hand; a case that is not selected counts too.
pub fn check_known(target: &Target, args: &SetArgs, whole: Option<Vec<String>>) -> Result<(), Exit> {
    if target.known.is_empty() || args.scenarios.is_some() {
        return Ok(());
    }
    // What is wrong with the set is reported where it is played.
    let Ok(all) = whole.map_or_else(|| ids(args), Ok) else {
        return Ok(());
    };
    match check_list(&target.known, all.iter().map(String::as_str)) {
        diagnostics if diagnostics.is_empty() => Ok(()),
        diagnostics => Err(malformed(&diagnostics)),
    }
}

/// The identifiers of every case of the set, selected or not.
pub fn ids(args: &SetArgs) -> Result<Vec<String>, Exit> {
    outlines(args, &SelectArgs::default()).map(|all| all.into_iter().map(|case| case.id).collect())
}
