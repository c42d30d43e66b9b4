//! A profile that cannot be used: everything that is wrong with it.

use std::fmt;

use crate::source::{Diagnostic, render_all};

/// What is wrong with a profile, where, and what is allowed there: at least one error, in the order of the file.
#[derive(Debug, Clone)]
pub struct ProfileError {
    pub diagnostics: Vec<Diagnostic>,
}

impl ProfileError {
    /// The messages, each with its line and a caret under the offending text. They end with a line feed.
    pub fn render(&self, colour: bool) -> String {
        render_all(&self.diagnostics, colour)
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for ProfileError {}
