//! The styles of terminal output.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

use crate::suite::Verdict;

pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();
pub const RED: Style = AnsiColor::BrightRed.on_default().bold();
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
pub const GREEN: Style = AnsiColor::Green.on_default();
pub const CYAN: Style = AnsiColor::Cyan.on_default();

/// `what` in a style.
pub fn paint(style: Style, what: impl Display) -> String {
    format!("{style}{what}{style:#}")
}

/// The style of a verdict.
pub fn of(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Pass => GREEN,
        Verdict::Fail | Verdict::Crash | Verdict::Error => RED,
        Verdict::Known | Verdict::Fixed => YELLOW,
        Verdict::Skip => DIM,
    }
}
