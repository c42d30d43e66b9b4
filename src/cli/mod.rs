//! The command line: one file a subcommand. The only place that prints, reads the environment, or picks an exit code.

mod args;
mod audit;
mod broker;
mod check;
mod compare;
mod coverage;
mod decode;
mod diaries;
mod embedded;
mod equipped;
mod exit;
mod explain;
mod help;
mod import;
mod known;
mod last;
mod list;
mod manual;
mod matrix;
mod new;
mod proxied;
mod record;
mod replay;
mod report;
mod run;
mod set;
mod show;
mod snapshots;
mod sweep;
mod target;
mod trials;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::FromArgMatches;

pub use args::Cli;
use args::Command;
pub use embedded::Embedded;
pub use exit::Exit;
pub use proxied::disobeying;
pub use target::{is_installed, of_profile, reference, reference_over, reference_that};
pub use trials::trials;

/// Reads the command line, does what it says, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = match help::command()
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches))
    {
        Ok(cli) => cli,
        Err(error) => {
            let usage = error.use_stderr();
            // Nothing is left to be said where even this cannot be printed.
            let _ = error.print();
            return if usage { Exit::Usage } else { Exit::Ok }.into();
        }
    };
    let exit = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::List(args) => list::list(&args),
        Command::Check(args) => check::check(&args),
        Command::Show(args) => show::show(&args),
        Command::New(args) => new::new(&args),
        Command::Decode(args) => decode::decode(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Coverage(args) => coverage::coverage(&args),
        Command::Broker(args) => broker::broker(&args),
        Command::Record(args) => record::record(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Import(args) => import::import(&args),
        Command::Audit(args) => audit::audit(&args),
        Command::Sweep(args) => sweep::sweep(&args),
        Command::Schema => {
            print(&crate::scenario::schema_text());
            Exit::Ok
        }
        Command::Review(args) => snapshots::review(&args),
        Command::Accept(args) => snapshots::accept(&args),
        Command::Reject(args) => snapshots::reject(&args),
        Command::Matrix(args) => matrix::matrix(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Report(args::ReportCommand::Merge(args)) => report::merge(&args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { dir } => manual::man(dir.as_deref()),
    };
    exit.into()
}

/// Prints to standard output; styles only where they belong. That nobody reads any more is no reason to fail.
fn print(text: &str) {
    use std::io::Write;
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints to standard error.
fn print_error(text: &str) {
    use std::io::Write;
    let mut out = anstream::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// One error for the user, and the exit code that goes with it.
fn fail(exit: Exit, message: impl std::fmt::Display) -> Exit {
    let style = anstyle::AnsiColor::Red.on_default().bold();
    print_error(&format!("{style}error{style:#}: {message}\n"));
    exit
}

/// Whether standard error takes colours.
fn colour() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// Whether a person looks on.
fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Where this run's namespaces begin. Two runs on one broker at one time must not meet.
fn seed() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    time.as_nanos() as u64 ^ (u64::from(std::process::id()) << 32)
}

/// Columns of the terminal, where they are known.
fn width() -> usize {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|c| c.parse().ok())
        .filter(|c| *c >= 40)
        .unwrap_or(120)
}
