//! Brokers that the run starts itself: started, ready, restarted, killed, stopped.
//!
//! In: a profile with a `process`. Out: a [`Broker`] that answers MQTT on its own ports and has its own folder. Its
//! process group never outlives the run (see `group`), and its folder goes with it.

mod adapter;
mod command;
mod error;
mod group;
mod log;
mod members;
mod owner;
mod ports;
mod program;
mod ready;
mod spawn;
mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::profile::{Process, Profile};
use super::template::{Words, port_words};
use crate::statements::Version;
use crate::transport::Address;
use crate::transport::tls::Certificates;
use log::Log;
pub(super) use spawn::Spawned;

pub use command::CommandClients;
pub use error::StartError;
pub use group::{kill_all, live_groups};
pub use ports::Port;
pub use spawn::Exit;
pub use version::ask_version;

/// How many bytes of the log an error shows.
const LOG_IN_ERROR: usize = 2_000;
/// How long a stopped broker's port may take to become free again.
const PORT_WAIT: Duration = Duration::from_secs(5);
/// How long a port may be busy before the first start. A process that listens longer will stay.
const FIRST_PORT_WAIT: Duration = Duration::from_secs(1);

/// A broker that this run has started. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub struct Broker {
    // The order is that of dropping: first the process ends, then its folder goes and its ports are free for others.
    process: Mutex<Option<Spawned>>,
    folder: TempDir,
    keep: bool,
    ports: BTreeMap<String, Port>,
    profile: Arc<Profile>,
    command: Process,
    words: Words,
    addresses: BTreeMap<Version, Address>,
    websocket: BTreeMap<Version, Address>,
    log: Log,
    life: watch::Sender<Life>,
}

/// What is known about the process.
#[derive(Debug, Clone)]
enum Life {
    /// Ready; the receiver tells of its end.
    Up(watch::Receiver<Option<Exit>>),
    /// Between two processes, on purpose.
    Restarting,
    /// Stopped, or it could not be started again.
    Down,
}

impl Broker {
    /// Starts the profile's broker in a fresh folder on free ports and waits until it answers a CONNECT. With `keep`
    /// the folder stays when the broker has ended.
    ///
    /// # Errors
    /// The profile has no process ([`StartError::NotOurs`]), or the broker could not be started, died, or was not ready
    /// in time. Nothing of it is left then.
    pub async fn start(profile: Arc<Profile>, keep: bool) -> Result<Broker, StartError> {
        let command = profile.process.clone().ok_or(StartError::NotOurs)?;
        let (for_profile, for_command) = (Arc::clone(&profile), command.clone());
        let Prepared {
            folder,
            ports,
            words,
            addresses,
            websocket,
        } = blocking(move || prepare(&for_profile, &for_command, keep)).await?;
        let broker = Broker {
            process: Mutex::new(None),
            log: Log::in_folder(folder.path()),
            folder,
            keep,
            ports,
            profile,
            command,
            words,
            addresses,
            websocket,
            life: watch::Sender::new(Life::Restarting),
        };
        broker
            .bring_up(&mut *broker.process.lock().await, FIRST_PORT_WAIT)
            .await?;
        Ok(broker)
    }

    /// Where this version is spoken. `None`: the profile has no address for it.
    pub fn address(&self, version: Version) -> Option<&Address> {
        self.addresses.get(&version)
    }

    /// Where this version is spoken over WebSocket. `None`: the profile has no address for that.
    pub fn websocket_address(&self, version: Version) -> Option<&Address> {
        self.websocket.get(&version)
    }

    /// Its folder, `$dir`.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The process id of the broker, or of the wrapper that it was started through. `None` while it is down.
    pub async fn process_id(&self) -> Option<u32> {
        self.process.lock().await.as_ref().map(Spawned::id)
    }

    /// The port that `$port` (`$port2`, ...) stands for.
    pub fn port(&self, word: &str) -> Option<u16> {
        self.ports.get(word).map(Port::number)
    }

    /// Whether the process runs, or is just being restarted on purpose.
    pub fn alive(&self) -> bool {
        match &*self.life.borrow() {
            Life::Up(exit) => exit.borrow().is_none(),
            Life::Restarting => true,
            Life::Down => false,
        }
    }

