//! The diaries of runs against brokers that are somebody else's: where they lie, and what becomes of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::play::{Diary, Left, read_diary};

/// The diary of a run, with its file.
pub struct Kept {
    pub diary: Arc<Diary>,
    file: Option<PathBuf>,
}

/// Begins the diary of a run against `address`. Without a file the run goes on, and only its own end can sweep.
pub fn begin(address: &str, seed: u64) -> Kept {
    let folder = folder();
    let file = folder.join(format!("{}-{seed:016x}", std::process::id()));
    let made = std::fs::create_dir_all(&folder)
        .and_then(|()| Diary::in_file(&file, &format!("{} {address}", std::process::id())));
    match made {
        Ok(diary) => Kept {
            diary: Arc::new(diary),
            file: Some(file),
        },
        Err(_) => Kept {
            diary: Arc::new(Diary::default()),
            file: None,
        },
    }
}

impl Kept {
    /// Ends the diary: its file goes where nothing is left.
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

/// The diaries of runs against `address` that were aborted from this folder. Those of runs that go on are left alone.
pub fn old(address: &str) -> Vec<Old> {
    let Ok(entries) = std::fs::read_dir(folder()) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.sort();
    files.into_iter().filter_map(|file| of(file, address)).collect()
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

/// Whether there is a process with this id. It may be another one by now; then `sweep` has to wait for its end.
fn is_running(process: i32) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), None) != Err(nix::errno::Errno::ESRCH)
}

fn folder() -> PathBuf {
    Path::new("target").join("mqttspec").join("left")
}
