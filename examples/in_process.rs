//! The test of a broker's author: the broker is started inside the test's process, restarted, killed, and judged.
//!
//! The crate's reference server takes the place of your broker here; `start` is all that a broker must provide. Run the
//! example with `cargo run --example in_process`; `tests/it/in_process.rs` runs it as a test.

use std::net::SocketAddr;

use mqttspec::harness::{Home, Running};
use mqttspec::reference::{Config, Server};
use mqttspec::{Conformance, Suite, Target};

/// Your broker, with the methods that the harness needs.
struct Broker(Server);

impl Running for Broker {
    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    async fn stop(self) {
        self.0.stop().await;
    }

    async fn kill(self) {
        self.0.kill().await;
    }
}

/// Starts the broker at the address of the harness, with its state in a folder that survives a restart.
async fn start(home: Home) -> std::io::Result<Broker> {
    let config = Config {
        address: home.address(),
        store: Some(home.folder().to_owned()),
        ..Config::default()
    };
    Server::start(config).await.map(Broker)
}

/// Plays the cases about retained messages and sessions. Some of them restart the broker.
pub fn run() -> Result<Conformance, Box<dyn std::error::Error>> {
    let broker = Target::restarting(start)
        .name("in-process")
        .supports(&["persistence", "durable"]);
    let result = Suite::embedded()
        .select("retain/outlives[restart]*")?
        .select("session/*[restart]*")?
        .select("qos2/dup-before-pubrel")?
        .run(broker)?;
    Ok(result)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let result = run()?;
    print!("{}", result.report());
    result.assert_conforms();
    Ok(())
}
