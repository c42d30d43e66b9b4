//! `session:` and `c -> reconnect`: how long a client's session lasts, and how the client comes back to it.

use std::sync::Arc;
use std::time::Duration;

use super::cx::Cx;
use super::packets::join;
use crate::scenario::{
    Expect, Expr, FieldExpr, FieldPattern, PacketPattern, PacketTemplate, Part, Pattern, Place, Send, Split, Step,
    StepKind, Take, Within, Write, fields,
};
use crate::source::{Node, parse_duration, quoted};
use crate::statements::Version;
use crate::wire::PacketType;

/// The keys of `reconnect`.
pub(in crate::scenario) const RECONNECT_KEYS: [&str; 4] = ["resumed", "session", "connect", "connack"];
/// How long `session: kept` lasts at 5.0: longer than any case.
const KEPT: Duration = Duration::from_secs(300);
/// The fields by which a CONNECT says how long its session lasts.
const CLEAN: &str = "clean_session";
const EXPIRY: &str = "session_expiry_interval";

/// What `session:` stands for in a CONNECT.
pub(super) struct Session(Vec<FieldExpr>);

impl Session {
    /// Sets the fields in a CONNECT, in place of those that said so before.
    pub fn set_in(self, connect: &mut PacketTemplate) {
        connect.fields.retain(|f| !says_session(&f.name));
        connect.fields.extend(self.0);
    }
}

fn says_session(field: &str) -> bool {
    matches!(field, CLEAN | "clean_start" | EXPIRY)
}

