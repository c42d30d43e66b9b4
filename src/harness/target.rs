//! How a target is described, and made ready to be played against.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::play::{Limits, Settings};
use crate::reference::{Disobey, Free};
use crate::statements::Version;
use crate::suite::{self, Setup, TargetInfo};
use crate::sut::{self, Address, Answer, Dialer, Fixed, Instance, Kept, Launcher, Supports};
use crate::transport::Transport;
use crate::transport::tls::TlsOptions;
use crate::wire::{ConnAck, Packet, Side, decode_bytes};

use super::clients;
use super::own::Own;
use super::{Home, Running, TargetError, Warning, profile, reference_as, reference_client, through_proxy};

/// Cases in parallel, unless the profile or the caller says otherwise.
pub(super) const JOBS: usize = 64;
/// Brokers in parallel, for cases that restart theirs.
pub(super) const INSTANCES: usize = 4;
/// A broker inside a process costs next to nothing.
pub(super) const EMBEDDED_INSTANCES: usize = 32;
/// How long a broker may take to answer the CONNECTs that ask for its versions.
const PROBE: Duration = Duration::from_secs(5);

/// Looks a secret of a profile up by the name of its environment variable.
type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A description of what is to be tested. Nothing is opened, read or started before [`Target::ready`].
#[derive(Clone)]
#[must_use = "a description does nothing by itself"]
pub struct Target {
    source: Source,
    name: Option<String>,
    transport: Option<Transport>,
    tls: TlsOptions,
    disobey: Disobey,
    free: Free,
    versions: Option<Vec<Version>>,
    supports: Vec<(String, bool)>,
    setups: Vec<Setup>,
    jobs: Option<usize>,
    lookup: Lookup,
}

#[derive(Clone)]
enum Source {
    Reference,
    ReferenceClient(crate::client::Disobey),
    At(String),
    Profile(PathBuf),
    Own(Arc<dyn Launcher>),
}

/// A target that cases can be played against, and how they are played.
#[derive(Clone)]
pub struct Ready {
    pub target: suite::Target,
    pub settings: Settings,
}

/// Constructors.
impl Target {
    /// The broker at an address: a [`SocketAddr`](std::net::SocketAddr), `host:port`, or a URL (`mqtt:`, `mqtts:`,
    /// `ws:`, `wss:`, `unix:`). Others may use it: cases that touch the whole broker are skipped unless it is
    /// [exclusive](Target::exclusive). It is neither restarted nor killed.
    pub fn at(address: impl Display) -> Target {
        let text = address.to_string();
        Target::of(Source::At(if Address::is_address(&text) {
            text
        } else {
            format!("mqtt://{text}")
        }))
    }

    /// The target that a profile describes (`docs/profiles.md`).
    pub fn of_profile(file: impl Into<PathBuf>) -> Target {
        Target::of(Source::Profile(file.into()))
    }

    /// The reference broker inside this process.
    pub fn reference() -> Target {
        Target::of(Source::Reference)
    }

    /// The reference client inside this process, breaking these statements on purpose.
    pub fn reference_client(disobey: crate::client::Disobey) -> Target {
        Target::of(Source::ReferenceClient(disobey))
    }

    /// A broker of the caller's own. `start` starts a fresh one at each call and gives its address, or a
    /// [`Running`] that ends it. Cases that restart the broker are skipped; see [`Target::restarting`].
    pub fn launching<F, Fut, B, E>(start: F) -> Target
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<B, E>> + Send + 'static,
        B: Running,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Target::of(Source::Own(Arc::new(Own::new(move |_| start()))))
    }

    /// A broker of the caller's own that can be restarted. `start` has to listen at [`Home::address`], and may keep its
    /// state in [`Home::folder`]: a restart is [`Running::stop`], then `start` with the same home. Say with
    /// [`Target::supports`] whether its state survives: `persistence` a stop, `durable` a kill.
    pub fn restarting<F, Fut, B, E>(start: F) -> Target
    where
        F: Fn(Home) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<B, E>> + Send + 'static,
        B: Running,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Target::of(Source::Own(Arc::new(Own::new(start)))).supports(&["restart"])
    }
}

