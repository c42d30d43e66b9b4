//! `mqttspec report`

use crate::report::html::Scripts;
use crate::report::matrix::Matrix;
use crate::report::{markdown, merge as parts};

use super::args::{MatrixFiles, MergeArgs};
use super::exit::{of_run, worse};
use super::files::{self, job_summary, write};
use super::out::{fail, print};
use super::{Exit, set};

/// Puts the parts of a run together. The exit code is that of the whole.
pub fn merge(args: &MergeArgs) -> Exit {
    if let Err(exit) = files::try_all([&args.json, &args.html, &args.md]) {
        return exit;
    }
    let scenarios = match set::scenarios(&args.set) {
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
    let cases = || scenarios.iter().flat_map(|s| &s.cases);
    let merged = match parts::merge(&texts, cases().map(|c| c.id.as_str())) {
        Ok(merged) => merged,
        Err(message) => return fail(Exit::Malformed, message),
    };
    let mut exit = of_run(&merged);
    if let Some(file) = &args.json {
        exit = worse(exit, write(file, &merged.write()));
    }
    let wanted = MatrixFiles {
        html: args.html.clone(),
        md: args.md.clone(),
        json: None,
    };
    let matrix = Matrix::new(vec![merged], cases().map(|c| c.id.as_str()));
    print(&markdown::counts(&matrix));
    job_summary(|| markdown::matrix(&matrix));
    worse(exit, files::write_matrix(&wanted, &matrix, &Scripts::of(cases())))
}