    /// Waits until the process ends without having been asked to. Restarts and kills of ours do not count. A broker
    /// that is down for good never dies again.
    pub async fn died(&self) -> Exit {
        let mut life = self.life.subscribe();
        loop {
            let now = life.borrow_and_update().clone();
            // The sender is in `self`, so waiting for a change cannot fail while this runs.
            let Life::Up(mut exit) = now else {
                let _ = life.changed().await;
                continue;
            };
            tokio::select! {
                biased;
                _ = life.changed() => {}
                ended = exit.wait_for(Option::is_some) => {
                    if let Some(exit) = ended.ok().and_then(|exit| *exit) {
                        return exit;
                    }
                }
            }
        }
    }

    /// Waits at most this long for the process to end without having been asked to. `None`: it runs, or is down because it
    /// was stopped or could not be started again.
    pub async fn ended(&self, at_most: Duration) -> Option<Exit> {
        if matches!(&*self.life.borrow(), Life::Down) {
            return None;
        }
        tokio::time::timeout(at_most, self.died()).await.ok()
    }

    /// The last lines of what the broker wrote to its output since its first start, at most `limit` bytes.
    pub fn log_tail(&self, limit: usize) -> String {
        self.log.tail(limit)
    }

    /// Ends the broker gracefully (SIGTERM; SIGKILL to the group after the profile's `stop_timeout`) and starts it
    /// again in the same folder on the same ports.
    ///
    /// # Errors
    /// It could not be started again; it is down then.
    pub async fn restart(&self) -> Result<(), StartError> {
        let mut process = self.process.lock().await;
        self.life.send_replace(Life::Restarting);
        self.log.note("restart: SIGTERM");
        if let Some(process) = process.as_mut()
            && !process.terminate(self.command.stop_timeout).await
        {
            self.log.note("it did not end in time: SIGKILL");
        }
        self.bring_up(&mut process, PORT_WAIT).await
    }

    /// Kills the broker's group (SIGKILL) and starts it again in the same folder on the same ports.
    ///
    /// # Errors
    /// It could not be started again; it is down then.
    pub async fn kill(&self) -> Result<(), StartError> {
        let mut process = self.process.lock().await;
        self.life.send_replace(Life::Restarting);
        self.log.note("kill: SIGKILL");
        if let Some(process) = process.as_mut() {
            process.kill().await;
        }
        self.bring_up(&mut process, PORT_WAIT).await
    }

    /// Ends the broker gracefully for good. The folder is removed when the broker is dropped.
    pub async fn stop(&self) {
        let mut process = self.process.lock().await;
        self.life.send_replace(Life::Down);
        if let Some(process) = process.as_mut() {
            process.terminate(self.command.stop_timeout).await;
        }
        *process = None;
    }

    /// Ends the broker gracefully for good and removes its folder, unless that is to be kept.
    pub async fn discard(&self) {
        self.stop().await;
        if !self.keep {
            let folder = self.folder();
            // What cannot be removed here is tried again when the broker is dropped.
            let _ = blocking(move || std::fs::remove_dir_all(folder)).await;
        }
    }

    /// Starts the process, whose predecessor (if any) has ended and has let go of its ports within `port_wait`, and
    /// waits until it is ready.
    async fn bring_up(&self, process: &mut Option<Spawned>, port_wait: Duration) -> Result<(), StartError> {
        // Whatever goes wrong below, and also when no one waits for the result any more: without success it is down.
        let mut down = DownUnless {
            life: &self.life,
            up: false,
        };
        *process = None;
        self.wait_for_ports(port_wait).await?;
        let spawned = self.spawn().await?;
        let started = process.insert(spawned);
        let all = [&self.addresses, &self.websocket];
        let all = if self.addresses == self.websocket {
            &all[..1]
        } else {
            &all[..]
        };
        match ready::wait(started, &self.command, &self.profile, all, &self.log).await {
            Ok(()) => {
                down.up = true;
                self.life.send_replace(Life::Up(started.watch()));
                Ok(())
            }
            Err(e) => {
                started.kill().await;
                *process = None;
                Err(e)
            }
        }
    }

