//! Where scenario files come from: the set inside the binary, or folders.
//!
//! In: folders and what they hold, whatever that is. Out: [`Files`], each with its path and text, to be loaded all or
//! one by one; what is no scenario file is a diagnostic like every other.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use include_dir::{Dir, include_dir};

use super::{Diagnostic, Outline, Scenario, Source, format, load, outlines};
use crate::source::read_file;
use crate::wire::Side;

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../scenarios");

/// The folder of the scenarios that test clients.
const CLIENTS: &str = "clients/";
/// How deep folders may be nested: more is a loop of links.
const MAX_FOLDERS: usize = 16;
/// How many files a folder of scenarios may hold.
const MAX_FILES: usize = 5_000;

/// The list of former names inside the binary.
pub(super) fn aliases_text() -> &'static str {
    let file = EMBEDDED.get_file("aliases.txt");
    file.and_then(|file| file.contents_utf8()).unwrap_or_default()
}

/// Whether a scenario is the one of its path inside the binary, and no file of the user's.
pub(super) fn is_embedded(path: &str, source: &Source) -> bool {
    let path = format!("{path}.yaml");
    let text = EMBEDDED.get_file(&path).and_then(|file| file.contents_utf8());
    text == Some(&source.text) && source.file == format!("scenarios/{path}")
}

/// Scenario files that are not loaded yet, by path.
#[derive(Debug, Clone, Default)]
pub struct Files {
    files: Vec<File>,
    errors: Vec<Diagnostic>,
}

#[derive(Debug, Clone)]
struct File {
    path: String,
    source: Arc<Source>,
}

/// A scenario file with its canonical text.
#[derive(Debug)]
pub struct Formatted {
    /// The scenario's path.
    pub path: String,
    /// The file as it is, without a byte order mark.
    pub source: Arc<Source>,
    /// The text that it should have, or what is wrong with it.
    pub text: Result<String, Vec<Diagnostic>>,
}

impl Files {
    /// The set inside the binary that tests brokers.
    pub fn embedded() -> Files {
        Files::embedded_for(Side::Server)
    }

    /// The set inside the binary that tests this side.
    pub fn embedded_for(tests: Side) -> Files {
        let mut files = Files::default();
        files.add_embedded(&EMBEDDED);
        let of_clients = |file: &File| file.path.starts_with(CLIENTS);
        files.files.retain(|file| of_clients(file) == (tests == Side::Client));
        files.sort();
        files
    }

    /// Every scenario file below a folder (`--scenarios DIR`).
    pub fn of_dir(dir: &Path) -> Files {
        Files::default().also_dir(dir)
    }

    /// One file, whose path is its name.
    pub fn of_file(file: &Path) -> Files {
        let mut files = Files::default();
        let stem = file
            .file_stem()
            .map(|s| s.to_string_lossy().into_owned())
            .unwrap_or_default();
        files.add_file(file, stem);
        files
    }

    /// With every scenario file below a further folder (`--also DIR`). A path that is there already is an error.
    pub fn also_dir(mut self, dir: &Path) -> Files {
        if dir.is_dir() {
            self.add_dir(dir, "", 0);
            self.sort();
        } else {
            let message = match dir.symlink_metadata() {
                Ok(_) => "this is no folder of scenarios",
                Err(_) => "there is no such folder",
            };
            self.error(dir, message);
        }
        self
    }

