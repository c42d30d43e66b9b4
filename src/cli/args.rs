//! The command line.

mod clients;
mod fuzz;
mod lookup;
mod reports;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;

use crate::statements::Version;
use crate::transport::Transport;
use crate::transport::tls::TlsOptions;

use super::complete;
pub use clients::{AdapterCheckArgs, AdapterCommand, ClientArgs, ServeArgs, Tested};
pub use fuzz::FuzzArgs;
pub use lookup::{CoverageArgs, ExplainArgs, ShowArgs};
pub use reports::{
    CompareArgs, MatrixArgs, MatrixFiles, MergeArgs, RenderArgs, RenderFiles, ReportCommand, SnapshotArgs,
};
use values::{jobs, name, shard, speed, time, timeout};

/// Tells whether an MQTT broker does what the standard says, and shows the bytes where it does not.
#[derive(Debug, Parser)]
#[command(name = "mqttspec", version, max_term_width = 110, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play the suite against a broker
    Run(Box<RunArgs>),
    /// Play generated exchanges against a broker and write what they show as scenarios
    Fuzz(Box<FuzzArgs>),
    /// List the cases
    List(ListArgs),
    /// Check scenarios and profiles and report every error
    Check(CheckArgs),
    /// Write scenario files in their canonical form
    Fmt(FmtArgs),
    /// Show a scenario and what its cases prove
    Show(ShowArgs),
    /// Write a new scenario to start from
    New(NewArgs),
    /// Decode a packet and report its violations of the standard
    Decode(DecodeArgs),
    /// Explain a statement of the standard and list the cases that prove it
    Explain(ExplainArgs),
    /// Report which statements the cases prove and which faults they notice
    Coverage(CoverageArgs),
    /// Run the embedded reference broker
    Broker(BrokerArgs),
    /// Run the reference client as an adapter on standard input and output
    Client(ClientArgs),
    /// Play a client scenario as the server, for a client that you start by hand
    Serve(ServeArgs),
    /// Work on the adapter of a client library
    #[command(subcommand)]
    Adapter(AdapterCommand),
    /// Record the traffic between clients and a broker as a capture
    Record(RecordArgs),
    /// Replay the clients of a capture against a broker and report different answers
    Replay(ReplayArgs),
    /// Turn a connection of a capture into a scenario
    Import(ImportArgs),
    /// Report violations by the clients and brokers in a capture (pcap or pcapng)
    Audit(AuditArgs),
    /// Remove what aborted runs left on a broker
    Sweep(SweepArgs),
    /// Print the JSON Schema of scenario files
    Schema {
        /// Print that of profiles
        #[arg(long)]
        profile: bool,
    },
    /// List pending snapshots with their differences
    Review(SnapshotArgs),
    /// Accept pending snapshots
    Accept(SnapshotArgs),
    /// Discard pending snapshots
    Reject(SnapshotArgs),
    /// Play the suite against several brokers and compare them
    Matrix(Box<MatrixArgs>),
    /// Write a bug report on a failing case, with a Python script that shows the failure
    Repro(ReproArgs),
    /// Compare two runs; exit 1 if the new one is worse
    Compare(CompareArgs),
    /// Make reports from results of `run --json`
    #[command(subcommand)]
    Report(ReportCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man {
        /// Write man pages for all commands to DIR
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// Which scenario files are read.
#[derive(Debug, Clone, Default, Args)]
pub struct SetArgs {
    /// Use the scenarios in DIR instead of the built-in ones
    #[arg(long, value_name = "DIR", help_heading = "Scenarios")]
    pub scenarios: Option<PathBuf>,
    /// Use the scenarios in DIR as well
    #[arg(long, value_name = "DIR", help_heading = "Scenarios")]
    pub also: Vec<PathBuf>,
    /// Use the scenarios that test this side; a profile says which one is under test
    #[arg(long, value_name = "SIDE", help_heading = "Scenarios")]
    pub tests: Option<Tested>,
}

impl SetArgs {
    /// The same again as words of a command line.
    pub fn words(&self) -> Vec<String> {
        let dir = |name: &str, dir: &std::path::Path| [name.to_owned(), dir.display().to_string()];
        let scenarios = self.scenarios.iter().flat_map(|path| dir("--scenarios", path));
        scenarios
            .chain(self.also.iter().flat_map(|path| dir("--also", path)))
            .chain(
                self.tests
                    .iter()
                    .flat_map(|tested| ["--tests".to_owned(), tested.name().to_owned()]),
            )
            .collect()
    }
}

/// Which cases are taken.
#[derive(Debug, Clone, Default, Args)]
pub struct SelectArgs {
    /// Only matching cases: a path, a folder with `/`, or a pattern with `*`; `!` excludes, `@FILE` reads patterns
    #[arg(short = 'e', value_name = "GLOB", help_heading = "Selection", add = ArgValueCompleter::new(complete::scenarios))]
    pub select: Vec<String>,
    /// Only this version of MQTT (v3.1, v3.1.1 or v5); may be repeated
    #[arg(long, value_name = "VERSION", help_heading = "Selection")]
    pub mqtt: Vec<Version>,
    /// Only cases that prove a statement, such as `MQTT-3.1.*` or `v5:MQTT-4.3.3-10`
    #[arg(long, value_name = "ID", help_heading = "Selection", add = ArgValueCompleter::new(complete::statements))]
    pub statement: Vec<String>,
    /// Only cases with this tag
    #[arg(long, help_heading = "Selection")]
    pub tag: Vec<String>,
    /// Only part K of N, such as 1/4
    #[arg(long, value_name = "K/N", value_parser = shard, help_heading = "Selection")]
    pub shard: Option<(u32, u32)>,
}

impl SelectArgs {
    /// The same again as words of a command line, without `--shard`.
    pub fn words(&self) -> Vec<String> {
        let options = |name: &'static str, values: Vec<String>| {
            let words = move |value| [name.to_owned(), value];
            values.into_iter().flat_map(words).collect::<Vec<_>>()
        };
        [
            options("-e", self.select.clone()),
            options("--mqtt", self.mqtt.iter().map(Version::to_string).collect()),
            options("--statement", self.statement.clone()),
            options("--tag", self.tag.clone()),
        ]
        .concat()
    }
}

/// How the target is reached.
#[derive(Debug, Clone, Default, Args)]
pub struct ReachArgs {
    /// Transport to use: mqtt, mqtts, ws, wss or unix; the target must offer it
    #[arg(long, value_name = "NAME", help_heading = "Transport")]
    pub transport: Option<Transport>,
    /// Trust the certificates in FILE (PEM) instead of the system's
    #[arg(long, value_name = "FILE", help_heading = "Transport")]
    pub ca: Option<PathBuf>,
    /// Present the client certificate in FILE (PEM)
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "Transport")]
    pub cert: Option<PathBuf>,
    /// The private key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "Transport")]
    pub key: Option<PathBuf>,
    /// Name to verify in the broker's certificate [default: the host]
    #[arg(long, value_name = "NAME", help_heading = "Transport")]
    pub server_name: Option<String>,
    /// Skip certificate verification
    #[arg(long, help_heading = "Transport")]
    pub insecure: bool,
}

