//! The diaries of runs against brokers that are not ours: what each run may have left there, in a folder.

use std::path::PathBuf;
use std::sync::Arc;

use crate::play::{Diary, Left, read_diary};

/// A folder of diaries.
#[derive(Debug, Clone)]
pub struct Diaries {
    folder: Option<PathBuf>,
}

/// The diary of a run that is going on, with its file.
#[derive(Debug)]
pub struct Open {
    pub diary: Arc<Diary>,
    file: Option<PathBuf>,
}

impl Open {
    /// Ends the diary: its file is removed if nothing is left.
    pub fn end(&self) {
        if let Some(file) = self.file.as_deref().filter(|_| self.diary.left().is_empty()) {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// The diary of a run that has ended and has left something.
#[derive(Debug)]
pub struct Old {
    pub file: PathBuf,
    pub left: Vec<Left>,
}

impl Diaries {
    /// The diaries in `folder`, which is made when the first is begun. `None`: diaries are kept in memory only.
    pub fn in_folder(folder: Option<PathBuf>) -> Diaries {
        Diaries { folder }
    }

    /// Begins the diary of a run against `address`. If no file can be written, the run can only be cleaned up after
    /// by itself, at its end.
    pub fn begin(&self, address: &str, seed: u64) -> Open {
        let in_file = self.folder.as_ref().and_then(|folder| {
            let process = std::process::id();
            let file = folder.join(format!("{process}-{seed:016x}"));
            std::fs::create_dir_all(folder).ok()?;
            let diary = Diary::in_file(&file, &format!("{process} {address}")).ok()?;
            Some((diary, file))
        });
        let (diary, file) = in_file.map_or_else(|| (Diary::default(), None), |(diary, file)| (diary, Some(file)));
        Open {
            diary: Arc::new(diary),
            file,
        }
    }

    /// The diaries of runs against `address` that were aborted. Those of runs that go on are left alone.
    pub fn old(&self, address: &str) -> Vec<Old> {
        let Some(Ok(entries)) = self.folder.as_ref().map(std::fs::read_dir) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        files.sort();
        files.into_iter().filter_map(|file| of(file, address)).collect()
    }
}

fn of(file: PathBuf, address: &str) -> Option<Old> {
    let text = std::fs::read_to_string(&file).ok()?;
    let (process, whose) = text.lines().next()?.split_once(' ')?;
    let process: i32 = process.parse().ok()?;
    (whose == address && !is_running(process)).then(|| Old {
        left: read_diary(&text),
        file,
    })
}

/// Whether there is a process with this id. It may be another one by now; then a sweep has to wait for its end.
fn is_running(process: i32) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), None) != Err(nix::errno::Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_made_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a-file");
        std::fs::write(&file, "").unwrap();
        let diaries = Diaries::in_folder(Some(file.join("left")));
        let open = diaries.begin("mqtt://127.0.0.1:1", 7);
        assert!(open.diary.left().is_empty());
        open.end();
        assert!(diaries.old("mqtt://127.0.0.1:1").is_empty());
    }

    #[test]
    fn the_diary_of_a_run_that_goes_on_is_left_alone_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let diaries = Diaries::in_folder(Some(folder.path().join("left")));
        let open = diaries.begin("mqtt://127.0.0.1:1", 7);
        let files = || std::fs::read_dir(folder.path().join("left")).unwrap().count();
        assert_eq!(files(), 1);
        assert!(diaries.old("mqtt://127.0.0.1:1").is_empty());
        open.end();
        assert_eq!(files(), 0);
    }
}
