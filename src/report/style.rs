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

/// `text` without styles. These are the only escapes in a report: what a broker sends is printed without any.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_go() {
        assert_eq!(plain(&format!("a{}c", paint(RED, "b"))), "abc");
        assert_eq!(plain("abc"), "abc");
    }
}
