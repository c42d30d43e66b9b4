//! The profile of a target: a YAML file that says how to start a broker, where it listens, what it supports, and which
//! of its deviations are known.
//!
//! In: a file. Out: a [`Profile`] in which everything is checked, or a [`ProfileError`] with every place where it is
//! wrong and what is allowed there.

mod check;
mod client;
mod command_line;
mod error;
mod known;
mod schema;
mod secret;
mod setups;
mod supports;
mod transports;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::template::Words;
use crate::source::{Diagnostic, Reported, Source, parse, read_file};
use crate::statements::Version;
use crate::transport::Dialer;
use crate::transport::Transport;
use crate::transport::{Address, AddressError};
use crate::wire::Side;

pub use command_line::{CommandLine, HowToDisconnect};
pub use error::ProfileError;
pub use known::{Fails, Known, Listed, Ruling, Severity};
pub use supports::Supports;
pub use transports::Transports;

/// A target, as its profile describes it.
#[derive(Debug, Clone)]
pub struct Profile {
    /// What the target is called in reports and in the paths of snapshots: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// How to start the broker; `None` if it is not ours.
    pub process: Option<Process>,
    /// How to start an adapter of the client library, or the client itself if it is a command; `None` if the target is a broker.
    pub client: Option<Process>,
    /// What one process of it can do, if the client is a command and has no adapter.
    pub command_line: Option<CommandLine>,
    /// Where each version is spoken, over which transports. Clients under test come to the script, over plain TCP.
    pub transports: Transports,
    /// Opens connections to them, with the certificates that the profile names.
    pub dialer: Dialer,
    /// The versions that it speaks, oldest first; `None` if the profile does not say and the broker is to be asked.
    pub versions: Option<Vec<Version>>,
    /// What every client logs in with unless the scenario says otherwise.
    pub login: Option<Login>,
    /// The time that a change needs before another connection sees it.
    pub settle: Duration,
    /// The response timeout on this target; `None` keeps the default.
    pub response_timeout: Option<Duration>,
    pub supports: Supports,
    /// Topic filters that the broker's access list denies.
    pub denies: Vec<String>,
    /// Further logins, by name.
    pub users: BTreeMap<String, Login>,
    /// An enhanced authentication that the broker knows.
    pub auth: Option<Auth>,
    /// Other configurations of this broker, by name in their order: what a case needs and the profile itself does
    /// not support is looked for here.
    pub setups: Vec<(String, Arc<Profile>)>,
    /// How many cases may run in parallel; at least 1.
    pub jobs: Option<usize>,
    /// How many instances of the broker may run in parallel, for cases that restart it; at least 1.
    pub instances: Option<usize>,
    /// Whether every case has an instance of its own, so that no case sees the state of another.
    pub isolate: bool,
    /// Which cases have a snapshot.
    pub snapshots: Kept,
    /// Its expected failures by cause, those of `known_from` first.
    pub known: Vec<Arc<Known>>,
    /// The folder of the file, for `$here`.
    pub here: PathBuf,
    file: PathBuf,
}

/// Which cases of a target have a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kept {
    /// Every case that is played.
    #[default]
    All,
    /// Only those that do not pass, and one file with the verdict of every case.
    Failures,
}

/// How to start a broker. The texts still have their `$dir`, `$here` and `$port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The program and its arguments; never empty. It has to stay in the foreground.
    pub command: Vec<String>,
    /// Files to write into `$dir`, by their path in it.
    pub files: BTreeMap<String, String>,
    /// Files that are written only if the transport is used.
    pub files_over: BTreeMap<Transport, BTreeMap<String, String>>,
    /// The folder in `$dir` into which certificates are made before the start.
    pub certificates: Option<String>,
    /// Environment variables, added to those of the run.
    pub env: BTreeMap<String, String>,
    /// A command that prints the broker's version.
    pub version: Option<Vec<String>>,
    /// How to install the program, shown when it is missing.
    pub install: Option<String>,
    /// How long the broker may take until it answers a CONNECT.
    pub ready_timeout: Duration,
    /// How long it may take to end after SIGTERM, before SIGKILL.
    pub stop_timeout: Duration,
    /// The program runs a container engine: the broker and its listener belong to no process of the program's group.
    pub container: bool,
}

/// The addresses of a target, with `$port` in them if the broker is started by the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// One address for all versions.
    One(String),
    /// One address for each version.
    PerVersion(BTreeMap<Version, String>),
}

/// A user name and a password, at least one of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub username: Option<String>,
    pub password: Option<String>,
}