    /// The ports have to be free before the start, so that what answers afterwards is the started broker.
    async fn wait_for_ports(&self, at_most: Duration) -> Result<(), StartError> {
        let deadline = Instant::now() + at_most;
        let addresses = self.addresses.values().chain(self.websocket.values());
        for address in addresses.filter(|address| ready::is_loopback(address)) {
            while !ports::is_free(address.port()) {
                if Instant::now() >= deadline {
                    return Err(StartError::PortTaken {
                        address: address.clone(),
                    });
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    }

    async fn spawn(&self) -> Result<Spawned, StartError> {
        let filled: Vec<String> = self.command.command.iter().map(|part| self.words.fill(part)).collect();
        let folder = self.folder();
        let output = self.log.append().map_err(StartError::Folder)?;
        let environment = self
            .command
            .env
            .iter()
            .map(|(name, value)| (name, self.words.fill(value)));
        let command = program::gated(&filled, environment, &folder);
        let start = move || Spawned::start(&mut command?, output, Some(folder));
        blocking(start)
            .await
            .map_err(|e| could_not_start(&self.words.fill(&self.command.command[0]), &self.command, e))
    }
}

/// What a broker needs before its process is started.
struct Prepared {
    folder: TempDir,
    ports: BTreeMap<String, Port>,
    words: Words,
    addresses: BTreeMap<Version, Address>,
    websocket: BTreeMap<Version, Address>,
}

/// Makes the folder with the profile's files in it, and takes the ports.
fn prepare(profile: &Profile, command: &Process, keep: bool) -> Result<Prepared, StartError> {
    let mut folder = tempfile::Builder::new()
        .prefix("mqttspec-")
        .tempdir()
        .map_err(StartError::Folder)?;
    folder.disable_cleanup(keep);
    let ports = take_ports(profile, command)?;
    let words = Words {
        dir: path_text(folder.path()),
        here: path_text(&profile.here),
        ports: ports.iter().map(|(word, port)| (word.clone(), port.number())).collect(),
    };
    let addresses = profile.addresses(&words)?;
    let websocket = profile.websocket_addresses(&words)?;
    if let Some(certificates) = &command.certificates {
        let path = folder.path().join(certificates);
        Certificates::shared()
            .write(&path)
            .map_err(|error| StartError::File { path, error })?;
    }
    let over = command.files_over.iter().filter(|(t, _)| profile.transports.uses(**t));
    for files in std::iter::once(&command.files).chain(over.map(|(_, files)| files)) {
        write_files(files, &words, folder.path())?;
    }
    Ok(Prepared {
        folder,
        ports,
        words,
        addresses,
        websocket,
    })
}

/// Does what may wait for a disk on a thread of its own. On a busy disk that can be seconds, and on a thread of the
/// runtime they would make every case late that is played meanwhile.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is ending, and with it the task that waits here.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Marks the broker as down when dropped, unless it came up.
struct DownUnless<'a> {
    life: &'a watch::Sender<Life>,
    up: bool,
}

impl Drop for DownUnless<'_> {
    fn drop(&mut self) {
        if !self.up {
            self.life.send_replace(Life::Down);
        }
    }
}

fn could_not_start(program: &str, process: &Process, error: std::io::Error) -> StartError {
    match error.kind() {
        std::io::ErrorKind::NotFound => StartError::Missing {
            program: program.to_owned(),
            install: process.install.clone(),
        },
        _ => StartError::CannotStart {
            program: program.to_owned(),
            error,
        },
    }
}

/// A path as text. Folders of profiles and of temporary files that are not UTF-8 are rare enough to be approximated.
fn path_text(path: &Path) -> String {
    path.to_string_lossy().trim_end_matches('/').to_owned()
}

/// Takes a free port for each port word that occurs anywhere in the profile.
fn take_ports(profile: &Profile, process: &Process) -> Result<BTreeMap<String, Port>, StartError> {
    let texts = process
        .command
        .iter()
        .chain(process.files.values())
        .chain(process.files_over.values().flat_map(BTreeMap::values))
        .chain(process.env.values())
        .map(String::as_str)
        .chain(profile.transports.texts());
    let words: BTreeSet<_> = texts.flat_map(port_words).collect();
    words
        .into_iter()
        .map(|word| Ok((word.into_owned(), Port::take().ok_or(StartError::NoPort)?)))
        .collect()
}

fn write_files(files: &BTreeMap<String, String>, words: &Words, folder: &Path) -> Result<(), StartError> {
    for (name, text) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, words.fill(text)))
            .map_err(|error| StartError::File { path, error })?;
    }
    Ok(())
}
impl Process {
    /// Whether the program that `command` names is there to be started; nothing is started to find out.
    pub fn is_installed(&self, here: &Path) -> bool {
        let words = Words {
            here: path_text(here),
            ..Words::default()
        };
        let program = self.command.first().map(|p| words.fill(p)).unwrap_or_default();
        let path = self.env.get("PATH").map(|p| OsString::from(words.fill(p)));
        let path = path.or_else(|| std::env::var_os("PATH"));
        program::find(&program, path.as_deref(), here).is_ok()
    }
}