    /// The paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|f| f.path.as_str())
    }

    /// Loads the scenarios whose path `wanted` accepts.
    ///
    /// # Errors
    /// All errors of all of these files. What is wrong with the folders themselves is among them, whatever is wanted.
    pub fn load(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Scenario>, Vec<Diagnostic>> {
        self.each(wanted, load)
    }

    /// The outlines of all cases. What is wrong with scripts is not seen here.
    ///
    /// # Errors
    /// All other errors of all files.
    pub fn outlines(&self) -> Result<Vec<Outline>, Vec<Diagnostic>> {
        Ok(self.each(|_| true, outlines)?.into_iter().flatten().collect())
    }

    /// The canonical text of each file, alongside its own. What is wrong with the folders is in
    /// [`errors`](Files::errors).
    pub fn formatted(&self) -> Vec<Formatted> {
        let of = |(file, text): (&File, _)| Formatted {
            path: file.path.clone(),
            source: Arc::clone(&file.source),
            text,
        };
        self.results(|_| true, format).into_iter().map(of).collect()
    }

    /// What is wrong with the folders and with files that could not be read.
    pub fn errors(&self) -> &[Diagnostic] {
        &self.errors
    }

    /// Reads the files that are wanted, and keeps their order.
    fn each<T: Send>(
        &self,
        wanted: impl Fn(&str) -> bool,
        read: fn(&Arc<Source>, &str) -> Result<T, Vec<Diagnostic>>,
    ) -> Result<Vec<T>, Vec<Diagnostic>> {
        let results = self.results(wanted, read);
        let mut errors = self.errors.clone();
        let mut all = Vec::with_capacity(results.len());
        for (_, result) in results {
            match result {
                Ok(one) => all.push(one),
                Err(more) => errors.extend(more),
            }
        }
        if errors.is_empty() { Ok(all) } else { Err(errors) }
    }

    /// What is read of each file that is wanted, on every core, in their order.
    fn results<T: Send>(
        &self,
        wanted: impl Fn(&str) -> bool,
        read: fn(&Arc<Source>, &str) -> Result<T, Vec<Diagnostic>>,
    ) -> Vec<(&File, Result<T, Vec<Diagnostic>>)> {
        let files: Vec<&File> = self.files.iter().filter(|f| wanted(&f.path)).collect();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        // Several parts a core, since files differ in what they cost.
        let part = files.len().div_ceil(cores * 4).max(1);
        let parts: Vec<&[&File]> = files.chunks(part).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.extend(part.iter().map(|f| (*f, read(&f.source, &f.path))));
            }
            done
        };
        let mut results: Vec<_> = thread::scope(|scope| {
            let others: Vec<_> = (1..cores.min(parts.len())).map(|_| scope.spawn(work)).collect();
            let mut results = work();
            for other in others {
                match other.join() {
                    Ok(done) => results.extend(done),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            results
        });
        results.sort_by_key(|(file, _)| &file.path);
        results
    }

    /// Loads all of them.
    ///
    /// # Errors
    /// All errors of all files.
    pub fn load_all(&self) -> Result<Vec<Scenario>, Vec<Diagnostic>> {
        self.load(|_| true)
    }

    fn add_embedded(&mut self, dir: &'static Dir<'static>) {
        for file in dir.files() {
            let path = file.path().to_string_lossy().replace('\\', "/");
            if let (Some(path), Some(text)) = (path.strip_suffix(".yaml"), file.contents_utf8()) {
                self.add(path.to_owned(), format!("scenarios/{path}.yaml"), text.to_owned());
            }
        }
        for dir in dir.dirs() {
            self.add_embedded(dir);
        }
    }

    fn add_dir(&mut self, dir: &Path, prefix: &str, depth: usize) {
        if depth > MAX_FOLDERS {
            return self.error(dir, format!("folders are nested more than {MAX_FOLDERS} deep"));
        }
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(e) => return self.error(dir, format!("the folder cannot be read: {e}")),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry.path(),
                Err(e) => return self.error(dir, format!("the folder cannot be read: {e}")),
            };
            if self.files.len() >= MAX_FILES {
                return self.error(dir, format!("there are more than {MAX_FILES} files"));
            }
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            match name.rsplit_once('.') {
                Some((stem, "yaml")) => self.add_file(&entry, format!("{prefix}{stem}")),
                Some((_, "yml")) => self.error(&entry, "the name of a scenario file ends with `.yaml`"),
                _ if entry.is_dir() => self.add_dir(&entry, &format!("{prefix}{name}/"), depth + 1),
                _ => {}
            }
        }
    }

    fn add_file(&mut self, file: &Path, path: String) {
        match read_file(file) {
            Ok(text) => self.add(path, file.display().to_string(), text),
            Err(message) => self.error(file, message),
        }
    }

    fn add(&mut self, path: String, file: String, text: String) {
        if !path.split('/').all(is_name) {
            let error = Diagnostic::of_file(file, "a scenario's path is made of a to z, 0 to 9, `-` and `/`")
                .help("it is the name of its cases, and of files");
            return self.errors.push(error);
        }
        if let Some(first) = self.files.iter().find(|f| f.path == path) {
            let message = format!("there is a scenario `{path}` already: {}", first.source.file);
            return self.errors.push(Diagnostic::of_file(file, message));
        }
        // A byte order mark is no part of the text.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let source = Arc::new(Source { file, text });
        self.files.push(File { path, source });
    }

    fn error(&mut self, file: &Path, message: impl Into<String>) {
        self.errors
            .push(Diagnostic::of_file(file.display().to_string(), message));
    }

    fn sort(&mut self) {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.errors.sort_by(|a, b| a.source.file.cmp(&b.source.file));
    }
}

