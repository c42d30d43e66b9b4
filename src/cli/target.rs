//! What stands for TARGET on the command line → the suite's [`Target`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::play::{Limits, Settings};
use crate::reference::{Config, Disobey};
use crate::scenario::{EnhancedAuth, Login};
use crate::statements::Version;
use crate::suite::{Setup, Target, TargetInfo};
use crate::sut::{
    self, Address, Answer, BrokerVersion, Dialer, Fixed, Instance, Kept, Known, Launcher, ProcessLauncher, Profile,
    Supports, ask_version,
};
use crate::transport::Transport;
use crate::transport::tls::TlsOptions;

use super::args::ReachArgs;
use super::proxied::disobeying;
use super::{Embedded, Exit, colour, equipped, fail, print_error};

/// Cases side by side, unless the profile or the command line says otherwise.
const JOBS: usize = 64;
/// Brokers side by side, for cases that restart theirs.
const INSTANCES: usize = 4;
/// The embedded broker costs next to nothing.
const EMBEDDED_INSTANCES: usize = 32;
/// How long a bare address may take to answer the CONNECTs that ask for its versions.
const PROBE: Duration = Duration::from_secs(5);

/// Finds out what the argument names, and how cases are to be played against it.
pub async fn target(argument: Option<&str>, disobey: &[String], reach: &ReachArgs) -> Result<(Target, Settings), Exit> {
    let disobey = Disobey::parse_all(disobey.iter().map(String::as_str)).map_err(|e| fail(Exit::Usage, e))?;
    let (mut target, settings) = match argument {
        None => embedded(disobey, reach)?,
        Some(argument) => theirs(argument, &disobey, reach).await?,
    };
    target.info.options = reach.words();
    Ok((target, settings))
}

fn embedded(disobey: Disobey, reach: &ReachArgs) -> Result<(Target, Settings), Exit> {
    if reach.tls() != TlsOptions::default() {
        let message =
            "the embedded broker's certificates are its own: --ca, --cert, --server-name and --insecure are for others";
        return Err(fail(Exit::Usage, message));
    }
    Ok(reference_over(disobey, reach.transport.unwrap_or_default()))
}

/// A broker that is not embedded.
async fn theirs(argument: &str, disobey: &Disobey, reach: &ReachArgs) -> Result<(Target, Settings), Exit> {
    if let Some(token) = disobey.needs_the_core() {
        let message =
            format!("only the embedded broker can break {token}: it takes more than changing packets on their way");
        return Err(fail(Exit::Usage, message));
    }
    let (target, settings) = match Address::is_address(argument) {
        true => address(argument, reach).await?,
        false => profile(Path::new(argument), argument, reach).await?,
    };
    match disobey.is_empty() {
        true => Ok((target, settings)),
        false if target.info.transport != Transport::Mqtt => Err(fail(
            Exit::Usage,
            "--disobey changes what crosses plain TCP: --transport mqtt, or the embedded broker",
        )),
        false => Ok((disobeying(&target, disobey), settings)),
    }
}

/// The target that a profile names, and how cases are to be played against it. What is wrong is printed.
///
/// # Errors
/// The exit code of a program that cannot go on.
pub async fn of_profile(file: &str) -> Result<(Target, Settings), Exit> {
    profile(Path::new(file), file, &ReachArgs::default()).await
}

/// A dialer with these options. That certificates are not checked is said, each time.
fn dialer(options: TlsOptions, needs_tls: bool) -> Result<Dialer, Exit> {
    if options.insecure {
        let style = anstyle::AnsiColor::Yellow.on_default().bold();
        print_error(&format!(
            "{style}warning{style:#}: no certificate is checked (insecure): whoever answers is taken for the broker\n"
        ));
    }
    let dialer = Dialer::new(options);
    if needs_tls {
        dialer.prepare().map_err(|e| fail(Exit::Malformed, e))?;
    }
    Ok(dialer)
}

/// The embedded reference broker, breaking what `disobey` says.
pub fn reference_that(disobey: Disobey) -> Target {
    reference_over(disobey, Transport::Mqtt).0
}