/// An enhanced authentication (MQTT 5.0, section 4.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// The Authentication Method.
    pub method: String,
    /// The Authentication Data of a good exchange, message by message.
    pub good: Vec<Vec<u8>>,
    /// The Authentication Data of an exchange that has to fail.
    pub bad: Vec<Vec<u8>>,
}

impl Endpoints {
    /// The address for one version, with the words filled in. `None`: the version has none.
    ///
    /// # Errors
    /// The text is not an address once the words are filled in.
    pub fn address(&self, version: Version, words: &Words) -> Option<Result<Address, AddressError>> {
        let text = match self {
            Endpoints::One(text) => text,
            Endpoints::PerVersion(map) => map.get(&version)?,
        };
        Some(words.fill(text).parse())
    }

    /// The addresses as they are written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let (one, map) = match self {
            Endpoints::One(text) => (Some(text.as_str()), None),
            Endpoints::PerVersion(map) => (None, Some(map)),
        };
        one.into_iter()
            .chain(map.into_iter().flat_map(|map| map.values().map(String::as_str)))
    }
}

impl Profile {
    /// What the name of a target may be.
    pub const NAME: &str = "at most 64 letters, digits, `.`, `-` and single `_`, a letter or a digit first";

    /// Whether a target can have this name: it is shown in reports, and names a folder of snapshots.
    pub fn is_name(text: &str) -> bool {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            // insta cuts a name at two underscores.
            && !text.contains("__")
            && text.len() <= 64
    }

    /// The side under test.
    pub fn tests(&self) -> Side {
        match self.client {
            Some(_) => Side::Client,
            None => Side::Server,
        }
    }

    /// Reads the profile in `file`.
    ///
    /// # Errors
    /// The file cannot be read, is no file, is longer than [`MAX_FILE`](crate::source::MAX_FILE), or is not a profile.
    /// No more bytes than that are ever read.
    pub fn read(file: &Path) -> Result<Profile, ProfileError> {
        match read_file(file) {
            Ok(text) => Profile::parse(&text, file),
            Err(why) => Err(ProfileError {
                diagnostics: vec![Diagnostic::of_file(file.display().to_string(), why)],
            }),
        }
    }

    /// Reads a profile from text; `file` is what messages call it and where `$here` comes from.
    ///
    /// # Errors
    /// The text is not a profile.
    pub fn parse(text: &str, file: &Path) -> Result<Profile, ProfileError> {
        let source = Arc::new(Source {
            file: file.display().to_string(),
            text: text.to_owned(),
        });
        let root = parse(&source).map_err(|diagnostics| ProfileError { diagnostics })?;
        let mut check = check::Check::new(file, &source);
        let profile = check.profile(&root);
        checked(profile, check.errors())
    }

    /// The address of each version over the transport in use.
    ///
    /// # Errors
    /// A text is not an address once the words are filled in.
    pub fn addresses(&self, words: &Words) -> Result<BTreeMap<Version, Address>, AddressError> {
        self.addresses_at(Some(self.transports.in_use()), words)
    }

    /// The address of each version over WebSocket; empty if the target has none.
    ///
    /// # Errors
    /// A text is not an address once the words are filled in.
    pub fn websocket_addresses(&self, words: &Words) -> Result<BTreeMap<Version, Address>, AddressError> {
        self.addresses_at(self.transports.websocket(), words)
    }

    fn addresses_at(
        &self,
        endpoints: Option<&Endpoints>,
        words: &Words,
    ) -> Result<BTreeMap<Version, Address>, AddressError> {
        let versions = self.versions.as_deref().unwrap_or(&Version::ALL);
        versions
            .iter()
            .filter_map(|version| Some(endpoints?.address(*version, words)?.map(|address| (*version, address))))
            .collect()
    }

    /// The file that the profile came from.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl Known {
    /// Reads a list of known deviations from text: the key `known`, as in a profile. `file` is what messages call it
    /// and what the files of `known_from` are relative to.
    ///
    /// # Errors
    /// The text is no such list.
    pub fn parse(text: &str, file: &Path) -> Result<Vec<Arc<Known>>, ProfileError> {
        let source = Arc::new(Source {
            file: file.display().to_string(),
            text: text.to_owned(),
        });
        let root = parse(&source).map_err(|diagnostics| ProfileError { diagnostics })?;
        let mut check = check::Check::new(file, &source);
        let known = check.known_list(&root);
        let known = checked(known, check.errors())?;
        Ok(known.into_iter().map(Arc::new).collect())
    }
}

/// What was read, if nothing was wrong.
fn checked<T>(read: Result<T, Reported>, errors: Vec<Diagnostic>) -> Result<T, ProfileError> {
    read.ok()
        .filter(|_| errors.is_empty())
        .ok_or(ProfileError { diagnostics: errors })
}
