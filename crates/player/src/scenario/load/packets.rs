//! `PACKET: { fields }` → templates of what is sent and patterns of what is waited for.

use bytes::Bytes;
use std::time::Duration;

use super::cx::Cx;
use super::values::lone_var;
use crate::scenario::bytes::Use;
use crate::scenario::fields;
use crate::scenario::{Expr, FieldExpr, FieldPattern, PacketPattern, PacketTemplate, Place, Split, Take, Within};
use crate::source::{Node, meant, number, quoted};
use crate::statements::Version;
use crate::wire::{FieldSpec, Kind, PacketType, Side};

/// How a write is done, alongside what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manner {
    pub split: Split,
    pub pause: Duration,
    pub probe: bool,
    pub text_frame: bool,
}

impl Default for Manner {
    fn default() -> Manner {
        Manner {
            split: Split::Whole,
            pause: Duration::ZERO,
            probe: false,
            text_frame: false,
        }
    }
}

/// The keys that say how a write is done.
pub(in crate::scenario) const MANNER: [&str; 4] = ["split", "pause", "probe", "text_frame"];

/// The keys, alongside its fields, by which a packet of this type is made wrong.
pub(in crate::scenario) fn wrong_keys(packet_type: PacketType, version: Version) -> Vec<&'static str> {
    let mut keys = vec!["flags", "remaining_length", "append", "truncate"];
    if packet_type == PacketType::Connect {
        keys.push("connect_flags");
    }
    let pings = matches!(packet_type, PacketType::PingReq | PacketType::PingResp);
    if version == Version::V5 && !pings {
        keys.extend(["properties", "property_length"]);
    }
    keys
}