impl Target {
    fn of(source: Source) -> Target {
        Target {
            source,
            name: None,
            transport: None,
            tls: TlsOptions::default(),
            disobey: Disobey::default(),
            free: Free::default(),
            versions: None,
            supports: Vec::new(),
            setups: Vec::new(),
            jobs: None,
            lookup: Arc::new(|_| None),
        }
    }

    /// What reports call it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// States that no one else uses the broker, so cases that affect the whole broker are played too.
    pub fn exclusive(self) -> Self {
        self.supports(&["exclusive"])
    }

    /// The broker has these features (`docs/profile-keys.md`, `supports`).
    ///
    /// # Panics
    /// When the target is made ready, if a name is no feature.
    pub fn supports(mut self, features: &[&str]) -> Self {
        self.supports.extend(features.iter().map(|f| ((*f).to_owned(), true)));
        self
    }

    /// The broker lacks these features, such as `retain` or `shared`.
    ///
    /// # Panics
    /// When the target is made ready, if a name is no feature.
    pub fn lacks(mut self, features: &[&str]) -> Self {
        self.supports.extend(features.iter().map(|f| ((*f).to_owned(), false)));
        self
    }

    /// The versions that the broker speaks. Without this the broker is asked; a profile's `versions` come first.
    pub fn versions(mut self, versions: impl IntoIterator<Item = Version>) -> Self {
        self.versions = Some(versions.into_iter().collect());
        self
    }

    /// More configurations of the broker, for cases with needs that the first does not meet.
    pub fn setups(mut self, setups: impl IntoIterator<Item = Setup>) -> Self {
        self.setups.extend(setups);
        self
    }

