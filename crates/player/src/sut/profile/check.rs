//! From the nodes of a profile to its meaning: addresses, times, versions, names. Every error has its place.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::super::template::{Words, port_words};
use super::{Auth, Endpoints, Kept, Login, Process, Profile, Transports};
use crate::source::{Diagnostic, Node, Reader, Reported, Source, every, meant, quoted};
use crate::statements::Version;
use crate::transport::tls::TlsOptions;
use crate::transport::{Address, DEFAULT_PORT, Dialer, Transport};

/// How long a broker may take to answer its first CONNECT, unless the profile says otherwise.
pub(super) const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a broker may take to end after SIGTERM, unless the profile says otherwise.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// The most cases or instances that a profile can ask for.
pub(super) const MOST_AT_ONCE: u64 = 1024;

/// The keys of a profile.
pub(super) const KEYS: [&str; 24] = [
    "name",
    "client",
    "process",
    "mqtt",
    "mqtts",
    "ws",
    "wss",
    "unix",
    "tls",
    "versions",
    "login",
    "settle",
    "response_timeout",
    "supports",
    "denies",
    "users",
    "auth",
    "jobs",
    "instances",
    "isolate",
    "snapshots",
    "setups",
    "known",
    "known_from",
];
/// Former names of keys, which stay valid, and their present names.
pub(super) const FORMER_KEYS: [(&str, &str); 1] = [("patience", "response_timeout")];
pub(super) const PROCESS_KEYS: [&str; 10] = [
    "command",
    "files",
    "files_over",
    "certificates",
    "env",
    "version",
    "install",
    "ready_timeout",
    "stop_timeout",
    "container",
];
pub(super) const TLS_KEYS: [&str; 5] = ["ca", "certificate", "key", "server_name", "insecure"];

/// Reads the nodes of one profile.
pub(super) struct Check<'a> {
    pub(super) file: &'a Path,
    pub(super) read: Reader<'a>,
    /// The files that have led here by `known_from`, the profile first.
    pub(super) chain: Vec<PathBuf>,
    /// Errors in the files of `known_from`.
    pub(super) elsewhere: Vec<Diagnostic>,
}

pub(super) type Checked<T> = Result<T, Reported>;

impl<'a> Check<'a> {
    pub(super) fn new(file: &'a Path, source: &'a Arc<Source>) -> Check<'a> {
        let read = Reader::new(source);
        Check {
            file,
            read,
            chain: Vec::new(),
            elsewhere: Vec::new(),
        }
    }
}

