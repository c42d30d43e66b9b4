//! A profile → a target that is ready.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::play::{Limits, Settings};
use crate::scenario::{EnhancedAuth, Login};
use crate::statements::Version;
use crate::suite::{Setup, Target, TargetInfo};
use crate::sut::{
    self, BrokerVersion, Fixed, Instance, Known, Launcher, ProcessLauncher, Profile, Supports, ask_version,
};
use crate::transport::Transport;
use crate::transport::tls::TlsOptions;
use crate::wire::Side;

use super::target::{INSTANCES, JOBS, dialer};
use super::{Ready, TargetError, Warning};

/// Whether the program that a profile starts is there. A profile that cannot be read counts as there, so that it is
/// tried and its error is seen.
pub fn is_installed(profile: &Path) -> bool {
    let Ok(profile) = Profile::read(profile) else {
        return true;
    };
    let process = profile.process.as_ref().or(profile.client.as_ref());
    process.is_none_or(|process| process.is_installed(&profile.here))
}

/// The target of a profile. `lookup` has the environment for its secrets.
pub(super) async fn ready(
    file: &Path,
    transport: Option<Transport>,
    tls: &TlsOptions,
    lookup: &(dyn Fn(&str) -> Option<String> + Send + Sync),
    warn: &mut impl FnMut(Warning),
) -> Result<Ready, TargetError> {
    let argument = file.display().to_string();
    let mut profile = Profile::read(file)?;
    if profile.client.is_some() {
        return super::clients::of_profile(&profile, transport.unwrap_or_default()).await;
    }
    if let Some(transport) = transport {
        profile
            .transports
            .choose(transport)
            .map_err(|error| TargetError::NoTransport {
                profile: argument.clone(),
                why: error.to_string(),
            })?;
    }
    profile.fill_logins(lookup).map_err(|why| TargetError::Secret {
        profile: argument.clone(),
        why,
    })?;
    let options = profile.dialer.options().clone().with(tls.clone());
    profile.dialer = dialer(options, profile.transports.need_tls(), warn)?;
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
            let fixed = Fixed::of_profile(&profile).map_err(TargetError::Endpoint)?;
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
    let version = ask_version(&profile).await.map_err(TargetError::Start)?;
    let target = Target {
        info: TargetInfo {
            name: profile.name.clone(),
            version: version.as_ref().map(|v: &BrokerVersion| v.to_string()),
            address,
            transport: profile.transports.chosen(),
            argument: Some(argument),
            options: Vec::new(),
            snapshots: profile.snapshots,
        },
        launcher,
        supports: profile.supports.clone(),
        setups: setups_of(&profile)?,
        known: known_over(&profile, profile.transports.chosen()),
        broker_version: version,
        not_offered,
        states_versions: profile.versions.is_some(),
        jobs: profile.jobs.unwrap_or(JOBS),
        instances: profile.instances.unwrap_or(INSTANCES),
        isolate: profile.isolate,
        tests: Side::Server,
    };
    let settings = settings(&profile);
    Ok(Ready { target, settings })
}

/// The deviations that show over the transport of the run.
pub(super) fn known_over(profile: &Profile, transport: Transport) -> Vec<Arc<Known>> {
    let shows = |known: &&Arc<Known>| known.shows_over(transport);
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
fn setups_of(profile: &Profile) -> Result<Vec<Setup>, TargetError> {
    let setup = |(name, setup): &(String, Arc<Profile>)| {
        let launcher: Arc<dyn Launcher> = match setup.process {
            Some(_) => Arc::new(ProcessLauncher::new(Arc::clone(setup), false)),
            None => Arc::new(Fixed::of_profile(setup).map_err(TargetError::Endpoint)?),
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

/// What a broker with these features does not go beyond.
pub(super) fn limits(supports: &Supports) -> Limits {
    let limit = |name| supports.limit(name);
    Limits {
        maximum_qos: limit("max_qos").map(|n| n.min(2) as u8),
        maximum_packet_size: limit("max_packet"),
        receive_maximum: limit("receive_maximum").map(|n| u16::try_from(n).unwrap_or(u16::MAX)),
        retain_available: Some(supports.has("retain")),
        wildcard_subscription_available: Some(supports.has("wildcard")),
        shared_subscription_available: Some(supports.has("shared")),
        denies: Vec::new(),
    }
}

fn settings(profile: &Profile) -> Settings {
    let login = |l: &sut::Login| Login {
        username: l.username.clone().unwrap_or_default().into(),
        password: l.password.clone().map(|p| p.into_bytes().into()),
    };
    let defaults = Settings::default();
    let data = |messages: &[Vec<u8>]| messages.iter().map(|m| m.clone().into()).collect();
    Settings {
        patience: profile.response_timeout.unwrap_or(defaults.patience),
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
            denies: profile.denies.clone(),
            ..limits(&profile.supports)
        },
        dialer: profile.dialer.clone(),
        ..defaults
    }
}