/// The same, to be reached over `transport`; the settings have what that needs.
pub fn reference_over(disobey: Disobey, transport: Transport) -> (Target, Settings) {
    let settings = Settings {
        dialer: equipped::dialer(),
        ..Settings::default()
    };
    let target = Target {
        info: TargetInfo {
            name: "reference".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            address: "127.0.0.1 (embedded)".to_owned(),
            transport,
            argument: None,
            options: Vec::new(),
            snapshots: Kept::All,
        },
        launcher: Arc::new(Embedded::new(
            Config {
                disobey: disobey.clone(),
                ..Config::default()
            },
            transport,
        )),
        supports: Supports::of(&equipped::ALWAYS, &[("in_flight", 65_535)]),
        setups: equipped::setups(&disobey, transport),
        known: Vec::new(),
        broker_version: None,
        not_offered: BTreeMap::new(),
        jobs: JOBS,
        instances: EMBEDDED_INSTANCES,
        isolate: false,
    };
    (target, settings)
}

/// The embedded reference broker, obeying everything.
pub fn reference() -> Target {
    reference_that(Disobey::default())
}

/// Whether the program that a profile starts is there. A profile that cannot be read counts as there, so that it is
/// tried and its error is seen.
pub fn is_installed(profile: &str) -> bool {
    let Ok(profile) = Profile::read(Path::new(profile)) else {
        return true;
    };
    profile
        .process
        .as_ref()
        .is_none_or(|process| process.is_installed(&profile.here))
}

async fn address(text: &str, reach: &ReachArgs) -> Result<(Target, Settings), Exit> {
    let address: Address = text.parse().map_err(|e| fail(Exit::Usage, e))?;
    let transport = address.transport();
    if reach.transport.is_some_and(|asked| asked != transport) {
        return Err(fail(
            Exit::Usage,
            format!("{address} says itself what it is reached over: {transport}"),
        ));
    }
    let options = reach.tls();
    if options != TlsOptions::default() && !transport.is_encrypted() {
        let message = "--ca, --cert, --server-name and --insecure are for mqtts: and wss: addresses";
        return Err(fail(Exit::Usage, message));
    }
    let dialer = dialer(options, transport.is_encrypted())?;
    let spoken = sut::probe(&dialer, &address, None, PROBE)
        .await
        .map_err(|e| fail(Exit::Unreachable, e))?;
    let not_offered = spoken
        .answers
        .iter()
        .filter_map(|(v, answer)| Some((*v, why_not(*v, answer)?)))
        .collect();
    let target = Target {
        info: TargetInfo {
            name: address.to_string(),
            version: None,
            address: address.to_string(),
            transport,
            argument: Some(text.to_owned()),
            options: Vec::new(),
            snapshots: Kept::All,
        },
        launcher: Arc::new(Fixed::new(&address, &spoken.offered())),
        supports: match (transport.is_websocket(), transport.is_encrypted()) {
            (true, true) => Supports::of(&["websocket", "tls"], &[]),
            (true, false) => Supports::of(&["websocket"], &[]),
            (false, true) => Supports::of(&["tls"], &[]),
            (false, false) => Supports::default(),
        },
        setups: Vec::new(),
        known: Vec::new(),
        broker_version: None,
        not_offered,
        jobs: JOBS,
        instances: 1,
        isolate: false,
    };
    let settings = Settings {
        dialer,
        ..Settings::default()
    };
    Ok((target, settings))
}

/// Why a version is not played; `None` where it is.
fn why_not(version: Version, answer: &Answer) -> Option<String> {
    match answer {
        Answer::Offered { .. } => None,
        Answer::NotOffered { code } => Some(format!("the broker does not offer {version} (CONNACK 0x{code:02x})")),
        Answer::Refused { code } => Some(format!("the broker refuses us at {version} (CONNACK 0x{code:02x})")),
        Answer::Closed => Some(format!(
            "the broker does not offer {version} (closed without a CONNACK)"
        )),
        Answer::Silent => Some(format!("the broker does not answer a CONNECT of {version}")),
    }
}

