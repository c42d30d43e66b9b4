//! A broker's program as a command that waits at a gate: it begins once the watchdog knows of it.
//!
//! A process that is started and then noted is, for a moment, known to no one. If the run were killed in that moment,
//! the broker would outlive it. So what is started is a shell that waits for a line on its standard input and then
//! becomes the program. When the run ends first, the input ends, and the shell with it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the shell runs. It becomes the program under its own process id, in the group that it has.
const GATE: &str = r#"read -r go && exec "$@" </dev/null"#;

/// The same with the rest of the input left to the program. The shell reads a line byte by byte, and takes no more.
const TALKING: &str = r#"read -r go && exec "$@""#;

/// A command line and an environment, to be started in `folder`. The process waits at the gate.
///
/// # Errors
/// There is no such program ([`io::ErrorKind::NotFound`]), or it cannot be executed
/// ([`io::ErrorKind::PermissionDenied`]).
pub(super) fn gated<'a>(
    line: &[String],
    environment: impl Iterator<Item = (&'a String, String)>,
    folder: &Path,
) -> io::Result<Command> {
    behind(GATE, line, environment, folder)
}

/// The same for a program that keeps its standard input.
///
/// # Errors
/// As those of [`gated`].
pub(super) fn talking<'a>(
    line: &[String],
    environment: impl Iterator<Item = (&'a String, String)>,
    folder: &Path,
) -> io::Result<Command> {
    behind(TALKING, line, environment, folder)
}

fn behind<'a>(
    gate: &str,
    line: &[String],
    environment: impl Iterator<Item = (&'a String, String)>,
    folder: &Path,
) -> io::Result<Command> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", gate, "sh"]).args(line).current_dir(folder);
    let mut path = std::env::var_os("PATH");
    for (name, value) in environment {
        command.env(name, &value);
        if name == "PATH" {
            path = Some(value.into());
        }
    }
    let program = line.first().map_or("", String::as_str);
    find(program, path.as_deref(), folder)?;
    Ok(command)
}

/// The file that is executed for `program`: with a `/` in it, seen from `folder`; else the first one on the path.
///
/// # Errors
/// As those of [`gated`].
pub(super) fn find(program: &str, path: Option<&OsStr>, folder: &Path) -> io::Result<PathBuf> {
    let candidates = if program.contains('/') {
        vec![folder.join(program)]
    } else {
        std::env::split_paths(path.unwrap_or_default())
            .map(|on_path| folder.join(on_path).join(program))
            .collect()
    };
    let mut error = io::ErrorKind::NotFound;
    for candidate in candidates {
        match std::fs::metadata(&candidate) {
            Ok(file) if file.is_file() && file.permissions().mode() & 0o111 != 0 => return Ok(candidate),
            Ok(_) => error = io::ErrorKind::PermissionDenied,
            Err(_) => {}
        }
    }
    Err(error.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::Stdio;

    use super::*;

    fn touch(folder: &Path) -> std::process::Child {
        let line = ["touch".to_owned(), "begun".to_owned()];
        gated(&line, std::iter::empty(), folder)
            .unwrap()
            .stdin(Stdio::piped())
            .spawn()
            .unwrap()
    }

    #[test]
    fn the_program_begins_when_the_gate_opens() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = touch(folder.path());
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(child.wait().unwrap().success());
        assert!(folder.path().join("begun").exists());
    }

    #[test]
    fn it_never_begins_when_the_run_ends_first() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = touch(folder.path());
        drop(child.stdin.take());
        assert!(!child.wait().unwrap().success());
        assert!(!folder.path().join("begun").exists());
    }

    #[test]
    fn programs_are_found_on_the_path_and_by_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let found = |program: &str, path: Option<&OsStr>| find(program, path, folder.path()).map_err(|e| e.kind());
        assert!(found("sh", std::env::var_os("PATH").as_deref()).is_ok());
        assert_eq!(found("sh", None), Err(io::ErrorKind::NotFound));
        std::fs::write(folder.path().join("data"), "").unwrap();
        assert_eq!(found("./data", None), Err(io::ErrorKind::PermissionDenied));
        assert_eq!(found("./other", None), Err(io::ErrorKind::NotFound));
        assert_eq!(
            found("data", Some(folder.path().as_os_str())),
            Err(io::ErrorKind::PermissionDenied)
        );
    }
}
