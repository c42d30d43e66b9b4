//! The setups of a profile: the same broker, configured in another way.

use std::collections::BTreeMap;

use super::check::{Check, Checked};
use super::{Auth, Endpoints, Login, Profile, Supports, Transports};
use crate::source::{Node, every};
use crate::transport::Transport;

/// The keys of a setup.
pub(super) const KEYS: [&str; 10] = [
    "command",
    "files_over",
    "files",
    "env",
    "mqtt",
    "login",
    "supports",
    "denies",
    "users",
    "auth",
];

/// What a setup says.
pub(super) struct Setup {
    command: Option<Vec<String>>,
    files: BTreeMap<String, String>,
    files_over: BTreeMap<Transport, BTreeMap<String, String>>,
    env: BTreeMap<String, String>,
    mqtt: Option<Endpoints>,
    login: Option<Login>,
    supports: Supports,
    denies: Option<Vec<String>>,
    users: BTreeMap<String, Login>,
    auth: Option<Auth>,
}

impl Setup {
    /// The setup as a profile of its own: `base`, with what the setup says in its place. Files, environment, `supports`
    /// and `users` are added to those of the base; everything else replaces it.
    pub(super) fn of(self, base: &Profile) -> Profile {
        let mut setup = base.clone();
        if let Some(process) = &mut setup.process {
            if let Some(command) = self.command {
                process.command = command;
            }
            process.files.extend(self.files);
            for (transport, files) in self.files_over {
                process.files_over.entry(transport).or_default().extend(files);
            }
            process.env.extend(self.env);
        }
        if let Some(endpoints) = self.mqtt {
            setup.transports = match setup.process {
                Some(_) => setup.transports.and(Transport::Mqtt, endpoints),
                // The other addresses of the base are those of another broker.
                None => Transports::only(Transport::Mqtt, endpoints),
            };
        }
        setup.login = self.login.or(setup.login);
        setup.denies = self.denies.unwrap_or(setup.denies);
        setup.auth = self.auth.or(setup.auth);
        setup.users.extend(self.users);
        setup.supports = base.supports.with(&self.supports);
        setup
    }
}

impl Check<'_> {
    /// The setups in the order of their names; `starts` if the profile says how to start the broker.
    pub(super) fn setups(&mut self, node: &Node, starts: bool) -> Checked<Vec<(String, Setup)>> {
        let entries = self.read.entries(node, "`setups`")?;
        let mut setups = every(entries, |(name, node)| {
            Ok((name.key().to_owned(), self.setup(name, node, starts)?))
        })?;
        setups.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(setups)
    }

    fn setup(&mut self, name: &Node, node: &Node, starts: bool) -> Checked<Setup> {
        self.read.map(node, "a setup", &KEYS)?;
        let configures = ["command", "files", "env"].iter().any(|key| node.given(key).is_some());
        if !starts && (configures || node.given("mqtt").is_none()) {
            let message = if configures {
                "a setup that starts a broker in a profile without a `process`"
            } else {
                "a setup without an address of its own"
            };
            let help = "the address of the broker with this configuration, under `mqtt`";
            return Err(self.read.error_help(&name.place, message, help));
        }
        let command = self.given(node, "command", |check, node| check.command(node, "`command`"));
        let files = self.given(node, "files", Self::files);
        let files_over = self.given(node, "files_over", Self::files_over);
        let env = self.given(node, "env", Self::env);
        let mqtt = self.given(node, "mqtt", |check, node| {
            check.endpoints(node, Transport::Mqtt, starts)
        });
        let login = self.given(node, "login", Self::login);
        let supports = self.given(node, "supports", |check, node| check.supports(node, starts));
        let denies = self.given(node, "denies", Self::denies);
        let users = self.given(node, "users", Self::users);
        let auth = self.given(node, "auth", Self::auth);
        Ok(Setup {
            command: command?,
            files: files?.unwrap_or_default(),
            files_over: files_over?.unwrap_or_default(),
            env: env?.unwrap_or_default(),
            mqtt: mqtt?,
            login: login?,
            supports: supports?.unwrap_or_default(),
            denies: denies?,
            users: users?.unwrap_or_default(),
            auth: auth?,
        })
    }
}
