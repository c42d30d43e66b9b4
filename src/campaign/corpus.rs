//! Sequences that reached something new, in a folder: one file each, so that versions of a folder can be compared and joined.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Options;
use crate::fuzzer::Sequence;

/// A folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    #[error("cannot read {}: {error}", file.display())]
    Read { file: PathBuf, error: io::Error },
    #[error("cannot write {}: {error}", file.display())]
    Write { file: PathBuf, error: io::Error },
    #[error("{} is no sequence of a corpus: {error}", file.display())]
    Malformed { file: PathBuf, error: serde_json::Error },
}

const SUFFIX: &str = "json";

/// The sequences of the folder, in the order of the names. A folder that is not there has none.
///
/// # Errors
/// A file cannot be read, or holds something else.
pub fn read(options: &Options) -> Result<VecDeque<Sequence>, CorpusError> {
    let Some(folder) = options.corpus.as_deref().filter(|folder| folder.exists()) else {
        return Ok(VecDeque::new());
    };
    let cannot = |file: &Path| {
        let file = file.to_owned();
        move |error| CorpusError::Read { file, error }
    };
    let entries = std::fs::read_dir(folder).map_err(cannot(folder))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == SUFFIX));
    files.sort();
    let sequence = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).map_err(cannot(&file))?;
        serde_json::from_str(&text).map_err(|error| CorpusError::Malformed { file, error })
    };
    files.into_iter().map(sequence).collect()
}

/// Writes the sequences; those that are there stay.
///
/// # Errors
/// A file cannot be written.
pub fn write(options: &Options, sequences: &VecDeque<Arc<Sequence>>) -> Result<(), CorpusError> {
    let Some(folder) = options.corpus.as_deref() else {
        return Ok(());
    };
    let cannot = |file: &Path| {
        let file = file.to_owned();
        move |error| CorpusError::Write { file, error }
    };
    std::fs::create_dir_all(folder).map_err(cannot(folder))?;
    for sequence in sequences {
        let text = serde_json::to_string(&**sequence).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let file = folder.join(format!("{:016x}.{SUFFIX}", hasher.finish()));
        if !file.exists() {
            std::fs::write(&file, text).map_err(cannot(&file))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::tests::options;
    use crate::fuzzer::generate;
    use crate::reference::Config;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            corpus: Some(folder.path().join("corpus")),
            ..options()
        };
        assert!(read(&options).unwrap().is_empty(), "the folder is not there yet");
        let config = Arc::new(Config::default());
        let sequences: VecDeque<_> = (0..20).map(|seed| Arc::new(generate(&config, seed))).collect();
        write(&options, &sequences).unwrap();
        write(&options, &sequences).unwrap();
        let mut there: Vec<String> = read(&options).unwrap().iter().map(Sequence::to_string).collect();
        let mut written: Vec<String> = sequences.iter().map(|s| s.to_string()).collect();
        there.sort();
        written.sort();
        assert_eq!(there, written);
    }

    #[test]
    fn a_file_that_is_no_sequence_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.json");
        std::fs::write(&file, "{}").unwrap();
        let options = Options {
            corpus: Some(folder.path().to_owned()),
            ..options()
        };
        let error = read(&options).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{} is no sequence", file.display())),
            "{error}"
        );
    }
}
