//! Adapters that are running: the client libraries under test, each behind the contract of [`crate::adapter`].
//!
//! In: a process with a pair of pipes, or a pair of channels to a client inside this process. Out: an [`Adapter`] that is
//! told what to do and is listened to. [`Adapters`] keeps those that are idle, so that cases share them one after the
//! other.

mod lines;
mod pool;

use std::time::Duration;

use tokio::sync::mpsc;

use super::process::Spawned;
use crate::adapter::{Abilities, Command, Message, Request};

pub(super) use lines::read as read_lines;
pub use pool::{AdapterSource, Adapters, Clients};

/// How many lines of an adapter may wait to be looked at: what an adapter can make the harness hold is bounded.
const QUEUE: usize = 64;

/// How long an adapter may take to end after its input has ended.
const END: Duration = Duration::from_secs(2);

/// What an adapter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Message(Message),
    /// A line that the contract does not permit, and why. A library may print to its standard output.
    Noise(String),
    /// It has ended, or closed its output: how.
    Ended(String),
}

/// A running adapter. Dropping it kills its process group.
#[derive(Debug)]
pub struct Adapter {
    abilities: Abilities,
    requests: Option<mpsc::UnboundedSender<String>>,
    said: mpsc::Receiver<Said>,
    /// The number of the last request.
    last: u32,
    process: Option<Spawned>,
}

impl Adapter {
    /// An adapter that is reached over these lines, once it has said that it is ready.
    ///
    /// # Errors
    /// Why it is none: it has ended, was silent for longer than `within`, or speaks another contract.
    pub(super) async fn ready(
        requests: mpsc::UnboundedSender<String>,
        mut said: mpsc::Receiver<Said>,
        process: Option<Spawned>,
        within: Duration,
    ) -> Result<Adapter, String> {
        let mut noise = None;
        let first = async {
            loop {
                match said.recv().await {
                    Some(Said::Message(Message::Ready(abilities))) => return Ok(abilities),
                    Some(Said::Message(other)) => {
                        return Err(format!("its first message is not `ready`: {}", other.line()));
                    }
                    Some(Said::Noise(line)) => noise = Some(line),
                    Some(Said::Ended(how)) => return Err(how),
                    None => return Err("it has ended".to_owned()),
                }
            }
        };
        let abilities = match tokio::time::timeout(within, first).await {
            Ok(Ok(abilities)) => abilities,
            Ok(Err(why)) => return Err(with_noise(why, noise)),
            Err(_) => return Err(with_noise(format!("it said nothing within {within:?}"), noise)),
        };
        Ok(Adapter {
            abilities,
            requests: Some(requests),
            said,
            last: 0,
            process,
        })
    }

    /// An adapter inside this process: it takes requests from one channel and answers on the other.
    ///
    /// # Errors
    /// As those of an adapter of another process.
    pub async fn within_process(
        requests: mpsc::UnboundedSender<String>,
        lines: mpsc::UnboundedReceiver<String>,
    ) -> Result<Adapter, String> {
        let (sender, said) = mpsc::channel(QUEUE);
        tokio::spawn(lines::forward(lines, sender));
        Adapter::ready(requests, said, None, END).await
    }

    /// What it can do.
    pub fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// Tells it something, and returns the number of the request. That it has gone is no error here: the next thing that
    /// it says is [`Said::Ended`].
    pub fn tell(&mut self, command: Command) -> u32 {
        self.last += 1;
        let request = Request { id: self.last, command };
        if let Some(requests) = &self.requests {
            let _ = requests.send(request.line());
        }
        self.last
    }

    /// The next thing that it says.
    pub async fn next(&mut self) -> Said {
        self.said
            .recv()
            .await
            .unwrap_or_else(|| Said::Ended("it has ended".to_owned()))
    }

    /// The number of its process; `None` if it is inside this one.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Spawned::id)
    }

    /// Ends its input and waits for its end; after two seconds its process group is killed. Says whether it ended by
    /// itself.
    pub async fn end(mut self) -> bool {
        self.requests = None;
        match &mut self.process {
            Some(process) => {
                let in_time = tokio::time::timeout(END, process.wait()).await.is_ok();
                if !in_time {
                    process.kill().await;
                }
                in_time
            }
            None => true,
        }
    }
}

fn with_noise(why: String, noise: Option<String>) -> String {
    match noise {
        Some(noise) => format!("{why}; it wrote: {noise}"),
        None => why,
    }
}
