//! The arguments of `fuzz`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::ReachArgs;
use super::values::{jobs, timeout};
use crate::statements::Version;

/// `mqttspec fuzz`
#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// mqtt://HOST:PORT (or mqtts, ws, wss, unix:PATH), or a profile (.yaml) [default: the embedded reference broker]
    pub target: Option<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Play sequences for this many seconds [default: 60 unless --count is given]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Playing")]
    pub seconds: Option<u64>,
    /// Play this many sequences
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Playing")]
    pub count: Option<u64>,
    /// Seed of the choices [default: another one each time]
    #[arg(long, value_name = "N", help_heading = "Playing")]
    pub seed: Option<u64>,
    /// Number of sequences to play in parallel [default: that of the profile, or 64]
    #[arg(long, value_name = "N", value_parser = jobs, help_heading = "Playing")]
    pub jobs: Option<usize>,
    /// Number of sequences to play in parallel, in addition, that also wait for times to pass
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(..=1024), help_heading = "Playing")]
    pub waits: u16,
    /// Number of brokers to start in addition that sequences restart, if the profile supports restart and persistence
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=64), help_heading = "Playing")]
    pub restarts: u16,
    /// Only clients of this version of MQTT (v3.1, v3.1.1 or v5); may be repeated
    #[arg(long, value_name = "VERSION", help_heading = "Playing")]
    pub mqtt: Vec<Version>,
    /// How long to wait for an expected packet, such as 2s or 500ms
    #[arg(long, value_name = "TIME", value_parser = timeout, help_heading = "Playing")]
    pub response_timeout: Option<Duration>,
    /// Play against the reference broker without connections and in virtual time
    #[arg(long, conflicts_with_all = ["target", "transport", "restarts", "jobs", "waits"], help_heading = "Playing")]
    pub in_process: bool,
    /// Choose every sequence by its seed alone, whatever others have reached
    #[arg(long, help_heading = "Playing")]
    pub no_steering: bool,
    /// Inject a fault: break this statement on purpose; may be repeated. Other brokers than the embedded one get a proxy
    #[arg(long, value_name = "ID", help_heading = "Playing")]
    pub fault: Vec<String>,
    /// Use these freedoms of the standard: names with commas, NAME=VALUE if it has a value. Other brokers than the embedded one get
    /// a proxy
    #[arg(long, value_name = "NAME", help_heading = "Playing")]
    pub free: Vec<String>,
    /// Keep sequences that reached something new in DIR; those that are there are played first
    #[arg(long, value_name = "DIR", help_heading = "Reports")]
    pub corpus: Option<PathBuf>,
    /// Write a scenario for each cause that is found to DIR
    #[arg(long, value_name = "DIR", default_value = "found", help_heading = "Reports")]
    pub found: PathBuf,
    /// Write the results as JSON; `-` is standard output
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub json: Option<PathBuf>,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub junit: Option<PathBuf>,
    /// Write the results as one HTML page, with every exchange as a diagram
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub html: Option<PathBuf>,
    /// Write the exchange of each cause as a capture for Wireshark
    #[arg(long, value_name = "FILE.pcapng", help_heading = "Reports")]
    pub pcap: Option<PathBuf>,
    /// Draft the list of expected causes for a profile
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub write_known: Option<PathBuf>,
}
