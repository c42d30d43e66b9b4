//! `client`: a target that is a client library, and how its adapter is started.

use super::Process;
use super::check::{COMMAND, Check, Checked, READY_TIMEOUT};
use crate::source::Node;

/// The keys of `client`.
pub(super) const CLIENT_KEYS: [&str; 4] = ["adapter", "env", "install", "ready_timeout"];

/// Keys of a profile that mean nothing if the target is a client.
pub(super) const BROKER_KEYS: [&str; 13] = [
    "process",
    "mqtt",
    "mqtts",
    "ws",
    "wss",
    "unix",
    "tls",
    "login",
    "denies",
    "users",
    "auth",
    "instances",
    "setups",
];

impl Check<'_> {
    /// `client: { adapter: [python3, adapter.py] }`; `None` if the target is a broker.
    pub(super) fn client(&mut self, root: &Node) -> Checked<Option<Process>> {
        let Some(node) = root.given("client") else {
            return Ok(None);
        };
        if let Some(key) = BROKER_KEYS.iter().find_map(|key| root.given(key).and(root.key_of(key))) {
            let message = format!("`{}` means nothing beside `client`", key.key());
            let help = "the target is a client library, and the script plays the broker";
            return Err(self.read.error_help(&key.place, message, help));
        }
        self.read.map(node, "`client`", &CLIENT_KEYS)?;
        let command = self
            .needed(node, "adapter", COMMAND)
            .and_then(|node| self.command(node, "`adapter`"));
        let env = self.given(node, "env", Self::env);
        let install = self.given(node, "install", |check, node| check.string(node, "`install`"));
        let ready = self.positive_duration(node, "ready_timeout");
        Ok(Some(Process {
            env: env?.unwrap_or_default(),
            install: install?,
            ..Process::of_command(command?, ready?.unwrap_or(READY_TIMEOUT))
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::sut::Profile;
    use crate::wire::Side;

    #[test]
    fn a_client_has_an_adapter_and_no_address() {
        let text = "name: lib\nclient: { adapter: [python3, $here/a.py] }\n";
        let profile = Profile::parse(text, Path::new("lib.yaml")).unwrap();
        assert_eq!(profile.tests(), Side::Client);
        assert_eq!(profile.client.unwrap().command, ["python3", "$here/a.py"]);
        let wrong = |more: &str| {
            Profile::parse(&format!("{text}{more}"), Path::new("lib.yaml"))
                .unwrap_err()
                .to_string()
        };
        assert!(wrong("mqtt: mqtt://127.0.0.1\n").contains("`mqtt` means nothing beside `client`"));
        let none = Profile::parse("name: lib\nclient: {}\n", Path::new("lib.yaml"))
            .unwrap_err()
            .to_string();
        assert!(none.contains("missing key `adapter`"), "{none}");
    }
}