impl ReachArgs {
    /// What a TLS client is to trust and to show.
    pub fn tls(&self) -> TlsOptions {
        TlsOptions {
            ca: self.ca.clone(),
            certificate: self.cert.clone(),
            key: self.key.clone(),
            server_name: self.server_name.clone(),
            insecure: self.insecure,
            made: false,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The options to repeat when a case is played again.
    #[arg(skip)]
    pub again: Vec<String>,
    /// mqtt://HOST:PORT (or mqtts, ws, wss, unix:PATH), or a profile (.yaml) [default: the embedded reference broker]
    pub target: Option<String>,
    #[command(flatten)]
    pub set: SetArgs,
    #[command(flatten)]
    pub select: SelectArgs,
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Rerun only cases that failed in the last run from this directory
    #[arg(long, help_heading = "Selection")]
    pub failed: bool,
    /// Number of cases to play in parallel
    #[arg(long, value_name = "N", value_parser = jobs, help_heading = "Playing")]
    pub jobs: Option<usize>,
    /// How long to wait for an expected packet or close, such as 2s or 500ms
    #[arg(long, alias = "patience", value_name = "TIME", value_parser = timeout, help_heading = "Playing")]
    pub response_timeout: Option<Duration>,
    /// How long failed cases may be played once more, alone and with a longer response timeout, before they count; 0s: not at all
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time, help_heading = "Playing")]
    pub second_look: Duration,
    /// Stop after N unexpected results
    #[arg(long, value_name = "N", help_heading = "Playing")]
    pub max_fail: Option<usize>,
    /// Stop the run after this time
    #[arg(long, value_name = "TIME", value_parser = timeout, help_heading = "Playing")]
    pub total_timeout: Option<Duration>,
    /// Play the selection N times and report every verdict that changes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Playing")]
    pub repeat: u32,
    /// Treat a violation of a SHOULD as a failure
    #[arg(long, help_heading = "Playing")]
    pub strict: bool,
    /// What a failure is that rests on the rigour clause of 5.0 (section 4.13.1) alone
    #[arg(long, value_name = "WEIGHT", default_value = "fail", help_heading = "Playing")]
    pub rigour: RigourWeight,
    /// Also play the cases that affect the whole broker; no one else must use it
    #[arg(long, help_heading = "Playing")]
    pub exclusive: bool,
    /// Inject a fault: break this statement on purpose; may be repeated. Other brokers than the embedded one get a proxy
    #[arg(long, alias = "disobey", value_name = "ID", help_heading = "Playing")]
    pub fault: Vec<String>,
    /// Use these freedoms of the standard: names with commas, NAME=VALUE if it has a value. Other brokers than the embedded one get
    /// a proxy
    #[arg(long, value_name = "NAME", help_heading = "Playing")]
    pub free: Vec<String>,
    /// When to show the exchange
    #[arg(long, value_name = "WHEN", default_value = "fail", help_heading = "Reports")]
    pub trace: Trace,
    /// Which unexpected results to show in full: all, or up to ten, and above that one of each cause with the number of its cases
    #[arg(long, value_name = "WHICH", default_value = "auto", help_heading = "Reports")]
    pub failures: Failures,
    /// List the warnings by text, each with the number of its cases
    #[arg(long, help_heading = "Reports")]
    pub advice: bool,
    /// Print a line for every case
    #[arg(short, long, help_heading = "Reports")]
    pub verbose: bool,
    /// Name of the target in reports, and of its folder of snapshots [default: that of the profile, or the address]
    #[arg(long, value_parser = name, help_heading = "Reports")]
    pub name: Option<String>,
    /// What to call this run in reports, such as a commit
    #[arg(long, value_name = "TEXT", help_heading = "Reports")]
    pub label: Option<String>,
    /// Write the results as JSON; `-` is standard output
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub json: Option<PathBuf>,
    /// Which exchanges the JSON holds: those of cases that deviate and one for each warning, or all
    #[arg(long, value_name = "WHICH", default_value = "deviating", help_heading = "Reports")]
    pub exchanges: Exchanges,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub junit: Option<PathBuf>,
    /// Write the results as one HTML page, with every exchange as a diagram
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub html: Option<PathBuf>,
    /// Write every exchange as a capture for Wireshark
    #[arg(long, value_name = "FILE.pcapng", help_heading = "Reports")]
    pub pcap: Option<PathBuf>,
    /// Compare each case with its snapshot in DIR
    #[arg(long, value_name = "DIR", help_heading = "Reports")]
    pub snapshots: Option<PathBuf>,
    /// Draft the list of expected failures for a profile
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub write_known: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RigourWeight {
    Fail,
    Advice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Trace {
    Always,
    Fail,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Failures {
    Auto,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Exchanges {
    Deviating,
    All,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub set: SetArgs,
    #[command(flatten)]
    pub select: SelectArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Scenarios, folders of scenarios, and profiles [default: the built-in scenarios]
    pub paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct FmtArgs {
    /// Files or folders; `-` formats standard input to standard output
    #[arg(required = true, value_name = "FILE")]
    pub paths: Vec<PathBuf>,
    /// Write nothing: list the files that would change, and exit 1 if there are any
    #[arg(long)]
    pub check: bool,
    /// Write nothing: show what would change, and exit 1 if anything would
    #[arg(long)]
    pub diff: bool,
}

#[derive(Debug, Args)]
pub struct NewArgs {
    /// The file to write, such as scenarios/qos1/my-case.yaml
    pub file: PathBuf,
    /// The statement to prove, such as v5:MQTT-3.12.4-1
    #[arg(long, value_name = "ID", add = ArgValueCompleter::new(complete::statements))]
    pub statement: Option<String>,
    /// The side to test [default: client below a folder `clients`, else broker]
    #[arg(long, value_name = "SIDE")]
    pub tests: Option<Tested>,
}

#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// The bytes, @FILE, or - for standard input
    ///
    /// Takes hex in any usual notation, hex dumps (xxd, hexdump -C, od, tcpdump -X, Wireshark), arrays and strings of programming
    /// languages, and base64. Lines that begin with > or < (-> or <-, C: or S:) are the client's or the server's. A file that is not text
    /// holds the bytes themselves.
    #[arg(value_name = "BYTES")]
    pub bytes: Vec<String>,
    /// The version of MQTT [default: what a CONNECT states, else v3.1.1, or v5 if only that fits]
    #[arg(long, value_name = "VERSION")]
    pub mqtt: Option<Version>,
    /// Sender [default: either side that may send it]
    #[arg(long, value_name = "SIDE")]
    pub from: Option<Sender>,
    /// Do not mask the password of a CONNECT
    #[arg(long)]
    pub show_secrets: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sender {
    Client,
    Server,
}

#[derive(Debug, Args)]
pub struct BrokerArgs {
    /// Address to listen on; must be a loopback address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    pub listen: std::net::SocketAddr,
    /// Also listen for TLS
    #[arg(long, value_name = "ADDR")]
    pub mqtts: Option<std::net::SocketAddr>,
    /// Also listen for WebSocket
    #[arg(long, value_name = "ADDR")]
    pub ws: Option<std::net::SocketAddr>,
    /// Also listen for WebSocket over TLS
    #[arg(long, value_name = "ADDR")]
    pub wss: Option<std::net::SocketAddr>,
    /// Also listen on the Unix socket PATH
    #[arg(long, value_name = "PATH")]
    pub unix: Option<PathBuf>,
    /// Write the TLS certificates to DIR; clients must trust ca.pem
    #[arg(long, value_name = "DIR")]
    pub certificates: Option<PathBuf>,
    /// Keep retained messages and sessions in DIR
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Inject a fault: break this statement on purpose; may be repeated
    #[arg(long, alias = "disobey", value_name = "ID")]
    pub fault: Vec<String>,
    /// List all faults
    #[arg(long, alias = "list-disobey")]
    pub list_faults: bool,
    /// Use these freedoms of the standard: names with commas, NAME=VALUE if it has a value
    #[arg(long, value_name = "NAME")]
    pub free: Vec<String>,
    /// List all freedoms
    #[arg(long)]
    pub list_free: bool,
}

#[derive(Debug, Args)]
pub struct RecordArgs {
    /// mqtt://HOST:PORT of the broker
    pub target: crate::sut::Address,
    /// Address that clients connect to
    #[arg(long, value_name = "ADDR")]
    pub listen: std::net::SocketAddr,
    /// The capture to write
    #[arg(short, long, value_name = "FILE.pcapng")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The capture, pcap or pcapng
    pub file: PathBuf,
    /// mqtt://HOST:PORT (or mqtts, ws, wss, unix:PATH), or a profile (.yaml) [default: the embedded reference broker]
    pub target: Option<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Only this connection, as Wireshark numbers them (tcp.stream); may be repeated
    #[arg(long, value_name = "N")]
    pub stream: Vec<u32>,
    /// Only connections of this client identifier; may be repeated
    #[arg(long, value_name = "ID")]
    pub client_id: Vec<String>,
    /// Only connections with this port; may be repeated
    #[arg(long, value_name = "N")]
    pub port: Vec<u16>,
    /// Replay speed; 1 is the original timing [default: as fast as answers come]
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    pub speed: Option<f64>,
    /// Prefix every topic and client identifier with a name of this run, for a shared broker
    #[arg(long)]
    pub rename: bool,
    /// Start connections without a CONNECT in the capture with one
    #[arg(long)]
    pub assume_connect: bool,
    /// How long to wait for an answer, such as 2s or 500ms
    #[arg(long, alias = "patience", value_name = "TIME", value_parser = timeout)]
    pub response_timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The capture; `-` reads it from standard input
    pub file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Only connections with this port; may be repeated [default: MQTT on any port]
    #[arg(long, value_name = "N")]
    pub port: Vec<u16>,
    /// Only the TCP connection with this number, from 0, as Wireshark's tcp.stream
    #[arg(long, value_name = "N")]
    pub stream: Option<u32>,
    /// Treat undecided findings and SHOULD violations as violations
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The capture, pcap or pcapng
    pub file: PathBuf,
    /// The connection, as Wireshark numbers them (tcp.stream); optional if there is only one with MQTT
    #[arg(long, value_name = "N")]
    pub stream: Option<u32>,
    /// The scenario to write [default: standard output]
    #[arg(short, long, value_name = "FILE.yaml")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct SweepArgs {
    /// mqtt://HOST:PORT, or the profile of a running broker
    pub target: String,
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Also remove what is left under this namespace; may be repeated
    #[arg(long, value_name = "NS")]
    pub namespace: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ReproArgs {
    /// The case, such as qos2/dup-before-pubrel@v5
    #[arg(add = ArgValueCompleter::new(complete::scenarios))]
    pub case: String,
    /// mqtt://HOST:PORT, or a profile (.yaml) [default: the embedded reference broker]
    pub target: Option<String>,
    /// Write report.md and repro.py to DIR [default: the report to standard output]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// How long to wait for an expected packet or close, such as 2s or 500ms
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub response_timeout: Option<Duration>,
    /// Inject a fault: break this statement on purpose; may be repeated
    #[arg(long, value_name = "ID")]
    pub fault: Vec<String>,
    /// Use these freedoms of the standard: names with commas, NAME=VALUE if it has a value
    #[arg(long, value_name = "NAME")]
    pub free: Vec<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
    #[command(flatten)]
    pub set: SetArgs,
}

#[cfg(test)]
mod tests;
