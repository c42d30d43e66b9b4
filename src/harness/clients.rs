//! Targets that are clients: the reference client inside this process, and client libraries behind adapters.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::client::{self, Disobey, Free};
use crate::play::{Front, Settings};
use crate::statements::Version;
use crate::suite::{Target, TargetInfo};
use crate::sut::{
    Adapter, AdapterSource, BoxFuture, BrokerVersion, Clients, CommandClients, Kept, Profile, ProfileError, StartError,
    Supports, ask_version,
};
use crate::transport::Transport;
use crate::wire::Side;

use super::profile::known_over;
use super::target::EMBEDDED_INSTANCES;
use super::{Ready, TargetError};

/// Cases in parallel against the reference client.
const EMBEDDED_JOBS: usize = 16;

/// Cases in parallel against a client library, each with a process of its own, unless the profile says otherwise.
const JOBS: usize = 4;

/// The side that a profile puts under test.
///
/// # Errors
/// The profile cannot be read.
pub fn side_of(profile: &Path) -> Result<Side, ProfileError> {
    Profile::read(profile).map(|profile| profile.tests())
}

/// Reference clients inside this process.
struct Embedded(Disobey, Free);

impl AdapterSource for Embedded {
    fn start(&self) -> BoxFuture<'_, Result<Adapter, StartError>> {
        let (requests, lines) = client::start(self.0.clone(), self.1.clone());
        Box::pin(async move {
            let started = Adapter::within_process(requests, lines).await;
            started.map_err(|error| StartError::Own {
                broker: "the reference client",
                error: error.into(),
            })
        })
    }

    fn log_tail(&self, _limit: usize) -> Option<String> {
        None
    }
}

/// The reference client with these faults.
pub fn reference_client(disobey: Disobey) -> Target {
    of_reference(disobey, Free::default())
}

/// The reference client that uses these freedoms.
pub fn free_client(free: Free) -> Target {
    of_reference(Disobey::default(), free)
}

fn of_reference(disobey: Disobey, free: Free) -> Target {
    Target {
        info: TargetInfo {
            name: "reference-client".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            address: "embedded client".to_owned(),
            transport: Transport::Mqtt,
            argument: None,
            options: Vec::new(),
            snapshots: Kept::All,
        },
        supports: with_websocket(),
        jobs: EMBEDDED_JOBS,
        instances: EMBEDDED_INSTANCES,
        ..of_source(Arc::new(Embedded(disobey, free)))
    }
}

fn with_websocket() -> Supports {
    let mut supports = Supports::default();
    supports.imply("websocket", true);
    supports
}

/// The client of a profile. One adapter is started to see what the library is called and which versions it speaks.
pub(super) async fn of_profile(profile: &Profile, transport: Transport) -> Result<Ready, TargetError> {
    let Some(process) = &profile.client else {
        return Err(TargetError::Start(StartError::NotOurs));
    };
    let source = match &profile.command_line {
        None => process.adapters(&profile.here).map_err(TargetError::Start)?,
        Some(line) => {
            let version = ask_version(profile).await.map_err(TargetError::Start)?;
            let version = version.map(|version| version.to_string());
            let (process, line) = (process.clone(), line.clone());
            let clients = CommandClients::new(process, line, &profile.here, &process_name(profile), version);
            Arc::new(clients.map_err(TargetError::Start)?)
        }
    };
    let adapter = source.start().await.map_err(TargetError::Start)?;
    let abilities = adapter.abilities().clone();
    adapter.end().await;
    if !abilities.transports.contains(&transport) {
        let names: Vec<&str> = abilities.transports.iter().map(|transport| transport.name()).collect();
        return Err(TargetError::NoTransport {
            profile: profile.file().display().to_string(),
            why: format!(
                "the client does not connect over {transport}, but over {}",
                names.join(", ")
            ),
        });
    }
    let mut supports = profile.supports.clone();
    supports.imply(
        "websocket",
        abilities.transports.iter().any(|transport| transport.is_websocket()),
    );
    let mut not_offered = BTreeMap::new();
    for version in Version::ALL {
        if !abilities.versions.contains(&version) {
            not_offered.insert(version, format!("the client does not speak {version}"));
        } else if profile
            .versions
            .as_ref()
            .is_some_and(|versions| !versions.contains(&version))
        {
            not_offered.insert(
                version,
                format!("the profile says that the client does not speak {version}"),
            );
        }
    }
    let broker_version = abilities.version.as_deref().and_then(BrokerVersion::find_in);
    let defaults = Settings::default();
    let target = Target {
        info: TargetInfo {
            name: profile.name.clone(),
            version: abilities.version.map(|version| format!("{} {version}", abilities.name)),
            address: process.command.join(" "),
            transport,
            argument: Some(profile.file().display().to_string()),
            options: Vec::new(),
            snapshots: profile.snapshots,
        },
        supports,
        known: known_over(profile, transport),
        broker_version,
        not_offered,
        states_versions: true,
        jobs: profile.jobs.unwrap_or(JOBS),
        ..of_source(source)
    };
    let settings = Settings {
        patience: profile.response_timeout.unwrap_or(defaults.patience),
        settle: profile.settle,
        front: front(transport)?,
        ..defaults
    };
    Ok(Ready { target, settings })
}

/// What clients connect to over this transport.
pub(super) fn front(transport: Transport) -> Result<Front, TargetError> {
    Front::over(transport).map_err(|error| TargetError::Start(StartError::Folder(error)))
}

/// The program of a command, without its folder.
fn process_name(profile: &Profile) -> String {
    let program = profile.client.as_ref().and_then(|process| process.command.first());
    let program = program.map(Path::new).and_then(Path::file_name);
    program.unwrap_or_default().to_string_lossy().into_owned()
}

/// A target of which nothing is known but how its adapters are had.
pub(super) fn of_source(source: Arc<dyn AdapterSource>) -> Target {
    Target {
        info: TargetInfo {
            name: "client".to_owned(),
            version: None,
            address: String::new(),
            transport: Transport::Mqtt,
            argument: None,
            options: Vec::new(),
            snapshots: Kept::All,
        },
        tests: Side::Client,
        launcher: Arc::new(Clients::new(source)),
        supports: Supports::default(),
        setups: Vec::new(),
        known: Vec::new(),
        broker_version: None,
        not_offered: BTreeMap::new(),
        states_versions: false,
        jobs: JOBS,
        instances: JOBS,
        isolate: false,
    }
}