impl Cx<'_> {
    /// The type of a packet by its name, or an error that names the nearest.
    pub fn packet_type(&mut self, name: &str, place: &Place) -> Option<PacketType> {
        let found = PacketType::from_name(name);
        if found.is_none() {
            let names = PacketType::ALL.map(PacketType::name);
            self.unknown(place, "packet", name, &names);
        }
        found.filter(|t| {
            let exists = *t != PacketType::Auth || self.version == Version::V5;
            if !exists {
                self.error_help(
                    place,
                    format!("there is no AUTH at {}", self.version),
                    "put steps for one version under `only v5:`",
                );
            }
            exists
        })
    }

    /// A packet to be sent. Where `manner` is given, the keys that say how a write is done are read into it.
    pub fn packet_template(
        &mut self,
        packet_type: PacketType,
        place: &Place,
        body: &Node,
        mut manner: Option<&mut Manner>,
    ) -> Option<PacketTemplate> {
        let mut template = PacketTemplate::new(packet_type, place.clone());
        if body.is_null() {
            return Some(template);
        }
        let Some(entries) = body.map() else {
            self.error(
                &body.place,
                format!("the fields of a {packet_type} are a map, not {}", body.kind()),
            );
            return None;
        };
        let fields = fields::sent(packet_type, self.version);
        let wrong = wrong_keys(packet_type, self.version);
        let mut good = true;
        for (key, value) in entries {
            let name = key.key();
            let done = if let Some(spec) = fields.iter().find(|f| f.is(name)) {
                self.field_expr(packet_type, key, value, spec, &mut template)
            } else if wrong.contains(&name) {
                self.make_wrong(name, value, &mut template)
            } else if MANNER.contains(&name) && manner.is_some() {
                manner.as_deref_mut().and_then(|m| self.manner(name, value, m))
            } else {
                let mut allowed: Vec<&str> = fields.iter().map(|f| f.name).collect();
                allowed.extend(&wrong);
                if manner.is_some() {
                    allowed.extend(MANNER);
                }
                self.unknown_field(packet_type, key, &allowed);
                None
            };
            good &= done.is_some();
        }
        self.check_flags(entries);
        self.check_names(entries, fields);
        good.then_some(template)
    }

    fn field_expr(
        &mut self,
        packet_type: PacketType,
        key: &Node,
        value: &Node,
        spec: &FieldSpec,
        template: &mut PacketTemplate,
    ) -> Option<()> {
        let optional = matches!(spec.name, "username" | "password" | "will")
            || (packet_type == PacketType::Publish && spec.name == "packet_id");
        let left_out = optional && value.is_plain() && value.text() == Some("absent");
        let expr = if left_out {
            Expr::Absent
        } else {
            self.expr(value, spec.name, &spec.kind)?
        };
        template.fields.push(FieldExpr {
            name: spec.name.to_owned(),
            place: join(&key.place, &value.place),
            value: expr,
        });
        Some(())
    }

    fn make_wrong(&mut self, name: &str, value: &Node, template: &mut PacketTemplate) -> Option<()> {
        match name {
            "flags" => template.flags = Some(self.number(value, "`flags`", 0x0f)? as u8),
            "remaining_length" => template.remaining_length = Some(self.length(value, "`remaining_length`")?),
            "property_length" => template.property_length = Some(self.length(value, "`property_length`")?),
            "append" => template.append = Some(self.bytes(value, "`append`", Use::Sent)?),
            "truncate" => template.truncate = self.number(value, "`truncate`", u32::MAX.into())? as usize,
            "properties" => {
                let hex = match self.map(value, "`properties`", &["hex"])? {
                    [(key, hex)] if key.key() == "hex" => hex,
                    _ => {
                        self.error(
                            &value.place,
                            "`properties` is `{ hex: \"21 00 01\" }`: the bytes of the block",
                        );
                        return None;
                    }
                };
                template.properties = Some(self.bytes(hex, "`hex`", Use::Sent)?);
            }
            _ => {
                let (flags, login) = match value.text().and_then(|t| t.split_once('|')) {
                    Some((flags, var)) if lone_var(var.trim()).is_some_and(|v| v.0 == "login") => {
                        (number(flags.trim()), true)
                    }
                    _ => (value.text().and_then(number), false),
                };
                let Some(flags) = flags.and_then(|f| u8::try_from(f).ok()) else {
                    self.error(
                        &value.place,
                        "`connect_flags` is a byte such as `0x03`, or `0x03|$login`",
                    );
                    return None;
                };
                template.connect_flags = Some(flags);
                template.places_login = login;
            }
        }
        Some(())
    }

    /// A length as it is to be written: a number, or hex such as `c0 80 00`.
    fn length(&mut self, node: &Node, what: &str) -> Option<Bytes> {
        if let Some(n) = node.text().and_then(number) {
            let Some(length) = u32::try_from(n).ok().filter(|n| *n <= crate::wire::VARIABLE_MAX) else {
                self.error_help(
                    &node.place,
                    format!("{n} is more than 268435455, the most that {what} can be"),
                    "write an invalid length as hex: `ff ff ff ff 01`",
                );
                return None;
            };
            return Some(crate::wire::encode_variable(length));
        }
        match node.text().map(|t| hex::decode(t.replace(' ', ""))) {
            Some(Ok(bytes)) if !bytes.is_empty() => Some(bytes.into()),
            _ => {
                self.error(&node.place, format!("{what} is a number, or hex such as `c0 80 00`"));
                None
            }
        }
    }

    pub fn manner(&mut self, name: &str, value: &Node, manner: &mut Manner) -> Option<()> {
        match name {
            "probe" => manner.probe = self.boolean(value, "`probe`")?,
            "text_frame" => manner.text_frame = self.boolean(value, "`text_frame`")?,
            "pause" => manner.pause = self.duration(value, "`pause`")?,
            _ => {
                manner.split = match value.list() {
                    Some(items) => {
                        let sizes = self.each(items, |cx, item| cx.split_size(item))?;
                        if sizes.is_empty() {
                            self.error(&value.place, "`split` names the size of at least one write");
                            return None;
                        }
                        Split::At(sizes)
                    }
                    None => Split::Every(self.split_size(value)?),
                }
            }
        }
        Some(())
    }

    fn split_size(&mut self, node: &Node) -> Option<usize> {
        let size = self.number(node, "the size of a write", u32::MAX.into())?;
        if size == 0 {
            self.error(&node.place, "a write has at least one byte");
            return None;
        }
        Some(size as usize)
    }

    fn unknown_field(&mut self, packet_type: PacketType, key: &Node, allowed: &[&str]) {
        let name = key.key();
        let version = self.version;
        let elsewhere: Vec<&str> = Version::ALL
            .into_iter()
            .filter(|v| fields::named(packet_type, *v, name).is_some() || wrong_keys(packet_type, *v).contains(&name))
            .map(Version::name)
            .collect();
        let help = match elsewhere.as_slice() {
            [] => meant(name, allowed.iter().copied(), || {
                if allowed.is_empty() {
                    format!("a {packet_type} has no fields at {version}")
                } else {
                    format!("allowed here: {}", allowed.join(", "))
                }
            }),
            versions => format!(
                "it has one at {}: put what applies at one version into a `v5:` map",
                versions.join(", ")
            ),
        };
        let message = format!("{packet_type} has no field {} at {version}", quoted(name));
        self.error_help(&key.place, message, help);
    }

    /// `flags` says all four bits, so it does not go with the fields that are kept in them.
    fn check_flags(&mut self, entries: &[(Node, Node)]) {
        let find = |name: &str| entries.iter().find(|(k, _)| k.key() == name);
        let Some((flags, _)) = find("flags") else { return };
        for name in ["dup", "qos", "retain"] {
            if let Some((other, _)) = find(name) {
                let error = self
                    .diagnostic(&flags.place, format!("`flags` together with `{name}`"))
                    .also(&other.place, "here")
                    .help("`flags` are the four bits that contain `dup`, `qos` and `retain`");
                self.report(error);
                return;
            }
        }
    }

    /// A field under both of its names.
    fn check_names(&mut self, entries: &[(Node, Node)], fields: &[FieldSpec]) {
        for field in fields {
            let mut found = entries.iter().filter(|(k, _)| field.is(k.key()));
            if let (Some((first, _)), Some((second, _))) = (found.next(), found.next()) {
                let message = format!("`{}` and `{}` are the same field", first.key(), second.key());
                let error = self.diagnostic(&second.place, message).also(&first.place, "first here");
                self.report(error);
            }
        }
    }

    /// A packet to be waited for.
    pub fn packet_pattern(
        &mut self,
        packet_type: PacketType,
        place: &Place,
        body: &Node,
        how: Take,
    ) -> Option<PacketPattern> {
        let (side, version) = (self.tests, self.version);
        let may_send = |t: PacketType| match side {
            Side::Client => t.from_client(version),
            Side::Server => t.from_server(version),
        };
        if !may_send(packet_type) {
            let names: Vec<&str> = PacketType::ALL
                .into_iter()
                .filter(|t| may_send(*t))
                .map(PacketType::name)
                .collect();
            self.error_help(
                place,
                format!("a {} never sends {packet_type} at {}", self.tested(), self.version),
                format!("allowed here: {}", names.join(", ")),
            );
            return None;
        }
        let mut pattern = PacketPattern {
            packet_type,
            place: place.clone(),
            fields: Vec::new(),
            how,
            within: Within::default(),
        };
        if body.is_null() {
            return Some(pattern);
        }
        let Some(entries) = body.map() else {
            self.error(
                &body.place,
                format!("the fields of a {packet_type} are a map, not {}", body.kind()),
            );
            return None;
        };
        let fields = fields::awaited(packet_type, self.version);
        let mut good = true;
        for (key, value) in entries {
            let name = key.key();
            if let Some(spec) = fields.iter().find(|f| f.is(name)) {
                match self.pattern(value, spec.name, &spec.kind) {
                    Some(found) => pattern.fields.push(FieldPattern {
                        name: spec.name.to_owned(),
                        place: join(&key.place, &value.place),
                        pattern: found,
                    }),
                    None => good = false,
                }
            } else if name == "within" {
                match self.within(value) {
                    Some(within) => pattern.within = within,
                    None => good = false,
                }
            } else {
                let allowed: Vec<&str> = fields.iter().map(|f| f.name).chain(["within"]).collect();
                self.unknown_field(packet_type, key, &allowed);
                good = false;
            }
        }
        self.check_names(entries, fields);
        good.then_some(pattern)
    }

    /// A group of fields, such as a will.
    pub fn group(
        &mut self,
        node: &Node,
        what: &str,
        fields: &[FieldSpec],
        more: &[&str],
    ) -> Option<Vec<(String, Expr)>> {
        let names: Vec<&str> = fields.iter().map(|f| f.name).chain(more.iter().copied()).collect();
        let entries = self.map(node, what, &names)?;
        self.each(entries, |cx, (key, value)| {
            let name = key.key();
            let expr = match fields.iter().find(|f| f.name == name) {
                Some(spec) => cx.expr(value, name, &spec.kind),
                None if more.contains(&name) => cx.expr(value, name, &Kind::Number { max: 0xff }),
                None => None,
            };
            Some((name.to_owned(), expr?))
        })
    }

    /// The filters of a SUBSCRIBE: `{ $ns/a: 1 }`, or a list of such, of filters and of `{ filter: .., qos: .. }`.
    pub fn filters(&mut self, node: &Node, fields: &[FieldSpec]) -> Option<Vec<Expr>> {
        match (node.map(), node.list()) {
            (Some(entries), _) => self.each(entries, |cx, (key, value)| cx.filter(key, value, fields)),
            (_, Some(items)) => self.each(items, |cx, item| match item.map() {
                Some([(key, value)]) if !fields.iter().any(|f| f.name == key.key()) => cx.filter(key, value, fields),
                Some(entries) if !entries.iter().any(|(k, _)| k.key() == "filter") => {
                    cx.error(&item.place, "no `filter` is named here");
                    None
                }
                Some(_) => {
                    let group = cx.group(item, "a filter", fields, &["options"])?;
                    cx.check_options(item);
                    Some(Expr::Map(group))
                }
                None => {
                    let filter = cx.expr(item, "filter", &Kind::Text)?;
                    Some(Expr::Map(vec![("filter".to_owned(), filter)]))
                }
            }),
            _ => {
                self.error_help(
                    &node.place,
                    format!("`filters` is a map or a list, not {}", node.kind()),
                    "such as `{ $ns/a: 1 }` or `[{ filter: $ns/a, qos: 1 }]`",
                );
                None
            }
        }
    }

    /// `$ns/a: 1` or `$ns/a: { qos: 1, no_local: true }`
    fn filter(&mut self, key: &Node, value: &Node, fields: &[FieldSpec]) -> Option<Expr> {
        let filter = self.expr(key, "filter", &Kind::Text);
        let mut group = if value.map().is_some() {
            let options: Vec<FieldSpec> = fields.iter().filter(|f| f.name != "filter").cloned().collect();
            self.check_options(value);
            self.group(value, "what is asked for with a filter", &options, &["options"])?
        } else {
            vec![("qos".to_owned(), self.expr(value, "qos", &Kind::Number { max: 3 })?)]
        };
        group.insert(0, ("filter".to_owned(), filter?));
        Some(Expr::Map(group))
    }

    /// `options` is the whole byte, so it does not go with what is kept in it.
    fn check_options(&mut self, node: &Node) {
        let entries = node.map().unwrap_or_default();
        let parts = entries.iter().find(|(k, _)| !matches!(k.key(), "options" | "filter"));
        if let (Some(_), Some((other, _))) = (node.get("options"), parts) {
            let message = format!("`options` together with `{}`", other.key());
            self.error_help(&other.place, message, "`options` is the whole byte");
        }
    }

    pub fn diagnostic(&self, place: &Place, message: impl Into<String>) -> crate::scenario::Diagnostic {
        crate::scenario::Diagnostic::new(self.source, place, message)
    }
}

/// From the beginning of one place to the end of another that follows it.
pub(super) fn join(first: &Place, last: &Place) -> Place {
    Place {
        span: first.span.start..last.span.end.max(first.span.end),
        ..first.clone()
    }
}
