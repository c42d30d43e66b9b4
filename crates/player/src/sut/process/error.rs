//! Why a broker could not be started, in words that a user can act upon.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::spawn::Exit;
use crate::transport::Address;

/// A broker that could not be started, restarted or reached.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot make a folder for the broker: {0}")]
    Folder(io::Error),
    /// A launcher outside this module could not start its broker.
    #[error("{broker} cannot be started: {error}")]
    Own {
        /// What messages call it.
        broker: &'static str,
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cannot write {}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("no free loopback port is left for the broker")]
    NoPort,
    #[error("{0}")]
    Address(#[from] crate::transport::AddressError),
    #[error("{address} is in use: another program listens there, and would be tested instead of the started broker")]
    PortTaken { address: Address },
    #[error("the program `{program}` is missing{}", hint(install))]
    Missing { program: String, install: Option<String> },
    #[error("cannot start `{program}`: {error}")]
    CannotStart { program: String, error: io::Error },
    #[error("`{program}` ended before it was ready ({exit}){}", shown(log))]
    Died { program: String, exit: Exit, log: String },
    #[error("`{program}` was not ready within {within:?}: {last}{}", shown(log))]
    NotReady {
        program: String,
        within: Duration,
        last: String,
        log: String,
    },
    #[error(
        "`{program}` does not speak MQTT at {address}: it answers a CONNECT with {answer}{}",
        shown(log)
    )]
    NotMqtt {
        program: String,
        address: Address,
        answer: String,
        log: String,
    },
    #[error("`{program}` cannot be reached at {address}: {error}{}", shown(log))]
    WrongTransport {
        program: String,
        address: Address,
        error: io::Error,
        log: String,
    },
    #[error("`{program}` is no adapter: {why}{}", shown(log))]
    Adapter { program: String, why: String, log: String },
    #[error("this target is only an address, so it cannot be restarted or killed")]
    NotOurs,
}

fn hint(install: &Option<String>) -> String {
    match install {
        Some(install) => format!("; to install it: {install}"),
        None => String::new(),
    }
}

fn shown(log: &str) -> String {
    match log.trim_end() {
        "" => "; it wrote nothing".to_owned(),
        log => format!("; the end of its output:\n{}", indent(log)),
    }
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
