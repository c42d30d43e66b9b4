//! The adapter of rumqttc: mqttspec tells it in lines of JSON what the library is to do (docs/adapters.md).
//! The calls of the library are in `v4.rs` (for 3.1.1) and `v5.rs`.

mod v4;
mod v5;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

/// As in Cargo.toml.
const RUMQTTC: &str = "0.25.1";

/// Room for the calls that the event loop has not yet taken, so that none waits for the network.
const CAPACITY: usize = 1000;

/// Why a call is not made.
enum No {
    Refused(String),
    Unsupported(String),
}

impl<E: std::error::Error> From<E> for No {
    fn from(error: E) -> No {
        No::Refused(error.to_string())
    }
}

enum Client {
    V4(rumqttc::AsyncClient, Acks<rumqttc::Publish>),
    V5(rumqttc::v5::AsyncClient, Acks<rumqttc::v5::mqttbytes::v5::Publish>),
}

/// Messages that the application acknowledges by hand, and identifiers of those that it acknowledges as soon as they come.
struct Acks<P>(Arc<Mutex<(HashMap<u16, P>, HashSet<u16>)>>);

impl<P> Clone for Acks<P> {
    fn clone(&self) -> Self {
        Acks(Arc::clone(&self.0))
    }
}

impl<P> Acks<P> {
    fn new() -> Self {
        Acks(Arc::new(Mutex::new((HashMap::new(), HashSet::new()))))
    }

    /// The message, if it is to be acknowledged at once.
    fn came(&self, id: u16, message: P) -> Option<P> {
        let mut acks = self.0.lock().ok()?;
        if acks.1.remove(&id) {
            return Some(message);
        }
        acks.0.insert(id, message);
        None
    }

    /// The message that a request acknowledges; `None` if it has not come yet.
    fn take(&self, m: &Value) -> Result<Option<P>, No> {
        if m["reason_code"] != 0 {
            return unsupported("an acknowledgement has no reason code");
        }
        let id = m["packet_id"].as_u64().unwrap_or(0) as u16;
        let Ok(mut acks) = self.0.lock() else { return Ok(None) };
        let held = acks.0.remove(&id);
        if held.is_none() {
            acks.1.insert(id);
        }
        Ok(held)
    }
}

/// The client of a case, and the task that polls its event loop.
struct Running {
    client: Client,
    again: Sender<()>,
    task: JoinHandle<()>,
}

fn say(message: &Value) {
    println!("{message}");
}

fn unsupported<T>(what: impl ToString) -> Result<T, No> {
    Err(No::Unsupported(what.to_string()))
}

fn text(m: &Value, key: &str) -> String {
    m[key].as_str().unwrap_or_default().to_owned()
}

fn bytes(hex: &Value) -> Vec<u8> {
    hex::decode(hex.as_str().unwrap_or_default()).unwrap_or_default()
}

/// The library takes passwords as text.
fn password(m: &Value) -> Result<String, No> {
    String::from_utf8(bytes(&m["password"])).or_else(|_| unsupported("a password is text"))
}

fn list(m: &Value) -> &[Value] {
    m["filters"].as_array().map_or(&[], Vec::as_slice)
}

/// Polls an event loop. After an error the next poll would reconnect, so that waits for the command. The library leaves it
/// to the application to drop the connection after a DISCONNECT.
macro_rules! polled {
    ($event_loop:ident, $again:ident, $by_hand:expr, $publish:pat => $message:ident: $topic:expr, $disconnect:pat) => {
        tokio::spawn(async move {
            loop {
                match $event_loop.poll().await {
                    Ok($publish) => {
                        say(&json!({"event": "message", "text": $topic}));
                        if let Some((client, acks)) = &$by_hand
                            && $message.pkid > 0
                            && let Some(due) = acks.came($message.pkid, $message)
                            && let Err(error) = client.try_ack(&due)
                        {
                            say(&json!({"event": "error", "text": error.to_string()}));
                        }
                        continue;
                    }
                    Ok($disconnect) => $event_loop.clean(),
                    Ok(_) => continue,
                    Err(error) => say(&json!({"event": "error", "text": error.to_string()})),
                }
                if $again.recv().await.is_none() {
                    return;
                }
            }
        })
    };
}
pub(crate) use polled;

fn connect(m: &Value) -> Result<Running, No> {
    let (again, wanted): (Sender<()>, Receiver<()>) = channel(1);
    let (client, task) = match m["version"].as_str() {
        Some("v5") => v5::connect(m, wanted)?,
        _ => v4::connect(m, wanted)?,
    };
    Ok(Running { client, again, task })
}

async fn carry_out(m: &Value, running: &mut Option<Running>) -> Result<(), No> {
    let word = text(m, "do");
    if word == "connect" || word == "end" {
        if let Some(old) = running.take() {
            old.task.abort();
        }
        if word == "connect" {
            // The library panics on options that it does not take.
            *running = Some(catch_unwind(AssertUnwindSafe(|| connect(m))).map_err(|panic| {
                let why = panic.downcast_ref::<&str>().map_or("it panicked", |text| text);
                No::Refused(why.to_owned())
            })??);
        }
        return Ok(());
    }
    let Some(running) = running else {
        return Err(No::Refused("there is no client".to_owned()));
    };
    match (word.as_str(), &running.client) {
        // The library reconnects by being polled again.
        ("reconnect", _) => Ok(running.again.send(()).await?),
        ("publish", Client::V4(client, _)) => v4::publish(client, m).await,
        ("publish", Client::V5(client, _)) => v5::publish(client, m).await,
        ("subscribe", Client::V4(client, _)) => v4::subscribe(client, m).await,
        ("subscribe", Client::V5(client, _)) => v5::subscribe(client, m).await,
        ("unsubscribe", Client::V4(client, _)) => v4::unsubscribe(client, m).await,
        ("unsubscribe", Client::V5(client, _)) => v5::unsubscribe(client, m).await,
        ("disconnect", Client::V4(client, _)) => Ok(client.disconnect().await?),
        ("disconnect", Client::V5(client, _)) => v5::disconnect(client, m).await,
        ("ack", Client::V4(client, acks)) => match acks.take(m)? {
            Some(message) => Ok(client.ack(&message).await?),
            None => Ok(()),
        },
        ("ack", Client::V5(client, acks)) => match acks.take(m)? {
            Some(message) => Ok(client.ack(&message).await?),
            None => Ok(()),
        },
        (other, _) => unsupported(other),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    say(&json!({
        "event": "ready", "contract": 1, "name": "rumqttc", "version": RUMQTTC, "versions": ["v3.1.1", "v5"],
        "commands": ["connect", "publish", "subscribe", "unsubscribe", "reconnect", "disconnect", "ack", "end"],
    }));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut running = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let m: Value = serde_json::from_str(&line).unwrap_or_default();
        let id = &m["id"];
        say(&match carry_out(&m, &mut running).await {
            Ok(()) => json!({"id": id}),
            Err(No::Refused(why)) => json!({"id": id, "refused": why}),
            Err(No::Unsupported(why)) => json!({"id": id, "unsupported": why}),
        });
    }
    std::process::exit(0); // a read of standard input may be under way in a thread
}
