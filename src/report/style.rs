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

/// Text in lines of at most `width` columns, of which those after the first begin with `indent` blanks. A word that is longer
/// stays whole, so that an ID or a link can be copied. `usize::MAX` leaves the text as it is.
pub fn wrapped(text: &str, width: usize, indent: usize) -> String {
    if width == usize::MAX {
        return text.to_owned();
    }
    let begin = text.len() - text.trim_start_matches(' ').len();
    let (first, rest) = (" ".repeat(begin), " ".repeat(indent));
    let options = textwrap::Options::new(width)
        .initial_indent(&first)
        .subsequent_indent(&rest)
        .break_words(false)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    textwrap::wrap(&text[begin..], options).join("\n")
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
    fn long_text_is_wrapped_between_words() {
        let text = format!("   2 {}  a word and/another-word", paint(RED, "fail"));
        assert_eq!(
            plain(&wrapped(&text, 20, 6)),
            "   2 fail  a word\n      and/another-word"
        );
        assert_eq!(
            plain(&wrapped(&text, 8, 2)),
            "   2\n  fail\n  a word\n  and/another-word"
        );
        assert_eq!(plain(&wrapped(&text, usize::MAX, 6)), plain(&text));
    }

    #[test]
    fn styles_go() {
        assert_eq!(plain(&format!("a{}c", paint(RED, "b"))), "abc");
        assert_eq!(plain("abc"), "abc");
    }
}
