//! What a broker writes to its output, kept in a file of its folder.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The name of the file in `$dir`.
const NAME: &str = "mqttspec-broker.log";

/// The log of one instance, over all its restarts.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
}

impl Log {
    pub(super) fn in_folder(folder: &Path) -> Log {
        Log {
            path: folder.join(NAME),
        }
    }

    /// The file, to be written at its end.
    pub(super) fn append(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(&self.path)
    }

    /// Adds a line of our own, so that a reader sees where a restart was.
    pub(super) fn note(&self, text: &str) {
        if let Ok(mut file) = self.append() {
            // A log without the line is still a log.
            let _ = writeln!(file, "-- mqttspec: {text} --");
        }
    }

    /// The last lines of it, at most `limit` bytes; what is not UTF-8 is replaced. Empty if there is no log.
    pub(super) fn tail(&self, limit: usize) -> String {
        read_tail(&self.path, limit).unwrap_or_default()
    }
}

fn read_tail(path: &Path, limit: usize) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(limit as u64);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(limit as u64).read_to_end(&mut bytes)?;
    // A line that is cut in front is left out, unless it is all there is.
    let whole_lines = match bytes.iter().position(|b| *b == b'\n') {
        Some(at) if start > 0 && at + 1 < bytes.len() => &bytes[at + 1..],
        _ => &bytes[..],
    };
    Ok(String::from_utf8_lossy(whole_lines).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_whole_lines_within_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::in_folder(folder.path());
        assert_eq!(log.tail(100), "");
        log.append().unwrap().write_all(b"first\nsecond\nthird\n").unwrap();
        assert_eq!(log.tail(100), "first\nsecond\nthird\n");
        assert_eq!(log.tail(10), "third\n");
        assert_eq!(log.tail(3), "rd\n");
        log.note("restart");
        assert!(log.tail(100).ends_with("third\n-- mqttspec: restart --\n"));
    }
}
