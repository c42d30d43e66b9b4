//! `client`: a target that is a client library behind an adapter, or a command.

use std::collections::BTreeMap;

use super::Process;
use super::check::{COMMAND, Check, Checked, READY_TIMEOUT};
use super::command_line::{CommandLine, HowToDisconnect, OPTIONS};
use crate::source::{Node, every};
use crate::statements::Version;

/// The keys of `client`, first those of both kinds, then those of commands.
pub(super) const CLIENT_KEYS: [&str; 11] = [
    "adapter",
    "command",
    "env",
    "install",
    "ready_timeout",
    "version",
    "speaks",
    "options",
    "input",
    "disconnect",
    "leaves",
];

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
    /// `client: { adapter: [python3, adapter.py] }`, or `client: { command: [...] }`; `None` if the target is a broker.
    pub(super) fn client(&mut self, root: &Node) -> Checked<Option<(Process, Option<CommandLine>)>> {
        let Some(node) = root.given("client") else {
            return Ok(None);
        };
        if let Some(key) = BROKER_KEYS.iter().find_map(|key| root.given(key).and(root.key_of(key))) {
            let message = format!("`{}` means nothing beside `client`", key.key());
            let help = "the target is a client library, and the script plays the broker";
            return Err(self.read.error_help(&key.place, message, help));
        }
        self.read.map(node, "`client`", &CLIENT_KEYS)?;
        let is_command = node.given("command").is_some();
        let (kind, other) = if is_command {
            ("command", &CLIENT_KEYS[..1])
        } else {
            ("adapter", &CLIENT_KEYS[5..])
        };
        if let Some(key) = other.iter().find_map(|key| node.given(key).and(node.key_of(key))) {
            let message = format!("`{}` means nothing beside `{kind}`", key.key());
            let help = "a client library has an `adapter`; a program that does one thing is a `command`";
            return Err(self.read.error_help(&key.place, message, help));
        }
        let command = self
            .needed(node, kind, COMMAND)
            .and_then(|node| self.command(node, &format!("`{kind}`")));
        let env = self.given(node, "env", Self::env);
        let install = self.given(node, "install", |check, node| check.string(node, "`install`"));
        let ready = self.positive_duration(node, "ready_timeout");
        let version = self.given(node, "version", |check, node| check.command(node, "`version`"));
        let line = if is_command {
            self.command_line(node).map(Some)
        } else {
            Ok(None)
        };
        let process = Process {
            env: env?.unwrap_or_default(),
            install: install?,
            version: version?,
            ..Process::of_command(command?, ready?.unwrap_or(READY_TIMEOUT))
        };
        Ok(Some((process, line?)))
    }

    fn command_line(&mut self, node: &Node) -> Checked<CommandLine> {
        let speaks = self
            .needed(
                node,
                "speaks",
                "what `$version` is for each version, such as { v5: mqttv5 }",
            )
            .and_then(|node| self.speaks(node));
        let options = self.given(node, "options", Self::options);
        let input = self.given(node, "input", |check, node| check.string(node, "`input`"));
        let disconnect = self.given(node, "disconnect", |check, node| {
            let word = check.read.text(node, "`disconnect`")?;
            let known = HowToDisconnect::ALL.into_iter().find(|(name, _)| *name == word);
            known.map(|(_, how)| how).ok_or_else(|| {
                let words = HowToDisconnect::ALL.map(|(name, _)| name);
                check.read.unknown(&node.place, "way to disconnect", word, &words)
            })
        });
        let leaves = self.flag(node, "leaves");
        Ok(CommandLine {
            speaks: speaks?,
            options: options?.unwrap_or_default(),
            input: input?,
            disconnect: disconnect?,
            leaves: leaves?,
        })
    }

    fn speaks(&mut self, node: &Node) -> Checked<BTreeMap<Version, String>> {
        let entries = self.read.entries(node, "`speaks`")?;
        let found = every(entries, |(key, value)| {
            let version = Version::ALL.into_iter().find(|version| version.name() == key.key());
            let version = version.ok_or_else(|| {
                self.read
                    .unknown(&key.place, "version", key.key(), &Version::ALL.map(Version::name))
            });
            Ok((version?, self.string(value, "what `$version` is")?))
        })?;
        Ok(found.into_iter().collect())
    }

    fn options(&mut self, node: &Node) -> Checked<BTreeMap<String, Vec<String>>> {
        let entries = self.read.entries(node, "`options`")?;
        let found = every(entries, |(key, value)| {
            if !OPTIONS.contains(&key.key()) {
                return Err(self.read.unknown(&key.place, "option", key.key(), &OPTIONS));
            }
            let items = self.read.list(value, "an option")?;
            let arguments = every(items, |item| self.string(item, "an argument"))?;
            Ok((key.key().to_owned(), arguments))
        })?;
        Ok(found.into_iter().collect())
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

    #[test]
    fn a_command_says_what_it_can_do() {
        let read = |client: &str| {
            let text = format!("name: pub\nclient:\n  command: [pub, -V, $version]\n{client}");
            Profile::parse(&text, Path::new("pub.yaml")).map_err(|error| error.to_string())
        };
        let good =
            "  speaks: { v5: mqttv5 }\n  options: { retain: [-r] }\n  disconnect: end of input\n  leaves: true\n";
        let line = read(good).unwrap().command_line.unwrap();
        assert_eq!(line.options["retain"], ["-r"]);
        assert!(line.leaves && line.disconnect.is_some());
        let wrong = |client: &str| read(client).unwrap_err();
        assert!(
            wrong("  speaks: { v4: x }\n").contains("unknown version `v4`"),
            "{}",
            wrong("  speaks: { v4: x }\n")
        );
        assert!(wrong("").contains("missing key `speaks`"));
        let option = "  speaks: { v5: x }\n  options: { retained: [-r] }\n";
        assert!(wrong(option).contains("unknown option `retained`"), "{}", wrong(option));
        assert!(wrong("  adapter: [x]\n").contains("`adapter` means nothing beside `command`"));
    }
}