    /// How many cases are played in parallel; 64 unless a profile says otherwise.
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = Some(jobs);
        self
    }

    /// The transport to use, if a profile or the reference broker offers several.
    pub fn transport(mut self, transport: Option<Transport>) -> Self {
        self.transport = transport;
        self
    }

    /// What TLS clients trust and show.
    pub fn tls(mut self, options: TlsOptions) -> Self {
        self.tls = options;
        self
    }

    /// Breaks statements on purpose: the reference broker itself, any other with a proxy in front of it.
    pub fn disobeying(mut self, disobey: Disobey) -> Self {
        self.disobey = disobey;
        self
    }

    /// Makes use of what the standards leave open: the reference broker itself, any other with a proxy in front of it.
    pub fn freely(mut self, free: Free) -> Self {
        self.free = free;
        self
    }

    /// Whether it breaks statements or makes use of freedoms on purpose.
    pub(super) fn is_changed(&self) -> bool {
        !self.disobey.is_empty() || !self.free.is_empty()
    }

    /// Where a profile's `$env:NAME` comes from. Without this no such variable is set.
    pub fn secrets(mut self, lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.lookup = Arc::new(lookup);
        self
    }

    /// Reads the profile, asks the broker which versions it speaks, and finds out how cases are played against it. Must
    /// be called inside a tokio runtime. `warn` gets what the caller should know, before anything is opened.
    ///
    /// # Errors
    /// The target cannot be made: see [`TargetError`].
    pub async fn ready(self, mut warn: impl FnMut(Warning)) -> Result<Ready, TargetError> {
        let is_reference = matches!(self.source, Source::Reference);
        let core = self.disobey.needs_the_core().or(self.free.needs_the_core());
        if !is_reference && let Some(token) = core {
            return Err(TargetError::NeedsReference(token.to_owned()));
        }
        let mut ready = match &self.source {
            Source::Reference => self.of_reference()?,
            Source::ReferenceClient(disobey) => {
                let transport = self.transport.unwrap_or_default();
                let mut target = reference_client(disobey.clone());
                target.info.transport = transport;
                let settings = Settings {
                    front: clients::front(transport)?,
                    ..Settings::default()
                };
                Ready { target, settings }
            }
            Source::At(text) => self.of_address(text, &mut warn).await?,
            Source::Profile(file) => profile::ready(file, self.transport, &self.tls, &*self.lookup, &mut warn).await?,
            Source::Own(launcher) => self.of_own(launcher).await?,
        };
        self.adapt(&mut ready.target);
        if self.is_changed() && !is_reference {
            let transport = ready.target.info.transport;
            if transport != Transport::Mqtt {
                return Err(TargetError::NeedsPlainTcp(transport));
            }
            ready.target = through_proxy(&ready.target, &self.disobey, &self.free);
        }
        Ok(ready)
    }

    /// What is known of the target before anything is opened or started; `None` if that is nothing.
    #[cfg(feature = "harness")]
    pub(super) fn foreseen(&self) -> Option<suite::Target> {
        let mut target = match &self.source {
            Source::Reference => self.of_reference().ok()?.target,
            Source::Own(launcher) => own(launcher, BTreeMap::new()),
            Source::ReferenceClient(_) | Source::At(_) | Source::Profile(_) => return None,
        };
        self.adapt(&mut target);
        Some(target)
    }

    /// Everything that the caller says of the target itself.
    fn adapt(&self, target: &mut suite::Target) {
        if let Some(name) = &self.name {
            target.info.name.clone_from(name);
        }
        for (feature, has) in &self.supports {
            let supports = std::mem::take(&mut target.supports);
            target.supports = match has {
                true => supports.and(feature),
                false => supports.without(&[feature]),
            };
        }
        for version in self.silent_about() {
            let why = format!("the target is said not to offer {version}");
            target.not_offered.entry(version).or_insert(why);
        }
        target.states_versions |= self.versions.is_some();
        target.setups.extend(self.setups.iter().cloned());
        target.jobs = self.jobs.unwrap_or(target.jobs);
    }

    /// The versions that the caller leaves out; none if all are to be asked for.
    fn silent_about(&self) -> Vec<Version> {
        let Some(versions) = &self.versions else {
            return Vec::new();
        };
        Version::ALL.into_iter().filter(|v| !versions.contains(v)).collect()
    }

    fn of_reference(&self) -> Result<Ready, TargetError> {
        if self.tls != TlsOptions::default() {
            return Err(TargetError::ReferenceTls);
        }
        let transport = self.transport.unwrap_or_default();
        let (target, settings) = reference_as(self.disobey.clone(), self.free.clone(), transport);
        Ok(Ready { target, settings })
    }

    async fn of_address(&self, text: &str, warn: &mut impl FnMut(Warning)) -> Result<Ready, TargetError> {
        let address: Address = text.parse()?;
        let transport = address.transport();
        if self.transport.is_some_and(|asked| asked != transport) {
            return Err(TargetError::OtherTransport { address });
        }
        if self.tls != TlsOptions::default() && !transport.is_encrypted() {
            return Err(TargetError::NotEncrypted);
        }
        let dialer = dialer(self.tls.clone(), transport.is_encrypted(), warn)?;
        let Asked {
            offered,
            not_offered,
            connack,
        } = self.ask(&dialer, &address).await?;
        let target = suite::Target {
            info: TargetInfo {
                name: address.to_string(),
                version: None,
                address: address.to_string(),
                transport,
                argument: Some(text.to_owned()),
                options: Vec::new(),
                snapshots: Kept::All,
            },
            launcher: Arc::new(Fixed::new(&address, &offered)),
            supports: told_by(
                match (transport.is_websocket(), transport.is_encrypted()) {
                    (true, true) => Supports::of(&["websocket", "tls"], &[]),
                    (true, false) => Supports::of(&["websocket"], &[]),
                    (false, true) => Supports::of(&["tls"], &[]),
                    (false, false) => Supports::default(),
                },
                connack.as_ref(),
            ),
            setups: Vec::new(),
            known: Vec::new(),
            broker_version: None,
            not_offered,
            states_versions: false,
            jobs: JOBS,
            instances: 1,
            isolate: false,
            tests: Side::Server,
        };
        let settings = Settings {
            dialer,
            limits: match connack {
                Some(_) => profile::limits(&target.supports),
                None => Limits::default(),
            },
            ..Settings::default()
        };
        Ok(Ready { target, settings })
    }

    async fn of_own(&self, launcher: &Arc<dyn Launcher>) -> Result<Ready, TargetError> {
        let mut settings = Settings::default();
        let mut not_offered = BTreeMap::new();
        let mut connack = None;
        if self.versions.is_none() {
            let instance = launcher.launch().await.map_err(TargetError::Start)?;
            if let Some(address) = Instance::address(&*instance, Version::V5) {
                let asked = self.ask(&settings.dialer, &address).await;
                instance.stop().await;
                let asked = asked?;
                (not_offered, connack) = (asked.not_offered, asked.connack);
            }
        }
        let mut target = own(launcher, not_offered);
        target.supports = told_by(target.supports, connack.as_ref());
        if connack.is_some() {
            settings.limits = profile::limits(&target.supports);
        }
        Ok(Ready { target, settings })
    }

    /// Which versions the broker at an address offers, and why it does not offer the others.
    async fn ask(&self, dialer: &Dialer, address: &Address) -> Result<Asked, TargetError> {
        if let Some(versions) = &self.versions {
            return Ok(Asked {
                offered: versions.clone(),
                ..Asked::default()
            });
        }
        let spoken = sut::probe(dialer, address, None, PROBE).await?;
        let not_offered = spoken
            .answers
            .iter()
            .filter_map(|(v, answer)| Some((*v, why_not(*v, answer)?)))
            .collect();
        let connack = spoken.v5_connack().and_then(|raw| {
            match decode_bytes(&Bytes::copy_from_slice(raw), Version::V5, Side::Server).packet {
                Some(Packet::ConnAck(connack)) => Some(connack),
                _ => None,
            }
        });
        Ok(Asked {
            offered: spoken.offered(),
            not_offered,
            connack,
        })
    }
}

