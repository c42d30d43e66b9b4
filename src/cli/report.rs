//! `mqttspec report`

use std::path::PathBuf;

use crate::report::html::Scripts;
use crate::report::matrix::Matrix;
use crate::report::model::Run;
use crate::report::{github, junit, markdown, merge as parts};
use crate::scenario::Scenario;
use crate::suite::RunResult;

use super::args::{MatrixFiles, MergeArgs, RenderArgs, RenderFiles, SetArgs};
use super::exit::{of_run, worse};
use super::files::{self, job_summary, write};
use super::out::{fail, print};
use super::{Exit, set};

/// Puts the parts of a run together. The exit code is that of the whole.
pub fn merge(args: &MergeArgs) -> Exit {
    let scenarios = match begin(&args.made, &args.json, &args.set) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let mut texts = Vec::new();
    for file in &args.parts {
        match files::text(file) {
            Ok(text) => texts.push((file.display().to_string(), text)),
            Err(exit) => return exit,
        }
    }
    let cases = scenarios.iter().flat_map(|s| &s.cases);
    let merged = match parts::merge(&texts, cases.map(|c| c.id.as_str())) {
        Ok(merged) => merged,
        Err(message) => return fail(Exit::Malformed, message),
    };
    let written = args.json.as_ref().map_or(Exit::Ok, |file| write(file, &merged.write()));
    worse(written, reports(merged, &args.made, &scenarios))
}

/// Makes reports of a run that was played before. The exit code is that of the run.
pub fn render(args: &RenderArgs) -> Exit {
    let scenarios = match begin(&args.made, &None, &args.set) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    match files::run(&args.run) {
        Ok(run) => reports(run, &args.made, &scenarios),
        Err(exit) => exit,
    }
}

/// Tries the files, and reads the scenarios.
fn begin(made: &RenderFiles, json: &Option<PathBuf>, set: &SetArgs) -> Result<Vec<Scenario>, Exit> {
    files::try_all([json, &made.junit, &made.html, &made.md])?;
    set::scenarios(set)
}

/// Prints the counts of a run, and makes the reports that are asked for.
fn reports(run: Run, made: &RenderFiles, scenarios: &[Scenario]) -> Exit {
    let mut exit = of_run(&run);
    let snapshots = run.snapshots;
    if let Some(file) = &made.junit {
        exit = worse(exit, write(file, &junit::run(&RunResult::from(&run))));
    }
    if made.github {
        let result = RunResult::from(&run);
        print(&github::annotations(&result));
        job_summary(|| github::summary(&result));
    }
    let wanted = MatrixFiles {
        html: made.html.clone(),
        md: made.md.clone(),
        json: None,
    };
    let cases = || scenarios.iter().flat_map(|s| &s.cases);
    let matrix = Matrix::new(vec![run], cases().map(|c| c.id.as_str()));
    print(&markdown::counts(&matrix));
    if let Some(snapshots) = snapshots {
        print(&format!(
            "{} snapshots, {} changed\n",
            snapshots.compared, snapshots.changed
        ));
    }
    if !made.github {
        job_summary(|| markdown::matrix(&matrix));
    }
    worse(exit, files::write_matrix(&wanted, &matrix, &Scripts::of(cases())))
}