/// Whether a file or folder of this name, without `.yaml`, can be part of a scenario's path.
pub fn is_name(part: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !part.is_empty() && part.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const GOOD: &str =
        "format: 1\ntitle: T\nversions: [v5]\nclients: { c: {} }\nsteps: [c -> PINGREQ, c <- PINGRESP]\n";

    fn messages(files: &Files) -> Vec<String> {
        match files.load_all() {
            Ok(_) => Vec::new(),
            Err(errors) => errors.into_iter().map(|e| e.message).collect(),
        }
    }

    #[test]
    fn the_scenarios_that_test_clients_are_in_a_folder_of_their_own() {
        for tests in [Side::Server, Side::Client] {
            let scenarios = Files::embedded_for(tests).load_all().unwrap();
            assert!(!scenarios.is_empty());
            let other = scenarios.iter().find(|scenario| scenario.header.tests != tests);
            assert!(other.is_none(), "{:?}", other.map(|scenario| &scenario.header.path));
        }
    }

    #[test]
    fn every_scenario_inside_the_binary_loads_and_proves_something() {
        let scenarios = Files::embedded().load_all().unwrap_or_else(|errors| {
            panic!("{}", super::super::render_all(&errors, false));
        });
        assert!(!scenarios.is_empty());
        for scenario in &scenarios {
            let proves = scenario.cases.iter().any(|case| !case.proves.is_empty());
            assert!(proves, "{} proves nothing", scenario.header.path);
        }
    }

    #[test]
    fn every_title_is_a_claim_of_its_own() {
        let scenarios = Files::embedded().load_all().unwrap();
        let mut titles = BTreeMap::new();
        for Scenario { header, .. } in &scenarios {
            if let Some(other) = titles.insert(header.title.as_str(), &header.path) {
                panic!("{other} and {} have one title: {}", header.path, header.title);
            }
        }
    }

    #[test]
    fn a_suffix_for_versions_names_those_of_the_scenario() {
        for Scenario { header, cases } in Files::embedded().load_all().unwrap() {
            let Some((_, suffix)) = header.path.rsplit_once("-v") else {
                continue;
            };
            let versions: BTreeSet<&str> = cases.iter().map(|case| case.version.name()).collect();
            let expected: &[&str] = match suffix {
                "3" => &["v3.1", "v3.1.1"],
                "3-1" => &["v3.1"],
                "3-1-1" => &["v3.1.1"],
                "5" => &["v5"],
                _ => continue,
            };
            assert!(versions.iter().eq(expected), "{}: {versions:?}", header.path);
        }
    }

    #[test]
    fn a_folder_is_read_with_its_folders() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("b/c")).unwrap();
        fs::write(dir.path().join("b/c/two.yaml"), format!("\u{feff}{GOOD}")).unwrap();
        fs::write(dir.path().join("b/one.yaml"), GOOD).unwrap();
        fs::write(dir.path().join("README.md"), "text").unwrap();
        let files = Files::of_dir(dir.path());
        assert_eq!(files.paths().collect::<Vec<_>>(), ["b/c/two", "b/one"]);
        let loaded = files.load_all().unwrap();
        assert_eq!(loaded[0].cases[0].id, "b/c/two@v5");
        let one = files.load(|path| path == "b/one").unwrap();
        assert_eq!(one.len(), 1);
        assert!(
            messages(&files.also_dir(dir.path()))
                .iter()
                .all(|m| m.contains("already"))
        );
    }

    #[test]
    fn what_is_no_scenario_file_is_one_clear_error() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("folder.yaml")).unwrap();
        fs::write(at("binary.yaml"), [0x7f, b'E', b'L', b'F', 0xff, 0x00]).unwrap();
        fs::write(at("nul.yaml"), "a: \0").unwrap();
        fs::write(at("empty.yaml"), "").unwrap();
        fs::write(at("other.yml"), GOOD).unwrap();
        fs::write(at("Upper.yaml"), GOOD).unwrap();
        fs::File::create(at("large.yaml")).unwrap().set_len(100 << 20).unwrap();
        let laughs: String = (1..20)
            .map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", ")))
            .collect();
        fs::write(at("laughs.yaml"), format!("a0: &a0 [x]\n{laughs}")).unwrap();
        let mut found = messages(&Files::of_dir(dir.path()));
        found.sort();
        let wanted = [
            "a scenario's path is made of a to z, 0 to 9, `-` and `/`",
            "anchors and aliases are not permitted",
            "the file is empty",
            "the file is larger than 1048576 bytes",
            "the file is not text: byte 4 is no UTF-8",
            "the file is not text: it holds a NUL byte",
            "the name of a scenario file ends with `.yaml`",
            "this is a folder, not a file",
        ];
        assert_eq!(found, wanted);
        assert_eq!(messages(&Files::of_dir(&at("missing"))), ["there is no such folder"]);
        assert_eq!(
            messages(&Files::of_dir(&at("empty.yaml"))),
            ["this is no folder of scenarios"]
        );
        assert!(messages(&Files::of_file(&at("missing.yaml")))[0].starts_with("the file cannot be read"));
    }
}