impl Cx<'_> {
    /// `session: kept`, `session: 60s` or `session: clean`. `connect` is the map that is alongside it, whose fields
    /// must not say the same.
    pub fn session(&mut self, value: &Node, connect: Option<&Node>) -> Option<Session> {
        let lasts = match value.text() {
            Some("clean") => None,
            Some("kept") => Some(KEPT),
            text => match text.and_then(|text| parse_duration(text).ok()) {
                Some(time) if time.subsec_nanos() == 0 => Some(time),
                Some(_) => {
                    self.error(&value.place, "a Session Expiry Interval is a number of whole seconds");
                    return None;
                }
                None => {
                    let shown = text.map_or(value.kind().to_owned(), quoted);
                    let message =
                        format!("`session` is `kept`, `clean` or a time in seconds such as `60s`, not {shown}");
                    self.error(&value.place, message);
                    return None;
                }
            },
        };
        self.check_session(value, connect)?;
        let mut set = Vec::new();
        if let Some(time) = lasts {
            let values = [(CLEAN, Expr::Bool(false)), (EXPIRY, Expr::Int(time.as_secs()))];
            for (name, expr) in values {
                // Before 5.0 there is no Session Expiry Interval.
                if let Some(spec) = fields::named(PacketType::Connect, self.version, name) {
                    set.push(FieldExpr {
                        name: spec.name.to_owned(),
                        place: value.place.clone(),
                        value: expr,
                    });
                }
            }
        }
        Some(Session(set))
    }

    /// `connect` says nothing that `session` says.
    fn check_session(&mut self, session: &Node, connect: Option<&Node>) -> Option<()> {
        let v5 = self.version == Version::V5;
        // The last two replace the bytes of the fields.
        let says = |name: &str| says_session(name) || name == "connect_flags" || (v5 && name == "properties");
        let entries = connect.and_then(Node::map).unwrap_or_default();
        let Some((key, _)) = entries.iter().find(|(key, _)| says(key.key())) else {
            return Some(());
        };
        let error = self
            .diagnostic(&key.place, format!("`{}` together with `session`", key.key()))
            .also(&session.place, "here")
            .help("`session` sets Clean Session and, at v5, the Session Expiry Interval");
        self.report(error);
        None
    }

    /// `c -> reconnect`: an open, the client's own CONNECT and the CONNACK, all at the place of the one step.
    pub fn reconnect(&mut self, client: &Arc<str>, value: &Node, place: &Place) -> Option<Vec<Step>> {
        if !value.is_null() {
            self.map(value, "`reconnect`", &RECONNECT_KEYS)?;
        }
        // What is wrong with the client has been said where it is.
        let mut connect = self.specs.iter().find(|c| c.name == *client)?.connect.clone();
        connect.place = place.clone();
        let more = value.get("connect");
        if let Some(node) = more {
            let given = self.packet_template(PacketType::Connect, &node.place, node, None)?;
            replace(&mut connect, given);
        }
        if let Some(node) = value.get("session") {
            self.session(node, more)?.set_in(&mut connect);
        }
        let connack = self.connack(value, place)?;
        let write = Write {
            parts: vec![Part::Packet(connect)],
            split: Split::Whole,
            pause: Duration::ZERO,
            probe: false,
            text_frame: false,
        };
        let client = || Arc::clone(client);
        let kinds = [
            StepKind::Send {
                client: client(),
                what: Send::Open,
            },
            StepKind::Send {
                client: client(),
                what: Send::Write(write),
            },
            StepKind::Expect {
                client: client(),
                what: Expect::Packet(connack),
            },
        ];
        let step = |what| Step {
            number: self.number_step(),
            place: place.clone(),
            what,
        };
        Some(kinds.map(step).into())
    }

    /// The CONNACK that a `reconnect` waits for.
    fn connack(&mut self, value: &Node, place: &Place) -> Option<PacketPattern> {
        let mut connack = match value.get("connack") {
            Some(node) => self.packet_pattern(PacketType::ConnAck, &node.place, node, Take::Oldest)?,
            None => PacketPattern {
                packet_type: PacketType::ConnAck,
                place: place.clone(),
                fields: Vec::new(),
                how: Take::Oldest,
                within: Within::default(),
            },
        };
        let Some(node) = value.get("resumed") else {
            return Some(connack);
        };
        let resumed = self.boolean(node, "`resumed`")?;
        const FLAG: &str = "session_present";
        if let Some(twice) = connack.fields.iter().find(|f| f.name == FLAG) {
            let error = self
                .diagnostic(&twice.place, format!("`{FLAG}` together with `resumed`"))
                .also(&node.place, "here")
                .help("`resumed` is the Session Present flag of the CONNACK");
            self.report(error);
            return None;
        }
        // The CONNACK of 3.1 does not say whether there is a session (3.1, section 3.2: the byte is reserved).
        if self.version != Version::V3_1 {
            let field = FieldPattern {
                name: FLAG.to_owned(),
                place: node.place.clone(),
                pattern: Pattern::Is(Expr::Bool(resumed)),
            };
            connack.fields.insert(0, field);
        }
        Some(connack)
    }

    /// The steps of `c -> reconnect`, if the key of a step is that.
    pub fn reconnect_step(&mut self, key: &Node, value: &Node) -> Option<Option<Vec<Step>>> {
        let (name, _) = key
            .key()
            .split_once("->")
            .filter(|(_, what)| what.trim() == "reconnect")?;
        let place = join(&key.place, &value.place);
        let client = self.client(key, name.trim());
        Some(client.and_then(|client| self.speaking(name.trim(), |cx| cx.reconnect(&client, value, &place))))
    }
}

