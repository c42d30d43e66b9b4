//! `known_from`: causes that are in other files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::check::{Check, Checked, KEYS};
use super::Known;
use crate::source::{Diagnostic, Node, Source, every, meant, parse, quoted, read_file, sorted};

impl Check<'_> {
    /// The causes of a profile, or of a list that others name: those of `known_from` first, then its own.
    pub(in super::super) fn all_known(&mut self, root: &Node) -> Checked<Vec<Known>> {
        let from = self.given(root, "known_from", Self::known_from);
        let own = self.given(root, "known", Self::known);
        let mut known = from?.unwrap_or_default();
        known.extend(own?.unwrap_or_default());
        Ok(known)
    }

    /// One file or several.
    fn known_from(&mut self, node: &Node) -> Checked<Vec<Known>> {
        let one = std::slice::from_ref(node);
        let lists = every(node.list().unwrap_or(one), |item| self.known_of(item))?;
        Ok(lists.into_iter().flatten().collect())
    }

    /// The causes of one file. What is wrong in there is reported with its own places.
    fn known_of(&mut self, node: &Node) -> Checked<Vec<Known>> {
        let name = self.filled(node, "a file of known deviations")?;
        let file = self.file.parent().unwrap_or(Path::new("")).join(name);
        let text = match read_file(&file) {
            Ok(text) => text,
            Err(why) => {
                let message = format!("{}: {why}", quoted(name));
                return Err(self.read.error_help(&node.place, message, near(&file)));
            }
        };
        let chain: Vec<PathBuf> = self.chain.iter().cloned().chain([identity(self.file)]).collect();
        if chain.contains(&identity(&file)) {
            let message = format!("{} leads back to itself", quoted(name));
            let help = "a file cannot take known deviations from one that takes them from it";
            return Err(self.read.error_help(&node.place, message, help));
        }
        let source = Arc::new(Source {
            file: file.display().to_string(),
            text,
        });
        let root = match parse(&source) {
            Ok(root) => root,
            Err(diagnostics) => return Err(self.elsewhere(node, name, diagnostics)),
        };
        let mut check = Check::new(&file, &source);
        check.chain = chain;
        let known = check.known_list(&root);
        match (known, check.errors()) {
            (Ok(known), errors) if errors.is_empty() => Ok(known),
            (_, errors) => Err(self.elsewhere(node, name, errors)),
        }
    }

    /// A file with nothing but known deviations, or a profile of which nothing else counts.
    pub(in super::super) fn known_list(&mut self, root: &Node) -> Checked<Vec<Known>> {
        self.read.map(root, "a list of known deviations", &KEYS)?;
        if root.get("known").is_none() && root.get("known_from").is_none() {
            let message = "there are no known deviations in this file";
            return Err(self.read.error_help(
                &root.place,
                message,
                "they are under `known`, or in the files of `known_from`",
            ));
        }
        self.all_known(root)
    }

    /// Notes the errors of another file, and here that it cannot be used.
    fn elsewhere(&mut self, node: &Node, name: &str, errors: Vec<Diagnostic>) -> crate::source::Reported {
        self.elsewhere.extend(errors);
        self.read
            .error(&node.place, format!("{} has errors, which follow", quoted(name)))
    }

    /// All errors so far, those of this file first; none is left here.
    pub(in super::super) fn errors(&mut self) -> Vec<Diagnostic> {
        let mut errors = sorted(self.read.take_errors());
        errors.append(&mut self.elsewhere);
        errors
    }
}

/// A file whatever it is called: two names of one file have the same.
fn identity(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_owned())
}

/// The YAML file alongside a missing one that was probably meant.
fn near(file: &Path) -> String {
    let folder = file
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    let wanted = file.file_name().unwrap_or_default().to_string_lossy();
    meant(&wanted, names.iter().map(String::as_str), || {
        "the path is relative to the folder of this file".to_owned()
    })
}