async fn profile(file: &Path, argument: &str, reach: &ReachArgs) -> Result<(Target, Settings), Exit> {
    let mut profile = Profile::read(file).map_err(|error| {
        print_error(&error.render(colour()));
        Exit::Malformed
    })?;
    if let Some(transport) = reach.transport {
        profile
            .transports
            .choose(transport)
            .map_err(|e| fail(Exit::Usage, format!("{argument}: {e}")))?;
    }
    let from_environment = |name: &str| std::env::var(name).ok();
    profile
        .fill_logins(&from_environment)
        .map_err(|e| fail(Exit::Malformed, format!("{argument}: {e}")))?;
    let options = profile.dialer.options().clone().with(reach.tls());
    profile.dialer = dialer(options, profile.transports.need_tls())?;
    reach_setups(&mut profile);
    let profile = Arc::new(profile);
    let mut not_offered = BTreeMap::new();
    if let Some(versions) = &profile.versions {
        for version in Version::ALL.into_iter().filter(|v| !versions.contains(v)) {
            not_offered.insert(
                version,
                format!("the profile says that the broker does not offer {version}"),
            );
        }
    }
    let (launcher, address): (Arc<dyn Launcher>, String) = match &profile.process {
        Some(process) => (
            Arc::new(ProcessLauncher::new(Arc::clone(&profile), false)),
            process.command.join(" "),
        ),
        None => {
            let fixed = Fixed::of_profile(&profile).map_err(|e| fail(Exit::Malformed, e))?;
            for version in Version::ALL {
                if Instance::address(&fixed, version).is_none() {
                    not_offered
                        .entry(version)
                        .or_insert_with(|| format!("the profile has no address for {version}"));
                }
            }
            (
                Arc::new(fixed),
                profile.transports.in_use().texts().collect::<Vec<_>>().join(", "),
            )
        }
    };
    let version = ask_version(&profile).await.map_err(|e| fail(Exit::Unreachable, e))?;
    let target = Target {
        info: TargetInfo {
            name: profile.name.clone(),
            version: version.as_ref().map(|v: &BrokerVersion| v.to_string()),
            address,
            transport: profile.transports.chosen(),
            argument: Some(argument.to_owned()),
            options: Vec::new(),
            snapshots: profile.snapshots,
        },
        launcher,
        supports: profile.supports.clone(),
        setups: setups_of(&profile)?,
        known: known_over(&profile),
        broker_version: version,
        not_offered,
        jobs: profile.jobs.unwrap_or(JOBS),
        instances: profile.instances.unwrap_or(INSTANCES),
        isolate: profile.isolate,
    };
    let settings = settings(&profile);
    Ok((target, settings))
}

/// The deviations that show over the transport of the run.
fn known_over(profile: &Profile) -> Vec<Known> {
    let transport = profile.transports.chosen();
    let shows = |known: &&Known| known.shows_over(transport);
    profile.known.iter().filter(shows).cloned().collect()
}

/// Has the setups reached over the same transport as the profile itself, and over no other. One without such an address
/// is not there.
fn reach_setups(profile: &mut Profile) {
    let chosen = profile.transports.chosen();
    let dialer = profile.dialer.clone();
    profile.setups.retain_mut(|(_, setup)| {
        let setup = Arc::make_mut(setup);
        setup.dialer = dialer.clone();
        setup.transports = setup.transports.clone().without_aside();
        setup.transports.choose(chosen).is_ok()
    });
}

/// The setups of a profile, each with a launcher of its own.
fn setups_of(profile: &Profile) -> Result<Vec<Setup>, Exit> {
    let setup = |(name, setup): &(String, Arc<Profile>)| {
        let launcher: Arc<dyn Launcher> = match setup.process {
            Some(_) => Arc::new(ProcessLauncher::new(Arc::clone(setup), false)),
            None => Arc::new(Fixed::of_profile(setup).map_err(|e| fail(Exit::Malformed, e))?),
        };
        Ok(Setup {
            name: name.clone(),
            launcher,
            supports: setup.supports.clone(),
            settings: settings(setup),
        })
    };
    profile.setups.iter().map(setup).collect()
}

fn settings(profile: &Profile) -> Settings {
    let limit = |name| profile.supports.limit(name);
    let login = |l: &sut::Login| Login {
        username: l.username.clone().unwrap_or_default().into(),
        password: l.password.clone().map(|p| p.into_bytes().into()),
    };
    let defaults = Settings::default();
    let data = |messages: &[Vec<u8>]| messages.iter().map(|m| m.clone().into()).collect();
    Settings {
        patience: profile.patience.unwrap_or(defaults.patience),
        settle: profile.settle,
        login: profile.login.as_ref().map(login),
        users: profile
            .users
            .iter()
            .map(|(name, user)| (name.clone(), login(user)))
            .collect(),
        auth: profile.auth.as_ref().map(|auth| EnhancedAuth {
            method: auth.method.clone(),
            good: data(&auth.good),
            bad: data(&auth.bad),
        }),
        limits: Limits {
            maximum_qos: limit("max_qos").map(|n| n.min(2) as u8),
            maximum_packet_size: limit("max_packet"),
            receive_maximum: limit("receive_maximum").map(|n| u16::try_from(n).unwrap_or(u16::MAX)),
            retain_available: Some(profile.supports.has("retain")),
            wildcard_subscription_available: Some(profile.supports.has("wildcard")),
            shared_subscription_available: Some(profile.supports.has("shared")),
            denies: profile.denies.clone(),
        },
        dialer: profile.dialer.clone(),
        diary: None,
    }
}
