//! The command line: one file a subcommand. The only place that prints, reads the environment, or picks an exit code.

mod adapter;
mod again;
mod args;
mod audit;
mod broker;
mod check;
mod client;
mod clock;
mod compare;
mod complete;
mod coverage;
mod decode;
mod exit;
mod explain;
mod files;
mod fmt;
mod freely;
mod fuzz;
mod help;
mod import;
mod interrupt;
mod known;
mod last;
mod list;
mod manual;
mod matrix;
mod new;
mod out;
mod progress;
mod record;
mod replay;
mod report;
mod repro;
mod run;
mod serve;
mod set;
mod show;
mod snapshots;
mod state;
mod sweep;
mod target;

use std::process::ExitCode;
use std::sync::Arc;

use clap::FromArgMatches;

use crate::scenario::Case;
pub use args::Cli;
use args::Command;
pub use exit::Exit;

/// How the program ended, and what it still held then.
#[derive(Debug)]
#[must_use]
pub struct Ended {
    pub exit: Exit,
    /// The cases that were played. To give back all that they are made of takes longer than to end the process, so a
    /// caller that ends it may [forget](std::mem::forget) them.
    pub cases: Vec<Arc<Case>>,
}

impl From<Exit> for Ended {
    fn from(exit: Exit) -> Ended {
        Ended {
            exit,
            cases: Vec::new(),
        }
    }
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> ExitCode {
        ended.exit.into()
    }
}

/// Reads the command line, and does what it says.
pub fn main() -> Ended {
    match complete::answered() {
        Ok(false) => {}
        Ok(true) => return Exit::Ok.into(),
        Err(error) => return out::fail(Exit::Usage, error).into(),
    }
    let read = help::command().try_get_matches();
    let (cli, matches) = match read.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches))) {
        Ok(read) => read,
        Err(error) => {
            let usage = error.use_stderr();
            // Nothing is left to be said if even this cannot be printed.
            let _ = error.print();
            return if usage { Exit::Usage } else { Exit::Ok }.into();
        }
    };
    let exit = match cli.command {
        Command::Run(mut args) => {
            args.again = again::words("run", &matches);
            return run::run(&args);
        }
        Command::Fuzz(args) => fuzz::fuzz(&args),
        Command::List(args) => list::list(&args),
        Command::Check(args) => check::check(&args),
        Command::Fmt(args) => fmt::fmt(&args),
        Command::Show(args) => show::show(&args),
        Command::New(args) => new::new(&args),
        Command::Decode(args) => decode::decode(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Coverage(args) => coverage::coverage(&args),
        Command::Broker(args) => broker::broker(&args),
        Command::Client(args) => client::client(&args),
        Command::Serve(args) => serve::serve(&args),
        Command::Adapter(args::AdapterCommand::Check(args)) => adapter::check(&args),
        Command::Record(args) => record::record(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Import(args) => import::import(&args),
        Command::Audit(args) => audit::audit(&args),
        Command::Sweep(args) => sweep::sweep(&args),
        Command::Schema { profile } => {
            out::print(&if profile {
                crate::sut::Profile::schema_text()
            } else {
                crate::scenario::schema_text()
            });
            Exit::Ok
        }
        Command::Review(args) => snapshots::review(&args),
        Command::Accept(args) => snapshots::accept(&args),
        Command::Reject(args) => snapshots::reject(&args),
        Command::Matrix(mut args) => {
            args.again = again::words("matrix", &matches);
            matrix::matrix(&args)
        }
        Command::Repro(args) => repro::repro(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Report(args::ReportCommand::Merge(args)) => report::merge(&args),
        Command::Report(args::ReportCommand::Render(args)) => report::render(&args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { dir } => manual::man(dir.as_deref()),
    };
    exit.into()
}
