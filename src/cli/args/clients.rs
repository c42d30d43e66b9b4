//! The arguments that are about clients under test.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::values::timeout;
use crate::statements::Version;
use crate::transport::Transport;
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

/// `mqttspec serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// A scenario file, or the name of a built-in client scenario or case
    pub scenario: String,
    /// Address that the client connects to
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    pub listen: SocketAddr,
    /// Transport to use: mqtt, mqtts, ws or wss
    #[arg(long, value_name = "NAME", default_value = "mqtt")]
    pub transport: Transport,
    /// The case, if the scenario has several: the name of its row
    #[arg(long, value_name = "NAME")]
    pub case: Option<String>,
    /// The version of MQTT (v3.1, v3.1.1 or v5), if the scenario has several
    #[arg(long, alias = "version", value_name = "VERSION")]
    pub mqtt: Option<Version>,
    /// Play the case again and again, until Ctrl-C
    #[arg(long)]
    pub forever: bool,
    /// How long the client may take for what it does without its application, such as an acknowledgement [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    pub timeout: Option<Duration>,
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
