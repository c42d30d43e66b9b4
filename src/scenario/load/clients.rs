//! `clients:` how each client begins.

use std::sync::Arc;

use super::cx::Cx;
use super::packets::join;
use crate::scenario::{Acks, ClientSpec, FieldExpr, PacketTemplate, Start, fields, text};
use crate::source::{Node, quoted};
use crate::wire::{Kind, PacketType};

/// Names that mean something else at the beginning of a step or after a dollar.
pub(in crate::scenario) const RESERVED: [&str; 14] = [
    "only", "repeat", "wait", "broker", "one", "in", "note", "v5", "ns", "i", "login", "auth", "users", "share",
];
pub(in crate::scenario) const CLIENT_KEYS: [&str; 4] = ["session", "connect", "subscribe", "acks"];

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
                        "{} is no name of a client: letters a to z, digits and `_`, a letter first",
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
        self.map(value, "a client", &CLIENT_KEYS)?;
        let place = join(&key.place, &value.place);
        let mut spec = ClientSpec {
            name: Arc::from(key.key()),
            place: place.clone(),
            start: Start::Connected,
            connect: PacketTemplate::new(PacketType::Connect, place),
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
    fn subscribe(&mut self, node: &Node) -> Option<PacketTemplate> {
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
