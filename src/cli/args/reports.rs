//! The commands that compare runs, and that make reports of results.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values::jobs;
use super::{SelectArgs, SetArgs};

#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// Folders or files
    #[arg(default_value = "snapshots")]
    pub paths: Vec<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct MatrixArgs {
    /// The options to repeat when a case is played again.
    #[arg(skip)]
    pub again: Vec<String>,
    /// Profiles (.yaml), mqtt://HOST:PORT, results of `run --json` (.json), or `reference` for the embedded broker
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    #[command(flatten)]
    pub set: SetArgs,
    #[command(flatten)]
    pub select: SelectArgs,
    /// Number of brokers to play in parallel
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Playing")]
    pub jobs_brokers: u32,
    /// Number of cases to play in parallel on each
    #[arg(long, value_name = "N", value_parser = jobs, help_heading = "Playing")]
    pub jobs: Option<usize>,
    #[command(flatten)]
    pub files: MatrixFiles,
    /// Write the `run --json` of each broker, with every exchange, to DIR/NAME.json
    #[arg(long, value_name = "DIR", help_heading = "Reports")]
    pub runs: Option<PathBuf>,
}

/// Which reports of several runs are written.
#[derive(Debug, Clone, Default, Args)]
pub struct MatrixFiles {
    /// Write one HTML page
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub html: Option<PathBuf>,
    /// Write the counts and deviations as Markdown
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub md: Option<PathBuf>,
    /// Write the verdicts as JSON
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The earlier result of `run --json`
    pub old: PathBuf,
    /// The new result
    pub new: PathBuf,
    /// Show the difference of each exchange
    #[arg(long)]
    pub diff: bool,
    /// Write the changes as Markdown, for a pull request or the summary of a job
    #[arg(long, value_name = "FILE")]
    pub md: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Merge the shards of a run
    Merge(MergeArgs),
    /// Make reports of a run that was played before
    Render(RenderArgs),
}

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The results of `run --shard K/N --json`
    #[arg(required = true, value_name = "FILE")]
    pub parts: Vec<PathBuf>,
    /// Write the whole run as JSON
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    pub made: RenderFiles,
    #[command(flatten)]
    pub set: SetArgs,
}

#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The results of `run --json` or `report merge --json`
    #[arg(value_name = "FILE")]
    pub run: PathBuf,
    #[command(flatten)]
    pub made: RenderFiles,
    #[command(flatten)]
    pub set: SetArgs,
}

/// Which reports are made of a run that was read.
#[derive(Debug, Args)]
pub struct RenderFiles {
    /// Write it as JUnit XML
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub junit: Option<PathBuf>,
    /// Write it as one HTML page
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub html: Option<PathBuf>,
    /// Write it as Markdown
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub md: Option<PathBuf>,
    /// Print annotations for GitHub Actions, and write the job summary
    #[arg(long, help_heading = "Reports")]
    pub github: bool,
}
