//! The arguments that are about clients under test.

use clap::{Args, Subcommand, ValueEnum};

use crate::wire::Side;

/// The side under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tested {
    Broker,
    Client,
}

impl Tested {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Tested::Broker => "broker",
            Tested::Client => "client",
        }
    }
}

impl From<Tested> for Side {
    fn from(tested: Tested) -> Side {
        match tested {
            Tested::Broker => Side::Server,
            Tested::Client => Side::Client,
        }
    }
}

/// `mqttspec client`
#[derive(Debug, Args)]
pub struct ClientArgs {
    /// Break a statement on purpose, such as `MQTT-4.4.0-1` or `v5:MQTT-4.4.0-1`; may be repeated
    #[arg(long, value_name = "ID")]
    pub fault: Vec<String>,
    /// Print the statements that it can break
    #[arg(long)]
    pub list_faults: bool,
    /// Use what the standards leave to a client, such as `random-ids,pings`; may be repeated
    #[arg(long, value_name = "LIST")]
    pub free: Vec<String>,
    /// Print the freedoms that it can use
    #[arg(long)]
    pub list_free: bool,
}

/// `mqttspec adapter`
#[derive(Debug, Subcommand)]
pub enum AdapterCommand {
    /// Try an adapter against the contract, and say what it lacks
    Check(AdapterCheckArgs),
}

/// `mqttspec adapter check`
#[derive(Debug, Args)]
pub struct AdapterCheckArgs {
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}
