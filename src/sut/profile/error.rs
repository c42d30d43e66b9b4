//! The one error of reading a profile: what is wrong, where, and what is allowed there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// A place in a profile's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted in characters from 1.
    pub column: usize,
    /// How many characters it spans on that line; 0 where that is not known.
    pub length: usize,
}

/// A profile that cannot be used.
#[derive(Debug, Clone)]
pub struct ProfileError {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// Where in the file; `None` where the file as a whole is wrong.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What may stand there, or what to do.
    pub help: Option<String>,
    source: Arc<str>,
}

impl ProfileError {
    /// The file as a whole is wrong.
    pub(super) fn of_file(file: &Path, message: impl Into<String>) -> ProfileError {
        ProfileError {
            file: file.to_owned(),
            place: None,
            message: message.into(),
            help: None,
            source: Arc::from(""),
        }
    }

    /// Something in the file is wrong.
    pub(super) fn at(file: &Path, source: &Arc<str>, place: Option<Place>, message: impl Into<String>) -> ProfileError {
        ProfileError {
            file: file.to_owned(),
            place,
            message: message.into(),
            help: None,
            source: source.clone(),
        }
    }

    /// Leaves the line out of the message, since it may hold a secret.
    pub(super) fn without_source(mut self) -> ProfileError {
        self.source = Arc::from("");
        self
    }

    /// Adds what may stand there.
    pub(super) fn help(mut self, help: impl Into<String>) -> ProfileError {
        self.help = Some(help.into());
        self
    }

    /// The message with the line and a caret under the offending text, as `renderer` draws it.
    pub fn render(&self, renderer: &Renderer) -> String {
        let file = self.file.display().to_string();
        let group = match self.place.and_then(|place| byte_range(&self.source, place)) {
            Some(range) => Level::ERROR.primary_title(&self.message).element(
                Snippet::source(&*self.source)
                    .path(&file)
                    .annotation(AnnotationKind::Primary.span(range)),
            ),
            None => {
                let title = match self.place {
                    Some(place) => format!("{file}:{}:{}: {}", place.line, place.column, self.message),
                    None => format!("{file}: {}", self.message),
                };
                return match &self.help {
                    Some(help) => format!("error: {title}\n  = help: {help}"),
                    None => format!("error: {title}"),
                };
            }
        };
        match &self.help {
            Some(help) => renderer.render(&[group.element(Level::HELP.message(help))]),
            None => renderer.render(&[group]),
        }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

impl std::error::Error for ProfileError {}

/// The bytes of `source` that a place covers. `None` where the place lies outside.
fn byte_range(source: &str, place: Place) -> Option<std::ops::Range<usize>> {
    let line_start: usize = source
        .split_inclusive('\n')
        .take(place.line.checked_sub(1)?)
        .map(str::len)
        .sum();
    let line = source.get(line_start..)?.lines().next().unwrap_or_default();
    let byte_of = |characters: usize| line.char_indices().nth(characters).map_or(line.len(), |(at, _)| at);
    let start = byte_of(place.column.checked_sub(1)?);
    let end = byte_of(place.column - 1 + place.length.max(1));
    Some(line_start + start..line_start + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters() {
        let place = |line, column, length| Place { line, column, length };
        let source = "ä: b\ncc: ddd\n";
        assert_eq!(&source[byte_range(source, place(1, 4, 1)).unwrap()], "b");
        assert_eq!(&source[byte_range(source, place(2, 5, 3)).unwrap()], "ddd");
        assert_eq!(&source[byte_range(source, place(2, 5, 99)).unwrap()], "ddd");
        assert_eq!(byte_range(source, place(0, 0, 0)), None);
    }

    #[test]
    fn shows_file_line_and_caret() {
        let source: Arc<str> = Arc::from("name: x\njbos: 3\n");
        let place = Place {
            line: 2,
            column: 1,
            length: 4,
        };
        let error = ProfileError::at(Path::new("p.yaml"), &source, Some(place), "unknown key `jbos`")
            .help("did you mean `jobs`?");
        assert_eq!(
            error.to_string(),
            "error: unknown key `jbos`\n --> p.yaml:2:1\n  |\n2 | jbos: 3\n  | ^^^^\n  |\n  = help: did you mean `jobs`?"
        );
    }
}
