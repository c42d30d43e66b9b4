//! `mqttspec report`

use crate::report::html::{Scripts, page};
use crate::report::matrix::Matrix;
use crate::report::model::Run;
use crate::report::{markdown, merge as parts};

use super::args::{MatrixFiles, MergeArgs};
use super::compare::read;
use super::run::{job_summary, of_verdicts, worse, write};
use super::{Exit, fail, print, set};

/// Puts the parts of a run together. The exit code is that of the whole.
pub fn merge(args: &MergeArgs) -> Exit {
    let scenarios = match set::scenarios(&args.set) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let mut texts = Vec::new();
    for file in &args.parts {
        match read(file) {
            Ok(text) => texts.push((file.display().to_string(), text)),
            Err(exit) => return exit,
        }
    }
    let cases = || scenarios.iter().flat_map(|s| &s.cases);
    let merged = match parts::merge(&texts, cases().map(|c| c.id.as_str())) {
        Ok(merged) => merged,
        Err(message) => return fail(Exit::Malformed, message),
    };
    let mut exit = of(&merged);
    if let Some(file) = &args.json {
        exit = worse(exit, write(file, &merged.write()));
    }
    let files = MatrixFiles {
        html: args.html.clone(),
        md: args.md.clone(),
        json: None,
    };
    let matrix = Matrix::new(vec![merged], cases().map(|c| c.id.as_str()));
    print(&markdown::counts(&matrix));
    job_summary(|| markdown::matrix(&matrix));
    worse(exit, write_all(&files, &matrix, &Scripts::of(cases())))
}

/// The exit code of a run that was read back.
pub fn of(run: &Run) -> Exit {
    let cut_short = run.interrupted || !run.crashes_under_load.is_empty();
    of_verdicts(run.cases.iter().map(|c| c.verdict), cut_short)
}

/// Writes the reports of several runs that were asked for.
pub fn write_all(files: &MatrixFiles, matrix: &Matrix, scripts: &Scripts) -> Exit {
    let mut exit = Exit::Ok;
    if let Some(file) = &files.html {
        exit = worse(exit, write(file, &page(matrix, scripts)));
    }
    if let Some(file) = &files.md {
        exit = worse(exit, write(file, &markdown::matrix(matrix)));
    }
    if let Some(file) = &files.json {
        exit = worse(exit, write(file, &matrix.json()));
    }
    exit
}