impl Check<'_> {
    /// The value of a key that may be missing.
    pub(super) fn given<T>(
        &mut self,
        map: &Node,
        key: &str,
        read: impl FnOnce(&mut Self, &Node) -> Checked<T>,
    ) -> Checked<Option<T>> {
        map.given(key).map(|node| read(self, node)).transpose()
    }

    /// The value of a mandatory key; `help` describes it.
    pub(super) fn needed<'n>(&mut self, map: &'n Node, key: &str, help: &str) -> Checked<&'n Node> {
        match map.given(key) {
            Some(node) => Ok(node),
            None => Err(self.missing(map, key, help)),
        }
    }

    fn missing(&mut self, map: &Node, key: &str, help: &str) -> Reported {
        let start = map.place.span.start;
        let place = self.read.source.place(start..start);
        self.read.error_help(&place, format!("missing key `{key}`"), help)
    }

    /// A key that is false if it is missing.
    pub(super) fn flag(&mut self, map: &Node, key: &str) -> Checked<bool> {
        let flag = self.given(map, key, |check, node| check.read.boolean(node, &format!("`{key}`")))?;
        Ok(flag.unwrap_or(false))
    }

    pub(super) fn string(&mut self, node: &Node, what: &str) -> Checked<String> {
        self.read.text(node, what).map(str::to_owned)
    }

    /// Text by name.
    fn strings(&mut self, node: &Node, what: &str) -> Checked<BTreeMap<String, String>> {
        let entries = self.read.entries(node, what)?;
        let found = every(entries, |(key, value)| {
            Ok((key.key().to_owned(), self.string(value, &quoted(key.key()))?))
        })?;
        Ok(found.into_iter().collect())
    }

    pub(super) fn profile(&mut self, root: &Node) -> Checked<Profile> {
        self.read.map_with_former(root, "a profile", &KEYS, &FORMER_KEYS)?;
        let starts = root.given("process").is_some();
        let name = self
            .needed(root, "name", "the name in reports and of the folder of snapshots")
            .and_then(|node| self.name(node));
        let client = self.client(root);
        let process = self.given(root, "process", Self::process);
        let transports = match root.given("client") {
            // The clients come to the script.
            Some(_) => Ok(Transports::only(
                Transport::Mqtt,
                Endpoints::One("mqtt://127.0.0.1".to_owned()),
            )),
            None => self.transports(root, starts),
        };
        let versions = self.versions(root, transports.as_ref().ok().map(Transports::in_use));
        let tls = self.given(root, "tls", Self::tls);
        let supports = self.given(root, "supports", |check, node| check.supports(node, starts));
        let isolate = self.flag(root, "isolate");
        if isolate == Ok(true) && !starts {
            let place = &root.key_of("isolate").unwrap_or(root).place;
            let message = "an instance for every case needs a `process` that can be started";
            self.read.error(place, message);
        }
        let login = self.given(root, "login", Self::login);
        let settle = self.given(root, "settle", |check, node| check.read.duration(node, "`settle`"));
        let response_timeout = match root.given("patience") {
            Some(_) => self.positive_duration(root, "patience"),
            None => self.positive_duration(root, "response_timeout"),
        };
        let denies = self.given(root, "denies", Self::denies);
        let users = self.given(root, "users", Self::users);
        let auth = self.given(root, "auth", Self::auth);
        let jobs = self.count(root, "jobs");
        let instances = self.count(root, "instances");
        let snapshots = self.given(root, "snapshots", Self::kept);
        let setups = self.given(root, "setups", |check, node| check.setups(node, starts));
        let known = self.all_known(root);

        let (process, transports) = (process?, transports?);
        let (client, command_line) = client?.unzip();
        let made = process.as_ref().is_some_and(|process| process.certificates.is_some());
        let mut supports = supports?.unwrap_or_default();
        let has = |any: [Transport; 2]| any.into_iter().any(|t| transports.has(t));
        supports.imply("websocket", has([Transport::Ws, Transport::Wss]));
        supports.imply("tls", has([Transport::Mqtts, Transport::Wss]));
        let profile = Profile {
            name: name?,
            supports,
            process,
            client,
            command_line: command_line.flatten(),
            transports,
            dialer: Dialer::new(TlsOptions {
                made,
                ..tls?.unwrap_or_default()
            }),
            versions: versions?,
            login: login?,
            settle: settle?.unwrap_or_default(),
            response_timeout: response_timeout?,
            denies: denies?.unwrap_or_default(),
            users: users?.unwrap_or_default(),
            auth: auth?,
            setups: Vec::new(),
            jobs: jobs?,
            instances: instances?,
            isolate: isolate?,
            snapshots: snapshots?.unwrap_or_default(),
            known: known?.into_iter().map(Arc::new).collect(),
            here: self.folder(),
            file: self.file.to_owned(),
        };
        let setups = setups?.unwrap_or_default().into_iter();
        let setups = setups
            .map(|(name, setup)| (name, Arc::new(setup.of(&profile))))
            .collect();
        Ok(Profile { setups, ..profile })
    }

    /// The folder of the file, for `$here`.
    fn folder(&self) -> PathBuf {
        let absolute = std::path::absolute(self.file).unwrap_or_else(|_| self.file.to_owned());
        absolute.parent().unwrap_or(Path::new("/")).to_owned()
    }

    pub(super) fn users(&mut self, node: &Node) -> Checked<BTreeMap<String, Login>> {
        let entries = self.read.entries(node, "`users`")?;
        let users = every(entries, |(name, node)| Ok((name.key().to_owned(), self.login(node)?)))?;
        Ok(users.into_iter().collect())
    }

    fn name(&mut self, node: &Node) -> Checked<String> {
        let name = self.string(node, "`name`")?;
        if Profile::is_name(&name) {
            Ok(name)
        } else {
            Err(self.read.error_help(
                &node.place,
                format!("{} cannot be the name of a target", quoted(&name)),
                format!("{}; it names a folder of snapshots", Profile::NAME),
            ))
        }
    }

    fn process(&mut self, node: &Node) -> Checked<Process> {
        self.read.map(node, "`process`", &PROCESS_KEYS)?;
        let command = self
            .needed(node, "command", COMMAND)
            .and_then(|node| self.command(node, "`command`"));
        let version = self.given(node, "version", |check, node| check.command(node, "`version`"));
        let files = self.given(node, "files", Self::files);
        let files_over = self.given(node, "files_over", Self::files_over);
        let certificates = self.given(node, "certificates", Self::certificates);
        let env = self.given(node, "env", Self::env);
        let install = self.given(node, "install", |check, node| check.string(node, "`install`"));
        let ready = self.positive_duration(node, "ready_timeout");
        let stop = self.positive_duration(node, "stop_timeout");
        let container = self.flag(node, "container");
        Ok(Process {
            command: command?,
            files: files?.unwrap_or_default(),
            files_over: files_over?.unwrap_or_default(),
            certificates: certificates?,
            env: env?.unwrap_or_default(),
            version: version?,
            install: install?,
            ready_timeout: ready?.unwrap_or(READY_TIMEOUT),
            stop_timeout: stop?.unwrap_or(STOP_TIMEOUT),
            container: container?,
        })
    }

    fn certificates(&mut self, node: &Node) -> Checked<String> {
        let folder = self.string(node, "`certificates`")?;
        if is_inside(&folder) {
            Ok(folder)
        } else {
            Err(self.read.error_help(
                &node.place,
                format!("{} is not the name of a folder inside $dir", quoted(&folder)),
                "a relative path without `..`, such as tls; ca.pem, server.pem and server.key are made there",
            ))
        }
    }

    pub(super) fn env(&mut self, node: &Node) -> Checked<BTreeMap<String, String>> {
        for (name, _) in self.read.entries(node, "`env`")? {
            if name.key().is_empty() || name.key().contains(['=', '\0']) {
                let message = format!("{} cannot be the name of an environment variable", quoted(name.key()));
                self.read.error(&name.place, message);
            }
        }
        self.strings(node, "`env`")
    }

    pub(super) fn files(&mut self, node: &Node) -> Checked<BTreeMap<String, String>> {
        for (name, _) in self.read.entries(node, "`files`")? {
            if !is_inside(name.key()) {
                self.read.error_help(
                    &name.place,
                    format!("{} is not a path inside $dir", quoted(name.key())),
                    "a relative path without `..`, such as broker.conf or data/init.lua",
                );
            }
        }
        self.strings(node, "`files`")
    }

    /// Files by the transport that they are for.
    pub(super) fn files_over(&mut self, node: &Node) -> Checked<BTreeMap<Transport, BTreeMap<String, String>>> {
        let entries = self.read.entries(node, "`files_over`")?;
        let found = every(entries, |(transport, files)| {
            let transport = self.transport(transport);
            let files = self.files(files)?;
            Ok((transport?, files))
        })?;
        Ok(found.into_iter().collect())
    }

    /// The name of a transport.
    pub(super) fn transport(&mut self, node: &Node) -> Checked<Transport> {
        let name = self.read.text(node, "a transport")?;
        name.parse().map_err(|_| {
            let names = Transport::ALL.map(Transport::name);
            self.read.unknown(&node.place, "transport", name, &names)
        })
    }

    /// A program and its arguments.
    pub(super) fn command(&mut self, node: &Node, what: &str) -> Checked<Vec<String>> {
        let items = self.read.list(node, what)?;
        let command = every(items, |item| self.string(item, "a program or an argument"))?;
        match command.first() {
            Some(program) if !program.is_empty() => Ok(command),
            _ => Err(self
                .read
                .error_help(&node.place, format!("{what} names no program"), COMMAND)),
        }
    }

    /// The addresses under the keys that are named after their transports.
    fn transports(&mut self, root: &Node, starts: bool) -> Checked<Transports> {
        let given = Transport::ALL
            .into_iter()
            .filter_map(|transport| Some((transport, root.given(transport.name())?)));
        let all = every(given, |(transport, node)| {
            Ok((transport, self.endpoints(node, transport, starts)?))
        })?;
        Transports::new(all.into_iter().collect()).ok_or_else(|| {
            self.missing(
                root,
                "mqtt",
                "where the broker is: mqtt://host:port; or mqtts, ws, wss or unix with an address of its own",
            )
        })
    }

    fn tls(&mut self, node: &Node) -> Checked<TlsOptions> {
        self.read.map(node, "`tls`", &TLS_KEYS)?;
        let here = self.folder();
        let words = Words {
            here: here.to_string_lossy().into_owned(),
            ..Words::default()
        };
        // A relative path is one from the profile's folder, wherever the run was started.
        let mut file = |key: &str| {
            let text = self.given(node, key, |check, node| check.string(node, &format!("`{key}`")))?;
            Ok(text.map(|text| here.join(words.fill(&text))))
        };
        let (ca, certificate, key) = (file("ca"), file("certificate"), file("key"));
        let server_name = self.given(node, "server_name", |check, node| check.string(node, "`server_name`"));
        let insecure = self.flag(node, "insecure");
        let options = TlsOptions {
            ca: ca?,
            certificate: certificate?,
            key: key?,
            server_name: server_name?,
            insecure: insecure?,
            ..TlsOptions::default()
        };
        if options.certificate.is_some() == options.key.is_some() {
            Ok(options)
        } else {
            Err(self.read.error_help(
                &node.place,
                "a client certificate and its key belong together",
                "{ certificate: client.pem, key: client.key }",
            ))
        }
    }

    /// One address, or one for each version.
    pub(super) fn endpoints(&mut self, node: &Node, transport: Transport, starts: bool) -> Checked<Endpoints> {
        let help = "an address such as mqtt://127.0.0.1:$port, or a map with one for each version";
        if node.text().is_some() {
            return self.endpoint(node, transport, starts).map(Endpoints::One);
        }
        let Some(entries) = node.map() else {
            let message = format!("`{transport}` is text or a map, not {}", node.kind());
            return Err(self.read.error_help(&node.place, message, help));
        };
        if entries.is_empty() {
            let message = format!("`{transport}` has no address");
            return Err(self.read.error_help(&node.place, message, help));
        }
        let mut addresses = BTreeMap::new();
        every(entries, |(key, node)| {
            let version = self.version(key);
            let address = self.endpoint(node, transport, starts)?;
            let version = version?;
            match addresses.insert(version, address) {
                None => Ok(()),
                Some(_) => Err(self.read.error(&key.place, format!("{version} has two addresses here"))),
            }
        })?;
        Ok(Endpoints::PerVersion(addresses))
    }

    /// Checks an address with any port for `$port`.
    fn endpoint(&mut self, node: &Node, transport: Transport, starts: bool) -> Checked<String> {
        let text = self.read.text(node, "an address")?;
        let ports = port_words(text);
        if let (Some(word), false) = (ports.first(), starts) {
            return Err(self.read.error_help(
                &node.place,
                format!("`${word}` without a `process`: no port is chosen for a broker that is not started"),
                "write the port, or say under `process` how to start the broker",
            ));
        }
        let words = Words {
            ports: ports.iter().map(|word| (word.to_string(), DEFAULT_PORT)).collect(),
            ..Words::default()
        };
        match words.fill(text).parse::<Address>() {
            Ok(address) if address.transport() != transport => Err(self.read.error_help(
                &node.place,
                format!("{} is no {transport} address", quoted(text)),
                format!("it belongs under `{}`", address.transport()),
            )),
            Ok(_) => Ok(text.to_owned()),
            Err(e) => Err(self.read.error(&node.place, e.to_string())),
        }
    }

    fn version(&mut self, node: &Node) -> Checked<Version> {
        let text = self.read.text(node, "a version")?;
        text.parse().map_err(|_| {
            let names = Version::ALL.map(Version::name);
            self.read.unknown(&node.place, "version", text, &names)
        })
    }

    /// The versions that are played, oldest first; without the key, those that have an address of their own.
    fn versions(&mut self, root: &Node, addresses: Option<&Endpoints>) -> Checked<Option<Vec<Version>>> {
        let addressed = match addresses {
            Some(Endpoints::PerVersion(map)) => Some(map.keys().copied().collect::<Vec<_>>()),
            _ => None,
        };
        let Some(node) = root.given("versions") else {
            return Ok(addressed);
        };
        let mut versions = Vec::new();
        every(self.read.list(node, "`versions`")?, |item| {
            let version = self.version(item)?;
            let message = match &addressed {
                _ if versions.contains(&version) => format!("{version} is listed twice"),
                Some(addressed) if !addressed.contains(&version) => format!("{version} has no address under `mqtt`"),
                _ => {
                    versions.push(version);
                    return Ok(());
                }
            };
            Err(self.read.error(&item.place, message))
        })?;
        if versions.is_empty() {
            return Err(self.read.error_help(
                &node.place,
                "no version",
                "some of v3.1, v3.1.1 and v5; without the key, mqttspec asks the broker",
            ));
        }
        versions.sort();
        Ok(Some(versions))
    }

    pub(super) fn login(&mut self, node: &Node) -> Checked<Login> {
        self.read.map(node, "a login", &["username", "password"])?;
        let username = self.login_part(node, "username");
        let password = self.login_part(node, "password");
        let (username, password) = (username?, password?);
        if username.is_none() && password.is_none() {
            return Err(self.read.error_help(
                &node.place,
                "a login without username and password",
                "{ username: u, password: p }",
            ));
        }
        Ok(Login { username, password })
    }

    fn login_part(&mut self, node: &Node, part: &str) -> Checked<Option<String>> {
        let text = self.given(node, part, |check, node| check.string(node, &format!("`{part}`")))?;
        if text.as_ref().is_some_and(|text| text.len() > usize::from(u16::MAX)) {
            let message = format!("a {part} of more than 65535 bytes does not fit into a CONNECT");
            // At its key: the value is secret.
            let place = &node.key_of(part).unwrap_or(node).place;
            let error = Diagnostic::new(self.read.source, place, message).without_text();
            return Err(self.read.report(error));
        }
        Ok(text)
    }

    pub(super) fn auth(&mut self, node: &Node) -> Checked<Auth> {
        self.read.map(node, "`auth`", &["method", "good", "bad"])?;
        let method = self
            .needed(node, "method", "the Authentication Method")
            .and_then(|node| match self.read.text(node, "`method`")? {
                "" => Err(self.read.error(&node.place, "an empty authentication method")),
                method => Ok(method.to_owned()),
            });
        let good = self.given(node, "good", |check, node| check.hex_list(node, "`good`"));
        let bad = self.given(node, "bad", |check, node| check.hex_list(node, "`bad`"));
        Ok(Auth {
            method: method?,
            good: good?.unwrap_or_default(),
            bad: bad?.unwrap_or_default(),
        })
    }

    fn hex_list(&mut self, node: &Node, what: &str) -> Checked<Vec<Vec<u8>>> {
        every(self.read.list(node, what)?, |item| {
            let text = self.read.text(item, "authentication data")?;
            let digits: String = text.split_whitespace().collect();
            hex::decode(digits).map_err(|e| {
                self.read.error_help(
                    &item.place,
                    format!("{} is not hex: {e}", quoted(text)),
                    "pairs of hex digits, such as \"00 1f ff\"",
                )
            })
        })
    }

    pub(super) fn denies(&mut self, node: &Node) -> Checked<Vec<String>> {
        every(self.read.list(node, "`denies`")?, |item| {
            match self.read.text(item, "a topic filter")? {
                "" => Err(self.read.error(&item.place, "an empty topic filter")),
                filter => Ok(filter.to_owned()),
            }
        })
    }

    fn count(&mut self, root: &Node, key: &str) -> Checked<Option<usize>> {
        self.given(root, key, |check, node| {
            match node.text().and_then(|text| text.parse().ok()) {
                Some(count) if (1..=MOST_AT_ONCE).contains(&count) => Ok(count as usize),
                _ => {
                    let message = format!("`{key}` is a number from 1 to {MOST_AT_ONCE}, not {}", node.shown());
                    Err(check.read.error(&node.place, message))
                }
            }
        })
    }

    fn kept(&mut self, node: &Node) -> Checked<Kept> {
        match node.text() {
            Some("all") => Ok(Kept::All),
            Some("failures") => Ok(Kept::Failures),
            _ => Err(self.read.error_help(
                &node.place,
                format!("`snapshots` is all or failures, not {}", node.shown()),
                meant(node.text().unwrap_or_default(), ["all", "failures"], || {
                    "`all` keeps every case, `failures` those that do not pass and one file with every verdict"
                        .to_owned()
                }),
            )),
        }
    }

    pub(super) fn positive_duration(&mut self, map: &Node, key: &str) -> Checked<Option<Duration>> {
        self.given(map, key, |check, node| {
            match check.read.duration(node, &format!("`{key}`"))? {
                Duration::ZERO => Err(check.read.error(&node.place, format!("`{key}` cannot be 0"))),
                span => Ok(span),
            }
        })
    }
}

/// What a command is, for messages.
pub(super) const COMMAND: &str =
    "a list of the program and its arguments, such as [mosquitto, -c, $dir/mosquitto.conf]";

/// Whether a path stays below the folder that it is relative to.
fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}
