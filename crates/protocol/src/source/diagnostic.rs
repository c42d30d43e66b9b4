//! What is wrong with a file, where, and what is allowed there.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Place, Source};

/// One error in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub source: Arc<Source>,
    /// The offending text. Of no account if the source has no text, as when the file could not be read.
    pub place: Place,
    /// One sentence without a full stop, with the offending text in backticks.
    pub message: String,
    /// A few words under the caret.
    pub label: Option<String>,
    /// What is allowed there, or what was probably meant.
    pub help: Option<String>,
    /// Other places that belong to it, such as the first of two equal keys, each with a few words.
    pub secondary: Vec<(Place, String)>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn new(source: &Arc<Source>, place: &Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            source: Arc::clone(source),
            place: place.clone(),
            message: message.into(),
            label: None,
            help: None,
            secondary: Vec::new(),
        }
    }

    /// An error of a file as a whole, whose text is not to be shown.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        let source = Source {
            file: file.into(),
            text: String::new(),
        };
        Diagnostic::new(&Arc::new(source), &Place::default(), message)
    }

    /// With a few words under the caret.
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }

    /// With what is allowed there.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// With another place that belongs to it.
    pub fn also(mut self, place: &Place, label: impl Into<String>) -> Diagnostic {
        self.secondary.push((place.clone(), label.into()));
        self
    }

    /// Shows no text of the file, since it may hold a secret: only its name, with the line and column.
    pub fn without_text(mut self) -> Diagnostic {
        let Place { line, column, .. } = self.place;
        self.source = Arc::new(Source {
            file: format!("{}:{line}:{column}", self.source.file),
            text: String::new(),
        });
        self
    }

    /// The text for a person: the message, the file with line and column, the lines with carets, the help. Without
    /// `colour` there is no control character in it. It ends with a line feed.
    pub fn render(&self, colour: bool) -> String {
        self.render_as(&Look {
            colour,
            ..Look::default()
        })
    }

    /// The same in another look.
    pub fn render_as(&self, look: &Look) -> String {
        let renderer = if look.colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(look.width);
        let mut group = Group::with_title(Level::ERROR.primary_title(self.message.as_str()));
        if self.source.text.is_empty() {
            group = group.element(Origin::path(self.source.file.as_str()));
        } else {
            let primary = AnnotationKind::Primary
                .span(self.shown(&self.place, look))
                .label(self.label.as_deref());
            let others = self.secondary.iter().map(|(place, label)| {
                AnnotationKind::Context
                    .span(self.shown(place, look))
                    .label(label.as_str())
            });
            group = group.element(
                Snippet::source(self.source.text.as_str())
                    .path(self.source.file.as_str())
                    .annotation(primary)
                    .annotations(others),
            );
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let mut text = renderer.render(&[group]);
        text.push('\n');
        text
    }

    /// What of a place is underlined, never outside of the text.
    fn shown(&self, place: &Place, look: &Look) -> std::ops::Range<usize> {
        let text = &self.source.text;
        let boundary = |mut at: usize| {
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = boundary(place.span.start.min(text.len()));
        let end = boundary(place.span.end.clamp(start, text.len()));
        let line = text.get(start..end).unwrap_or_default();
        let first = line.find(['\n', '\r']).filter(|_| !look.whole);
        start..first.map_or(end, |i| start + i)
    }
}

impl fmt::Display for Diagnostic {
    /// As [`Diagnostic::render`] without colour, and without the line feed at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Diagnostic {}

/// How diagnostics are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether there are escapes for colours in the text.
    pub colour: bool,
    /// The longest line, in columns: of a longer one, the part about the place is shown.
    pub width: usize,
    /// Whether all lines of a place are shown, and not the first one alone: a caret under a whole block of lines mostly
    /// hides more than it shows.
    pub whole: bool,
}

impl Default for Look {
    fn default() -> Look {
        Look {
            colour: false,
            width: 140,
            whole: false,
        }
    }
}

/// Diagnostics one after the other, with an empty line between two.
pub fn render_all(diagnostics: &[Diagnostic], colour: bool) -> String {
    let texts: Vec<String> = diagnostics.iter().map(|d| d.render(colour)).collect();
    texts.join("\n")
}

/// Text of a file as it is in a message: in backticks, control characters escaped, not too long.
pub fn quoted(text: &str) -> String {
    const MAX: usize = 60;
    let mut shown: String = text
        .chars()
        .take(MAX)
        .flat_map(|c| {
            let escaped: Box<dyn Iterator<Item = char>> = if c.is_control() {
                Box::new(c.escape_default())
            } else {
                Box::new(std::iter::once(c))
            };
            escaped
        })
        .collect();
    if text.chars().nth(MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Arc<Source> {
        Arc::new(Source {
            file: "scenarios/a.yaml".to_owned(),
            text: "title: ünü\nsteps: [x]\n".to_owned(),
        })
    }

    #[test]
    fn a_diagnostic_shows_file_line_column_and_caret() {
        let place = Place {
            span: 13..18,
            line: 2,
            column: 1,
        };
        let text = Diagnostic::new(&source(), &place, "no `steps`")
            .label("here")
            .help("did you mean `stepz`?")
            .render(false);
        assert_eq!(
            text,
            "error: no `steps`\n --> scenarios/a.yaml:2:1\n  |\n2 | steps: [x]\n  | ^^^^^ here\n  |\n  = help: did you mean `stepz`?\n"
        );
    }

    #[test]
    fn a_place_outside_of_the_text_does_no_harm() {
        for span in [0..1000, 900..1000, 8..9] {
            let place = Place {
                span,
                line: 9,
                column: 9,
            };
            assert!(
                Diagnostic::new(&source(), &place, "bad")
                    .render(false)
                    .starts_with("error: bad")
            );
        }
    }

    #[test]
    fn quoted_text_has_no_control_characters() {
        assert_eq!(quoted("a\u{1b}[1m"), "`a\\u{1b}[1m`");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 63);
    }
}
