//! The line of progress of a run: on standard error, if that is a terminal that can erase a line, whatever standard output is.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::transcript::printable;

use super::out::{is_terminal, print, print_error};

/// How often the line is drawn again in a second at most.
const RATE: u8 = 10;

/// `[57/123] 2 bad  qos2/dup@v5`, cut to the width of the terminal.
#[derive(Debug)]
pub struct Progress {
    line: ProgressBar,
    bad: u64,
}

impl Progress {
    /// Begins with this many cases to be played.
    pub fn begin(cases: usize) -> Progress {
        Progress {
            line: line(cases, target()),
            bad: 0,
        }
    }

    /// A case began.
    pub fn began(&self, id: &str) {
        self.line.set_message(printable(id));
    }

    /// A case ended, with an unexpected result or not.
    pub fn ended(&mut self, is_bad: bool) {
        if is_bad {
            self.bad += 1;
            self.line.set_prefix(format!(" {} bad ", self.bad));
        }
        self.line.inc(1);
    }

    /// Prints to standard output; the line makes room.
    pub fn print(&self, text: &str) {
        self.line.suspend(|| print(text));
    }

    /// Prints to standard error; the line makes room.
    pub fn print_error(&self, text: &str) {
        self.line.suspend(|| print_error(text));
    }

    /// Removes the line.
    pub fn end(&self) {
        self.line.finish_and_clear();
    }
}

/// The line of progress of something whose end is not known.
#[derive(Debug)]
pub struct Line(ProgressBar);

impl Line {
    pub fn begin() -> Line {
        let style = ProgressStyle::with_template("{wide_msg}").expect("the template is well-formed");
        Line(ProgressBar::with_draw_target(None, target()).with_style(style))
    }

    /// Shows this from now on.
    pub fn shows(&self, text: String) {
        self.0.set_message(text);
        self.0.tick();
    }

    /// Prints to standard output; the line makes room.
    pub fn print(&self, text: &str) {
        self.0.suspend(|| print(text));
    }

    /// Removes the line.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// Where a line of progress is drawn.
fn target() -> ProgressDrawTarget {
    if is_terminal() && can_erase(std::env::var("TERM").ok().as_deref()) {
        ProgressDrawTarget::stderr_with_hz(RATE)
    } else {
        ProgressDrawTarget::hidden()
    }
}

fn line(cases: usize, target: ProgressDrawTarget) -> ProgressBar {
    let style = ProgressStyle::with_template("[{pos}/{len}]{prefix} {wide_msg}").expect("the template is well-formed");
    ProgressBar::with_draw_target(Some(cases as u64), target).with_style(style)
}

/// Whether a terminal of this name, that of `TERM`, can erase a line.
fn can_erase(term: Option<&str>) -> bool {
    cfg!(windows) || term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumb_terminal_has_no_line() {
        assert!(can_erase(Some("xterm-256color")) && can_erase(Some("screen")));
        if !cfg!(windows) {
            assert!(!can_erase(Some("dumb")) && !can_erase(Some("")) && !can_erase(None));
        }
    }
}
