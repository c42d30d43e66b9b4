//! The files that commands read and write: what is wrong with one is said, and becomes the exit code.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use crate::capture::{self as captures, Recorded, Summary};
use crate::report::html::{Scripts, page};
use crate::report::markdown;
use crate::report::matrix::Matrix;
use crate::report::model::Run;
use crate::scenario::is_name;

use super::Exit;
use super::args::MatrixFiles;
use super::exit::worse;
use super::out::{fail, print_error, print_to_stderr, write_stdout};

/// The name of standard output among files.
const STDOUT: &str = "-";

/// Tries the files that a command will write, before it does anything else: a run must not be lost because its report has
/// nowhere to go. Folders that are missing are made. Only one of the files can be standard output, and what is printed for
/// people goes to standard error then.
///
/// # Errors
/// The exit code of a program that cannot write one of them, and has said so.
pub fn try_all<'f>(files: impl IntoIterator<Item = &'f Option<PathBuf>>) -> Result<(), Exit> {
    let mut to_stdout = 0;
    for file in files.into_iter().flatten() {
        if is_stdout(file) {
            to_stdout += 1;
            print_to_stderr();
        } else {
            try_one(file).map_err(|error| cannot_write(file, &error))?;
        }
    }
    if to_stdout > 1 {
        return Err(fail(Exit::Usage, "only one report can go to standard output"));
    }
    Ok(())
}

/// Opens the file as it will be opened, and leaves it as it is: what is there is not cut, what is not there is not left.
fn try_one(file: &Path) -> io::Result<()> {
    make_parent(file)?;
    let is_new = match std::fs::metadata(file) {
        // To open a pipe and to close it again would be the end of it.
        Ok(there) if !there.is_file() && !there.is_dir() => return Ok(()),
        there => there.is_err(),
    };
    OpenOptions::new().append(true).create(true).open(file)?;
    if is_new {
        std::fs::remove_file(file)?;
    }
    Ok(())
}

/// Makes the folder that a file is in.
pub fn make_parent(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder),
        _ => Ok(()),
    }
}

/// Whether a file of this name can be a scenario.
pub fn is_scenario_file(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml") && path.file_stem().and_then(|s| s.to_str()).is_some_and(is_name)
}

/// What is wrong with a file's name that no scenario can have.
pub fn no_scenario_file(path: &Path) -> String {
    format!(
        "{}: the name of a scenario file consists of a to z, 0 to 9 and `-`, and ends in .yaml",
        path.display()
    )
}

/// Whether this name of a file is that of standard output.
fn is_stdout(file: &Path) -> bool {
    file.as_os_str() == STDOUT
}

fn cannot_write(file: &Path, error: &io::Error) -> Exit {
    fail(unreadable(error), format!("cannot write {}: {error}", file.display()))
}

/// Writes a report; reports an error if it cannot. `-` is standard output.
pub fn write(file: &Path, text: &str) -> Exit {
    let written = if is_stdout(file) {
        write_stdout(text)
    } else {
        make_parent(file).and_then(|()| std::fs::write(file, text))
    };
    match written {
        Ok(()) => Exit::Ok,
        Err(error) => cannot_write(file, &error),
    }
}

/// Begins a file of bytes. `-` is standard output.
pub fn create(file: &Path) -> io::Result<Box<dyn Write>> {
    if is_stdout(file) {
        return Ok(Box::new(io::stdout().lock()));
    }
    make_parent(file)?;
    Ok(Box::new(io::BufWriter::new(File::create(file)?)))
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
    let opened = OpenOptions::new().append(true).create(true).open(file);
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
pub fn unreadable(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::IsADirectory => Exit::Usage,
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
