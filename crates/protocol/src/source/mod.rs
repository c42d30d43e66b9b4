//! Files that people write by hand, scenarios and profiles alike: their text with places, YAML as nodes, and what is
//! said of them.
//!
//! In: a file or its text. Out: a tree of `Node`s, each with its [`Place`], within one set of bounds; a `Reader` that
//! takes values from it and notes every error; and [`Diagnostic`]s that show the line with a caret.

mod diagnostic;
mod duration;
mod file;
mod name;
mod node;
mod reader;
mod yaml;

use std::ops::Range;

pub use diagnostic::{Diagnostic, Look, render_all};
pub use duration::parse_duration;
pub use yaml::{MAX_DEPTH, MAX_FILE, MAX_NODES};

pub use diagnostic::quoted;
pub use duration::PATTERN as DURATION_PATTERN;
pub use file::read_file;
pub use name::{meant, nearest};
pub use node::{Node, Scalar, What};
pub use reader::{MOST_ERRORS, Reader, Reported, every, number, sorted};
pub use yaml::parse;

/// A file's name and text, kept for diagnostics.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// As it is to be shown, such as `scenarios/qos2/dup-before-pubrel.yaml`.
    pub file: String,
    pub text: String,
}

/// A place in a [`Source`]: a range of bytes, and the line and column (from 1, in characters) where it begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Place {
    pub span: Range<usize>,
    pub line: u32,
    pub column: u32,
}

impl Source {
    /// A place from a range of bytes.
    pub fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Place {
            line: 1 + before.bytes().filter(|b| *b == b'\n').count() as u32,
            column: 1 + before[line_start..].chars().count() as u32,
            span,
        }
    }
}
