//! `mqttspec fmt`

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use similar::TextDiff;

use crate::scenario::{Diagnostic, Files, Formatted, Source, format};
use crate::source::MAX_FILE;

use super::args::FmtArgs;
use super::exit::worse;
use super::out::{fail, print};
use super::{Exit, set};

/// Writes scenario files in their canonical form, or says which of them are not in it. A malformed file is left
/// unchanged, and so is one that cannot be written as a whole.
pub fn fmt(args: &FmtArgs) -> Exit {
    let mut work = Work {
        args,
        diagnostics: Vec::new(),
        exit: Exit::Ok,
    };
    for path in &args.paths {
        if path.as_os_str() == "-" {
            work.stdin();
        } else if path.is_dir() {
            work.all(&Files::of_dir(path), |one| path.join(format!("{}.yaml", one.path)));
        } else {
            work.all(&Files::of_file(path), |_| path.clone());
        }
    }
    work.end()
}

struct Work<'a> {
    args: &'a FmtArgs,
    diagnostics: Vec<Diagnostic>,
    exit: Exit,
}

impl Work<'_> {
    fn only_looks(&self) -> bool {
        self.args.check || self.args.diff
    }

    fn all(&mut self, files: &Files, at: impl Fn(&Formatted) -> PathBuf) {
        self.diagnostics.extend_from_slice(files.errors());
        for one in files.formatted() {
            let file = at(&one);
            match one.text {
                Ok(text) => self.file(&file, &one.source, &text),
                Err(more) => self.diagnostics.extend(more),
            }
        }
    }

    fn file(&mut self, file: &Path, source: &Source, text: &str) {
        let shown = file.display();
        let bytes = match fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) => return self.fault(format!("cannot read {shown}: {error}")),
        };
        if bytes == text.as_bytes() {
            return;
        }
        let found = String::from_utf8_lossy(&bytes);
        if found.strip_prefix('\u{feff}').unwrap_or(&found) != source.text {
            return self.fault(format!("{shown} was changed by another program and is left unchanged"));
        }
        if self.only_looks() {
            return self.show(&shown.to_string(), &found, text);
        }
        match replace(file, text) {
            Ok(()) => print(&format!("formatted {shown}\n")),
            Err(error) => self.fault(format!("cannot write {shown}: {error}")),
        }
    }

    fn stdin(&mut self) {
        let mut bytes = Vec::new();
        // One byte more than is allowed says that there are too many.
        let read = io::stdin().lock().take(MAX_FILE as u64 + 1).read_to_end(&mut bytes);
        let written = read.and_then(|_| String::from_utf8(bytes).map_err(io::Error::other));
        let written = match written {
            Ok(text) => text,
            Err(error) => {
                let error = Diagnostic::of_file("standard input", format!("this cannot be read: {error}"));
                return self.diagnostics.push(error);
            }
        };
        let source = Arc::new(Source {
            file: "standard input".to_owned(),
            text: written.strip_prefix('\u{feff}').unwrap_or(&written).to_owned(),
        });
        match format(&source, "stdin") {
            Err(more) => self.diagnostics.extend(more),
            Ok(text) if !self.only_looks() => print(&text),
            Ok(text) if text != written => {
                self.show("standard input", &written, &text);
            }
            Ok(_) => {}
        }
    }

    /// Names a file that is not in its canonical form, and with `--diff` what would change.
    fn show(&mut self, file: &str, written: &str, text: &str) {
        self.exit = worse(self.exit, Exit::Bad);
        if !self.args.diff {
            return print(&format!("{file}\n"));
        }
        let diff = TextDiff::from_lines(written, text);
        print(
            &diff
                .unified_diff()
                .header(file, &format!("{file} formatted"))
                .to_string(),
        );
    }

    fn fault(&mut self, message: String) {
        self.exit = worse(self.exit, fail(Exit::Unreachable, message));
    }

    fn end(self) -> Exit {
        if !self.diagnostics.is_empty() {
            let malformed = set::malformed(&self.diagnostics);
            return if self.exit == Exit::Unreachable {
                self.exit
            } else {
                malformed
            };
        }
        self.exit
    }
}

/// Puts `text` into a file as a whole: a reader finds the old text or the new one, and the permissions are kept.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    // A link leads to the same file as before.
    let file = fs::canonicalize(file)?;
    let permissions = fs::metadata(&file)?.permissions();
    if permissions.readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    // A name with a dot at its beginning is no scenario to anybody who reads the folder meanwhile.
    let mut new = tempfile::Builder::new().prefix(".mqttspec-fmt-").tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().set_permissions(permissions)?;
    new.persist(&file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_keeps_its_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.yaml");
        fs::write(&file, "old").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
            std::os::unix::fs::symlink(&file, dir.path().join("link.yaml")).unwrap();
            replace(&dir.path().join("link.yaml"), "new").unwrap();
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
            assert!(fs::symlink_metadata(dir.path().join("link.yaml")).unwrap().is_symlink());
        }
        replace(&file, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        let mut read_only = fs::metadata(&file).unwrap().permissions();
        read_only.set_readonly(true);
        fs::set_permissions(&file, read_only).unwrap();
        assert!(replace(&file, "newer").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert!(left <= 2, "{left} entries are left");
    }
}
