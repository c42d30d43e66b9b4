//! What is written to the terminal, and what is known of it.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use super::Exit;

/// Columns if those of the terminal are not known.
const WIDTH: usize = 120;
/// Fewer columns than these are taken for a mistake.
const NARROWEST: usize = 40;

/// Whether standard output belongs to a report, so that what is for people goes to standard error.
static STDOUT_IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Has everything that is printed from now on go to standard error.
pub fn print_to_stderr() {
    STDOUT_IS_TAKEN.store(true, Ordering::Relaxed);
}

/// Writes a report to standard output, as it is. A closed pipe is not an error.
pub fn write_stdout(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints to standard output; styles only if they belong. A closed pipe is not an error.
pub fn print(text: &str) {
    if STDOUT_IS_TAKEN.load(Ordering::Relaxed) {
        return print_error(text);
    }
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints to standard error.
pub fn print_error(text: &str) {
    let mut out = anstream::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// One error for the user, and the exit code that goes with it.
pub fn fail(exit: Exit, message: impl std::fmt::Display) -> Exit {
    let style = anstyle::AnsiColor::Red.on_default().bold();
    print_error(&format!("{style}error{style:#}: {message}\n"));
    exit
}

/// One warning for the user.
pub fn warn(message: &str) {
    let style = anstyle::AnsiColor::Yellow.on_default().bold();
    print_error(&format!("{style}warning{style:#}: {message}\n"));
}

/// Whether standard error takes colours.
pub fn colour() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// Whether a person looks on.
pub fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Columns of the terminal that standard output goes to; 120 if it goes to none. `COLUMNS` comes first.
pub fn width() -> usize {
    columns(terminal_size::terminal_size_of(std::io::stdout()))
}

/// Columns in which sentences on standard output are wrapped: those of the terminal. In a file or a pipe a sentence stays on one
/// line, unless `COLUMNS` is set.
pub fn wrap_width() -> usize {
    let is_set = std::env::var_os("COLUMNS").is_some();
    if is_set || std::io::stdout().is_terminal() {
        width()
    } else {
        usize::MAX
    }
}

fn columns(size: Option<(terminal_size::Width, terminal_size::Height)>) -> usize {
    let stated = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    chosen(stated, size.map(|(width, _)| usize::from(width.0)))
}

fn chosen(stated: Option<usize>, measured: Option<usize>) -> usize {
    let usable = |columns: &usize| *columns >= NARROWEST;
    stated
        .filter(usable)
        .or_else(|| measured.filter(usable))
        .unwrap_or(WIDTH)
}

/// Logs to standard error what `MQTTSPEC_LOG` asks for: a level, or levels by module, such as `off,mqttspec::play=debug`.
pub fn start_tracing(verbose: bool) {
    let asked = std::env::var("MQTTSPEC_LOG").ok().and_then(|text| text.parse().ok());
    let filter = asked.unwrap_or_else(|| {
        if verbose {
            Targets::new().with_target("mqttspec", Level::INFO)
        } else {
            Targets::new()
        }
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(colour());
    // A second call in one process keeps the first; nothing is lost by that.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_is_the_stated_one_before_the_measured_one() {
        assert_eq!(chosen(Some(50), Some(80)), 50);
        assert_eq!(chosen(None, Some(80)), 80);
        assert_eq!(chosen(Some(0), Some(80)), 80);
        assert_eq!(chosen(None, Some(3)), WIDTH);
        assert_eq!(chosen(None, None), WIDTH);
    }
}
