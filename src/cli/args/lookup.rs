//! The commands that look up scenarios and statements.

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::super::complete;
use super::SetArgs;
use super::values::shard;

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A case or a scenario, such as qos2/dup-before-pubrel@v5
    #[arg(add = ArgValueCompleter::new(complete::scenarios))]
    pub case: String,
    #[command(flatten)]
    pub set: SetArgs,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A statement, such as v5:MQTT-4.3.3-10, or a freedom, such as puback-late
    #[arg(add = ArgValueCompleter::new(complete::statements))]
    pub statement: String,
    /// Also print where the source of the reference broker implements it
    #[arg(short, long)]
    pub verbose: bool,
    #[command(flatten)]
    pub set: SetArgs,
}

#[derive(Debug, Args)]
pub struct CoverageArgs {
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print the page docs/coverage.md
    #[arg(long)]
    pub markdown: bool,
    /// Only statements that match: an ID, a pattern such as `MQTT-3.1.*`, or a section such as 4.3.3; may be repeated
    #[arg(long, value_name = "ID", conflicts_with_all = ["markdown", "walk_free"], add = ArgValueCompleter::new(complete::statements))]
    pub statement: Vec<String>,
    /// Only statements that a test could show and none does: those without a case, and those whose faults no case notices
    #[arg(long, conflicts_with_all = ["markdown", "walk_free"])]
    pub gaps: bool,
    /// Count which features meet: for each two, in how many cases and in how many generated sequences both are used. With --gaps only
    /// those that no case or no sequence has
    #[arg(long, conflicts_with_all = ["walk", "walk_free", "statement"])]
    pub pairs: bool,
    /// Measure which faults the scenarios notice; takes a minute. Needed for scenarios of your own
    #[arg(long)]
    pub walk: bool,
    /// Play all cases against brokers that make use of what the standards leave open, and say which fail: every freedom in sets
    /// that go together, and random sets
    #[arg(long, conflicts_with_all = ["walk", "json", "markdown"])]
    pub walk_free: bool,
    /// With --walk-free: every freedom by itself
    #[arg(long, requires = "walk_free")]
    pub alone: bool,
    /// With --walk-free: number of random sets
    #[arg(long, value_name = "N", default_value_t = 10, requires = "walk_free")]
    pub sets: u32,
    /// With --walk-free: what the random sets are drawn from
    #[arg(long, value_name = "N", default_value_t = 1, requires = "walk_free")]
    pub seed: u64,
    /// With --walk-free: only these sets, each a list of names with commas
    #[arg(long, value_name = "NAMES", requires = "walk_free")]
    pub free: Vec<String>,
    /// With --walk-free: only part K of N of the cases
    #[arg(long, value_name = "K/N", value_parser = shard, requires = "walk_free")]
    pub shard: Option<(u32, u32)>,
    #[command(flatten)]
    pub set: SetArgs,
}