/// Replaces what `given` names in a CONNECT, and leaves the rest.
fn replace(connect: &mut PacketTemplate, given: PacketTemplate) {
    connect
        .fields
        .retain(|f| given.fields.iter().all(|other| other.name != f.name));
    connect.fields.extend(given.fields);
    connect.flags = given.flags.or(connect.flags);
    connect.remaining_length = given.remaining_length.or(connect.remaining_length.take());
    if given.connect_flags.is_some() {
        connect.connect_flags = given.connect_flags;
        connect.places_login = given.places_login;
    }
    connect.properties = given.properties.or(connect.properties.take());
    connect.property_length = given.property_length.or(connect.property_length.take());
    connect.append = given.append.or(connect.append.take());
    connect.truncate = given.truncate.max(connect.truncate);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{load_text, messages};
    use crate::scenario::{Case, Scenario, Scope, print};

    fn text(clients: &str, steps: &str) -> String {
        format!("format: 1\ntitle: T\nversions: [v3.1, v3.1.1, v5]\nclients: {{ {clients} }}\nsteps:\n{steps}")
    }

    fn shown(case: &Case) -> Vec<String> {
        let scope = Scope::new("ms00abcd");
        case.script.steps.iter().map(|s| print::step(s, &scope)).collect()
    }

    fn connects(scenario: &Scenario) -> Vec<bytes::Bytes> {
        let scope = Scope::new("ms00abcd");
        let connect = |case: &Case| {
            let (packet, _) = case.script.clients[0].connect.build(case.version, &scope, "c").unwrap();
            crate::wire::encode_bytes(&packet, case.version)
        };
        scenario.cases.iter().map(connect).collect()
    }

    const PING: &str = "  - c <- PINGRESP\n";

    #[test]
    fn a_session_says_the_fields_that_the_version_has() {
        let long = load_text(&text(
            "c: { connect: { clean_session: false, v5: { session_expiry_interval: 300 } } }",
            PING,
        ));
        let short = load_text(&text("c: { session: kept }", PING));
        assert_eq!(connects(&short), connects(&long));
        let minutes = load_text(&text("c: { session: 2min, connect: { keep_alive: 1 } }", PING));
        let fields: Vec<usize> = minutes
            .cases
            .iter()
            .map(|c| c.script.clients[0].connect.fields.len())
            .collect();
        assert_eq!(fields, [2, 2, 3]);
        let clean = load_text(&text("c: { session: clean }", PING));
        assert_eq!(connects(&clean), connects(&load_text(&text("c: {}", PING))));
    }

    #[test]
    fn a_reconnect_is_an_open_the_own_connect_and_its_connack() {
        let scenario = load_text(&text(
            "c: { session: kept, connect: { keep_alive: 5 } }",
            "  - c -> reset\n  - c -> reconnect: { resumed: true, connack: { within: 3s } }\n  - c -> PINGREQ\n  - c <- PINGRESP\n",
        ));
        let all: Vec<Vec<String>> = scenario.cases.iter().map(shown).collect();
        assert_eq!(
            all[0][1..4],
            [
                "c -> open",
                "c -> CONNECT: { keep_alive: 5, clean_session: false }",
                "c <- CONNACK: { within: 3s }"
            ]
        );
        assert_eq!(all[1][3], "c <- CONNACK: { session_present: true, within: 3s }");
        assert_eq!(
            all[2][2],
            "c -> CONNECT: { keep_alive: 5, clean_start: false, session_expiry_interval: 300 }"
        );
        let steps = &scenario.cases[2].script.steps;
        let numbers: Vec<u32> = steps.iter().map(|s| s.number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
        let at = |n: usize| &scenario.header.source.text[steps[n].place.span.clone()];
        assert!(at(1).starts_with("c -> reconnect: {") && at(1) == at(2) && at(2) == at(3));
    }

    #[test]
    fn a_reconnect_may_replace_fields_and_the_session() {
        let scenario = load_text(&text(
            "c: { session: kept, connect: { keep_alive: 5, will: { topic: $ns/w, payload: x } } }",
            "  - c -> reconnect: { session: clean, connect: { keep_alive: 7, will: absent } }\n  - c -> reconnect\n",
        ));
        let v5 = shown(&scenario.cases[2]);
        assert_eq!(v5[1], "c -> CONNECT: { keep_alive: 7, will: absent }");
        assert!(v5[4].contains("keep_alive: 5") && v5[4].contains("session_expiry_interval: 300"));
    }

    #[test]
    fn what_contradicts_a_session_is_an_error() {
        let one = |clients: &str, steps: &str| {
            let all = messages(&text(clients, steps));
            assert_eq!(all.len(), 1, "{all:?}");
            all[0].clone()
        };
        let told = one("c: { session: kept, connect: { clean_session: true } }", PING);
        assert_eq!(told, "`clean_session` together with `session`");
        let told = one("c: { session: 1.5s }", PING);
        assert!(told.contains("whole seconds"), "{told}");
        let told = one("c: { session: kept, connect: false }", PING);
        assert!(told.contains("does not connect"), "{told}");
        let told = one("c: {}", "  - c -> reconnect: { again: true }\n");
        assert!(told.contains("again"), "{told}");
        let twice = "  - c -> reconnect: { resumed: true, connack: { v5: { session_present: true } } }\n";
        assert_eq!(one("c: {}", twice), "`session_present` together with `resumed`");
        // The client's own error is the only one.
        one("c: { session: long }", "  - c -> reconnect\n");
    }
}
