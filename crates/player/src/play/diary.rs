//! What the exchanges of a run leave at the broker, noted while it is sent and crossed out once it is removed. Where
//! the broker is not ours this is kept in a file too, so that a run that was killed can be swept up after.
//!
//! The file has a line for each note: the namespace, then `v5 session` or `v5 topic` and the name in hex, or `done`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::statements::Version;
use crate::transcript::Event;
use crate::wire::Text;

use super::cleanup::{Tracer, Traces};

/// The diary of a run.
#[derive(Debug, Default)]
pub struct Diary(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    /// By namespace: the exchanges of which something may be left.
    open: BTreeMap<String, (Version, Tracer)>,
    file: Option<File>,
}

/// What is left of one exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub namespace: String,
    /// The version that the exchange was played at.
    pub version: Version,
    pub traces: Traces,
}

impl Diary {
    /// A diary that is kept in a new file too, below a first line that says whose it is.
    ///
    /// # Errors
    /// What making the file meets.
    pub fn in_file(path: &Path, first_line: &str) -> io::Result<Diary> {
        let mut file = File::create_new(path)?;
        writeln!(file, "{first_line}")?;
        Ok(Diary(Mutex::new(Pages {
            file: Some(file),
            ..Pages::default()
        })))
    }

    /// Takes the next event of an exchange. What we send is to be noted before it goes out.
    pub fn note(&self, namespace: &str, version: Version, event: &Event) {
        let mut pages = self.pages();
        let pages = &mut *pages;
        let (_, tracer) = pages
            .open
            .entry(namespace.to_owned())
            .or_insert_with(|| (version, Tracer::default()));
        let before = tracer.traces.clone();
        tracer.see(event);
        let Some(file) = &mut pages.file else { return };
        let traces = &tracer.traces;
        let kinds = [
            ("session", traces.client_ids.difference(&before.client_ids)),
            ("topic", traces.topics.difference(&before.topics)),
        ];
        for (kind, texts) in kinds {
            for text in texts {
                // A diary that cannot be written is one that cannot be swept after; the run goes on.
                let _ = writeln!(file, "{namespace} {version} {kind} {}", hex::encode(text.as_bytes()));
            }
        }
    }

    /// All of an exchange is removed.
    pub fn done(&self, namespace: &str) {
        let mut pages = self.pages();
        let left = pages.open.remove(namespace);
        if let (Some(file), Some((_, tracer))) = (&mut pages.file, left)
            && !tracer.traces.is_empty()
        {
            let _ = writeln!(file, "{namespace} done");
        }
    }

    /// What is left, by namespace.
    pub fn left(&self) -> Vec<Left> {
        let pages = self.pages();
        let open = pages.open.iter().filter(|(_, (_, tracer))| !tracer.traces.is_empty());
        open.map(|(namespace, (version, tracer))| Left {
            namespace: namespace.clone(),
            version: *version,
            traces: tracer.traces.clone(),
        })
        .collect()
    }

    /// The notes are plain data and never half-changed.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a diary's file says is left. The first line is not looked at, and a last line that was cut is left out.
pub fn read(text: &str) -> Vec<Left> {
    let mut open: BTreeMap<&str, (Version, Traces)> = BTreeMap::new();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines().skip(1) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [namespace, "done"] => {
                open.remove(namespace);
            }
            [namespace, version, kind, name] => {
                let (Ok(version), Ok(name)) = (version.parse::<Version>(), hex::decode(name)) else {
                    continue;
                };
                let (_, traces) = open.entry(namespace).or_insert_with(|| (version, Traces::default()));
                match kind {
                    "session" => traces.client_ids.insert(Text::from(name)),
                    "topic" => traces.topics.insert(Text::from(name)),
                    _ => false,
                };
            }
            _ => {}
        }
    }
    let left = |(namespace, (version, traces)): (&str, (Version, Traces))| Left {
        namespace: namespace.to_owned(),
        version,
        traces,
    };
    open.into_iter().map(left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::testing::{NS, Talk};
    use crate::transcript::{Author, Transcript};
    use crate::wire::{Connect, Packet, Publish};

    fn exchange() -> Transcript {
        let kept = Connect {
            clean_start: false,
            ..Connect::new(Version::V3_1_1, "kept")
        };
        let retained = Publish {
            retain: true,
            topic: "t \u{fc}".into(),
            ..Publish::default()
        };
        Talk::new()
            .packet("c", None, Author::Setup, Packet::from(kept))
            .packet("c", None, Author::Script, Packet::Publish(retained))
            .transcript()
    }

    #[test]
    fn what_is_not_done_is_left_also_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("diary");
        let diary = Diary::in_file(&path, "whose").unwrap();
        let transcript = exchange();
        for event in &transcript.events {
            diary.note(NS, Version::V3_1_1, event);
            diary.note("ms000002", Version::V5, event);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("whose\n"), "{text}");
        assert_eq!(read(&text), diary.left());
        assert_eq!(diary.left().len(), 2);
        diary.done(NS);
        let left = diary.left();
        assert_eq!((left.len(), left[0].version), (1, Version::V5));
        assert_eq!(left[0].traces.client_ids.len() + left[0].traces.topics.len(), 2);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(read(&text), left);
        // What was being written when the run was killed.
        assert_eq!(read(&format!("{text}ms000002 do")), left);
        diary.done("ms000002");
        assert!(read(&std::fs::read_to_string(&path).unwrap()).is_empty() && diary.left().is_empty());
    }
}