/// What a broker says before anything is played.
#[derive(Default)]
struct Asked {
    offered: Vec<Version>,
    /// Why it does not offer the others.
    not_offered: BTreeMap<Version, String>,
    /// Its CONNACK of 5.0.
    connack: Option<ConnAck>,
}

fn told_by(supports: Supports, connack: Option<&ConnAck>) -> Supports {
    match connack {
        Some(connack) => supports.asking(connack),
        None => supports,
    }
}

/// A broker of the caller's own.
fn own(launcher: &Arc<dyn Launcher>, not_offered: BTreeMap<Version, String>) -> suite::Target {
    suite::Target {
        info: TargetInfo {
            name: "broker".to_owned(),
            version: None,
            address: "started by the caller".to_owned(),
            transport: Transport::Mqtt,
            argument: None,
            options: Vec::new(),
            snapshots: Kept::All,
        },
        launcher: Arc::clone(launcher),
        supports: Supports::default(),
        setups: Vec::new(),
        known: Vec::new(),
        broker_version: None,
        not_offered,
        states_versions: false,
        jobs: JOBS,
        instances: EMBEDDED_INSTANCES,
        isolate: false,
        tests: Side::Server,
    }
}

/// A dialer with these options. That certificates are not checked is warned of, each time.
pub(super) fn dialer(
    options: TlsOptions,
    needs_tls: bool,
    warn: &mut impl FnMut(Warning),
) -> Result<Dialer, TargetError> {
    if options.insecure {
        warn(Warning::Insecure);
    }
    let dialer = Dialer::new(options);
    if needs_tls {
        dialer.prepare()?;
    }
    Ok(dialer)
}

/// Why a version is not played; `None` if it is.
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
