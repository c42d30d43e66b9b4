//! The files that commands read and write: what is wrong with one is said, and becomes the exit code.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use crate::capture::{self as captures, Recorded, Summary};
use crate::report::html::{Scripts, page};
use crate::report::markdown;
use crate::report::matrix::Matrix;
use crate::report::model::Run;

use super::Exit;
use super::args::MatrixFiles;
use super::exit::worse;
use super::out::{fail, print_error};

/// Writes a report; reports an error if it cannot.
pub fn write(file: &Path, text: &str) -> Exit {
    match std::fs::write(file, text) {
        Ok(()) => Exit::Ok,
        Err(error) => fail(Exit::Unreachable, format!("cannot write {}: {error}", file.display())),
    }
}

/// Writes the reports of several runs that were asked for.
pub fn write_matrix(files: &MatrixFiles, matrix: &Matrix, scripts: &Scripts) -> Exit {
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

/// Appends to the summary of a job on GitHub, if there is one.
pub fn job_summary(text: impl FnOnce() -> String) {
    let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|_| std::env::var_os("GITHUB_ACTIONS").is_some())
    else {
        return;
    };
    let file = Path::new(&file);
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
    if let Err(error) = opened.and_then(|mut f| f.write_all(text().as_bytes())) {
        print_error(&format!("note: cannot write {}: {error}\n", file.display()));
    }
}

/// Reads a capture, and says on standard error what of it could not be read.
pub fn capture(file: &Path, settings: &captures::Settings) -> Result<(Vec<Recorded>, Summary), Exit> {
    let shown = file.display();
    let opened = File::open(file).map_err(|e| fail(Exit::Usage, format!("cannot open {shown}: {e}")))?;
    let (streams, summary) = captures::read_streams(BufReader::new(opened), settings).map_err(|error| {
        let exit = match &error {
            // The format is what is wrong with the file; that it cannot be read is not its fault.
            captures::Error::Io(error) => unreadable(error),
            _ => Exit::Malformed,
        };
        fail(exit, format!("cannot read {shown}: {error}"))
    })?;
    if let Some(damage) = &summary.damage {
        print_error(&format!("note: {shown}: {damage}\n"));
    }
    Ok((streams, summary))
}

/// A folder in place of a file is a mistake on the command line, as a missing file is; all else is the machine's.
pub fn unreadable(error: &std::io::Error) -> Exit {
    match error.kind() {
        std::io::ErrorKind::IsADirectory => Exit::Usage,
        _ => Exit::Unreachable,
    }
}

/// Reads a run's JSON.
pub fn run(file: &Path) -> Result<Run, Exit> {
    let text = text(file)?;
    Run::read(&text).map_err(|error| fail(Exit::Malformed, format!("{}: {error}", file.display())))
}

/// Reads a file.
pub fn text(file: &Path) -> Result<String, Exit> {
    std::fs::read_to_string(file).map_err(|e| fail(Exit::Usage, format!("cannot read {}: {e}", file.display())))
}
