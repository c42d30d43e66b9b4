//! `clients:` how each client begins.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cx::Cx;
use super::packets::join;
use super::rows::{Row, exact_version};
use crate::scenario::{Acks, ClientSpec, FieldExpr, PacketTemplate, Start, fields, text};
use crate::source::{Node, quoted};
use crate::statements::Version;
use crate::wire::{Kind, PacketType};

/// Names that mean something else at the beginning of a step or after a dollar.
pub(in crate::scenario) const RESERVED: [&str; 15] = [
    "at", "only", "repeat", "wait", "broker", "one", "in", "note", "v5", "ns", "i", "login", "auth", "users", "share",
];
pub(in crate::scenario) const CLIENT_KEYS: [&str; 6] =
    ["version", "session", "connect", "connack", "subscribe", "acks"];

impl Cx<'_> {
    /// Takes down the clients' names: every step needs them.
    pub fn client_names(&mut self, node: &Node) -> Option<()> {
        let Some(entries) = node.map().filter(|e| !e.is_empty()) else {
            self.error_help(
                &node.place,
                "`clients` is a map of at least one client",
                "such as `{ c: {} }`",
            );
            return None;
        };
        let mut good = true;
        if let (true, Some((second, _))) = (self.tests_client(), entries.get(1)) {
            self.error_help(
                &second.place,
                "a scenario that tests a client has one client",
                "the script plays the broker, and with it every other client",
            );
            good = false;
        }
        for (key, _) in entries {
            let name = key.key();
            if RESERVED.contains(&name) {
                self.error(
                    &key.place,
                    format!("no client can be named `{name}`: it means something else"),
                );
                good = false;
            } else if !text::is_name(name) {
                self.error(
                    &key.place,
                    format!(
                        "{} is not a client name: letters a to z, digits and `_`, a letter first",
                        quoted(name)
                    ),
                );
                good = false;
            }
            self.clients.push(Arc::from(name));
        }
        good.then_some(())
    }

    /// The clients, at this version.
    pub fn client_specs(&mut self, entries: &[(Node, Node)]) -> Option<Vec<ClientSpec>> {
        self.each(entries, |cx, (key, value)| cx.client_spec(key, value))
    }

    fn client_spec(&mut self, key: &Node, value: &Node) -> Option<ClientSpec> {
        if let Some((reserved, _)) = value.map().and_then(|e| e.iter().find(|(key, _)| key.key() == "on")) {
            self.error_help(
                &reserved.place,
                "`on` is reserved: this mqttspec connects every client to the same address",
                "it will name the node of a cluster that the client connects to",
            );
            return None;
        }
        self.map(value, "a client", &CLIENT_KEYS)?;
        let misplaced = if self.tests_client() { "version" } else { "connack" };
        if let Some((key, _)) = value
            .map()
            .and_then(|e| e.iter().find(|(key, _)| key.key() == misplaced))
        {
            let help = match misplaced {
                "connack" => "`tests: client` at the top makes the script send the CONNACK",
                _ => "the client under test speaks the version of the case",
            };
            self.error_help(
                &key.place,
                format!("`{misplaced}` means nothing in a test of a {}", self.tested()),
                help,
            );
            return None;
        }
        let version = match value.get("version") {
            None => self.version,
            Some(node) => self.client_version(node)?,
        };
        let name: Arc<str> = Arc::from(key.key());
        self.speak.push((name, version));
        self.speaking(key.key(), |cx| cx.spec_at(key, value))
    }

    /// `version: v3.1.1`
    fn client_version(&mut self, node: &Node) -> Option<Version> {
        let text = self.text(node, "`version`")?;
        let version = exact_version(text);
        if version.is_none() {
            self.unknown(&node.place, "version", text, &Version::ALL.map(Version::name));
        }
        version
    }

    /// What the clients of a case speak alongside its own version, without a look at anything else of them.
    pub fn versions_spoken(&mut self, clients: &[(Node, Node)], row: Option<&Row>) -> BTreeSet<Version> {
        let mut all = BTreeSet::from([self.version]);
        for (_, value) in clients {
            let value = self.filled(value, row);
            all.extend(value.get("version").and_then(Node::text).and_then(exact_version));
        }
        all
    }

    /// The client, at the version that it speaks.
    fn spec_at(&mut self, key: &Node, value: &Node) -> Option<ClientSpec> {
        let place = join(&key.place, &value.place);
        let mut spec = ClientSpec {
            name: Arc::from(key.key()),
            place: place.clone(),
            version: self.version,
            start: Start::Connected,
            connect: PacketTemplate::new(PacketType::Connect, place.clone()),
            connack: PacketTemplate::new(PacketType::ConnAck, place),
            subscribe: None,
            acks: Acks::Script,
        };
        if let Some(connect) = value.get("connect") {
            match connect.text().filter(|_| !connect.is_null()) {
                Some("false") => spec.start = Start::TcpOnly,
                Some("true") => {}
                Some(_) => {
                    self.error(&connect.place, "`connect` is the fields of the CONNECT, or false");
                    return None;
                }
                None => {
                    spec.connect = self.packet_template(PacketType::Connect, &connect.place, connect, None)?;
                }
            }
        }
        if self.tests_client() {
            self.check_command(&spec.connect)?;
        }
        if let Some(connack) = value.get("connack") {
            if spec.start == Start::TcpOnly {
                self.error(&connack.place, "a client that does not connect gets no CONNACK");
                return None;
            }
            spec.connack = self.packet_template(PacketType::ConnAck, &connack.place, connack, None)?;
        }
        if let Some(session) = value.get("session") {
            if spec.start == Start::TcpOnly {
                self.error(&session.place, "a client that does not connect has no session");
                return None;
            }
            self.session(session, value.get("connect"))?.set_in(&mut spec.connect);
        }
        if let Some(subscribe) = value.get("subscribe") {
            if spec.start == Start::TcpOnly {
                self.error(&subscribe.place, "a client that does not connect cannot subscribe");
                return None;
            }
            spec.subscribe = Some(self.subscribe(subscribe)?);
        }
        if let Some(acks) = value.get("acks") {
            spec.acks = match acks.text() {
                Some("auto") => Acks::Auto,
                Some("script") => Acks::Script,
                _ => {
                    self.error(&acks.place, "`acks` is `auto` or `script`");
                    return None;
                }
            };
        }
        Some(spec)
    }

    /// `{ $ns/a: 1 }`, a list of filters, or all fields of a SUBSCRIBE with `filters` among them.
    pub fn subscribe(&mut self, node: &Node) -> Option<PacketTemplate> {
        if node.get("filters").is_some() {
            return self.packet_template(PacketType::Subscribe, &node.place, node, None);
        }
        let spec = fields::named(PacketType::Subscribe, self.version, "filters")?;
        let Kind::List(fields) = &spec.kind else {
            return None;
        };
        let filters = self.filters(node, fields)?;
        if filters.is_empty() {
            self.error(&node.place, "`subscribe` names at least one filter");
            return None;
        }
        let mut template = PacketTemplate::new(PacketType::Subscribe, node.place.clone());
        template.fields.push(FieldExpr {
            name: spec.name.to_owned(),
            place: node.place.clone(),
            value: crate::scenario::Expr::List(filters),
        });
        Some(template)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{load_text, messages};
    use crate::scenario::{Scope, print};
    use crate::statements::Version;

    fn text(clients: &str, steps: &str) -> String {
        format!("format: 1\ntitle: T\nversions: [v5]\nclients: {{ {clients} }}\nsteps:\n{steps}")
    }

    #[test]
    fn fields_are_those_of_the_clients_own_version() {
        let clients = "pub: { version: v3.1.1, session: kept }, sub: { session: kept }";
        let scenario = load_text(&text(
            clients,
            "  - pub -> reconnect: { resumed: true }\n  - sub <- PUBLISH: { subscription_ids: 1 }\n",
        ));
        let case = &scenario.cases[0];
        assert_eq!(case.version, Version::V5);
        assert_eq!(
            case.speaks.iter().copied().collect::<Vec<_>>(),
            [Version::V3_1_1, Version::V5]
        );
        let expiries: Vec<usize> = case.script.clients.iter().map(|c| c.connect.fields.len()).collect();
        assert_eq!(expiries, [1, 2], "the Session Expiry Interval is of 5.0");
        let wrong = messages(&text(
            clients,
            "  - pub -> PUBLISH: { topic: $ns, topic_alias: 1 }\n  - pub <- PUBACK: { reason_code: 0 }\n",
        ));
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong.iter().all(|m| m.ends_with("at v3.1.1")), "{wrong:?}");
        let unknown = messages(&text("c: { version: v4 }", "  - c <- PINGRESP\n"));
        assert!(unknown.len() == 1 && unknown[0].contains("v4"), "{unknown:?}");
    }

    #[test]
    fn open_ranges_are_printed_as_they_are_written() {
        let steps =
            "  - c <- CONNACK: { receive_maximum: 1.., server_keep_alive: ..60 or 90..99, reason_code: 0x80.. }\n";
        let scenario = load_text(&text("c: {}", steps));
        let shown = print::step(&scenario.cases[0].script.steps[0], &Scope::new("ms00abcd"));
        let expected = "c <- CONNACK: { receive_maximum: 1.., server_keep_alive: ..60 or 90..99, reason_code: 0x80.. }";
        assert_eq!(shown, expected);
        for wrong in ["..", "70000..", "9..5", "..x"] {
            let found = messages(&text(
                "c: {}",
                &format!("  - c <- CONNACK: {{ receive_maximum: {wrong} }}\n"),
            ));
            assert_eq!(found.len(), 1, "{wrong}: {found:?}");
        }
    }

    #[test]
    fn words_of_later_formats_say_so() {
        let reserved = |text: &str| messages(text).iter().any(|m| m.contains("is reserved"));
        assert!(reserved(&text("c: { on: 2 }", "  - c <- PINGRESP\n")));
        let silent = messages(&text("c: {}", "  - c -> nothing\n"));
        assert_eq!(silent, ["`nothing` cannot be sent"]);
    }
}
