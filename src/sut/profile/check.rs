//! From the form of a profile to its meaning: addresses, times, versions, names. Every error has its place.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;

use super::super::address::Address;
use super::super::dial::Dialer;
use super::super::glob::Glob;
use super::super::template::{Words, port_words};
use super::yaml::Places;
use super::{
    Auth, Endpoints, Fails, Kept, Known, Login, Process, Profile, ProfileError, Supports, Transports, duration, raw,
};
use crate::statements::Version;
use crate::transport::tls::TlsOptions;
use crate::transport::{Transport, UnknownTransport};

/// How long a broker may take to answer its first CONNECT, unless the profile says otherwise.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a broker may take to end after SIGTERM, unless the profile says otherwise.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// The most cases or instances that a profile can ask for.
const MOST_AT_ONCE: u32 = 1024;

pub(super) struct Check<'a> {
    pub(super) file: &'a Path,
    pub(super) source: &'a Arc<str>,
    pub(super) places: &'a Places,
}

pub(super) type Checked<T> = Result<T, ProfileError>;

impl Check<'_> {
    /// An error at the value of `path`.
    pub(super) fn error(&self, path: &str, message: impl Into<String>) -> ProfileError {
        let place = self.places.value(path).or_else(|| self.places.key(path));
        ProfileError::at(self.file, self.source, place, message)
    }

    /// An error at the key of `path`.
    pub(super) fn key_error(&self, path: &str, message: impl Into<String>) -> ProfileError {
        ProfileError::at(self.file, self.source, self.places.key(path), message)
    }

    pub(super) fn profile(&self, raw: raw::Profile) -> Checked<Profile> {
        let process = raw.process.map(|process| self.process(process)).transpose()?;
        let addresses = [
            (Transport::Mqtt, raw.mqtt),
            (Transport::Mqtts, raw.mqtts),
            (Transport::Ws, raw.ws),
            (Transport::Wss, raw.wss),
            (Transport::Unix, raw.unix),
        ];
        let transports = self.transports(addresses, process.is_some())?;
        let versions = self.versions(raw.versions, transports.in_use())?;
        let made = process.as_ref().is_some_and(|process| process.certificates.is_some());
        let dialer = Dialer::new(self.tls(raw.tls, made)?);
        let mut supports = self.supports("supports", raw.supports, process.is_some())?;
        supports.imply(
            "websocket",
            transports.has(Transport::Ws) || transports.has(Transport::Wss),
        );
        supports.imply(
            "tls",
            transports.has(Transport::Mqtts) || transports.has(Transport::Wss),
        );
        if raw.isolate && process.is_none() {
            return Err(self.key_error(
                "isolate",
                "an instance for every case needs a `process` that can be started",
            ));
        }
        let absolute = std::path::absolute(self.file).unwrap_or_else(|_| self.file.to_owned());
        let profile = Profile {
            name: self.name(raw.name)?,
            supports,
            process,
            transports,
            dialer,
            versions,
            login: raw.login.map(|login| self.login("login", login)).transpose()?,
            settle: self.duration("settle", raw.settle.as_deref())?.unwrap_or_default(),
            patience: self.positive_duration("patience", raw.patience.as_deref())?,
            denies: self.denies("denies", raw.denies)?,
            users: self.users("users", raw.users)?,
            auth: raw.auth.map(|auth| self.auth("auth", auth)).transpose()?,
            setups: Vec::new(),
            jobs: self.count("jobs", raw.jobs)?,
            instances: self.count("instances", raw.instances)?,
            isolate: raw.isolate,
            snapshots: self.kept(raw.snapshots.as_deref())?,
            known: self.known(raw.known)?,
            here: absolute.parent().unwrap_or(Path::new("/")).to_owned(),
            file: self.file.to_owned(),
            source: self.source.clone(),
        };
        let setups = self.setups(&profile, raw.setups)?;
        Ok(Profile { setups, ..profile })
    }

    pub(super) fn users(&self, path: &str, raw: BTreeMap<String, raw::Login>) -> Checked<BTreeMap<String, Login>> {
        raw.into_iter()
            .map(|(name, login)| {
                let login = self.login(&format!("{path}.{name}"), login)?;
                Ok((name, login))
            })
            .collect()
    }

    fn name(&self, name: String) -> Checked<String> {
        let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            // insta cuts a name at two underscores.
            && !name.contains("__")
            && name.len() <= 64;
        match fits {
            true => Ok(name),
            false => Err(self
                .error("name", format!("`{name}` cannot be the name of a target"))
                .help("at most 64 letters, digits, `.`, `-` and single `_`, a letter or a digit first; it names a folder of snapshots")),
        }
    }

    fn process(&self, raw: raw::Process) -> Checked<Process> {
        self.command("process.command", &raw.command)?;
        if let Some(version) = &raw.version {
            self.command("process.version", version)?;
        }
        self.surroundings("process", &raw.files, &raw.files_over, &raw.env)?;
        if let Some(folder) = raw.certificates.as_ref().filter(|folder| !is_inside(folder)) {
            let message = format!("`{folder}` is not the name of a folder inside $dir");
            return Err(self
                .error("process.certificates", message)
                .help("a relative path without `..`, such as tls; ca.pem, server.pem and server.key are made there"));
        }
        let ready = self.positive_duration("process.ready_timeout", raw.ready_timeout.as_deref())?;
        let stop = self.positive_duration("process.stop_timeout", raw.stop_timeout.as_deref())?;
        Ok(Process {
            command: raw.command,
            files: raw.files,
            files_over: self.files_over("process", raw.files_over)?,
            certificates: raw.certificates,
            env: raw.env,
            version: raw.version,
            install: raw.install,
            ready_timeout: ready.unwrap_or(READY_TIMEOUT),
            stop_timeout: stop.unwrap_or(STOP_TIMEOUT),
        })
    }

    /// The files and the environment of a process.
    pub(super) fn surroundings(
        &self,
        path: &str,
        files: &BTreeMap<String, String>,
        files_over: &BTreeMap<String, BTreeMap<String, String>>,
        env: &BTreeMap<String, String>,
    ) -> Checked<()> {
        self.files(&format!("{path}.files"), files)?;
        for (transport, files) in files_over {
            self.files(&format!("{path}.files_over.{transport}"), files)?;
        }
        for name in env.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                let path = format!("{path}.env.{name}");
                return Err(self.key_error(&path, format!("`{name}` cannot be the name of an environment variable")));
            }
        }
        Ok(())
    }

    fn files(&self, path: &str, files: &BTreeMap<String, String>) -> Checked<()> {
        match files.keys().find(|file| !is_inside(file)) {
            None => Ok(()),
            Some(file) => Err(self
                .key_error(&format!("{path}.{file}"), format!("`{file}` is not a path inside $dir"))
                .help("a relative path without `..`, such as broker.conf or data/init.lua")),
        }
    }

    /// Files by the transport that they are for.
    pub(super) fn files_over(
        &self,
        path: &str,
        raw: BTreeMap<String, BTreeMap<String, String>>,
    ) -> Checked<BTreeMap<Transport, BTreeMap<String, String>>> {
        let by_transport = |(name, files): (String, _)| {
            let transport = name
                .parse()
                .map_err(|e: UnknownTransport| self.key_error(&format!("{path}.files_over.{name}"), e.to_string()))?;
            Ok((transport, files))
        };
        raw.into_iter().map(by_transport).collect()
    }

    pub(super) fn command(&self, path: &str, command: &[String]) -> Checked<()> {
        match command.first() {
            Some(program) if !program.is_empty() => Ok(()),
            _ => Err(self
                .error(path, format!("{path} names no program"))
                .help("a list of the program and its arguments, such as [mosquitto, -c, $dir/mosquitto.conf]")),
        }
    }

    /// The addresses under the keys that are named after their transports.
    fn transports(&self, raw: [(Transport, Option<raw::Mqtt>); 5], has_process: bool) -> Checked<Transports> {
        let mut all = BTreeMap::new();
        for (transport, raw) in raw {
            if let Some(raw) = raw {
                all.insert(
                    transport,
                    self.endpoints(transport.name(), transport, raw, has_process)?,
                );
            }
        }
        Transports::new(all).ok_or_else(|| {
            self.error("", "missing key `mqtt`")
                .help("where the broker is: mqtt://host:port; or mqtts, ws, wss or unix with an address of its own")
        })
    }

    fn tls(&self, raw: Option<raw::Tls>, made: bool) -> Checked<TlsOptions> {
        let Some(raw) = raw else {
            return Ok(TlsOptions {
                made,
                ..TlsOptions::default()
            });
        };
        let here = std::path::absolute(self.file).unwrap_or_else(|_| self.file.to_owned());
        let here = here.parent().unwrap_or(Path::new("/"));
        let words = Words {
            here: here.to_string_lossy().into_owned(),
            ..Words::default()
        };
        // A relative path is one from the profile's folder, wherever the run was started.
        let file = |text: Option<String>| text.map(|text| here.join(words.fill(&text)));
        if raw.certificate.is_some() != raw.key.is_some() {
            return Err(self
                .error("tls", "a client certificate and its key belong together")
                .help("{ certificate: client.pem, key: client.key }"));
        }
        Ok(TlsOptions {
            ca: file(raw.ca),
            certificate: file(raw.certificate),
            key: file(raw.key),
            server_name: raw.server_name,
            insecure: raw.insecure,
            made,
        })
    }

    pub(super) fn endpoints(
        &self,
        path: &str,
        transport: Transport,
        raw: raw::Mqtt,
        has_process: bool,
    ) -> Checked<Endpoints> {
        match raw {
            raw::Mqtt::One(text) => {
                self.endpoint(transport, path, &text, has_process)?;
                Ok(Endpoints::One(text))
            }
            raw::Mqtt::PerVersion(map) if map.is_empty() => Err(self
                .error(path, format!("`{transport}` has no address"))
                .help("mqtt://host:port, or one for each version")),
            raw::Mqtt::PerVersion(map) => {
                let mut addresses = BTreeMap::new();
                for (version, text) in map {
                    let path = format!("{path}.{version}");
                    self.endpoint(transport, &path, &text, has_process)?;
                    let version = self.version(&version).map_err(|e| self.key_error(&path, e))?;
                    if addresses.insert(version, text).is_some() {
                        return Err(self.key_error(&path, format!("{version} has two addresses here")));
                    }
                }
                Ok(Endpoints::PerVersion(addresses))
            }
        }
    }

    /// Checks an address with any port for `$port`.
    fn endpoint(&self, transport: Transport, path: &str, text: &str, has_process: bool) -> Checked<()> {
        let ports = port_words(text);
        if let (Some(word), false) = (ports.first(), has_process) {
            return Err(self
                .error(
                    path,
                    format!("`${word}` without a `process`: no port is chosen for a broker that is not started"),
                )
                .help("write the port, or say under `process` how to start the broker"));
        }
        let words = Words {
            ports: ports
                .iter()
                .map(|word| (word.to_string(), super::super::address::DEFAULT_PORT))
                .collect(),
            ..Words::default()
        };
        match words.fill(text).parse::<Address>() {
            Ok(address) if address.transport() != transport => {
                let other = address.transport();
                let message = format!("`{text}` is no {transport} address");
                Err(self.error(path, message).help(format!("it belongs under `{other}`")))
            }
            Ok(_) => Ok(()),
            Err(e) => Err(self.error(path, e.to_string())),
        }
    }

    fn version(&self, text: &str) -> Result<Version, String> {
        text.parse::<Version>().map_err(|e| e.to_string())
    }

    fn versions(&self, raw: Option<Vec<String>>, mqtt: &Endpoints) -> Checked<Option<Vec<Version>>> {
        let addressed = match mqtt {
            Endpoints::One(_) => None,
            Endpoints::PerVersion(map) => Some(map.keys().copied().collect::<Vec<_>>()),
        };
        let Some(list) = raw else { return Ok(addressed) };
        let mut versions = Vec::new();
        for (i, text) in list.iter().enumerate() {
            let path = format!("versions[{i}]");
            let version = self.version(text).map_err(|e| self.error(&path, e))?;
            if versions.contains(&version) {
                return Err(self.error(&path, format!("{version} stands here twice")));
            }
            if addressed
                .as_ref()
                .is_some_and(|addressed| !addressed.contains(&version))
            {
                return Err(self.error(&path, format!("{version} has no address under `mqtt`")));
            }
            versions.push(version);
        }
        if versions.is_empty() {
            return Err(self
                .error("versions", "no version at all")
                .help("some of v3.1, v3.1.1 and v5; without the key the broker is asked"));
        }
        versions.sort();
        Ok(Some(versions))
    }

    pub(super) fn login(&self, path: &str, raw: raw::Login) -> Checked<Login> {
        if raw.username.is_none() && raw.password.is_none() {
            return Err(self
                .error(path, "a login without username and password")
                .help("{ username: u, password: p }"));
        }
        for (part, text) in [("username", &raw.username), ("password", &raw.password)] {
            if text.as_ref().is_some_and(|text| text.len() > usize::from(u16::MAX)) {
                let message = format!("a {part} of more than 65535 bytes does not fit into a CONNECT");
                // At its key: the value is nobody's to see.
                return Err(self.key_error(&format!("{path}.{part}"), message).without_source());
            }
        }
        Ok(Login {
            username: raw.username,
            password: raw.password,
        })
    }

    pub(super) fn auth(&self, path: &str, raw: raw::Auth) -> Checked<Auth> {
        let bytes = |list: &str, texts: Vec<String>| {
            texts
                .iter()
                .enumerate()
                .map(|(i, text)| {
                    let digits: String = text.split_whitespace().collect();
                    hex::decode(digits).map_err(|e| {
                        self.error(&format!("{path}.{list}[{i}]"), format!("`{text}` is not hex: {e}"))
                            .help("pairs of hex digits, such as \"00 1f ff\"")
                    })
                })
                .collect::<Checked<Vec<_>>>()
        };
        if raw.method.is_empty() {
            return Err(self.error(&format!("{path}.method"), "an empty authentication method"));
        }
        Ok(Auth {
            good: bytes("good", raw.good)?,
            bad: bytes("bad", raw.bad)?,
            method: raw.method,
        })
    }

    pub(super) fn supports(&self, path: &str, raw: Vec<raw::Support>, has_process: bool) -> Checked<Supports> {
        let mut supports = Supports::default();
        for (i, entry) in raw.iter().enumerate() {
            let path = format!("{path}[{i}]");
            supports
                .add(&entry.name, &entry.value)
                .map_err(|(what, allowed)| self.error(&path, what).help(allowed))?;
            if !has_process && ["restart", "persistence", "durable"].contains(&entry.name.as_str()) {
                let what = format!(
                    "`{}` without a `process`: only a broker that is started can be restarted",
                    entry.name
                );
                return Err(self.error(&path, what));
            }
        }
        Ok(supports)
    }

    pub(super) fn denies(&self, path: &str, raw: Vec<String>) -> Checked<Vec<String>> {
        match raw.iter().position(String::is_empty) {
            Some(i) => Err(self.error(&format!("{path}[{i}]"), "an empty topic filter")),
            None => Ok(raw),
        }
    }

    fn count(&self, path: &str, raw: Option<u32>) -> Checked<Option<usize>> {
        match raw {
            Some(count) if count == 0 || count > MOST_AT_ONCE => Err(self
                .error(path, format!("`{path}: {count}`"))
                .help(format!("a number from 1 to {MOST_AT_ONCE}"))),
            count => Ok(count.map(|count| count as usize)),
        }
    }

    fn kept(&self, raw: Option<&str>) -> Checked<Kept> {
        match raw {
            None | Some("all") => Ok(Kept::All),
            Some("failures") => Ok(Kept::Failures),
            Some(other) => Err(self
                .error("snapshots", format!("`snapshots: {other}`"))
                .help("`all` keeps every case, `failures` those that do not pass and one file with every verdict")),
        }
    }

    fn duration(&self, path: &str, raw: Option<&str>) -> Checked<Option<Duration>> {
        raw.map(|text| duration::parse_duration(text).map_err(|e| self.error(path, e).help(duration::FORM)))
            .transpose()
    }

    fn positive_duration(&self, path: &str, raw: Option<&str>) -> Checked<Option<Duration>> {
        match self.duration(path, raw)? {
            Some(Duration::ZERO) => Err(self.error(path, format!("`{path}` cannot be 0"))),
            span => Ok(span),
        }
    }

    fn known(&self, raw: Vec<raw::Known>) -> Checked<Vec<Known>> {
        raw.into_iter()
            .enumerate()
            .map(|(i, entry)| self.known_entry(&format!("known[{i}]"), entry))
            .collect()
    }

    fn known_entry(&self, path: &str, raw: raw::Known) -> Checked<Known> {
        let at = |key: &str| format!("{path}.{key}");
        let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
        if raw.case.trim().is_empty() {
            return Err(self
                .error(&at("case"), "`case` is empty")
                .help("the id of a case, or a glob such as qos2/*@v5"));
        }
        if !raw.untriaged {
            if !filled(&raw.because) {
                return Err(self
                    .error(path, "a known deviation without its reason")
                    .help("`because` says in a few words what the broker does instead"));
            }
            if !filled(&raw.see) && !filled(&raw.bytes) {
                return Err(self
                    .error(path, "a known deviation without a link or bytes")
                    .help("`see` is a link to more, `bytes` the exchange that shows it; one of them is needed"));
            }
        }
        if raw.sometimes && raw.varies {
            return Err(self
                .error(&at("varies"), "`sometimes` and `varies` exclude each other")
                .help("`varies` is for what fails in every run, and not always in the same way; `sometimes` is for what may pass"));
        }
        let fails = match raw.fails.trim() {
            "" => {
                let help = "the statement (v5:MQTT-3.1.2-3), the step that fails, or crash";
                return Err(self.error(&at("fails"), "`fails` is empty").help(help));
            }
            "crash" => Fails::Crash,
            text => Fails::By(text.to_owned()),
        };
        let broker = match raw.broker.as_deref().map(str::parse) {
            Some(Err(e)) => return Err(self.error(&at("broker"), e)),
            Some(Ok(condition)) => Some(condition),
            None => None,
        };
        let transport = |(i, name): (usize, &String)| {
            name.parse()
                .map_err(|e: UnknownTransport| self.error(&format!("{path}.over[{i}]"), e.to_string()))
        };
        let over = raw
            .over
            .iter()
            .enumerate()
            .map(transport)
            .collect::<Checked<Vec<_>>>()?;
        Ok(Known {
            case: Glob::new(raw.case.trim()),
            fails,
            broker,
            over,
            sometimes: raw.sometimes,
            varies: raw.varies,
            because: raw.because.unwrap_or_default(),
            see: raw.see,
            bytes: raw.bytes,
            untriaged: raw.untriaged,
            place: self.places.value(&at("case")),
        })
    }
}

/// Whether a path stays below the folder that it is relative to.
fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}
